"""Which Compute resources GKE made of one Ingress, by what the Ingress and the resources themselves say.

A reference is `COLLECTION/NAME`, or `zones/ZONE/networkEndpointGroups/NAME`. Names are taken, never computed anew.
Source of names and descriptions: ingress-gce pkg/utils/namer, pkg/utils/description.go, pkg/loadbalancers/l7.go.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core import annotations, status

_ONE_EACH = {
    annotations.FORWARDING_RULE: "forwardingRules",
    annotations.HTTPS_FORWARDING_RULE: "forwardingRules",
    annotations.TARGET_PROXY: "targetHttpProxies",
    annotations.HTTPS_TARGET_PROXY: "targetHttpsProxies",
    annotations.URL_MAP: "urlMaps",
    annotations.REDIRECT_URL_MAP: "urlMaps",
}
_MADE_BY_GKE = ("k8s-", "k8s1-", "k8s2-")

DELETE_COMMANDS = {
    "forwardingRules": "forwarding-rules delete {name} --global",
    "targetHttpProxies": "target-http-proxies delete {name} --global",
    "targetHttpsProxies": "target-https-proxies delete {name} --global",
    "urlMaps": "url-maps delete {name} --global",
    "backendServices": "backend-services delete {name} --global",
    "healthChecks": "health-checks delete {name} --global",
    "sslCertificates": "ssl-certificates delete {name} --global",
    "addresses": "addresses delete {name} --global",
    "networkEndpointGroups": "network-endpoint-groups delete {name} --zone={zone}",
}
"""`gcloud compute` commands, in the order in which Compute lets the resources go."""


@dataclass(frozen=True)
class Marker:
    """How to know what belongs to one Ingress of one cluster."""

    ingress: str
    """namespace/name."""
    service: str
    """namespace/name."""
    prefixes: tuple[str, ...] = ()
    """What names of this cluster start with, kind left out; empty when the cluster's UIDs may not be read."""

    def owns(self, collection: str, resource: Mapping[str, Any]) -> bool:
        """Whether the resource's own description says that it is the Ingress'."""
        said = _json(str(resource.get("description") or ""))
        if not self._of_this_cluster(str(resource.get("name", ""))):
            return False
        match collection:
            case "forwardingRules" | "targetHttpProxies" | "targetHttpsProxies":
                return bool(said.get("kubernetes.io/ingress-name") == self.ingress)
            case "backendServices":
                return bool(said.get("kubernetes.io/service-name") == self.service)
            case "networkEndpointGroups":
                return f"{said.get('namespace')}/{said.get('service-name')}" == self.service
        return False

    def _of_this_cluster(self, name: str) -> bool:
        return not self.prefixes or any(f"-{prefix}-" in f"{name}-" for prefix in self.prefixes)


def cluster_prefixes(kube_system_uid: str, cluster_uid: str) -> tuple[str, ...]:
    """The part of a Compute name that stands for the cluster: `k8s2-um-PART-…`, `k8s1-PART-…`; none if either is "".

    Args:
        kube_system_uid: UID of the namespace kube-system.
        cluster_uid: key `uid` of ConfigMap kube-system/ingress-uid.
    """
    if not (kube_system_uid and cluster_uid):
        return ()
    digest = hashlib.sha256(kube_system_uid.encode()).digest()[:8]
    return "".join("0123456789abcdefghijklmnopqrstuvwxyz"[byte % 36] for byte in digest), cluster_uid[:8]


def of_ingress(ingress: Mapping[str, Any]) -> list[str]:
    """References that the Ingress' annotations give; backend services too, whoever's they are."""
    marks = status.marks(ingress)
    found = [f"{collection}/{marks[key]}" for key, collection in _ONE_EACH.items() if marks.get(key)]
    certificates = marks.get(annotations.SSL_CERT, "").split(",")
    found += [f"sslCertificates/{name}" for name in certificates if name.startswith(_MADE_BY_GKE)]
    # An address the controller promoted by itself; a user's own has another name and is not its to delete.
    if (address := marks.get(annotations.STATIC_IP, "")).startswith(_MADE_BY_GKE):
        found.append(f"addresses/{address}")
    return found + [f"backendServices/{name}" for name in status.backends_of(ingress)]


def of_backend_service(service: Mapping[str, Any]) -> list[str]:
    """The backend service itself, its health checks and its groups."""
    checks = [f"healthChecks/{status.tail(link)}" for link in service.get("healthChecks", [])]
    groups = [reference(str(backend["group"])) for backend in service.get("backends", [])]
    return [f"backendServices/{service['name']}", *checks, *groups]


def reference(link: str) -> str:
    """A self-link of a zonal resource, shortened.

    >>> reference("https://c.example/compute/v1/projects/p/zones/a-b/networkEndpointGroups/k8s1-x")
    'zones/a-b/networkEndpointGroups/k8s1-x'
    """
    return link[link.index("zones/") :] if "/zones/" in link else "/".join(link.rsplit("/", 2)[-2:])


def url_map_services(url_map: Mapping[str, Any]) -> set[str]:
    """Names of the backend services that a URL map leads to, its default among them."""
    return {status.default_backend_service(url_map), *status.routed_services(url_map)}


def in_order(references: Iterable[str]) -> list[str]:
    """Each once, in the order in which Compute lets them go."""
    order = list(DELETE_COMMANDS)
    return sorted(set(references), key=lambda each: (order.index(each.split("/")[-2]), each))


def delete_command(reference: str, project: str) -> str:
    """The gcloud command that removes a resource which GKE left.

    >>> delete_command("zones/a-b/networkEndpointGroups/k8s1-x", "p")
    'gcloud compute network-endpoint-groups delete k8s1-x --zone=a-b --project=p'
    """
    *place, collection, name = reference.split("/")
    command = DELETE_COMMANDS[collection].format(name=name, zone=place[-1] if place else "")
    return f"gcloud compute {command} --project={project}"


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
