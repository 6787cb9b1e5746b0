"""Many runs, a few at a time: each is handed to the work pool and watched until it has ended.

One call shows the states of all that run, however many they are. Nothing here is lost with the process: the next
attempt finds every run on the Prefect server again.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from prefect.client.schemas.objects import StateType

from tasks import steps
from tasks.core import fleet_report
from tasks.core.fleet import Entry, FleetRequest
from tasks.core.fleet_report import Outcome
from tasks.fleet_runs import Child, Runs, cancel_children

_STILL_SECONDS = 30.0  # after which it is asked why no run starts, and between two such questions
_CANCEL_SECONDS = 120.0  # how long a cancelled run may take to end; Prefect kills after 30 s


class FleetCancelled(Exception):
    """Somebody cancelled the fleet's run; its children were cancelled, too."""


@dataclass
class _Active:
    """A target whose run has been handed over and has not ended."""

    entry: Entry
    child: Child
    since: float
    cancelled: float | None = None


@dataclass
class FanOut:
    """Brings every target to its end, at most `at_once` of them at a time; one that fails does not stop the others."""

    runs: Runs
    request: FleetRequest
    waiting: deque[tuple[Entry, Child | None]] = field(default_factory=deque)
    active: dict[UUID, _Active] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    _still_since: float = field(default_factory=time.monotonic)
    _asked: float = 0.0
    _blocked_since: float | None = None
    _said: str = ""

    def take_up(self, entries: Sequence[Entry]) -> None:
        """Find what an earlier attempt has begun: what is done stays done, what failed is tried again."""
        existing = self.runs.existing()
        self.waiting.clear()
        self.outcomes.clear()
        for entry in entries:
            child = existing.get(self.runs.key(entry))
            if child is None or (child.is_final and child.type is not StateType.COMPLETED):
                self.waiting.append((entry, child))
            elif child.is_final:
                self._conclude(entry, child)
            else:
                self.active[child.id] = _Active(entry, child, time.monotonic())

    @property
    def over(self) -> bool:
        """Whether every target has an outcome."""
        return not self.waiting and not self.active

    def turn(self) -> bool:
        """Look once at what runs, and start more; returns whether anything has changed.

        Raises:
            FleetCancelled: the fleet's own run is being cancelled.
        """
        before = self._condition()
        self._look()
        self._keep_deadlines()
        while self.waiting and len(self.active) < self.request.at_once:
            # Taken out when it is handed over: a call that fails leaves it there for the next turn.
            entry, earlier = self.waiting[0]
            child = self.runs.again(earlier) if earlier else self.runs.start(entry)
            self.active[child.id] = _Active(entry, child, time.monotonic())
            self.waiting.popleft()
        changed = self._condition() != before
        if changed:
            self._still_since, self._blocked_since, self._said = time.monotonic(), None, ""
        self._explain_standstill()
        return changed

    @property
    def observed(self) -> str:
        """Where the fleet stands, in one line."""
        total = len(self.outcomes) + len(self.active) + len(self.waiting)
        failed = sum(outcome.failed for outcome in self.outcomes)
        started = sum(_has_started(one.child) for one in self.active.values())
        text = f"{len(self.outcomes)} of {total} done" + (f", {failed} failed" if failed else "")
        text += f"; {started} running, {len(self.active) - started} with the work pool, {len(self.waiting)} to come"
        return f"{text}; {self._said}" if self._said else text

    @property
    def percent(self) -> float:
        """How much is done."""
        return 100.0 * len(self.outcomes) / max(1, len(self.outcomes) + len(self.active) + len(self.waiting))

    def _condition(self) -> object:
        return len(self.waiting), {run_id: one.child.state for run_id, one in self.active.items()}

    def _look(self) -> None:
        seen = self.runs.look([self.runs.fleet_run, *self.active])
        own = seen.get(self.runs.fleet_run)
        if own is not None and own.type in (StateType.CANCELLING, StateType.CANCELLED):
            cancel_children(self.runs.client, self.runs.fleet_run)
            raise FleetCancelled
        for run_id, one in list(self.active.items()):
            child = seen.get(run_id)
            if child is None:
                self._end(one, fleet_report.failed(one.entry, str(run_id), "", 0.0, None, "its flow run was deleted"))
            elif child.is_final:
                self._conclude(one.entry, child, one)
                del self.active[run_id]
            else:
                one.child = child

    def _keep_deadlines(self) -> None:
        moment = time.monotonic()
        for one in list(self.active.values()):
            if one.cancelled is None and moment - one.since > self.request.target_timeout_seconds:
                self.runs.cancel(one.child.id)
                one.cancelled = moment
            elif one.cancelled is not None and moment - one.cancelled > _CANCEL_SECONDS:
                self._end(one, self._too_late(one, "and its cancelled run does not end"))

    def _explain_standstill(self) -> None:
        """Say why nothing starts; give up what waits for a worker that does not come."""
        moment = time.monotonic()
        if not self.active or any(_has_started(one.child) for one in self.active.values()):
            self._still_since = moment
            return
        if moment - max(self._still_since, self._asked) < _STILL_SECONDS:
            return
        self._asked = moment
        said, hopeless = self.runs.obstacle()
        if said != self._said:
            steps.logger().warning("%s of this fleet wait: %s", len(self.active), said)
        self._said = said
        if not hopeless:
            self._blocked_since = None
            return
        self._blocked_since = self._blocked_since or self._still_since
        if moment - self._blocked_since > self.request.worker_timeout_seconds:
            self._give_up(said)

    def _give_up(self, why: str) -> None:
        observed, _, command = why.partition(": ")
        mend = f"{command}; then retry the fleet's run."
        for one in list(self.active.values()):
            self.runs.cancel(one.child.id)
            self._end(one, fleet_report.not_started(one.entry, observed, mend))
        while self.waiting:
            entry, _ = self.waiting.popleft()
            self.outcomes.append(fleet_report.not_started(entry, observed, mend))

    def _too_late(self, one: _Active, more: str) -> Outcome:
        text = f"not done {self.request.target_timeout_seconds} s after it was handed over, {more}"
        child = one.child
        return fleet_report.failed(one.entry, str(child.id), child.state, child.seconds, None, text)

    def _conclude(self, entry: Entry, child: Child, one: _Active | None = None) -> None:
        report = self.runs.report(entry, child.id)
        if child.type is StateType.COMPLETED:
            self.outcomes.append(fleet_report.completed(entry, str(child.id), child.state, child.seconds, report))
        elif one is not None and one.cancelled is not None:
            self.outcomes.append(self._too_late(one, "so its run was cancelled"))
        else:
            self.outcomes.append(
                fleet_report.failed(entry, str(child.id), child.state, child.seconds, report, child.message)
            )

    def _end(self, one: _Active, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        del self.active[one.child.id]


def _has_started(child: Child) -> bool:
    return child.type is not StateType.SCHEDULED
