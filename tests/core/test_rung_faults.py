"""What each way of breaking means, whose job it is, and what to do next."""

import datetime as dt
import errno

import pytest

from tasks.core import certificates, rung_faults
from tasks.core.certificates import CertificateFacts
from tasks.core.diagnosis import Outlook
from tasks.core.rung_faults import Answer

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DOMAIN, ADDRESS = "milvus.example.com", "34.1.2.3"


def shown(*domains: str, days: int = 30) -> CertificateFacts:
    begin = NOW - dt.timedelta(days=10)
    pair = certificates.self_signed(list(domains or (DOMAIN,)), days, begin)
    return certificates.read(pair.certificate_pem)


# --- DNS ------------------------------------------------------------------------------------------------------------


def test_dns_that_has_the_address_alone_is_right() -> None:
    assert rung_faults.judge_dns(DOMAIN, ADDRESS, [Answer("a", (ADDRESS,)), Answer("b", (ADDRESS,))]) is None


@pytest.mark.parametrize(
    ("answers", "detail", "mend"),
    [
        pytest.param([Answer("ns", ())], "ns answers nothing", f"{DOMAIN}. A {ADDRESS}.", id="no record"),
        pytest.param([Answer("ns", ("192.0.2.7",))], "ns answers 192.0.2.7", "and remove 192.0.2.7", id="elsewhere"),
        pytest.param(
            [Answer("ns", (ADDRESS, "2001:db8::1"))], "2001:db8::1", "and remove 2001:db8::1", id="a stray AAAA"
        ),
        pytest.param(
            [Answer("a", (ADDRESS,)), Answer("b", ("192.0.2.7",))], "but b answers 192.0.2.7", "remove", id="one of two"
        ),
        pytest.param([Answer("ns", error="does not answer")], "ns does not answer", "Create the record", id="silence"),
        pytest.param([], "no name server was asked", "Create the record", id="nobody asked"),
    ],
)
def test_dns_that_is_wrong_names_record_and_address(answers: list[Answer], detail: str, mend: str) -> None:
    fault = rung_faults.judge_dns(DOMAIN, ADDRESS, answers)

    assert fault is not None
    assert (fault.owner, fault.outlook) == ("dns", Outlook.WAIT)
    assert detail in fault.detail
    assert mend in fault.mend


# --- TCP and TLS ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "owner", "detail"),
    [
        (TimeoutError("timed out"), "network", "did not answer in time"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "ingress", "nothing listens"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "network", "No route to host"),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), "network", "Connection reset by peer"),
    ],
)
def test_no_connection(error: OSError, owner: str, detail: str) -> None:
    fault = rung_faults.tcp_fault(ADDRESS, 443, error)

    assert fault.owner == owner
    assert fault.detail.startswith("34.1.2.3:443")
    assert detail in fault.detail


@pytest.mark.parametrize(
    ("code", "text", "seen", "parts"),
    [
        pytest.param(18, "self-signed certificate", shown(), ["chain: "], id="chain"),
        pytest.param(20, "unable to get local issuer certificate", None, ["chain: "], id="chain, certificate unseen"),
        pytest.param(
            62, "Hostname mismatch", shown("old.example.com"), ["name: it is for old.example.com, not for"], id="name"
        ),
        pytest.param(62, "Hostname mismatch", None, ["name: it is not for"], id="name, certificate unseen"),
        pytest.param(10, "certificate has expired", shown(days=5), ["expiry: it expired on 2026-05-27"], id="expiry"),
        pytest.param(
            18,
            "self-signed certificate",
            shown("old.example.com", days=5),
            ["chain: ", "name: ", "expiry: it expired"],
            id="all three at once, of which OpenSSL tells the first",
        ),
    ],
)
def test_a_certificate_that_is_not_accepted(
    code: int, text: str, seen: CertificateFacts | None, parts: list[str]
) -> None:
    fault = rung_faults.verify_fault(code, text, DOMAIN, seen, NOW, own_trust=False)

    assert fault.owner == "certificate"
    assert fault.detail.count(": ") >= len(parts)
    assert all(part in fault.detail for part in parts)


def test_an_untrusted_certificate_tells_how_clients_may_trust_it() -> None:
    fault = rung_faults.verify_fault(18, "self-signed certificate", DOMAIN, shown(), NOW, own_trust=False)

    assert "server_pem_path" in fault.mend


