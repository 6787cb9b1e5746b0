"""The rungs `tcp`, `tls` and `alpn`: what each way of breaking means.

Low-level outcomes come in as they are, such as an OpenSSL verify code. Milvus clients fold all of them into one text,
"Fail connecting to server", which is why the rungs below the client are climbed one by one.
"""

import errno
from datetime import datetime

from tasks.core.certificates import CertificateFacts, covers
from tasks.core.ladder import Fault

STILL_PROGRAMMED = "Google's front ends are programmed for minutes after the address appears; otherwise see the Ingress"


def tcp_fault(address: str, port: int, error: OSError) -> Fault:
    """Why there is no connection."""
    where = f"{address}:{port}"
    see = "kubectl -n NAMESPACE describe ingress INGRESS, and gcloud compute forwarding-rules list --global."
    if isinstance(error, TimeoutError) or error.errno in (errno.ETIMEDOUT, errno.EAGAIN):
        mend = f"A firewall on the way, or no forwarding rule: {see}"
        return Fault("network", "ConnectionTimedOut", f"{where} did not answer in time", mend)
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        detail = f"{where} cannot be reached from here: {error.strerror}"
        return Fault("network", "NoRoute", detail, f"Check route and proxy: ip route get {address}")
    if error.errno == errno.ECONNREFUSED:
        detail = f"{where} refuses the connection: nothing listens"
        return Fault("ingress", "ConnectionRefused", detail, f"{STILL_PROGRAMMED}: {see}")
    return Fault("network", "ConnectionBroken", f"{where}: {error.strerror or error}", f"{STILL_PROGRAMMED}: {see}")


# OpenSSL x509_vfy.h
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 9, 10, 18, 19
_NO_ISSUER, _NO_ISSUER_FOR_LEAF, _WRONG_NAME = 20, 21, 62
_ISSUER_MISSING = (_NO_ISSUER, _NO_ISSUER_FOR_LEAF)
_UNTRUSTED = (_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER, _NO_ISSUER_FOR_LEAF)


def verify_fault(
    code: int, text: str, domain: str, shown: CertificateFacts | None, now: datetime, *, own_trust: bool
) -> Fault:
    """Why a certificate was not accepted: chain, name or date, and each of them when several are wrong.

    The cause is the one that must be mended first: a name or a date needs another certificate, after which the chain
    is another one, too.

    Args:
        code: OpenSSL's verify code, which tells only the first thing it met.
        text: its words.
        domain: the name asked for.
        shown: the certificate the server showed, None when it could not be had.
        now: aware time.
        own_trust: whether the client trusts a certificate given to it, rather than the public roots.
    """
    found: dict[str, str] = {}
    if code in _UNTRUSTED:
        trusted = "the certificate the client was given to trust" if own_trust else "a public root"
        found["CertificateUntrusted"] = f"chain: it does not lead to {trusted} ({text})"
    if shown is not None and not covers(shown.domains, domain):
        names = ", ".join(shown.domains) or "no name at all"
        found["CertificateNameMismatch"] = f"name: it is for {names}, not for {domain}"
    elif shown is None and code == _WRONG_NAME:
        found["CertificateNameMismatch"] = f"name: it is not for {domain} ({text})"
    if code == _EXPIRED or (shown is not None and now > shown.not_after):
        found["CertificateExpired"] = f"expiry: it expired{f' on {shown.not_after:%Y-%m-%d}' if shown else ''}"
    if code == _NOT_YET_VALID or (shown is not None and now < shown.not_before):
        since = f", before {shown.not_before:%Y-%m-%d %H:%M}" if shown else ""
        found["CertificateNotYetValid"] = f"expiry: it is not valid yet{since}"
    served = f"; served is {described(shown)}" if shown else ""
    cause = next((name for name in _FIRST_TO_MEND if name in found), "CertificateRefused")
    detail = "; ".join(list(found.values()) or [f"chain: {text}"]) + served
    mend = _mend_certificate(cause, own_trust=own_trust, domain=domain)
    if cause == "CertificateUntrusted" and code in _ISSUER_MISSING and shown is not None and not shown.self_signed:
        # A public authority's leaf alone shows the same as a private authority's.
        mend = (
            "Of a public authority an intermediate certificate is missing: the Secret's tls.crt must have the leaf and "
            f"each issuer: cat LEAF.pem INTERMEDIATE.pem > CHAIN.pem. Of a private one: {mend}"
        )
    return Fault("certificate", cause, detail, mend)


_FIRST_TO_MEND = ("CertificateNameMismatch", "CertificateExpired", "CertificateNotYetValid", "CertificateUntrusted")


