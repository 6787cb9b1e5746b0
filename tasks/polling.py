"""The one way to wait: look, judge, and look again until a deadline.

Each look ends in one of three judgements: here it is (a `Ready`), not yet (a `Finding` to wait or retry), or it will
never come (a `Finding` to stop). tenacity does the pacing; a watch may wake it early; a failure elsewhere in the flow
ends it. A wait owns its deadline, since Prefect cannot interrupt a submitted sync task.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import tenacity

from tasks.core import progress
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import NotReadyInTime, ProvisioningError, ResourceFailed, Unreachable

T = TypeVar("T")

SHORTEST_SECONDS, LONGEST_SECONDS = 0.15, 10.0
"""Bounds of the pause between two looks.

Between them the pause is a fiftieth of the time waited so far, which is an exponential back-off whose notice comes at
most 2 % late: 0.5 s after half a minute, 5 s after four minutes, 10 s from eight minutes on."""

_SHARE = 0.02


@dataclass(frozen=True)
class Ready(Generic[T]):
    """The wait is over, with this value."""

    value: T


class Stopped(ProvisioningError):
    """Another step of the same run has failed, so this wait was given up."""


def until(
    observe: Callable[[], "Ready[T] | Finding"],
    *,
    step: str,
    resource: str,
    timeout_seconds: float,
    wake: threading.Event | None = None,
    shortest_seconds: float | None = None,
    tell: Callable[[str, float], None] = lambda _text, _seconds: None,
) -> T:
    """Return the value of the first `Ready` that `observe` gives.

    Args:
        observe: one look; an `Unreachable` it raises counts as one more "not yet".
        step: name of the step in the journal.
        resource: what is waited for, as kubectl writes it.
        timeout_seconds: deadline, counted from now.
        wake: set by a watch when something changed; ends the pause at once.
        shortest_seconds: pause of the first looks, instead of SHORTEST_SECONDS; longer where the watch sees all that
            can end the wait well, and looking is only for what it does not see.
        tell: called with each new observation and the seconds waited.

    Raises:
        ResourceFailed: a look found a permanent cause.
        NotReadyInTime: the deadline passed; the last observation is in the error.
        Stopped: another step of the run failed.
    """
    journal = progress.current()
    wake = wake or threading.Event()
    begun = time.monotonic()
    last: Finding | None = None

    def look() -> "Ready[T] | Finding":
        nonlocal last
        wake.clear()
        try:
            seen = observe()
        except Unreachable as error:
            seen = Finding(Outlook.RETRY, error.layer, "Unreachable", f"{error.resource}: {error.observed}", error.mend)
        if isinstance(seen, Finding):
            if seen.outlook is Outlook.STOP:
                raise ResourceFailed(resource, seen.observed, seen.mend, seen.layer, seen.cause)
            if last is None or last.observed != seen.observed:
                journal.see(step, seen.observed)
                tell(seen.observed, time.monotonic() - begun)
            last = seen
        return seen

    def pause(seconds: float) -> None:
        _wait_for_any(wake, journal.stop, seconds)
        if journal.stop.is_set():
            raise Stopped(resource, "given up because another step failed", "Mend that one first.")

    retrying = tenacity.Retrying(
        sleep=pause,
        stop=tenacity.stop_after_delay(timeout_seconds),
        wait=_pace(timeout_seconds, SHORTEST_SECONDS if shortest_seconds is None else shortest_seconds),
        retry=tenacity.retry_if_result(lambda seen: isinstance(seen, Finding)),
    )
    try:
        seen = retrying(look)
    except tenacity.RetryError:
        assert last is not None
        raise NotReadyInTime(
            resource,
            f"not ready after {timeout_seconds:.0f} s; last seen: {last.observed}",
            last.mend,
            last.layer,
            last.cause,
        ) from None
    assert isinstance(seen, Ready)
    return seen.value


def patiently(call: Callable[[], T]) -> T:
    """Make a reading call, up to three times within some two seconds when a server does not answer."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unreachable),
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_exponential_jitter(multiplier=0.3, max=2, jitter=0.2),
        reraise=True,
    )
    return retrying(call)


def _pace(timeout_seconds: float, shortest_seconds: float) -> Callable[[tenacity.RetryCallState], float]:
    def pace(state: tenacity.RetryCallState) -> float:
        waited = state.seconds_since_start or 0.0
        pause = min(max(waited * _SHARE, shortest_seconds), LONGEST_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311
        # The last look happens at the deadline, not up to ten seconds before it.
        return max(0.0, min(pause, timeout_seconds - waited))

    return pace


def _wait_for_any(wake: threading.Event, stop: threading.Event, seconds: float) -> None:
    """Sleep until one is set; `stop` is looked at every half second, so a failing run ends promptly."""
    deadline = time.monotonic() + seconds
    while not stop.is_set():
        left = deadline - time.monotonic()
        if left <= 0 or wake.wait(min(left, 0.5)):
            return
