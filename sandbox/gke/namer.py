"""Names and descriptions of the Compute resources that the controllers own.

Source: ingress-gce pkg/utils/namer (namer.go, frontendnamer.go, utils.go), pkg/utils/common (ContentHash),
pkg/utils/description.go. Simpler: only the v2 naming scheme for front ends, which every Ingress without an address
gets; v1 front ends of old clusters are not recognised.
"""

import hashlib
import json
import re
from dataclasses import dataclass

_NAME_LIMIT = 62
_NEG_FIELDS_LENGTH = 38
_LOAD_BALANCER_FIELDS_LENGTH = 36
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_RFC1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")


def content_hash(text: str, length: int) -> str:
    """`length` characters of 0-9a-z that depend on all of `text`.

    >>> content_hash("6e7ef8cf", 8) == content_hash("6e7ef8cf", 8)
    True
    """
    return "".join(_ALPHABET[byte % 36] for byte in hashlib.sha256(text.encode()).digest()[:length])


def trim(limit: int, *fields: str) -> list[str]:
    """Shorten fields evenly until together they have at most `limit` characters.

    >>> trim(6, "aaaa", "bbbb")
    ['aaa', 'bbb']
    """
    total = sum(map(len, fields))
    if total <= limit:
        return list(fields)
    excess = total - limit
    lengths = [len(field) - len(field) * excess // total - 1 for field in fields]
    spare = limit - sum(lengths)
    for index in range(min(spare, len(lengths))):
        lengths[index] += 1
    return [field[: max(length, 0)] for field, length in zip(fields, lengths, strict=True)]


def _truncate(name: str) -> str:
    # A name must not end in a dash; cut names get a zero.
    return name if len(name) <= _NAME_LIMIT else name[:_NAME_LIMIT] + "0"


@dataclass(frozen=True)
class ClusterNamer:
    """Names of what a cluster's Ingresses share."""

    cluster_uid: str
    """Key `uid` of ConfigMap kube-system/ingress-uid."""
    kube_system_uid: str
    """UID of the namespace kube-system."""
    firewall_name: str = ""
    """Key `provider-uid` of the same ConfigMap; `cluster_uid` when empty."""

    @property
    def _prefix(self) -> str:
        return f"k8s1-{self.cluster_uid[:8]}"

    def neg(self, namespace: str, service: str, port: int) -> str:
        """The one name of a Service port's NEG, backend service and health check."""
        fields = "-".join(trim(_NEG_FIELDS_LENGTH, namespace, service, str(port)))
        suffix = hashlib.sha256(f"{self.cluster_uid[:8]};{namespace};{service};{port}".encode()).hexdigest()[:8]
        return f"{self._prefix}-{fields}-{suffix}"

    def instance_group_backend(self, node_port: int) -> str:
        return _truncate(f"k8s-be-{node_port}--{self.cluster_uid}")

    def firewall_rule(self) -> str:
        return f"k8s-fw-{_truncate(f'l7--{self.firewall_name or self.cluster_uid}')}"

    def owns(self, name: str) -> bool:
        """Whether a backend service, health check or NEG was named by this cluster."""
        return name.startswith(self._prefix) or (name.startswith("k8s-be-") and name.endswith(f"--{self.cluster_uid}"))

    def is_neg(self, name: str) -> bool:
        return name.startswith(self._prefix)

    def frontend(self, namespace: str, ingress: str) -> "FrontendNamer":
        cluster = content_hash(self.kube_system_uid, 8)
        fields = trim(_LOAD_BALANCER_FIELDS_LENGTH, namespace, ingress)
        suffix = content_hash(f"{self.kube_system_uid};{namespace};{ingress}", 8)
        return FrontendNamer(cluster, "-".join([cluster, *fields, suffix]))

    def neg_description(self, namespace: str, service: str, port: int) -> str:
        fields = {
            "cluster-uid": self.kube_system_uid,
            "namespace": namespace,
            "service-name": service,
            "port": str(port),
        }
        return compact(fields)


@dataclass(frozen=True)
class FrontendNamer:
    """Names of what one Ingress owns alone."""

    cluster: str
    load_balancer: str

    @property
    def is_valid(self) -> bool:
        """False for an Ingress whose name has dots."""
        return _RFC1035.match(self.url_map) is not None

    @property
    def url_map(self) -> str:
        return f"k8s2-um-{self.load_balancer}"

    @property
    def redirect_url_map(self) -> str:
        return f"k8s2-rm-{self.load_balancer}"

    def forwarding_rule(self, *, https: bool) -> str:
        """The HTTP rule's name is also that of the address promoted from it."""
        return f"k8s2-{'fs' if https else 'fr'}-{self.load_balancer}"

    def target_proxy(self, *, https: bool) -> str:
        return f"k8s2-{'ts' if https else 'tp'}-{self.load_balancer}"

    @property
    def certificate_prefix(self) -> str:
        """What every certificate made from this Ingress's Secrets starts with."""
        return f"k8s2-cr-{self.cluster}-{content_hash(self.load_balancer, 16)}"

    def certificate(self, certificate_pem: str) -> str:
        digest = hashlib.sha256(certificate_pem.encode()).hexdigest()[:16]
        return f"{self.certificate_prefix}-{digest}"


def ingress_description(namespace: str, name: str) -> str:
    """Description of forwarding rules and target proxies (pkg/loadbalancers/l7.go)."""
    return f'{{"kubernetes.io/ingress-name": "{namespace}/{name}"}}'


def service_description(namespace: str, service: str, port: str, features: list[str]) -> str:
    """Description of a backend service (pkg/utils/description.go)."""
    fields: dict[str, object] = {
        "kubernetes.io/service-name": f"{namespace}/{service}",
        "kubernetes.io/service-port": port,
    }
    return compact(fields | ({"x-features": features} if features else {}))


def compact(value: object) -> str:
    """JSON as Go's encoder writes it."""
    return json.dumps(value, separators=(",", ":"))
