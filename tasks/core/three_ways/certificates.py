"""Certificates of the target proxy: exactly the expected ones, of the expected content, and not expired."""

from collections.abc import Iterator
from datetime import datetime

from tasks.core import annotations, certificates, names, status
from tasks.core.config import CertificateMode
from tasks.core.three_ways.rows import NOTHING, Row
from tasks.core.three_ways.sides import Resource, Sides

_SHOWN = 16  # digits of a fingerprint


def rows(sides: Sides) -> Iterator[Row]:
    """Rows on the certificates that clients are shown."""
    proxy = sides.https_proxy
    if proxy is None:
        return
    attached = [status.tail(str(link)) for link in proxy.get("sslCertificates") or []]
    found = {name: sides.compute.get("sslCertificates", name) or {} for name in attached}
    part = f"targetHttpsProxies/{proxy['name']}"
    if sides.config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        yield from _managed(sides, part, found)
    else:
        yield _of_secret(sides, part, found)
    for name, certificate in found.items():
        yield from _lifetime(sides, name, certificate)


def _of_secret(sides: Sides, part: str, found: dict[str, Resource]) -> Row:
    """The Secret's very content; the key is not compared, as Compute never gives it back."""
    fingerprint = sides.cluster.fingerprint
    secret = f"secret {sides.config.namespace}/{sides.config.tls_secret}"
    intent = [_shown(fingerprint)] if fingerprint else ["a certificate"]
    return Row(
        "sslCertificates",
        intent,
        object=secret,
        cluster=intent if fingerprint else None,
        part=part,
        # By content: a certificate's name in Compute is GKE's own.
        compute=[
            _shown(prints) if prints == fingerprint else f"{name}, {_shown(prints)}" for name, prints in _read(found)
        ],
        mend=_detach(sides, found, fingerprint),
    )


def _detach(sides: Sides, found: dict[str, Resource], fingerprint: str) -> str:
    """The mend for certificates that an annotation attaches: no sync takes them away."""
    shared = [name.strip() for name in sides.marks.get(annotations.PRE_SHARED_CERT, "").split(",") if name.strip()]
    strangers = [name for name, prints in _read(found) if name in shared and prints != fingerprint]
    if not strangers:
        return ""
    name = names.ingress(sides.config.release)
    return (
        f"{', '.join(strangers)} stands in the Ingress' annotation {annotations.PRE_SHARED_CERT}. Take it away: "
        f"kubectl -n {sides.config.namespace} annotate ingress {name} {annotations.PRE_SHARED_CERT}-"
    )


def _managed(sides: Sides, part: str, found: dict[str, Resource]) -> Iterator[Row]:
    live = sides.cluster.managed_certificate
    name = names.certificate(sides.config.release)
    resource = f"managedcertificate {sides.config.namespace}/{name}"
    noted = status.managed_certificate(live).compute_name if live is not None else ""
    yield Row(
        "sslCertificates",
        [noted or f"the certificate of {resource}"],
        object=resource,
        cluster=NOTHING if live is None else [noted] if noted else None,
        part=part,
        compute=list(found),
        mend="" if noted else f"See why: kubectl -n {sides.config.namespace} describe managedcertificate {name}",
    )
    domains = sorted(sides.config.domains)
    # Domains that are not in the object yet have a row of the object's.
    if noted in found and live is not None and sorted((live.get("spec") or {}).get("domains") or []) == domains:
        seen = sorted((found[noted].get("managed") or {}).get("domains") or [])
        part = f"sslCertificates/{noted}"
        yield Row("managed.domains", domains, object=resource, cluster=domains, part=part, compute=seen)


def _lifetime(sides: Sides, name: str, certificate: Resource) -> Iterator[Row]:
    """Expired or not; how long it still lives is somebody else's question."""
    try:
        expires = datetime.fromisoformat(str(certificate.get("expireTime") or ""))
    except ValueError:
        return
    if expires.tzinfo is not None and expires < sides.now:
        yield Row(
            "expireTime",
            f"after {sides.now.isoformat(timespec='seconds')}",
            part=f"sslCertificates/{name}",
            compute=expires.isoformat(timespec="seconds"),
            mend=_renew(sides),
        )


def _renew(sides: Sides) -> str:
    match sides.config.certificate_mode:
        case CertificateMode.SELF_MANAGED:
            return "Make a new one: milvus-l7 provision with the same configuration."
        case CertificateMode.GOOGLE_MANAGED:
            name = names.certificate(sides.config.release)
            return f"See why Google did not: kubectl -n {sides.config.namespace} describe managedcertificate {name}"
    secret = f"create secret tls {sides.config.tls_secret} --cert=CHAIN.pem --key=KEY.pem"
    return f"Renew it: kubectl -n {sides.config.namespace} {secret} --dry-run=client -o yaml | kubectl apply -f -"


def _read(found: dict[str, Resource]) -> list[tuple[str, str]]:
    """Name and fingerprint; "" where Compute shows no certificate that can be read."""
    prints: list[tuple[str, str]] = []
    for name, certificate in found.items():
        try:
            prints.append((name, certificates.read(str(certificate.get("certificate") or "").encode()).fingerprint))
        except ValueError:
            prints.append((name, ""))
    return prints


def _shown(fingerprint: str) -> str:
    return f"SHA-256 {fingerprint[:_SHOWN]}…" if fingerprint else "no readable certificate"
