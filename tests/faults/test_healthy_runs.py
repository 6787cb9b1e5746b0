"""What is well is not called ill: runs with every delay drawn by lot, and no complaint on the way or afterwards."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from flows.provision import provision
from flows.verify import verify
from sandbox.latency import Latency
from sandbox.stack import Stack
from tasks.checks import check_live_objects
from tasks.core import progress
from tasks.core.diagnosis import troubles
from tasks.core.diagnosis.troubles import Trouble
from tasks.core.progress import Journal
from tasks.core.provision_request import STEPS
from tasks.inspection import compare_three_ways
from tasks.symptoms import read_symptoms
from tests.conftest import a_config
from tests.flows.running import run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

WORLDS = 4
VARIANTS: list[dict[str, Any]] = [
    {},
    {"certificate_mode": "google-managed", "dns_managed_zone": "sandbox-zone"},
    {"http": "disabled", "draining_seconds": 0},
    {"additional_domains": ["also.milvus.example"], "log_sample_rate": 0.25},
    {"dns_managed_zone": "sandbox-zone", "backend_timeout_seconds": 86400},
]


def drawn(lot: random.Random) -> Latency:
    """Delays as they differ on Google Cloud, on a clock some hundred times as fast."""

    def span(most: float) -> tuple[float, float]:
        return lot.uniform(0, most / 2), lot.uniform(most / 2, most)

    return Latency(
        operation_seconds=span(0.6),
        address_seconds=lot.uniform(0, 1.5),
        health_seconds=lot.uniform(0, 2.5),
        certificate_seconds=span(2.0),
        certificate_served_seconds=lot.uniform(0, 1),
        certificate_status_lag_seconds=lot.uniform(0.5, 3),
        resync_seconds=lot.uniform(2, 5),
        calm_seconds=0.0,
        neg_gc_seconds=lot.uniform(1, 3),
        retry_seconds=(lot.uniform(0.05, 0.3), lot.uniform(1, 3)),
    )


@pytest.fixture(
    params=[0, *(pytest.param(number, marks=pytest.mark.exhaustive) for number in range(1, WORLDS))],
    ids="pace-{}".format,
)
def slow_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """A sandbox with a pace of its own."""
    # Drawn anew each time: a pace that breaks something is in the failure's text.
    latency = drawn(random.Random())
    with Stack(tmp_path_factory.mktemp(f"pace-{request.param}"), latency=latency) as stack:
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        yield stack


def test_healthy_runs_raise_no_alarm(slow_stack: Stack) -> None:
    """In each sandbox one run of every kind, each judged on its way and looked at afterwards; twenty in all."""
    for variant in VARIANTS:
        found = f"{variant} at {slow_stack.latency}"
        if "certificate_mode" in variant:
            # Without the proof: gRPC reads its roots once in a process, and another sandbox's may be those.
            report = run(provision, **variant, only_steps=steps_without_proof())
            assert report.verdict == "unproved", found
        else:
            assert run(provision, **variant).verdict == "verified", found
            report = run(verify, **variant)
            assert report.verdict == "verified", found
        assert look(variant) == [], found


def steps_without_proof() -> list[str]:
    """Of a run with a Google-managed certificate and a zone."""
    others = {"prove", "make-tls-secret", "check-tls-secret", "delete-unused-managed-certificate"}
    return [step for step in STEPS if step not in others]


def look(variant: dict[str, Any]) -> list[Trouble]:
    """Everything that verify would call ill but for what a client meets."""
    journal = Journal()
    progress.use(journal)
    config = a_config(**variant)
    check_live_objects.fn(config)
    compare_three_ways.fn(config)
    found = [*troubles.of_checks(journal.checks), *troubles.of_deviations(journal.deviations)]
    return troubles.in_order([*found, *read_symptoms.fn(config)])
