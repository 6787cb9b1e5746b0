"""Runs on a warm worker: how soon one begins to work, and what a retry of the last failed step costs.

The retry is measured at three paces of Google Cloud. Where that takes no time a whole run is short, and what every
process needs to begin weighs most; the real pace says what a user saves, and takes the bench some ten minutes.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import chart_install
from sandbox.kube_client import KubeClient
from sandbox.latency import ProfileName
from sandbox.stack import Stack
from tests.bench.figures import Figure, median
from tests.bench.programs import say
from tests.waiting import eventually
from tests.workers.workplace import Workplace, a_workplace

_REPETITIONS = 3
_RUN_SECONDS = 1800.0  # at the real pace backends alone take five minutes
_GUARDED = "guarded"
_PACES: tuple[ProfileName, ...] = ("zero", "fast", "real")
_PARAMETERS = {"dns_managed_zone": "sandbox-zone"}


def measure(directory: Path) -> list[Figure]:
    """The figures of both; the start is measured where nothing else takes time."""
    figures: list[Figure] = []
    for pace in _PACES:
        with (
            Stack(directory / pace, latency=pace) as stack,
            a_workplace(directory / f"work-{pace}", stack) as workplace,
        ):
            if pace == "zero":
                figures += _overhead(workplace, stack)
            figures += _retry(workplace, stack, pace)
    return figures


def _overhead(workplace: Workplace, stack: Stack) -> list[Figure]:
    say("bench: from create_flow_run to the first API call")
    workplace.end(workplace.start(**_PARAMETERS))  # the worker is warm from here on
    whole, own = [], []
    for _ in range(_REPETITIONS):
        before = _calls(stack)
        begun = time.monotonic()
        run = workplace.start(**_PARAMETERS)
        _until(lambda: workplace.run(run)["state"]["type"] == "RUNNING")  # noqa: B023  # used at once
        prefect = time.monotonic() - begun
        _until(lambda: _calls(stack) > before)  # noqa: B023
        whole.append(time.monotonic() - begun)
        own.append(prefect / whole[-1])
        workplace.end(run)
    return [
        Figure("create_flow_run to first API call, warm worker", median(whole), "s", note="worker looks every second"),
        Figure("  of it Prefect's own start, until Running", 100 * median(own), "%"),
    ]


def _retry(workplace: Workplace, stack: Stack, latency: ProfileName) -> list[Figure]:
    """A whole run; beside it the retry of one whose proof was turned away with a wrong password."""
    say(f"bench: a retry of the last step, latency {latency}")
    parameters = _a_guarded_milvus(stack)
    _give_password(stack, "Milvus")
    whole = _attempt(workplace, stack, lambda: workplace.start(**parameters), 1, "COMPLETED")
    _give_password(stack, "wrong")
    failed = _attempt(workplace, stack, lambda: workplace.start(**parameters), 1, "FAILED")
    _give_password(stack, "Milvus")
    retry = _attempt(workplace, stack, lambda: workplace.retry(failed.run), 2, "COMPLETED")
    proof = _work(workplace, retry.run, 2, only="prove")
    return [
        Figure(f"retry of the proof alone: API calls, latency {latency}", 100 * retry.calls / whole.calls, "%", goal=25,
               note=f"{retry.calls} of {whole.calls}"),
        Figure(f"retry of the proof alone: work time, latency {latency}", 100 * retry.seconds / whole.seconds, "%",
               goal=25, note=f"{retry.seconds:.1f} of {whole.seconds:.1f} s; the proof itself {proof:.1f} s"),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Attempt:
    """What one attempt of a run has cost: calls of our APIs, and seconds of all steps together."""

    run: str
    calls: int
    seconds: float


def _attempt(workplace: Workplace, stack: Stack, begin: Callable[[], str], number: int, state: str) -> _Attempt:
    before = _calls(stack)
    run = begin()
    ended = workplace.end(run, number, _RUN_SECONDS)
    assert ended["state"]["type"] == state, workplace.told(run)
    return _Attempt(run, _calls(stack) - before, _work(workplace, run, number))


def _a_guarded_milvus(stack: Stack) -> dict[str, Any]:
    """Install a Milvus that asks for root's password; return the parameters of a run that reads it from a Secret."""
    user_yaml = "common:\n  security:\n    authorizationEnabled: true\n"
    values = {"service": {"type": "LoadBalancer"}, "extraConfigFiles": {"user.yaml": user_yaml}}
    chart_install.install(stack.kubeconfig, stack.chart, _GUARDED, "default", values)
    named = {"release": _GUARDED, "domain": f"{_GUARDED}.milvus.example", "milvus_credentials_secret": _GUARDED}
    return _PARAMETERS | named | {"proof_timeout_seconds": 900}


def _give_password(stack: Stack, password: str) -> None:
    """The Secret that the proof logs in with."""
    metadata = {"name": _GUARDED, "namespace": "default"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    login = {"username": "root", "password": password}
    with contextlib.closing(KubeClient.from_kubeconfig(stack.kubeconfig, user_agent="bench")) as kube:
        kube.apply(f"/api/v1/namespaces/default/secrets/{_GUARDED}", {**secret, "stringData": login}, "bench")


def _work(workplace: Workplace, run: str, attempt: int, only: str = "") -> float:
    """Seconds of all steps of an attempt, or of one; those that run side by side count each."""
    eventually(lambda: len(workplace.tasks(run, attempt)) > 3)
    time.sleep(2)  # the recorder writes up to a second late
    done = [task for task in workplace.tasks(run, attempt) if task["state_type"] == "COMPLETED"]
    tasks = [task for task in done if task["name"].startswith(only)]
    return float(sum(task["total_run_time"] or 0 for task in tasks))


def _calls(stack: Stack) -> int:
    """Requests so far, ours only: at the API server, at Compute and Cloud DNS."""
    assert stack.kube is not None
    google = stack.compute.request_counts(stack.compute.credentials()["client_email"])
    return sum(stack.kube.request_counts("admin").values()) + sum(google.values())


def _until(look: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come")
        time.sleep(0.005)
