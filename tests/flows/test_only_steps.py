"""A new run that takes some steps only: the others are marked, and the world tells what they would have."""

from typing import Any

import pytest

from flows.provision import provision
from sandbox.stack import Stack
from tasks.core.errors import ResourceFailed
from tests.flows.running import fail, run, steps_of, writes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]


@pytest.mark.parametrize("mode", [{}, {"certificate_mode": "google-managed", "dns_managed_zone": "sandbox-zone"}])
def test_from_the_proof_on_nothing_else_is_done_and_the_proof_holds(stack: Stack, mode: dict[str, Any]) -> None:
    run(provision, **mode)
    before = writes(stack)

    report = run(provision, **mode, from_step="prove")

    assert report.verdict == "verified"
    assert writes(stack) == before
    assert steps_of(report, "done") == {
        "await-turn", "preflight", "discover", "remember-events", "read-address", "read-certificate",
        "read-load-balancer", "prove", "guard-exposure",
    }  # fmt: skip
    assert "apply-ingress" in steps_of(report, "skipped")


def test_a_run_without_the_proof_claims_nothing(stack: Stack) -> None:
    report = run(provision, only_steps=["reserve-address"], address_name="early-address")

    assert report.verdict == "unproved"
    assert report.address
    assert report.verification.outcome == "not run"
    assert "created addresses/early-address" in {f"{change.action} {change.resource}" for change in report.writes}


def test_a_step_whose_forerunner_is_missing_says_which(stack: Stack) -> None:
    error, _ = fail(provision, from_step="prove", address_name="never-reserved")

    assert isinstance(error, ResourceFailed)
    assert error.resource == "addresses/never-reserved"
    assert "milvus-l7 provision" in error.mend
    assert "with all steps" in error.mend