def _mend_certificate(cause: str, *, own_trust: bool, domain: str = "") -> str:
    if cause in ("CertificateExpired", "CertificateNotYetValid"):
        return (
            "Renew the certificate: milvus-l7 provision replaces a self-managed one, its owner an existing one. "
            "A clock that is wrong shows the same."
        )
    if cause == "CertificateUntrusted" and not own_trust:
        return "Clients must trust this certificate itself: give it as server_pem_path, or use a public authority."
    taken_over = (
        "GKE takes a changed certificate over at its next sync, within 10 minutes, or at once after: "
        "kubectl -n NAMESPACE annotate ingress INGRESS --overwrite touched=$(date +%s)"
    )
    if cause == "CertificateNameMismatch":
        see = "openssl x509 -in tls.crt -noout -ext subjectAltName"
        return f"The certificate needs the name {domain}: {see}. {taken_over}"
    return taken_over


def handshake_fault(reason: str, text: str) -> Fault:
    """Why a TLS handshake failed before any certificate could be judged.

    Args:
        reason: OpenSSL's reason, such as "WRONG_VERSION_NUMBER"; "" for a lost connection or a time-out.
        text: the error in words.
    """
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"):
        mend = "The Ingress needs a certificate: kubectl -n NAMESPACE describe ingress INGRESS"
        return Fault("ingress", "PortSpeaksPlaintext", "the port speaks plaintext, not TLS", mend)
    no_certificate = ("SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_UNRECOGNIZED_NAME", "TLSV1_ALERT_INTERNAL_ERROR")
    if reason.replace("TLS_ALERT", "TLSV1_ALERT") in no_certificate or "UNRECOGNIZED_NAME" in reason:
        return Fault(
            "certificate",
            "NoCertificateYet",
            f"the server has no certificate for this name yet ({reason})",
            "A Google-managed one must be ACTIVE, and needs up to 30 minutes more until every front end has it: "
            "gcloud compute ssl-certificates list --global",
        )
    mend = f"{STILL_PROGRAMMED}: kubectl -n NAMESPACE describe ingress INGRESS"
    return Fault("ingress", "HandshakeBroken", f"the TLS handshake broke off: {text}", mend)


def fingerprint_fault(shown: CertificateFacts, expected: frozenset[str]) -> Fault | None:
    """Whether the certificate on the wire is another than expected; nothing is compared when nothing is expected."""
    if not expected or shown.fingerprint in expected:
        return None
    wanted = ", ".join(sorted(short(fingerprint) for fingerprint in expected))
    detail = f"another certificate than ours is served: {described(shown)}, expected fingerprint {wanted}"
    return Fault("certificate", "WrongCertificateServed", detail, _mend_certificate("", own_trust=True))


def alpn_fault(chosen: str | None, refused: str = "") -> Fault | None:
    """Whether the server speaks HTTP/2 over TLS, without which gRPC does not start."""
    if chosen == "h2":
        return None
    seen = f"the server refused h2 ({refused})" if refused else f"the server chose {chosen or 'no protocol'}, not h2"
    return Fault(
        "ingress",
        "NoHttp2",
        f"{seen}: something on the way speaks HTTP/1.1 only",
        "Dial the load balancer itself, not a proxy or CDN in front of it: kubectl -n NAMESPACE get ingress INGRESS",
    )


def grpc_trust_fault(details: str, *, own_trust: bool) -> Fault:
    """Why gRPC does not accept a certificate that OpenSSL has accepted."""
    if own_trust:
        detail = f"gRPC does not accept the certificate ({details})"
        return Fault("certificate", "CertificateRefusedByGrpc", detail, _mend_certificate("", own_trust=True))
    return Fault(
        "client",
        "GrpcRootsMissing",
        f"gRPC does not accept a certificate that OpenSSL accepts ({details})",
        "gRPC has roots of its own and does not read the system's: set GRPC_DEFAULT_SSL_ROOTS_FILE_PATH to the bundle.",
    )


def described(shown: CertificateFacts) -> str:
    """A certificate in a few words."""
    names = ", ".join(shown.domains) or (f"CN {shown.common_name}" if shown.common_name else "no name")
    kind = "self-signed" if shown.self_signed else "issued"
    return f"{kind} for {names}, until {shown.not_after:%Y-%m-%d}, {shown.key_type}, sha256 {short(shown.fingerprint)}"


def short(fingerprint: str) -> str:
    """Beginning of a fingerprint, enough to compare by eye."""
    return f"{fingerprint[:16]}…"
