"""EndpointSlices and Endpoints of Services, from the pods that a Service selects.

Sources: kubernetes pkg/controller/endpointslice, pkg/controller/endpoint. One slice per Service, IPv4 only.
"""

import hashlib
from typing import Any

from sandbox.kube_client import ApiError, Informer, KubeClient
from sandbox.kube_paths import path_of
from sandbox.workload import container as containers
from sandbox.workload import objects

Json = dict[str, Any]
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
ENDPOINTS = "/api/v1/endpoints"
MANAGER = "endpointslice-controller.k8s.io"


class EndpointsController:
    """Writes both kinds for one Service at a time, only when something changed."""

    def __init__(self, client: KubeClient, services: Informer, pods: Informer, zone: str) -> None:
        self._client, self._services, self._pods, self._zone = client, services, pods, zone

    def sync(self, key: str) -> None:
        """Look at one Service.

        Raises:
            KubeError: to be tried again.
        """
        service = self._services.get(key)
        namespace, name = key.split("/")
        if service is None or objects.is_going(service):
            for path in (path_of(SLICES, namespace, slice_name(name)), path_of(ENDPOINTS, namespace, name)):
                self._delete(path)
            return
        if not service["spec"].get("selector") or service["spec"].get("type") == "ExternalName":
            return  # whoever made it writes its endpoints, or it has none
        pods = selected(service, self._pods.items())
        self._write(SLICES, endpoint_slice(service, pods, self._zone), ("endpoints", "ports"))
        self._write(ENDPOINTS, endpoints(service, pods), ("subsets",))

    def _write(self, collection: str, wanted: Json, fields: tuple[str, ...]) -> None:
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        path = path_of(collection, namespace, name)
        present = self._client.find(path)
        if present is None:
            self._client.create(path.rsplit("/", 1)[0], wanted)
        elif any((present.get(field) or []) != (wanted[field] or []) for field in fields):
            self._client.replace(path, wanted | {"metadata": present["metadata"]})

    def _delete(self, path: str) -> None:
        try:
            if self._client.find(path) is not None:
                self._client.delete(path)
        except ApiError as error:
            if error.status != 404:
                raise


def selected(service: Json, pods: list[Json]) -> list[Json]:
    """Pods of a Service that have an address."""
    selector, namespace = service["spec"].get("selector") or {}, service["metadata"]["namespace"]
    found = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == namespace
        and selector.items() <= (pod["metadata"].get("labels") or {}).items()
        and (pod.get("status") or {}).get("podIP")
    ]
    return sorted(found, key=lambda pod: str(pod["status"]["podIP"]))


def target_port(pod: Json, port: Json) -> int | None:
    """The number of a Service port's target in one pod."""
    wanted = port.get("targetPort") or port["port"]
    if isinstance(wanted, int):
        return wanted
    for container in pod["spec"]["containers"]:
        number = containers.port_number(container, wanted)
        if number is not None:
            return number
    return None


def slice_name(service: str) -> str:
    """Stable, where Kubernetes draws the suffix."""
    digest = hashlib.sha256(service.encode()).digest()
    return f"{service}-" + "".join("bcdfghjklmnpqrstvwxz2456789"[byte % 27] for byte in digest[:5])


def endpoint_slice(service: Json, pods: list[Json], zone: str) -> Json:
    """The EndpointSlice of a Service (pure)."""
    metadata = service["metadata"]
    labels = {**(metadata.get("labels") or {})}
    labels |= {"kubernetes.io/service-name": metadata["name"], "endpointslice.kubernetes.io/managed-by": MANAGER}
    ports = []
    for port in service["spec"].get("ports") or []:
        numbers = [target_port(pod, port) for pod in pods]
        if number := next(filter(None, numbers), None):
            ports.append({"name": port.get("name") or "", "port": number, "protocol": port.get("protocol") or "TCP"})
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(metadata["name"]),
            "generateName": f"{metadata['name']}-",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [objects.owner(service, "v1", "Service")],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod, zone) for pod in pods],
        "ports": ports,
    }


def endpoints(service: Json, pods: list[Json]) -> Json:
    """The Endpoints object of a Service (pure)."""
    metadata = service["metadata"]
    ports = endpoint_slice(service, pods, "")["ports"]
    subset: Json = {}
    for field, chosen in (("addresses", True), ("notReadyAddresses", False)):
        # A pod that is going is in neither list.
        found = [pod for pod in pods if objects.is_ready(pod) == chosen and not objects.is_going(pod)]
        if found:
            subset[field] = [_address(pod) for pod in found]
    if subset and ports:
        subset["ports"] = [{key: value for key, value in port.items() if key != "name" or value} for port in ports]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": metadata.get("labels") or {},
        },
        "subsets": [subset] if subset else [],
    }


def _endpoint(pod: Json, zone: str) -> Json:
    ready, going = objects.is_ready(pod), objects.is_going(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready and not going, "serving": ready, "terminating": going},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
        "zone": zone,
    }


def _address(pod: Json) -> Json:
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": _reference(pod)}


def _reference(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
