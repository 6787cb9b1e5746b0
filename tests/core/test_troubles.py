"""Everything that is wrong, causes before what follows from them."""

import json

import pytest

from tasks.core import checks, report
from tasks.core.checks import Check
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook, troubles
from tasks.core.diagnosis.troubles import Source, Trouble
from tasks.core.drift import Deviation
from tasks.core.errors import AccessRefused, Drifted, ExposureRefused, ProofFailed, ResourceFailed
from tasks.core.progress import Journal

RUNG = ProofFailed("load balancer", "rung url-map: HTTP 502", "Look at the backends.", "ingress", "NoHealthyBackend")
WRONG_KEY = checks.failed("AppProtocolPortNameCheck", "service default/m", "key grpc is no port", "kubectl annotate …")
DRIFT = Deviation(
    resource="backendServices/k8s1-m", field="timeoutSec", intent="3600", cluster="3600", compute="30", mend="Touch it."
)
GAVE_UP = Finding(Outlook.STOP, "ingress", "PathInvalid", "due to empty path", "Mend it.")
AT_IT = Finding(Outlook.RETRY, "compute", "RateLimited", "too many calls", "")


def of_everything() -> list[Trouble]:
    return [
        troubles.of_error(RUNG),
        *troubles.of_deviations([DRIFT]),
        troubles.of_finding(GAVE_UP, "ingress default/m", Source.CONTROLLER),
        *troubles.of_checks([WRONG_KEY]),
    ]


def test_what_people_write_goes_before_what_a_client_meets() -> None:
    found = troubles.in_order(of_everything())

    assert [trouble.cause for trouble in found] == [
        "AppProtocolPortName",
        "PathInvalid",
        "Drifted",
        "NoHealthyBackend",
    ]


def test_a_server_that_refuses_us_goes_before_everything() -> None:
    refused = troubles.of_error(AccessRefused("the API server", "403", "Ask for a Role."))

    assert troubles.in_order([*of_everything(), refused])[0] is refused


def test_advice_is_no_trouble() -> None:
    advice = checks.failed("CertificateExpiryCheck", "secret default/t", "29 days left", "Renew it.", blocks=False)
    fine = [checks.passed("RuleHostOverwriteCheck", "ingress default/m", "no host twice"), advice]

    assert list(troubles.of_checks(fine)) == []


@pytest.mark.parametrize(
    ("for_good", "first"), [(True, "RefusedByPolicy"), (False, "RateLimited")], ids=["for good", "it may pass"]
)
def test_a_controller_at_work_explains_only_what_may_pass(for_good: bool, first: str) -> None:
    """Its complaint is up to an hour old, and no delay makes a policy refuse us."""
    refused = ProofFailed("load balancer", "rung url-map: HTTP 403", "Admit it.", "compute", "RefusedByPolicy")
    refused.for_good = for_good
    at_it = troubles.of_finding(AT_IT, "ingress default/m", Source.CONTROLLER)

    assert troubles.in_order([at_it, troubles.of_error(refused)])[0].cause == first


def test_what_people_write_goes_before_what_is_met_for_good() -> None:
    refused = ProofFailed("load balancer", "rung url-map: HTTP 403", "Admit it.", "compute", "RefusedByPolicy")
    refused.for_good = True

    assert troubles.in_order([*of_everything(), troubles.of_error(refused)])[0].cause == "AppProtocolPortName"


def test_an_old_complaint_about_something_that_works_is_no_trouble() -> None:
    old = [troubles.of_finding(each, "ingress default/m", Source.CONTROLLER) for each in (GAVE_UP, AT_IT)]

    assert troubles.in_order(old) == []


BAD_NEG = Finding(Outlook.STOP, "kubernetes", "NegAnnotationInvalid", "NEG annotation is invalid.", "Mend it.")


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        pytest.param([checks.passed("NegAnnotationCheck", "service default/m", "is on")], False, id="right now"),
        pytest.param([checks.failed("NegAnnotationCheck", "service default/m", "no JSON", "Mend.")], True, id="wrong"),
        pytest.param([checks.skipped("NegAnnotationCheck", "service default/m", "unread")], True, id="not looked at"),
    ],
)
def test_a_complaint_about_what_is_seen_to_be_right_is_over(seen: list[Check], told: bool) -> None:
    """The neg-controller said so up to an hour ago, and nothing it writes later takes it back."""
    heard = troubles.of_finding(BAD_NEG, "service default/m", Source.CONTROLLER)

    found = troubles.in_order([heard, *troubles.of_deviations([DRIFT])], seen)

    assert ("NegAnnotationInvalid" in [trouble.cause for trouble in found]) is told


