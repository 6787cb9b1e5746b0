"""Whether an allow-list is in force, judged from its rules and from what a stranger meets."""

from typing import Any

import pytest

from tasks.core import allow_list, exposure
from tasks.core.allow_list import Knock
from tasks.core.armor import Policy, Rule, Unread
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig
from tasks.core.http_faults import HttpAnswer

LAST = 2147483647
SET = {"security_policy": "set", "security_policy_name": "office"}
STRANGER, ADDRESS = "198.51.100.66", "34.1.2.3"
MILVUS = HttpAnswer(200, {"content-type": "application/grpc", "grpc-status": "16"})
DENY, ALLOW = Rule(LAST, "deny(403)", ("*",)), Rule(LAST, "allow", ("*",))
TRIED = Rule(500, "deny(403)", ("198.51.100.0/24",), preview=True)


def a_config(**changes: Any) -> LoadBalancerConfig:
    return LoadBalancerConfig.parse({"domain": "milvus.example.com", **changes})


def a_policy(*rules: Rule) -> Policy:
    return Policy("office", rules)


def told(found: list[Check]) -> list[tuple[str, str, bool]]:
    return [(check.name.removesuffix("Check"), check.result.value, check.ends_the_run) for check in found]


# --- what the policy says -------------------------------------------------------------------------------------------

EXISTS = ("AllowListPolicy", "PASSED", False)


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [
        pytest.param(SET, a_policy(DENY), [EXISTS, ("AllowListOpen", "PASSED", False)], id="closed"),
        pytest.param(SET, a_policy(ALLOW), [EXISTS, ("AllowListOpen", "FAILED", False)], id="open is advice"),
        pytest.param({}, a_policy(ALLOW), [EXISTS], id="what is kept may be open"),
        pytest.param(SET, a_policy(TRIED, ALLOW), [EXISTS, ("AllowListPreview", "FAILED", False)], id="in preview"),
        pytest.param({}, a_policy(TRIED, ALLOW), [EXISTS, ("AllowListPreview", "FAILED", False)], id="kept in preview"),
        pytest.param(
            SET, a_policy(Rule(1, "deny(403)"), ALLOW), [EXISTS, ("AllowListOpen", "SKIPPED", False)], id="by CEL"
        ),
        pytest.param(SET, None, [("AllowListPolicy", "FAILED", True)], id="it does not exist"),
        pytest.param(SET, Unread("403"), [("AllowListPolicy", "SKIPPED", False)], id="it is not shown"),
    ],
)
def test_a_policy_is_judged_by_its_rules(
    asked: dict[str, str], found: Policy | Unread | None, expected: list[tuple[str, str, bool]]
) -> None:
    assert told(list(allow_list.of_policies(a_config(**asked), {"office": found}))) == expected


def test_a_policy_in_preview_is_told_with_the_command_that_puts_it_in_force() -> None:
    found = list(allow_list.of_policies(a_config(), {"office": a_policy(TRIED, ALLOW)}))[-1]

    assert found.resource == "securityPolicies/office"
    assert "rule 500 (deny(403) 198.51.100.0/24)" in found.observed
    assert "gcloud compute security-policies rules update 500 --security-policy office --no-preview" in found.mend


def test_an_open_policy_is_told_with_the_commands_that_close_it() -> None:
    """Whom to admit comes first, or everybody is locked out."""
    found = list(allow_list.of_policies(a_config(**SET), {"office": a_policy(ALLOW)}))[-1]

    admits, refuses = found.mend.split("; then refuse all others: ")
    assert "rules create 1000 --security-policy office --src-ip-ranges RANGES --action allow" in admits
    assert refuses == (
        "gcloud compute security-policies rules update 2147483647 --security-policy office --action deny-403"
    )


def test_every_check_from_outside_is_known_to_be_one() -> None:
    """Others are told as what people wrote, before what a client meets."""
    assert set(allow_list.CHECKS) < set(exposure.CHECKS)


# --- what a stranger meets ------------------------------------------------------------------------------------------


def knocked(
    answer: HttpAnswer | None, *policies: Policy, milvus_answers: bool = True, why: str = "", **asked: Any
) -> Check:
    knock = Knock(STRANGER, answer, why)
    return allow_list.enforcement(a_config(**asked), knock, policies, ADDRESS, milvus_answers=milvus_answers)


def hiding(status: int) -> Policy:
    return a_policy(Rule(LAST, f"deny({status})", ("*",)))


