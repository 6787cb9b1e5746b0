"""A wait that people can watch: `polling.until`, shown in the run's log and as a Prefect progress artifact."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext, TaskRunContext

from tasks import polling, steps
from tasks.core.diagnosis import Finding
from tasks.polling import Ready

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
        self._step, self._resource, self._timeout_seconds = step, resource, timeout_seconds
        self._artifact: Any = None

    def __call__(self, observed: str, waited_seconds: float) -> None:
        """A look saw something new."""
        steps.logger().info("%s: %s (%.0f s)", self._resource, observed, waited_seconds)
        self._show(min(99.0, 100.0 * waited_seconds / self._timeout_seconds), observed)

    def over(self) -> None:
        """What was waited for is there."""
        if self._artifact is not None:
            self._show(100.0, "ready")

    def _show(self, percent: float, observed: str) -> None:
        if TaskRunContext.get() is None and FlowRunContext.get() is None:
            return
        description = f"{self._resource}: {observed}. 100 % is its deadline of {self._timeout_seconds:.0f} s."
        try:
            if self._artifact is None:
                self._artifact = create_progress_artifact(percent, key=self._step, description=description)
            else:
                update_progress_artifact(self._artifact, progress=percent, description=description)
        except Exception as error:  # Prefect's server is away: what is waited for is not
            steps.logger().warning("The progress of %s could not be shown: %s", self._step, type(error).__name__)
