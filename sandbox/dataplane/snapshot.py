"""What the data plane knows of a project: its Compute resources as they are read over HTTP, at one moment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.compute_client import name_of

Json = dict[str, Any]
Endpoint = tuple[str, int]
"""A pod's address and the serving port."""

DEFAULT_BACKEND = "kube-system/default-http-backend"


@dataclass(frozen=True)
class Certificate:
    """A certificate that front ends can present: PEM, leaf first, and its private key."""

    certificate: str
    private_key: str


@dataclass(frozen=True)
class Snapshot:
    """Resources by name; `certificates` holds only those that can be presented, so not one that is PROVISIONING."""

    forwarding_rules: Mapping[str, Json] = field(default_factory=dict)
    https_proxies: Mapping[str, Json] = field(default_factory=dict)
    http_proxies: Mapping[str, Json] = field(default_factory=dict)
    url_maps: Mapping[str, Json] = field(default_factory=dict)
    backend_services: Mapping[str, Json] = field(default_factory=dict)
    health_checks: Mapping[str, Json] = field(default_factory=dict)
    ssl_policies: Mapping[str, Json] = field(default_factory=dict)
    security_policies: Mapping[str, Json] = field(default_factory=dict)
    firewalls: Mapping[str, Json] | None = None
    """None: there is no firewall."""
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    endpoints: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    """By network endpoint group, `zone/name`."""

    def endpoints_of(self, backend_service: str) -> list[Endpoint]:
        """All endpoints behind a backend service, over all of its groups."""
        return [endpoint for group in self.groups_of(backend_service) for endpoint in self.endpoints.get(group, ())]

    def groups_of(self, backend_service: str) -> list[str]:
        service = self.backend_services.get(backend_service, {})
        return [group_key(backend["group"]) for backend in service.get("backends") or [] if backend.get("group")]


def group_key(url: str) -> str:
    """`zone/name` of a network endpoint group.

    >>> group_key("https://www.googleapis.com/compute/v1/projects/p/zones/z/networkEndpointGroups/n")
    'z/n'
    """
    parts = url.split("/")
    return f"{parts[-3]}/{parts[-1]}" if len(parts) > 2 else url


def kubernetes_service(backend_service: Json) -> str:
    """`namespace/name` from the description that ingress-gce writes (utils/description.go), else empty."""
    try:
        return str(json.loads(backend_service.get("description") or "{}").get("kubernetes.io/service-name", ""))
    except (ValueError, AttributeError):
        return ""


def by_name(resources: list[Json]) -> dict[str, Json]:
    return {resource["name"]: resource for resource in resources}


__all__ = ["DEFAULT_BACKEND", "Certificate", "Endpoint", "Json", "Snapshot", "by_name", "group_key", "name_of"]
