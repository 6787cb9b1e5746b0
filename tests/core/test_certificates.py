"""Certificates are judged by reading them back and by real handshakes."""

import datetime as dt
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core import certificates
from tasks.core.certificates import KeyPair

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
DOMAIN = "milvus.example.com"
labels = st.text("abcxyz019", min_size=1, max_size=12)
domains = st.lists(labels, min_size=2, max_size=4).map(".".join)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def pem(*chain: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in chain)


def key_pem(key: PrivateKey, password: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def issued(
    name: str,
    key: PrivateKey,
    issuer: str = "",
    issuer_key: PrivateKey | None = None,
    *,
    sans: Sequence[str] = (),
    begins: dt.datetime = NOW - dt.timedelta(days=1),
    days: float = 90,
    extra: x509.ExtensionType | None = None,
) -> x509.Certificate:
    """A certificate, signed by itself when no issuer is given."""
    common = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer or name)]
    builder = x509.CertificateBuilder(
        subject_name=common[0],
        issuer_name=common[1],
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=begins,
        not_valid_after=begins + dt.timedelta(days=days),
    )
    if sans:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(san) for san in sans]), critical=False
        )
    if extra is not None:
        builder = builder.add_extension(extra, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return issued("An Authority", key, extra=x509.BasicConstraints(ca=True, path_length=None)), key


# --- made here ------------------------------------------------------------------------------------------------------


def test_a_certificate_made_here_reads_back_as_asked() -> None:
    pair = certificates.self_signed([DOMAIN, "other.example.com"], 365, NOW)

    facts = certificates.read(pair.certificate_pem)

    assert facts.domains == (DOMAIN, "other.example.com")
    assert facts.common_name == DOMAIN
    assert facts.not_before < NOW
    assert facts.not_after == NOW + dt.timedelta(days=365)
    assert facts.not_after.tzinfo is dt.UTC
    assert facts.key_type == "EC P-256"
    assert (facts.chain_length, facts.self_signed) == (1, True)


def test_a_certificate_made_here_is_without_fault_and_reusable() -> None:
    pair = certificates.self_signed([DOMAIN], 365, NOW)

    assert certificates.faults(pair.certificate_pem, pair.key_pem, [DOMAIN], NOW) == []
    assert certificates.reusable(pair.certificate_pem, pair.key_pem, [DOMAIN], NOW)


def test_the_fingerprint_is_the_one_openssl_computes() -> None:
    pair = certificates.self_signed([DOMAIN], 1, NOW)
    der = ssl.PEM_cert_to_DER_cert(pair.certificate_pem.decode())

    assert certificates.read(pair.certificate_pem).fingerprint == hashlib.sha256(der).hexdigest()
    assert certificates.read_der(der) == certificates.read(pair.certificate_pem)


def test_a_domain_too_long_for_a_common_name_stands_in_the_san_alone() -> None:
    """RFC 5280 allows 64 characters in a CN; the issuer still needs some name."""
    long = "a" * 60 + ".example.com"
    pair = certificates.self_signed([long], 30, NOW)

    facts = certificates.read(pair.certificate_pem)

    assert (facts.common_name, facts.domains) == ("", (long,))
    assert x509.load_pem_x509_certificate(pair.certificate_pem).issuer.rdns


def test_printing_a_key_pair_does_not_show_the_key() -> None:
    pair = certificates.self_signed([DOMAIN], 30, NOW)

    assert "PRIVATE" not in repr(pair)
    assert repr(pair.key_pem)[2:-1] not in f"{pair}"


@contextmanager
def tls_server(pair: KeyPair, directory: Path) -> Iterator[int]:
    """A server on loopback that shakes hands and closes."""
    certificate, key = directory / "tls.crt", directory / "tls.key"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(plain, server_side=True) as secured:
                    secured.unwrap()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.parametrize("strict", [False, True], ids=["as Python 3.11 checks", "as Python 3.13 checks"])
@pytest.mark.parametrize("domain", [DOMAIN, "a" * 60 + ".example.com"], ids=["with CN", "without CN"])
def test_a_certificate_made_here_is_its_own_trust_root_in_a_handshake(
    domain: str, strict: bool, tmp_path: Path
) -> None:
    pair = certificates.self_signed([domain], 30, dt.datetime.now(dt.UTC))
    client = ssl.create_default_context(cadata=pair.certificate_pem.decode())
    if strict:
        client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN

    with (
        tls_server(pair, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        client.wrap_socket(plain, server_hostname=domain) as secured,
    ):
        assert secured.getpeercert()["subjectAltName"] == (("DNS", domain),)  # type: ignore[index]


def test_a_handshake_for_another_name_fails(tmp_path: Path) -> None:
    pair = certificates.self_signed([DOMAIN], 30, dt.datetime.now(dt.UTC))
    client = ssl.create_default_context(cadata=pair.certificate_pem.decode())

    with (
        tls_server(pair, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        client.wrap_socket(plain, server_hostname="other.example.com")


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(b"", "the certificate is empty", id="empty"),
        pytest.param(b"hello", "not PEM", id="no PEM"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read", id="broken"),
    ],
)
def test_what_is_no_certificate_is_named_as_such(content: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        certificates.read(content)


# --- names ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(domains)
def test_a_name_covers_itself_in_any_case(domain: str) -> None:
    assert certificates.covers([domain.upper()], domain)


@settings(max_examples=40)
@given(labels, domains)
def test_a_wildcard_covers_exactly_one_label(label: str, parent: str) -> None:
    assert certificates.covers([f"*.{parent}"], f"{label}.{parent}")
    assert not certificates.covers([f"*.{parent}"], parent)
    assert not certificates.covers([f"*.{parent}"], f"{label}.{label}.{parent}")
    assert not certificates.covers([f"*{label}.{parent}"], f"x{label}.{parent}")


@settings(max_examples=40)
@given(st.lists(domains), domains)
def test_names_without_wildcards_cover_only_themselves(sans: list[str], domain: str) -> None:
    assert certificates.covers(sans, domain) == (domain in sans)


# --- faults ---------------------------------------------------------------------------------------------------------


def only_fault(certificate_pem: bytes, key: bytes, names: Sequence[str] = (DOMAIN,)) -> str:
    found = certificates.faults(certificate_pem, key, names, NOW)
    assert len(found) == 1, found
    return found[0]


def test_a_chain_in_order_is_without_fault(key: Any, authority: Any) -> None:
    root, root_key = authority
    leaf = issued(DOMAIN, key, "An Authority", root_key, sans=["*.example.com"])

    assert certificates.faults(pem(leaf, root), key_pem(key), [DOMAIN], NOW) == []
    assert certificates.read(pem(leaf, root)).self_signed is False
    assert certificates.read(pem(leaf, root)).chain_length == 2


def test_an_rsa_2048_key_is_accepted() -> None:
    key = rsa.generate_private_key(65537, 2048)

    assert certificates.faults(pem(issued(DOMAIN, key, sans=[DOMAIN])), key_pem(key), [DOMAIN], NOW) == []


def test_a_key_of_another_curve_is_a_fault() -> None:
    key = ec.generate_private_key(ec.SECP384R1())

    assert "EC P-384" in only_fault(pem(issued(DOMAIN, key, sans=[DOMAIN])), key_pem(key))


def test_a_key_that_does_not_match_is_a_fault(key: Any) -> None:
    other = ec.generate_private_key(ec.SECP256R1())

    assert "does not match" in only_fault(pem(issued(DOMAIN, key, sans=[DOMAIN])), key_pem(other))


def test_an_encrypted_key_is_a_fault(key: Any) -> None:
    assert "encrypted" in only_fault(pem(issued(DOMAIN, key, sans=[DOMAIN])), key_pem(key, b"passphrase"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(b"", "the private key is empty", id="empty"),
        pytest.param(b"s3cr3t-bytes", "is not PEM", id="no PEM"),
        pytest.param(
            b"-----BEGIN PRIVATE KEY-----\nczNjcjN0\n-----END PRIVATE KEY-----\n", "cannot be read", id="broken"
        ),
    ],
)
def test_a_key_that_cannot_be_read_is_a_fault_that_does_not_quote_it(key: Any, content: bytes, text: str) -> None:
    found = only_fault(pem(issued(DOMAIN, key, sans=[DOMAIN])), content)

    assert text in found
    assert "s3cr3t" not in found
    assert "czNjcjN0" not in found


def test_a_certificate_and_a_key_that_are_both_no_pem_are_both_named() -> None:
    assert len(certificates.faults(b"x", b"y", [DOMAIN], NOW)) == 2


def test_a_chain_longer_than_five_is_a_fault(key: Any, authority: Any) -> None:
    root, root_key = authority
    leaf = issued(DOMAIN, key, "An Authority", root_key, sans=[DOMAIN])

    assert "has 6 certificates, 5 at most" in only_fault(pem(leaf, *[root] * 5), key_pem(key))


def test_a_leaf_that_is_not_first_is_a_fault(key: Any, authority: Any) -> None:
    root, root_key = authority
    leaf = issued(DOMAIN, key, "An Authority", root_key, sans=[DOMAIN])

    found = certificates.faults(pem(root, leaf), key_pem(key), [DOMAIN], NOW)

    assert "the certificate of the private key is number 2 in the file; the leaf must come first" in found


def test_a_chain_out_of_order_names_the_place(key: Any, authority: Any) -> None:
    root, root_key = authority
    middle_key = ec.generate_private_key(ec.SECP256R1())
    middle = issued("Middle", middle_key, "An Authority", root_key)
    leaf = issued(DOMAIN, key, "Middle", middle_key, sans=[DOMAIN])

    found = certificates.faults(pem(leaf, root, middle), key_pem(key), [DOMAIN], NOW)

    assert (
        found[0] == "the chain is out of order: certificate 1 (CN=milvus.example.com) is issued by CN=Middle, but "
        "CN=An Authority follows"
    )


@pytest.mark.parametrize(
    ("begins", "days", "text"),
    [
        pytest.param(NOW - dt.timedelta(days=20), 10, "expired on 2026-05-22", id="expired"),
        pytest.param(NOW + dt.timedelta(days=1), 10, "not valid before 2026-06-02", id="not yet valid"),
    ],
)
def test_a_certificate_outside_of_its_lifetime_is_a_fault(
    key: Any, begins: dt.datetime, days: float, text: str
) -> None:
    assert text in only_fault(pem(issued(DOMAIN, key, sans=[DOMAIN], begins=begins, days=days)), key_pem(key))


def test_a_certificate_with_a_common_name_alone_is_named_as_such(key: Any) -> None:
    """The published guide makes one; gRPC takes it, nobody else does."""
    assert only_fault(pem(issued(DOMAIN, key)), key_pem(key)) == (
        "the certificate has no subjectAltName but only the common name milvus.example.com; clients look there alone "
        "for milvus.example.com"
    )


def test_every_domain_that_is_not_covered_is_named(key: Any) -> None:
    found = only_fault(
        pem(issued(DOMAIN, key, sans=[DOMAIN])), key_pem(key), [DOMAIN, "b.example.com", "c.example.com"]
    )

    assert found.endswith("does not cover b.example.com, c.example.com")


def test_a_certificate_for_clients_is_a_fault(key: Any) -> None:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])

    assert "lacks serverAuth" in only_fault(pem(issued(DOMAIN, key, sans=[DOMAIN], extra=usage)), key_pem(key))


def test_all_faults_come_at_once() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    other = ec.generate_private_key(ec.SECP256R1())
    old = issued("else.example.com", key, sans=["else.example.com"], begins=NOW - dt.timedelta(days=20), days=10)

    found = " | ".join(certificates.faults(pem(old), key_pem(other), [DOMAIN], NOW))

    assert all(part in found for part in ("does not match", "expired", "P-384", "does not cover"))


# --- serving on -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("validity_days", "age_days", "kept"),
    [
        pytest.param(365, 334, True, id="a year, 31 days left"),
        pytest.param(365, 336, False, id="a year, 29 days left"),
        pytest.param(30, 19, True, id="a month, 11 days left"),
        pytest.param(30, 21, False, id="a month, 9 days left"),
    ],
)
def test_a_certificate_is_kept_until_a_third_or_thirty_days_are_left(
    validity_days: int, age_days: int, kept: bool
) -> None:
    pair = certificates.self_signed([DOMAIN], validity_days, NOW)
    later = NOW + dt.timedelta(days=age_days)

    assert certificates.reusable(pair.certificate_pem, pair.key_pem, [DOMAIN], later) is kept


def test_a_certificate_is_replaced_when_a_domain_is_added() -> None:
    pair = certificates.self_signed([DOMAIN], 365, NOW)

    reasons = certificates.reasons_to_replace(pair.certificate_pem, pair.key_pem, [DOMAIN, "b.example.com"], NOW)

    assert "does not cover b.example.com" in reasons[0]
