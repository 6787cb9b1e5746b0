"""Many releases by one fleet: how long, how much memory each kind of process takes, how many API calls a target costs.

The releases run no Milvus, since a hundred do not fit on a laptop: each target is provisioned from the reserved address
to the Ingress' address, every writing step included, without backend health and proof. The sandbox lives in this
process. Prefect's calls are counted in its server's access log.
"""

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from deployments import prefect_server
from sandbox import chart_install
from sandbox.compute.catalogue import LIMITS
from sandbox.kube_client import KubeClient
from sandbox.latency import PROFILES
from sandbox.stack import Stack
from tests import postgres
from tests.bench.figures import Figure
from tests.bench.memory import Watch
from tests.bench.programs import ROOT, ProgramFailed, clean_environment, say
from tests.conftest import QUICK

SIZES = (1, 10)
_POOL = "bench"
_NO_POOL = "bench-fleet"  # no worker polls it: the fleet's own run has a process of its own, beside the workers' places
_PER_WORKER = 2
_STEPS = (
    "reserve-address",
    "apply-milvus-release",
    "apply-backend-config",
    "apply-frontend-config",
    "make-tls-secret",
    "wait-for-rollout",
    "apply-ingress",
    "wait-for-address",
)
# Controllers that look at all their Ingresses anew every other second would be what is measured.
_PACE = dataclasses.replace(PROFILES["zero"], resync_seconds=PROFILES["real"].resync_seconds)
_ROOM = dict.fromkeys(LIMITS, 1000.0)  # a young project has room for fifteen load balancers
_CONFIGURATIONS = (("postgresql", 2), ("postgresql", 1), ("sqlite", 2))
_RUN_SECONDS = 7200.0
_REQUEST = re.compile(r'"(GET|POST|PATCH|PUT|DELETE) /api/(\S*) HTTP')
_OF_FLEET = ("POST task_runs/", "POST deployments/ID/create_flow_run", "POST artifacts/filter")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class _Run:
    """What one fleet cost."""

    size: int
    seconds: float
    peaks: dict[str, float]
    kube: float
    compute: float
    prefect: float
    paths: Counter[str] = field(default_factory=Counter)

    @property
    def own(self) -> float:
        """What the fleet itself asks of Prefect for each target, its looks at all of them aside."""
        return sum(self.paths[path] for path in _OF_FLEET) / self.size


def measure(directory: Path, sizes: Sequence[int] = SIZES) -> list[Figure]:
    """Run fleets of these sizes on both databases; the bigger ones on PostgreSQL alone."""
    figures: list[Figure] = []
    for database, workers in _CONFIGURATIONS:
        here = [size for size in sizes if database == "postgresql" or size <= 10]
        if not here:
            continue
        runs = list(_until_one_fails(directory, here, database, workers))
        place = f"{workers} worker{'s' if workers > 1 else ''}, {database}"
        for run in runs:
            figures += _figures(run, place)
        figures += _growth(runs, place)
        figures += [Figure(f"fleet of {size}, {place}", None, "s", note="failed") for size in here[len(runs) :]]
    return figures


def _until_one_fails(directory: Path, sizes: Sequence[int], database: str, workers: int) -> Iterator["_Run"]:
    """Each in a world of its own; what was measured before a failure is worth keeping."""
    for size in sizes:
        try:
            with _field(directory / f"{database}-{workers}-{size}", database, workers) as bench:
                run = bench.run(size)
        except (ProgramFailed, subprocess.TimeoutExpired) as error:
            say(f"fleet of {size}: {error}")
            return
        yield run


