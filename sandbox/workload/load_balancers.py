"""Services of type LoadBalancer: an address of their own and a plain TCP forward to their pods, as a Layer-4 balancer.

The address goes when the Service goes or changes its type. Source: kubernetes
staging/src/k8s.io/cloud-provider/controllers/service. Simpler than there: `loadBalancerSourceRanges` are not enforced,
no finalizer.
"""

import itertools
import logging
from typing import Any

from sandbox import pod_network
from sandbox.kube_client import Informer, KubeClient
from sandbox.kube_paths import path_of
from sandbox.network import AddressPool
from sandbox.workload import objects
from sandbox.workload.endpoints import selected, target_port
from sandbox.workload.forwarder import Address, Forwarder

_log = logging.getLogger(__name__)
Json = dict[str, Any]
SERVICES = "/api/v1/services"


class LoadBalancers:
    """One Service at a time; forwards ask at each connection which pods are ready."""

    def __init__(
        self, client: KubeClient, services: Informer, pods: Informer, addresses: AddressPool, forwarder: Forwarder
    ) -> None:
        self._client, self._services, self._pods = client, services, pods
        self._addresses, self._forwarder = addresses, forwarder
        self._address: dict[str, str] = {}
        self._open: dict[str, set[Address]] = {}
        self._turns: dict[str, itertools.count[int]] = {}

    def sync(self, key: str) -> None:
        """Look at one Service.

        Raises:
            KubeError: to be tried again.
        """
        service = self._services.get(key)
        wanted = service is not None and not objects.is_going(service) and service["spec"]["type"] == "LoadBalancer"
        if service is None or not wanted:
            self._close(key)
            if service is not None and _addresses_of(service):
                self._write(service, None)
            return
        if key not in self._address:
            self._address[key] = self._addresses.load_balancer_address()
            self._turns[key] = itertools.count()
        address = self._address[key]
        self._forward(key, {(address, port["port"]) for port in service["spec"]["ports"] if _is_tcp(port)})
        if _addresses_of(service) != [address]:
            self._write(service, [{"ip": address}])

    def address(self, key: str) -> str | None:
        """The address of a Service's balancer, None while it has none."""
        return self._address.get(key)

    def target(self, key: str, port_number: int) -> Address | None:
        """Where the next connection to a Service's port goes; None when no pod is ready."""
        service = self._services.get(key)
        if service is None:
            return None
        port = next((each for each in service["spec"]["ports"] if each["port"] == port_number), None)
        ready = [pod for pod in selected(service, self._pods.items()) if objects.is_ready(pod)]
        if port is None or not ready:
            return None
        pod = ready[next(self._turns[key]) % len(ready)]
        number = target_port(pod, port)
        return (pod_network.dialled(pod["status"]["podIP"]), number) if number else None

    def _forward(self, key: str, wanted: set[Address]) -> None:
        present = self._open.setdefault(key, set())
        for listen in present - wanted:
            self._forwarder.close(listen)
            present.discard(listen)
        for listen in wanted - present:
            try:
                self._forwarder.open(listen, lambda port=listen[1]: self.target(key, port))  # type: ignore[misc]
            except PermissionError:
                _log.warning("service %s: port %d cannot be bound without privileges", key, listen[1])
            present.add(listen)

    def _close(self, key: str) -> None:
        for listen in self._open.pop(key, set()):
            self._forwarder.close(listen)
        if address := self._address.pop(key, None):
            self._addresses.release(address)

    def _write(self, service: Json, ingress: list[Json] | None) -> None:
        metadata = service["metadata"]
        path = path_of(SERVICES, metadata["namespace"], metadata["name"], "status")
        self._client.merge_patch(path, {"status": {"loadBalancer": {"ingress": ingress}}})


def _addresses_of(service: Json) -> list[str]:
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    return [each.get("ip", "") for each in balancer.get("ingress") or []]


def _is_tcp(port: Json) -> bool:
    return bool(port.get("protocol", "TCP") == "TCP")
