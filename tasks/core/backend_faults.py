"""The rung `backends`: what Compute says of the backend services, and what an HTTP error of the load balancer means.

An HTTP 502 alone is ambiguous (the classic load balancer answers it for everything); with protocol and health of the
backend services it is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.core.armor import Policy
from tasks.core.ladder import Fault


@dataclass(frozen=True)
class Backends:
    """What Compute and the cluster say of the backend services that the domain's host rule leads to.

    Attributes:
        unseen: why nothing is known, such as a permission that is missing; "" when it is.
        protocols: by backend service.
        timeouts_seconds: `timeoutSec` by backend service.
        zones: `healthState` of each endpoint by zone; an empty list where there are no endpoints, or not probed yet.
        policies: Cloud Armor policies that are attached to them.
        hosts: host rules of the URL map.
        namespace, service, port_name: the Kubernetes Service and the name of its gRPC port, for mends.
    """

    unseen: str = ""
    protocols: Mapping[str, str] = field(default_factory=dict)
    timeouts_seconds: Mapping[str, int] = field(default_factory=dict)
    zones: Mapping[str, Sequence[str]] = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()
    hosts: tuple[str, ...] = ()
    namespace: str = "NAMESPACE"
    service: str = "SERVICE"
    port_name: str = "milvus"

    @property
    def without_http2(self) -> dict[str, str]:
        """Backend services that do not speak HTTP/2 to Milvus, with what they speak."""
        return {name: protocol for name, protocol in self.protocols.items() if protocol != "HTTP2"}

    @property
    def healthy(self) -> int:
        """Number of healthy endpoints."""
        return sum(state == "HEALTHY" for states in self.zones.values() for state in states)

    @property
    def get_health(self) -> str:
        """The command that shows the same."""
        name = next(iter(self.protocols), "NAME")
        return f"gcloud compute backend-services get-health {name} --global"


def told(backends: Backends) -> str:
    """Zone by zone, how many endpoints are in which state."""
    return "; ".join(f"{zone}: {_tally(states)}" for zone, states in sorted(backends.zones.items()))


def _tally(states: Sequence[str]) -> str:
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return ", ".join(counts) or "no endpoint reported"


def health_fault(backends: Backends) -> Fault | None:
    """Whether a zone that has endpoints has none that is healthy; a zone without endpoints is none of our business."""
    seen = {zone: states for zone, states in backends.zones.items() if states}
    ill = sorted(zone for zone, states in seen.items() if "HEALTHY" not in states)
    if not ill:
        return None
    cause = "ZoneUnhealthy" if len(ill) < len(seen) else "NoHealthyBackend"
    return Fault("compute", cause, f"no endpoint is healthy in {', '.join(ill)} ({told(backends)})", _ill(backends))


def http_fault(status: int, backends: Backends) -> Fault:
    """Why the load balancer answered a call with an HTTP error of its own, once its URL map has led to a backend.

    Sources: gke.md §8.3, §8.4, §14.

    Args:
        status: 404, 502, 503, 504 or another that is no answer of Milvus, 0 when there was none in time.
        backends: what Compute says; it may know nothing.
    """
    if backends.unseen or not backends.protocols:
        return _ambiguous(status, backends)
    if wrong := backends.without_http2:
        return _not_http2(status, wrong, backends)
    if (fault := health_fault(backends)) and fault.cause == "NoHealthyBackend":
        return Fault(fault.owner, fault.cause, f"{_answer(status)}: {fault.detail}", fault.mend)
    if not backends.healthy:
        detail = (
            f"{_answer(status)}: Compute knows of no healthy endpoint yet ({told(backends) or 'no group of endpoints'})"
        )
        see = f"kubectl -n {backends.namespace} get svcneg,pods; {backends.get_health}"
        mend = f"Endpoints appear once Pods are ready: {see}"
        return Fault("compute", "NoHealthyBackend", detail, mend)
    if status in (0, 504):
        return _too_slow(status, backends)
    return Fault(
        "milvus",
        "MilvusSpeaksPlaintext",
        f"HTTP {status}, though the backends are healthy ({told(backends)}) and their protocol is HTTP2: Milvus does "
        "not answer TLS with HTTP/2 on its gRPC port",
        "Milvus must have common.security.tlsMode: 1 (0 is plaintext, 2 asks the load balancer for a certificate that "
        f"it does not have): kubectl -n {backends.namespace} get configmap {backends.service} "
        "-o jsonpath='{.data.user\\.yaml}'. Front ends that are still being programmed show the same for minutes.",
    )


def _answer(status: int) -> str:
    return f"HTTP {status}" if status else "no answer in time"


def _too_slow(status: int, backends: Backends) -> Fault:
    """A call that takes no time was held by a backend."""
    return Fault(
        "milvus",
        "MilvusTooSlow",
        f"{_answer(status)}: Milvus took a call that takes no time, and did not answer it{_timeouts(backends)}",
        f"See why it is slow: kubectl -n {backends.namespace} logs -l app.kubernetes.io/name=milvus --tail=50",
    )


def _timeouts(backends: Backends) -> str:
    known = ", ".join(f"{name} {seconds} s" for name, seconds in backends.timeouts_seconds.items())
    return f" (backend timeout: {known})" if known else ""


def _ill(backends: Backends) -> str:
    return (
        f"GET /healthz on port 9091 of each Pod must answer 200, and firewall and NetworkPolicies must let "
        f"130.211.0.0/22 and 35.191.0.0/16 in: {backends.get_health}; "
        f"kubectl -n {backends.namespace} get pods,backendconfig"
    )


def _not_http2(status: int, wrong: Mapping[str, str], backends: Backends) -> Fault:
    seen = ", ".join(f"{protocol} ({name})" for name, protocol in wrong.items())
    annotation = f'cloud.google.com/app-protocols=\'{{"{backends.port_name}":"HTTP2"}}\''
    return Fault(
        "ingress",
        "BackendProtocolNotHttp2",
        f"{_answer(status)}: the load balancer speaks {seen} to Milvus, gRPC needs HTTP2",
        "The annotation's key is the name of the Service's port: "
        f"kubectl -n {backends.namespace} annotate service {backends.service} --overwrite {annotation}",
    )


def _ambiguous(status: int, backends: Backends) -> Fault:
    """Without Compute: every cause there is, since HTTP does not tell them apart."""
    if status in (0, 504):
        return _too_slow(status, backends)
    return Fault(
        "ingress",
        "NoUsableBackend",
        f"HTTP {status}: the load balancer found no backend that speaks HTTP/2 over TLS: none is healthy, the backend "
        f"protocol is not HTTP2, or Milvus speaks plaintext{f' ({backends.unseen})' if backends.unseen else ''}",
        f"Check health ({backends.get_health}), the annotation cloud.google.com/app-protocols (its key is the port's "
        "name) and common.security.tlsMode: 1.",
    )
