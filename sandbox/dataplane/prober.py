"""Google's health check probers: every endpoint of every backend service, probed for real, over and over.

The intervals of a health check are for a planet; here they are cut to `health_seconds / 10`, 0.1 s at least, so that
the latency profile governs them: with `real` the configured interval counts, with `zero` a verdict takes tenths of a
second. Thresholds count as configured. An endpoint that goes on answering as before is asked less and less often, down
to once a second or the interval above, whichever is longer; the first other answer ends that.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.dataplane import firewall
from sandbox.dataplane.probes import Check, probe
from sandbox.dataplane.snapshot import Endpoint, Snapshot, kubernetes_service, name_of
from sandbox.faults import Faults

_log = logging.getLogger(__name__)
_SHORTEST_INTERVAL_SECONDS = 0.1
_CALM_INTERVAL_SECONDS = 1.0
_CALMING = 1.2  # so that a change is seen later by a fifth of the time that went before it, at most

Verdicts = dict[tuple[str, Endpoint], bool]
"""By backend service and endpoint; absent: no verdict yet."""


@dataclass(frozen=True)
class Target:
    """One endpoint as one backend service checks it."""

    backend_service: str
    kubernetes_service: str
    endpoint: Endpoint
    check: Check
    reachable: bool = True
    """Whether the network's firewall lets probes and requests in."""


@dataclass
class Tally:
    """Turns probe results into a verdict by the check's thresholds; an endpoint is unhealthy until proved otherwise."""

    check: Check
    healthy: bool = False
    _streak: int = field(default=0, init=False)

    def count(self, *, success: bool) -> bool:
        """Take one result in and return the verdict."""
        if success == self.healthy:
            self._streak = 0
            return self.healthy
        self._streak += 1
        if self._streak >= (self.check.healthy_threshold if success else self.check.unhealthy_threshold):
            self.healthy, self._streak = success, 0
        return self.healthy


@dataclass
class Pace:
    """How long to wait between two probes, in seconds."""

    shortest: float
    longest: float

    def __post_init__(self) -> None:
        self._interval = self.shortest

    @classmethod
    def of(cls, check: Check, health_seconds: float) -> "Pace":
        """The pace of one check in a profile."""
        shortest = min(check.interval_seconds, max(_SHORTEST_INTERVAL_SECONDS, health_seconds / 10))
        return cls(shortest, max(shortest, min(check.interval_seconds, _CALM_INTERVAL_SECONDS)))

    def after(self, *, expected: bool) -> float:
        """Take one result in and return the interval to the next probe."""
        interval = self._interval if expected else self.shortest
        self._interval = min(interval * _CALMING, self.longest)
        return interval


def targets(snapshot: Snapshot) -> set[Target]:
    """What must be probed: endpoints of backend services that have a health check (pure)."""
    result = set()
    for name, service in snapshot.backend_services.items():
        checks = [snapshot.health_checks.get(name_of(url)) for url in service.get("healthChecks") or []]
        for resource in filter(None, checks):
            check = Check.of(resource)
            result |= {
                Target(name, kubernetes_service(service), endpoint, check, _reachable(snapshot, check, endpoint))
                for endpoint in snapshot.endpoints_of(name)
            }
    return result


def _reachable(snapshot: Snapshot, check: Check, endpoint: Endpoint) -> bool:
    rules, ports = snapshot.firewalls, {endpoint[1], check.port or endpoint[1]}
    return rules is None or all(firewall.admits(rules, port) for port in ports)


class Prober:
    """A thread for each target; `changed` is called, from one of them, when a verdict has changed."""

    def __init__(self, faults: Faults, *, health_seconds: float, changed: Callable[[], None]) -> None:
        self._faults, self._health_seconds, self._changed = faults, health_seconds, changed
        self._lock = threading.Lock()
        self._stops: dict[Target, threading.Event] = {}
        self._verdicts: dict[Target, bool] = {}
        self._attached: dict[tuple[str, Endpoint], float] = {}

    def watch(self, wanted: set[Target]) -> None:
        """Probe exactly these from now on; what is known of the others is forgotten."""
        with self._lock:
            for target in self._stops.keys() - wanted:
                self._stops.pop(target).set()
                self._verdicts.pop(target, None)
            keep = {(target.backend_service, target.endpoint) for target in wanted}
            self._attached = {key: since for key, since in self._attached.items() if key in keep}
            for target in wanted - self._stops.keys():
                self._attached.setdefault((target.backend_service, target.endpoint), time.monotonic())
                stop = self._stops[target] = threading.Event()
                name = f"probe {target.endpoint[0]}:{target.endpoint[1]}"
                threading.Thread(target=self._run, args=(target, stop), name=name, daemon=True).start()

    def verdicts(self) -> Verdicts:
        """Endpoints that have been attached for `health_seconds` and probed once at least."""
        with self._lock:
            return {(t.backend_service, t.endpoint): healthy for t, healthy in self._verdicts.items()}

    def stop(self) -> None:
        self.watch(set())

    def _run(self, target: Target, stop: threading.Event) -> None:
        attached = self._attached.get((target.backend_service, target.endpoint), time.monotonic())
        tally = Tally(target.check)
        pace = Pace.of(target.check, self._health_seconds)
        while not stop.is_set():
            started = time.monotonic()
            success = self._probe(target)
            healthy = tally.count(success=success)
            if started - attached >= self._health_seconds:
                self._conclude(target, stop, healthy=healthy)
            interval = pace.after(expected=success == healthy)
            stop.wait(max(0.0, interval - (time.monotonic() - started)))

    def _probe(self, target: Target) -> bool:
        namespace, _, name = target.kubernetes_service.partition("/")
        for service in {target.backend_service, target.kubernetes_service, name or namespace}:
            if self._faults.strike("never-healthy", service=service) is not None:
                return False
        return target.reachable and probe(target.check, *target.endpoint)

    def _conclude(self, target: Target, stop: threading.Event, *, healthy: bool) -> None:
        with self._lock:
            if stop.is_set() or self._verdicts.get(target) == healthy:
                return
            self._verdicts[target] = healthy
        _log.info("%s:%d of %s is %s", *target.endpoint, target.backend_service, "healthy" if healthy else "unhealthy")
        self._changed()
