"""The life of one Milvus pod: files, process, probes, restarts.

What a kubelet does for a container, for the one container that has a process here. Probes are the pod's own, asked at
the pod's address; `pace` shortens their delays and the restart back-off (1: as configured, 0: as fast as it goes).
Simpler than there: a startup probe is not asked, and the end of Milvus is the end of the container.
Sources: kubernetes pkg/kubelet/prober/worker.go, pkg/kubelet/kubelet.go (back-off 10 s doubling to 5 min).
"""

import http.client
import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox.faults import Faults
from sandbox.milvus import configuration
from sandbox.milvus import server as milvus
from sandbox.milvus.configuration import BadConfiguration
from sandbox.milvus.server import MilvusServer
from sandbox.processes import tail
from sandbox.workload import container as containers
from sandbox.workload import objects
from sandbox.workload.forwarder import Forwarder
from sandbox.workload.state import ContainerState
from sandbox.workload.volumes import MissingSource, Volumes

_log = logging.getLogger(__name__)
Json = dict[str, Any]

_BACK_OFF_SECONDS = (10.0, 300.0)
_SHORTEST_BACK_OFF_SECONDS = 0.5
_RETRY_SECONDS = 0.3
_GO_PANIC = 2
_MESSAGE_BYTES = 2048


class MilvusPod:
    """Runs in a thread from `start` to `stop`; `changed` is called from it whenever `state` has changed."""

    def __init__(
        self,
        pod: Json,
        container: Json,
        *,
        address: str,
        directory: Path,
        volumes: Volumes,
        forwarder: Forwarder,
        faults: Faults,
        pace: float,
        changed: Callable[[], None],
    ) -> None:
        self.state = ContainerState()
        self.container_name: str = container["name"]
        self._pod, self._container, self._address, self._directory = pod, container, address, directory
        self._volumes, self._forwarder, self._faults, self._pace = volumes, forwarder, faults, pace
        self._changed = changed
        self._stopping, self._ended = threading.Event(), threading.Event()
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self._namespace, self._name = namespace, name
        claim = containers.data_claim(pod, container)
        self._home = volumes.claim(namespace, claim) if claim else directory / "data"
        self._thread = threading.Thread(target=self._run, name=f"pod {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin to end it; `finished` tells when it has ended."""
        self._stopping.set()

    @property
    def finished(self) -> bool:
        return self._stopping.is_set() and self._ended.is_set()

    def join(self) -> None:
        self._thread.join(timeout=15)

    def log(self, *, previous: bool = False) -> str | None:
        """All output of the present attempt, or of the one before it; None if there was none before."""
        attempt = self.state.restarts - (1 if previous else 0)
        # While it waits for its next start, the last output is that of the attempt that failed.
        if not previous and not self._log_file(attempt).exists():
            attempt -= 1
        try:
            return self._log_file(attempt).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None if previous else ""

    def _log_file(self, attempt: int) -> Path:
        return self._directory / "logs" / f"{attempt}.log"

    def _run(self) -> None:
        first, longest = _BACK_OFF_SECONDS
        back_off = first
        try:
            while not self._stopping.is_set():
                exit_code = self._attempt()
                if self._stopping.is_set():
                    return
                message = tail(self._log_file(self.state.restarts), 5)[-_MESSAGE_BYTES:]
                self._enter(self.state.terminated(exit_code, message, objects.now()))
                pause = max(_SHORTEST_BACK_OFF_SECONDS, back_off * self._pace)
                self._enter(self.state.restarting(back_off, self.container_name, f"{self._name}_{self._namespace}"))
                self._stopping.wait(pause)
                back_off = min(back_off * 2, longest)
        except Exception:
            _log.exception("pod %s/%s", self._namespace, self._name)
        finally:
            # In this order: whoever is told looks once.
            self._ended.set()
            self._changed()

    def _attempt(self) -> int:
        """Run the container once; returns its exit code, as a shell would give it."""
        log = self._log_file(self.state.restarts)
        log.parent.mkdir(parents=True, exist_ok=True)
        root = self._mounted()
        user_yaml = self._user_yaml(root)
        try:
            refusal = self._refusal(user_yaml)
        except BadConfiguration as error:
            refusal = f"panic: {error}"
        if refusal is not None:
            log.write_text(f"{refusal}\n")
            self._enter(self.state.running(objects.now()))
            return _GO_PANIC
        rest_port = configuration.rest_port(configuration.parsed(user_yaml))
        with self._volumes.hold(self._home):
            if self._stopping.is_set():
                return 0
            self._home.mkdir(parents=True, exist_ok=True)
            server = MilvusServer(self._name, self._home, user_yaml=user_yaml, log=log, root=root)
            server.start()
            self._enter(self.state.running(objects.now()))
            ports = {containers.GRPC_PORT: server.grpc_port, containers.METRICS_PORT: server.metrics_port}
            if rest_port is not None:
                ports.setdefault(rest_port, server.rest_port)
            try:
                self._open_ports(ports)
                self._watch(server)
            finally:
                self._close_ports(ports)
                server.stop()
        code = server.process.exit_code or 0
        return 128 - code if code < 0 else code

    def _mounted(self) -> Path:
        """The folder with the container's files, once all of them are there."""
        root = self._directory / "root"
        while not self._stopping.is_set():
            shutil.rmtree(root, ignore_errors=True)
            try:
                self._volumes.mount(self._namespace, root, containers.file_mounts(self._pod, self._container))
                break
            except MissingSource as error:
                # A kubelet says this by a FailedMount event; the pod stays ContainerCreating.
                _log.debug("pod %s waits: %s", self._name, error)
                self._stopping.wait(_RETRY_SECONDS)
        return root

    def _user_yaml(self, root: Path) -> str:
        file = root / containers.USER_YAML.lstrip("/")
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def _refusal(self, user_yaml: str) -> str | None:
        if (fault := self._faults.strike("milvus-crash")) is not None:
            return str(fault["message"])
        return milvus.refusal(self._container.get("image", ""), user_yaml)

    def _open_ports(self, ports: dict[int, int]) -> None:
        for port, real in ports.items():
            try:
                self._forwarder.open((self._address, port), lambda real=real: ("127.0.0.1", real))  # type: ignore[misc]
            except PermissionError:
                _log.warning("pod %s: port %d cannot be bound without privileges", self._name, port)

    def _close_ports(self, ports: dict[int, int]) -> None:
        for port in ports:
            self._forwarder.close((self._address, port))

    def _watch(self, server: MilvusServer) -> None:
        """Ask the probes until the process ends, is to end, or fails its liveness probe."""
        readiness = _Probe(self._container.get("readinessProbe"), pace=self._pace, healthy=False)
        liveness = _Probe(self._container.get("livenessProbe"), pace=self._pace, healthy=True)
        while server.process.running and not self._stopping.is_set():
            if readiness.is_due():
                ready = readiness.ask(self._address, self._container)
                if ready != self.state.ready:
                    self._enter(_with_ready(self.state, ready=ready))
            if liveness.is_due() and not liveness.ask(self._address, self._container):
                _log.warning("pod %s fails its liveness probe", self._name)
                return
            self._stopping.wait(min(readiness.seconds_left(), liveness.seconds_left(), 0.1))

    def _enter(self, state: ContainerState) -> None:
        self.state = state
        self._changed()


class _Probe:
    """One probe with its thresholds; a container without it counts as well."""

    def __init__(self, probe: Json | None, *, pace: float, healthy: bool) -> None:
        self._probe, self._verdict = probe, healthy or probe is None
        delay, self._period = containers.waits_seconds(probe or {}, pace)
        # Its failures count only when the container has had time to come up, however short the delays are made.
        grace = 30.0 if healthy and pace < 1 else 0.0
        self._due, self._streak, self._told = time.monotonic() + delay + grace, 0, False

    def is_due(self) -> bool:
        return (self._probe is not None or not self._told) and time.monotonic() >= self._due

    def seconds_left(self) -> float:
        return max(0.01, self._due - time.monotonic())

    def ask(self, address: str, container: Json) -> bool:
        self._told = True
        if self._probe is None:
            return True
        self._due = time.monotonic() + self._period
        success = _answers(self._probe, address, container)
        if success == self._verdict:
            self._streak = 0
        else:
            self._streak += 1
            threshold = self._probe.get("successThreshold" if success else "failureThreshold") or (1 if success else 3)
            if self._streak >= threshold:
                self._verdict, self._streak = success, 0
        return self._verdict


def _answers(probe: Json, address: str, container: Json) -> bool:
    timeout = float(probe.get("timeoutSeconds") or 1)
    if get := probe.get("httpGet"):
        port = containers.port_number(container, get["port"])
        connection = http.client.HTTPConnection(address, port, timeout=timeout)
        try:
            connection.request("GET", get.get("path") or "/")
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
    if tcp := probe.get("tcpSocket"):
        with suppress(OSError):
            socket.create_connection((address, containers.port_number(container, tcp["port"])), timeout).close()
            return True
        return False
    return True  # exec and gRPC probes need a container


def _with_ready(state: ContainerState, *, ready: bool) -> ContainerState:
    return ContainerState(state.state, state.last_state, ready, state.restarts, state.started)
