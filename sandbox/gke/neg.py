"""The NEG controller: network endpoint groups for Services, filled with their pods.

Source: ingress-gce pkg/neg/controller.go, manager.go, syncers/transaction.go. Simpler: endpoints are attached and
detached one NEG after the other, without transactions.
"""

import logging
import time
from typing import Any

from sandbox.compute_client import ComputeClient, GoogleApiError
from sandbox.faults import Faults
from sandbox.gke import annotations, neg_endpoints, service_neg
from sandbox.gke.cluster import SERVICES, ClusterView
from sandbox.gke.events import Component, Recorder
from sandbox.gke.ingress import services_of
from sandbox.gke.namer import ClusterNamer, compact
from sandbox.gke.neg_endpoints import ENDPOINT_TYPE, Endpoint, NegPort
from sandbox.gke.readiness import ReadinessReflector
from sandbox.gke.resync import Resync
from sandbox.gke.translator import SYSTEM_DEFAULT_BACKEND
from sandbox.kube_client import key_of
from sandbox.kube_paths import path_of
from sandbox.workqueue import WorkQueue

logger = logging.getLogger(__name__)

Json = dict[str, Any]

COMPONENT = "neg-controller"
_GARBAGE_KEY = "garbage"
_READINESS_KEY = "readiness"
_SERVICE_LABEL = "kubernetes.io/service-name"


class NegError(Exception):
    """A Service's NEGs could not be brought to their wanted state; an event has said so if it can be seen."""


