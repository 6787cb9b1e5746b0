"""What each way of breaking means, whose job it is, and what to do next."""

import dataclasses
import datetime as dt
import errno

import pytest

from tasks.core import backend_faults, certificates, dns_faults, http_faults, rung_faults, tls_faults
from tasks.core.backend_faults import Backends
from tasks.core.certificates import CertificateFacts
from tasks.core.diagnosis import Outlook
from tasks.core.dns_faults import Answer, Asked
from tasks.core.http_faults import HttpAnswer

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DOMAIN, ADDRESS = "milvus.example.com", "34.1.2.3"


def shown(*domains: str, days: int = 30) -> CertificateFacts:
    begin = NOW - dt.timedelta(days=10)
    pair = certificates.self_signed(list(domains or (DOMAIN,)), days, begin)
    return certificates.read(pair.certificate_pem)


# --- DNS ------------------------------------------------------------------------------------------------------------

HERE = Answer("here", (ADDRESS,))
ZONE = Answer("ns1 of example.com", (ADDRESS,), asked=Asked.AUTHORITATIVE)
PUBLIC = Answer("8.8.8.8", (ADDRESS,), asked=Asked.PUBLIC)


def test_dns_that_has_the_address_alone_is_right() -> None:
    assert dns_faults.judge_dns(DOMAIN, ADDRESS, [HERE, ZONE, PUBLIC]) is None


@pytest.mark.parametrize(
    ("answers", "cause", "detail", "mend"),
    [
        pytest.param([Answer("ns")], "DnsRecordMissing", "ns answers nothing", f"{DOMAIN}. A {ADDRESS}.", id="none"),
        pytest.param(
            [Answer("ns", ("192.0.2.7",))],
            "DnsPointsElsewhere",
            "answers 192.0.2.7",
            "remove 192.0.2.7",
            id="elsewhere",
        ),
        pytest.param(
            [Answer("ns", (ADDRESS, "192.0.2.7"))], "DnsPointsElsewhere", "192.0.2.7", "remove 192.0.2.7", id="one more"
        ),
        pytest.param(
            [Answer("ns", ("192.0.2.7",), alias="old.example.net")],
            "DnsPointsElsewhere",
            "CNAME old.example.net",
            "remove",
            id="an alias",
        ),
        pytest.param(
            [Answer("ns", (ADDRESS, "2001:db8::1"))],
            "StrayAaaaRecord",
            "2001:db8::1",
            "and remove 2001:db8::1",
            id="a stray AAAA",
        ),
        pytest.param(
            [Answer("ns", ("2001:db8::1",))], "DnsPointsElsewhere", "2001:db8::1", "A 34.1.2.3", id="an AAAA alone"
        ),
        pytest.param(
            [Answer("a", (ADDRESS,)), Answer("b", ("192.0.2.7",))],
            "DnsPointsElsewhere",
            "but b answers 192.0.2.7",
            "remove",
            id="one of two",
        ),
        pytest.param(
            [Answer("here", ("192.0.2.7",)), ZONE], "DnsNotPropagated", "here answers", "TTL", id="an old answer"
        ),
        pytest.param(
            [HERE, Answer("8.8.8.8", asked=Asked.PUBLIC), ZONE],
            "DnsNotPropagated",
            "8.8.8.8 answers nothing",
            "TTL",
            id="not public yet",
        ),
        pytest.param(
            [Answer("here", ("192.0.2.7",), authoritative=True), PUBLIC],
            "DnsPointsElsewhere",
            "192.0.2.7",
            "remove",
            id="the zone itself is wrong",
        ),
        pytest.param(
            [Answer("ns", error="does not answer")], "DnsNotAnswered", "ns does not answer", "dig", id="silence"
        ),
        pytest.param([], "DnsNotAnswered", "no name server was asked", "dig", id="nobody asked"),
    ],
)
def test_dns_that_is_wrong_names_record_and_address(answers: list[Answer], cause: str, detail: str, mend: str) -> None:
    fault = dns_faults.judge_dns(DOMAIN, ADDRESS, answers)

    assert fault is not None
    assert (fault.owner, fault.cause, fault.outlook) == ("dns", cause, Outlook.WAIT)
    assert detail in fault.detail
    assert mend in fault.mend


