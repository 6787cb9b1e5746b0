"""Cloud Armor policies as rules of Envoy, by table."""

from typing import Any

import pytest

from sandbox.dataplane import policies
from sandbox.dataplane.routes import route_configuration
from sandbox.dataplane.snapshot import Snapshot

Json = dict[str, Any]
LINK = "https://www.googleapis.com/compute/v1/projects/p/global/securityPolicies/office"


def a_rule(priority: int, action: str, *ranges: str, **more: Any) -> Json:
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}}
    return {"priority": priority, "action": action, "match": match, "preview": False, **more}


EVERYBODY = a_rule(2147483647, "deny(403)", "*")


def decisions(*rules: Json, **policy: Any) -> list[tuple[list[str], str, str]]:
    """What is matched, what is decided, and under which name, in Envoy's order."""
    snapshot = Snapshot(security_policies={"office": {"name": "office", "rules": list(rules), **policy}})
    found = policies.on_route({"name": "be", "securityPolicy": LINK}, snapshot)
    if not found:
        return []
    rbac = found["typed_per_filter_config"]["rbac"]["rbac"]
    return [_told(each) for each in rbac["matcher"]["matcher_list"]["matchers"]]


def _told(matcher: Json) -> tuple[list[str], str, str]:
    among = matcher["predicate"]["single_predicate"]["custom_match"]["typed_config"]["cidr_ranges"]
    decision = matcher["on_match"]["action"]["typed_config"]
    return [f"{each['address_prefix']}/{each['prefix_len']}" for each in among], decision["action"], decision["name"]


def test_rules_are_asked_by_ascending_priority() -> None:
    found = decisions(EVERYBODY, a_rule(20, "deny(404)", "127.0.1.0/24"), a_rule(10, "allow", "127.0.1.7"))

    assert found == [
        (["127.0.1.7/32"], "ALLOW", "allow"),
        (["127.0.1.0/24"], "DENY", "deny(404)"),
        (["0.0.0.0/0", "::/0"], "DENY", "deny(403)"),
    ]


@pytest.mark.parametrize(
    ("text", "cidr"), [("10.0.0.0/8", "10.0.0.0/8"), ("10.1.2.3", "10.1.2.3/32"), ("2001:db8::1", "2001:db8::1/128")]
)
def test_an_address_alone_is_a_range_of_one(text: str, cidr: str) -> None:
    assert decisions(a_rule(1, "deny(403)", text))[0][0] == [cidr]


def test_a_rule_in_preview_decides_nothing() -> None:
    assert decisions(a_rule(1, "deny(403)", "*", preview=True), a_rule(2, "allow", "*")) == [
        (["0.0.0.0/0", "::/0"], "ALLOW", "allow")
    ]


@pytest.mark.parametrize("action", ["throttle", "rate_based_ban", "redirect"])
def test_an_action_that_is_not_built_lets_through(action: str) -> None:
    assert decisions(a_rule(1, action, "*"))[0][1] == "ALLOW"


def test_a_rule_with_an_expression_matches_nobody() -> None:
    rule = {"priority": 1, "action": "deny(403)", "match": {"expr": {"expression": "origin.region_code == 'XX'"}}}

    assert decisions(rule) == []


def test_a_policy_of_another_type_is_not_enforced() -> None:
    assert decisions(EVERYBODY, type="CLOUD_ARMOR_EDGE") == []


def test_the_address_is_that_of_the_connection_and_no_headers() -> None:
    snapshot = Snapshot(security_policies={"office": {"rules": [EVERYBODY]}})

    assert "DirectSourceIPInput" in str(policies.on_route({"securityPolicy": LINK}, snapshot))


def test_every_backend_service_has_its_own_policy_the_default_one_included() -> None:
    """Without one of its own everybody meets the default backend (gke-networking-recipes#25)."""
    default: Json = {
        "name": "default",
        "description": '{"kubernetes.io/service-name":"kube-system/default-http-backend"}',
    }
    backend: Json = {"name": "be", "backends": [{"group": "g"}]}
    url_map = {
        "defaultService": "global/backendServices/default",
        "hostRules": [{"hosts": ["a.example.com"], "pathMatcher": "m"}],
        "pathMatchers": [{"name": "m", "defaultService": "global/backendServices/be"}],
    }

    def covered(**services: Json) -> list[str]:
        known = {name: each | services.get(name, {}) for name, each in {"default": default, "be": backend}.items()}
        snapshot = Snapshot(backend_services=known, security_policies={"office": {"rules": [EVERYBODY]}})
        table = route_configuration("r", url_map, snapshot, https_port=443)
        hosts = table["virtual_hosts"]
        return [each["name"] for each in hosts if "typed_per_filter_config" in each["routes"][-1]]

    assert covered() == []
    assert covered(be={"securityPolicy": LINK}) == ["a.example.com"]
    assert covered(default={"securityPolicy": LINK}) == ["*"]
