"""Cancel in the UI: the run stops within seconds and leaves a state that the next run takes over."""

import time

import pytest

from sandbox.stack import Stack
from tasks.clients import kubernetes
from tasks.core import names
from tests.conftest import a_config
from tests.waiting import eventually
from tests.workers.workplace import Workplace

pytestmark = pytest.mark.slow

GOOGLE_MANAGED = {"certificate_mode": "google-managed", "dns_managed_zone": "sandbox-zone"}
WAITS = {
    "wait-for-backends": ("never-healthy", {}),
    "wait-for-address": ("controller-off", {"address_name": "cancelled-address"}),
    "wait-for-certificate": ("certificate-stuck", GOOGLE_MANAGED),
}


@pytest.mark.parametrize(
    "step",
    [
        "wait-for-backends",
        pytest.param("wait-for-address", marks=pytest.mark.exhaustive),
        # In a sandbox of its own: a certificate that an earlier test made ACTIVE is waited for by nobody.
        pytest.param("wait-for-certificate", marks=pytest.mark.exhaustive),
    ],
)
def test_a_cancelled_wait_ends_within_seconds_and_the_next_run_goes_on(
    workplace: Workplace, stack: Stack, step: str
) -> None:
    fault, parameters = WAITS[step]
    stack.faults.arm(fault)
    run = workplace.start(**parameters, backend_timeout_seconds=3000 + time.time_ns() % 1000)
    eventually(lambda: workplace.states(run, 1).get(step) == "Running", explain=lambda: workplace.told(run))

    begun = time.monotonic()
    workplace.cancel(run)
    ended = workplace.end(run)
    print(f"{step} cancelled after {time.monotonic() - begun:.1f} s")  # noqa: T201

    assert ended["state"]["type"] == "CANCELLED"
    # Prefect kills what has not ended after 30 s. What ends by itself gives its Lease back.
    lease = kubernetes.cluster(a_config()).read(kubernetes.LEASE, "default", names.lease("my-release"))
    assert lease is not None
    assert not lease["spec"].get("holderIdentity")
    stack.faults.clear()
    following = workplace.start(**parameters)
    assert workplace.end(following)["state"]["type"] == "COMPLETED", workplace.told(following)


def test_a_cancelled_run_can_be_retried(workplace: Workplace, stack: Stack) -> None:
    stack.faults.arm("never-healthy")
    run = workplace.start(backend_timeout_seconds=3000 + time.time_ns() % 1000)
    eventually(lambda: workplace.states(run, 1).get("wait-for-backends") == "Running")
    workplace.cancel(run)
    workplace.end(run)
    stack.faults.clear()

    workplace.retry(run)

    assert workplace.end(run, 2)["state"]["type"] == "COMPLETED", workplace.told(run)
    assert workplace.settled(run, 2)["apply-ingress"] == "Cached"
