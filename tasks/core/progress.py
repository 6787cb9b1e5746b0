"""What a run has done so far: steps, writes, waits. Pure state; who shows it subscribes.

One journal belongs to one run of a flow in one process. The report is made of it, the terminal draws it, and a
failing step uses it to stop the waits that run beside it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tasks.core.adoption import Gap
from tasks.core.checks.check import Check
from tasks.core.drift import Deviation

Action = Literal["created", "updated", "unchanged", "deleted", "adopted", "missing", "differs"]
"""What became of a resource; missing and differs are verdicts of a run that only reads."""

StepState = Literal["running", "done", "skipped", "failed"]


class Change(BaseModel):
    """What became of one resource in one step."""

    model_config = ConfigDict(frozen=True)

    resource: str
    """As kubectl writes it, or the tail of a Compute self-link."""
    action: Action
    detail: str = ""

    @property
    def is_write(self) -> bool:
        """Whether an API saw a mutating call for it."""
        return self.action in ("created", "updated", "deleted")


@dataclass
class Step:
    """One step of the flow and how it went."""

    name: str
    state: StepState
    started: float
    seconds: float = 0.0
    observed: str = ""


@dataclass
class Journal:
    """The record of one run, safe to use from every thread."""

    steps: dict[str, Step] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    """Of preflight, verify and the exposure guard, as they were judged last."""
    deviations: list[Deviation] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    listeners: list[Callable[["Journal", Step], None]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, name: str) -> None:
        """A step starts."""
        self._put(Step(name, "running", time.monotonic()))

    def see(self, name: str, observed: str) -> None:
        """A waiting step looked and saw this."""
        with self._lock:
            step = self.steps.get(name)
            if step is None or step.observed == observed:
                return
            step.observed = observed
        self._tell(step)

    def end(self, name: str, state: StepState, observed: str = "") -> None:
        """A step ends."""
        with self._lock:
            step = self.steps.setdefault(name, Step(name, "running", time.monotonic()))
            step.state, step.seconds = state, time.monotonic() - step.started
            step.observed = observed or step.observed
        self._tell(step)

    def record(self, change: Change) -> None:
        """A resource was written, adopted or found as it should be."""
        with self._lock:
            if change not in self.changes:
                self.changes.append(change)

    def judge(self, checks: Iterable[Check]) -> None:
        """Checks were made; an earlier result of the same check of the same resource is replaced."""
        with self._lock:
            found = {(check.name, check.resource): check for check in (*self.checks, *checks)}
            self.checks = list(found.values())

    @property
    def writes(self) -> list[Change]:
        """Every mutating call's change, in order."""
        with self._lock:
            return [change for change in self.changes if change.is_write]

    def _put(self, step: Step) -> None:
        with self._lock:
            self.steps[step.name] = step
        self._tell(step)

    def _tell(self, step: Step) -> None:
        for listener in list(self.listeners):
            listener(self, step)


_current: ContextVar[Journal | None] = ContextVar("milvus_l7_journal", default=None)


def current() -> Journal:
    """Return the journal of the run we are in; outside of one, a journal nobody reads."""
    return _current.get() or Journal()


def record(change: Change) -> Change:
    """Note what became of a resource in the journal of the run, and return it."""
    current().record(change)
    return change


def use(journal: Journal) -> None:
    """Make this the journal of the current context and of the threads that inherit it."""
    _current.set(journal)


def adopt() -> Journal:
    """Return the journal that was laid ready for this run, by the command line, or a new one; and use it."""
    journal = _current.get()
    if journal is None or journal.facts.get("begun"):
        journal = Journal()
        use(journal)
    journal.facts["begun"] = True
    return journal