def test_a_server_that_cannot_be_reached_is_told_and_no_fault_while_others_answer() -> None:
    answers = [HERE, Answer("8.8.8.8", error="does not answer", asked=Asked.PUBLIC)]

    assert dns_faults.judge_dns(DOMAIN, ADDRESS, answers) is None
    assert dns_faults.told(answers) == "here, 8.8.8.8, public (does not answer)"


SERVFAIL = Answer("127.0.0.1", error="does not answer: Server Do53:127.0.0.1@53 answered SERVFAIL")


@pytest.mark.parametrize(
    ("answers", "written", "cause"),
    [
        pytest.param([Answer("here", ("192.0.2.7",))], False, "DnsPointsElsewhere", id="elsewhere"),
        pytest.param([Answer("here", (ADDRESS, "192.0.2.7"))], False, "DnsPointsElsewhere", id="there and elsewhere"),
        pytest.param([Answer("here", (ADDRESS, "2001:db8::1"))], False, "StrayAaaaRecord", id="stray AAAA"),
        pytest.param([Answer("here", alias="gone.example")], False, "DnsRecordMissing", id="alias of nobody"),
        pytest.param([Answer("here")], True, "DnsRecordMissing", id="ours, taken away"),
        pytest.param([SERVFAIL], False, "DnsNotAnswered", id="a zone that cannot be asked"),
        pytest.param([Answer("here")], False, None, id="no record, and nobody promised one"),
        pytest.param([Answer("here", error="does not answer: timed out")], False, None, id="nobody answers here"),
        pytest.param([Answer("here", (ADDRESS,))], False, None, id="right"),
        pytest.param([Answer("here", ("203.0.113.99",))], False, None, id="the address that it has for now"),
        pytest.param(
            [Answer("here", ("192.0.2.7",)), Answer("ns1", (ADDRESS,), asked=Asked.AUTHORITATIVE)], False, None,
            id="an old answer in a cache",
        ),
    ],
)  # fmt: skip
def test_a_name_that_nobody_needs_is_told_where_it_misleads(
    answers: list[Answer], written: bool, cause: str | None
) -> None:
    fault = dns_faults.misleading(DOMAIN, [ADDRESS, "203.0.113.99"], answers, written=written)

    assert (fault.cause if fault else None) == cause


def test_what_others_answer_does_not_count_where_dns_is_not_required() -> None:
    """A name in a private zone is nobody else's business."""
    answers = [HERE, Answer("8.8.8.8", asked=Asked.PUBLIC)]

    assert dns_faults.judge_dns(DOMAIN, ADDRESS, answers, everywhere=False) is None
    assert dns_faults.judge_dns(DOMAIN, ADDRESS, answers, everywhere=True) is not None


# --- TCP and TLS ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "owner", "cause", "detail"),
    [
        (TimeoutError("timed out"), "network", "ConnectionTimedOut", "did not answer in time"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "ingress", "ConnectionRefused", "nothing listens"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "network", "NoRoute", "No route to host"),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), "network", "ConnectionBroken", "reset by peer"),
    ],
)
def test_no_connection(error: OSError, owner: str, cause: str, detail: str) -> None:
    fault = tls_faults.tcp_fault(ADDRESS, 443, error)

    assert (fault.owner, fault.cause) == (owner, cause)
    assert fault.detail.startswith("34.1.2.3:443")
    assert detail in fault.detail


