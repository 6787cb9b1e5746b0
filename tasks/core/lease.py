"""A Lease as a document: who holds it, whether that run is alive, and what is written to take, keep and give it back.

Leases are client-go's: spec.holderIdentity is empty when nobody holds it, and a holder is dead when its renewTime has
not moved for leaseDurationSeconds of the observer's own clock, since two machines' clocks need not agree
(client-go tools/leaderelection). Two annotations are ours: the run that held it last, and its turn.

A *turn* is the time in which one run alone writes, over all its attempts. It is the fencing value of results that an
earlier attempt kept, see `tasks.steps`. spec.leaseTransitions counts holders, so it also grows between the attempts.
A Lease is never deleted here. One that somebody deletes comes back with a turn no earlier one had.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.core import names

Document = dict[str, Any]

RUN, FLOW, RUN_NAME, TURN = (f"{names.FIELD_MANAGER}/{key}" for key in ("run", "flow", "run-name", "turn"))
"""Annotations: root flow run, flow and run name of the last holder, and the number of its turn."""

LONG_AGO = timedelta(minutes=15)
"""A Lease that expired this long ago by its holder's clock is free at once, without a wait for signs of life.

Clocks that differ by a quarter of an hour are broken, and Google's token service refuses what they sign. Should a
living holder be overrun that way, it sees so at its next renewal."""

_LONGEST_SECONDS = 600
"""A duration beyond this is not ours, and nobody waits for it."""


@dataclass(frozen=True)
class Run:
    """Who asks for the Lease.

    Attributes:
        id: root flow run; attempts and subflows of one run share it.
        flow: name of the flow. Two flows of one root run, such as provision and teardown, are two runs to each other.
        name: the run's name, for people.
        holder: flow run and a token of this attempt: no two processes share it.
    """

    id: str
    flow: str
    name: str
    holder: str


@dataclass(frozen=True)
class Lease:
    """What a Lease in the cluster says.

    Attributes:
        holder: empty when nobody holds it.
        run: root flow run of the last holder, kept after the release; empty if we never had it.
        turn: number of the last turn, 0 if there was none.
        seconds: how long the holder may be silent.
    """

    document: Document = field(repr=False)
    uid: str
    version: str
    holder: str
    run: str
    flow: str
    name: str
    turn: int
    transitions: int
    seconds: float
    acquired: datetime | None
    renewed: datetime | None

    @property
    def flow_run(self) -> str:
        """Flow run of the holder."""
        return self.holder.partition("/")[0]

    @property
    def who(self) -> str:
        """The last holder, for people: `provision milvus.example-self-managed (flow run 1f3c…)`."""
        title = " ".join(filter(None, (self.flow, self.name)))
        run = f"flow run {self.flow_run or self.run}"
        return f"{title} ({run})" if title else run

    @property
    def since(self) -> str:
        """When the holder took it, for people."""
        return f"{self.acquired:%Y-%m-%d %H:%M:%S} UTC" if self.acquired else "an unknown time"

    def is_turn_of(self, run: Run) -> bool:
        """Whether the last turn was this run's."""
        return (self.run, self.flow) == (run.id, run.flow)

    def age(self, now: datetime) -> timedelta | None:
        """Time since the last renewal, by two machines' clocks; None if there was none."""
        return now - self.renewed if self.renewed else None

    def looks_alive(self, now: datetime) -> bool:
        """Whether both clocks say that the holder is within its time: good for a message, not for taking over."""
        age = self.age(now)
        return age is not None and abs(age) <= timedelta(seconds=self.seconds)


def read(document: Document) -> Lease:
    """What the object says; a field that makes no sense counts as absent."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    marks = metadata.get("annotations") or {}
    turn = str(marks.get(TURN, ""))
    return Lease(
        document=document,
        uid=str(metadata.get("uid", "")),
        version=str(metadata.get("resourceVersion", "")),
        holder=str(spec.get("holderIdentity") or ""),
        run=str(marks.get(RUN, "")),
        flow=str(marks.get(FLOW, "")),
        name=str(marks.get(RUN_NAME, "")),
        turn=int(turn) if turn.isascii() and turn.isdecimal() else 0,
        transitions=int(spec.get("leaseTransitions") or 0),
        seconds=float(min(max(int(spec.get("leaseDurationSeconds") or 0), 1), _LONGEST_SECONDS)),
        acquired=_moment(spec.get("acquireTime")),
        renewed=_moment(spec.get("renewTime")),
    )


def turn_of(run: Run, lease: Lease | None, now: datetime) -> int:
    """The turn `run` has when it takes the Lease: the same as before, or the next one.

    The first is the time in seconds, so that a Lease made anew never repeats a turn of one that was deleted.
    """
    if lease is not None and lease.turn:
        return lease.turn if lease.is_turn_of(run) else lease.turn + 1
    return int(now.timestamp())


def made(namespace: str, name: str) -> Document:
    """A Lease that nobody has held, not yet in the cluster."""
    metadata = {"namespace": namespace, "name": name, "labels": dict(names.LABELS)}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}


def taken(document: Document, run: Run, turn: int, seconds: int, now: datetime) -> Document:
    """The document with `run` as its holder; it still names the resourceVersion it was read with."""
    written = _copy(document)
    metadata, spec = written["metadata"], written["spec"]
    metadata["labels"] = {**(metadata.get("labels") or {}), **names.LABELS}
    marks = {RUN: run.id, FLOW: run.flow, RUN_NAME: run.name, TURN: str(turn)}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}
    spec |= {
        "holderIdentity": run.holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": _micro(now),
        "renewTime": _micro(now),
        "leaseTransitions": read(document).transitions + 1,
    }
    return written


def renewed(document: Document, now: datetime) -> Document:
    """The document with a sign of life."""
    written = _copy(document)
    written["spec"]["renewTime"] = _micro(now)
    return written


def released(document: Document, now: datetime) -> Document:
    """The document without a holder; who it was stays in the annotations."""
    written = _copy(document)
    written["spec"] |= {"holderIdentity": "", "renewTime": _micro(now)}
    return written


class Watch:
    """Judges whether the holder is dead by how long we have seen no sign of life."""

    def __init__(self) -> None:
        self._seen: tuple[str, str, datetime | None] | None = None
        self._since = 0.0
        self.renewals = 0
        """Signs of life since we look."""

    def is_free(self, lease: Lease | None, clock: float, now: datetime) -> bool:
        """Whether it may be taken.

        Args:
            lease: as just read; None if there is none.
            clock: this machine's monotonic clock, in seconds.
            now: this machine's wall clock, used for what is LONG_AGO only.
        """
        if lease is None or not lease.holder:
            self._seen = None
            return True
        sign = (lease.uid, lease.holder, lease.renewed)
        if sign != self._seen:
            self.renewals += self._seen is not None
            self._seen, self._since = sign, clock
        age = lease.age(now)
        if age is not None and age > LONG_AGO + timedelta(seconds=lease.seconds):
            return True
        return clock - self._since >= lease.seconds


def _copy(document: Document) -> Document:
    written = deepcopy(document)
    written["spec"] = dict(written.get("spec") or {})
    # The server keeps them; sending them back only makes the request longer.
    written["metadata"].pop("managedFields", None)
    return written


def _micro(moment: datetime) -> str:
    """MicroTime, as client-go writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
