"""Deploying to a real server: without a question, again and again, to a process pool and to a Kubernetes pool."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deployments import prefect_server
from tests import postgres
from tests.deployments.ticket_world import Prefect
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
NAMES = [deployment["name"] for deployment in PROJECT["deployments"]]
VARIABLES: dict[str, Any] = PROJECT["deployments"][0]["work_pool"]["job_variables"]

pytestmark = pytest.mark.slow


def test_the_plain_command_asks_nothing_and_may_be_repeated(plain: dict[str, Any], server: Prefect) -> None:
    again = deploy_plainly(server)

    assert list(plain) == NAMES
    assert [made["id"] for made in plain.values()] == [made["id"] for made in again.values()]
    for made in plain.values():
        assert re.fullmatch(r"[\w.-]+", made["version"])
        assert made["description"] != "None"
        assert "milvus" in made["tags"]
        assert made["pull_steps"][0]["prefect.deployments.steps.set_working_directory"]["directory"] == str(ROOT)
    triggers = [each for each in server.call("POST", "automations/filter", {}) if each["name"] == "ticket-approved"]
    assert len(triggers) == 1


def test_no_run_comes_of_the_shipped_schedule(plain: dict[str, Any]) -> None:
    """Without somebody's own domain it would fail every night."""
    assert [schedule["active"] for schedule in plain["verify"]["schedules"]] == [False]


def test_a_schedule_of_one_s_own_survives_a_deploy(plain: dict[str, Any], server: Prefect) -> None:
    verify = plain["verify"]
    mine = {
        "slug": "mine",
        "schedule": {"cron": "0 5 * * *", "timezone": "UTC"},
        "active": True,
        "parameters": {"domain": "mine.example.com"},
    }
    server.call("POST", f"deployments/{verify['id']}/schedules", [mine])

    schedules = {schedule["slug"]: schedule for schedule in deploy_plainly(server)["verify"]["schedules"]}

    assert schedules["mine"]["active"]
    assert schedules["mine"]["parameters"] == {"domain": "mine.example.com"}


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        pytest.param({"domain": "Not A Domain"}, "'domain'", id="a domain that is none"),
        pytest.param({}, "'domain' is a required property", id="no domain"),
        pytest.param({"domain": "a.example", "additional_domains": ["b c"]}, "additional_domains[0]", id="in a list"),
        pytest.param({"domain": "a.example", "release": "Mine"}, "'release'", id="a release"),
        pytest.param({"domain": "a.example", "release": "m" * 54}, "'release'", id="too long"),
        pytest.param({"domain": "a.example", "backend_timeout_seconds": 0}, "'backend_timeout_seconds'", id="a number"),
        pytest.param({"domain": "a.example", "certificate_mode": "mine"}, "'certificate_mode'", id="a choice"),
        pytest.param({"domain": "a.example", "only_steps": ["pray"]}, "only_steps[0]", id="a step"),
        pytest.param({"domain": "a.example", "callback_url": "https://u:p@x"}, "'callback_url'", id="with a password"),
        pytest.param({"domain": "a.example", "relaese": "mine"}, "'relaese'", id="a parameter nobody knows"),
    ],
)
def test_the_api_refuses_a_wrong_parameter_by_its_name(
    deployed: dict[str, Any], server: Prefect, parameters: dict[str, Any], named: str
) -> None:
    identity = deployed["provision"]["id"]

    with pytest.raises(httpx.HTTPStatusError) as refused:
        server.call("POST", f"deployments/{identity}/create_flow_run", {"parameters": parameters})

    assert refused.value.response.status_code == 409
    assert named in refused.value.response.json()["detail"]


def test_a_work_queue_with_a_limit_hands_out_one_run_per_release(deployed: dict[str, Any], server: Prefect) -> None:
    """Prefect's own limit per release, which holds a waiting run back before it takes a worker's slot."""
    server.call("POST", "work_pools/milvus-l7/queues", {"name": "my-release", "concurrency_limit": 1})
    runs = [
        server.call(
            "POST",
            f"deployments/{deployed['provision']['id']}/create_flow_run",
            {"parameters": {"domain": "a.example"}, "work_queue_name": "my-release"},
        )
        for _ in range(2)
    ]

    (handed_out,) = polled(server)
    server.call("POST", f"flow_runs/{handed_out}/set_state", {"state": {"type": "PENDING"}})

    assert handed_out in {run["id"] for run in runs}
    assert polled(server) == []
    server.call("POST", f"flow_runs/{handed_out}/set_state", {"state": {"type": "FAILED"}, "force": True})
    assert len(polled(server)) == 1


