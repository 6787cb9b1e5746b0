"""Backend health as getHealth tells it, group by group (gke.md §8, §9.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from tasks.core.diagnosis.finding import Finding, Outlook

_MILVUS_HEALTH_PORT = 9091
_MILVUS_PORT = 19530
_PROBES = "130.211.0.0/22 and 35.191.0.0/16"


def of_health(
    groups: Mapping[str, Sequence[str]],
    health_check: Mapping[str, Any] | None = None,
    *,
    protocol: str = "",
    namespace: str = "default",
    service: str = "",
) -> Finding:
    """Judge a backend service that is not healthy yet; it always waits, with the likeliest cause.

    Healthy is one that has a healthy endpoint in every group that has endpoints, and at least one at all.

    Args:
        groups: `healthState` of every endpoint, by group (a NEG of one zone); an empty list where getHealth had no
            `healthStatus`, which is no failure: right after attachment, or without endpoints in that zone.
        health_check: the health check as Compute has it, empty when not read.
        protocol: of the backend service, "" when not read.
        namespace: for the mend.
        service: the Kubernetes Service, for the mend.
    """
    seen = {group: list(states) for group, states in groups.items() if states}
    see = f"kubectl -n {namespace} describe service {service}".rstrip()
    if not seen:
        none = f"no health reported yet by {len(groups)} group(s)" if groups else "no backend groups yet"
        mend = f"Endpoints appear once Pods are ready: kubectl -n {namespace} get svcneg; {see}"
        return Finding(Outlook.WAIT, "compute", "HealthUnknown", none, mend)
    observed = "; ".join(f"{group}: {_tally(states)}" for group, states in sorted(seen.items()))
    if all("HEALTHY" in states for states in seen.values()):
        return Finding(Outlook.WAIT, "compute", "Healthy", observed)
    check = _Check.of(health_check or {})
    cause, mend = _likely(check, protocol, namespace)
    return Finding(Outlook.WAIT, "compute", cause, observed, mend)


@dataclass(frozen=True)
class _Check:
    """What a Compute health check asks; empty fields when it was not read, port 0 for the serving port."""

    kind: str
    port: int
    path: str

    @classmethod
    def of(cls, check: Mapping[str, Any]) -> Self:
        parts: Mapping[str, Any] = next(
            (value for key, value in check.items() if key.endswith("HealthCheck") and value), {}
        )
        fixed = parts.get("portSpecification", "USE_FIXED_PORT") == "USE_FIXED_PORT"
        return cls(
            kind=str(check.get("type") or ""),
            port=int(parts.get("port") or 0) if fixed else 0,
            path=str(parts.get("requestPath") or ""),
        )


def _tally(states: Sequence[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _likely(check: _Check, protocol: str, namespace: str) -> tuple[str, str]:
    """Most likely cause and its mend, from how the health check is made (gke.md §8.1)."""
    see = f"kubectl -n {namespace} get backendconfig -o yaml"
    if check.kind not in ("", "HTTP") and check.port == _MILVUS_HEALTH_PORT:
        # Without spec.healthCheck.type the controller takes the Service's protocol, HTTP2.
        return "HealthCheckTypeWrong", (
            f"The health check speaks {check.kind}, port {_MILVUS_HEALTH_PORT} speaks plain HTTP: set "
            f"spec.healthCheck.type to HTTP: {see}"
        )
    if check.kind and check.port in (0, _MILVUS_PORT):
        return "HealthCheckPortWrong", (
            f"The health check asks the serving port, which speaks gRPC: set spec.healthCheck.port to "
            f"{_MILVUS_HEALTH_PORT}: {see}"
        )
    if check.path not in ("", "/healthz") and check.port == _MILVUS_HEALTH_PORT:
        return "HealthCheckPathWrong", f"The health check asks for {check.path}, Milvus answers at /healthz: {see}"
    port = check.port or _MILVUS_HEALTH_PORT
    return "BackendsUnhealthy", (
        f"Milvus may still be starting: kubectl -n {namespace} get pods. Otherwise "
        f"{check.kind or 'HTTP'} {check.path or '/healthz'} on Pod port {port} must answer 200, and firewall and "
        f"NetworkPolicies must let {_PROBES} in on {port} and {_MILVUS_PORT}"
        + (f"; the backend protocol is {protocol}, gRPC needs HTTP2." if protocol not in ("", "HTTP2") else ".")
    )
