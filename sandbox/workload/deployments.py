"""The Deployment and ReplicaSet controllers, with the garbage collection of what they own.

Sources: kubernetes pkg/controller/deployment, pkg/controller/replicaset, pkg/controller/garbagecollector. Simpler than
there: no adoption of orphans, no revision history limit, no events but `ScalingReplicaSet`.
"""

import copy
import datetime as dt
from collections.abc import Callable
from typing import Any

from sandbox.kube_client import ApiError, Informer, KubeClient, key_of
from sandbox.kube_paths import path_of
from sandbox.workload import objects, rollout
from sandbox.workload.rollout import Scale

Json = dict[str, Any]
DEPLOYMENTS = "/apis/apps/v1/deployments"
REPLICA_SETS = "/apis/apps/v1/replicasets"
PODS = "/api/v1/pods"


class Deployments:
    """Brings Deployments to their spec by ReplicaSets; `again(key, seconds)` queues another look."""

    def __init__(
        self,
        client: KubeClient,
        deployments: Informer,
        replica_sets: Informer,
        pods: Informer,
        again: Callable[[str, float], None],
    ) -> None:
        self._client, self._deployments, self._replica_sets, self._pods = client, deployments, replica_sets, pods
        self._again = again
        self._fresh: dict[str, Json] = {}

    def sync(self, key: str) -> None:
        """Look at one Deployment.

        Raises:
            KubeError: to be tried again.
        """
        deployment = self._deployments.get(key)
        if deployment is None or objects.is_going(deployment):
            return
        owned = self._owned(deployment)
        name = f"{deployment['metadata']['name']}-{objects.template_hash(deployment['spec']['template'])}"
        current = next((each for each in owned if each["metadata"]["name"] == name), None)
        created = current is None
        current = self._create(deployment, owned) if current is None else self._newest(current, owned)
        self._annotate(deployment, current["metadata"]["annotations"][objects.REVISION])
        old = [each for each in owned if each["metadata"]["name"] != name]
        new_scale, old_scale = self._scale(current), rollout.total([self._scale(each) for each in old])
        up, down = rollout.next_scales(deployment["spec"], new_scale, old_scale)
        self._resize_old(old, down)
        self._resize(current, up)
        self._write_status(deployment, new_scale, old_scale, created=created)

    def _owned(self, deployment: Json) -> list[Json]:
        uid = deployment["metadata"]["uid"]
        return [
            self._latest(each)
            for each in self._replica_sets.items()
            if objects.is_owned_by(each, uid) and not objects.is_going(each)
        ]

    def _latest(self, replica_set: Json) -> Json:
        """The ReplicaSet as we wrote it last, as long as the watch has not shown that yet."""
        written = self._fresh.get(key_of(replica_set))
        if written is None:
            return replica_set
        before, shown = written["metadata"], replica_set["metadata"]
        if before["uid"] == shown["uid"] and before["generation"] > shown.get("generation", 0):
            return written
        self._fresh.pop(key_of(replica_set))
        return replica_set

    def _create(self, deployment: Json, owned: list[Json]) -> Json:
        wanted = objects.replica_set(deployment, _next_revision(owned))
        path = path_of(REPLICA_SETS, deployment["metadata"]["namespace"], "").rstrip("/")
        try:
            return self._client.create(path, wanted)
        except ApiError as error:
            if error.status != 409:
                raise
            return self._client.get(f"{path}/{wanted['metadata']['name']}")

    def _newest(self, current: Json, owned: list[Json]) -> Json:
        """A ReplicaSet that is used again, after a rollback, gets the next revision."""
        newest = max(owned, key=_revision)
        if _revision(newest) <= _revision(current):
            return current
        annotations = {objects.REVISION: str(_next_revision(owned))}
        return self._client.merge_patch(_path(current), {"metadata": {"annotations": annotations}})

    def _annotate(self, deployment: Json, revision: str) -> None:
        if (deployment["metadata"].get("annotations") or {}).get(objects.REVISION) != revision:
            path = path_of(DEPLOYMENTS, deployment["metadata"]["namespace"], deployment["metadata"]["name"])
            self._client.merge_patch(path, {"metadata": {"annotations": {objects.REVISION: revision}}})

    def _scale(self, replica_set: Json) -> Scale:
        uid = replica_set["metadata"]["uid"]
        pods = [pod for pod in self._pods.items() if objects.is_owned_by(pod, uid)]
        ready = sum(objects.is_ready(pod) and not objects.is_going(pod) for pod in pods)
        return Scale(int(replica_set["spec"].get("replicas", 0)), len(pods), ready)

    def _resize_old(self, old: list[Json], total: int) -> None:
        """Leave `total` pods to all old ReplicaSets together; the oldest give theirs up first."""
        for each in sorted(old, key=_revision, reverse=True):
            keep = min(int(each["spec"].get("replicas", 0)), total)
            total -= keep
            self._resize(each, keep)

    def _resize(self, replica_set: Json, replicas: int) -> None:
        if int(replica_set["spec"].get("replicas", 0)) != replicas:
            written = self._client.merge_patch(_path(replica_set), {"spec": {"replicas": replicas}})
            self._fresh[key_of(written)] = written

    def _write_status(self, deployment: Json, new: Scale, old: Scale, *, created: bool) -> None:
        now = objects.now()
        status = rollout.status(deployment, new, old, created=created, now=now)
        if _differs(deployment.get("status") or {}, status):
            metadata = deployment["metadata"]
            path = path_of(DEPLOYMENTS, metadata["namespace"], metadata["name"], "status")
            self._client.merge_patch(path, {"status": status})
        deadline = rollout.progress_deadline({**deployment, "status": status})
        if deadline is not None:
            seconds = (deadline - dt.datetime.fromisoformat(now)).total_seconds()
            self._again(key_of(deployment), max(0.0, seconds))


