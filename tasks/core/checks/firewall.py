"""Whether the firewall of the network lets the load balancer in, on the port of Milvus and on that of the health check.

GKE's Ingress controller opens it with a rule of its own, `k8s-fw-l7--…` (gke.md §8.2). It does not see a rule that
denies before its own, and one that somebody deleted it makes again when it looks the next time. Of the rules that apply
the one with the smallest priority number decides, at the same number one that denies; without any nothing gets in
(Google Cloud, "VPC firewall rules"). Rules of hierarchical and network firewall policies are not among those read.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tasks.core import names, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.network_policy import RANGES
from tasks.core.checks.objects import Object
from tasks.core.checks.pod_template import container_port, serving_deployments

OF_GKE = "GCE L7 firewall rule"
"""The description of the controller's rule (ingress-gce pkg/firewalls)."""

_NAME = "FirewallCheck"
_PRIORITY = 1000  # Compute's default
_LOOK = timedelta(minutes=10)
"""How often GKE's Ingress controller looks at everything anew (ingress-gce flag --sync-period)."""


def checks(facts: Facts) -> Iterator[Check]:
    """One check; none before Milvus is there."""
    serving = {port for each in serving_deployments(facts) if (port := container_port(facts, each))}
    if serving:
        # Another port than Milvus' own is a fault of the BackendConfig, and GKE opens what that names.
        probed = (((facts.backend_config or {}).get("spec") or {}).get("healthCheck") or {}).get("port")
        yield _of_ports(facts, [*sorted(serving), *({int(probed)} - serving if probed else ())])


def _of_ports(facts: Facts, ports: list[int]) -> Check:
    project, rules = facts.cloud.project, facts.cloud.firewalls
    if rules is None:
        return skipped(_NAME, "firewalls", facts.cloud.unread.get("firewalls", "were not read"), layer="network")
    network = _network(facts, rules)
    place = f"networks/{network}"
    if facts.cloud.network and f"projects/{project}/" not in facts.cloud.network:
        return skipped(_NAME, place, "lies in another project: a Shared VPC", layer="network")
    if not network:
        return skipped(_NAME, "firewalls", "nothing says in which network the cluster is", layer="network")
    here = [rule for rule in rules if status.tail(str(rule.get("network", ""))) == network]
    tags = {tag for rule in here if _gke_made(rule) for tag in rule.get("targetTags") or []}
    applying = [rule for rule in here if _applies(rule, tags)]
    decided = {(source, port): _decides(applying, source, port) for source in RANGES for port in ports}
    for (source, port), rule in decided.items():
        if rule is not None and rule.get("denied"):
            return _denied(facts, rule, network, f"tcp:{port} from {source}", ports)
    if None not in decided.values():
        opened = ", ".join(dict.fromkeys(str(rule["name"]) for rule in decided.values() if rule))
        return passed(_NAME, place, f"firewall rule {opened} lets the load balancer in", layer="network")
    if facts.planned or not facts.cloud.network or not _was_opened(facts):
        return passed(_NAME, place, "GKE's controller opens it with the Ingress", layer="network")
    shut = next(f"tcp:{port} from {source}" for (source, port), rule in decided.items() if rule is None)
    mend = f"GKE's controller makes its rule again within {_LOOK.seconds // 60} minutes, or says in an event why not: "
    mend += f"kubectl -n {facts.namespace} describe ingress {names.ingress(facts.config.release)}. "
    mend += f"At once: {_create(facts, network, ports, _PRIORITY)}"
    seen = f"no firewall rule lets the load balancer in: {shut}"
    return failed(_NAME, place, seen, mend, layer="network")


def _was_opened(facts: Facts) -> bool:
    """Whether GKE must have made its rule: backends were healthy through it, or its controller has looked since."""
    ingress = facts.ingress or {}
    if "HEALTHY" in status.backends_of(ingress).values():
        return True
    made = (ingress.get("metadata") or {}).get("creationTimestamp")
    return made is not None and facts.now - datetime.fromisoformat(made) > _LOOK


def gke_made(rules: Iterable[Object]) -> bool:
    """Whether the rule of some cluster's Ingress controller is among these."""
    return any(_gke_made(rule) for rule in rules)


def _gke_made(rule: Object) -> bool:
    return rule.get("description") == OF_GKE


def _network(facts: Facts, rules: Iterable[Object]) -> str:
    """Name of the cluster's network: as the cluster or its groups say, else where GKE's own rules are, if in one."""
    if facts.cloud.network:
        return status.tail(facts.cloud.network)
    of_gke = {status.tail(str(rule.get("network", ""))) for rule in rules if _gke_made(rule)}
    return of_gke.pop() if len(of_gke) == 1 else ""


def _applies(rule: Object, tags: set[str]) -> bool:
    """Whether a rule is for what comes in at our nodes; GKE's own rules say which tags those have."""
    if rule.get("direction", "INGRESS") != "INGRESS" or rule.get("disabled") or rule.get("targetServiceAccounts"):
        return False
    wanted = rule.get("targetTags")
    return not wanted or bool(tags.intersection(wanted))


def _decides(rules: list[Object], source: str, port: int) -> Object | None:
    """The rule that says whether a connection gets in; None: no rule does, so it does not."""
    fitting = [rule for rule in rules if _from(rule, source) and _on(rule, port)]
    return min(fitting, key=lambda rule: (rule.get("priority", _PRIORITY), not rule.get("denied")), default=None)


def _from(rule: Object, source: str) -> bool:
    """A rule that admits must know the whole range, one that denies a part of it."""
    wanted = ipaddress.ip_network(source)
    known = [ipaddress.ip_network(each, strict=False) for each in rule.get("sourceRanges") or []]
    same = [each for each in known if each.version == wanted.version]
    if rule.get("denied"):
        return any(each.overlaps(wanted) for each in same)
    return any(wanted.subnet_of(each) for each in same)  # type: ignore[arg-type]


def _on(rule: Object, port: int) -> bool:
    return any(
        str(each.get("IPProtocol", "")).lower() in ("tcp", "6", "all") and _has(each.get("ports") or [], port)
        for each in [*(rule.get("allowed") or []), *(rule.get("denied") or [])]
    )


def _has(ports: list[Any], port: int) -> bool:
    """Whether a port is in `["19530", "30000-32767"]`; an empty list is all of them."""
    spans = [str(each).partition("-") for each in ports]
    return not spans or any(int(first) <= port <= int(last or first) for first, _, last in spans)


def _denied(facts: Facts, rule: Object, network: str, what: str, ports: list[int]) -> Check:
    place, priority = f"firewalls/{rule['name']}", int(rule.get("priority", _PRIORITY))
    if priority:
        mend = f"Let it in before: {_create(facts, network, ports, priority - 1)}"
    else:
        mend = "No rule can come before it: "
        mend += f"gcloud compute firewall-rules update {rule['name']} --disabled --project {facts.cloud.project}"
    seen = f"denies {what}, with priority {priority} and so before what lets the load balancer in"
    return failed(_NAME, place, seen, mend, layer="network")


def _create(facts: Facts, network: str, ports: list[int], priority: int) -> str:
    allow = ",".join(f"tcp:{port}" for port in ports)
    return (
        f"gcloud compute firewall-rules create {facts.config.release}-from-load-balancer --network {network} "
        f"--priority {priority} --allow {allow} --source-ranges {','.join(RANGES)} --project {facts.cloud.project}"
    )
