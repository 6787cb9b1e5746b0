"""The data plane as a whole: it follows the project and keeps Envoy and the probers in step with it."""

import datetime as dt
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import httpx

from sandbox.compute_client import GoogleApiError
from sandbox.dataplane.configuration import configuration
from sandbox.dataplane.envoy import Envoy
from sandbox.dataplane.feed import Feed
from sandbox.dataplane.prober import Prober, Verdicts, targets
from sandbox.dataplane.snapshot import Endpoint, Json, Snapshot
from sandbox.faults import Faults
from sandbox.latency import Latency

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.9
"""Less than a server that stops gives to requests that still run."""
_RETRY_SECONDS = 0.2


class DataPlane:
    """Serves every forwarding rule of a project; an ordinary client of the Compute API.

    Two threads: `dataplane feed` waits for changes and reads the project, `dataplane` turns the newest snapshot and the
    probers' verdicts into Envoy's files.
    """

    def __init__(
        self,
        directory: Path,
        compute_url: str,
        token: str,
        project: str,
        latency: Latency,
        faults: Faults,
        *,
        ports: Mapping[int, int] | None = None,
    ) -> None:
        """Args.

        ports: where a load balancer's port really listens, such as {443: 8443}, for those that cannot be bound.
        """
        self._latency, self._ports = latency, dict(ports or {})
        self.envoy = Envoy(directory)
        self._feed = Feed(compute_url, token, project)
        self._reporter = Feed(compute_url, token, project)
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._prober = Prober(faults, health_seconds=latency.health_seconds, changed=self._wake.set)
        self._snapshot = Snapshot()
        self._presentable: dict[str, float] = {}
        self._reported: dict[str, dict[str, str]] = {}
        self._threads = [
            threading.Thread(target=self._follow, name="dataplane feed", daemon=True),
            threading.Thread(target=self._run, name="dataplane", daemon=True),
        ]

    def start(self) -> None:
        """Start Envoy, then follow the project.

        Raises:
            ProcessFailed: Envoy does not start.
        """
        self.envoy.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._prober.stop()
        self.envoy.stop()
        self._feed.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5)
        self._reporter.close()

    def _follow(self) -> None:
        generation = -1
        while not self._stopping.is_set():
            try:
                latest = self._feed.wait_for_change(generation, _POLL_SECONDS)
                if latest != generation:
                    self._snapshot = self._feed.snapshot()
                    generation = latest
                    self._wake.set()
            except Exception as error:
                if self._stopping.is_set():
                    return  # the client was closed
                expected = isinstance(error, httpx.HTTPError | GoogleApiError)
                _log.warning("cannot read the project: %s", error, exc_info=not expected)
                self._stopping.wait(_RETRY_SECONDS)

    def _run(self) -> None:
        pause: float | None = None
        while not self._stopping.is_set():
            self._wake.wait(pause)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                pause = self._apply(self._snapshot)
            except Exception as error:
                # One odd resource must not end the serving of the others.
                _log.warning("cannot apply the project: %s", error, exc_info=not isinstance(error, httpx.HTTPError))
                pause = _RETRY_SECONDS

    def _apply(self, snapshot: Snapshot) -> float | None:
        """Bring Envoy and the probers in step; returns after how many seconds something falls due, None if nothing."""
        self._prober.watch(targets(snapshot))
        verdicts = self._prober.verdicts()
        waits, serving = self._serving(snapshot), set[str]()
        for name, seconds in waits.items():
            if seconds <= 0:
                serving.add(name)
        presented, later = self._presented(snapshot)
        self.envoy.configure(
            configuration(
                presented, serving=serving, healthy=_healthy(verdicts), ports=self._ports, files=self.envoy.files
            )
        )
        self._report(snapshot, verdicts)
        due = [seconds for seconds in [*waits.values(), *later] if seconds > 0]
        return min(due) + 0.005 if due else None

    def _serving(self, snapshot: Snapshot) -> dict[str, float]:
        """Seconds until each forwarding rule reaches the front ends."""
        now = dt.datetime.now(dt.UTC)
        return {
            name: self._latency.address_seconds - (now - _created(rule, now)).total_seconds()
            for name, rule in snapshot.forwarding_rules.items()
        }

    def _presented(self, snapshot: Snapshot) -> tuple[Snapshot, list[float]]:
        """The snapshot with the certificates that the front ends have by now, and seconds until the others come."""
        now, delay = time.monotonic(), self._latency.certificate_served_seconds
        self._presentable = {name: self._presentable.get(name, now) for name in snapshot.certificates}
        waits = {name: since + delay - now for name, since in self._presentable.items()}
        there = {name: each for name, each in snapshot.certificates.items() if waits[name] <= 0}
        values = {**snapshot.__dict__, "certificates": there}
        return Snapshot(**values), [seconds for seconds in waits.values() if seconds > 0]

    def _report(self, snapshot: Snapshot, verdicts: Verdicts) -> None:
        health = health_report(snapshot, verdicts)
        if health != self._reported:
            self._reporter.report(health)
            self._reported = health


def health_report(snapshot: Snapshot, verdicts: Verdicts) -> dict[str, dict[str, str]]:
    """Verdicts by group and endpoint (pure); two services that disagree about one endpoint make it UNHEALTHY."""
    report: dict[str, dict[str, str]] = defaultdict(dict)
    for (service, endpoint), healthy in verdicts.items():
        address = f"{endpoint[0]}:{endpoint[1]}"
        for group in snapshot.groups_of(service):
            if endpoint in snapshot.endpoints.get(group, ()):
                before = report[group].get(address, "HEALTHY")
                report[group][address] = before if healthy else "UNHEALTHY"
    return dict(report)


def _healthy(verdicts: Verdicts) -> dict[str, set[Endpoint]]:
    result: dict[str, set[Endpoint]] = defaultdict(set)
    for (service, endpoint), healthy in verdicts.items():
        if healthy:
            result[service].add(endpoint)
    return result


def _created(rule: Json, default: dt.datetime) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(rule["creationTimestamp"])
    except (KeyError, ValueError):
        return default
