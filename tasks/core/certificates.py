"""Keys and certificates in memory: made, read and judged. The clock is an argument, files are the caller's.

The certificate made here is a leaf and its own trust root at once. It has `CA:FALSE`, so whoever trusts it trusts this
one name and not a signing key that lives in a load balancer, and **no** keyUsage: OpenSSL 1.1 and the BoringSSL inside
gRPC take a self-issued certificate for self-signed only if its keyUsage is absent or allows keyCertSign
(x509v3_cache_extensions, EXFLAG_SS), and RFC 5280 forbids keyCertSign without CA:TRUE.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CHAIN_MAX = 5
"""Certificates in one file, leaf included (Google Cloud, self-managed certificates)."""

_CN_MAX = 64  # RFC 5280, upper bound ub-common-name
_SKEW = timedelta(minutes=5)  # clients whose clock is a little behind
_RENEWAL_MARGIN = timedelta(days=30)
_CLOUD_KEYS = ("RSA-2048", "EC P-256")
_BROKEN_HASHES = ("md5", "sha1")

Value = TypeVar("Value", bound=x509.ExtensionType)


@dataclass(frozen=True)
class KeyPair:
    """A certificate (chain) with its private key, both PEM; what is printed of it never has the key."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True)
class CertificateFacts:
    """What a certificate file says, read from its first certificate (the leaf).

    Attributes:
        domains: DNS names of the subjectAltName, as written; IP addresses are not among them.
        common_name: CN of the subject, "" without one. No client of ours looks at it.
        fingerprint: SHA-256 of the leaf in DER, lower-case hex without colons.
        key_type: such as "EC P-256" or "RSA-2048".
        chain_length: certificates in the file.
        self_signed: the leaf is signed by its own key.
    """

    domains: tuple[str, ...]
    common_name: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    key_type: str
    chain_length: int
    self_signed: bool


def self_signed(domains: Sequence[str], validity_days: int, now: datetime) -> KeyPair:
    """Make a P-256 key and a certificate for `domains` that clients can trust as it is.

    Both Google's classic load balancer and gRPC take P-256; it is made in a millisecond where RSA-2048 takes a second.

    Args:
        domains: at least one name, the main one first; every one stands in the subjectAltName.
        validity_days: days from `now`; it begins five minutes earlier, for clients whose clock is behind.
        now: aware time.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject(domains[0])
    certificate = (
        x509.CertificateBuilder(
            issuer_name=name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - _SKEW,
            not_valid_after=now + timedelta(days=validity_days),
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            # "EC PRIVATE KEY", the form that Google's page on self-managed certificates has its readers make.
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )


def _subject(domain: str) -> x509.Name:
    # An issuer without a name is refused by strict verifiers, so a domain too long for a CN leaves an organization.
    if len(domain) <= _CN_MAX:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "milvus-gke-l7")])


def read(certificate_pem: bytes) -> CertificateFacts:
    """Read a certificate file, leaf first.

    Raises:
        ValueError: it holds no PEM certificate, or one that cannot be read.
    """
    chain = _chain(certificate_pem)
    leaf = chain[0]
    return CertificateFacts(
        domains=_domains(leaf),
        common_name=_common_name(leaf),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        key_type=_key_type(leaf.public_key()),
        chain_length=len(chain),
        self_signed=_issued_by(leaf, leaf),
    )


def read_der(certificate_der: bytes) -> CertificateFacts:
    """Read one certificate as a TLS peer shows it.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
    except ValueError as error:
        raise ValueError(f"the server's certificate cannot be read: {error}") from None
    return read(certificate.public_bytes(serialization.Encoding.PEM))


def covers(sans: Sequence[str], domain: str) -> bool:
    """Whether a subjectAltName covers a domain: by itself, or by a wildcard that stands for its whole first label.

    >>> covers(["*.example.com"], "milvus.example.com"), covers(["*.example.com"], "a.b.example.com")
    (True, False)
    >>> covers(["*.example.com"], "example.com"), covers(["*.com"], "example.com")
    (False, False)
    """
    wanted = domain.lower()
    parent = wanted.partition(".")[2]
    # RFC 6125 §6.4.3; a wildcard over a whole top-level domain is refused by OpenSSL and by gRPC.
    accepted = {wanted, f"*.{parent}"} if "." in parent else {wanted}
    return any(san.lower() in accepted for san in sans)


def faults(certificate_pem: bytes, key_pem: bytes, domains: Sequence[str], now: datetime) -> list[str]:
    """Everything that makes Google Cloud or a client refuse this certificate, all at once; empty when nothing does.

    None of the texts quotes the key.
    """
    return [text for texts in faults_by_subject(certificate_pem, key_pem, domains, now).values() for text in texts]


Subject = Literal["file", "chain", "lifetime", "leaf", "domains", "key"]
"""What a fault of a certificate is about; "file": it cannot be read, so that nothing else is known."""


def faults_by_subject(
    certificate_pem: bytes, key_pem: bytes, domains: Sequence[str], now: datetime
) -> dict[Subject, list[str]]:
    """The same by what they are about; every subject that could be judged is a key, with no texts when it is well."""
    unreadable: list[str] = []
    key: PrivateKeyTypes | None = None
    try:
        key = _key(key_pem)
    except ValueError as error:
        unreadable.append(str(error))
    try:
        chain = _chain(certificate_pem)
    except ValueError as error:
        return {"file": [str(error)], "key": unreadable}
    return {
        "file": [],
        "chain": _chain_faults(chain, key),
        "lifetime": _lifetime_faults(chain, now),
        "leaf": _leaf_faults(chain[0]),
        "domains": _domain_faults(chain[0], domains),
        "key": unreadable,
    }