@pytest.mark.parametrize(
    ("code", "seen", "cause", "parts"),
    [
        pytest.param(18, shown(), "CertificateUntrusted", ["chain: "], id="chain"),
        pytest.param(20, None, "CertificateUntrusted", ["chain: "], id="chain, certificate unseen"),
        pytest.param(
            62,
            shown("old.example.com"),
            "CertificateNameMismatch",
            ["name: it is for old.example.com, not for"],
            id="name",
        ),
        pytest.param(62, None, "CertificateNameMismatch", ["name: it is not for"], id="name, certificate unseen"),
        pytest.param(10, shown(days=5), "CertificateExpired", ["expiry: it expired on 2026-05-27"], id="expiry"),
        pytest.param(9, None, "CertificateNotYetValid", ["expiry: it is not valid yet"], id="not yet valid"),
        pytest.param(3, None, "CertificateRefused", ["chain: OpenSSL's words"], id="a code nobody knows"),
        pytest.param(
            18,
            shown("old.example.com", days=5),
            "CertificateNameMismatch",
            ["chain: ", "name: ", "expiry: it expired"],
            id="all three at once, of which OpenSSL tells the first",
        ),
    ],
)
def test_a_certificate_that_is_not_accepted(
    code: int, seen: CertificateFacts | None, cause: str, parts: list[str]
) -> None:
    fault = tls_faults.verify_fault(code, "OpenSSL's words", DOMAIN, seen, NOW, own_trust=False)

    assert (fault.owner, fault.cause) == ("certificate", cause)
    assert all(part in fault.detail for part in parts)


def test_an_issuer_that_is_missing_may_be_an_intermediate_that_the_secret_has_not() -> None:
    leaf = dataclasses.replace(shown(), self_signed=False)

    fault = tls_faults.verify_fault(20, "unable to get local issuer", DOMAIN, leaf, NOW, own_trust=False)

    assert fault.cause == "CertificateUntrusted"
    assert "cat LEAF.pem INTERMEDIATE.pem > CHAIN.pem" in fault.mend
    assert "server_pem_path" in fault.mend


def test_an_untrusted_certificate_tells_how_clients_may_trust_it() -> None:
    fault = tls_faults.verify_fault(18, "self-signed certificate", DOMAIN, shown(), NOW, own_trust=False)

    assert "server_pem_path" in fault.mend


@pytest.mark.parametrize(
    ("reason", "owner", "cause", "detail"),
    [
        ("WRONG_VERSION_NUMBER", "ingress", "PortSpeaksPlaintext", "speaks plaintext"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "certificate", "NoCertificateYet", "no certificate for this name yet"),
        ("TLSV1_UNRECOGNIZED_NAME", "certificate", "NoCertificateYet", "no certificate for this name yet"),
        ("UNEXPECTED_EOF_WHILE_READING", "ingress", "HandshakeBroken", "broke off"),
        ("", "ingress", "HandshakeBroken", "broke off: reset"),
    ],
)
def test_a_handshake_that_fails(reason: str, owner: str, cause: str, detail: str) -> None:
    fault = tls_faults.handshake_fault(reason, "reset")

    assert (fault.owner, fault.cause, fault.outlook) == (owner, cause, Outlook.WAIT)
    assert detail in fault.detail


def test_another_certificate_than_ours_is_told_with_both_fingerprints() -> None:
    ours, other = shown(), shown("old.example.com")

    fault = tls_faults.fingerprint_fault(other, frozenset({ours.fingerprint}))

    assert fault is not None
    assert fault.cause == "WrongCertificateServed"
    assert ours.fingerprint[:16] in fault.detail
    assert other.fingerprint[:16] in fault.detail
    assert "old.example.com" in fault.detail


def test_fingerprints_are_compared_only_when_one_is_expected() -> None:
    seen = shown()

    assert tls_faults.fingerprint_fault(seen, frozenset()) is None
    assert tls_faults.fingerprint_fault(seen, frozenset({"00", seen.fingerprint})) is None


