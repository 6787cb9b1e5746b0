"""The certificates of the Secrets that the Ingress names: there, readable, the right one, and for how long still.

Source: ingress-gce pkg/tls, pkg/translator; Google Cloud, self-managed certificates; gke.md §6.4, §6.7, §7.
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import timedelta

from tasks.core import certificates
from tasks.core.certificates import Subject
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, resource
from tasks.core.config import CertificateMode

_EXPIRY_NOTICE = timedelta(days=30)

_NAMES: dict[Subject, str] = {
    "file": "CertificateParseCheck",
    "key": "PrivateKeyCheck",
    "chain": "CertificateChainCheck",
    "lifetime": "CertificateExpiryCheck",
    "leaf": "CertificateKeyTypeCheck",
    "domains": "CertificateDomainsCheck",
}
_WELL: dict[Subject, str] = {
    "file": "is readable PEM",
    "key": "the private key is readable",
    "chain": "the chain is in order, and the key is the leaf's",
    "leaf": "key, signature and usage are such as a global load balancer takes",
}
_BEFORE: dict[Subject, str] = {
    "file": "It must be PEM: openssl x509 -in CERTIFICATE -out CHAIN.pem. ",
    "key": "It must be PEM without a passphrase: openssl pkey -in KEY -out KEY.pem. ",
    "chain": "The leaf comes first, then each issuer: cat LEAF.pem INTERMEDIATE.pem > CHAIN.pem. ",
    "leaf": "Have it issued for a key such as: openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem. ",
}
"""What has to be done before the Secret is replaced."""


def checks(facts: Facts) -> Iterator[Check]:
    """Every check of every Secret that our Ingress names, and of the configured one."""
    for name in _secret_names(facts):
        place = resource("Secret", facts.namespace, name)
        if place in facts.made:
            yield passed("TlsSecretExistenceCheck", place, "is made by this run", layer="certificate")
        elif place not in facts.foreign:
            yield from _of_secret(facts, name, place)


def _secret_names(facts: Facts) -> list[str]:
    entries = ((facts.ingress or {}).get("spec") or {}).get("tls") or []
    wanted = [] if facts.config.certificate_mode is CertificateMode.GOOGLE_MANAGED else [facts.config.tls_secret]
    return list(dict.fromkeys([*wanted, *(entry["secretName"] for entry in entries if entry.get("secretName"))]))


def _of_secret(facts: Facts, name: str, place: str) -> Iterator[Check]:
    live = facts.objects.get("Secret", facts.namespace, name)
    make = f"kubectl -n {facts.namespace} create secret tls {name} --cert=CHAIN.pem --key=KEY.pem"
    if live is None:
        ours = facts.config.certificate_mode is CertificateMode.SELF_MANAGED and name == facts.config.tls_secret
        mend = "provision makes it: milvus-l7 provision with the same configuration" if ours else f"Create it: {make}"
        yield _failed("TlsSecretExistenceCheck", place, "does not exist", mend)
        return
    yield _passed("TlsSecretExistenceCheck", place, "exists")
    replace = f"{make} --dry-run=client -o yaml | kubectl -n {facts.namespace} apply -f -"
    missing = [key for key in ("tls.crt", "tls.key") if not _pem(live, key)]
    if missing:
        seen = f"has no {' and no '.join(missing)}, the keys that GKE reads"
        yield _failed("TlsSecretContentCheck", place, seen, f"Put tls.crt and tls.key into it: {replace}")
        return
    yield _passed("TlsSecretContentCheck", place, "has tls.crt and tls.key")
    # Another Secret beside the configured one may be for other names.
    domains = facts.config.domains if name == facts.config.tls_secret else ()
    yield from _of_certificate(facts, live, place, domains, f"Replace it: {replace}")


def _of_certificate(facts: Facts, live: Object, place: str, domains: tuple[str, ...], mend: str) -> Iterator[Check]:
    found = certificates.faults_by_subject(_pem(live, "tls.crt"), _pem(live, "tls.key"), domains, facts.now)
    for subject, name in _NAMES.items():
        if subject not in found:
            yield skipped(name, place, "the certificate cannot be read", layer="certificate")
        elif texts := found[subject]:
            yield _failed(name, place, "; ".join(texts), f"{_BEFORE.get(subject, '')}{mend}")
        elif subject == "lifetime":
            yield _expiry(facts, live, place, mend)
        elif subject == "domains":
            yield _passed(name, place, f"covers {', '.join(domains)}" if domains else "is for other names than ours")
        else:
            yield _passed(name, place, _WELL[subject])


def _expiry(facts: Facts, live: Object, place: str, mend: str) -> Check:
    name, until = "CertificateExpiryCheck", certificates.read(_pem(live, "tls.crt")).not_after
    left, day = until - facts.now, f"{until:%Y-%m-%d}"
    if left >= _EXPIRY_NOTICE:
        return _passed(name, place, f"is valid until {day}")
    return failed(name, place, f"expires on {day}, in {left.days} days", mend, layer="certificate", blocks=False)


def _pem(live: Object, key: str) -> bytes:
    try:
        return base64.b64decode((live.get("data") or {}).get(key) or "", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _passed(name: str, place: str, seen: str) -> Check:
    return passed(name, place, seen, layer="certificate")


def _failed(name: str, place: str, seen: str, mend: str) -> Check:
    return failed(name, place, seen, mend, layer="certificate")
