"""VPC firewall rules before the pods: by priority, and closed where there is none."""

from typing import Any

import pytest

from sandbox.dataplane.firewall import admits
from sandbox.dataplane.prober import targets
from sandbox.dataplane.snapshot import Snapshot

GOOGLE = ["130.211.0.0/22", "35.191.0.0/16"]
Json = dict[str, Any]


def rule(action: str = "allowed", *ports: str, **more: Any) -> Json:
    opened = [{"IPProtocol": "tcp"} | ({"ports": list(ports)} if ports else {})]
    return {"direction": "INGRESS", "priority": 1000, "sourceRanges": GOOGLE, action: opened, **more}


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        pytest.param([], False, id="none"),
        pytest.param([rule()], True, id="all ports"),
        pytest.param([rule("allowed", "80", "9000-9100")], True, id="a span"),
        pytest.param([rule("allowed", "19530")], False, id="another port"),
        pytest.param([rule(sourceRanges=GOOGLE[:1])], False, id="half of the sources"),
        pytest.param([rule(targetTags=["gke-shop-1-node"])], True, id="at GKE's nodes"),
        pytest.param([rule(targetTags=["bastion"])], False, id="at other machines"),
        pytest.param([rule(disabled=True)], False, id="switched off"),
        pytest.param([rule(), rule("denied", priority=999)], False, id="denied before"),
        pytest.param([rule(), rule("denied")], False, id="denied at the same priority"),
        pytest.param([rule(), rule("denied", priority=1001)], True, id="denied after"),
        pytest.param([rule(), rule("denied", priority=1, sourceRanges=["::/0"])], True, id="denied for IPv6"),
    ],
)
def test_the_first_rule_by_priority_decides(rules: list[Json], wanted: bool) -> None:
    assert admits({str(number): each for number, each in enumerate(rules)}, 9091) is wanted


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        pytest.param(None, True, id="no firewall at all"),
        pytest.param({"a": rule("allowed", "19530", "9091")}, True, id="both ports"),
        pytest.param({"a": rule("allowed", "9091")}, False, id="the health check alone"),
    ],
)
def test_an_endpoint_is_reached_where_both_its_ports_are_open(rules: dict[str, Json] | None, wanted: bool) -> None:
    check = {"name": "hc", "type": "HTTP", "httpHealthCheck": {"port": 9091}}
    service = {"name": "bs", "healthChecks": ["global/healthChecks/hc"], "backends": [{"group": "zones/z/negs/n"}]}
    snapshot = Snapshot(
        backend_services={"bs": service}, health_checks={"hc": check}, firewalls=rules,
        endpoints={"z/n": (("10.0.0.1", 19530),)},
    )  # fmt: skip

    (target,) = targets(snapshot)

    assert target.reachable is wanted
