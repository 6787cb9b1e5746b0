"""Who gets in and what is shown, judged from what was seen outside."""

from typing import Any

import pytest

from tasks.core import exposure
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig
from tasks.core.exposure import Door, Received
from tasks.core.http_faults import HttpAnswer

LET_IN, REFUSED = Door(Received.LET_IN, "answered"), Door(Received.TURNED_AWAY, "missing authorization in header")
UNKNOWN = Door(Received.UNKNOWN, "HTTP 502")
REASON = "a demonstration without data"


def a_config(**changes: Any) -> LoadBalancerConfig:
    return LoadBalancerConfig.parse({"domain": "milvus.example.com", **changes})


def of(found: Check) -> tuple[str, bool]:
    return found.result.value, found.ends_the_run


# --- who is let in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grpc_status", "named", "received"),
    [
        pytest.param("0", False, Received.LET_IN, id="answered"),
        pytest.param("16", False, Received.TURNED_AWAY, id="unauthenticated"),
        pytest.param("7", False, Received.TURNED_AWAY, id="nobody may do this"),
        pytest.param("7", True, Received.LET_IN, id="this user may not, and so is known"),
        pytest.param("12", False, Received.UNKNOWN, id="no Milvus"),
    ],
)
def test_a_grpc_status_tells_how_somebody_was_received(grpc_status: str, named: bool, received: Received) -> None:
    answer = HttpAnswer(200, {"content-type": "application/grpc", "grpc-status": grpc_status})

    assert exposure.door(answer, named=named).received is received


@pytest.mark.parametrize(("status", "seen"), [(502, "HTTP 502"), (0, "no answer in time")])
def test_an_answer_of_somebody_else_tells_nothing_of_milvus(status: int, seen: str) -> None:
    assert exposure.door(HttpAnswer(status), named=False) == Door(Received.UNKNOWN, seen)


@pytest.mark.parametrize(
    ("found", "reason", "result"),
    [
        pytest.param(REFUSED, "", ("PASSED", False), id="refused"),
        pytest.param(LET_IN, "", ("FAILED", True), id="open"),
        pytest.param(LET_IN, REASON, ("FAILED", False), id="open for a reason"),
        pytest.param(UNKNOWN, "", ("SKIPPED", False), id="unknown"),
    ],
)
def test_an_open_milvus_blocks_unless_there_is_a_reason(found: Door, reason: str, result: tuple[str, bool]) -> None:
    config = a_config(open_milvus_reason=reason)

    assert of(exposure.anonymous_access(config, found, "here")) == result
    assert of(exposure.default_password(config, found, "here", anonymous=REFUSED)) == result


def test_the_reason_stands_in_the_report() -> None:
    found = exposure.anonymous_access(a_config(open_milvus_reason=REASON), LET_IN, "here")

    assert found.observed.endswith(f"because: {REASON}")


def test_an_open_milvus_is_told_how_it_is_closed() -> None:
    found = exposure.anonymous_access(a_config(release="prod", namespace="db"), LET_IN, "34.1.2.3:19530")

    assert (found.cause, found.layer, found.resource) == ("AnonymousAccess", "milvus", "service db/prod-milvus")
    assert "common.security.authorizationEnabled: true" in found.mend
    assert "helm get values prod -n db" in found.mend
    assert "update_password" in found.mend
    assert "open_milvus_reason" in found.mend


def test_the_default_password_itself_is_never_told() -> None:
    found = exposure.default_password(a_config(), LET_IN, "here", anonymous=REFUSED)

    assert "the default password" in found.observed
    assert "root:" not in found.model_dump_json()


def test_a_milvus_that_takes_everybody_is_not_accused_twice() -> None:
    assert of(exposure.default_password(a_config(), LET_IN, "here", anonymous=LET_IN)) == ("SKIPPED", False)


@pytest.mark.parametrize(
    ("texts", "is_on"),
    [
        pytest.param([], False, id="no settings"),
        pytest.param(["# nothing but comments"], False, id="comments"),
        pytest.param(["common: {security: {authorizationEnabled: true}}"], True, id="on"),
        pytest.param(["common: {security: {authorizationEnabled: 'true'}}"], True, id="on, as text"),
        pytest.param(["common: {security: {authorizationEnabled: false}}"], False, id="off"),
        pytest.param(["common: {security: }"], False, id="an empty key"),
        pytest.param(["common: security"], False, id="not a mapping"),
        pytest.param(
            ["common: {security: {authorizationEnabled: true}}", "common: {security: {tlsMode: 1}}"], True, id="kept"
        ),
        pytest.param(
            ["common: {security: {authorizationEnabled: true}}", "common: {security: {authorizationEnabled: 0}}"],
            False,
            id="the later one wins",
        ),
    ],
)
def test_settings_say_whether_a_user_is_asked_for(texts: list[str], is_on: bool) -> None:
    assert exposure.authorization_enabled(texts) is is_on


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("common: {security: {authorizationEnabled: true}}", ("PASSED", False)),
        ("common: {security: {tlsMode: 1}}", ("FAILED", True)),
        ("common: [", ("SKIPPED", False)),
    ],
)
def test_where_nobody_can_be_asked_the_settings_are_judged(text: str, result: tuple[str, bool]) -> None:
    anonymous, default = exposure.by_settings(a_config(), [text], "it has no Layer-4 address")

    assert of(anonymous) == result
    assert of(default) == ("SKIPPED", False)
    assert "it has no Layer-4 address" in anonymous.observed


