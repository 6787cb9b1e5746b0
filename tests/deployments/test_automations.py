"""What automations do about runs that die without a word, and about drift: with a real server, nothing else counts."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from deployments import automations, prefect_server
from tasks.core import progress
from tasks.core.checks import failed, passed
from tasks.core.drift import Deviation
from tasks.core.progress import Journal
from tasks.core.provision_request import ProvisionRequest
from tasks.core.verify_request import VerifyRequest
from tasks.drift_events import emit_drift_events
from tests.deployments.ticket_world import Prefect
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
VARIABLES: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"][0]["work_pool"][
    "job_variables"
]
SLEEPER = """
import os, pathlib, time
from prefect import flow

@flow
def sleeper(pid_file: str) -> None:
    pathlib.Path(pid_file).write_text(str(os.getpid()))
    time.sleep(600)
"""

pytestmark = pytest.mark.slow


def test_the_shipped_automation_outlasts_a_server_that_is_away_for_a_minute_and_starts_for_another() -> None:
    """It judges when the server is back, before any run could say that it lives; two heartbeats may be due then."""
    (written,) = (each for each in automations.shipped() if each["name"] == "dead-runs")
    dead_runs = AutomationCore.model_validate(written)

    frequency = int(VARIABLES["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])

    trigger: Any = dead_runs.trigger
    assert trigger.within.total_seconds() > 60 + 60 + 2 * frequency
    assert trigger.after == {"prefect.flow-run.heartbeat"}


def test_applying_twice_changes_nothing_and_mends_what_somebody_changed(client: SyncPrefectClient) -> None:
    left_out = "drift: left out, there is no deployment provision/provision; deploy, then apply again"
    assert automations.apply_all(client) == ["dead-runs: created", left_out]
    assert automations.apply_all(client) == ["dead-runs: unchanged", left_out]
    wanted = automations.wanted(automations.shipped()[0], client)
    (live,) = client.read_automations_by_name("dead-runs")

    client.update_automation(live.id, wanted.model_copy(update={"description": "somebody's"}))
    client.create_automation(wanted)

    said = automations.apply_all(client)
    found = client.read_automations_by_name("dead-runs")
    assert [automation.description for automation in found] == [wanted.description]
    assert "dead-runs: a second one of that name removed" in said
    assert automations.remove_all(client) == ["dead-runs: removed", "drift: was not there"]
    assert automations.remove_all(client) == ["dead-runs: was not there", "drift: was not there"]
    assert client.read_automations_by_name("dead-runs") == []


def test_a_run_killed_with_its_worker_ends_as_crashed_and_a_healthy_one_goes_on(
    server: Prefect, client: SyncPrefectClient, tmp_path: Path
) -> None:
    """What died before the automation was there is found by `stale`, which sets it to Crashed when told to.

    The automation is the shipped one, but for its patience: 90 s are enough where no server is away.
    """
    shipped = (automations.FOLDER / "dead-runs.yaml").read_text()
    (tmp_path / "hasty").mkdir()
    (tmp_path / "hasty" / "dead-runs.yaml").write_text(shipped.replace("within: 300", "within: 90"))
    deployments = {pool: deploy_sleeper(server, tmp_path, pool) for pool in ("doomed", "safe")}
    with a_worker(server, tmp_path, "safe"):
        healthy = start(server, deployments["safe"], tmp_path / "healthy")
        with a_worker(server, tmp_path, "doomed") as worker:
            forgotten = start(server, deployments["doomed"], tmp_path / "forgotten")
            kill(worker, tmp_path / "forgotten")
        automations.apply_all(client, tmp_path / "hasty")
        with a_worker(server, tmp_path, "doomed") as worker:
            dead = start(server, deployments["doomed"], tmp_path / "dead")
            # The heartbeat that arms the automation is delivered a moment after the run began.
            eventually(lambda: heartbeats(client, dead) >= 1)
            kill(worker, tmp_path / "dead")

        eventually(lambda: state(server, dead)["type"] == "CRASHED")

        assert "No heartbeat for" in state(server, dead)["message"]
        assert state(server, healthy)["type"] == "RUNNING"
        assert [str(run.id) for run in automations.stale(client, 80)] == [forgotten]
        listed = command(server, "stale", "--seconds", "80")
        assert listed.returncode == 1
        assert forgotten in listed.stdout
        crashed = command(server, "stale", "--seconds", "80", "--crash")
        assert crashed.returncode == 0
        assert state(server, forgotten)["type"] == "CRASHED"
        assert state(server, healthy)["type"] == "RUNNING"
        os.kill(int((tmp_path / "healthy").read_text()), signal.SIGKILL)


# --- drift -----------------------------------------------------------------------------------------------------------


def test_what_is_shipped_switched_off_stays_as_somebody_switched_it(server: Prefect, client: SyncPrefectClient) -> None:
    server.deploy()
    automations.remove_all(client)

    assert "drift: created, switched off" in automations.apply_all(client)

    assert not enabled(client)
    assert command(server, "enable", "drift").stdout == "drift: enabled\n"
    assert "drift: unchanged" in automations.apply_all(client)
    assert enabled(client)
    assert command(server, "disable", "drift").returncode == 0
    assert not enabled(client)
    assert command(server, "enable", "no-such").returncode == 1
    automations.remove_all(client)


def test_drift_starts_one_run_of_provision_with_the_configuration_that_was_verified(
    server: Prefect, client: SyncPrefectClient
) -> None:
    """Switched off it starts none; a second look at the same release within the hour starts none either."""
    server.deploy()
    automations.apply_all(client)
    config = a_request("shop", namespace="milvus", backend_timeout_seconds=600, additional_domains="b.milvus.example")
    assert looked_at(a_request("early")) == 3
    automations.switch(client, "drift", on=True)

    sent = looked_at(config)
    eventually(lambda: runs(server, "shop"))
    looked_at(config)
    looked_at(a_request("later"))
    eventually(lambda: runs(server, "later"))

    assert sent == 3
    assert runs(server, "early") == []
    assert runs(server, "shop") == [
        {
            "domain": "shop.milvus.example",
            "release": "shop",
            "namespace": "milvus",
            "additional_domains": ["b.milvus.example"],
            "backend_timeout_seconds": 600,
            "when_busy": "fail",
        }
    ]
    assert ProvisionRequest.parse(runs(server, "shop")[0]).domains == ("shop.milvus.example", "b.milvus.example")
    automations.remove_all(client)


def test_every_finding_has_an_event_that_names_the_run_and_the_release(client: SyncPrefectClient) -> None:
    looked_at(a_request("told"))

    found = eventually(lambda: told if len(told := events(client, "told")) == 3 else None)

    assert sorted(event["event"] for event in found) == [
        "milvus-l7.check.failed",
        "milvus-l7.drift.field",
        "milvus-l7.drift.found",
    ]
    by_name = {event["event"]: event for event in found}
    assert by_name["milvus-l7.drift.field"]["payload"] == DEVIATION.model_dump()
    assert by_name["milvus-l7.check.failed"]["payload"]["cause"] == "AppProtocol"
    (related,) = {each["prefect.resource.id"] for event in found for each in event["related"]}
    run_id = related.removeprefix("prefect.flow-run.")
    assert client.read_flow_run(UUID(run_id)).name == "told"


def test_nothing_is_sent_when_all_is_well_and_a_server_that_is_away_fails_no_run(client: SyncPrefectClient) -> None:
    progress.use(Journal())
    assert emit_drift_events.fn(a_request("well")) == 0
    progress.use(Journal(deviations=[DEVIATION]))

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert emit_drift_events.fn(a_request("away")) == 0

    assert events(client, "away") == []


DEVIATION = Deviation(resource="backendServices/k8s1-a", field="timeoutSec", intent="3600", compute="30", mend="Wait.")


def a_request(release: str, **changes: Any) -> VerifyRequest:
    return VerifyRequest.parse({"domain": f"{release}.milvus.example", "release": release} | changes)


def looked_at(config: VerifyRequest) -> int:
    """What verify does at its end, in a run of its own: one deviation, one failed check and one that passed."""

    @flow(flow_run_name=config.release)
    def look() -> int:
        journal = Journal(deviations=[DEVIATION])
        journal.judge(
            [
                failed("AppProtocolCheck", "service default/a", "is HTTP", "Set it."),
                passed("NegCheck", "service default/a", "is there"),
            ]
        )
        progress.use(journal)
        return emit_drift_events(config)

    return look()


def runs(server: Prefect, release: str) -> list[dict[str, Any]]:
    """Parameters of the runs of provision on a release."""
    return [run["parameters"] for run in server.runs() if run["parameters"].get("release") == release]


def events(client: SyncPrefectClient, release: str) -> list[dict[str, Any]]:
    filters = {"event": {"prefix": ["milvus-l7."]}, "resource": {"id": [f"milvus-l7.release.default.{release}"]}}
    found = client.request("POST", "/events/filter", json={"filter": filters, "limit": 10}).json()["events"]
    return list(found)


def enabled(client: SyncPrefectClient) -> bool:
    (found,) = client.read_automations_by_name("drift")
    return found.enabled


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A server of our own: an automation would act on the runs of other tests."""
    home = tmp_path_factory.mktemp("automations")
    process, url = prefect_server.start(home)
    prefect = Prefect(url, home)
    try:
        yield prefect
        prefect.close()
    finally:
        prefect_server.stop(process)


