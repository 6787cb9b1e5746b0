"""What the tests of tickets share: a Prefect server with the deployments, curl recipes, a bridge as a process."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from deployments import local, prefect_server
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
README = ROOT / "deployments" / "tickets" / "README.md"
Json = dict[str, Any]
_deployed: set[str] = set()


class Prefect:
    """A Prefect server with the deployments and no worker, so that every run stays as it was made."""

    def __init__(self, url: str, home: Path, more: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.environment = {**prefect_server.environment(home, url), **(more or {})}
        user, _, password = self.environment.get("PREFECT_API_AUTH_STRING", "").partition(":")
        self._client = httpx.Client(
            base_url=f"{url}/", timeout=30, auth=(user, password) if user else None, transport=httpx.HTTPTransport()
        )

    def deploy(self) -> None:
        """Make pool and deployments, as `make up` does; once per server."""
        if self.url not in _deployed:
            with contextlib.chdir(ROOT):
                local.prepare(self.environment)
            _deployed.add(self.url)

    def close(self) -> None:
        """Remove every run, lest another test's worker takes it."""
        for run in self.runs():
            self.call("DELETE", f"flow_runs/{run['id']}")
        self._client.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call, repeated while the database is busy."""
        deadline = time.monotonic() + 20
        while True:
            response = self._client.request(method, path, json=body)
            if response.status_code != 503 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        response.raise_for_status()
        return response.json() if response.content else None

    def runs(self, ticket: str = "") -> list[Json]:
        """All runs of the flow, of one ticket if it is named, the newest first."""
        filters = {"flows": {"name": {"any_": ["provision", "verify"]}}, "sort": "EXPECTED_START_TIME_DESC"}
        found: list[Json] = self.call("POST", "flow_runs/filter", filters)
        return [run for run in found if not ticket or run["parameters"].get("ticket") == ticket]

    def fail(self, run_id: str) -> None:
        """Let a run be begun and fail, as a worker would."""
        for state in ("PENDING", "RUNNING", "FAILED"):
            self.call("POST", f"flow_runs/{run_id}/set_state", {"state": {"type": state}, "force": True})


def recipe(name: str) -> str:
    """The shell block of the README with this name, as it stands there."""
    found = re.search(rf"^```sh recipe={name}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"README has no recipe {name}"
    return found[1]


def shell(script: str, folder: Path, **variables: str) -> str:
    """Run a script as a reader would paste it and return what it prints."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(  # noqa: PLW1510  # judged below, with what was printed
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Bridge:
    """A bridge that runs as its users run it."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log


@contextlib.contextmanager
def a_bridge(folder: Path, environment: Mapping[str, str]) -> Iterator[Bridge]:
    """Start `python -m deployments.tickets serve` and end it as Ctrl-C does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / f"bridge-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.tickets", "serve", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"

    def answers(bridge: httpx.Client) -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            return bridge.get("/healthz").status_code in (200, 503)
        return False

    try:
        with httpx.Client(base_url=url, timeout=5) as client:
            eventually(lambda: answers(client))
        yield Bridge(process, url, log)
    finally:
        process.terminate()
        process.wait(30)
