"""Cloud Armor policies: what their rules must be, and the verbs that change them one by one (pure).

Source: Compute v1 reference of securityPolicies; texts of refusals where a report shows them (googleapis/
python-compute#173 for a priority that is not there, hashicorp/terraform-provider-google#17275 for rate limits),
otherwise in their style. Simpler than there: an expression (CEL) is stored as it is, without a look at its grammar; no
networkMatch, which only other types of policies have.
"""

import copy
import ipaddress
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.compute import fields
from sandbox.compute.errors import GoogleError, invalid, required

Resource = dict[str, Any]

DEFAULT_PRIORITY = 2_147_483_647
"""Of the rule that every policy has, which matches every address."""

_DENIALS = ("deny(403)", "deny(404)", "deny(502)")
_RATES = ("throttle", "rate_based_ban")
_ACTIONS = ("allow", *_DENIALS, *_RATES, "redirect", "redirect_to_recaptcha")
_TYPES = ("CLOUD_ARMOR", "CLOUD_ARMOR_EDGE", "CLOUD_ARMOR_NETWORK")
_MOST_RANGES = 10


def check(policy: Resource) -> None:
    """Check a whole policy, and give it its default rule and every rule its defaults, in place.

    Raises:
        GoogleError: 400, naming the field.
    """
    if policy.get("type") not in _TYPES:
        raise invalid("type", policy.get("type"), f"Must be one of [{', '.join(_TYPES)}].")
    rules = [_checked(rule, f"rules[{index}].") for index, rule in enumerate(policy.get("rules") or [])]
    if all(rule["priority"] != DEFAULT_PRIORITY for rule in rules):
        rules.append(_checked(_default_rule(), ""))
    policy["rules"] = _in_order(rules)


def rule_of(policy: Resource, priority: str) -> Resource:
    """The rule of this priority, 0 when none is named.

    Raises:
        GoogleError: 400; there is none.
    """
    number = _number(priority)
    for rule in policy["rules"]:
        if rule["priority"] == number:
            found: Resource = rule
            return found
    why = f"{policy['name']} does not contain a rule at priority {number}."
    raise invalid("priority", number, why, prefix="")


def _add(policy: Resource, rule: Resource, _priority: str) -> Resource:
    return policy | {"rules": _in_order([*policy["rules"], _checked(rule, "")])}


def _patch(policy: Resource, change: Resource, priority: str) -> Resource:
    old = rule_of(policy, priority)
    if change.get("priority") is not None and old["priority"] == DEFAULT_PRIORITY != change["priority"]:
        raise invalid("priority", change["priority"], "The priority of the default rule cannot be changed.")
    # A match is one thing: a patch from ranges to an expression does not leave the ranges.
    kept = {key: value for key, value in old.items() if key != "match" or change.get("match") is None}
    return policy | {"rules": _in_order([*_others(policy, old), _checked(fields.merged(kept, change), "")])}


def _remove(policy: Resource, _nothing: Resource, priority: str) -> Resource:
    old = rule_of(policy, priority)
    if old["priority"] == DEFAULT_PRIORITY:
        raise invalid("priority", DEFAULT_PRIORITY, "The default rule cannot be removed.", prefix="")
    return policy | {"rules": _others(policy, old)}


CHANGES: Mapping[str, Callable[[Resource, Resource, str], Resource]] = {
    "addRule": _add,
    "patchRule": _patch,
    "removeRule": _remove,
}
"""The policy after each verb, from the policy, the body and the query parameter `priority`."""


def _others(policy: Resource, rule: Resource) -> list[Resource]:
    return [each for each in policy["rules"] if each is not rule]


def _default_rule() -> Resource:
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}
    description = "default rule"
    return {"priority": DEFAULT_PRIORITY, "action": "allow", "match": match, "description": description}


def _in_order(rules: list[Resource]) -> list[Resource]:
    found = sorted(rules, key=lambda rule: int(rule["priority"]))
    for before, after in itertools.pairwise(found):
        if before["priority"] == after["priority"]:
            raise invalid("priority", after["priority"], "Cannot have rules with the same priorities.")
    return found


def _checked(given: Resource, at: str) -> Resource:
    """A rule with its defaults."""
    rule = fields.with_defaults(
        fields.without_nulls(copy.deepcopy(given)),
        {"kind": "compute#securityPolicyRule", "priority": 0, "preview": False, "description": ""},
    )
    priority, action = rule["priority"], rule.get("action")
    if not (isinstance(priority, int) and 0 <= priority <= DEFAULT_PRIORITY):
        raise invalid(f"{at}priority", priority, f"Must be between 0 and {DEFAULT_PRIORITY}, inclusive.")
    if not action:
        raise required(f"resource.{at}action")
    if action not in _ACTIONS:
        raise invalid(f"{at}action", action, f"Must be one of [{', '.join(_ACTIONS)}].")
    if (action in _RATES) != bool(rule.get("rateLimitOptions")):
        why = "Rate limit options must be specified if the action is 'fairshare', 'rate_based_ban' or 'throttle'. "
        raise invalid(f"{at}rateLimitOptions", "", f"{why}It cannot be specified for any other actions")
    ranges = _ranges(rule.get("match") or {}, at)
    if priority == DEFAULT_PRIORITY and ranges != ["*"]:
        raise invalid(f"{at}match", ", ".join(ranges), "The default rule must match all traffic ('*').")
    return rule


def _ranges(match: Resource, at: str) -> list[str]:
    """Source ranges of a match, none of one by expression."""
    versioned, expression = match.get("versionedExpr"), (match.get("expr") or {}).get("expression")
    if bool(versioned) == bool(expression):
        raise invalid(f"{at}match", "", "Exactly one of versionedExpr and expr must be specified.")
    if expression:
        return []
    if versioned != "SRC_IPS_V1":
        raise invalid(f"{at}match.versionedExpr", versioned, "Must be one of [SRC_IPS_V1].")
    ranges: list[str] = (match.get("config") or {}).get("srcIpRanges") or []
    field = f"{at}match.config.srcIpRanges"
    if not ranges:
        raise required(f"resource.{field}")
    if len(ranges) > _MOST_RANGES:
        raise invalid(field, len(ranges), f"At most {_MOST_RANGES} source IP ranges may be specified.")
    for index, text in enumerate(ranges):
        _check_range(f"{field}[{index}]", text)
    return ranges


def _check_range(field: str, text: str) -> None:
    try:
        if text != "*":
            ipaddress.ip_network(text)
    except ValueError:
        raise invalid(field, text, "Must be a valid CIDR range, an IP address or '*'.") from None


def _number(priority: str) -> int:
    if not priority:
        return 0
    if not priority.isascii() or not priority.isdigit():
        raise GoogleError(400, "invalidParameter", f"Invalid value '{priority}'. Values must be of type int32.")
    return int(priority)
