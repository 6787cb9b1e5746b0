"""What each way of breaking a rung of the proof means: plain values in, a `Fault` in words out.

Low-level outcomes come in as they are (an OpenSSL verify code, a gRPC status and its text). Milvus clients fold all of
them into one text, "Fail connecting to server", which is why the rungs below the client are climbed one by one.
"""

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.core.certificates import CertificateFacts, covers
from tasks.core.diagnosis.finding import Outlook
from tasks.core.ladder import Fault

# --- DNS ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What one name server said: A and AAAA records together, or why it said nothing."""

    server: str
    addresses: tuple[str, ...] = ()
    error: str = ""


def judge_dns(domain: str, address: str, answers: Sequence[Answer]) -> Fault | None:
    """Whether every server sends the domain to this address and nowhere else; a stray AAAA record is elsewhere, too."""
    wrong = [answer for answer in answers if answer.error or set(answer.addresses) != {address}]
    if answers and not wrong:
        return None
    seen = "; ".join(
        f"{answer.server} {answer.error or 'answers ' + (', '.join(answer.addresses) or 'nothing')}" for answer in wrong
    )
    records = sorted({found for answer in wrong for found in answer.addresses} - {address})
    extra = f" and remove {', '.join(records)}" if records else ""
    return Fault(
        "dns",
        f"{domain} must resolve to {address} alone, but {seen or 'no name server was asked'}",
        f"Create the record {domain}. A {address}{extra}.",
    )


# --- TCP and TLS --------------------------------------------------------------------------------------------------

_STILL_PROGRAMMED = (
    "Google's front ends are programmed for minutes after the address appears; otherwise see the Ingress"
)


def tcp_fault(address: str, port: int, error: OSError) -> Fault:
    """Why there is no connection."""
    where = f"{address}:{port}"
    see = "kubectl describe ingress, and gcloud compute forwarding-rules list --global."
    if isinstance(error, TimeoutError) or error.errno in (errno.ETIMEDOUT, errno.EAGAIN):
        return Fault(
            "network", f"{where} did not answer in time", f"A firewall on the way, or no forwarding rule: {see}"
        )
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return Fault("network", f"{where} cannot be reached from here: {error.strerror}", "Check route and proxy.")
    if error.errno == errno.ECONNREFUSED:
        return Fault("ingress", f"{where} refuses the connection: nothing listens", f"{_STILL_PROGRAMMED}: {see}")
    return Fault("network", f"{where}: {error.strerror or error}", f"{_STILL_PROGRAMMED}: {see}")


# OpenSSL x509_vfy.h
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 9, 10, 18, 19
_NO_ISSUER, _NO_ISSUER_FOR_LEAF, _WRONG_NAME = 20, 21, 62
_UNTRUSTED = (_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER, _NO_ISSUER_FOR_LEAF)


def verify_fault(
    code: int, text: str, domain: str, shown: CertificateFacts | None, now: datetime, *, own_trust: bool
) -> Fault:
    """Why a certificate was not accepted: chain, name or date, and each of them when several are wrong.

    Args:
        code: OpenSSL's verify code, which tells only the first thing it met.
        text: its words.
        domain: the name asked for.
        shown: the certificate the server showed, None when it could not be had.
        now: aware time.
        own_trust: whether the client trusts a certificate given to it, rather than the public roots.
    """
    found: list[str] = []
    if code in _UNTRUSTED:
        trusted = "the certificate the client was given to trust" if own_trust else "a public root"
        found.append(f"chain: it does not lead to {trusted} ({text})")
    if shown is not None and not covers(shown.domains, domain):
        found.append(f"name: it is for {', '.join(shown.domains) or 'no name at all'}, not for {domain}")
    elif shown is None and code == _WRONG_NAME:
        found.append(f"name: it is not for {domain} ({text})")
    if code == _EXPIRED or (shown is not None and now > shown.not_after):
        found.append(f"expiry: it expired{f' on {shown.not_after:%Y-%m-%d}' if shown else ''}")
    if code == _NOT_YET_VALID or (shown is not None and now < shown.not_before):
        found.append(f"expiry: it is not valid yet{f', before {shown.not_before:%Y-%m-%d %H:%M}' if shown else ''}")
    served = f"; served is {described(shown)}" if shown else ""
    return Fault(
        "certificate", "; ".join(found or [f"chain: {text}"]) + served, _mend_certificate(code, own_trust=own_trust)
    )