# --- what else is served --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "body", "is_milvus"),
    [
        ("/healthz", 200, "OK", True),
        ("/healthz", 200, "ok", False),
        ("/healthz", 404, "default backend - 404", False),
        ("/metrics", 200, "# HELP go_gc_duration_seconds", True),
        ("/metrics", 502, "# HELP", False),
        ("/log/level", 200, '{"level":"warn"}', True),
        ("/debug/pprof/", 200, "<title>/debug/pprof/</title>", True),
        ("/debug/pprof/", 200, "<title>Welcome</title>", False),
    ],
)
def test_milvus_management_port_is_known_by_what_it_says(path: str, status: int, body: str, is_milvus: bool) -> None:
    assert exposure.is_management(path, HttpAnswer(status, {}, body)) is is_milvus


@pytest.mark.parametrize(
    ("direct", "through", "seen"),
    [
        ([], [], ""),
        (["/healthz"], [], "34.1.2.3:9091 answers /healthz"),
        ([], ["/metrics", "/log/level"], "https://milvus.example.com serves /metrics, /log/level of port 9091"),
    ],
)
def test_a_management_port_that_is_shown_blocks(direct: list[str], through: list[str], seen: str) -> None:
    found = exposure.management_port(a_config(open_milvus_reason=REASON), "34.1.2.3", direct, through)

    assert of(found) == (("FAILED", True) if seen else ("PASSED", False)), "a reason for open data is none for this"
    assert seen in found.observed


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param(None, ("PASSED", False), id="nothing answers"),
        pytest.param(HttpAnswer(301, {"location": "https://milvus.example.com/"}), ("PASSED", False), id="301"),
        pytest.param(HttpAnswer(308, {"location": "https://milvus.example.com/"}), ("PASSED", False), id="308"),
        pytest.param(HttpAnswer(301, {"location": "http://elsewhere/"}), ("FAILED", True), id="to plain HTTP"),
        pytest.param(HttpAnswer(301), ("FAILED", True), id="to nowhere"),
        pytest.param(HttpAnswer(200, {}, "data"), ("FAILED", True), id="data"),
        pytest.param(HttpAnswer(404), ("FAILED", False), id="an error page is told and is no data"),
    ],
)
def test_plain_http_leads_to_https_or_nowhere(answer: HttpAnswer | None, result: tuple[str, bool]) -> None:
    assert of(exposure.plain_http(a_config(), "34.1.2.3:80", answer)) == result


# --- the allow-list -------------------------------------------------------------------------------------------------

SET = {"security_policy": "set", "security_policy_name": "offices"}


@pytest.mark.parametrize(
    ("asked", "policy", "result"),
    [
        pytest.param({}, "", Result.PASSED, id="keep none"),
        pytest.param({}, "offices", Result.PASSED, id="keep one"),
        pytest.param(SET, "offices", Result.PASSED, id="set and there"),
        pytest.param(SET, "", Result.FAILED, id="set and lost"),
        pytest.param(SET, "other", Result.FAILED, id="set and another"),
        pytest.param({"security_policy": "remove"}, "", Result.PASSED, id="removed"),
        pytest.param({"security_policy": "remove"}, "offices", Result.FAILED, id="still there"),
    ],
)
def test_every_backend_service_has_the_policy_that_was_asked_for(
    asked: dict[str, str], policy: str, result: Result
) -> None:
    (found,) = exposure.allow_lists(a_config(**asked), {"k8s1-b": policy})

    assert found.result is result
    assert found.resource == "backendServices/k8s1-b"
    assert (policy or "no policy") in found.observed


def test_a_lost_policy_is_told_with_the_command_that_brings_it_back() -> None:
    (lost,) = exposure.allow_lists(a_config(**SET), {"k8s1-b": ""})
    (left,) = exposure.allow_lists(a_config(security_policy="remove"), {"k8s1-b": "offices"})

    assert "gcloud compute backend-services update k8s1-b --global --security-policy offices" in lost.mend
    assert left.mend.endswith('--security-policy ""')


def test_the_default_backend_and_those_of_matchers_count_too() -> None:
    """Compute gives links; the default backend has no policy of its own (gke-networking-recipes#25)."""
    url_map = {
        "defaultService": "https://compute/global/backendServices/default",
        "pathMatchers": [
            {
                "defaultService": "global/backendServices/default",
                "pathRules": [{"service": "global/backendServices/milvus"}, {"urlRedirect": {}}],
            },
            {"defaultService": "global/backendServices/other"},
        ],
    }

    assert exposure.every_service(url_map) == ["default", "milvus", "other"]
    assert exposure.every_service({}) == []
