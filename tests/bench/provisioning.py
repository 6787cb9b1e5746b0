"""`milvus-l7 provision` as a whole process: how long, where its time goes, what a second run writes."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments import prefect_server
from sandbox.stack import Stack
from tests.bench import guide
from tests.bench.figures import Figure, median
from tests.bench.programs import IMPORT_PREFECT, ProgramFailed, say, seconds
from tests.conftest import QUICK

_REPETITIONS = 3
_GOAL = 2.5
_IMPORT_ALL = (
    sys.executable,
    "-c",
    "import deployments.cli, flows.provision, kubernetes.client, google.cloud.compute_v1, pymilvus",
)
_STAGES = (
    ("preflight",),
    ("reserve-address", "apply-milvus-release", "apply-backend-config", "apply-frontend-config", "make-tls-secret"),
    ("wait-for-rollout", "apply-dns-record"),
    ("apply-ingress", "check-dns-record"),
    ("wait-for-address", "wait-for-backends", "wait-for-certificate"),
    ("prove",),
)
"""The flow's stages: inside one the steps run side by side, so the slowest counts."""


@dataclass
class _Run:
    """One run of the command, and what the import of Prefect took just before and after it."""

    seconds: float
    report: dict[str, Any]
    bare: float

    def step(self, name: str) -> float:
        return next((float(step["seconds"]) for step in self.report["steps"] if step["name"] == name), 0.0)

    @property
    def steps(self) -> float:
        """Seconds on the critical path through the steps."""
        return sum(max(self.step(name) for name in stage) for stage in _STAGES)

    @property
    def collection(self) -> float:
        rungs = self.report["verification"]["rungs"]
        return next((float(rung["seconds"]) for rung in rungs if rung["name"] == "collection"), 0.0)


@dataclass
class _Samples:
    first: list[_Run] = field(default_factory=list)
    second: list[_Run] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)
    all_imports: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)
    writes: list[tuple[int, int]] = field(default_factory=list)


def measure(directory: Path) -> list[Figure]:
    """Provision fresh releases, twice each, beside the bare import and beside the guide's commands."""
    samples = _Samples()
    if missing := guide.missing_tools():
        say(f"no {' and no '.join(missing)} here: the guide's commands are left out")
    say("starting a Prefect server")
    with _server(directory / "prefect") as variables:
        for number in range(_REPETITIONS):
            say(f"provisioning a fresh release, {number + 1} of {_REPETITIONS}")
            with Stack(directory / f"cli-{number}", latency="zero") as stack:
                _provision_twice(stack, variables, samples)
            samples.all_imports.append(seconds(_IMPORT_ALL))
            if not missing:
                with Stack(directory / f"guide-{number}", latency="zero") as stack:
                    samples.by_hand.append(guide.follow(stack.directory, stack.env))
    return _figures(samples, missing)


@contextmanager
def _server(home: Path) -> Iterator[dict[str, str]]:
    """A Prefect server, as the variables of a process that uses it."""
    process, url = prefect_server.start(home)
    try:
        variables = prefect_server.environment(home, url)
        seconds([sys.executable, "-m", "prefect", "version"], variables)  # makes the profile and byte code
        yield variables
    finally:
        prefect_server.stop(process)


def _provision_twice(stack: Stack, variables: Mapping[str, str], samples: _Samples) -> None:
    environment = {**stack.env, **variables}
    samples.first.append(_provision(stack.directory / "first.json", environment, samples.imports))
    before = _writes(stack)
    samples.second.append(_provision(stack.directory / "second.json", environment, samples.imports))
    after = _writes(stack)
    samples.writes.append((after[0] - before[0], after[1] - before[1]))


def _provision(report: Path, environment: Mapping[str, str], imports: list[float]) -> _Run:
    imports.append(seconds(IMPORT_PREFECT))
    command = [sys.executable, "-m", "deployments.cli", "provision", "--set", "domain=milvus.example"]
    # The two rungs that are asked to take long would be most of what is measured.
    command += [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
    took = seconds([*command, "--report", str(report)], environment)
    imports.append(seconds(IMPORT_PREFECT))
    found = json.loads(report.read_text())
    if found["verdict"] != "verified":
        raise ProgramFailed(f"milvus-l7 provision: {found['verdict']}")
    return _Run(took, found, sum(imports[-2:]) / 2)


def _writes(stack: Stack) -> tuple[int, int]:
    """Writes so far of the command's users: at the API server, at Compute."""
    assert stack.kube is not None
    account = stack.compute.credentials()["client_email"]
    verbs = ("create", "update", "patch", "delete")
    counts = stack.kube.request_counts("admin"), stack.compute.request_counts(account)
    kube, compute = (sum(count.get(verb, 0) for verb in verbs) for count in counts)
    return kube, compute


def _figures(samples: _Samples, missing: list[str]) -> list[Figure]:
    bare = median(samples.imports)
    figures = [Figure("import prefect, between the runs", bare, "s", 1.0)]
    for name, runs in (("first run", samples.first), ("second run", samples.second)):
        whole = median([run.seconds for run in runs])
        # Each beside its own neighbours: another load on the machine, a minute later, is no business of this run.
        ratio = median([run.seconds / run.bare for run in runs])
        figures.append(Figure(f"milvus-l7 provision, {name}", whole, "s", ratio, goal=_GOAL, goal_on_ratio=True))
        figures += _breakdown(runs, samples.all_imports, bare)
    by_hand = median(samples.by_hand) if samples.by_hand else None
    figures += [
        Figure(
            "the guide's commands by hand",
            by_hand,
            "s",
            by_hand / bare if by_hand else None,
            note=f"no {' and no '.join(missing)} here"
            if missing
            else "kubectl and openssl; no Helm, no waiting, no proof",
        ),
        Figure(
            "second run, writes at the API server", float(max(kube for kube, _ in samples.writes)), "requests", goal=0
        ),
        Figure("second run, writes at Compute", float(max(cloud for _, cloud in samples.writes)), "requests", goal=0),
    ]
    return figures


def _breakdown(runs: list[_Run], all_imports: list[float], bare: float) -> Iterator[Figure]:
    def part(name: str, values: list[float], note: str = "") -> Figure:
        return Figure(f"  {name}", median(values), "s", median(values) / bare, note=note)

    yield part("importing all its libraries", all_imports, "in a process of its own, without overlap")
    yield part("steps on the critical path", [run.steps for run in runs], "holds the imports that are done meanwhile")
    yield part("  of which Milvus restarts", [run.step("wait-for-rollout") for run in runs])
    yield part(
        "  of which the proof's collection", [run.collection for run in runs], "Milvus loads a collection in 2 s"
    )
    rest = [run.seconds - run.steps for run in runs]
    yield part("outside of the steps", rest, "imports before them, Prefect's engine, its heartbeat, exit")