@pytest.fixture
def client(server: Prefect) -> Iterator[SyncPrefectClient]:
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        yield client


def deploy_sleeper(server: Prefect, folder: Path, pool: str) -> str:
    """Deploy a flow that sleeps, with the variables of prefect.yaml's own deployments."""
    (folder / "sleeper.py").write_text(SLEEPER)
    run(server, [sys.executable, "-m", "prefect", "work-pool", "create", pool, "--type", "process"])
    script = (
        "from prefect import Flow\n"
        f"Flow.from_source(source={str(folder)!r}, entrypoint='sleeper.py:sleeper').deploy(name={pool!r}, "
        f"work_pool_name={pool!r}, job_variables={VARIABLES!r}, print_next_steps=False)\n"
    )
    run(server, [sys.executable, "-c", script])
    return str(server.call("GET", f"deployments/name/sleeper/{pool}")["id"])


def start(server: Prefect, deployment: str, pid_file: Path) -> str:
    """Start a run and wait until its flow is at work."""
    made = server.call("POST", f"deployments/{deployment}/create_flow_run", {"parameters": {"pid_file": str(pid_file)}})
    eventually(lambda: pid_file.exists() and pid_file.read_text())
    return str(made["id"])


@contextlib.contextmanager
def a_worker(server: Prefect, folder: Path, pool: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--install-policy", "never"]
    with (folder / f"{pool}.log").open("ab") as output:
        environment = {**server.environment, "PREFECT_WORKER_QUERY_SECONDS": "1"}
        process = prefect_server.detached(command, environment=environment, output=output, outlive=False)
    try:
        yield process
    finally:
        prefect_server.stop(process)


def kill(worker: "subprocess.Popen[bytes]", pid_file: Path) -> None:
    """SIGKILL a worker, then the flow that it started: nobody is left to tell."""
    os.killpg(worker.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    worker.wait(10)


def state(server: Prefect, run_id: str) -> dict[str, Any]:
    return dict(server.call("GET", f"flow_runs/{run_id}")["state"])


def heartbeats(client: SyncPrefectClient, run_id: str) -> int:
    filters = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": {"id": [f"prefect.flow-run.{run_id}"]}}
    return len(client.request("POST", "/events/filter", json={"filter": filters, "limit": 5}).json()["events"])


def command(server: Prefect, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deployments.automations", *arguments],
        check=False,
        cwd=ROOT,
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
    )


def run(server: Prefect, arguments: list[str]) -> None:
    done = subprocess.run(
        arguments, check=False, env={**os.environ, **server.environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
