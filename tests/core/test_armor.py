"""Whom a Cloud Armor policy lets in, by its rules."""

from typing import Any

import pytest

from tasks.core import armor
from tasks.core.armor import Policy, Reach, Rule

LAST = 2147483647
DENY, ALLOW = Rule(LAST, "deny(403)", ("*",)), Rule(LAST, "allow", ("*",))
OFFICE = Rule(1000, "allow", ("198.51.100.0/24",))


def a_policy(*rules: Rule) -> Policy:
    return Policy("office", tuple(sorted(rules, key=lambda rule: rule.priority)))


def in_preview(rule: Rule) -> Rule:
    return Rule(rule.priority, rule.action, rule.ranges, preview=True)


def test_a_policy_is_read_as_compute_shows_it() -> None:
    """Rules in any order, and fields that are absent instead of empty."""
    match: dict[str, Any] = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}
    shown = [
        {"priority": LAST, "action": "deny(404)", "match": match, "preview": False},
        {"action": "allow", "match": {"expr": {"expression": "true"}}, "preview": True},
    ]

    found = armor.of({"name": "office", "rules": shown})

    assert found == Policy("office", (Rule(0, "allow", (), preview=True), Rule(LAST, "deny(404)", ("*",))))
    assert armor.of({}) == Policy("")


@pytest.mark.parametrize(
    ("rules", "address", "priority"),
    [
        pytest.param([OFFICE, DENY], "198.51.100.7", 1000, id="in a range"),
        pytest.param([OFFICE, DENY], "203.0.113.9", LAST, id="in none but the last"),
        pytest.param([Rule(7, "allow", ("203.0.113.9",)), DENY], "203.0.113.9", 7, id="an address alone"),
        pytest.param([Rule(7, "deny(403)", ("198.51.100.7/24",)), ALLOW], "198.51.100.1", 7, id="bits beyond the mask"),
        pytest.param([Rule(7, "allow", ("2001:db8::/32",)), DENY], "198.51.100.7", LAST, id="IPv6 is another world"),
        pytest.param([in_preview(OFFICE), DENY], "198.51.100.7", LAST, id="in preview nothing is decided"),
        pytest.param([Rule(7, "allow"), DENY], "198.51.100.7", LAST, id="an expression is not evaluated"),
    ],
)
def test_the_first_rule_that_matches_decides(rules: list[Rule], address: str, priority: int) -> None:
    found = a_policy(*rules).deciding(address)

    assert found is not None
    assert found.priority == priority


@pytest.mark.parametrize(
    ("rules", "status", "refusing"),
    [
        ([OFFICE, DENY], 403, LAST),
        ([OFFICE, DENY], 404, None),
        ([Rule(7, "deny(404)", ("203.0.113.0/24",)), ALLOW], 404, 7),
        ([Rule(7, "allow", ("203.0.113.0/24",)), DENY], 403, None),
        ([Rule(7, "deny(404)"), ALLOW], 404, 7),
        ([], 403, None),
    ],
)
def test_a_rule_refuses_with_its_own_status(rules: list[Rule], status: int, refusing: int | None) -> None:
    found = a_policy(*rules).refusing("203.0.113.9", status)

    assert (found.priority if found else None) == refusing


@pytest.mark.parametrize(
    ("rules", "reach"),
    [
        pytest.param([OFFICE, DENY], Reach.REFUSES, id="an allow-list"),
        pytest.param([Rule(7, "deny(403)", ("203.0.113.0/24",)), ALLOW], Reach.REFUSES, id="a deny-list"),
        pytest.param([OFFICE, ALLOW], Reach.OPEN, id="the default rule admits"),
        pytest.param([ALLOW], Reach.OPEN, id="a new policy"),
        pytest.param([], Reach.OPEN, id="no rules"),
        pytest.param([Rule(7, "allow", ("*",)), DENY], Reach.OPEN, id="everybody is admitted before"),
        pytest.param([Rule(7, "allow", ("0.0.0.0/0",)), DENY], Reach.OPEN, id="in other words"),
        pytest.param([Rule(7, "allow", ("0.0.0.0/1", "128.0.0.0/1")), DENY], Reach.OPEN, id="in two halves"),
        pytest.param([Rule(7, "allow", ("0.0.0.0/1",)), DENY], Reach.REFUSES, id="in one half"),
        pytest.param([Rule(7, "throttle", ("*",)), DENY], Reach.OPEN, id="slowed down, and admitted"),
        pytest.param([in_preview(DENY)], Reach.PREVIEW, id="all in preview"),
        pytest.param([OFFICE, in_preview(Rule(2000, "deny(403)", ("*",))), ALLOW], Reach.PREVIEW, id="the only one"),
        pytest.param([in_preview(OFFICE), ALLOW], Reach.OPEN, id="what is in preview admits"),
        pytest.param([Rule(7, "deny(403)"), ALLOW], Reach.DEPENDS, id="an expression"),
        pytest.param([Rule(7, "deny(403)", ("2001:db8::/32",)), ALLOW], Reach.OPEN, id="only IPv6 is refused"),
    ],
)
def test_a_policy_that_refuses_nobody_is_no_allow_list(rules: list[Rule], reach: Reach) -> None:
    assert armor.reach(a_policy(*rules)) is reach


@pytest.mark.parametrize(
    ("taken", "before", "priority"),
    [
        ([], DENY, "1000"),
        ([1000, 999], DENY, "998"),
        ([500], Rule(500, "deny(403)", ("*",)), "499"),
        ([0], Rule(0, "deny(403)", ("*",)), "PRIORITY"),
        ([], None, "PRIORITY"),
    ],
)
def test_a_command_names_a_priority_that_is_free_and_asked_before(
    taken: list[int], before: Rule | None, priority: str
) -> None:
    policy = a_policy(*(Rule(number, "allow", ("192.0.2.1",)) for number in taken))

    assert armor.admit(policy, "203.0.113.9", before) == (
        f"gcloud compute security-policies rules create {priority} --security-policy office "
        "--src-ip-ranges 203.0.113.9 --action allow"
    )
