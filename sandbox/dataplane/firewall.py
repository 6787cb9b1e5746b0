"""VPC firewall rules, as they decide whether Google's front ends and health checks reach a node's pods (pure).

Of the rules that apply the one with the smallest priority number decides, at the same number one that denies; without
any nothing gets in. Source: Google Cloud, "VPC firewall rules"; gke.md §8.2. Simpler: one network, and every rule whose
target tags are a GKE node's is for all nodes; rules for service accounts are for none.
"""

import ipaddress
import re
from collections.abc import Mapping

from sandbox.dataplane.snapshot import Json

FRONT_ENDS = tuple(ipaddress.IPv4Network(each) for each in ("130.211.0.0/22", "35.191.0.0/16"))
_NODE_TAG = re.compile(r"gke-.+-node")


def admits(rules: Mapping[str, Json], port: int) -> bool:
    """Whether the front ends reach this port, from everywhere they may come from."""
    here = [rule for rule in rules.values() if _applies(rule) and _has_port(rule, port)]
    return all(_decided(here, source) for source in FRONT_ENDS)


def _decided(rules: list[Json], source: ipaddress.IPv4Network) -> bool:
    fitting = [rule for rule in rules if _is_from(rule, source)]
    first = min(fitting, key=lambda rule: (rule.get("priority", 1000), not rule.get("denied")), default=None)
    return first is not None and not first.get("denied")


def _applies(rule: Json) -> bool:
    if rule.get("direction") != "INGRESS" or rule.get("disabled") or rule.get("targetServiceAccounts"):
        return False
    tags = rule.get("targetTags") or []
    return not tags or any(_NODE_TAG.fullmatch(tag) for tag in tags)


def _has_port(rule: Json, port: int) -> bool:
    for each in [*(rule.get("allowed") or []), *(rule.get("denied") or [])]:
        if str(each["IPProtocol"]).lower() in ("tcp", "6", "all"):
            spans = [str(text).partition("-") for text in each.get("ports") or []]
            if not spans or any(int(first) <= port <= int(last or first) for first, _, last in spans):
                return True
    return False


def _is_from(rule: Json, source: ipaddress.IPv4Network) -> bool:
    """One that denies a part of the range is taken for one that denies it, since a probe may come from there."""
    known = [ipaddress.ip_network(each) for each in rule.get("sourceRanges") or []]
    same = [each for each in known if isinstance(each, ipaddress.IPv4Network)]
    if rule.get("denied"):
        return any(each.overlaps(source) for each in same)
    return any(source.subnet_of(each) for each in same)
