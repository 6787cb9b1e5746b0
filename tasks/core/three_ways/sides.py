"""What the comparison looks at: the objects of the cluster and the resources of Compute, each read once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.core import annotations, names, status
from tasks.core.addresses import Choice
from tasks.core.config import LoadBalancerConfig
from tasks.core.inventory import Marker

Resource = Mapping[str, Any]

SYSTEM_DEFAULT = "kube-system/default-http-backend"
"""Service that answers 404 where an Ingress names no default backend (ingress-gce cmd/glbc)."""


@dataclass(frozen=True)
class ClusterSide:
    """Objects of the cluster; None where there is none.

    Attributes:
        fingerprint: SHA-256 of the leaf in the TLS Secret, lower-case hex; "" if it holds none.
        secret_faults: why the Secret's certificate does not serve, or soon will not.
        ready_pods: of the Milvus Service; None while a rollout is under way, when nobody can say how many are right.
    """

    service: Resource | None = None
    ingress: Resource | None = None
    backend_config: Resource | None = None
    frontend_config: Resource | None = None
    managed_certificate: Resource | None = None
    fingerprint: str = ""
    secret_faults: tuple[str, ...] = ()
    ready_pods: int | None = None


@dataclass(frozen=True)
class ComputeSide:
    """Resources of Compute.

    Attributes:
        resources: `COLLECTION/NAME` to the resource, None where there is none.
        rules: every global forwarding rule of the project.
        groups: every network endpoint group of the project, all zones.
    """

    project: str = ""
    resources: Mapping[str, Resource | None] = field(default_factory=dict)
    rules: tuple[Resource, ...] = ()
    groups: tuple[Resource, ...] = ()

    def get(self, collection: str, name: str) -> Resource | None:
        """The resource; None if there is none, or the name is empty."""
        return self.resources.get(f"{collection}/{name}")


@dataclass(frozen=True)
class Sides:
    """Intent, cluster and Compute of one load balancer."""

    config: LoadBalancerConfig
    address: Choice
    cluster: ClusterSide
    compute: ComputeSide
    now: datetime
    """An aware time, for the certificates' expiry."""

    @property
    def ingress(self) -> str:
        """The Ingress, as kubectl writes it."""
        return f"ingress {self.config.namespace}/{names.ingress(self.config.release)}"

    @property
    def service(self) -> str:
        """namespace/name of the Milvus Service."""
        return f"{self.config.namespace}/{names.service(self.config.release)}"

    @property
    def marks(self) -> dict[str, str]:
        """Annotations of the Ingress; none without one."""
        return status.marks(self.cluster.ingress or {})

    @property
    def ip(self) -> str:
        """IPv4 of the reserved address; "" if there is none."""
        return str((self.compute.get("addresses", self.address.name) or {}).get("address") or "")

    @property
    def https_rule(self) -> Resource | None:
        """The forwarding rule of port 443."""
        return self.compute.get("forwardingRules", self.marks.get(annotations.HTTPS_FORWARDING_RULE, ""))

    @property
    def http_rule(self) -> Resource | None:
        """The forwarding rule of port 80."""
        return self.compute.get("forwardingRules", self.marks.get(annotations.FORWARDING_RULE, ""))

    @property
    def http_proxy(self) -> Resource | None:
        """What the rule of port 80 leads to."""
        return self.compute.get("targetHttpProxies", status.tail(str((self.http_rule or {}).get("target", ""))))

    @property
    def https_proxy(self) -> Resource | None:
        """What the rule of port 443 leads to."""
        return self.compute.get("targetHttpsProxies", status.tail(str((self.https_rule or {}).get("target", ""))))

    @property
    def url_map(self) -> Resource | None:
        """What the proxy of port 443 leads to."""
        return self.compute.get("urlMaps", status.tail(str((self.https_proxy or {}).get("urlMap", ""))))

    def milvus_services(self) -> list[Resource]:
        """Backend services of the URL map that lead to Milvus, each once, its default one among them."""
        url_map = self.url_map or {}
        found = dict.fromkeys([*status.routed_services(url_map), status.default_backend_service(url_map)])
        marker = Marker(f"{self.config.namespace}/{names.ingress(self.config.release)}", self.service)
        services = [self.compute.get("backendServices", name) for name in found]
        return [each for each in services if each and marker.owns("backendServices", each)]

    def service_behind(self, backend_service: str) -> tuple[str, str]:
        """The Service (namespace/name) and its port that a backend service says it is for.

        Its own name and no port when it does not say (ingress-gce pkg/utils/description.go).
        """
        found = self.compute.get("backendServices", backend_service) or {}
        try:
            said = json.loads(str(found.get("description") or ""))
            return str(said["kubernetes.io/service-name"]), str(said.get("kubernetes.io/service-port", ""))
        except (ValueError, TypeError, KeyError):
            return f"backendServices/{backend_service}", ""
