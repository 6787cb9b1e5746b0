"""Facts read out of live objects: parsed JSON comes in, typed values go out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core import annotations, names

Object = Mapping[str, Any]


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service."""

    name: str
    number: int


def milvus_port(service: Object) -> ServicePort | None:
    """The gRPC port of a Milvus Service: named `milvus`, else 19530, else the only one besides metrics."""
    ports = [ServicePort(port.get("name", ""), port["port"]) for port in service.get("spec", {}).get("ports", [])]
    for fits in (lambda p: p.name == "milvus", lambda p: p.number == 19530):
        if found := next(filter(fits, ports), None):
            return found
    rest = [port for port in ports if port.name != "metrics" and port.number != 9091]
    return rest[0] if len(rest) == 1 else None


def marks(live: Object) -> dict[str, str]:
    """Annotations of an object."""
    return dict(live.get("metadata", {}).get("annotations") or {})


def ours(live: Object) -> bool:
    """Whether this project made the object."""
    labels = live.get("metadata", {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in names.LABELS.items())


def ingress_address(ingress: Object) -> str:
    """IPv4 address of the load balancer; empty until GKE has assigned it."""
    entries = ingress.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return str(entries[0].get("ip", "")) if entries else ""


def backends_of(ingress: Object) -> dict[str, str]:
    """Backend services of an Ingress and the health the controller last wrote; refreshed only on its syncs."""
    try:
        found = json.loads(marks(ingress).get(annotations.BACKENDS, "{}"))
    except ValueError:
        return {}
    return {str(name): str(state) for name, state in found.items()} if isinstance(found, dict) else {}


def default_backend_service(url_map: Object) -> str:
    """Name of the backend service that answers hosts without a rule."""
    return tail(str(url_map.get("defaultService", "")))


def routed_services(url_map: Object) -> list[str]:
    """Names of the backend services that host rules lead to, each once."""
    services = [rule["service"] for matcher in url_map.get("pathMatchers", []) for rule in matcher.get("pathRules", [])]
    return list(dict.fromkeys(tail(service) for service in services))


def tail(link: str) -> str:
    """Name at the end of a self-link.

    >>> tail("https://compute.googleapis.com/compute/v1/projects/p/global/urlMaps/k8s2-um-x")
    'k8s2-um-x'
    """
    return link.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class ManagedCertificateStatus:
    """Status of a ManagedCertificate as its controller last wrote it."""

    compute_name: str
    state: str
    domains: dict[str, str]
    expires: str


def managed_certificate(live: Object) -> ManagedCertificateStatus:
    """Read the status; every field is empty while the controller has not written it."""
    status = live.get("status") or {}
    return ManagedCertificateStatus(
        compute_name=str(status.get("certificateName") or ""),
        state=str(status.get("certificateStatus") or ""),
        domains={entry["domain"]: entry.get("status", "") for entry in status.get("domainStatus") or []},
        expires=str(status.get("expireTime") or ""),
    )


def pod_ready(pod: Object) -> bool:
    """Whether a Pod takes calls."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def event_time(event: Object) -> str:
    """When an event was last seen, RFC 3339."""
    for key in ("lastTimestamp", "eventTime", "firstTimestamp"):
        if event.get(key):
            return str(event[key])
    return str(event.get("metadata", {}).get("creationTimestamp", ""))


def newest_first(events: list[Object] | list[dict[str, Any]]) -> list[Object]:
    """Events by time, newest first."""
    return sorted(events, key=event_time, reverse=True)
