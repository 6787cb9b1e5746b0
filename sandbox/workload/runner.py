"""The workload runner: controllers, scheduler and kubelet of a laptop, an ordinary client of the API server.

Everything happens in one queue's thread, so the parts need no locks between them; only pods with a process have threads
of their own. In a cluster that has its own kube-controller-manager the runner does nothing.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube_client import Informer, KubeClient, key_of
from sandbox.kube_paths import path_of
from sandbox.latency import PROFILES, Latency
from sandbox.network import AddressPool
from sandbox.workload import declared_ready, default_backend, node, objects
from sandbox.workload.claims import CLAIMS, Claims, claims_of
from sandbox.workload.deployments import DEPLOYMENTS, PODS, REPLICA_SETS, Deployments, ReplicaSets
from sandbox.workload.endpoints import EndpointsController
from sandbox.workload.forwarder import Forwarder
from sandbox.workload.garbage import GarbageCollector
from sandbox.workload.kubelet import Kubelet
from sandbox.workload.load_balancers import SERVICES, LoadBalancers
from sandbox.workload.log_server import Asked, LogServer
from sandbox.workqueue import WorkQueue

_log = logging.getLogger(__name__)
Json = dict[str, Any]
_RETRY_SECONDS = (0.05, 5.0)
_OWNERS = {"Deployment": DEPLOYMENTS, "ReplicaSet": REPLICA_SETS, "Pod": PODS} | {
    kind: f"/apis/{group}/v1/{kind.lower()}s"
    for kind, group in (("StatefulSet", "apps"), ("DaemonSet", "apps"), ("Job", "batch"))
}


class Runner:
    """Starts and stops as one; `active` is False where the cluster has its own controllers."""

    def __init__(
        self,
        kubeconfig: Path | Json,
        directory: Path,
        *,
        addresses: AddressPool,
        latency: Latency,
        faults: Faults,
        project: str,
        zone: str,
        log_authority: CertificateAuthority | None = None,
    ) -> None:
        """Nothing starts yet.

        Args:
            kubeconfig: of the cluster, with a user who may do everything.
            directory: for what pods write.
            addresses: for pods and Services of type LoadBalancer.
            latency: how long things take.
            faults: `milvus-crash`.
            project: of the node's provider id.
            zone: of the node.
            log_authority: signs the certificate of a server of logs that the API server asks; None: it need not ask.
        """
        self._client = KubeClient.from_kubeconfig(kubeconfig, user_agent="sandbox-workload-runner")
        self._project, self._zone = project, zone
        self.active = False
        self._queue = WorkQueue("workload", self._work, retry_seconds=_RETRY_SECONDS)
        self.forwarder = Forwarder()
        self._informers = {
            path: Informer(self._client, path)
            for path in (DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, CLAIMS, *declared_ready.STATUS)
        }
        deployments, replica_sets = self._informers[DEPLOYMENTS], self._informers[REPLICA_SETS]
        pods, services = self._informers[PODS], self._informers[SERVICES]
        # Compared with the real profile: 1 there, 0 where nothing waits.
        pace = min(1.0, latency.address_seconds / PROFILES["real"].address_seconds)
        self.kubelet = Kubelet(
            self._client,
            pods,
            node=node.NAME,
            directory=directory,
            addresses=addresses,
            forwarder=self.forwarder,
            faults=faults,
            pace=pace,
            again=lambda key: self._queue.add(f"pod|{key}"),
        )
        again: Callable[[str, float], None] = lambda key, seconds: self._queue.add(  # noqa: E731
            f"deployment|{key}", after_seconds=seconds
        )
        self._deployments = Deployments(self._client, deployments, replica_sets, pods, again)
        self._replica_sets = ReplicaSets(self._client, deployments, replica_sets, pods, node.NAME)
        self._endpoints = EndpointsController(self._client, services, pods, zone)
        self.load_balancers = LoadBalancers(self._client, services, pods, addresses, self.forwarder)
        self._claims = Claims(self._client, self._informers[CLAIMS], pods, self.kubelet.volumes.remove_claim)
        self._garbage = GarbageCollector(
            self._client,
            {path: self._informers[path] for path in _OWNERS.values()},
            {path: self._informers[path] for path in (REPLICA_SETS, PODS)},
        )
        self._logs = LogServer(directory, self._read_log, log_authority) if log_authority else None
        self._attach()

    def start(self) -> None:
        """Begin, unless the cluster has a controller manager.

        Raises:
            KubeError: the API server cannot be asked.
        """
        if node.has_controller_manager(self._client):
            _log.info("the cluster has a kube-controller-manager: the workload runner stays idle")
            return
        if self._logs is not None:
            self._logs.start()
        node.register(self._client, self._project, self._zone, self._logs.port if self._logs else None)
        default_backend.install(self._client)
        self.active = True
        self.forwarder.start()
        for informer in self._informers.values():
            informer.start()
        for informer in self._informers.values():
            informer.synced.wait(timeout=10)
        self._queue.start()

    def stop(self) -> None:
        if self.active:
            self._queue.stop()
            self.kubelet.stop()
            stops = [threading.Thread(target=informer.stop) for informer in self._informers.values()]
            for each in stops:
                each.start()
            for each in stops:
                each.join()
            self.forwarder.stop()
        if self._logs is not None:
            self._logs.stop()
        self._client.close()

    def pod_logs(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> str | None:
        """What `kubectl logs` shows; None when there was no run before this one."""
        return self.kubelet.log(namespace, pod, container, previous=previous)

    def _read_log(self, asked: Asked) -> str | None:
        namespace, pod, container, previous = asked
        return self.pod_logs(namespace, pod, container, previous=previous)

    def _attach(self) -> None:
        self._informers[DEPLOYMENTS].add_handler(self._on_deployment)
        self._informers[REPLICA_SETS].add_handler(self._on_replica_set)
        self._informers[PODS].add_handler(self._on_pod)
        self._informers[SERVICES].add_handler(self._on_service)
        self._informers[CLAIMS].add_handler(lambda _, old, new: self._queue.add(f"claim|{key_of(new or old or {})}"))
        for path in declared_ready.STATUS:
            self._informers[path].add_handler(
                lambda _, old, new, path=path: self._queue.add(f"{path}|{key_of(new or old)}")  # type: ignore[misc]
            )
        for path in _OWNERS.values():
            self._informers[path].add_handler(
                lambda _, old, new, path=path: self._on_owner(path, new or old)  # type: ignore[misc]
            )

    def _on_owner(self, collection: str, item: Json) -> None:
        if item["metadata"].get("deletionTimestamp"):
            self._queue.add(f"garbage|{collection}|{key_of(item)}")

    def _on_dependent_gone(self, item: Json) -> None:
        for owner in item["metadata"].get("ownerReferences") or []:
            if owner["kind"] in _OWNERS:
                self._queue.add(f"garbage|{_OWNERS[owner['kind']]}|{item['metadata']['namespace']}/{owner['name']}")

    def _on_deployment(self, _: str, old: Json | None, new: Json | None) -> None:
        item = new or old or {}
        self._queue.add(f"deployment|{key_of(item)}")
        if new is None:
            for each in self._informers[REPLICA_SETS].items():
                if _owner(each, "Deployment") == item["metadata"]["name"]:
                    self._queue.add(f"replicaset|{key_of(each)}")

    def _on_replica_set(self, _: str, old: Json | None, new: Json | None) -> None:
        item = new or old or {}
        self._queue.add(f"replicaset|{key_of(item)}")
        if name := _owner(item, "Deployment"):
            self._queue.add(f"deployment|{item['metadata']['namespace']}/{name}")
        if new is None:
            self._on_dependent_gone(item)
            for pod in self._informers[PODS].items():
                if _owner(pod, "ReplicaSet") == item["metadata"]["name"]:
                    self._queue.add(f"orphan|{key_of(pod)}")

    def _on_pod(self, _: str, old: Json | None, new: Json | None) -> None:
        item = new or old or {}
        key, namespace = key_of(item), item["metadata"]["namespace"]
        self._queue.add(f"pod|{key}")
        if name := _owner(item, "ReplicaSet"):
            self._queue.add(f"replicaset|{namespace}/{name}")
            found = self._informers[REPLICA_SETS].get(f"{namespace}/{name}")
            if found is None and new is not None:
                self._queue.add(f"orphan|{key}")  # left behind by an earlier sandbox
            if found is not None and (deployment := _owner(found, "Deployment")):
                self._queue.add(f"deployment|{namespace}/{deployment}")
        if new is None:
            self._on_dependent_gone(item)
        for claim in claims_of(item) if new is None or objects.is_going(new) else ():
            self._queue.add(f"claim|{namespace}/{claim}")
        labels = (item["metadata"].get("labels") or {}).items()
        for service in self._informers[SERVICES].items():
            selector = service["spec"].get("selector") or {}
            if service["metadata"]["namespace"] == namespace and selector and selector.items() <= labels:
                self._queue.add(f"endpoints|{key_of(service)}")

    def _on_service(self, _: str, old: Json | None, new: Json | None) -> None:
        key = key_of(new or old or {})
        self._queue.add(f"endpoints|{key}")
        self._queue.add(f"balancer|{key}")

    def _work(self, entry: str) -> None:
        kind, _, key = entry.partition("|")
        actions: dict[str, Callable[[str], None]] = {
            "deployment": self._deployments.sync,
            "replicaset": self._replica_sets.sync,
            "orphan": self._replica_sets.sync_pod,
            "pod": self.kubelet.sync,
            "endpoints": self._endpoints.sync,
            "balancer": self.load_balancers.sync,
            "claim": self._claims.sync,
            "garbage": lambda entry: self._garbage.sync(*entry.split("|")),
        }
        if kind in actions:
            actions[kind](key)
        else:
            self._declare_ready(kind, key)

    def _declare_ready(self, collection: str, key: str) -> None:
        item = self._informers[collection].get(key)
        if item is None or objects.is_going(item):
            return
        status = declared_ready.needed(collection, item)
        if status is not None:
            namespace, name = key.split("/")
            self._client.merge_patch(path_of(collection, namespace, name, "status"), {"status": status})


def _owner(item: Json, kind: str) -> str | None:
    for owner in item["metadata"].get("ownerReferences") or []:
        if owner["kind"] == kind:
            return str(owner["name"])
    return None
