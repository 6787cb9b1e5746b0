"""What is well is not called ill: runs with every delay drawn by lot, and no complaint on the way or afterwards."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from tasks.checks import check_live_objects

from flows.provision import provision
from sandbox.latency import Latency
from sandbox.stack import Stack
from tasks.core import progress
from tasks.core.diagnosis import troubles
from tasks.core.progress import Journal
from tasks.core.provision_request import STEPS
from tasks.inspection import compare_three_ways
from tasks.symptoms import read_symptoms
from tests.faults import table
from tests.flows.running import run
from tests.tasks.world import World

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

WORLDS, RUNS = 4, 5
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
        neg_gc_seconds=lot.uniform(1, 3),
        retry_seconds=(lot.uniform(0.05, 0.3), lot.uniform(1, 3)),
    )


@pytest.fixture(params=range(WORLDS))
def slow_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """A sandbox with a pace of its own."""
    # Drawn anew each time: a pace that breaks something is in the failure's text.
    latency = drawn(random.Random())
    with Stack(tmp_path_factory.mktemp(f"pace-{request.param}"), latency=latency, milvus=False) as stack:
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        yield stack


def test_twenty_healthy_runs_raise_no_alarm(slow_world: Stack) -> None:
    """In each of the worlds, one run of every kind; the proof is the business of others."""
    for variant in VARIANTS[:RUNS]:
        world = World(slow_world)
        world.install()
        parameters = {**table.parameters_of(world), **variant}
        parameters["only_steps"] = steps_of(parameters)

        report = run(provision, **parameters)

        found = f"{variant} at {slow_world.latency}"
        assert report.verdict == "unproved", found
        assert look(world, {key: value for key, value in parameters.items() if key != "only_steps"}) == [], found


def steps_of(parameters: dict[str, Any]) -> list[str]:
    """All but the proof, which has no Milvus to talk to here."""
    google = parameters.get("certificate_mode") == "google-managed"
    others = {"prove", "check-tls-secret"}
    others |= {"make-tls-secret", "delete-unused-managed-certificate"} if google else {"wait-for-certificate"}
    others |= set() if google else {"apply-managed-certificate"}
    others |= set() if "dns_managed_zone" in parameters else {"apply-dns-record"}
    return [step for step in STEPS if step not in others]


def look(world: World, parameters: dict[str, Any]) -> list[object]:
    """Everything that verify would call ill."""
    journal = Journal()
    progress.use(journal)
    config = world.config(**{key: value for key, value in parameters.items() if key != "proof_timeout_seconds"})
    check_live_objects.fn(config)
    compare_three_ways.fn(config)
    found = [*troubles.of_checks(journal.checks), *troubles.of_deviations(journal.deviations)]
    return list(troubles.in_order([*found, *read_symptoms.fn(config)]))
