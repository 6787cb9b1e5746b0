"""Inserting SSL certificates: self-managed ones are read and checked, Google-managed ones only noted (pure).

Global external load balancers take RSA-2048 and ECDSA P-256 keys and at most five certificates, leaf first. Private
keys leave this module as `Material` and never enter a resource. Source: Google's self-managed certificates page.
"""

import re
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sandbox.compute.errors import GoogleError, invalid, required
from sandbox.compute.store import Material, timestamp

_MOST_CERTIFICATES = 5
_MOST_DOMAINS = 100
_RSA_BITS = 2048
_DOMAIN = re.compile(r"(?=.{1,64}$)(?:[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z](?:[-a-z0-9]{0,61}[a-z0-9])")


def prepare(resource: dict[str, Any]) -> Material | None:
    """Check a new certificate and fill in what the API derives; return the material of a self-managed one.

    Raises:
        GoogleError: unreadable PEM, a key that does not fit, domains that cannot be managed.
    """
    kind = resource.setdefault("type", "MANAGED" if resource.get("managed") else "SELF_MANAGED")
    if kind == "MANAGED":
        _prepare_managed(resource)
        return None
    if kind != "SELF_MANAGED":
        raise invalid("type", kind, "Must be one of [MANAGED, SELF_MANAGED].")
    return _prepare_self_managed(resource)


def _prepare_managed(resource: dict[str, Any]) -> None:
    domains = (resource.get("managed") or {}).get("domains") or []
    if not domains:
        raise required("resource.managed.domains")
    if len(domains) > _MOST_DOMAINS:
        raise invalid("managed.domains", len(domains), f"At most {_MOST_DOMAINS} domains may be specified.")
    for index, domain in enumerate(domains):
        if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain) or domain in domains[:index]:
            raise invalid(f"managed.domains[{index}]", domain, "Invalid domain name specified.")
    for field in ("certificate", "privateKey", "selfManaged"):
        resource.pop(field, None)
    resource["managed"] = {
        "domains": list(domains),
        "status": "PROVISIONING",
        "domainStatus": dict.fromkeys(domains, "PROVISIONING"),
    }


def _prepare_self_managed(resource: dict[str, Any]) -> Material:
    given = resource.pop("selfManaged", None) or {}
    resource.pop("managed", None)
    certificate_pem = given.get("certificate") or resource.get("certificate")
    key_pem = resource.pop("privateKey", None) or given.get("privateKey")
    if not certificate_pem:
        raise required("resource.certificate")
    if not key_pem:
        raise required("resource.privateKey")
    chain, key = _chain(str(certificate_pem)), _key(str(key_pem))
    leaf = chain[0]
    if leaf.public_key() != key.public_key():
        raise GoogleError(400, "sslCertificateKeyMismatch", "The SSL certificate and private key do not match.")
    names = subject_alternative_names(leaf)
    if not names and not leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        message = "The SSL certificate is missing the common name and subject alternative name fields."
        raise GoogleError(400, "sslCertificateMissingCommonName", message)
    resource |= {"certificate": certificate_pem, "selfManaged": {"certificate": certificate_pem}}
    resource["expireTime"] = timestamp(leaf.not_valid_after_utc)
    if names:
        resource["subjectAlternativeNames"] = names
    return Material(str(certificate_pem), str(key_pem))


def subject_alternative_names(certificate: x509.Certificate) -> list[str]:
    """DNS names and addresses of a certificate, as strings."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _chain(pem: str) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        message = "The SSL certificate could not be parsed."
        raise GoogleError(400, "sslCertificateCouldNotParseCert", message) from None
    if len(chain) > _MOST_CERTIFICATES:
        message = f"The SSL certificate chain has {len(chain)} certificates, at most {_MOST_CERTIFICATES} are allowed."
        raise GoogleError(400, "sslCertificateChainTooLong", message)
    return chain


def _key(pem: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):  # TypeError: the key is encrypted
        message = "The SSL key could not be parsed."
        raise GoogleError(400, "sslCertificateCouldNotParseKey", message) from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size == _RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    message = "The SSL key must be RSA-2048 or ECDSA P-256."
    raise GoogleError(400, "sslCertificateInvalidKeyType", message)
