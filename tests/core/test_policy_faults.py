"""A policy that refuses us is told by name, with the command that admits us, and is not taken for something else."""

import pytest

from tasks.core import policy_faults
from tasks.core.armor import Policy, Rule
from tasks.core.diagnosis import Outlook
from tasks.core.ladder import Fault

LAST = 2147483647
WORKER, INSIDE, ADDRESS = "35.1.2.7", "10.0.0.7", "34.1.2.3"
CLOSED = Policy("office", (Rule(1000, "allow", ("203.0.113.0/24",)), Rule(LAST, "deny(403)", ("*",))))


def refused(status: int, *policies: Policy, source: str = WORKER) -> Fault | None:
    return policy_faults.refused_fault(status, policies, source=source, address=ADDRESS)


def test_the_policy_the_rule_the_worker_and_the_command_are_told() -> None:
    found = refused(403, CLOSED)

    assert found is not None
    assert (found.owner, found.cause, found.outlook) == ("compute", "RefusedByPolicy", Outlook.STOP)
    assert found.detail == (
        "Cloud Armor policy office refuses this worker (35.1.2.7) by the default rule (deny(403) *): HTTP 403"
    )
    assert found.mend == (
        "Whoever owns securityPolicies/office can admit it: gcloud compute security-policies rules create 999 "
        "--security-policy office --src-ip-ranges 35.1.2.7 --action allow"
    )


def test_behind_nat_the_log_says_who_we_are() -> None:
    """The load balancer sees the address of the NAT, which this machine does not know."""
    found = refused(403, CLOSED, source=INSIDE)

    assert found is not None
    assert "behind NAT, 10.0.0.7 within" in found.detail
    assert "--src-ip-ranges ADDRESS" in found.mend
    assert "gcloud logging read" in found.mend
    assert "enforcedSecurityPolicy.name=office" in found.mend


def test_rules_that_cannot_be_read_leave_the_name() -> None:
    found = refused(403, Policy("office"))

    assert found is not None
    assert "policy office refuses this worker (35.1.2.7): HTTP 403" in found.detail
    assert "rules create PRIORITY --security-policy office" in found.mend


@pytest.mark.parametrize("status", [404, 502])
def test_a_policy_may_look_like_something_else(status: int) -> None:
    hiding = Policy("office", (Rule(LAST, f"deny({status})", ("*",)),))

    found = refused(status, hiding)

    assert found is not None
    assert (found.cause, f"HTTP {status}" in found.detail) == ("RefusedByPolicy", True)


@pytest.mark.parametrize(
    ("status", "policies", "source"),
    [
        pytest.param(403, [], WORKER, id="there is no policy"),
        pytest.param(404, [CLOSED], WORKER, id="the policy says 403"),
        pytest.param(404, [Policy("office")], WORKER, id="nobody knows what it says"),
        pytest.param(502, [Policy("p", (Rule(LAST, "deny(502)", ("*",)),))], INSIDE, id="502 has likelier causes"),
        pytest.param(429, [CLOSED], WORKER, id="another status"),
        pytest.param(0, [CLOSED], WORKER, id="no answer"),
    ],
)
def test_what_no_policy_explains_is_left_to_others(status: int, policies: list[Policy], source: str) -> None:
    assert refused(status, *policies, source=source) is None