def _mend_certificate(code: int, *, own_trust: bool) -> str:
    if code in (_EXPIRED, _NOT_YET_VALID):
        return (
            "Renew the certificate: milvus-l7 provision replaces a self-managed one, its owner an existing one. "
            "A clock that is wrong shows the same."
        )
    if code in _UNTRUSTED and not own_trust:
        return "Clients must trust this certificate itself: give it as server_pem_path, or use a public authority."
    return (
        "GKE takes a changed certificate over at its next sync, within 10 minutes, or at once after: "
        "kubectl annotate ingress NAME --overwrite touched=$(date +%s)"
    )


def handshake_fault(reason: str, text: str) -> Fault:
    """Why a TLS handshake failed before any certificate could be judged.

    Args:
        reason: OpenSSL's reason, such as "WRONG_VERSION_NUMBER"; "" for a lost connection or a time-out.
        text: the error in words.
    """
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"):
        return Fault(
            "ingress", "the port speaks plaintext, not TLS", "The Ingress needs a certificate: kubectl describe ingress"
        )
    no_certificate = ("SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_UNRECOGNIZED_NAME", "TLSV1_ALERT_INTERNAL_ERROR")
    if reason.replace("TLS_ALERT", "TLSV1_ALERT") in no_certificate or "UNRECOGNIZED_NAME" in reason:
        return Fault(
            "certificate",
            f"the server has no certificate for this name yet ({reason})",
            "A Google-managed one must be ACTIVE, and needs up to 30 minutes more until every front end has it: "
            "gcloud compute ssl-certificates list --global",
        )
    return Fault("ingress", f"the TLS handshake broke off: {text}", f"{_STILL_PROGRAMMED}: kubectl describe ingress")


def fingerprint_fault(shown: CertificateFacts, expected: frozenset[str]) -> Fault | None:
    """Whether the certificate on the wire is another than expected; nothing is compared when nothing is expected."""
    if not expected or shown.fingerprint in expected:
        return None
    wanted = ", ".join(sorted(short(fingerprint) for fingerprint in expected))
    return Fault(
        "certificate",
        f"another certificate than ours is served: {described(shown)}, expected fingerprint {wanted}",
        _mend_certificate(0, own_trust=True),
    )


def alpn_fault(chosen: str | None, refused: str = "") -> Fault | None:
    """Whether the server speaks HTTP/2 over TLS, without which gRPC does not start."""
    if chosen == "h2":
        return None
    seen = f"the server refused h2 ({refused})" if refused else f"the server chose {chosen or 'no protocol'}, not h2"
    return Fault(
        "ingress",
        f"{seen}: something on the way speaks HTTP/1.1 only",
        "Dial the load balancer itself, not a proxy or CDN in front of it: kubectl get ingress",
    )


def described(shown: CertificateFacts) -> str:
    """A certificate in a few words."""
    names = ", ".join(shown.domains) or (f"CN {shown.common_name}" if shown.common_name else "no name")
    kind = "self-signed" if shown.self_signed else "issued"
    return f"{kind} for {names}, until {shown.not_after:%Y-%m-%d}, {shown.key_type}, sha256 {short(shown.fingerprint)}"


def short(fingerprint: str) -> str:
    """Beginning of a fingerprint, enough to compare by eye."""
    return f"{fingerprint[:16]}…"


# --- gRPC ---------------------------------------------------------------------------------------------------------

_HTTP_STATUS = re.compile(r"http2 header with status: (\d{3})")
_BACKENDS = "gcloud compute backend-services get-health NAME --global"


