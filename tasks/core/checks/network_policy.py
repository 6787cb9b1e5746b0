"""Whether the NetworkPolicies let the load balancer in, on the port of Milvus and on that of the health check.

Policies add up: once one selects a Pod, only what some policy admits gets in (Kubernetes, network policies). Google's
front ends and health checks come from two ranges (gke.md §8.2). A cluster without enforcement ignores policies, which
cannot be seen from outside; they say what somebody wants, and become true when it is switched on.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, kubectl, named
from tasks.core.checks.pod_template import container_port, serving_deployments

RANGES = ("130.211.0.0/22", "35.191.0.0/16")
_HEALTH_PORT = 9091
_NAME = "NetworkPolicyCheck"


def checks(facts: Facts) -> Iterator[Check]:
    """One check for each Deployment behind the Service."""
    why = facts.objects.unread.get("NetworkPolicy")
    for deployment in serving_deployments(facts):
        if why:
            yield skipped(_NAME, named(deployment), f"cannot be read: {why}", layer="network")
        else:
            yield _of_deployment(facts, deployment)


def _of_deployment(facts: Facts, deployment: Object) -> Check:
    place, template = named(deployment), deployment["spec"]["template"]
    policies = [each for each in facts.objects.all("NetworkPolicy") if _selects(each, template, facts.namespace)]
    if not policies:
        return passed(_NAME, place, "no NetworkPolicy selects its Pods", layer="network")
    wanted = [port for port in (container_port(facts, deployment), _HEALTH_PORT) if port]
    shut = [
        f"{port} from {source}"
        for port in wanted
        for source in RANGES
        if not any(_admits(policy, source, port, template) for policy in policies)
    ]
    selecting = ", ".join(str(policy["metadata"]["name"]) for policy in policies)
    if not shut:
        return passed(_NAME, place, f"networkpolicy {selecting} lets the load balancer in", layer="network")
    seen = f"networkpolicy {selecting} does not let the load balancer in: {', '.join(shut)}"
    return failed(_NAME, place, seen, f"Let it in: {_opening(policies[0], wanted)}", layer="network")


def _opening(policy: Object, wanted: list[int]) -> str:
    """The command that adds a rule for the load balancer to a policy."""
    sources = ",".join(f'{{"ipBlock":{{"cidr":"{source}"}}}}' for source in RANGES)
    ports = ",".join(f'{{"protocol":"TCP","port":{port}}}' for port in wanted)
    rule = f'{{"from":[{sources}],"ports":[{ports}]}}'
    has_rules = (policy.get("spec") or {}).get("ingress")
    path, value = ("/spec/ingress/-", rule) if has_rules else ("/spec/ingress", f"[{rule}]")
    return kubectl("patch", policy, f"""--type=json -p '[{{"op":"add","path":"{path}","value":{value}}}]'""")


def _selects(policy: Object, template: Object, namespace: str) -> bool:
    spec = policy.get("spec") or {}
    if policy["metadata"].get("namespace") != namespace or "Ingress" not in (spec.get("policyTypes") or ["Ingress"]):
        return False
    labels = (template.get("metadata") or {}).get("labels") or {}
    selector = spec.get("podSelector") or {}
    if not (selector.get("matchLabels") or {}).items() <= labels.items():
        return False
    return all(_fits(expression, labels) for expression in selector.get("matchExpressions") or [])


def _fits(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
    return key not in labels


def _admits(policy: Object, source: str, port: int, template: Object) -> bool:
    rules = (policy.get("spec") or {}).get("ingress") or []
    return any(_from(rule, source) and _on(rule, port, template) for rule in rules)


def _from(rule: Mapping[str, Any], source: str) -> bool:
    """Selectors of Pods and namespaces never fit: the load balancer is neither."""
    peers = rule.get("from")
    wanted = ipaddress.ip_network(source)
    return not peers or any(_within(peer.get("ipBlock") or {}, wanted) for peer in peers)


def _within(block: Mapping[str, Any], wanted: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        cidr = ipaddress.ip_network(block.get("cidr", ""), strict=False)
        excepted = [ipaddress.ip_network(each, strict=False) for each in block.get("except") or []]
    except ValueError:
        return False
    inside = cidr.version == 4 and wanted.version == 4 and wanted.subnet_of(cidr)
    return inside and not any(each.version == 4 and each.overlaps(wanted) for each in excepted)


def _on(rule: Mapping[str, Any], port: int, template: Object) -> bool:
    ports = rule.get("ports")
    return not ports or any(each.get("protocol", "TCP") == "TCP" and _is_port(each, port, template) for each in ports)


def _is_port(each: Mapping[str, Any], port: int, template: Object) -> bool:
    said = each.get("port")
    if isinstance(said, str):
        containers = (template.get("spec") or {}).get("containers") or []
        declared = [declared for container in containers for declared in container.get("ports") or []]
        return any(found.get("name") == said and found["containerPort"] == port for found in declared)
    return said is None or said <= port <= (each.get("endPort") or said)
