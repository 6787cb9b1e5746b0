"""The rungs of the client: what each way of breaking means.

Plain values come in, such as a gRPC status and its text, a `Fault` in words goes out.
"""

import re

from tasks.core.backend_faults import Backends
from tasks.core.diagnosis.finding import Outlook
from tasks.core.http_faults import own_answer_fault
from tasks.core.ladder import Fault
from tasks.core.tls_faults import STILL_PROGRAMMED, grpc_trust_fault

# --- gRPC ---------------------------------------------------------------------------------------------------------

_HTTP_STATUS = re.compile(r"http2 header with status: (\d{3})")
_LOGS = "kubectl -n NAMESPACE logs -l app.kubernetes.io/name=milvus --tail=50"
_BACKENDS = "gcloud compute backend-services get-health NAME --global"


def http_status(details: str) -> int:
    """The HTTP status that gRPC met where it wanted its own, 0 when it met none.

    >>> http_status("Received http2 header with status: 502"), http_status("Socket closed")
    (502, 0)
    """
    found = _HTTP_STATUS.search(details)
    return int(found[1]) if found else 0


def grpc_fault(status: str, details: str, *, own_trust: bool = False) -> Fault:
    """What a failed call through the load balancer means (gke.md §8.4, §14; gRPC's HTTP to status mapping).

    Args:
        status: name of the gRPC status, "" when the server answered with an error of Milvus' own.
        details: the text that came with it.
        own_trust: whether the client trusts a certificate given to it, rather than gRPC's roots.
    """
    if http := http_status(details):
        return _http_fault(http, details)
    if "CERTIFICATE_VERIFY_FAILED" in details or ("Peer name" in details and "not in peer certificate" in details):
        return grpc_trust_fault(details, own_trust=own_trust)
    if known := _BY_STATUS.get(status):
        return Fault(known.owner, known.cause, f"{known.detail} ({status}: {details})", known.mend, known.outlook)
    cause = "UnknownGrpcStatus" if status else "MilvusError"
    return Fault("milvus", cause, f"{status or 'Milvus'}: {details}", f"See Milvus' log: {_LOGS}")


def credentials_fault(details: str, *, named: bool, source: str) -> Fault:
    """Milvus turned the user away.

    Args:
        details: its words.
        named: whether a user name and password were sent.
        source: what holds them, as kubectl writes it.
    """
    if not named:
        return Fault(
            "client",
            "CredentialsMissing",
            f"Milvus asks for a user name and password ({details})",
            "Set milvus_credentials_secret to a Secret with the keys username and password.",
            Outlook.STOP,
        )
    return Fault(
        "client",
        "CredentialsRefused",
        f"Milvus refused the user name and password of {source} ({details})",
        "Check the Secret that milvus_credentials_secret names; its keys are username and password.",
        Outlook.STOP,
    )


def _http_fault(status: int, details: str) -> Fault:
    """The load balancer answered a client in HTTP, though it had let a call of the same kind through before."""
    if known := own_answer_fault(status):
        return known
    return Fault(
        "ingress",
        "LoadBalancerAnswered",
        f"the load balancer answered the client with HTTP {status} ({details}), where it had let a call through before",
        f"Backends come and go, or front ends are being programmed: {_BACKENDS}",
    )


_BY_STATUS = {
    "UNAVAILABLE": Fault(
        "ingress",
        "ConnectionLost",
        "the connection broke, or no backend is healthy",
        f"{STILL_PROGRAMMED} and the health of the backends: {_BACKENDS}",
    ),
    "UNIMPLEMENTED": Fault(
        "milvus",
        "NotMilvus",
        "what answered is no Milvus, or a version without this call",
        "Check that the Ingress leads to Milvus' gRPC port (19530): kubectl -n NAMESPACE get ingress INGRESS -o yaml",
    ),
    "DEADLINE_EXCEEDED": Fault(
        "milvus",
        "MilvusTooSlow",
        "no answer in time",
        f"See whether Milvus is busy or its dependencies are down: kubectl -n NAMESPACE get pods; {_LOGS}",
    ),
    "PERMISSION_DENIED": Fault(
        "client",
        "PrivilegeMissing",
        "the user may not do this",
        "Grant the user the privilege, or set proof_writes=false for reading calls only.",
        Outlook.STOP,
    ),
    "RESOURCE_EXHAUSTED": Fault(
        "milvus",
        "MilvusLimits",
        "Milvus limits the rate or its memory is full",
        f"See its quota settings and log: {_LOGS}",
    ),
    "CANCELLED": Fault("ingress", "CallCut", "the call was cut off", "Check backend_timeout_seconds, then run again."),
}

# --- what takes long ------------------------------------------------------------------------------------------------

_CUT = ("UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL")
_SHORTEST_CUT_SECONDS = 0.9
"""A call that failed sooner was not cut by a timeout: `timeoutSec` is a whole number of seconds, 1 at least."""


def long_call_fault(
    status: str, details: str, *, lasted_seconds: float, wanted_seconds: float, backends: Backends
) -> Fault:
    """Why a call that should last `wanted_seconds` ended with an error after `lasted_seconds`.

    A server whose call is cut may answer to that before the load balancer does: an error of Milvus' own (status "")
    counts as cut when a backend service's timeout was over.
    """
    known = {name: seconds for name, seconds in backends.timeouts_seconds.items() if seconds < wanted_seconds}
    if status:
        refused = http_status(details) in (401, 403, 429)
        cut = status in _CUT and lasted_seconds >= _SHORTEST_CUT_SECONDS and not refused
    else:
        cut = any(lasted_seconds >= seconds for seconds in known.values())
    if not cut:
        return grpc_fault(status, details)
    seen = f"; timeoutSec is {', '.join(f'{each} s ({name})' for name, each in known.items())}" if known else ""
    return Fault(
        "ingress",
        "CallCutByTimeout",
        f"a call of {wanted_seconds:g} s was cut after {lasted_seconds:.1f} s{seen} ({status or 'Milvus'}: {details})",
        f"BackendConfig spec.timeoutSec owns this, Google's default is 30 s: kubectl -n {backends.namespace} get "
        "backendconfig -o yaml; milvus-l7 provision sets it to backend_timeout_seconds.",
    )


def idle_fault(seen: str, *, silent_seconds: float, wanted_seconds: float) -> Fault:
    """A connection did not survive its silence.

    Args:
        seen: how it ended.
        silent_seconds: how long it had been silent when that was noticed.
        wanted_seconds: how long it should have been.
    """
    return Fault(
        "network",
        "IdleConnectionCut",
        f"a connection that was to be silent for {wanted_seconds:g} s {seen} after {silent_seconds:.1f} s",
        "Google's front ends keep one for 610 s, so a NAT, firewall or proxy on the way cuts it: clients need "
        'MilvusClient(..., grpc_options={"grpc.keepalive_time_ms": 10000}), below that time.',
    )
