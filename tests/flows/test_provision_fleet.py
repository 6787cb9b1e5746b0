"""A fleet on a real Prefect server with a real worker: who is started, when, and what is told in the end.

The fan-out is tried with a stand-in for `provision` that needs no cluster (`fleet_stand_in.py`); the last test runs
the real flow in a sandbox.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.flows import Flow
from prefect.states import AwaitingRetry, Cancelling, Scheduled

from deployments import prefect_server
from flows.provision_fleet import provision_fleet
from sandbox import chart_install
from sandbox.kube_client import KubeClient
from sandbox.stack import Stack
from tasks import fan_out
from tasks.core import progress
from tasks.core.errors import ConfigurationError
from tasks.core.fleet import FleetFailed
from tasks.core.progress import Journal
from tests.conftest import QUICK
from tests.waiting import eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
POOL = "fleet-test"
DEPLOYMENT = "stand-in/stand-in"
_numbers = itertools.count(1)


@dataclass
class Field:
    """A Prefect server with the deployments, and a folder by which targets are told what to do."""

    client: SyncPrefectClient
    folder: Path
    variables: dict[str, str]

    def order(self, domain: str, what: str) -> None:
        """Tell a target to fail or to wait; empty lets it do its work."""
        file = self.folder / domain
        file.unlink(missing_ok=True)
        if what:
            file.write_text(what)

    def ran(self, domain: str) -> int:
        """How often the target's first step ran."""
        file = self.folder / f"{domain}.ran"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def children(self, fleet_run: Any) -> list[FlowRun]:
        """The runs that Prefect shows below the fleet's."""
        parent = FlowRunFilterParentFlowRunId(any_=[fleet_run])
        return self.client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))

    def start(self, **parameters: Any) -> FlowRun:
        """A fleet by the API, as the UI and a ticket system start it."""
        deployment = self.client.read_deployment_by_name("provision-fleet/of-this-test")
        return self.client.create_flow_run_from_deployment(
            deployment.id, parameters={"deployment": DEPLOYMENT} | parameters
        )

    def end(self, flow_run: Any, attempt: int = 1) -> FlowRun:
        """The run when it has ended its attempt."""

        def look() -> FlowRun | None:
            found = self.client.read_flow_run(flow_run)
            over = found.state is not None and found.state.is_final() and found.run_count >= attempt
            return found if over else None

        return eventually(look)

    def roll_up(self, flow_run: Any, fleet: str = "all") -> dict[str, Any]:
        """What the fleet's run has published last, for machines."""
        wanted = ArtifactFilter(
            key=ArtifactFilterKey(any_=[f"milvus-l7-fleet-report-json-{fleet}"]),
            flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run]),
        )
        (found, *_) = self.client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC)
        loaded: dict[str, Any] = json.loads(str(found.data).removeprefix("```json").removesuffix("```"))
        return loaded

    def roll_up_of_latest(self) -> dict[str, Any]:
        """Of the fleet that was started last, wherever it ran."""
        (run, *_) = self.client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["provision-fleet"])), sort=FlowRunSort.START_TIME_DESC
        )
        return self.roll_up(run.id)


@pytest.fixture(scope="module")
def field(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    folder = tmp_path_factory.mktemp("fleet")
    home = tmp_path_factory.mktemp("prefect-fleet")
    variables = {**prefect_server.environment(home, prefect_api), "STAND_IN_DIR": str(folder)}
    for pool in (POOL, "nobody", "sandbox"):
        command = [sys.executable, "-m", "prefect", "work-pool", "create", pool, "--type", "process"]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **variables})
    for entrypoint, name, pool in (
        ("tests/flows/fleet_stand_in.py:stand_in", "stand-in", POOL),
        ("tests/flows/fleet_stand_in.py:stand_in", "unattended", "nobody"),
        # Names of their own: the server is shared, and a test of tickets counts on where the project's own lead.
        ("flows/provision_fleet.py:provision_fleet", "of-this-test", POOL),
        ("flows/provision.py:provision", "of-this-test", "sandbox"),
    ):
        made: Any = Flow.from_source(source=str(ROOT), entrypoint=entrypoint)
        made.deploy(name=name, work_pool_name=pool, job_variables={"stream_output": False}, print_next_steps=False)
    with get_client(sync_client=True) as client:
        yield Field(client, folder, variables)


@pytest.fixture(scope="module")
def worker(field: Field) -> Iterator[None]:
    with working(field, POOL, field.variables):
        yield


