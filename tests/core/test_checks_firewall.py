"""The network's firewall: GKE's own rule, what comes before it, and what is left when it is gone."""

import datetime as dt
import json
from collections.abc import Sequence

import pytest

from tasks.core import annotations
from tasks.core.checks import Check, firewall
from tasks.core.checks.facts import Cloud
from tests.core.check_objects import (
    INGRESS,
    NAME,
    NOW,
    PASSED,
    SKIPPED,
    Json,
    a_backend_config,
    an_address,
    an_ingress,
    some_facts,
)

GOOGLE = ["130.211.0.0/22", "35.191.0.0/16"]
NODES = "gke-shop-1234-node"
NETWORK = "https://www.googleapis.com/compute/v1/projects/project-1/global/networks/default"


def a_rule(name: str, **more: object) -> Json:
    known = {"network": NETWORK, "direction": "INGRESS", "priority": 1000, "disabled": False}
    return {"name": name} | known | more


def of_gke(*ports: str, **more: object) -> Json:
    return a_rule(
        "k8s-fw-l7--1", description=firewall.OF_GKE, sourceRanges=GOOGLE, targetTags=[NODES],
        allowed=[{"IPProtocol": "tcp", "ports": list(ports or ("19530", "9091"))}], **more,
    )  # fmt: skip


def denying(priority: int = 900, *, protocol: str = "all", ports: list[str] | None = None, **more: object) -> Json:
    denied = [{"IPProtocol": protocol} | ({"ports": ports} if ports else {})]
    return a_rule("no-strangers", **{"priority": priority, "sourceRanges": ["0.0.0.0/0"], "denied": denied, **more})


def seen_as(health: str, *, minutes_old: float = 1) -> Json:
    """Our Ingress, as its controller last saw the backends."""
    live = an_ingress({annotations.BACKENDS: json.dumps({"k8s1-a": health})} if health else {})
    made = NOW - dt.timedelta(minutes=minutes_old)
    live["metadata"]["creationTimestamp"] = made.strftime("%Y-%m-%dT%H:%M:%SZ")
    return live


def check(*rules: Json, network: str = NETWORK, planned: bool = False, documents: Sequence[Json] = ()) -> Check:
    cloud = Cloud("project-1", {f"addresses/{NAME}": an_address()}, firewalls=rules, network=network)
    (found,) = firewall.checks(some_facts([seen_as("HEALTHY"), *documents], cloud=cloud, planned=planned))
    return found


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([of_gke()], id="GKE's own"),
        pytest.param([of_gke("9000-20000")], id="a span of ports"),
        pytest.param([of_gke(), denying(1001)], id="one that denies comes after it"),
        pytest.param([of_gke(), denying(disabled=True)], id="one that denies is off"),
        pytest.param([of_gke(), denying(targetTags=["bastion"])], id="one that denies is for other machines"),
        pytest.param([of_gke(), denying(protocol="udp")], id="one that denies is for UDP"),
        pytest.param([of_gke(), denying(ports=["22", "8000-9000"], protocol="tcp")], id="for other ports"),
        pytest.param([of_gke(), denying(sourceRanges=["10.0.0.0/8", "2001:db8::/32"])], id="for other sources"),
        pytest.param([of_gke(), denying(direction="EGRESS")], id="for what goes out"),
        pytest.param([of_gke(), denying(network=f"{NETWORK}-2")], id="in another network"),
        pytest.param(
            [a_rule("all", sourceRanges=["0.0.0.0/0"], allowed=[{"IPProtocol": "tcp"}])], id="somebody's for everybody"
        ),
    ],
)
def test_a_firewall_that_lets_google_in_on_both_ports_passes(rules: list[Json]) -> None:
    found = check(*rules)

    assert (found.result, found.layer) == (PASSED, "network")
    assert "lets the load balancer in" in found.observed


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        pytest.param(denying(), "tcp:19530 from 130.211.0.0/22", id="everything"),
        pytest.param(denying(1000), "with priority 1000", id="at the same priority"),
        pytest.param(denying(ports=["9000-9100"], protocol="tcp"), "tcp:9091", id="the health check alone"),
        pytest.param(denying(sourceRanges=["35.191.4.0/24"]), "35.191.0.0/16", id="a part of Google's range"),
        pytest.param(denying(targetTags=[NODES]), "denies tcp", id="at our nodes"),
        pytest.param(denying(protocol="6"), "denies tcp", id="by the protocol's number"),
    ],
)
@pytest.mark.parametrize("planned", [True, False])
def test_a_rule_that_denies_first_is_named_with_one_that_comes_before_it(rule: Json, seen: str, planned: bool) -> None:
    found = check(of_gke(), rule, planned=planned)

    assert found.ends_the_run
    assert (found.cause, found.resource) == ("Firewall", "firewalls/no-strangers")
    assert seen in found.observed
    assert f"--network default --priority {rule['priority'] - 1} --allow tcp:19530,tcp:9091" in found.mend