class NegController:
    """Keeps the NEGs of all Services; one worker, keys are Services."""

    def __init__(
        self,
        cluster: ClusterView,
        compute: ComputeClient,
        namer: ClusterNamer,
        recorder: Recorder,
        faults: Faults,
        *,
        zones: tuple[str, ...],
        retry_seconds: tuple[float, float],
        calm_seconds: float,
    ) -> None:
        self._cluster, self._compute, self._namer, self._faults = cluster, compute, namer, faults
        self._zones = zones
        self._resync = Resync(calm_seconds)
        self._events = Component(recorder, COMPONENT)
        self._readiness = ReadinessReflector(cluster, compute, recorder, faults, zones[0])
        self._queue = WorkQueue(COMPONENT, self._work, retry_seconds=retry_seconds)
        cluster.services.add_handler(self._service_changed)
        cluster.ingresses.add_handler(self._ingress_changed)
        cluster.endpoint_slices.add_handler(self._slice_changed)
        cluster.pods.add_handler(self._pod_changed)

    def start(self) -> None:
        self._queue.start()

    def stop(self) -> None:
        self._queue.stop()

    def resync(self) -> None:
        faults = self._faults.armed()
        states = {
            key_of(service): (service["metadata"]["resourceVersion"], faults)
            for service in self._cluster.services.items()
            if annotations.NEG in annotations.of(service)
        }
        for key in self._resync.due(states, time.monotonic()):
            self._queue.add(key)

    def collect_garbage(self) -> None:
        """Have NEGs that nothing needs deleted, by the worker."""
        self._queue.add(_GARBAGE_KEY)

    def poll_readiness(self) -> None:
        """Have readiness gates looked at, by the worker; costs nothing while no pod waits behind one."""
        if self._readiness.has_waiting_pods():
            self._queue.add(_READINESS_KEY)

    # Changes in the cluster, told by the informers.

    def _service_changed(self, _kind: str, old: Json | None, new: Json | None) -> None:
        if any(each is not None and annotations.NEG in annotations.of(each) for each in (old, new)):
            self._queue.add(key_of(new or old or {}))
        elif new is not None and annotations.NEG_STATUS in annotations.of(new):
            self._queue.add(key_of(new))

    def _ingress_changed(self, _kind: str, old: Json | None, new: Json | None) -> None:
        for ingress in (old, new):
            if ingress is not None:
                for service in services_of(ingress):
                    self._queue.add(f"{ingress['metadata']['namespace']}/{service}")
        self._queue.add("/".join(SYSTEM_DEFAULT_BACKEND[:2]))

    def _slice_changed(self, _kind: str, old: Json | None, new: Json | None) -> None:
        for each in (old, new):
            if each is not None:
                metadata = each["metadata"]
                service = (metadata.get("labels") or {}).get(_SERVICE_LABEL)
                if service:
                    self._queue.add(f"{metadata['namespace']}/{service}")

    def _pod_changed(self, _kind: str, old: Json | None, new: Json | None) -> None:
        """A pod that begins to be deleted leaves its NEGs, before the EndpointSlice says so; a new one may join."""
        pod = new or old
        assert pod is not None
        if old is not None and new is not None and _membership(old) == _membership(new):
            return
        labels, namespace = pod["metadata"].get("labels") or {}, pod["metadata"]["namespace"]
        for service in self._cluster.services.items():
            selector = service["spec"].get("selector") or {}
            if service["metadata"]["namespace"] == namespace and selector and selector.items() <= labels.items():
                self._queue.add(key_of(service))

    # The worker.

    def _work(self, key: str) -> None:
        if "controller-off" in self._faults.armed():
            return
        if not self._cluster.is_synced():
            raise NegError("waiting for stores to sync")
        if key == _GARBAGE_KEY:
            self._delete_unneeded()
        elif key == _READINESS_KEY:
            self._readiness.poll(self._all_wanted())
        elif (service := self._cluster.services.get(key)) is not None:
            try:
                self._process(service)
            except NegError:
                raise
            except Exception as error:
                self._events.warning(service, "ProcessServiceFailed", f'error processing service "{key}": {error}')
                raise

    def _process(self, service: Json) -> None:
        ports = self._wanted(service)
        self._show_status(service, ports)
        failures = []
        for port in ports:
            try:
                self._sync(port, service)
            except GoogleApiError as error:
                self._events.warning(
                    service,
                    "SyncNetworkEndpointGroupFailed",
                    f'Failed to sync NEG "{port.neg_name}" (will retry): {error}',
                )
                failures.append(str(error))
        if failures:
            raise NegError("; ".join(failures))

    def _wanted(self, service: Json) -> list[NegPort]:
        ingresses = [
            ingress for ingress in self._cluster.ingresses.items() if not ingress["metadata"].get("deletionTimestamp")
        ]
        return neg_endpoints.wanted_ports(service, ingresses, self._namer)

    def _all_wanted(self) -> list[NegPort]:
        """What all Services need; a malformed annotation needs nothing."""
        wanted: list[NegPort] = []
        for service in self._cluster.services.items():
            try:
                wanted += self._wanted(service)
            except annotations.InvalidAnnotation:
                continue
        return wanted

    def _show_status(self, service: Json, ports: list[NegPort]) -> None:
        """Annotate the Service with its NEGs; without any, take the annotation away."""
        groups = {str(port.port): port.neg_name for port in sorted(ports, key=lambda port: str(port.port))}
        status = compact({"network_endpoint_groups": groups, "zones": list(self._zones)}) if groups else None
        if annotations.of(service).get(annotations.NEG_STATUS) == status:
            return
        metadata = service["metadata"]
        patch = {"metadata": {"annotations": {annotations.NEG_STATUS: status}}}
        self._cluster.client.merge_patch(path_of(SERVICES, metadata["namespace"], metadata["name"]), patch)

    def _sync(self, port: NegPort, service: Json) -> None:
        negs = [self._ensure_neg(port, zone, service) for zone in self._zones]
        service_neg.ensure(self._cluster.client, port, service, negs)
        pods = {
            pod["metadata"]["name"]: pod
            for pod in self._cluster.pods.items()
            if pod["metadata"]["namespace"] == port.namespace
        }
        wanted = neg_endpoints.endpoints(port, self._cluster.slices_of(port.namespace, port.service), pods)
        for zone in self._zones:
            # All endpoints lie in the first zone.
            self._sync_endpoints(port, zone, wanted if zone == self._zones[0] else {}, service)

    def _ensure_neg(self, port: NegPort, zone: str, service: Json) -> Json:
        collection = f"zones/{zone}/networkEndpointGroups"
        path = f"{collection}/{port.neg_name}"
        neg = self._compute.find(path)
        if neg is not None:
            return neg
        body = {
            "name": port.neg_name,
            "networkEndpointType": ENDPOINT_TYPE,
            "network": f"projects/{self._compute.project}/global/networks/default",
            "description": self._namer.neg_description(port.namespace, port.service, port.port),
        }
        self._compute.insert(collection, body)
        self._events.normal(service, "Create", f'Created NEG "{port.neg_name}" for {port.key} in "{zone}".')
        return self._compute.get(path)

    def _sync_endpoints(self, port: NegPort, zone: str, wanted: dict[tuple[str, int], Endpoint], service: Json) -> None:
        path = f"zones/{zone}/networkEndpointGroups/{port.neg_name}"
        answer = self._compute.ask(f"{path}/listNetworkEndpoints", {"healthStatus": "SKIP"})
        present = {
            (each["networkEndpoint"]["ipAddress"], int(each["networkEndpoint"]["port"])): each["networkEndpoint"]
            for each in answer.get("items") or []
        }
        added = [_body(endpoint) for identity, endpoint in wanted.items() if identity not in present]
        removed = [endpoint for identity, endpoint in present.items() if identity not in wanted]
        for verb, endpoints in (("Attach", added), ("Detach", removed)):
            if endpoints:
                self._transfer(verb, path, endpoints, f'(NEG "{port.neg_name}" in zone "{zone}")', service)

    def _transfer(self, verb: str, path: str, endpoints: list[Json], where: str, service: Json) -> None:
        what = f"{verb} {len(endpoints)} network endpoint(s) {where}"
        try:
            self._compute.call(f"{path}/{verb.lower()}NetworkEndpoints", {"networkEndpoints": endpoints})
        except GoogleApiError as error:
            self._events.warning(service, f"{verb}Failed", f"Failed to {what}: {error}")
            raise
        self._events.normal(service, verb, what)

    def _delete_unneeded(self) -> None:
        """Delete NEGs, and their records, that no Service port needs; those still in use stay until next time."""
        wanted = {port.neg_name for port in self._all_wanted()}
        records = {
            record["metadata"]["name"]: record for record in self._cluster.client.list(service_neg.COLLECTION)["items"]
        }
        for zone in self._zones:
            for neg in self._compute.list(f"zones/{zone}/networkEndpointGroups"):
                name = neg["name"]
                if name not in wanted and (name in records or self._namer.is_neg(name)):
                    self._delete(name, zone, records.get(name))
        for name, record in records.items():
            if name not in wanted and not any(
                self._compute.find(f"zones/{zone}/networkEndpointGroups/{name}") for zone in self._zones
            ):
                service_neg.release(self._cluster.client, record)

    def _delete(self, name: str, zone: str, record: Json | None) -> None:
        try:
            self._compute.delete(f"zones/{zone}/networkEndpointGroups/{name}")
        except GoogleApiError as error:
            if error.code != 404 and not error.is_in_use:
                raise
            return
        labels = (record or {"metadata": {}})["metadata"].get("labels") or {}
        namespace = (record or {"metadata": {}})["metadata"].get("namespace", "")
        service = self._cluster.services.get(f"{namespace}/{labels.get('networking.gke.io/service-name', '')}")
        if service is not None:
            self._events.normal(service, "Delete", f'Deleted NEG "{name}" in "{zone}".')


def _body(endpoint: Endpoint) -> Json:
    body: Json = {"ipAddress": endpoint.address, "port": endpoint.port}
    return body | ({"instance": endpoint.node} if endpoint.node else {})


def _membership(pod: Json) -> tuple[Any, ...]:
    """What of a pod decides whether it belongs into a NEG."""
    status = pod.get("status") or {}
    return pod["metadata"].get("deletionTimestamp"), status.get("phase"), status.get("podIP")