@contextlib.contextmanager
def working(field: Field, pool: str, variables: dict[str, str]) -> Iterator[None]:
    """A worker of a pool."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--install-policy", "never"]
    with (field.folder / f"worker-{pool}.log").open("ab") as output:
        process = prefect_server.detached(
            command,
            environment={**variables, "PREFECT_WORKER_QUERY_SECONDS": "1"},
            output=output,
            outlive=False,
        )
    try:
        yield
    finally:
        prefect_server.stop(process)


def targets(*names: str) -> list[dict[str, str]]:
    """Rows of the table, none of them used before."""
    number = next(_numbers)
    return [{"domain": f"{name}-{number}.example.com", "release": f"{name}-{number}"} for name in names]


def verdicts(found: dict[str, Any]) -> list[str]:
    return [target["verdict"] for target in found["targets"]]


@pytest.mark.usefixtures("worker")
def test_one_that_fails_does_not_stop_the_others_and_a_retry_takes_up_only_that_one(field: Field) -> None:
    """The retry is the UI's button: the same fleet run, the same child, and of that only what failed."""
    rows = targets("a", "b", "c")
    good, bad = rows[0]["domain"], rows[1]["domain"]
    field.order(bad, "fail")

    fleet = field.start(targets=rows, at_once=2, ticket="OPS-7")
    first = field.end(fleet.id)
    told = field.roll_up(fleet.id)
    before = field.children(fleet.id)
    field.order(bad, "")
    field.client.set_flow_run_state(fleet.id, AwaitingRetry())
    second = field.end(fleet.id, attempt=2)
    after = field.children(fleet.id)

    assert first.state is not None
    assert second.state is not None
    assert first.state.is_failed()
    assert f"1 of 3 targets failed: default/{rows[1]['release']} (milvus)" in str(first.state.message)
    assert verdicts(told) == ["verified", "failed", "verified"]
    assert told["targets"][1]["error"]["observed"] == "CrashLoopBackOff"
    assert {target["address"] for target in told["targets"]} == {"203.0.113.9"}
    assert second.state.is_completed()
    assert second.state.message == "3 of 3 verified"
    assert {run.id for run in before} == {run.id for run in after}
    assert sorted(run.run_count for run in after) == [1, 1, 2]
    assert {field.ran(row["domain"]) for row in rows} == {1}, "a completed step ran again"
    assert all({"fleet", "ticket:OPS-7"} <= set(run.tags) for run in after)
    assert next(run for run in after if run.parameters["domain"] == good).parameters["ticket"] == "OPS-7"


@pytest.mark.usefixtures("worker")
@pytest.mark.exhaustive
def test_no_more_than_at_once_are_with_the_pool_and_the_next_starts_when_one_ends(field: Field) -> None:
    rows = targets("e", "f", "g")
    for row in rows:
        field.order(row["domain"], "wait")

    fleet = field.start(targets=rows, at_once=2)
    eventually(lambda: field.ran(rows[0]["domain"]) and field.ran(rows[1]["domain"]))
    time.sleep(4)  # more than a look of the fleet and one of the worker
    started = len(field.children(fleet.id))
    field.order(rows[1]["domain"], "")
    eventually(lambda: field.ran(rows[2]["domain"]))
    for row in rows:
        field.order(row["domain"], "")

    assert started == 2
    assert field.end(fleet.id).state_type is StateType.COMPLETED


@pytest.mark.usefixtures("worker")
@pytest.mark.exhaustive
def test_cancelling_the_fleet_cancels_its_children_within_seconds(field: Field) -> None:
    """Those that run; the one to come is never made. A retry of the fleet takes all of them up again."""
    rows = targets("h", "i", "j")
    for row in rows:
        field.order(row["domain"], "wait")
    fleet = field.start(targets=rows, at_once=2)
    eventually(lambda: field.ran(rows[0]["domain"]) and field.ran(rows[1]["domain"]))

    begun = time.monotonic()
    field.client.set_flow_run_state(fleet.id, Cancelling())
    told = {StateType.CANCELLING, StateType.CANCELLED}
    eventually(lambda: {run.state_type for run in field.children(fleet.id)} <= told)
    print(f"the runs of the fleet were cancelled after {time.monotonic() - begun:.1f} s")  # noqa: T201
    eventually(lambda: {run.state_type for run in field.children(fleet.id)} == {StateType.CANCELLED})

    assert field.end(fleet.id).state_type is StateType.CANCELLED
    assert len(field.children(fleet.id)) == 2

    for row in rows:
        field.order(row["domain"], "")
    field.client.set_flow_run_state(fleet.id, Scheduled(), force=True)  # as prefect flow-run retry does
    again = field.end(fleet.id, attempt=2)
    assert again.state is not None
    assert again.state.message == "3 of 3 verified"
    assert sorted(run.run_count for run in field.children(fleet.id)) == [1, 2, 2]