@pytest.mark.parametrize(
    ("answer", "policy", "milvus_answers", "result"),
    [
        pytest.param(HttpAnswer(403), a_policy(DENY), True, Result.PASSED, id="refused"),
        pytest.param(HttpAnswer(403), Policy("office"), False, Result.PASSED, id="refused, by whatever rules"),
        pytest.param(MILVUS, a_policy(DENY), True, Result.FAILED, id="Milvus answers"),
        pytest.param(HttpAnswer(404), a_policy(DENY), True, Result.FAILED, id="the default backend answers"),
        pytest.param(HttpAnswer(404), hiding(404), True, Result.PASSED, id="refused with 404"),
        pytest.param(HttpAnswer(404), hiding(404), False, Result.SKIPPED, id="404 for everybody"),
        pytest.param(HttpAnswer(404), Policy("office"), True, Result.SKIPPED, id="404, and nobody knows the rules"),
        pytest.param(HttpAnswer(502), hiding(502), True, Result.PASSED, id="refused with 502"),
        pytest.param(HttpAnswer(502), hiding(502), False, Result.SKIPPED, id="502 for everybody"),
        pytest.param(HttpAnswer(502), a_policy(DENY), True, Result.SKIPPED, id="502 that no rule explains"),
        pytest.param(HttpAnswer(429), a_policy(DENY), True, Result.SKIPPED, id="too often"),
        pytest.param(HttpAnswer(0), a_policy(DENY), True, Result.SKIPPED, id="no answer in time"),
    ],
)
def test_an_address_is_refused_or_let_in(
    answer: HttpAnswer, policy: Policy, milvus_answers: bool, result: Result
) -> None:
    found = knocked(answer, policy, milvus_answers=milvus_answers)

    assert found.result is result
    assert (found.cause, found.layer, found.resource) == ("AllowListEnforcement", "compute", "securityPolicies/office")
    assert STRANGER in found.observed


def test_an_address_that_nobody_can_come_from_is_skipped_in_words() -> None:
    found = knocked(None, why="this machine has no such address")

    assert (found.result, found.observed) == (Result.SKIPPED, f"{STRANGER}: this machine has no such address")


@pytest.mark.parametrize(
    ("policies", "reason", "mend"),
    [
        pytest.param([], "no policy is known", "backend-services update BACKEND_SERVICE --global", id="none"),
        pytest.param(
            [a_policy(ALLOW)],
            "the default rule (allow *) of policy office admits it",
            "rules create 1000 --security-policy office --src-ip-ranges 198.51.100.66 --action deny-403",
            id="the default rule",
        ),
        pytest.param(
            [a_policy(Rule(20, "allow", ("198.51.100.0/24",)), DENY)],
            "rule 20 (allow 198.51.100.0/24) of policy office admits it",
            "rules create 19 --security-policy office",
            id="a rule of its own",
        ),
        pytest.param([a_policy(TRIED, ALLOW)], "is in preview", "update 500 --security-policy office --no-preview",
                     id="in preview"),
        pytest.param([a_policy(DENY)], "refuses it, and it is not in force", "describe office", id="not in force"),
        pytest.param([Policy("office")], "cannot be read", "--action deny-403", id="unread"),
    ],
)  # fmt: skip
def test_who_is_let_in_is_told_why_and_how_it_is_refused(policies: list[Policy], reason: str, mend: str) -> None:
    found = knocked(MILVUS, *policies)

    assert found.ends_the_run
    assert found.observed.startswith(f"{STRANGER} is let in (Milvus answers), and must be refused: ")
    assert reason in found.observed
    assert mend in found.mend


def test_an_address_within_may_be_another_one_outside() -> None:
    knock = Knock("10.0.0.7", MILVUS)

    found = allow_list.enforcement(a_config(), knock, (a_policy(DENY),), ADDRESS, milvus_answers=True)

    assert "unless a NAT gives it another address" in found.observed


def test_where_no_address_is_given_it_is_told_how_to_give_one() -> None:
    (found,) = allow_list.none_to_knock_from(a_config(**SET))

    assert (found.name, found.result) == ("AllowListEnforcementCheck", Result.SKIPPED)
    assert "refused_sources" in found.observed
    assert list(allow_list.none_to_knock_from(a_config())) == []
    assert list(allow_list.none_to_knock_from(a_config(**SET, refused_sources=[STRANGER]))) == []
