"""Prefect's server is away or busy in the middle of a run: the work goes on, and the run ends rightly."""

import sqlite3
import time
from collections.abc import Iterator

import pytest

from sandbox.stack import Stack
from tests.workers.workplace import Workplace, a_workplace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shaky(running_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A server of its own: others must not notice."""
    with a_workplace(tmp_path_factory.mktemp("shaky"), running_stack) as workplace:
        yield workplace


def waiting_run(workplace: Workplace, stack: Stack, step: str = "wait-for-backends") -> str:
    """A run in the middle of a wait, which ends when the faults are cleared."""
    stack.faults.arm("never-healthy")
    run = workplace.start(backend_timeout_seconds=2000 + time.time_ns() % 1000)

    def waits() -> bool:
        return workplace.states(run, 1).get(step) == "Running"

    workplace.until(waits, 400, lambda: workplace.told(run))
    return run


def test_a_server_that_is_away_for_a_minute_costs_the_run_nothing(shaky: Workplace, stack: Stack) -> None:
    run = waiting_run(shaky, stack)

    shaky.stop_server()
    stack.faults.clear()  # the wait ends, the proof is climbed, the report is due: all without a server
    time.sleep(60)
    shaky.start_server()

    ended = shaky.end(run, seconds=600)
    assert ended["state"]["type"] == "COMPLETED", shaky.told(run)
    assert shaky.report(run)["verdict"] == "verified"


@pytest.mark.exhaustive
def test_a_server_that_is_restarted_at_once_goes_unnoticed(shaky: Workplace, stack: Stack) -> None:
    run = waiting_run(shaky, stack)

    shaky.stop_server()
    shaky.start_server()
    stack.faults.clear()

    ended = shaky.end(run, seconds=600)
    assert ended["state"]["type"] == "COMPLETED", shaky.told(run)
    assert shaky.report(run)["verdict"] == "verified"


@pytest.mark.exhaustive
def test_a_database_that_somebody_locks_for_a_while_is_waited_out(shaky: Workplace, stack: Stack) -> None:
    run = waiting_run(shaky, stack)

    connection = sqlite3.connect(shaky.home / "prefect.db", timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        stack.faults.clear()
        time.sleep(20)
        connection.execute("ROLLBACK")
    finally:
        connection.close()

    ended = shaky.end(run, seconds=600)
    assert ended["state"]["type"] == "COMPLETED", shaky.told(run)
    assert shaky.report(run)["verdict"] == "verified"
