"""Cloud Armor policies of the Compute API: their rules, one by one and all at once, and what is refused."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

Json = dict[str, Any]
Finish = Callable[[httpx.Response], Json]
POLICIES, OFFICE = "global/securityPolicies", "global/securityPolicies/office"
LAST = 2147483647


def a_rule(priority: int, *ranges: str, action: str = "deny(403)", **more: Any) -> Json:
    return {"priority": priority, "action": action, "match": sources(*ranges), **more}


def sources(*ranges: str) -> Json:
    return {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}}


def expression(text: str) -> Json:
    return {"expr": {"expression": text}}


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["errors"][0]["reason"], error["message"]


@pytest.fixture
def office(rest: httpx.Client, finish: Finish) -> None:
    rules = [a_rule(LAST, "*"), a_rule(1000, "10.0.0.0/8", "192.0.2.7", action="allow")]
    assert "error" not in finish(rest.post(POLICIES, json={"name": "office", "rules": rules}))


def rules(rest: httpx.Client) -> list[tuple[int, str, bool]]:
    found = rest.get(OFFICE).json()["rules"]
    return [(rule["priority"], rule["action"], rule["preview"]) for rule in found]


def test_a_policy_without_rules_lets_everybody_in(rest: httpx.Client, finish: Finish) -> None:
    finish(rest.post(POLICIES, json={"name": "office"}))

    found = rest.get(OFFICE).json()

    assert (found["kind"], found["type"]) == ("compute#securityPolicy", "CLOUD_ARMOR")
    assert found["fingerprint"]
    (rule,) = found["rules"]
    assert (rule["priority"], rule["action"], rule["match"]) == (LAST, "allow", sources("*"))
    assert (rule["kind"], rule["preview"]) == ("compute#securityPolicyRule", False)


@pytest.mark.usefixtures("office")
def test_rules_are_added_changed_read_and_removed_one_by_one(rest: httpx.Client, finish: Finish) -> None:
    before = rest.get(OFFICE).json()["fingerprint"]

    finish(rest.post(f"{OFFICE}/addRule", json=a_rule(900, "203.0.113.0/24", preview=True)))
    finish(rest.post(f"{OFFICE}/patchRule?priority=1000", json={"description": "the office"}))

    assert rules(rest) == [(900, "deny(403)", True), (1000, "allow", False), (LAST, "deny(403)", False)]
    found = rest.get(f"{OFFICE}/getRule?priority=1000").json()
    assert (found["description"], found["match"]) == ("the office", sources("10.0.0.0/8", "192.0.2.7"))
    assert rest.get(OFFICE).json()["fingerprint"] != before
    finish(rest.post(f"{OFFICE}/patchRule?priority=900", json={"preview": False, "match": expression("true")}))
    assert rest.get(f"{OFFICE}/getRule?priority=900").json()["match"] == expression("true")
    finish(rest.post(f"{OFFICE}/removeRule?priority=900"))
    finish(rest.post(f"{OFFICE}/patchRule?priority={LAST}", json={"action": "allow"}))
    assert rules(rest) == [(1000, "allow", False), (LAST, "allow", False)]


@pytest.mark.usefixtures("office")
def test_a_priority_that_is_not_named_is_the_first(rest: httpx.Client, finish: Finish) -> None:
    """googleapis/python-compute#173."""
    missing = refusal(rest.get(f"{OFFICE}/getRule"))
    finish(rest.post(f"{OFFICE}/addRule", json={"action": "allow", "match": sources("10.0.0.1")}))

    assert missing == (
        400,
        "invalid",
        "Invalid value for field 'priority': '0'. office does not contain a rule at priority 0.",
    )
    assert rest.get(f"{OFFICE}/getRule").json()["priority"] == 0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        pytest.param(a_rule(1000, "10.0.0.1"), "Cannot have rules with the same priorities", id="priority taken"),
        pytest.param(a_rule(-1, "10.0.0.1"), f"Must be between 0 and {LAST}", id="priority below 0"),
        pytest.param(a_rule(LAST + 1, "10.0.0.1"), f"Must be between 0 and {LAST}", id="priority beyond"),
        pytest.param(a_rule(1, "10.0.0.1", action="refuse"), "resource.action': 'refuse'", id="unknown action"),
        pytest.param(a_rule(1, "10.0.0.1", action="deny(500)"), "deny(500)", id="another status"),
        pytest.param({"priority": 1, "match": sources("*")}, "'resource.action' not specified", id="no action"),
        pytest.param(a_rule(1, "10.0.0.300"), "srcIpRanges[0]': '10.0.0.300'", id="no address"),
        pytest.param(a_rule(1, "10.0.0.0/33"), "Must be a valid CIDR range", id="no prefix"),
        pytest.param(a_rule(1), "srcIpRanges' not specified", id="no range"),
        pytest.param(a_rule(1, *(f"10.0.0.{each}" for each in range(11))), "At most 10", id="eleven ranges"),
        pytest.param({"priority": 1, "action": "allow"}, "Exactly one of", id="no match"),
        pytest.param(
            {"priority": 1, "action": "allow", "match": sources("*") | expression("true")}, "Exactly one", id="both"
        ),
        pytest.param(
            {"priority": 1, "action": "allow", "match": {"versionedExpr": "SRC_IPS_V2"}}, "SRC_IPS_V1", id="version"
        ),
        pytest.param(a_rule(1, "*", action="throttle"), "Rate limit options must be", id="no rate"),
        pytest.param(a_rule(1, "*", rateLimitOptions={"exceedAction": "deny(429)"}), "It cannot be", id="stray rate"),
        pytest.param(a_rule(1, "*", preview="yes"), "TYPE_BOOL", id="preview"),
    ],
)
@pytest.mark.usefixtures("office")
def test_a_rule_that_makes_no_sense_is_refused_at_once(rest: httpx.Client, rule: Json, message: str) -> None:
    before = rules(rest)

    status, _, text = refusal(rest.post(f"{OFFICE}/addRule", json=rule))

    assert (status, message in text) == (400, True), text
    assert rules(rest) == before
    whole = {"name": "other", "rules": [rule, a_rule(1000, "10.9.9.9")]}
    assert rest.post(POLICIES, json=whole).status_code == 400