def reasons_to_replace(certificate_pem: bytes, key_pem: bytes, domains: Sequence[str], now: datetime) -> list[str]:
    """Why a certificate made here must not serve on; empty: keep it, a second run changes nothing.

    Besides `faults`: less than a third of its lifetime is left, or less than 30 days, whichever is smaller. So one of
    365 days is renewed in its last 30, one of 30 days in its last 10.
    """
    found = faults(certificate_pem, key_pem, domains, now)
    if found:
        return found
    facts = read(certificate_pem)
    left = facts.not_after - now
    margin = min((facts.not_after - facts.not_before) / 3, _RENEWAL_MARGIN)
    if left < margin:
        found.append(f"the certificate has {_days(left)} left, it is renewed below {_days(margin)}")
    return found


def reusable(certificate_pem: bytes, key_pem: bytes, domains: Sequence[str], now: datetime) -> bool:
    """Whether a certificate made here serves on as it is; see `reasons_to_replace`."""
    return not reasons_to_replace(certificate_pem, key_pem, domains, now)


def _chain(certificate_pem: bytes) -> list[x509.Certificate]:
    if b"-----BEGIN CERTIFICATE-----" not in certificate_pem:
        kind = "is empty" if not certificate_pem.strip() else "is not PEM: there is no BEGIN CERTIFICATE in it"
        raise ValueError(f"the certificate {kind}")
    try:
        return x509.load_pem_x509_certificates(certificate_pem)
    except ValueError as error:
        raise ValueError(f"the certificate cannot be read: {error}") from None


def _key(key_pem: bytes) -> PrivateKeyTypes:
    if not key_pem.strip():
        raise ValueError("the private key is empty")
    if b"-----BEGIN" not in key_pem:
        raise ValueError("the private key is not PEM: there is no BEGIN line in it")
    try:
        return serialization.load_pem_private_key(key_pem, password=None)
    except TypeError:  # cryptography: a password was not given
        raise ValueError("the private key is encrypted; the load balancer needs it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        # The library's text could quote what it read.
        raise ValueError("the private key cannot be read") from None


def _chain_faults(chain: list[x509.Certificate], key: PrivateKeyTypes | None) -> list[str]:
    found: list[str] = []
    if len(chain) > CHAIN_MAX:
        found.append(f"the chain has {len(chain)} certificates, {CHAIN_MAX} at most are accepted")
    owners = [
        place for place, certificate in enumerate(chain, start=1) if key is not None and _matches(certificate, key)
    ]
    if key is not None and not owners:
        found.append("the private key does not match the certificate")
    elif owners and owners[0] != 1:
        found.append(f"the certificate of the private key is number {owners[0]} in the file; the leaf must come first")
        return found  # the order below would only repeat it
    for place, (subject, issuer) in enumerate(pairwise(chain), start=1):
        if not _issued_by(subject, issuer):
            found.append(
                f"the chain is out of order: certificate {place} ({_name(subject.subject)}) is issued by "
                f"{_name(subject.issuer)}, but {_name(issuer.subject)} follows"
            )
    return found


def _lifetime_faults(chain: list[x509.Certificate], now: datetime) -> list[str]:
    found: list[str] = []
    for place, certificate in enumerate(chain):
        what = "the certificate" if place == 0 else f"certificate {place + 1} of the chain"
        if now > certificate.not_valid_after_utc:
            found.append(f"{what} expired on {_date(certificate.not_valid_after_utc)}")
        if now < certificate.not_valid_before_utc:
            found.append(f"{what} is not valid before {_date(certificate.not_valid_before_utc)}")
    return found


def _leaf_faults(leaf: x509.Certificate) -> list[str]:
    found: list[str] = []
    key_type = _key_type(leaf.public_key())
    if key_type not in _CLOUD_KEYS:
        found.append(f"the key is {key_type}; a global load balancer takes {' or '.join(_CLOUD_KEYS)}")
    algorithm = leaf.signature_hash_algorithm
    if algorithm is not None and algorithm.name in _BROKEN_HASHES:
        found.append(f"the certificate is signed with {algorithm.name.upper()}, which clients refuse")
    usages = _extension(leaf, x509.ExtendedKeyUsage)
    allowed = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if usages is not None and not any(usage in allowed for usage in usages):
        found.append("the certificate is not for servers: its extended key usage lacks serverAuth")
    return found


def _domain_faults(leaf: x509.Certificate, domains: Sequence[str]) -> list[str]:
    sans = _domains(leaf)
    missing = [domain for domain in domains if not covers(sans, domain)]
    if not missing:
        return []
    if not sans:
        named = f" but only the common name {common_name}" if (common_name := _common_name(leaf)) else ""
        return [f"the certificate has no subjectAltName{named}; clients look there alone for {', '.join(missing)}"]
    return [f"the certificate is for {', '.join(sans)} and does not cover {', '.join(missing)}"]


def _domains(certificate: x509.Certificate) -> tuple[str, ...]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    return tuple(names.get_values_for_type(x509.DNSName)) if names is not None else ()


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _extension(certificate: x509.Certificate, kind: type[Value]) -> Value | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key_type(key: PublicKeyTypes) -> str:
    match key:
        case rsa.RSAPublicKey():
            return f"RSA-{key.key_size}"
        case ec.EllipticCurvePublicKey():
            nist = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
            return f"EC {nist.get(key.curve.name, key.curve.name)}"
        case _:
            return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


def _matches(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    return certificate.public_key() == key.public_key()


def _issued_by(subject: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no name)"


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return f"{days:.0f} days" if days >= 2 else f"{span / timedelta(hours=1):.0f} hours"