@pytest.mark.usefixtures("worker")
@pytest.mark.exhaustive
def test_a_fleet_whose_process_is_killed_goes_on_with_the_same_children(field: Field) -> None:
    rows = targets("k", "l", "m")
    field.order(rows[0]["domain"], "wait")
    fleet = field.start(targets=rows, at_once=1)
    eventually(lambda: field.ran(rows[0]["domain"]))

    os.kill(_process_of(fleet.id), signal.SIGKILL)
    crashed = field.end(fleet.id)
    field.client.set_flow_run_state(fleet.id, AwaitingRetry())
    eventually(lambda: field.client.read_flow_run(fleet.id).run_count == 2)
    time.sleep(3)
    field.order(rows[0]["domain"], "")
    ended = field.end(fleet.id, attempt=2)

    assert crashed.state_type is StateType.CRASHED
    assert ended.state is not None
    assert ended.state.message == "3 of 3 verified"
    assert [run.run_count for run in field.children(fleet.id)] == [1, 1, 1]
    assert [field.ran(row["domain"]) for row in rows] == [1, 1, 1]


def test_a_pool_without_a_worker_is_told_with_the_command_and_given_up(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "_STILL_SECONDS", 1.0)
    rows = targets("n", "o", "p")
    journal = Journal()
    progress.use(journal)
    observed: list[str] = []
    journal.listeners.append(lambda _journal, step: observed.append(step.observed))

    with pytest.raises(FleetFailed) as caught:
        provision_fleet(targets=rows, deployment="stand-in/unattended", at_once=2, worker_timeout_seconds=4)

    assert "no worker polls work pool nobody: prefect worker start --pool nobody" in " ".join(observed)
    assert "3 of 3 targets failed" in caught.value.observed
    told = field.roll_up_of_latest()
    assert verdicts(told) == ["not started"] * 3
    assert told["targets"][0]["error"]["mend"].startswith("prefect worker start --pool nobody")
    unattended = [run for run in field.client.read_flow_runs() if run.parameters.get("domain") == rows[0]["domain"]]
    assert [run.state_type for run in unattended] == [StateType.CANCELLED]


def test_every_wrong_target_is_told_and_no_run_is_made(field: Field) -> None:
    before = field.client.count_flow_runs()

    with pytest.raises(ConfigurationError) as caught:
        provision_fleet(
            targets=[{"domain": "Upper.example.com"}, {"domain": "b.example.com", "gke_cluster": "x"}],
            defaults={"chrt_version": "1"},
            deployment=DEPLOYMENT,
        )

    assert "target 1 (Upper.example.com): domain" in caught.value.observed
    assert "target 2 (b.example.com): gke_cluster and gke_location" in caught.value.observed
    assert "all 2 targets: chrt_version: unknown key, did you mean chart_version?" in caught.value.observed
    assert field.client.count_flow_runs() == before + 1, "the fleet's own run only"


def test_a_deployment_that_is_not_there_is_named_with_the_command(field: Field) -> None:
    with pytest.raises(ConfigurationError) as caught:
        provision_fleet(targets=targets("q"), deployment="stand-in/nowhere")

    assert "stand-in/nowhere" in caught.value.resource
    assert "prefect --no-prompt deploy --all" in caught.value.mend


@pytest.mark.exhaustive
@pytest.mark.usefixtures("worker")
def test_real_load_balancers_one_of_which_needs_a_release_that_is_installed_between_the_attempts(
    field: Field, stack: Stack
) -> None:
    rows = [
        {"domain": "milvus.example", "release": "my-release"},
        {"domain": "second.milvus.example", "release": "second", "namespace": "second"},
        {"domain": "third.milvus.example", "release": "my-release", "namespace": "third", "address_name": "third"},
    ]
    defaults = {"dns_managed_zone": "sandbox-zone", "proof_timeout_seconds": 60} | QUICK
    _install(stack, "second", "second")

    with working(field, "sandbox", {**field.variables, **stack.env}):
        fleet = field.start(
            targets=rows, defaults=defaults, at_once=3, fleet="real", deployment="provision/of-this-test"
        )
        first = field.end(fleet.id)
        told = field.roll_up(fleet.id, "real")
        _install(stack, "my-release", "third")
        field.client.set_flow_run_state(fleet.id, AwaitingRetry())
        second = field.end(fleet.id, attempt=2)

    assert verdicts(told) == ["verified", "verified", "failed"]
    assert "third" in told["targets"][2]["error"]["observed"] + told["targets"][2]["error"]["resource"]
    assert len({target["address"] for target in told["targets"][:2]}) == 2
    assert first.state is not None
    assert first.state.is_failed()
    assert second.state is not None
    assert second.state.message == "3 of 3 verified"
    assert sorted(run.run_count for run in field.children(fleet.id)) == [1, 1, 2]


def _install(stack: Stack, release: str, namespace: str) -> None:
    """A release with a Milvus of its own."""
    with contextlib.closing(KubeClient.from_kubeconfig(stack.kubeconfig, user_agent="test")) as kube:
        kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    chart_install.install(stack.kubeconfig, stack.chart, release, namespace, {"service": {"type": "LoadBalancer"}})


def _process_of(flow_run: Any) -> int:
    """The process that runs a flow run: the worker names the run in its environment."""
    import psutil

    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(flow_run):
                return int(process.pid)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    raise AssertionError(f"no process runs {flow_run}")