def test_actions_that_are_not_enforced_are_stored(rest: httpx.Client, finish: Finish) -> None:
    limits = {"conformAction": "allow", "exceedAction": "deny(429)", "rateLimitThreshold": {"count": 9}}
    given = [
        a_rule(1, "*", action="throttle", rateLimitOptions=limits),
        a_rule(2, "*", action="redirect", redirectOptions={"type": "GOOGLE_RECAPTCHA"}),
        {"priority": 3, "action": "deny(404)", "match": expression("origin.region_code == 'XX'")},
    ]

    finish(rest.post(POLICIES, json={"name": "office", "rules": given}))

    found = rest.get(OFFICE).json()["rules"]
    assert [rule["action"] for rule in found] == ["throttle", "redirect", "deny(404)", "allow"]
    assert found[0]["rateLimitOptions"] == limits
    assert found[2]["match"] == given[2]["match"]


@pytest.mark.usefixtures("office")
def test_the_default_rule_stays_and_matches_everybody(rest: httpx.Client) -> None:
    removed = refusal(rest.post(f"{OFFICE}/removeRule?priority={LAST}"))
    narrowed = refusal(rest.post(f"{OFFICE}/patchRule?priority={LAST}", json={"match": sources("10.0.0.0/8")}))
    moved = refusal(rest.post(f"{OFFICE}/patchRule?priority={LAST}", json={"priority": 7}))
    missing = refusal(rest.post(f"{OFFICE}/removeRule?priority=7"))

    assert {each[0] for each in (removed, narrowed, moved, missing)} == {400}
    assert "default rule cannot be removed" in removed[2]
    assert "must match all traffic" in narrowed[2]
    assert "does not contain a rule at priority 7" in missing[2]
    assert refusal(rest.get(f"{OFFICE}/getRule?priority=x"))[0] == 400


@pytest.mark.usefixtures("office")
def test_a_patch_of_the_policy_does_not_touch_its_rules(rest: httpx.Client, finish: Finish) -> None:
    """Google: `This cannot be used to be update the rules in the policy`."""
    found = rest.get(OFFICE).json()

    refused = refusal(rest.patch(OFFICE, json={"rules": [a_rule(LAST, "*", action="allow")]}))
    finish(rest.patch(OFFICE, json={"description": "x", "fingerprint": found["fingerprint"], "rules": found["rules"]}))
    stale = refusal(rest.patch(OFFICE, json={"description": "y", "fingerprint": found["fingerprint"]}))

    assert refused[:2] == (400, "invalid")
    assert rest.get(OFFICE).json()["description"] == "x"
    assert rest.get(OFFICE).json()["rules"] == found["rules"]
    assert stale[:2] == (412, "conditionNotMet")


@pytest.mark.usefixtures("office")
def test_a_change_that_is_only_to_be_validated_is_not_made(rest: httpx.Client, finish: Finish) -> None:
    before = rules(rest)

    finish(rest.post(f"{OFFICE}/addRule?validateOnly=true", json=a_rule(7, "10.0.0.1")))

    assert rest.post(f"{OFFICE}/addRule?validateOnly=true", json=a_rule(1000, "10.0.0.1")).status_code == 400
    assert rules(rest) == before


@pytest.mark.usefixtures("office")
def test_a_policy_that_a_backend_service_has_cannot_be_deleted(rest: httpx.Client, finish: Finish) -> None:
    finish(rest.post("global/backendServices", json={"name": "bs"}))
    finish(rest.post("global/backendServices/bs/setSecurityPolicy", json={"securityPolicy": OFFICE}))

    status, reason, text = refusal(rest.delete(OFFICE))
    finish(rest.post("global/backendServices/bs/setSecurityPolicy", json={}))
    finish(rest.delete(OFFICE))

    assert (status, reason) == (400, "resourceInUseByAnotherResource")
    assert "is already being used by 'projects/sandbox-project/global/backendServices/bs'" in text
    assert rest.get(OFFICE).status_code == 404


@pytest.mark.usefixtures("office")
def test_the_verbs_take_the_method_that_google_gives_them(rest: httpx.Client) -> None:
    assert rest.get(f"{OFFICE}/addRule").status_code == 404
    assert rest.post(f"{OFFICE}/getRule?priority=1000").status_code == 404
