"""Prefect's server is away or busy in the middle of a run: the work goes on, and the run ends rightly.

The server is the one of all tests here, which come one after the other; each leaves it running.
"""

import sqlite3
import time

import pytest

from sandbox.stack import Stack
from tests.waiting import eventually
from tests.workers.workplace import Workplace

pytestmark = pytest.mark.slow


def waiting_run(workplace: Workplace, stack: Stack, step: str = "wait-for-backends") -> str:
    """A run in the middle of a wait, which ends when the faults are cleared."""
    stack.faults.arm("never-healthy")
    run = workplace.start(backend_timeout_seconds=2000 + time.time_ns() % 1000)

    def waits() -> bool:
        return workplace.states(run, 1).get(step) == "Running"

    eventually(waits, explain=lambda: workplace.told(run))
    return run


def assert_verified(workplace: Workplace, run: str) -> None:
    ended = workplace.end(run, seconds=600)
    assert ended["state"]["type"] == "COMPLETED", workplace.told(run)
    assert workplace.report(run)["verdict"] == "verified"


def test_a_server_that_is_away_for_a_minute_costs_the_run_nothing(workplace: Workplace, stack: Stack) -> None:
    run = waiting_run(workplace, stack)

    workplace.stop_server()
    stack.faults.clear()  # the wait ends, the proof is climbed, the report is due: all without a server
    time.sleep(60)
    workplace.start_server()

    assert_verified(workplace, run)


@pytest.mark.exhaustive
def test_a_server_that_is_restarted_at_once_goes_unnoticed(workplace: Workplace, stack: Stack) -> None:
    run = waiting_run(workplace, stack)

    workplace.stop_server()
    workplace.start_server()
    stack.faults.clear()

    assert_verified(workplace, run)


@pytest.mark.exhaustive
def test_a_database_that_somebody_locks_for_a_while_is_waited_out(workplace: Workplace, stack: Stack) -> None:
    run = waiting_run(workplace, stack)

    connection = sqlite3.connect(workplace.home / "prefect.db", timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        stack.faults.clear()
        time.sleep(20)
        connection.execute("ROLLBACK")
    finally:
        connection.close()

    assert_verified(workplace, run)
