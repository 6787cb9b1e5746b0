"""Cloud Armor policies as rules of Envoy's RBAC filter, route by route (pure).

The first rule that matches decides, from the lowest number up; a rule in preview decides nothing. An address is the one
that the connection came from, since Google's front ends take no header's word for it (origin.ip of the rules language,
not X-Forwarded-For). A denial is told by the load balancer in plain HTTP, whatever the call was. What has no backend
service has no policy: a redirect answers everybody.
Sources: Google, "Cloud Armor security policy overview" and Compute API securityPolicies (order, preview, actions);
cloud.google.com/armor, "deny" (403, 404, 502); the page itself is the 134 bytes that people quote.
Simpler than there: rules with an expression (CEL) match nobody; throttle, rate_based_ban and redirect let through whom
they match; only policies of type CLOUD_ARMOR are enforced; a change is in force at once.
"""

from sandbox.dataplane.snapshot import Json, Snapshot, name_of

FILTER = "rbac"
"""Name of the filter, by which a route speaks to it."""
DENIALS = {"deny(403)": (403, "Forbidden"), "deny(404)": (404, "Not Found"), "deny(502)": (502, "Bad Gateway")}
"""Status and reason of each action that refuses."""

_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_EVERYBODY = ["0.0.0.0/0", "::/0"]


def filter_() -> Json:
    """The HTTP filter, which lets everybody in but where a route has rules."""
    return {"name": FILTER, "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.rbac.v3.RBAC"}}


def on_route(service: Json, snapshot: Snapshot) -> Json:
    """What a route to this backend service adds to itself; nothing without a policy."""
    policy = snapshot.security_policies.get(name_of(service.get("securityPolicy") or ""), {})
    if policy.get("type", "CLOUD_ARMOR") != "CLOUD_ARMOR":
        return {}
    matchers = [_matcher(rule) for rule in _in_force(policy)]
    if not matchers:
        return {}
    rules = {"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": _decision("allow")}}
    per_route = {"@type": f"{_EXTENSIONS}.filters.http.rbac.v3.RBACPerRoute", "rbac": rules}
    return {"typed_per_filter_config": {FILTER: per_route}}


def denied(action: str) -> Json:
    """The condition under which the answer is that of a rule with this action."""
    # The filter answers 403 to all of them, and tells only in the response's details which rule it was.
    expression = f"response.code_details == 'rbac_access_denied_matched_policy[{action}]'"
    by_details = {"@type": f"{_EXTENSIONS}.access_loggers.filters.cel.v3.ExpressionFilter", "expression": expression}
    return {"extension_filter": {"name": "details", "typed_config": by_details}}


def page(status: int, reason: str) -> str:
    """What somebody who is refused is shown."""
    return (
        '<!doctype html><meta charset="utf-8"><meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{status}</title>{status} {reason}"
    )


def _in_force(policy: Json) -> list[Json]:
    rules = [rule for rule in policy.get("rules") or [] if not rule.get("preview") and _ranges(rule)]
    return sorted(rules, key=lambda rule: int(rule["priority"]))


def _ranges(rule: Json) -> list[str]:
    ranges: list[str] = ((rule.get("match") or {}).get("config") or {}).get("srcIpRanges") or []
    return ranges


def _matcher(rule: Json) -> Json:
    ranges = [cidr for text in _ranges(rule) for cidr in (_EVERYBODY if text == "*" else [text])]
    source = f"{_EXTENSIONS}.matching.common_inputs.network.v3.DirectSourceIPInput"
    among = {
        "@type": f"{_EXTENSIONS}.matching.input_matchers.ip.v3.Ip",
        "cidr_ranges": [_cidr(text) for text in ranges],
        "stat_prefix": "policy",
    }
    predicate = {
        "input": {"name": "source", "typed_config": {"@type": source}},
        "custom_match": {"name": "ranges", "typed_config": among},
    }
    return {"predicate": {"single_predicate": predicate}, "on_match": _decision(rule["action"])}


def _cidr(text: str) -> Json:
    address, _, length = text.partition("/")
    return {"address_prefix": address, "prefix_len": int(length or (128 if ":" in address else 32))}


def _decision(action: str) -> Json:
    decision = {
        "@type": "type.googleapis.com/envoy.config.rbac.v3.Action",
        "name": action,
        "action": "DENY" if action in DENIALS else "ALLOW",
    }
    return {"action": {"name": "decision", "typed_config": decision}}
