"""Whose turn it is to write to a release, decided by a Lease in its namespace.

A run waits for its turn first (`await_turn`), looks at the world, and takes the Lease with its first write, only if
nobody has touched it since: a run that writes nothing leaves no trace. It holds the Lease until it ends. A run that
dies is overrun when it has shown no sign of life for the Lease's duration.

What the Lease cannot do: neither Kubernetes nor Compute takes a fencing value with a write, so a request that was
admitted and is then held up on its way longer than the margin may arrive in another run's turn. Every write is
idempotent for that reason too.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from prefect import runtime
from pydantic import BaseModel, ConfigDict

from tasks import polling, steps, waiting
from tasks.clients import kubernetes, settings
from tasks.clients.kubernetes import LEASE, Cluster
from tasks.core import fencing, lease, names
from tasks.core.config import LoadBalancerConfig, WhenBusy
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import (
    Busy,
    LeaseLost,
    NotReadyInTime,
    PreflightFailed,
    ProvisioningError,
    Superseded,
    Unreachable,
)
from tasks.core.lease import Lease, Run
from tasks.polling import Ready, Stopped

Clock = Callable[[], float]

_AWAIT_TURN = "await-turn"
_PATIENCE_SECONDS = 5.0
"""How long the end of a run waits for writes under way, and for the Lease's own request."""