@pytest.mark.parametrize(
    ("chosen", "refused", "detail"),
    [
        (None, "", "chose no protocol"),
        ("http/1.1", "", "chose http/1.1"),
        (None, "TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "refused h2"),
    ],
)
def test_a_server_without_http2(chosen: str | None, refused: str, detail: str) -> None:
    fault = tls_faults.alpn_fault(chosen, refused)

    assert fault is not None
    assert fault.cause == "NoHttp2"
    assert detail in fault.detail
    assert tls_faults.alpn_fault("h2") is None


# --- HTTP/2 and the URL map -----------------------------------------------------------------------------------------

GRPC = {"content-type": "application/grpc+proto", "grpc-status": "16"}
HTML = {"content-type": "text/html; charset=UTF-8"}


@pytest.mark.parametrize(
    ("answer", "cause", "detail"),
    [
        pytest.param(
            HttpAnswer(404, HTML, "default backend - 404"), "HostRuleMissing", "“default backend - 404”", id="404"
        ),
        pytest.param(
            HttpAnswer(404, HTML, "<html><title>Error 404</title></html>"), "HostRuleMissing", "“Error 404”", id="page"
        ),
        pytest.param(
            HttpAnswer(301, {"location": "https://www.example.com/x?token=1"}),
            "Redirected",
            "to https://www.example.com/x (HTTP 301)",
            id="redirect",
        ),
        pytest.param(
            HttpAnswer(302, {"location": "https://accounts.google.com/o/oauth2/v2/auth?x"}),
            "IdentityAwareProxy",
            "Google login (HTTP 302)",
            id="IAP",
        ),
        pytest.param(HttpAnswer(401, HTML), "IdentityAwareProxy", "HTTP 401", id="401"),
        pytest.param(HttpAnswer(429, HTML), "RateLimited", "limits the rate", id="429"),
        pytest.param(HttpAnswer(200, HTML, "Welcome"), "AnswerIsNotGrpc", "text/html; charset=UTF-8, “We", id="a page"),
        pytest.param(HttpAnswer(200), "AnswerIsNotGrpc", "no content-type", id="nothing said"),
        pytest.param(HttpAnswer(411, HTML), "UnexpectedHttpStatus", "HTTP 411", id="unknown"),
    ],
)
def test_a_call_that_the_url_map_does_not_lead_to_milvus(answer: HttpAnswer, cause: str, detail: str) -> None:
    fault = http_faults.url_map_fault(DOMAIN, answer, Backends())

    assert fault is not None
    assert (fault.owner, fault.cause) == ("ingress", cause)
    assert detail in fault.detail


@pytest.mark.parametrize("cause", ["IdentityAwareProxy", "RefusedByPolicy"])
def test_what_forbids_a_call_does_not_go_by_itself(cause: str) -> None:
    fault = http_faults.own_answer_fault({"IdentityAwareProxy": 401, "RefusedByPolicy": 403}[cause])

    assert fault is not None
    assert (fault.cause, fault.outlook) == (cause, Outlook.STOP)


def test_a_host_rule_that_is_there_leaves_the_path_to_blame() -> None:
    """With pathType ImplementationSpecific, / takes / alone (gke.md §6.6)."""
    fault = http_faults.url_map_fault(DOMAIN, HttpAnswer(404, HTML), Backends(hosts=(DOMAIN,)))

    assert fault is not None
    assert fault.cause == "PathRuleMissing"
    assert "pathType Prefix" in fault.mend


def test_a_missing_host_rule_is_told_with_those_that_are_there() -> None:
    fault = http_faults.url_map_fault(DOMAIN, HttpAnswer(404, HTML), Backends(hosts=("old.example.com",)))

    assert fault is not None
    assert fault.cause == "HostRuleMissing"
    assert fault.detail.endswith("there are host rules for old.example.com")


@pytest.mark.parametrize(
    ("answer", "backends"),
    [
        pytest.param(HttpAnswer(200, GRPC), Backends(), id="Milvus, that wants to know who asks"),
        pytest.param(HttpAnswer(502, HTML), Backends(), id="502"),
        pytest.param(HttpAnswer(503, HTML), Backends(), id="503"),
        pytest.param(HttpAnswer(504, HTML), Backends(), id="504"),
        pytest.param(HttpAnswer(0), Backends(), id="no answer in time"),
        pytest.param(
            HttpAnswer(404, HTML, "404 page not found"), Backends(protocols={"b": "HTTP"}), id="Milvus' REST server"
        ),
    ],
)
def test_the_url_map_is_not_blamed_for_what_lies_behind_it(answer: HttpAnswer, backends: Backends) -> None:
    assert http_faults.url_map_fault(DOMAIN, answer, backends) is None


def test_the_default_backend_is_the_url_maps_whatever_the_protocol() -> None:
    answer = HttpAnswer(404, HTML, "default backend - 404")

    fault = http_faults.url_map_fault(DOMAIN, answer, Backends(protocols={"b": "HTTP"}))

    assert fault is not None
    assert fault.cause == "HostRuleMissing"


def test_a_grpc_status_is_read_only_from_a_grpc_answer() -> None:
    assert HttpAnswer(200, GRPC).grpc_status == 16
    assert HttpAnswer(200, HTML | {"grpc-status": "0"}).grpc_status is None
    assert HttpAnswer(502, GRPC).grpc_status is None


# --- the backends ---------------------------------------------------------------------------------------------------

WELL = {"zone-a": ["HEALTHY", "UNHEALTHY"], "zone-b": []}


def backends(protocol: str = "HTTP2", zones: dict[str, list[str]] | None = None) -> Backends:
    return Backends(
        protocols={"k8s1-b": protocol},
        timeouts_seconds={"k8s1-b": 30},
        zones=WELL if zones is None else zones,
        namespace="ns",
        service="my-release-milvus",
        port_name="grpc",
    )


@pytest.mark.parametrize(
    ("status", "seen", "owner", "cause", "detail", "mend"),
    [
        pytest.param(
            502,
            backends("HTTP"),
            "ingress",
            "BackendProtocolNotHttp2",
            "speaks HTTP (k8s1-b)",
            "kubectl -n ns annotate service my-release-milvus --overwrite "
            'cloud.google.com/app-protocols=\'{"grpc":"HTTP2"}\'',
            id="protocol HTTP",
        ),
        pytest.param(
            404, backends("HTTPS"), "ingress", "BackendProtocolNotHttp2", "HTTP 404", "annotate", id="protocol HTTPS"
        ),
        pytest.param(
            502,
            backends(zones={"zone-a": ["UNHEALTHY"]}),
            "compute",
            "NoHealthyBackend",
            "zone-a: 1 UNHEALTHY",
            "get-health k8s1-b",
            id="unhealthy",
        ),
        pytest.param(
            503,
            backends(zones={"zone-a": []}),
            "compute",
            "NoHealthyBackend",
            "no endpoint",
            "svcneg",
            id="no endpoint",
        ),
        pytest.param(502, backends(zones={}), "compute", "NoHealthyBackend", "no group", "svcneg", id="no group"),
        pytest.param(
            502, backends(), "milvus", "MilvusSpeaksPlaintext", "backends are healthy", "tlsMode: 1", id="plaintext"
        ),
        pytest.param(504, backends(), "milvus", "MilvusTooSlow", "timeout: k8s1-b 30 s", "logs", id="504"),
        pytest.param(0, backends(), "milvus", "MilvusTooSlow", "no answer in time", "logs", id="no answer"),
        pytest.param(
            502,
            Backends(unseen="403 Forbidden"),
            "ingress",
            "NoUsableBackend",
            "403 Forbidden",
            "app-protocols",
            id="?",
        ),
        pytest.param(503, Backends(), "ingress", "NoUsableBackend", "HTTP 503", "tlsMode: 1", id="nothing known"),
        pytest.param(504, Backends(unseen="x"), "milvus", "MilvusTooSlow", "HTTP 504", "logs", id="504, unseen"),
    ],
)
def test_an_error_of_the_load_balancer_is_exact_with_what_compute_says(
    status: int, seen: Backends, owner: str, cause: str, detail: str, mend: str
) -> None:
    fault = backend_faults.http_fault(status, seen)

    assert (fault.owner, fault.cause, fault.outlook) == (owner, cause, Outlook.WAIT)
    assert detail in fault.detail
    assert mend in fault.mend


@pytest.mark.parametrize(
    ("zones", "cause"),
    [
        pytest.param(WELL, "", id="one healthy in each zone that has any"),
        pytest.param({"zone-a": [], "zone-b": []}, "", id="nothing told yet"),
        pytest.param({"zone-a": ["HEALTHY"], "zone-b": ["UNHEALTHY"]}, "ZoneUnhealthy", id="a zone is ill"),
        pytest.param({"zone-a": ["UNHEALTHY"], "zone-b": []}, "NoHealthyBackend", id="the only one is ill"),
    ],
)
def test_health_is_judged_zone_by_zone(zones: dict[str, list[str]], cause: str) -> None:
    fault = backend_faults.health_fault(backends(zones=zones))

    assert (fault.cause if fault else "") == cause


def test_health_is_told_zone_by_zone() -> None:
    assert backend_faults.told(backends()) == "zone-a: 1 HEALTHY, 1 UNHEALTHY; zone-b: no endpoint reported"


# --- gRPC -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "details", "owner", "cause", "detail", "mend"),
    [
        pytest.param(
            "UNAVAILABLE",
            "Received http2 header with status: 502",
            "ingress",
            "LoadBalancerAnswered",
            "where it had let a call through before",
            "get-health",
            id="502 to the client alone",
        ),
        pytest.param(
            "PERMISSION_DENIED",
            "Received http2 header with status: 403",
            "compute",
            "RefusedByPolicy",
            "Cloud Armor",
            "security-policies",
            id="403",
        ),
        pytest.param(
            "UNAVAILABLE", "Received http2 header with status: 429", "ingress", "RateLimited", "rate", "Armor", id="429"
        ),
        pytest.param("UNAVAILABLE", "Socket closed", "ingress", "ConnectionLost", "broke", "front ends", id="closed"),
        pytest.param(
            "UNIMPLEMENTED", "unknown service milvus", "milvus", "NotMilvus", "no Milvus", "19530", id="another server"
        ),
        pytest.param("DEADLINE_EXCEEDED", "Deadline Exceeded", "milvus", "MilvusTooSlow", "in time", "logs", id="slow"),
        pytest.param(
            "PERMISSION_DENIED",
            "PrivilegeInsert",
            "client",
            "PrivilegeMissing",
            "may not",
            "proof_writes=false",
            id="privilege",
        ),
        pytest.param("RESOURCE_EXHAUSTED", "memory", "milvus", "MilvusLimits", "memory is full", "quota", id="limits"),
        pytest.param("CANCELLED", "", "ingress", "CallCut", "cut off", "backend_timeout_seconds", id="cancelled"),
        pytest.param("", "collection not loaded", "milvus", "MilvusError", "collection not loaded", "log", id="own"),
        pytest.param("WHATEVER", "new", "milvus", "UnknownGrpcStatus", "WHATEVER: new", "", id="nobody knows it"),
        pytest.param(
            "UNAVAILABLE",
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:34.1.2.3:443: Ssl handshake failed: "
            "SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
            "client",
            "GrpcRootsMissing",
            "gRPC does not accept",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
            id="gRPC trusts less than OpenSSL",
        ),
    ],
)
def test_a_call_that_fails(status: str, details: str, owner: str, cause: str, detail: str, mend: str) -> None:
    fault = rung_faults.grpc_fault(status, details)

    assert (fault.owner, fault.cause) == (owner, cause)
    assert detail in fault.detail
    assert mend in fault.mend


