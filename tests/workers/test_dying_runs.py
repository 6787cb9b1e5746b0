"""A run dies by SIGKILL, at every border of a step and in every wait; what follows ends where a healthy run would."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox import chart_install
from sandbox.stack import Stack
from tasks import helm_release
from tasks.clients import compute, kubernetes
from tasks.core import names
from tasks.core.config import LoadBalancerConfig
from tests.conftest import QUICK, a_config
from tests.workers import mortal
from tests.workers.workplace import Workplace

pytestmark = pytest.mark.slow

STEPS = (
    "await-turn", "preflight", "reserve-address", "apply-milvus-release", "apply-backend-config",
    "apply-frontend-config", "make-tls-secret", "apply-dns-record", "wait-for-rollout", "check-dns-record",
    "apply-ingress", "wait-for-address", "wait-for-backends", "delete-unused-managed-certificate", "prove",
)  # fmt: skip
HELD = {"wait-for-address": "controller-off", "wait-for-backends": "never-healthy"}
_KILLED = -9
_numbers = itertools.count(1)


@dataclass
class Release:
    """A release with a Milvus of its own, behind its Layer-4 balancer."""

    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        return {"release": self.name, "domain": f"{self.name}.milvus.example", "dns_managed_zone": "sandbox-zone"}

    @property
    def config(self) -> LoadBalancerConfig:
        return a_config(**self.parameters)

    def read(self, kind: kubernetes.Kind, name: str) -> dict[str, Any]:
        found = kubernetes.cluster(self.config).read(kind, "default", name)
        assert found is not None
        return found

    def revisions(self) -> list[str]:
        """Status of every Helm revision, oldest first."""
        records = helm_release.revisions(kubernetes.cluster(self.config), self.config)
        found = {int(record["metadata"]["labels"]["version"]): record for record in records}
        return [found[number]["metadata"]["labels"]["status"] for number in sorted(found)]


@pytest.fixture
def release(stack: Stack) -> Iterator[Release]:
    """Its Milvus ends with the test: each takes a twentieth of a core."""
    made = Release(f"mortal-{next(_numbers)}")
    chart_install.install(stack.kubeconfig, stack.chart, made.name, "default", {"service": {"type": "LoadBalancer"}})
    yield made
    deployment = f"{names.service(made.name)}-standalone"
    kubernetes.cluster(made.config).delete(kubernetes.DEPLOYMENT, "default", deployment)


def order(workplace: Workplace, *orders: str) -> None:
    workplace.orders.write_text("".join(f"{line}\n" for line in orders))


def test_killed_at_every_border_of_a_step_the_next_run_takes_over(workplace: Workplace, release: Release) -> None:
    """Every run dies a little later than the one before, until there is nothing left to die of."""
    order(workplace, *(f"{when} {step}" for step in STEPS for when in ("running", "done")))

    ends = list(itertools.takewhile(bool, (live(workplace, release) for _ in range(2 * len(STEPS) + 1))))

    assert ends == [_KILLED] * 2 * len(STEPS)
    assert workplace.orders.read_text() == ""
    assert_like_one_healthy_run(release)


def live(workplace: Workplace, release: Release) -> int:
    return mortal.die_or_end(workplace.environment, {**QUICK, **release.parameters, "proof_timeout_seconds": 60})


def assert_like_one_healthy_run(release: Release) -> None:
    """One address, one key pair, one Helm revision for the one change, nothing pending."""
    assert release.revisions() == ["superseded", "deployed"]
    secret = release.read(kubernetes.SECRET, names.certificate(release.name))
    assert [entry["operation"] for entry in secret["metadata"]["managedFields"]] == ["Update"]
    address = compute.api(release.config).get("addresses", names.address(release.name))
    assert address is not None
    assert len(address["users"]) == 2
    ingress = release.read(kubernetes.INGRESS, names.ingress(release.name))
    assert ingress["status"]["loadBalancer"]["ingress"] == [{"ip": address["address"]}]


@pytest.mark.exhaustive
def test_killed_in_every_wait_the_retries_go_on_where_it_stopped(
    workplace: Workplace, stack: Stack, release: Release
) -> None:
    """By a worker; each attempt dies in one wait, and the retry finds the writes before it done."""
    # One order for each attempt, since waits run side by side, and each wait held by a fault: what is over at its first
    # look has nothing to see.
    order(workplace, "seen wait-for-rollout")
    stack.faults.arm("kube-unavailable", verb="create", resource="pods")
    run = workplace.start("provision/mortal", **release.parameters)
    crashed(workplace, run, 1)
    for attempt, (step, fault) in enumerate(HELD.items(), start=2):
        order(workplace, f"seen {step}")
        stack.faults.clear()
        stack.faults.arm(fault)
        crashed_again(workplace, run, attempt)
    stack.faults.clear()

    workplace.retry(run)

    assert workplace.end(run, 4)["state"]["type"] == "COMPLETED", workplace.told(run)
    assert workplace.orders.read_text() == ""
    assert {name for name, state in workplace.settled(run, 4).items() if state == "Cached"} >= {
        "reserve-address", "apply-milvus-release", "make-tls-secret", "apply-dns-record", "apply-ingress",
    }  # fmt: skip
    assert_like_one_healthy_run(release)


@pytest.mark.exhaustive
def test_killed_while_google_issues_the_certificate_the_retry_waits_on(
    workplace: Workplace, stack: Stack, release: Release
) -> None:
    order(workplace, "seen wait-for-certificate")
    stack.faults.arm("certificate-stuck")
    run = workplace.start("provision/mortal", **release.parameters, certificate_mode="google-managed")
    crashed(workplace, run, 1)
    stack.faults.clear()

    workplace.retry(run)

    assert workplace.end(run, 2)["state"]["type"] == "COMPLETED", workplace.told(run)
    assert workplace.report(run)["certificate"]["status"] == "ACTIVE"


def crashed(workplace: Workplace, run: str, attempt: int) -> None:
    """The attempt ends in a crash, which the worker tells within a second; it does not stay Running."""
    assert workplace.end(run, attempt)["state"]["type"] == "CRASHED", workplace.told(run)


def crashed_again(workplace: Workplace, run: str, attempt: int) -> None:
    workplace.retry(run)
    crashed(workplace, run, attempt)
