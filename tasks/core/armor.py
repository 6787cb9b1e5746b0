"""Cloud Armor policies as Compute gives them: whom their rules let in, and the commands that change that (pure).

The first rule that matches decides, from the lowest priority number up; a rule in preview is only logged. Rules with an
expression are not evaluated here: they may decide, or not.
Sources: Compute API securityPolicies; Google, "Cloud Armor security policy overview".
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_EVERYBODY = ipaddress.IPv4Network("0.0.0.0/0")
_LAST = 2_147_483_647
"""Priority of the default rule, which matches whatever no other rule does."""
_USUAL_PRIORITY = 1000


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        priority: the lowest number is asked first.
        action: "allow", "deny(403)", "throttle" and so on.
        ranges: source ranges, "*" for every address; none of a rule with an expression.
        preview: whether it is only logged.
    """

    priority: int
    action: str
    ranges: tuple[str, ...] = ()
    preview: bool = False

    @property
    def refuses(self) -> bool:
        """Whether whom it matches is turned away."""
        return self.action.startswith("deny")

    @property
    def status(self) -> int:
        """HTTP status with which it refuses, 0 if it does not.

        >>> Rule(1, "deny(404)").status, Rule(1, "allow").status
        (404, 0)
        """
        digits = self.action.removeprefix("deny(").removesuffix(")")
        return int(digits) if self.refuses and digits.isdigit() else 0

    def matches(self, address: str) -> bool:
        """Whether one of its ranges has this address; never of a rule with an expression."""
        found = ipaddress.ip_address(address)
        return any(text == "*" or found in ipaddress.ip_network(text, strict=False) for text in self.ranges)

    def __str__(self) -> str:
        name = "the default rule" if self.priority == _LAST else f"rule {self.priority}"
        return f"{name} ({self.action} {', '.join(self.ranges) or 'by an expression'})"


@dataclass(frozen=True)
class Policy:
    """One policy; its rules in the order in which they are asked, none where they could not be read."""

    name: str
    rules: tuple[Rule, ...] = ()

    @property
    def in_force(self) -> tuple[Rule, ...]:
        """The rules that are not in preview."""
        return tuple(rule for rule in self.rules if not rule.preview)

    def deciding(self, address: str, *, previewed: bool = False) -> Rule | None:
        """The rule that decides on an address, by the ranges alone; with those in preview as if they were in force."""
        rules = self.rules if previewed else self.in_force
        return next((rule for rule in rules if rule.matches(address)), None)

    def refusing(self, address: str, status: int) -> Rule | None:
        """A rule that refuses this address with this status, or may: one with an expression that is asked before."""
        for rule in self.in_force:
            if rule.matches(address):
                return rule if rule.status == status else None
            if not rule.ranges and rule.status == status:
                return rule
        return None


@dataclass(frozen=True)
class Unread:
    """A policy that Compute does not show, and why."""

    why: str


def of(resource: Mapping[str, Any]) -> Policy:
    """The policy that Compute shows."""
    rules = [_rule(each) for each in resource.get("rules") or []]
    return Policy(str(resource.get("name", "")), tuple(sorted(rules, key=lambda rule: rule.priority)))


def _rule(resource: Mapping[str, Any]) -> Rule:
    ranges = ((resource.get("match") or {}).get("config") or {}).get("srcIpRanges") or []
    return Rule(
        priority=int(resource.get("priority") or 0),
        action=str(resource.get("action", "")),
        ranges=tuple(str(text) for text in ranges),
        preview=bool(resource.get("preview")),
    )


# --- whether it is an allow-list at all -----------------------------------------------------------------------------


class Reach(StrEnum):
    """What a policy does with the addresses there are."""

    REFUSES = "refuses"
    """Some address is turned away."""
    DEPENDS = "depends"
    """Only rules with an expression turn somebody away."""
    PREVIEW = "preview"
    """Some address would be turned away, were the rules in preview in force."""
    OPEN = "open"
    """Every address is let in."""


def reach(policy: Policy) -> Reach:
    """Judged for IPv4, since that is the load balancer's address."""
    if _refuses_an_address(policy.in_force):
        return Reach.REFUSES
    if any(rule.refuses and not rule.ranges for rule in policy.in_force):
        return Reach.DEPENDS
    return Reach.PREVIEW if _refuses_an_address(policy.rules) else Reach.OPEN


def _refuses_an_address(rules: Sequence[Rule]) -> bool:
    undecided = [_EVERYBODY]
    for rule in rules:
        for network in _networks(rule):
            if rule.refuses and any(network.overlaps(each) for each in undecided):
                return True
            undecided = [part for each in undecided for part in _without(each, network)]
    return False


def _networks(rule: Rule) -> Iterator[ipaddress.IPv4Network]:
    for text in rule.ranges:
        network = _EVERYBODY if text == "*" else ipaddress.ip_network(text, strict=False)
        if isinstance(network, ipaddress.IPv4Network):
            yield network


def _without(whole: ipaddress.IPv4Network, part: ipaddress.IPv4Network) -> list[ipaddress.IPv4Network]:
    if whole.subnet_of(part):
        return []
    return list(whole.address_exclude(part)) if part.subnet_of(whole) else [whole]


# --- commands -------------------------------------------------------------------------------------------------------


def admit(policy: Policy, address: str, refusing: Rule | None) -> str:
    """The command that lets an address in, before the rule that refuses it."""
    return _exception(policy, address, refusing, "allow")


def refuse(policy: Policy, address: str, admitting: Rule | None) -> str:
    """The command that turns an address away, before the rule that lets it in."""
    return _exception(policy, address, admitting, "deny-403")


def change(policy: Policy, rule: Rule, flags: str) -> str:
    """The command that changes a rule."""
    return f"gcloud compute security-policies rules update {rule.priority} --security-policy {policy.name} {flags}"


def _exception(policy: Policy, address: str, before: Rule | None, action: str) -> str:
    return (
        f"gcloud compute security-policies rules create {_free(policy, before)} --security-policy {policy.name} "
        f"--src-ip-ranges {address} --action {action}"
    )


def _free(policy: Policy, before: Rule | None) -> str:
    """A priority that no rule has, asked before this one; a word where there is none, or nothing is known."""
    taken = {rule.priority for rule in policy.rules}
    limit = min(before.priority - 1, _USUAL_PRIORITY) if before else -1
    return next((str(number) for number in range(limit, -1, -1) if number not in taken), "PRIORITY")


def seen_as(local: str, load_balancer: str) -> str:
    """The address under which a load balancer sees this machine; "" where a NAT between them gives it another one.

    >>> seen_as("127.0.0.1", "127.9.9.9"), seen_as("10.0.0.7", "34.1.2.3"), seen_as("198.51.100.7", "10.1.2.3")
    ('127.0.0.1', '', '198.51.100.7')
    """
    if not local or (ipaddress.ip_address(load_balancer).is_global and not ipaddress.ip_address(local).is_global):
        return ""
    return local
