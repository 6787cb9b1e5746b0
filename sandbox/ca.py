"""The sandbox's certificate authority.

It signs what Google's own authorities sign in the cloud: the API server's certificate and every Google-managed
certificate. Certificates live in memory; files are written by whoever needs a file.
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Leaf:
    """A certificate with its key, both PEM; the certificate stands first in its chain."""

    certificate_pem: bytes
    key_pem: bytes


class CertificateAuthority:
    """Signs server certificates for names and addresses."""

    def __init__(self, name: str = "milvus-gke-l7 sandbox CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        self._certificate = (
            x509.CertificateBuilder(
                issuer_name=self._subject,
                subject_name=self._subject,
                public_key=self._key.public_key(),
                serial_number=x509.random_serial_number(),
                not_valid_before=now - _SKEW,
                not_valid_after=now + dt.timedelta(days=30),
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate_pem(self) -> bytes:
        """The authority's own certificate, the trust root of its clients."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *identities: str, validity: dt.timedelta = dt.timedelta(days=90)) -> Leaf:
        """Sign a server certificate for DNS names and IP addresses, 90 days as Google-managed ones have."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder(
                issuer_name=self._subject,
                subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identities[0][:64])]),
                public_key=key.public_key(),
                serial_number=x509.random_serial_number(),
                not_valid_before=now - _SKEW,
                not_valid_after=now + validity,
            )
            .add_extension(x509.SubjectAlternativeName([_general_name(i) for i in identities]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Leaf(
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
            key_pem=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )


def _general_name(identity: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(identity))
    except ValueError:
        return x509.DNSName(identity)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
