"""Failed steps only: a retry by a worker repeats what failed and what builds upon it, and writes nothing twice."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.dns_records import DnsRecords
from sandbox.stack import Stack
from tests.flows.running import objects_written, writes
from tests.workers.workplace import Workplace

pytestmark = pytest.mark.slow

WRITING = {
    "reserve-address", "apply-milvus-release", "apply-backend-config", "apply-frontend-config", "make-tls-secret",
    "apply-managed-certificate", "apply-ingress",
}  # fmt: skip


def over(workplace: Workplace, run: str, attempt: int, state: str) -> dict[str, str]:
    """Wait for the attempt's end in this state; return its tasks' states."""
    ended = workplace.end(run, attempt)
    assert ended["state"]["type"] == state, workplace.told(run)
    return workplace.settled(run, attempt)


def cached(states: dict[str, str]) -> set[str]:
    return {name for name, state in states.items() if state == "Cached"}


def by_api(workplace: Workplace, run: str) -> None:
    workplace.retry(run)


def by_command_line(workplace: Workplace, run: str) -> None:
    import sys

    workplace.command([sys.executable, "-m", "prefect", "flow-run", "retry", run])


@pytest.mark.parametrize("retry", [pytest.param(by_api, marks=pytest.mark.exhaustive), by_command_line])
def test_a_quota_that_was_raised_lets_the_retry_begin_with_the_address(
    workplace: Workplace, stack: Stack, retry: Callable[[Workplace, str], None]
) -> None:
    stack.faults.arm("quota-taken", metric="STATIC_ADDRESSES")
    name = f"quota-{retry.__name__.replace('_', '-')}"
    run = workplace.start(address_name=name, backend_timeout_seconds=1000 + len(name))
    first = over(workplace, run, 1, "FAILED")
    stack.faults.clear()
    (_, before), objects = writes(stack), objects_written(stack)

    retry(workplace, run)
    second = over(workplace, run, 2, "COMPLETED")

    assert first["reserve-address"] == "Failed"
    done = {name for name, state in first.items() if state == "Completed"} & WRITING
    assert {"apply-backend-config", "apply-milvus-release"} <= done
    assert cached(second) >= done
    assert second["reserve-address"] == "Completed"
    # The address; the receipt that says so, and the Ingress that names it.
    assert writes(stack)[1] - before == 1
    assert objects_written(stack) - objects <= 5
    report = workplace.report(run)
    assert report["verdict"] == "verified"
    assert {change["resource"] for change in report["writes"]} >= {f"addresses/{name}"}


def test_backends_that_recover_let_the_retry_begin_with_the_wait(workplace: Workplace, stack: Stack) -> None:
    stack.faults.arm("never-healthy")
    run = workplace.start(backends_timeout_seconds=4)
    first = over(workplace, run, 1, "FAILED")
    stack.faults.clear()
    before = writes(stack)

    workplace.retry(run)
    second = over(workplace, run, 2, "COMPLETED")

    assert first["wait-for-backends"] == "Failed"
    assert cached(second) == {
        name for name in first if name in WRITING | {"preflight", "delete-unused-managed-certificate"}
    }
    assert second["wait-for-backends"] == "Completed"
    assert writes(stack) == before


@pytest.mark.exhaustive
def test_dns_that_was_mended_lets_the_retry_begin_with_the_certificate(workplace: Workplace, stack: Stack) -> None:
    domain = "mended.milvus.example"  # whose record is nobody else's

    def point_at(address: str) -> None:
        token = stack.compute.access_token("somebody")
        with contextlib.closing(DnsRecords(stack.compute.url, token, "sandbox-project")) as records:
            records.set(domain, "A", [address])

    point_at("192.0.2.1")
    run = workplace.start(domain=domain, certificate_mode="google-managed", certificate_timeout_seconds=60)
    first = over(workplace, run, 1, "FAILED")
    point_at(workplace.report(run)["address"])
    before = writes(stack)

    workplace.retry(run)
    second = over(workplace, run, 2, "COMPLETED")

    assert first["wait-for-certificate"] == "Failed"
    assert second["wait-for-certificate"] == "Completed"
    assert cached(second) >= WRITING - {"make-tls-secret"}
    assert writes(stack) == before
    assert workplace.report(run)["verdict"] == "verified"


@pytest.mark.exhaustive
def test_a_retry_after_somebody_else_s_run_looks_at_everything_anew(workplace: Workplace, stack: Stack) -> None:
    """What the first attempt has kept is true only as long as nobody else writes."""
    stack.faults.arm("never-healthy")
    run = workplace.start(backends_timeout_seconds=4, backend_timeout_seconds=1200)
    over(workplace, run, 1, "FAILED")
    stack.faults.clear()
    other = workplace.start(backend_timeout_seconds=1300)
    over(workplace, other, 1, "COMPLETED")

    workplace.retry(run)
    second = over(workplace, run, 2, "COMPLETED")

    assert not cached(second)
    changed: Any = {change["resource"] for change in workplace.report(run)["writes"]}
    assert "backendconfig default/my-release-backendconfig" in changed