def grpc_fault(status: str, details: str, *, named_credentials: bool = False, own_trust: bool = False) -> Fault:
    """What a failed call through the load balancer means (gke.md §8.4, §14; gRPC's HTTP to status mapping).

    Args:
        status: name of the gRPC status, "" when the server answered with an error of Milvus' own.
        details: the text that came with it.
        named_credentials: whether a user name and password were sent.
        own_trust: whether the client trusts a certificate given to it, rather than gRPC's roots.
    """
    http = _HTTP_STATUS.search(details)
    if http:
        return _http_fault(int(http[1]), details)
    if "CERTIFICATE_VERIFY_FAILED" in details or ("Peer name" in details and "not in peer certificate" in details):
        return _grpc_trust_fault(details, own_trust=own_trust)
    known = _BY_STATUS.get(status)
    if status == "UNAUTHENTICATED":
        sent = (
            "the user name and password were refused" if named_credentials else "it asks for a user name and password"
        )
        mend = (
            "Check the Secret that milvus_credentials_secret names"
            if named_credentials
            else "Set milvus_credentials_secret"
        )
        return Fault(
            "client", f"Milvus: {sent} ({details})", f"{mend}; its keys are username and password.", Outlook.STOP
        )
    if known is not None:
        return Fault(known.owner, f"{known.detail} ({status}: {details})", known.mend, known.outlook)
    return Fault(
        "milvus",
        f"{status or 'Milvus'}: {details}",
        "See Milvus' log: kubectl logs deployment/RELEASE-milvus-standalone",
    )


def _http_fault(status: int, details: str) -> Fault:
    """The load balancer answered itself, in HTTP."""
    known = _BY_HTTP.get(status)
    if known is None:
        return Fault("ingress", f"the load balancer answered HTTP {status} ({details})", _BACKENDS)
    return Fault(known.owner, f"{known.detail} (HTTP {status})", known.mend, known.outlook)


def _grpc_trust_fault(details: str, *, own_trust: bool) -> Fault:
    if own_trust:
        return Fault(
            "certificate", f"gRPC does not accept the certificate ({details})", _mend_certificate(0, own_trust=True)
        )
    return Fault(
        "client",
        f"gRPC does not accept a certificate that OpenSSL accepts ({details})",
        "gRPC has roots of its own and does not read the system's: set GRPC_DEFAULT_SSL_ROOTS_FILE_PATH to the bundle.",
    )


_BY_HTTP = {
    403: Fault(
        "ingress",
        "the load balancer forbids it: a Cloud Armor policy or Identity-Aware Proxy",
        "Allow this client: gcloud compute security-policies list; Identity-Aware Proxy must be off for gRPC.",
        Outlook.STOP,
    ),
    404: Fault(
        "ingress",
        "no host rule matches, so the default backend answered",
        "The Ingress' host must be the name the client sends (server_name when it dials the address), path / with "
        "pathType Prefix: kubectl get ingress -o yaml",
    ),
    429: Fault("ingress", "the load balancer limits the rate", "Try again later; look at the Cloud Armor policy."),
    502: Fault(
        "ingress",
        "the load balancer found no backend that speaks HTTP/2 over TLS: none is healthy, the backend protocol is not "
        "HTTP2, or Milvus speaks plaintext",
        f"Check health ({_BACKENDS}), the annotation cloud.google.com/app-protocols (its key is the port's name) and "
        "common.security.tlsMode: 1.",
    ),
    503: Fault("milvus", "no backend takes the call", f"Wait for healthy backends: {_BACKENDS}"),
    504: Fault(
        "milvus",
        "the backend took longer than the backend timeout",
        "Raise backend_timeout_seconds, or see why Milvus is slow: kubectl logs",
    ),
}

_BY_STATUS = {
    "UNAVAILABLE": Fault(
        "ingress",
        "the connection broke, or no backend is healthy",
        f"{_STILL_PROGRAMMED} and the health of the backends: {_BACKENDS}",
    ),
    "UNIMPLEMENTED": Fault(
        "milvus",
        "what answered is no Milvus, or a version without this call",
        "Check that the Ingress leads to Milvus' gRPC port (19530): kubectl get ingress -o yaml",
    ),
    "DEADLINE_EXCEEDED": Fault(
        "milvus",
        "no answer in time",
        "See whether Milvus is busy or its dependencies are down: kubectl get pods; kubectl logs",
    ),
    "PERMISSION_DENIED": Fault(
        "client",
        "the user may not do this",
        "Grant the user the privilege, or set proof_writes=false for reading calls only.",
        Outlook.STOP,
    ),
    "RESOURCE_EXHAUSTED": Fault(
        "milvus", "Milvus limits the rate or its memory is full", "See its quota settings and log."
    ),
    "CANCELLED": Fault("ingress", "the call was cut off", "Check backend_timeout_seconds, then run again."),
}