@pytest.mark.parametrize(
    ("reason", "owner", "detail"),
    [
        ("WRONG_VERSION_NUMBER", "ingress", "speaks plaintext"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "certificate", "no certificate for this name yet"),
        ("TLSV1_UNRECOGNIZED_NAME", "certificate", "no certificate for this name yet"),
        ("UNEXPECTED_EOF_WHILE_READING", "ingress", "broke off"),
        ("", "ingress", "broke off: reset"),
    ],
)
def test_a_handshake_that_fails(reason: str, owner: str, detail: str) -> None:
    fault = rung_faults.handshake_fault(reason, "reset")

    assert (fault.owner, fault.outlook) == (owner, Outlook.WAIT)
    assert detail in fault.detail


def test_another_certificate_than_ours_is_told_with_both_fingerprints() -> None:
    ours, other = shown(), shown("old.example.com")

    fault = rung_faults.fingerprint_fault(other, frozenset({ours.fingerprint}))

    assert fault is not None
    assert ours.fingerprint[:16] in fault.detail
    assert other.fingerprint[:16] in fault.detail
    assert "old.example.com" in fault.detail


def test_fingerprints_are_compared_only_when_one_is_expected() -> None:
    seen = shown()

    assert rung_faults.fingerprint_fault(seen, frozenset()) is None
    assert rung_faults.fingerprint_fault(seen, frozenset({"00", seen.fingerprint})) is None


@pytest.mark.parametrize(
    ("chosen", "refused", "detail"),
    [
        (None, "", "chose no protocol"),
        ("http/1.1", "", "chose http/1.1"),
        (None, "TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "refused h2"),
    ],
)
def test_a_server_without_http2(chosen: str | None, refused: str, detail: str) -> None:
    fault = rung_faults.alpn_fault(chosen, refused)

    assert fault is not None
    assert detail in fault.detail
    assert rung_faults.alpn_fault("h2") is None


# --- gRPC -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "details", "owner", "detail", "mend"),
    [
        pytest.param(
            "UNIMPLEMENTED", "Received http2 header with status: 404", "ingress", "no host rule", "host", id="404"
        ),
        pytest.param(
            "UNAVAILABLE",
            "Received http2 header with status: 502",
            "ingress",
            "HTTP/2 over TLS",
            "app-protocols",
            id="502",
        ),
        pytest.param(
            "UNAVAILABLE", "Received http2 header with status: 503", "milvus", "no backend", "healthy", id="503"
        ),
        pytest.param(
            "UNAVAILABLE",
            "Received http2 header with status: 504",
            "milvus",
            "timeout",
            "backend_timeout_seconds",
            id="504",
        ),
        pytest.param("UNAVAILABLE", "Received http2 header with status: 429", "ingress", "rate", "Armor", id="429"),
        pytest.param(
            "PERMISSION_DENIED",
            "Received http2 header with status: 403",
            "ingress",
            "Cloud Armor",
            "security-policies",
            id="403",
        ),
        pytest.param("UNKNOWN", "Received http2 header with status: 302", "ingress", "HTTP 302", "", id="302"),
        pytest.param("UNAVAILABLE", "Socket closed", "ingress", "broke", "front ends", id="closed"),
        pytest.param("UNAVAILABLE", "no healthy upstream", "ingress", "healthy", "get-health", id="no backend"),
        pytest.param("UNIMPLEMENTED", "unknown service milvus", "milvus", "no Milvus", "19530", id="another server"),
        pytest.param("DEADLINE_EXCEEDED", "Deadline Exceeded", "milvus", "in time", "logs", id="slow"),
        pytest.param("PERMISSION_DENIED", "PrivilegeInsert", "client", "may not", "proof_writes=false", id="privilege"),
        pytest.param("", "collection not loaded", "milvus", "collection not loaded", "log", id="Milvus' own error"),
        pytest.param("WHATEVER", "new", "milvus", "WHATEVER: new", "", id="a status nobody knows"),
        pytest.param(
            "UNAVAILABLE",
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:34.1.2.3:443: Ssl handshake failed: "
            "SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
            "client",
            "gRPC does not accept",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
            id="gRPC trusts less than OpenSSL",
        ),
    ],
)
def test_a_call_that_fails(status: str, details: str, owner: str, detail: str, mend: str) -> None:
    fault = rung_faults.grpc_fault(status, details)

    assert fault.owner == owner
    assert detail in fault.detail
    assert mend in fault.mend


@pytest.mark.parametrize(("named", "mend"), [(False, "Set milvus_credentials_secret"), (True, "Check the Secret")])
def test_credentials_that_are_missing_or_wrong_will_not_mend_themselves(named: bool, mend: str) -> None:
    fault = rung_faults.grpc_fault("UNAUTHENTICATED", "auth check failure", named_credentials=named)

    assert (fault.owner, fault.outlook) == ("client", Outlook.STOP)
    assert mend in fault.mend
