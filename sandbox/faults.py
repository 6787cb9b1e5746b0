"""Switches for everything that goes wrong on Google Cloud.

A fault is armed by name with parameters and stays until it is cleared; `times` limits how often it strikes. Whoever
imitates a behaviour asks `faults.strike(name, ...)` at the place where the real system would fail.
"""

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """What a switch does and which parameters it takes, with their defaults."""

    summary: str
    parameters: dict[str, Any] = field(default_factory=dict)


CATALOGUE: dict[str, Kind] = {
    # Compute API
    "quota-exceeded": Kind(
        "an insert answers quotaExceeded, at once (where=sync) or in its operation (where=operation)",
        {"metric": "STATIC_ADDRESSES", "limit": 8.0, "where": "sync"},
    ),
    "quota-taken": Kind(
        "an insert answers quotaExceeded at once, though the project's quotas showed room a moment ago",
        {"metric": "STATIC_ADDRESSES", "limit": 8.0},
    ),
    "compute-forbidden": Kind("Compute refuses a permission", {"permission": "compute.globalAddresses.get"}),
    "rate-limited": Kind("Compute answers 403 rateLimitExceeded", {"method": ""}),
    "compute-unavailable": Kind("Compute answers 503 backendError", {"method": ""}),
    "stale-fingerprint": Kind("updates of a resource answer 412 conditionNotMet", {"collection": "urlMaps"}),
    "slow-operations": Kind("operations take this long", {"seconds": 30.0}),
    # Credentials
    "short-tokens": Kind("access tokens that Google hands out from now on live this long", {"seconds": 3.0}),
    "token-revoked": Kind("Google and the API server no longer accept a token that was handed out and has not expired"),
    # Controllers and the data plane
    "controller-off": Kind("the Ingress controller does nothing: no events, no address"),
    "managed-certificate-controller-off": Kind("the ManagedCertificate controller does nothing"),
    "xpn": Kind("Shared VPC: the firewall rule is left to a security admin, who is told by an event"),
    "never-healthy": Kind("no endpoint ever passes its health check", {"service": ""}),
    "certificate-stuck": Kind("Google-managed certificates stay PROVISIONING"),
    "certificate-status": Kind(
        "a domain of a Google-managed certificate gets this Compute domain status",
        {"domain": "", "status": "FAILED_CAA_FORBIDDEN"},
    ),
    "certificate-failed": Kind(
        "a Google-managed certificate that is not issued yet gets this Compute status",
        {"status": "PROVISIONING_FAILED_PERMANENTLY"},
    ),
    "readiness-gate-stall": Kind("pods stay NotReady behind their NEG readiness gate"),
    # Kubernetes API
    "kube-forbidden": Kind(
        "the API server refuses by RBAC what this user asks", {"verb": "*", "resource": "*", "user": "admin"}
    ),
    "kube-unauthorized": Kind("the API server no longer accepts anybody's token"),
    "kube-unavailable": Kind("the API server answers 503", {"verb": "*", "resource": "*"}),
    # DNS and workload
    "dns-servfail": Kind("the name server answers SERVFAIL", {"domain": ""}),
    "milvus-crash": Kind("Milvus exits at start", {"message": "panic: injected"}),
}


class UnknownFault(Exception):
    """No such switch, or no such parameter of it."""


class Faults:
    """The armed faults of one sandbox; safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: dict[str, dict[str, Any]] = {}
        self._left: dict[str, int | None] = {}

    def arm(self, name: str, *, times: int | None = None, **parameters: Any) -> None:
        """Switch a fault on, until cleared or for `times` strikes (None: no limit).

        Raises:
            UnknownFault: the catalogue has no such name or parameter.
        """
        kind = CATALOGUE.get(name)
        if kind is None:
            raise UnknownFault(f"no fault {name!r}; there are: {', '.join(sorted(CATALOGUE))}")
        if unknown := parameters.keys() - kind.parameters.keys():
            known = ", ".join(kind.parameters) or "none"
            raise UnknownFault(f"fault {name} has no parameter {', '.join(sorted(unknown))}; it has: {known}")
        with self._lock:
            self._armed[name] = kind.parameters | parameters
            self._left[name] = times

    def clear(self, name: str | None = None) -> None:
        """Switch one fault off, or all with None; nothing happens when it is off already."""
        with self._lock:
            for each in [name] if name else list(self._armed):
                self._armed.pop(each, None)
                self._left.pop(each, None)

    def strike(self, name: str, **context: Any) -> dict[str, Any] | None:
        """Return the fault's parameters if it is armed and fits `context`, else None.

        A context value fits a parameter that is equal, empty or `*`. A strike uses up one of the fault's `times`.
        """
        with self._lock:
            parameters = self._armed.get(name)
            if parameters is None:
                return None
            if any(parameters.get(key) not in ("", "*", None, value) for key, value in context.items()):
                return None
            left = self._left[name]
            if left is not None:
                if left <= 1:
                    del self._armed[name], self._left[name]
                else:
                    self._left[name] = left - 1
            return dict(parameters)

    def armed(self) -> dict[str, dict[str, Any]]:
        """Every armed fault with its parameters."""
        with self._lock:
            return {name: dict(parameters) for name, parameters in self._armed.items()}
