"""Pods on the sandbox's node: Milvus pods get a process, all others are ready without one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import pod_network
from sandbox.faults import Faults
from sandbox.kube_client import ApiError, Informer, KubeClient
from sandbox.kube_paths import path_of
from sandbox.network import AddressPool
from sandbox.workload import objects, state
from sandbox.workload.container import milvus_container
from sandbox.workload.default_backend import DefaultBackend, is_default_backend
from sandbox.workload.forwarder import Forwarder
from sandbox.workload.milvus_pod import MilvusPod
from sandbox.workload.volumes import Volumes

Json = dict[str, Any]
PODS = "/api/v1/pods"
NODE_ADDRESS = "127.0.0.1"


class Kubelet:
    """Keeps each pod's status and process in step with the pod; `again` queues a pod's key for another look."""

    def __init__(
        self,
        client: KubeClient,
        pods: Informer,
        *,
        node: str,
        directory: Path,
        addresses: AddressPool,
        forwarder: Forwarder,
        faults: Faults,
        pace: float,
        again: Callable[[str], None],
    ) -> None:
        self._client, self._pods, self._node, self._directory = client, pods, node, directory
        self._addresses, self._forwarder, self._faults = addresses, forwarder, faults
        self._pace, self._again = pace, again
        self.volumes = Volumes(directory / "volumes", client)
        self._running: dict[str, MilvusPod] = {}
        self._address: dict[str, str] = {}
        self._uids: dict[str, str] = {}
        self._default_backends: dict[str, DefaultBackend] = {}

    def sync(self, key: str) -> None:
        """Look at one pod.

        Raises:
            KubeError: the API server did not take its status; to be tried again.
        """
        pod = self._pods.get(key)
        if pod is None:
            self._end(key)
            return
        if self._uids.get(key, pod["metadata"]["uid"]) != pod["metadata"]["uid"]:
            if self._end(key):  # a new pod of the same name
                self._again(key)
            return
        if objects.is_going(pod):
            if self._end(key):
                self._delete_now(pod)
            return
        node = pod["spec"].get("nodeName")
        if not node:
            self._bind(pod)
        elif node == self._node and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            self._keep(key, pod)

    def stop(self) -> None:
        """End every process; the pods stay as they are in the API."""
        for running in self._running.values():
            running.stop()
        for running in self._running.values():
            running.join()
        for backend in self._default_backends.values():
            backend.stop()

    def log(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> str | None:
        """What `kubectl logs` shows; empty for a container without a process, None without a previous run."""
        running = self._running.get(f"{namespace}/{pod}")
        if running is None or container not in ("", running.container_name):
            return None if previous else ""
        return running.log(previous=previous)

    def processes(self) -> dict[str, MilvusPod]:
        return dict(self._running)

    def _keep(self, key: str, pod: Json) -> None:
        address = self._address.get(key)
        if address is None:
            address = self._address[key] = self._addresses.pod_address()
            self._uids[key] = pod["metadata"]["uid"]
        if is_default_backend(pod) and key not in self._default_backends:
            backend = self._default_backends[key] = DefaultBackend(address)
            backend.start()
        container = milvus_container(pod)
        running = self._running.get(key)
        if container is not None and running is None:
            running = self._running[key] = self._start(key, pod, container, address)
        since = (pod.get("status") or {}).get("startTime") or objects.now()
        main = running.state if running else state.always_ready(since)
        name = running.container_name if running else None
        status = state.pod_status(pod, main, (pod_network.shown(address), NODE_ADDRESS), objects.now(), name)
        if not _holds(pod.get("status") or {}, status):
            namespace, pod_name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            path = path_of(PODS, namespace, pod_name, "status")
            self._client.strategic_merge_patch(path, {"status": _replacing_addresses(status)})

    def _start(self, key: str, pod: Json, container: Json, address: str) -> MilvusPod:
        running = MilvusPod(
            pod,
            container,
            address=address,
            directory=self._pod_folder(key),
            volumes=self.volumes,
            forwarder=self._forwarder,
            faults=self._faults,
            pace=self._pace,
            changed=lambda: self._again(key),
        )
        running.start()
        return running

    def _end(self, key: str) -> bool:
        """Stop what runs for a pod; True when nothing does any more."""
        running = self._running.get(key)
        if running is not None:
            running.stop()
            if not running.finished:
                return False
            del self._running[key]
            shutil.rmtree(self._pod_folder(key), ignore_errors=True)
        if backend := self._default_backends.pop(key, None):
            backend.stop()
        if address := self._address.pop(key, None):
            self._addresses.release(address)
        self._uids.pop(key, None)
        return True

    def _pod_folder(self, key: str) -> Path:
        return self._directory / "pods" / key.replace("/", "_")

    def _bind(self, pod: Json) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
        }
        try:
            self._client.create(path_of(PODS, namespace, name, "binding"), binding)
        except ApiError as error:
            if error.status not in (404, 409):  # gone, or bound meanwhile
                raise

    def _delete_now(self, pod: Json) -> None:
        path = path_of(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        try:
            self._client.delete(f"{path}?gracePeriodSeconds=0")
        except ApiError as error:
            if error.status != 404:
                raise


def _replacing_addresses(status: Json) -> Json:
    """A patch in which the pod's addresses take the place of earlier ones.

    Lists of addresses are merged by address otherwise, and an API server refuses two of one family (kubernetes
    pkg/apis/core/validation, validatePodIPs): a pod that an earlier sandbox left behind would never be ready again.
    """
    lists = {field: [{"$patch": "replace"}, *status[field]] for field in ("podIPs", "hostIPs") if field in status}
    return status | lists


def _holds(actual: Any, wanted: Any) -> bool:
    """Whether everything in `wanted` is in `actual`; a None in it means absent."""
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(
            actual.get(key) in (None, "") if value is None else _holds(actual.get(key), value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(actual, list):
            return False
        if wanted and isinstance(wanted[0], dict) and "type" in wanted[0]:
            by_type = {each.get("type"): each for each in actual}
            return all(_holds(by_type.get(each["type"]), each) for each in wanted)
        return len(actual) == len(wanted) and all(map(_holds, actual, wanted))
    return bool(actual == wanted) or (not wanted and not actual)