def test_the_kubernetes_pool_takes_its_template_and_the_code_in_the_image(tmp_path: Path, server: Prefect) -> None:
    """On a server of its own name: the same prefect.yaml, another pool, another folder."""
    run(server, "-m", "deployments.deploy", "--pool", "gke", "--type", "kubernetes", "--code", "/app")
    try:
        pool = server.call("GET", "work_pools/gke")
        made = server.call("GET", "deployments/name/provision/provision")

        assert pool["type"] == "kubernetes"
        assert pool["base_job_template"]["job_configuration"]["job_manifest"]["kind"] == "Job"
        assert made["work_pool_name"] == "gke"
        assert made["pull_steps"] == [{"prefect.deployments.steps.set_working_directory": {"directory": "/app"}}]
        assert made["job_variables"] == {"env": VARIABLES["env"]}
    finally:
        run(server, "-m", "deployments.deploy")


@pytest.mark.exhaustive
def test_run_sh_brings_up_a_server_on_postgresql_and_two_workers(tmp_path: Path) -> None:
    with postgres.running() as url, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        home, log = tmp_path / "home", tmp_path / "run.log"
        more = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url, "PREFECT_HOME": str(home), "PORT": str(port)}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(ROOT / "deployments" / "postgres" / "run.sh")], env={**os.environ, **more}, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", timeout=10) as api:

                def online() -> bool:
                    assert process.poll() is None, log.read_text() + (home / "server.log").read_text()[-2000:]
                    with contextlib.suppress(httpx.HTTPError):
                        found = api.post("work_pools/milvus-l7/workers/filter", json={})
                        return found.status_code == 200 and {worker["name"] for worker in found.json()} == {
                            "worker-1", "worker-2",
                        }  # fmt: skip
                    return False

                eventually(online, seconds=600)
                assert api.get("deployments/name/provision/provision").status_code == 200
            assert not list(home.glob("*.db"))
        finally:
            process.send_signal(signal.SIGTERM)
            ended = process.wait(90)
        assert ended == 143
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A server of our own, with nothing but the work pool."""
    home = tmp_path_factory.mktemp("fresh")
    process, url = prefect_server.start(home)
    prefect = Prefect(url, home)
    try:
        run(prefect, "-m", "prefect", "work-pool", "create", "milvus-l7", "--type", "process")
        yield prefect
        prefect.close()
    finally:
        prefect_server.stop(process)


@pytest.fixture(scope="module")
def plain(server: Prefect) -> dict[str, Any]:
    """Everything, by Prefect's own command, for the first time."""
    return deploy_plainly(server)


@pytest.fixture(scope="module")
def deployed(server: Prefect) -> dict[str, Any]:
    """Everything, by the command that does all."""
    run(server, "-m", "deployments.deploy")
    return {name: server.call("GET", f"deployments/name/{name}/{name}") for name in NAMES}


def deploy_plainly(server: Prefect) -> dict[str, Any]:
    run(server, "-m", "prefect", "--no-prompt", "deploy", "--all")
    return {name: server.call("GET", f"deployments/name/{name}/{name}") for name in NAMES}


def polled(server: Prefect) -> list[str]:
    """Ids of the runs that a worker of the queue would be given now."""
    body = {"work_queue_names": ["my-release"]}
    return [
        found["flow_run"]["id"] for found in server.call("POST", "work_pools/milvus-l7/get_scheduled_flow_runs", body)
    ]


def run(server: Prefect, *arguments: str) -> None:
    """Run a Python program that must succeed, with nobody there to answer a question."""
    # Prefect's own PWD of another folder must not mislead the deployments.
    environment = {**os.environ, **server.environment, "PWD": "/"}
    done = subprocess.run(
        [sys.executable, *arguments], check=False, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
