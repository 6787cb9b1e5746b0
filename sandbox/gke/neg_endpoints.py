"""Which NEGs a Service needs, and which endpoints belong into them. Pure.

Source: ingress-gce pkg/neg/controller.go, pkg/neg/types, pkg/neg/syncers/utils.go (toZoneNetworkEndpointMap), as far as
L7 NEGs (GCE_VM_IP_PORT) go. Simpler: every endpoint lies in the first zone; no degraded mode.
"""

from dataclasses import dataclass
from typing import Any

from sandbox.gke import annotations
from sandbox.gke.namer import ClusterNamer
from sandbox.gke.translator import SYSTEM_DEFAULT_BACKEND

Json = dict[str, Any]
ENDPOINT_TYPE = "GCE_VM_IP_PORT"


@dataclass(frozen=True)
class NegPort:
    """A Service port that has a NEG in each zone."""

    namespace: str
    service: str
    port: int
    port_name: str
    target_port: str
    neg_name: str

    @property
    def key(self) -> str:
        """How events call it: namespace/service-NEG-name/port-target-type-mode (pkg/neg/types NegSyncerKey)."""
        ports = f"{self.port_name}/{self.port}-{self.target_port}"
        return f"{self.namespace}/{self.service}-{self.neg_name}-{ports}-{ENDPOINT_TYPE}-L7"


@dataclass(frozen=True)
class Endpoint:
    """A pod's address and port."""

    address: str
    port: int
    node: str = ""
    pod: str = ""
    """Its name; empty for an endpoint that is no pod's."""

    @property
    def identity(self) -> tuple[str, int]:
        return self.address, self.port


def wanted_ports(service: Json, ingresses: list[Json], namer: ClusterNamer) -> list[NegPort]:
    """The ports of a Service that need NEGs, by the Service's annotation and the GCE Ingresses.

    Raises:
        InvalidAnnotation: the Service's NEG annotation cannot be understood.
    """
    annotation = annotations.neg(service)
    if annotation is None:
        return []
    named = dict(annotation.exposed_ports)
    if annotation.ingress:
        named.update(dict.fromkeys(_ports_used(service, ingresses), ""))
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    return [
        NegPort(
            namespace,
            name,
            port["port"],
            port.get("name") or "",
            str(port.get("targetPort") or port["port"]),
            named[port["port"]] or namer.neg(namespace, name, port["port"]),
        )
        for port in service["spec"].get("ports") or []
        if port["port"] in named
    ]


def _ports_used(service: Json, ingresses: list[Json]) -> set[int]:
    """Port numbers that GCE Ingresses send requests to."""
    used: set[int] = set()
    metadata, ports = service["metadata"], service["spec"].get("ports") or []
    is_default = (metadata["namespace"], metadata["name"]) == SYSTEM_DEFAULT_BACKEND[:2]
    for ingress in ingresses:
        if not annotations.is_gce_ingress(ingress):
            continue
        references = _references(ingress, metadata["name"]) if _same_namespace(ingress, service) else []
        if is_default and not (ingress.get("spec") or {}).get("defaultBackend"):
            references.append({"name": SYSTEM_DEFAULT_BACKEND[2]})
        for reference in references:
            used |= {port["port"] for port in ports if _refers(reference, port)}
    return used


def _same_namespace(ingress: Json, service: Json) -> bool:
    return bool(ingress["metadata"]["namespace"] == service["metadata"]["namespace"])


def _references(ingress: Json, service: str) -> list[Json]:
    spec = ingress.get("spec") or {}
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or []:
        backends += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or []]
    return [
        each["service"].get("port") or {} for each in backends if (each.get("service") or {}).get("name") == service
    ]


def _refers(reference: Json, port: Json) -> bool:
    if reference.get("name"):
        return bool(reference["name"] == port.get("name"))
    return bool(reference.get("number") == port["port"])


def endpoints(port: NegPort, slices: list[Json], pods: dict[str, Json]) -> dict[tuple[str, int], Endpoint]:
    """What belongs into a port's NEG, by address and port.

    A pod that is not ready belongs into it too, since its readiness may wait for the NEG; one that is being deleted or
    has ended does not. `pods` are by name, of the Service's namespace.
    """
    found: dict[tuple[str, int], Endpoint] = {}
    for slice_ in slices:
        numbers = [p["port"] for p in slice_.get("ports") or [] if (p.get("name") or "") == port.port_name]
        if slice_.get("addressType", "IPv4") != "IPv4" or not numbers or not numbers[0]:
            continue
        for each in slice_.get("endpoints") or []:
            endpoint = _endpoint(each, numbers[0], pods)
            if endpoint is not None:
                found[endpoint.identity] = endpoint
    return found


def _endpoint(entry: Json, port: int, pods: dict[str, Json]) -> Endpoint | None:
    addresses = entry.get("addresses") or []
    if not addresses:
        return None
    target = entry.get("targetRef") or {}
    name = target.get("name", "") if target.get("kind", "Pod") == "Pod" else ""
    pod = pods.get(name)
    if name and (pod is None or not _belongs(pod)):
        return None
    if not name and (entry.get("conditions") or {}).get("ready") is False:
        return None
    return Endpoint(addresses[0], port, entry.get("nodeName") or "", name)


def _belongs(pod: Json) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not pod["metadata"].get("deletionTimestamp") and not ended