@contextlib.contextmanager
def _field(directory: Path, database: str, workers: int) -> Iterator["_Bench"]:
    """A sandbox, a Prefect server on that database, and that many workers with room for two runs each."""
    directory.mkdir(parents=True)
    with contextlib.ExitStack() as undo:
        stack = undo.enter_context(Stack(directory / "sandbox", latency=_PACE, quotas=_ROOM, milvus=False))
        settings = {"PREFECT_SERVER_LOGGING_LEVEL": "INFO"}  # uvicorn writes one line per request then
        if database == "postgresql":
            settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = undo.enter_context(postgres.running())
        home = directory / "prefect"
        with _environment(settings):
            server, url = prefect_server.start(home)
        undo.callback(prefect_server.stop, server)
        variables = {**stack.env, **prefect_server.environment(home, url)}
        for pool in (_POOL, _NO_POOL):
            _prefect(variables, "work-pool", "create", pool, "--type", "process")
        _deploy(directory, variables)
        begun = []
        for number in range(workers):
            with (directory / f"worker-{number}.log").open("wb") as log:
                command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", _POOL]
                process = prefect_server.detached(
                    [*command, "--limit", str(_PER_WORKER), "--install-policy", "never"],
                    environment={**variables, "PREFECT_WORKER_QUERY_SECONDS": "2"},
                    output=log,
                    outlive=False,
                )
            undo.callback(prefect_server.stop, process)
            begun.append(process.pid)
        yield _Bench(directory, stack, variables, server.pid, begun, f"{workers} on {database}")


@dataclass
class _Bench:
    directory: Path
    stack: Stack
    variables: dict[str, str]
    server: int
    workers: list[int]
    name: str

    def run(self, size: int) -> _Run:
        """Install that many releases and provision them by one fleet."""
        say(f"fleet of {size}, {self.name}: installing")
        targets = [self._install(f"f{size}-{number}") for number in range(1, size + 1)]
        file = self.directory / f"targets-{size}.yaml"
        file.write_text(yaml.safe_dump({"defaults": {"only_steps": list(_STEPS), **QUICK}, "targets": targets}))
        with httpx.Client(base_url=self.variables["PREFECT_API_URL"] + "/", timeout=60) as api:
            fleet = self._create(api, file, size)
            before, log = self._calls(), self._log_size()
            say(f"fleet of {size}, {self.name}: running")
            watch = Watch({"server": [self.server], "worker": self.workers, "sandbox": [os.getpid()]}, fleet)
            begun = time.monotonic()
            with watch:
                self._execute(fleet)
            seconds = time.monotonic() - begun
            state = api.get(f"flow_runs/{fleet}").json()["state"]
        if state["type"] != "COMPLETED":
            raise ProgramFailed(f"the fleet of {size} ended as {state['name']}: {state['message']}")
        after, paths = self._calls(), self._paths(log)
        run = _Run(
            size=size,
            seconds=seconds,
            peaks=watch.peaks,
            kube=(after[0] - before[0]) / size,
            compute=(after[1] - before[1]) / size,
            prefect=paths.total() / size,
            paths=paths,
        )
        # At once, since the next fleet may take an hour.
        peaks = ", ".join(f"{kind} {peak:.0f} MB" for kind, peak in sorted(run.peaks.items()))
        calls = f"Kubernetes {run.kube:.1f}, Compute {run.compute:.1f}, Prefect {run.prefect:.1f}, own {run.own:.1f}"
        say(f"fleet of {size}, {self.name}: {seconds:.0f} s; {peaks}; calls per target: {calls}; {state['message']}")
        return run

    def _install(self, name: str) -> dict[str, Any]:
        """A release in a namespace of its own; its image starts no process."""
        assert self.stack.kube is not None
        kube = KubeClient.from_kubeconfig(self.stack.kubeconfig, user_agent="bench")
        with contextlib.closing(kube):
            kube.create(
                "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{name}"}}
            )
        values = {"image": {"all": {"repository": "registry.example/db"}}, "service": {"type": "LoadBalancer"}}
        chart_install.install(self.stack.kubeconfig, self.stack.chart, name, f"team-{name}", values)
        return {"domain": f"{name}.milvus.example", "release": name, "namespace": f"team-{name}"}

    def _create(self, api: httpx.Client, file: Path, size: int) -> str:
        deployment = api.get("deployments/name/provision-fleet/provision-fleet").raise_for_status().json()["id"]
        at_once = _PER_WORKER * len(self.workers) + 2  # so that a worker never waits for the fleet's next look
        given = {"targets_file": str(file), "at_once": at_once, "fleet": f"bench-{size}"}
        answer = api.post(f"deployments/{deployment}/create_flow_run", json={"parameters": given})
        return str(answer.raise_for_status().json()["id"])

    def _execute(self, fleet: str) -> None:
        with (self.directory / "fleet.log").open("ab") as log:
            process = prefect_server.detached(
                [sys.executable, "-m", "prefect", "flow-run", "execute", fleet],
                environment=self.variables,
                output=log,
                outlive=False,
            )
            try:
                process.wait(_RUN_SECONDS)
            finally:
                prefect_server.stop(process)

    def _calls(self) -> tuple[int, int]:
        """Requests so far: at the API server, at Compute."""
        assert self.stack.kube is not None
        account = self.stack.compute.credentials()["client_email"]
        counts = self.stack.kube.request_counts("admin"), self.stack.compute.request_counts(account)
        kube, compute = (sum(count.values()) for count in counts)
        return kube, compute

    def _log_size(self) -> int:
        return (self.directory / "prefect" / "server.log").stat().st_size

    def _paths(self, offset: int) -> Counter[str]:
        """Requests at the Prefect server since then, by route."""
        with (self.directory / "prefect" / "server.log").open("rb") as log:
            log.seek(offset)
            found = _REQUEST.findall(log.read().decode("utf-8", "replace"))
        return Counter(f"{verb} {_ID.sub('ID', path.partition('?')[0])}" for verb, path in found)