def test_nothing_comes_before_priority_0_so_the_rule_itself_must_go() -> None:
    found = check(of_gke(), denying(0))

    assert "gcloud compute firewall-rules update no-strangers --disabled" in found.mend


@pytest.mark.parametrize(
    "ingress",
    [
        pytest.param(seen_as("HEALTHY"), id="backends were healthy"),
        pytest.param(seen_as("UNHEALTHY", minutes_old=11), id="its controller has looked since"),
    ],
)
def test_a_rule_of_gke_that_was_there_and_is_gone_is_told(ingress: Json) -> None:
    found = check(documents=[ingress])

    assert found.ends_the_run
    assert found.resource == "networks/default"
    assert "no firewall rule lets the load balancer in: tcp:19530 from 130.211.0.0/22" in found.observed
    assert f"describe ingress {INGRESS.rpartition('/')[2]}" in found.mend
    assert "gcloud compute firewall-rules create my-release-from-load-balancer" in found.mend


def test_a_rule_that_leaves_the_health_check_out_is_told() -> None:
    assert "tcp:9091 from 130.211.0.0/22" in check(of_gke("19530")).observed


def test_the_port_is_the_one_that_the_health_check_asks() -> None:
    """Whether that is Milvus' own is another check's to say; GKE opens what the BackendConfig names."""
    without = a_backend_config() | {"spec": {"healthCheck": {"type": "HTTP"}}}

    assert check(of_gke("19530"), documents=[without]).result is PASSED


@pytest.mark.parametrize(
    ("planned", "ingress"),
    [
        pytest.param(True, seen_as("HEALTHY"), id="by this run"),
        pytest.param(False, seen_as(""), id="just made"),
        pytest.param(False, seen_as("UNHEALTHY"), id="not healthy yet"),
    ],
)
def test_a_rule_that_gke_makes_with_the_ingress_is_not_missed(planned: bool, ingress: Json) -> None:
    assert check(planned=planned, documents=[ingress]).result is PASSED


@pytest.mark.parametrize(
    ("rules", "network", "why"),
    [
        pytest.param([], "", "nothing says in which network", id="nothing is known"),
        pytest.param([of_gke(), of_gke(network="global/networks/b")], "", "in which network", id="two networks"),
        pytest.param([], "projects/host/global/networks/shared", "a Shared VPC", id="another project's network"),
    ],
)
def test_a_network_that_cannot_be_judged_is_skipped(rules: list[Json], network: str, why: str) -> None:
    found = check(*rules, network=network)

    assert found.result is SKIPPED
    assert why in found.observed


def test_rules_that_may_not_be_read_are_skipped_with_the_reason() -> None:
    cloud = Cloud("project-1", unread={"firewalls": "may not list"})

    (found,) = firewall.checks(some_facts(cloud=cloud))

    assert (found.result, found.observed) == (SKIPPED, "may not list")
