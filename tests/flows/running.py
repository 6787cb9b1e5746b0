"""Runs of a flow in this process, for the tests of flows: what came out, and what was written for it."""

from typing import Any

import pytest

from sandbox.stack import Stack
from tasks.core import progress
from tasks.core.errors import ProvisioningError
from tasks.core.progress import Journal
from tasks.core.report import Report
from tests.conftest import DOMAIN, QUICK


def run(flow: Any, **parameters: Any) -> Report:
    """Run the flow to a good end."""
    progress.use(Journal())
    finished = flow(**({"domain": DOMAIN, "proof_timeout_seconds": 60} | quick(flow) | parameters))
    assert isinstance(finished, Report)
    return finished


def fail(flow: Any, **parameters: Any) -> tuple[ProvisioningError, Report]:
    """Run the flow, which must fail, and return why it did, and its report."""
    journal = Journal()
    progress.use(journal)
    with pytest.raises(ProvisioningError) as caught:
        flow(**({"domain": DOMAIN} | quick(flow) | parameters))
    return caught.value, journal.facts["report"]


def quick(flow: Any) -> dict[str, Any]:
    """Those of the parameters of a quick run that the flow takes."""
    return {name: value for name, value in QUICK.items() if name in flow.parameters.properties}


def writes(stack: Stack) -> tuple[int, int]:
    """Our writing requests so far: at the API server, at Compute and Cloud DNS."""
    from sandbox.compute.counts import WRITES

    assert stack.kube is not None
    kube = stack.kube.request_counts("admin")
    compute = stack.compute.request_counts(stack.compute.credentials()["client_email"])
    return (
        sum(kube.get(verb, 0) for verb in ("create", "update", "patch", "delete")),
        sum(compute.get(verb, 0) for verb in WRITES),
    )


def objects_written(stack: Stack) -> int:
    """Our writing requests at the API server so far, without those that renew a Lease for as long as a run lasts."""
    assert stack.kube is not None
    kube = stack.kube.request_counts("admin")
    return sum(kube.get(verb, 0) for verb in ("create", "patch", "delete"))


def steps_of(report: Report, state: str) -> set[str]:
    """Names of the steps that ended in this state."""
    return {step.name for step in report.steps if step.state == state}