def _deploy(directory: Path, variables: Mapping[str, str]) -> None:
    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}]
    job = {"stream_output": False}
    flows = (
        ("provision", "flows/provision.py:provision", _POOL),
        ("provision-fleet", "flows/provision_fleet.py:provision_fleet", _NO_POOL),
    )
    deployments = [
        {"name": name, "entrypoint": entrypoint, "work_pool": {"name": pool, "job_variables": job}}
        for name, entrypoint, pool in flows
    ]
    file = directory / "prefect.yaml"
    file.write_text(yaml.safe_dump({"name": "bench", "pull": pull, "deployments": deployments}))
    _prefect(variables, "--no-prompt", "deploy", "--all", "--prefect-file", str(file))


def _prefect(variables: Mapping[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    environment = clean_environment() | dict(variables)
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=ROOT)
    if done.returncode:
        raise ProgramFailed(f"prefect {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _figures(run: _Run, place: str) -> Iterator[Figure]:
    name = f"fleet of {run.size}, {place}"
    yield Figure(f"{name}: wall time", run.seconds, "s", note=f"{run.seconds / run.size:.1f} s per target")
    for kind, peak in sorted(run.peaks.items()):
        yield Figure(f"{name}: peak memory, {kind}", peak, "MB", note="the biggest one of its kind")
    yield Figure(f"{name}: Kubernetes calls per target", run.kube, "requests")
    yield Figure(f"{name}: Compute calls per target", run.compute, "requests")
    yield Figure(f"{name}: calls of the fleet per target", run.own, "requests", note="make, hand over, read report")
    busiest = ", ".join(f"{path} {number / run.size:.1f}" for path, number in run.paths.most_common(4))
    yield Figure(f"{name}: Prefect calls per target", run.prefect, "requests", note=f"most: {busiest}")


def _growth(runs: Sequence[_Run], place: str) -> Iterator[Figure]:
    """The biggest fleet beside the one of ten, against the goals."""
    ten = next((run for run in runs if run.size == 10), None)
    most = max(runs, key=lambda run: run.size, default=None)
    if ten is None or most is None or most.size <= 10:
        return
    name = f"{most.size} beside 10, {place}"
    for kind, peak in sorted(most.peaks.items()):
        if kind in ten.peaks:
            yield Figure(f"{name}: memory, {kind}", peak / ten.peaks[kind], "times", goal=3)
    linear = most.seconds / most.size / (ten.seconds / 10)
    yield Figure(f"{name}: wall time per target", linear, "times", goal=1.1)
    yield Figure(f"{name}: Kubernetes calls per target", most.kube / ten.kube, "times", goal=1.1)
    yield Figure(f"{name}: Compute calls per target", most.compute / ten.compute, "times", goal=1.1)
    yield Figure(f"{name}: Prefect calls per target", most.prefect / ten.prefect, "times", goal=1.1)
