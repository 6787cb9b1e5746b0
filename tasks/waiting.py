"""A wait that people can watch: `polling.until`, shown in the run's log and as a Prefect progress artifact."""

import threading
from collections.abc import Callable
from typing import TypeVar

from prefect.context import FlowRunContext, TaskRunContext

from tasks import polling, steps
from tasks.core.diagnosis import Finding
from tasks.polling import Ready
from tasks.progress_artifact import ProgressArtifact

T = TypeVar("T")


def until(
    look: Callable[[], Ready[T] | Finding],
    *,
    step: str,
    resource: str,
    timeout_seconds: float,
    wake: threading.Event | None = None,
    shortest_seconds: float | None = None,
) -> T:
    """Return what `polling.until` returns, and show what it sees on the way."""
    shown = Waiting(step, resource, timeout_seconds)
    value = polling.until(
        look,
        step=step,
        resource=resource,
        timeout_seconds=timeout_seconds,
        wake=wake,
        shortest_seconds=shortest_seconds,
        tell=shown,
    )
    shown.over()
    return value


class Waiting:
    """Shows a long wait where people look: the run's log and a Prefect progress artifact.

    The artifact is made with the first "not yet", so that a wait that is over at once leaves none.
    """

    def __init__(self, step: str, resource: str, timeout_seconds: float) -> None:
        self._resource, self._timeout_seconds = resource, timeout_seconds
        self._artifact = ProgressArtifact(step)

    def __call__(self, observed: str, waited_seconds: float) -> None:
        """A look saw something new."""
        steps.logger().info("%s: %s (%.0f s)", self._resource, observed, waited_seconds)
        self._show(min(99.0, 100.0 * waited_seconds / self._timeout_seconds), observed)

    def over(self) -> None:
        """What was waited for is there."""
        if self._artifact.shown:
            self._show(100.0, "ready")

    def _show(self, percent: float, observed: str) -> None:
        if TaskRunContext.get() is None and FlowRunContext.get() is None:
            return
        description = f"{self._resource}: {observed}. 100 % is its deadline of {self._timeout_seconds:.0f} s."
        self._artifact.show(percent, description)