@pytest.mark.parametrize(
    ("named", "cause", "mend"),
    [(False, "CredentialsMissing", "Set milvus_credentials_secret"), (True, "CredentialsRefused", "Check the Secret")],
)
def test_credentials_that_are_missing_or_wrong_will_not_mend_themselves(named: bool, cause: str, mend: str) -> None:
    fault = rung_faults.credentials_fault("auth check failure", named=named, source="secret ns/milvus-user")

    assert (fault.owner, fault.cause, fault.outlook) == ("client", cause, Outlook.STOP)
    assert mend in fault.mend
    assert ("secret ns/milvus-user" in fault.detail) == named


# --- what takes long ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "details", "lasted", "owner", "cause"),
    [
        pytest.param(
            "UNAVAILABLE", "Received http2 header with status: 502", 30.1, "ingress", "CallCutByTimeout", id="502"
        ),
        pytest.param(
            "UNAVAILABLE", "Received http2 header with status: 504", 30.1, "ingress", "CallCutByTimeout", id="504"
        ),
        pytest.param("UNAVAILABLE", "Socket closed", 12.0, "ingress", "CallCutByTimeout", id="connection closed"),
        pytest.param("CANCELLED", "stream reset", 30.0, "ingress", "CallCutByTimeout", id="stream reset"),
        pytest.param("UNAVAILABLE", "Socket closed", 0.1, "ingress", "ConnectionLost", id="at once: no timeout"),
        pytest.param(
            "PERMISSION_DENIED", "http2 header with status: 403", 3.0, "compute", "RefusedByPolicy", id="forbidden"
        ),
        pytest.param("DEADLINE_EXCEEDED", "no answer", 45.0, "milvus", "MilvusTooSlow", id="longer than asked for"),
        pytest.param("", "collection not loaded", 3.0, "milvus", "MilvusError", id="Milvus' own"),
    ],
)
def test_a_long_call_that_ends_too_soon(status: str, details: str, lasted: float, owner: str, cause: str) -> None:
    fault = rung_faults.long_call_fault(status, details, lasted_seconds=lasted, wanted_seconds=35, backends=Backends())

    assert (fault.owner, fault.cause) == (owner, cause)


