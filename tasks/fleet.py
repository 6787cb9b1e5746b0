"""A fleet's runs: one deployment run per target, a few at a time, watched until the last one has ended.

Any worker of the work pool takes them, so more machines mean more speed. A retry of the fleet, or a fleet whose process
died, goes on from what is on the Prefect server.
"""

import time
from collections.abc import Callable

import httpx
from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from tasks import steps
from tasks.core import fleet_report, progress
from tasks.core.errors import ConfigurationError, Unreachable
from tasks.core.fleet import Entry, FleetRequest, plan
from tasks.core.fleet_report import Outcome, RollUp
from tasks.fan_out import FanOut
from tasks.fleet_runs import Runs
from tasks.progress_artifact import ProgressArtifact

SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 3.0
"""Bounds of the pause between two looks: the first after a change, the second while nothing changes."""

_SERVER_SECONDS = 600.0  # how long the Prefect server may be away before the fleet gives up


@task(name="plan-targets", persist_result=False, cache_policy=NO_CACHE)
def plan_targets(request: FleetRequest) -> tuple[Entry, ...]:
    """Return every target, validated; nothing is started if one is wrong."""
    return plan(request, read_file(request.targets_file) if request.targets_file else None)


def read_file(file: str) -> object:
    """Return what a targets file holds.

    Raises:
        ConfigurationError: it cannot be read; its content is not quoted, it may be any file of the worker's.
    """
    from pathlib import Path

    import yaml

    try:
        document = yaml.safe_load(Path(file).read_text())
    except OSError as error:
        observed = f"cannot be read on this worker: {error.strerror}"
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        observed = "is neither YAML nor JSON" + (f", see line {mark.line + 1}" if mark else "")
    else:
        return {} if document is None else document
    raise ConfigurationError(f"targets file {file}", observed, "Nothing was started. Mend it and run again.")


@task(name="run-targets", persist_result=False, cache_policy=NO_CACHE)
def run_targets(request: FleetRequest, entries: tuple[Entry, ...]) -> list[Outcome]:
    """Run every target's deployment and return how each ended, in no particular order.

    Called in the flow's own thread, so that the signal of a cancellation or a stopping worker ends the wait at once.

    Raises:
        ConfigurationError: there is no such deployment.
        FleetCancelled: somebody cancelled the fleet's run; its children were cancelled.
        Unreachable: the Prefect server did not answer for ten minutes; the children go on.
    """
    with get_client(sync_client=True) as client:
        fan_out = FanOut(Runs.of(client, request), request)
        _patiently(lambda: fan_out.take_up(entries))
        _watch(fan_out)
    return fan_out.outcomes


def _watch(fan_out: FanOut) -> None:
    shown = _Progress(fan_out)
    journal = progress.current()
    journal.begin(_STEP)
    pause, last_answer = SHORTEST_SECONDS, time.monotonic()
    while not fan_out.over:
        try:
            changed = fan_out.turn()
            last_answer = time.monotonic()
        except _NO_ANSWER as error:
            _judge(error, last_answer)
            changed = False
        shown.show()
        if fan_out.over:
            break
        pause = SHORTEST_SECONDS if changed else min(pause * 1.5, LONGEST_SECONDS)
        journal.stop.wait(pause)
    journal.end(_STEP, "done", fan_out.observed)


_STEP = "run-targets"
_NO_ANSWER = (httpx.TransportError, PrefectHTTPStatusError)


def _judge(error: Exception, last_answer: float) -> None:
    """A server that cannot answer now is waited for; one that refuses is not.

    Raises:
        Unreachable: it has been away for too long.
        PrefectHTTPStatusError: it refuses what we ask.
    """
    if isinstance(error, PrefectHTTPStatusError) and error.response.status_code < 500:
        raise error
    steps.logger().warning("the Prefect server does not answer: %s", type(error).__name__)
    if time.monotonic() - last_answer > _SERVER_SECONDS:
        raise Unreachable(
            "the Prefect server",
            f"no answer for {_SERVER_SECONDS:.0f} s",
            "The targets' runs go on; retry this run when the server is back, it takes them up again.",
        ) from error


def _patiently(action: Callable[[], None]) -> None:
    begun = time.monotonic()
    while True:
        try:
            action()
        except _NO_ANSWER as error:
            _judge(error, begun)
            progress.current().stop.wait(LONGEST_SECONDS)
        else:
            return


class _Progress:
    """Shows where the fleet stands: in the journal, in the log, as a Prefect progress artifact."""

    def __init__(self, fan_out: FanOut) -> None:
        self._fan_out = fan_out
        self._done = -1
        self._artifact = ProgressArtifact(key("progress", fan_out.request.fleet))

    def show(self) -> None:
        """Tell what has changed; the server hears of it once per target that ended, not at every look."""
        observed = self._fan_out.observed
        progress.current().see(_STEP, observed)
        if len(self._fan_out.outcomes) == self._done:
            return
        self._done = len(self._fan_out.outcomes)
        steps.logger().info("%s", observed)
        self._artifact.show(self._fan_out.percent, observed)


@steps.publishing("publish-fleet-report")
def publish(found: RollUp) -> None:
    """Publish the roll-up as Markdown, as a table, and as JSON."""
    ticket = f", ticket {found.ticket}" if found.ticket else ""
    description = f"Fleet {found.fleet}: {found.summary}{ticket}"
    create_markdown_artifact(fleet_report.markdown(found), key=key("report", found.fleet), description=description)
    create_table_artifact(fleet_report.table(found), key=key("targets", found.fleet), description=description)
    create_markdown_artifact(
        f"```json\n{found.as_json()}\n```", key=key("report-json", found.fleet), description="The roll-up for machines"
    )


def key(kind: str, fleet: str) -> str:
    """Key of a fleet's artifact."""
    return f"milvus-l7-fleet-{kind}-{fleet}"
