"""A Prefect server with our deployments and a worker that sees the sandbox: flows as their users run them."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx

from deployments import local, prefect_server
from sandbox.stack import Stack
from tests.conftest import DOMAIN, QUICK
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_OPEN = {"Pending", "Running", "Scheduled", "NotReady"}
Json = dict[str, Any]


class Workplace:
    """One server with its own home, one process worker, and the API by plain HTTP."""

    def __init__(self, home: Path, cloud: Mapping[str, str]) -> None:
        self.home = home
        self.server, self.url = prefect_server.start(home)
        self.environment: dict[str, str] = {
            **cloud,
            **prefect_server.environment(home, self.url),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            # A dead run's turn is over soon.
            "MILVUS_L7_LEASE_SECONDS": "2",
            "MORTAL_ORDERS": str(home / "orders"),
        }
        self.orders = home / "orders"
        self.orders.touch()
        self._api = httpx.Client(base_url=f"{self.url}/", timeout=30, transport=httpx.HTTPTransport())
        self._worker: Popen[bytes] | None = None

    def close(self) -> None:
        self.stop_worker()
        prefect_server.stop(self.server)
        self._api.close()

    def stop_server(self) -> None:
        prefect_server.stop(self.server)

    def start_server(self) -> None:
        """Again, at the same address and with the same database."""
        port = int(self.url.removesuffix("/api").rpartition(":")[2])
        self.server, _ = prefect_server.start(self.home, port)

    def deploy(self) -> None:
        """Everything in prefect.yaml, and the flow that dies on order."""
        local.prepare(self.environment)
        script = (
            "from prefect import Flow\n"
            f"made = Flow.from_source(source={str(ROOT)!r}, entrypoint='tests/workers/mortal.py:provision')\n"
            f"made.deploy(name='mortal', work_pool_name={local.POOL!r}, print_next_steps=False,"
            " job_variables={'stream_output': False})\n"
        )
        self.command([sys.executable, "-c", script])

    def command(self, command: list[str]) -> str:
        """Run a program beside the worker; it must succeed."""
        import subprocess

        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start_worker(self) -> None:
        self._worker = local.start_worker(self.home, self.environment)

    def stop_worker(self) -> None:
        if self._worker is not None:
            prefect_server.stop(self._worker)
            self._worker = None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One API call, repeated while the database is busy."""
        deadline = time.monotonic() + 30
        while True:
            response = self._api.request(method, path, json=body)
            if response.status_code != 503 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def start(self, deployment: str = "provision/provision", **parameters: Any) -> str:
        """Ask for a run, as a ticket system does, and return its id."""
        found = self.call("GET", f"deployments/name/{deployment}")["id"]
        body = {"parameters": {"domain": DOMAIN, "proof_timeout_seconds": 60} | QUICK | parameters}
        return str(self.call("POST", f"deployments/{found}/create_flow_run", body)["id"])

    def retry(self, run: str) -> str:
        """What the UI's Retry button sends; return the run's id, which stays."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry"}
        answer = self.call("POST", f"flow_runs/{run}/set_state", {"state": state})
        assert answer["status"] == "ACCEPT", answer
        return run

    def cancel(self, run: str) -> None:
        """What the UI's Cancel button sends."""
        state = {"type": "CANCELLING"}
        answer = self.call("POST", f"flow_runs/{run}/set_state", {"state": state})
        assert answer["status"] == "ACCEPT", answer

    def run(self, run: str) -> Json:
        found: Json = self.call("GET", f"flow_runs/{run}")
        return found

    def end(self, run: str, attempt: int = 1, seconds: float = 400) -> Json:
        """The run when it has ended this attempt."""

        def ended() -> Json | None:
            found = self.run(run)
            return found if found["state"]["type"] in FINAL and found["run_count"] >= attempt else None

        found: Json = eventually(ended, seconds=seconds, explain=lambda: self.told(run))
        return found

    def tasks(self, run: str, attempt: int | None = None) -> list[Json]:
        """Task runs of a run, all attempts' or one's, in order; the recorder writes them up to a second late."""
        filters = {"flow_runs": {"id": {"any_": [run]}}, "sort": "EXPECTED_START_TIME_ASC", "limit": 200}
        found: list[Json] = self.call("POST", "task_runs/filter", filters)
        return [task for task in found if attempt is None or task["flow_run_run_count"] == attempt]

    def states(self, run: str, attempt: int) -> dict[str, str]:
        """Name of every task's final state in one attempt, by the task's name."""
        return {task["name"].rsplit("-", 1)[0]: task["state_name"] for task in self.tasks(run, attempt)}

    def settled(self, run: str, attempt: int) -> dict[str, str]:
        """The same of an attempt that has ended by itself, once the recorder has its last task: telling the ticket."""

        def last_told() -> dict[str, str] | None:
            found = self.states(run, attempt)
            return found if "tell-ticket" in found and not _OPEN & set(found.values()) else None

        return eventually(last_told, explain=lambda: self.states(run, attempt))

    def report(self, run: str) -> Json:
        """The newest report of the run, for machines."""
        import json

        filters = {
            "artifacts": {"flow_run_id": {"any_": [run]}, "key": {"like_": "milvus-l7-report-json-"}},
            "sort": "CREATED_DESC",
        }
        found: Json = json.loads(
            self.call("POST", "artifacts/filter", filters)[0]["data"]
            .strip()
            .removeprefix("```json")
            .removesuffix("```")
        )
        return found

    def told(self, run: str) -> str:
        """The end of the run's log, for a failing test."""
        filters = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_DESC", "limit": 25}
        lines = [entry["message"] for entry in self.call("POST", "logs/filter", filters)]
        return f"{self.run(run)['state']}\n" + "\n".join(reversed(lines))


@contextlib.contextmanager
def a_workplace(home: Path, stack: Stack) -> Iterator[Workplace]:
    """Server, deployments and worker; nothing of it is left."""
    workplace = Workplace(home, stack.env)
    try:
        workplace.deploy()
        workplace.start_worker()
        yield workplace
    finally:
        workplace.close()