REFUSED = AccessRefused("the API server", "403", "Ask for a Role.")
OPEN_DOOR = ExposureRefused("milvus.example:443", "asks for no password", "Turn it on.", "milvus", "AnonymousAccess")
ELSEWHERE = ProofFailed("load balancer", "rung dns: answers 192.0.2.1", "Create it.", "dns", "DnsPointsElsewhere")
WRONG_PASSWORD = ProofFailed("load balancer", "rung authentication: no", "Check it.", "client", "CredentialsRefused")
NO_CALL = ProofFailed("load balancer", "rung version: no answer", "See its log.", "milvus", "MilvusTooSlow")


def complaint(finding: Finding, source: Source = Source.CONTROLLER) -> Trouble:
    return troubles.of_finding(finding, "ingress default/m", source)


@pytest.mark.parametrize("heard", [complaint(GAVE_UP), complaint(AT_IT)], ids=["gave up", "still at it"])
@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(OPEN_DOOR, id="an open door"),
        pytest.param(REFUSED, id="a server that refuses us"),
        pytest.param(ELSEWHERE, id="a record that leads elsewhere"),
        pytest.param(WRONG_PASSWORD, id="a password that Milvus refused"),
        pytest.param(NO_CALL, id="a Milvus that is too slow"),
    ],
)
def test_what_a_controller_says_explains_a_broken_load_balancer_alone(heard: Trouble, seen: ProofFailed) -> None:
    """The NEG controller was a moment late last hour, and Milvus asks for no password: the door is to be shut."""
    assert [trouble.cause for trouble in troubles.in_order([heard, troubles.of_error(seen)])] == [seen.cause]


def test_what_a_pod_says_explains_a_milvus_that_does_not_answer() -> None:
    crashing = complaint(Finding(Outlook.STOP, "milvus", "CrashLoop", "ended with 1", "See its log."), Source.POD)

    assert [each.cause for each in troubles.in_order([troubles.of_error(NO_CALL), crashing])] == [
        "CrashLoop",
        "MilvusTooSlow",
    ]


@pytest.mark.parametrize(
    ("outlook", "told"),
    [pytest.param(Outlook.STOP, True, id="will not start"), pytest.param(Outlook.WAIT, False, id="starts")],
)
def test_a_new_pod_is_told_while_the_old_one_serves_once_it_will_not_start(outlook: Outlook, told: bool) -> None:
    new = complaint(Finding(outlook, "kubernetes", "ImageUnavailable", "not found", "Check its name."), Source.POD)

    assert bool(troubles.in_order([new])) is told


def test_a_complaint_is_told_beside_two_troubles_of_which_it_explains_one() -> None:
    found = troubles.in_order([complaint(GAVE_UP), troubles.of_error(OPEN_DOOR), troubles.of_error(RUNG)])

    assert [trouble.cause for trouble in found] == ["PathInvalid", "NoHealthyBackend", "AnonymousAccess"]


def test_a_controller_that_is_still_at_it_is_told_after_what_is_known() -> None:
    found = troubles.in_order(
        [troubles.of_finding(AT_IT, "ingress default/m", Source.CONTROLLER), *troubles.of_deviations([DRIFT])]
    )

    assert [trouble.cause for trouble in found] == ["Drifted", "RateLimited"]


def test_the_same_trouble_seen_twice_is_told_once() -> None:
    assert len(troubles.in_order([*troubles.of_checks([WRONG_KEY, WRONG_KEY]), troubles.of_error(RUNG)])) == 2


def test_a_run_ends_in_the_error_that_was_raised_where_there_was_one() -> None:
    assert troubles.as_error([troubles.of_error(RUNG)]) is RUNG
    assert isinstance(troubles.as_error(list(troubles.of_checks([WRONG_KEY]))), ResourceFailed)


def test_drift_alone_is_told_field_by_field() -> None:
    policy = DRIFT.model_copy(
        update={"field": "securityPolicy", "intent": "office", "cluster": "office", "compute": ""}
    )

    error = troubles.as_error(troubles.in_order(troubles.of_deviations([DRIFT, policy])))

    assert isinstance(error, Drifted)
    assert "timeoutSec: 3600 was asked for, the cluster says 3600, Compute has 30" in error.observed
    assert "securityPolicy: office was asked for" in error.observed


def test_the_layer_of_drift_is_where_it_deviates_and_what_somebody_edited_comes_first() -> None:
    edited = DRIFT.model_copy(update={"cluster": "30", "compute": ""})

    assert [trouble.layer for trouble in troubles.of_deviations([DRIFT, edited])] == ["kubernetes", "compute"]


def test_the_report_has_them_in_order_and_nothing_but_facts() -> None:
    ordered = troubles.in_order(of_everything())
    config = LoadBalancerConfig.parse({"domain": "milvus.example.com"})
    made = report.build(config, Journal(), troubles=ordered, error=troubles.as_error(ordered))

    facts = json.loads(made.as_json())
    assert facts["troubles"][0]["cause"] == facts["error"]["cause"] == "AppProtocolPortName"
    assert set(facts["troubles"][0]) == {"layer", "cause", "resource", "observed", "mend"}
    assert "causes first" in report.markdown(made)
