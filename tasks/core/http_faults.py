"""The rungs `http2` and `url-map`: what each way of breaking means.

An answer over HTTP/2 comes in as it is, a `Fault` in words goes out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.core import policy_faults
from tasks.core.backend_faults import Backends
from tasks.core.diagnosis.finding import Outlook
from tasks.core.ladder import Fault
from tasks.core.tls_faults import STILL_PROGRAMMED


@dataclass(frozen=True)
class HttpAnswer:
    """What came back for one request over HTTP/2.

    Attributes:
        status: of HTTP; 0 when there was no answer in time.
        headers: with trailers, names in lower case.
        body: its beginning.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def speaks_grpc(self) -> bool:
        """Whether a gRPC server made this answer (gRPC over HTTP/2: content-type application/grpc, any suffix)."""
        return self.status == 200 and self.headers.get("content-type", "").startswith("application/grpc")

    @property
    def grpc_status(self) -> int | None:
        """Number of the gRPC status; None of an answer that has none."""
        text = self.headers.get("grpc-status", "")
        return int(text) if self.speaks_grpc and text.isdigit() else None


def http2_fault(seen: str) -> Fault:
    """Why there was no exchange of HTTP/2 SETTINGS though the server had chosen h2."""
    return Fault(
        "ingress",
        "NoHttp2Settings",
        f"the server chose h2 and does not speak it: {seen}",
        f"{STILL_PROGRAMMED}; or something between intercepts TLS: kubectl -n NAMESPACE describe ingress INGRESS",
    )


def no_answer_fault(seen: str) -> Fault:
    """Why a call got no HTTP status at all."""
    mend = f"{STILL_PROGRAMMED}: kubectl -n NAMESPACE describe ingress INGRESS"
    return Fault("ingress", "NoAnswer", f"the connection {seen} before a call was answered", mend)


_DEFAULT_BACKEND = "default backend - 404"  # ingress-gce cmd/404-server
_LEADS_TO_A_BACKEND = (0, 502, 503, 504)
"""The load balancer's own answers come at once, so who waits in vain waits for a backend."""


def url_map_fault(domain: str, answer: HttpAnswer, backends: Backends) -> Fault | None:
    """Whether a call for this domain was led to a gRPC server; None also where only the backends can be at fault."""
    if answer.speaks_grpc or leads_to_a_backend(answer, backends):
        return None
    status, kind = answer.status, answer.headers.get("content-type", "no content-type")
    if status in (301, 302, 303, 307, 308):
        return _redirected(status, answer.headers.get("location", ""))
    if status == 404:
        return _not_found(domain, answer, backends)
    if known := own_answer_fault(status):
        return known
    cause, what = (
        ("AnswerIsNotGrpc", "what answered is no gRPC server")
        if status == 200
        else (
            "UnexpectedHttpStatus",
            "the load balancer, or something before it, answered itself",
        )
    )
    detail = f"{what}: HTTP {status}, {kind}{_quoted(answer.body)}"
    return Fault(
        "ingress",
        cause,
        detail,
        "See what serves this name: kubectl -n NAMESPACE get ingress INGRESS -o yaml; kubectl -n NAMESPACE get service",
    )


def leads_to_a_backend(answer: HttpAnswer, backends: Backends) -> bool:
    """Whether an answer that is not gRPC shows that the URL map did its part, and the backends did not."""
    if answer.status in _LEADS_TO_A_BACKEND:
        return True
    # HTTP/1.1 reaches Milvus' REST server, which knows no such path.
    return answer.status >= 400 and bool(backends.without_http2) and _DEFAULT_BACKEND not in answer.body


def _redirected(status: int, location: str) -> Fault:
    if "accounts.google.com" in location:
        known = _BY_HTTP[401]
        return Fault(known.owner, known.cause, f"{known.detail} (HTTP {status})", known.mend, known.outlook)
    where = location.partition("?")[0] or "nowhere"
    detail = f"the call is redirected to {where} (HTTP {status}), which gRPC does not follow"
    see = "kubectl -n NAMESPACE get ingress INGRESS -o yaml; gcloud compute url-maps list --global"
    return Fault("ingress", "Redirected", detail, f"Port 443 must lead to Milvus itself: {see}")


def _not_found(domain: str, answer: HttpAnswer, backends: Backends) -> Fault:
    if domain in backends.hosts:
        return Fault(
            "ingress",
            "PathRuleMissing",
            f"a host rule for {domain} is there, but none of its paths takes a gRPC call (HTTP 404)",
            "The Ingress needs path / with pathType Prefix; ImplementationSpecific takes / alone: "
            "kubectl -n NAMESPACE get ingress INGRESS -o yaml",
        )
    known = f"; there are host rules for {', '.join(backends.hosts)}" if backends.hosts else ""
    return Fault(
        "ingress",
        "HostRuleMissing",
        f"no host rule matches {domain}, so the default backend answered (HTTP 404{_quoted(answer.body)}){known}",
        "The Ingress' host must be the name the client sends (server_name when it dials the address), path / with "
        "pathType Prefix: kubectl -n NAMESPACE get ingress INGRESS -o yaml",
    )


def _quoted(body: str) -> str:
    text = " ".join(re.sub(r"<[^>]*>", " ", body).split())
    return f", “{text[:80]}”" if text else ""


_PROXY = (
    "Admit this client: gcloud compute security-policies list; … rules create PRIORITY --security-policy NAME "
    "--src-ip-ranges ADDRESS --action allow. Identity-Aware Proxy must be off for gRPC."
)
_BY_HTTP = {
    401: Fault("ingress", "IdentityAwareProxy", "the load balancer asks for a Google login", _PROXY, Outlook.STOP),
    403: Fault(
        "compute",
        policy_faults.CAUSE,
        "the load balancer forbids it: a Cloud Armor policy or Identity-Aware Proxy",
        _PROXY,
        Outlook.STOP,
    ),
    429: Fault(
        "ingress",
        "RateLimited",
        "the load balancer limits the rate",
        "Try again later; look at the Cloud Armor policy: gcloud compute security-policies list",
    ),
}


def own_answer_fault(status: int) -> Fault | None:
    """What an HTTP status means that only the load balancer, or something before it, gives; None for any other."""
    known = _BY_HTTP.get(status)
    if known is None:
        return None
    return Fault(known.owner, known.cause, f"{known.detail} (HTTP {status})", known.mend, known.outlook)
