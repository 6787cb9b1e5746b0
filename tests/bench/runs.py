"""Runs on a warm worker: how soon one begins to work, and what a retry of the last failed step costs."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.latency import ProfileName
from sandbox.stack import Stack
from tests.bench.figures import Figure, median
from tests.bench.programs import say
from tests.flows.workplace import Workplace, a_workplace

_REPETITIONS = 3
_PARAMETERS = {"dns_managed_zone": "sandbox-zone"}


def measure(directory: Path) -> list[Figure]:
    """The figures of both, the second with a Google Cloud that takes no time and with one that takes a little."""
    with Stack(directory / "sandbox", latency="zero") as stack, a_workplace(directory / "work", stack) as workplace:
        figures = [*_overhead(workplace, stack), *_retry(workplace, stack, "zero")]
    with Stack(directory / "fast", latency="fast") as stack, a_workplace(directory / "work-fast", stack) as workplace:
        figures += _retry(workplace, stack, "fast")
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
    """A first run whose proof fails for want of a Secret, and its retry when the Secret is there."""
    say(f"bench: a retry of the last step, latency {latency}")
    release = "bench"
    _install(stack, release)
    parameters = {
        **_PARAMETERS,
        "release": release,
        "domain": f"{release}.milvus.example",
        "milvus_credentials_secret": "proof-user",
    }
    before = _calls(stack)
    run = workplace.start(**parameters)
    workplace.end(run, 1, seconds=300)
    first = _calls(stack) - before
    first_seconds = _work(workplace, run, 1)

    workplace.command([sys.executable, "-c", _MAKE_SECRET])
    before = _calls(stack)
    workplace.retry(run)
    workplace.end(run, 2, seconds=300)
    retry = _calls(stack) - before
    retry_seconds = _work(workplace, run, 2)
    proof = _work(workplace, run, 2, only="prove")

    # What a run that nothing interrupts would have done: the first attempt, and the proof of the second.
    assert proof > 0, workplace.told(run)
    whole, whole_seconds = first + _PROOF_CALLS, first_seconds + proof
    return [
        Figure(f"retry of the proof alone: API calls, latency {latency}", 100 * retry / whole, "%", goal=25,
               note=f"{retry} of {whole}"),
        Figure(f"retry of the proof alone: work time, latency {latency}", 100 * retry_seconds / whole_seconds, "%",
               goal=25, note=f"{retry_seconds:.1f} of {whole_seconds:.1f} s; the proof itself {proof:.1f} s"),
    ]  # fmt: skip


_MAKE_SECRET = """
from tasks.clients import kubernetes
from tasks.core.config import LoadBalancerConfig
cluster = kubernetes.cluster(LoadBalancerConfig.parse({"domain": "milvus.example"}))
metadata = {"name": "proof-user", "namespace": "default"}
secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
assert cluster.create({**secret, "stringData": {"username": "root", "password": "Milvus"}}, kubernetes.SECRET)
"""

_PROOF_CALLS = 8
"""What the proof asks of our APIs: the Secret, once or twice, and Compute for the chain from the rule to the health."""


def _work(workplace: Workplace, run: str, attempt: int, only: str = "") -> float:
    """Seconds of all steps of an attempt, or of one; those that run side by side count each."""
    workplace.until(lambda: len(workplace.tasks(run, attempt)) > 3, 20)
    time.sleep(2)  # the recorder writes up to a second late
    done = [task for task in workplace.tasks(run, attempt) if task["state_type"] == "COMPLETED"]
    tasks = [task for task in done if task["name"].startswith(only)]
    return float(sum(task["total_run_time"] or 0 for task in tasks))


def _calls(stack: Stack) -> int:
    """Requests so far, ours only: at the API server, at Compute and Cloud DNS."""
    assert stack.kube is not None
    google = stack.compute.request_counts(stack.compute.credentials()["client_email"])
    return sum(stack.kube.request_counts("admin").values()) + sum(google.values())


def _install(stack: Stack, release: str) -> None:
    from sandbox import chart_install

    values = {"service": {"type": "LoadBalancer"}}
    chart_install.install(stack.kubeconfig, stack.chart, release, "default", values)


def _until(look: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come")
        time.sleep(0.005)