class ReplicaSets:
    """Keeps as many pods as each ReplicaSet asks for, and deletes what has lost its owner."""

    def __init__(
        self, client: KubeClient, deployments: Informer, replica_sets: Informer, pods: Informer, node: str
    ) -> None:
        self._client, self._deployments, self._replica_sets, self._pods = client, deployments, replica_sets, pods
        self._node = node
        self._expected: dict[str, set[str]] = {}

    def sync(self, key: str) -> None:
        """Look at one ReplicaSet.

        Raises:
            KubeError: to be tried again.
        """
        replica_set = self._replica_sets.get(key)
        if replica_set is None:
            self._expected.pop(key, None)
            return
        if objects.is_going(replica_set):
            return
        if self._is_orphan(replica_set):
            _delete(self._client, _path(replica_set))
            return
        pods = self._pods_of(key, replica_set)
        present = [pod for pod in pods if not objects.is_going(pod)]
        wanted = int(replica_set["spec"].get("replicas", 0))
        for _ in range(wanted - len(present)):
            self._create_pod(key, replica_set)
        for pod in sorted(present, key=objects.is_ready)[: max(0, len(present) - wanted)]:
            _delete(self._client, path_of(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"]))
        self._write_status(replica_set, present)

    def sync_pod(self, key: str) -> None:
        """Delete a pod whose ReplicaSet is gone."""
        pod = self._pods.get(key)
        if pod is None or objects.is_going(pod):
            return
        for owner in pod["metadata"].get("ownerReferences") or []:
            if owner["kind"] == "ReplicaSet":
                found = self._replica_sets.get(f"{pod['metadata']['namespace']}/{owner['name']}")
                if self._replica_sets.synced.is_set() and (found is None or found["metadata"]["uid"] != owner["uid"]):
                    path = path_of("/apis/apps/v1/replicasets", pod["metadata"]["namespace"], owner["name"])
                    if self._client.find(path) is None:  # the watch may be behind
                        _delete(self._client, path_of(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _is_orphan(self, replica_set: Json) -> bool:
        for owner in replica_set["metadata"].get("ownerReferences") or []:
            if owner["kind"] == "Deployment":
                found = self._deployments.get(f"{replica_set['metadata']['namespace']}/{owner['name']}")
                if found is None or found["metadata"]["uid"] != owner["uid"]:
                    path = path_of(DEPLOYMENTS, replica_set["metadata"]["namespace"], owner["name"])
                    live = self._client.find(path)
                    return live is None or live["metadata"]["uid"] != owner["uid"]
        return False

    def _pods_of(self, key: str, replica_set: Json) -> list[Json]:
        """Its pods, with those that were created and that the watch has not shown yet."""
        uid = replica_set["metadata"]["uid"]
        pods = [pod for pod in self._pods.items() if objects.is_owned_by(pod, uid)]
        unseen = self._expected.get(key, set()) - {pod["metadata"]["name"] for pod in pods}
        self._expected[key] = unseen
        for name in list(unseen):
            pod = self._client.find(path_of(PODS, replica_set["metadata"]["namespace"], name))
            if pod is None:
                unseen.discard(name)
            else:
                pods.append(pod)
        return pods

    def _create_pod(self, key: str, replica_set: Json) -> None:
        namespace = replica_set["metadata"]["namespace"]
        account = (replica_set["spec"]["template"]["spec"]).get("serviceAccountName") or "default"
        if account == "default":
            ensure_service_account(self._client, namespace)
        pod = objects.pod(replica_set, self._node)
        created = self._client.create(f"/api/v1/namespaces/{namespace}/pods", pod)
        self._expected.setdefault(key, set()).add(created["metadata"]["name"])

    def _write_status(self, replica_set: Json, pods: list[Json]) -> None:
        ready = sum(map(objects.is_ready, pods))
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods) or None,
            "readyReplicas": ready or None,
            "availableReplicas": ready or None,
            "observedGeneration": replica_set["metadata"].get("generation", 1),
        }
        if _differs(replica_set.get("status") or {}, status):
            metadata = replica_set["metadata"]
            path = path_of(REPLICA_SETS, metadata["namespace"], metadata["name"], "status")
            self._client.merge_patch(path, {"status": status})


def ensure_service_account(client: KubeClient, namespace: str) -> None:
    """Make the `default` ServiceAccount, which a bare kube-apiserver wants for a pod and does not make."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    if client.find(f"{path}/default") is None:
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}
        try:
            client.create(path, body)
        except ApiError as error:
            if error.status != 409:
                raise


def _delete(client: KubeClient, path: str) -> None:
    try:
        client.delete(path)
    except ApiError as error:
        if error.status != 404:
            raise


def _path(replica_set: Json) -> str:
    return path_of(REPLICA_SETS, replica_set["metadata"]["namespace"], replica_set["metadata"]["name"])


def _revision(replica_set: Json) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(objects.REVISION) or 0)


def _next_revision(owned: list[Json]) -> int:
    return max(map(_revision, owned), default=0) + 1


def _differs(before: Json, after: Json) -> bool:
    before, after = copy.deepcopy(before), dict(after)
    return any((before.get(key) or None) != (value or None) for key, value in after.items())