def _clock() -> float:
    """Seconds that also pass while the machine sleeps, which CLOCK_MONOTONIC leaves out on Linux."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _now() -> datetime:
    return datetime.now(UTC)


class Turn(BaseModel):
    """What a run knows when it may begin."""

    model_config = ConfigDict(frozen=True)

    lease: str
    """The Lease, as kubectl writes it."""
    number: int
    """The turn this run has, or takes with its first write."""
    after: str = ""
    """Who had the last turn; empty if nobody had one, or this run itself."""
    overrun: bool = False
    """Whether the last holder died without giving the Lease back."""


@contextmanager
def fenced(config: LoadBalancerConfig) -> Iterator["Guard"]:
    """Let this run write only in its turn: install a guard, and give the Lease back at the end, whatever happens.

    Enter it in the flow's own thread, before the first step; Prefect hands the context on to the threads of steps. The
    first step is `await_turn`. What goes wrong while the Lease is given back is logged; it then expires by itself.
    """
    guard = Guard(config, this_run(), settings.lease_seconds())
    with fencing.installed(guard):
        try:
            yield guard
        finally:
            guard.close()


def this_run() -> Run:
    """The flow run we are in; outside of one, a run that nobody else is."""
    token = secrets.token_hex(4)
    flow_run = runtime.flow_run.id or secrets.token_hex(8)
    return Run(
        id=str(runtime.flow_run.root_flow_run_id or flow_run),
        flow=str(runtime.flow_run.flow_name or ""),
        name=str(runtime.flow_run.name or ""),
        holder=f"{flow_run}/{token}",
    )


@steps.observing
def await_turn(config: LoadBalancerConfig) -> Turn:
    """Wait until no other run writes to the release; take nothing yet.

    Call it again after `Superseded`: what follows is then decided from a new look.

    Raises:
        Busy: another run is at work, and when_busy is fail or the deadline has passed.
        PreflightFailed: the cluster cannot be reached, or refuses to show the Lease.
    """
    guard = fencing.current()
    run = guard.run if isinstance(guard, Guard) else this_run()
    found = _await_free(config, run)
    turn = lease.turn_of(run, found, _now())
    if isinstance(guard, Guard):
        guard.begin(found, turn)
    return Turn(
        lease=_resource(config),
        number=turn,
        after="" if found is None or not found.turn or found.is_turn_of(run) else found.who,
        overrun=bool(found and found.holder),
    )


def _await_free(config: LoadBalancerConfig, run: Run) -> Lease | None:
    """The Lease as it was when it was found free, or ours already."""
    watch = lease.Watch()
    try:
        cluster = kubernetes.cluster(config)
        latest = polling.patiently(partial(_read, cluster, config))
    except ProvisioningError as error:
        raise PreflightFailed.of([error]) from error
    if latest is None or latest.holder == run.holder or watch.is_free(latest, _clock(), _now()):
        return latest

    def look() -> Ready[Lease | None] | Finding:
        nonlocal latest
        found = _read(cluster, config)
        if found is None or watch.is_free(found, _clock(), _now()):
            return Ready(found)
        latest = found
        if config.when_busy is WhenBusy.FAIL and (watch.renewals or latest.looks_alive(_now())):
            raise _busy(config, latest)
        return Finding(Outlook.WAIT, "kubernetes", "Busy", _holding(latest), _mend(config, latest))

    wake = threading.Event()
    try:
        with cluster.wake_on_change(LEASE, config.namespace, names.lease(config.release), wake):
            return waiting.until(
                look,
                step=_AWAIT_TURN,
                resource=_resource(config),
                timeout_seconds=config.turn_timeout_seconds,
                wake=wake,
                # The watch sees a release; looking is for a holder that falls silent.
                shortest_seconds=min(1.0, latest.seconds / 10),
            )
    except NotReadyInTime as error:
        raise _busy(config, latest, f", and still after {config.turn_timeout_seconds} s of waiting") from error
    except (Busy, Stopped):
        raise
    except ProvisioningError as error:
        raise PreflightFailed.of([error]) from error


def _read(cluster: Cluster, config: LoadBalancerConfig) -> Lease | None:
    found = cluster.read(LEASE, config.namespace, names.lease(config.release))
    return None if found is None else lease.read(found)


def _busy(config: LoadBalancerConfig, held: Lease, waited: str = "") -> Busy:
    return Busy(_resource(config), _holding(held) + waited, _mend(config, held))


def _holding(held: Lease) -> str:
    return f"is held by {held.who} since {held.since}"


def _mend(config: LoadBalancerConfig, held: Lease) -> str:
    return (
        f"See it: kubectl -n {config.namespace} get lease {names.lease(config.release)} -o yaml; "
        f"prefect flow-run inspect {held.flow_run}. Wait for that run, or stop it: "
        f"prefect flow-run cancel {held.flow_run}. Then run again."
    )


def _resource(config: LoadBalancerConfig) -> str:
    return f"lease {config.namespace}/{names.lease(config.release)}"


class Guard:
    """The fence of one attempt of one run; safe to use from every thread.

    It counts its own time from before each renewal was sent, and stops admitting when two thirds of the duration have
    passed: the last third is for requests under way.
    """

    def __init__(self, config: LoadBalancerConfig, run: Run, seconds: int, clock: Clock = _clock) -> None:
        self.run = run
        self._config, self._seconds, self._clock = config, seconds, clock
        self._resource = _resource(config)
        self._lock = threading.Lock()
        """Held while the Lease is read or written."""
        self._looked = False
        self._seen: Lease | None = None
        self._turn = 0
        self._mine: lease.Document | None = None
        self._renewed_at = 0.0
        self._refusal: tuple[type[ProvisioningError], str, str] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._under_way = 0
        self._idle = threading.Condition()

    @property
    def epoch(self) -> int:
        """The turn; 0 before `await_turn`."""
        return self._turn

    @property
    def holds(self) -> bool:
        """Whether the Lease was taken and, as far as we know, is ours."""
        return self._mine is not None and self._refusal is None

    def begin(self, seen: Lease | None, turn: int) -> None:
        """Decide from here: `seen` is the free Lease of this look, None if there was none.

        Raises:
            LeaseLost: this run has held the Lease and lost it, so its earlier steps may be undone.
        """
        with self._lock:
            self._looked = True
            if self._refusal and self._refusal[0] is LeaseLost:
                self._check("anything")
            if self._mine is None:
                self._seen, self._turn, self._refusal = seen, turn, None

    def admit(self, resource: str) -> None:
        """Take the Lease with the first write, and make sure that it is ours before every later one.

        Raises:
            Superseded: another run has had its turn since `await_turn`; nothing was written by this one.
            LeaseLost: it is not ours any more.
            AccessRefused: we may not write Leases.
            Unreachable: the API server does not answer, so that nobody knows whose the Lease is; may be tried again.
        """
        if self._is_ours():
            return
        # The Lease's own requests pass by the fence.
        with self._lock, fencing.installed(None):
            if self._is_ours():
                return
            self._check(resource)
            if self._mine is None:
                self._acquire()
                self._check(resource)
            if not self._is_ours():
                self._renew()
                self._check(resource)

    @contextmanager
    def writing(self, resource: str) -> Iterator[None]:
        """`admit`, and count the write as under way until the end of the block."""
        with self._idle:
            self._under_way += 1
        try:
            self.admit(resource)
            yield
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def close(self) -> None:
        """Admit nothing more, stop renewing, give the Lease back.

        While a write is under way that does not end within seconds, such as Helm's when the run is cancelled, the
        Lease is kept and expires by itself: the next run shall not meet a half-done upgrade.
        """
        lost = self._refusal is not None
        self._refusal = self._refusal or (LeaseLost, "this run has ended", "Run again.")
        self._stop.set()
        if lost:
            return
        try:
            self._release()
        except Exception as error:  # the run's own outcome matters more
            _log().warning("%s was not given back, it expires within %s s: %s", self._resource, self._seconds, error)

    def _is_ours(self) -> bool:
        return (
            self._mine is not None
            and self._refusal is None
            and self._clock() - self._renewed_at < self._seconds * 2 / 3
        )

    def _check(self, resource: str) -> None:
        if not self._looked:
            raise RuntimeError("await_turn comes before the first write of a fenced run")
        if self._refusal:
            kind, observed, mend = self._refusal
            raise kind(self._resource, f"{observed}, so {resource} is not written", mend)

    def _acquire(self) -> None:
        """Take the Lease if it is as `await_turn` saw it."""
        cluster, config = kubernetes.cluster(self._config), self._config
        before = self._clock()
        document = self._seen.document if self._seen else lease.made(config.namespace, names.lease(config.release))
        wanted = lease.taken(document, self.run, self._turn, self._seconds, _now())
        written = cluster.replace(wanted, LEASE) if self._seen else cluster.create(wanted, LEASE)
        if written is None:
            found = _read(cluster, config)
            if found is None or found.holder != self.run.holder:
                self._refuse(Superseded, _since_then(self._seen, found), "Run again: it decides anew.")
                return
            # Our own write, whose answer was lost: when it arrived is not known, so it is renewed next.
            written, before = found.document, float("-inf")
        self._mine, self._renewed_at = written, before
        self._thread = threading.Thread(target=self._keep, name=f"renew {self._resource}", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        """Renew every third of the duration, sooner after a failure, until the run ends."""
        pause = self._seconds / 3
        while not self._stop.wait(pause):
            with self._lock, fencing.installed(None):
                if self._refusal:
                    return
                try:
                    self._renew()
                    pause = self._seconds / 3
                except ProvisioningError as error:
                    _log().warning("%s was not renewed: %s", self._resource, error)
                    pause = self._seconds / 10

    def _renew(self) -> None:
        """Show a sign of life, if the Lease is still ours; note it if it is not."""
        assert self._mine is not None
        cluster = kubernetes.cluster(self._config)
        for _ in range(3):
            before = self._clock()
            written = cluster.replace(lease.renewed(self._mine, _now()), LEASE, seconds=max(1.0, self._seconds / 3))
            if written is not None:
                self._mine, self._renewed_at = written, before
                return
            found = _read(cluster, self._config)
            if found is None or found.holder != self.run.holder:
                mend = f"What was written stays. See: kubectl -n {self._config.namespace} get lease; then run again."
                self._refuse(LeaseLost, _since_then(lease.read(self._mine), found), mend)
                return
            # A label or annotation was changed, or the answer to our last renewal was lost.
            self._mine = found.document
        raise Unreachable(self._resource, "is written by somebody else all the time", "Run again.", "kubernetes")

    def _release(self) -> None:
        with self._idle:
            if not self._idle.wait_for(lambda: self._under_way == 0, _PATIENCE_SECONDS):
                raise TimeoutError("a write is still under way")
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise TimeoutError("a renewal is still under way")
        try:
            if self._mine is None:
                return
            cluster = kubernetes.cluster(self._config)
            with fencing.installed(None):
                for _ in range(3):
                    given = lease.released(self._mine, _now())
                    if cluster.replace(given, LEASE, seconds=_PATIENCE_SECONDS) is not None:
                        return
                    found = _read(cluster, self._config)
                    if found is None or found.holder != self.run.holder:
                        return
                    self._mine = found.document
        finally:
            self._lock.release()

    def _refuse(self, kind: type[ProvisioningError], observed: str, mend: str) -> None:
        self._refusal = self._refusal or (kind, observed, mend)
        _log().warning("%s: %s", self._resource, observed)


def _since_then(before: Lease | None, found: Lease | None) -> str:
    if found is None:
        return "was deleted"
    if found.holder:
        return _holding(found)
    if found.transitions != (before.transitions if before else 0):
        return f"was held by {found.who} meanwhile"
    return "was changed by somebody meanwhile"


def _log() -> logging.Logger:
    """Not the run's logger: what is told here comes from threads without a run, or from its end."""
    return logging.getLogger("milvus_l7")