def test_a_call_that_was_cut_tells_after_how_long_and_who_owns_the_timeout() -> None:
    details = "Received http2 header with status: 502"

    fault = rung_faults.long_call_fault(
        "UNAVAILABLE", details, lasted_seconds=30.04, wanted_seconds=35, backends=backends()
    )

    assert fault.detail.startswith("a call of 35 s was cut after 30.0 s; timeoutSec is 30 s (k8s1-b)")
    assert "BackendConfig spec.timeoutSec" in fault.mend
    assert "kubectl -n ns get backendconfig" in fault.mend


@pytest.mark.parametrize(
    ("lasted", "cause"), [(30.04, "CallCutByTimeout"), (29.6, "MilvusError")], ids=["at the timeout", "before it"]
)
def test_milvus_may_answer_to_the_cut_before_the_load_balancer_does(lasted: float, cause: str) -> None:
    details = "proxy TaskCondition context Done"

    fault = rung_faults.long_call_fault("", details, lasted_seconds=lasted, wanted_seconds=35, backends=backends())

    assert fault.cause == cause
    assert f"Milvus: {details}" in fault.detail


def test_an_idle_connection_that_was_cut_tells_after_how_long_and_what_keeps_it() -> None:
    fault = rung_faults.idle_fault("was closed by the peer", silent_seconds=12.34, wanted_seconds=35)

    assert (fault.owner, fault.cause) == ("network", "IdleConnectionCut")
    assert "silent for 35 s was closed by the peer after 12.3 s" in fault.detail
    assert "grpc.keepalive_time_ms" in fault.mend
