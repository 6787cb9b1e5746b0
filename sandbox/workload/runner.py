"""The workload runner: controllers, scheduler and kubelet of a laptop, an ordinary client of the API server.

Everything happens in one queue's thread, so the parts need no locks between them; only pods with a process have threads
of their own. In a cluster that has its own kube-controller-manager the runner does nothing.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.faults import Faults
from sandbox.kube_client import Informer, KubeClient, key_of
from sandbox.kube_paths import path_of
from sandbox.latency import PROFILES, Latency
from sandbox.network import AddressPool
from sandbox.workload import declared_ready, default_backend, node
from sandbox.workload.deployments import DEPLOYMENTS, PODS, REPLICA_SETS, Deployments, ReplicaSets
from sandbox.workload.endpoints import EndpointsController
from sandbox.workload.forwarder import Forwarder
from sandbox.workload.kubelet import Kubelet
from sandbox.workload.load_balancers import SERVICES, LoadBalancers
from sandbox.workqueue import WorkQueue

_log = logging.getLogger(__name__)
Json = dict[str, Any]
_RETRY_SECONDS = (0.05, 5.0)


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
    ) -> None:
        self._client = KubeClient.from_kubeconfig(kubeconfig, user_agent="sandbox-workload-runner")
        self._project, self._zone = project, zone
        self.active = False
        self._queue = WorkQueue("workload", self._work, retry_seconds=_RETRY_SECONDS)
        self.forwarder = Forwarder()
        self._informers = {
            path: Informer(self._client, path)
            for path in (DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, *declared_ready.STATUS)
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
        self._load_balancers = LoadBalancers(self._client, services, pods, addresses, self.forwarder)
        self._attach()

    def start(self) -> None:
        """Begin, unless the cluster has a controller manager.

        Raises:
            KubeError: the API server cannot be asked.
        """
        if node.has_controller_manager(self._client):
            _log.info("the cluster has a kube-controller-manager: the workload runner stays idle")
            return
        node.register(self._client, self._project, self._zone)
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
        self._client.close()

    def pod_logs(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> str:
        """What `kubectl logs` shows."""
        return self.kubelet.log(namespace, pod, container, previous=previous)

    def _attach(self) -> None:
        self._informers[DEPLOYMENTS].add_handler(self._on_deployment)
        self._informers[REPLICA_SETS].add_handler(self._on_replica_set)
        self._informers[PODS].add_handler(self._on_pod)
        self._informers[SERVICES].add_handler(self._on_service)
        for path in declared_ready.STATUS:
            self._informers[path].add_handler(
                lambda _, old, new, path=path: self._queue.add(f"{path}|{key_of(new or old)}")  # type: ignore[misc]
            )

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
            if found is not None and (deployment := _owner(found, "Deployment")):
                self._queue.add(f"deployment|{namespace}/{deployment}")
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
            "balancer": self._load_balancers.sync,
        }
        if kind in actions:
            actions[kind](key)
        else:
            self._declare_ready(kind, key)

    def _declare_ready(self, collection: str, key: str) -> None:
        item = self._informers[collection].get(key)
        if item is None:
            if collection.endswith("persistentvolumeclaims"):
                self.kubelet.volumes.remove_claim(*key.split("/"))
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
