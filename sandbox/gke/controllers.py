"""Starts and stops the three controllers with all that they share."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.compute_client import ComputeClient
from sandbox.faults import Faults
from sandbox.gke.cluster import ClusterView, read_namer
from sandbox.gke.events import Recorder
from sandbox.gke.ingress import IngressController
from sandbox.gke.managed_certificate import ManagedCertificateController
from sandbox.gke.neg import NegController
from sandbox.gke.readiness import POLL_SECONDS
from sandbox.kube_client import KubeClient
from sandbox.latency import Latency

logger = logging.getLogger(__name__)

_FAULT_LOOK_SECONDS = 0.5


class Controllers:
    """Ingress, NEG and ManagedCertificate controller of one cluster.

    The cluster must have what `install.install` brings. Both APIs are reached over the wire only.
    """

    def __init__(
        self,
        kubeconfig: Path | str | dict[str, Any],
        compute_url: str,
        compute_token: str | Callable[[], str],
        project: str,
        latency: Latency,
        faults: Faults,
        *,
        zones: tuple[str, ...] = ("sandbox-zone-a",),
    ) -> None:
        # The API server takes the manager of a field from the user agent: two programs on GKE, two clients here.
        self._client = KubeClient.from_kubeconfig(kubeconfig, user_agent="glbc/sandbox")
        self._certificate_client = KubeClient.from_kubeconfig(
            kubeconfig, user_agent="managed-certificate-controller/sandbox"
        )
        self._compute = ComputeClient(compute_url, compute_token, project, user_agent="glbc/sandbox")
        self._latency, self._faults, self._zones = latency, faults, zones
        self._cluster = ClusterView(self._client)
        self._recorder = Recorder(self._client)
        self._running: list[IngressController | NegController | ManagedCertificateController] = []
        self._ticker: Ticker | None = None

    def start(self) -> None:
        """Start watching and working.

        Raises:
            KubeError: the API server cannot be reached, or `install` has not been run.
        """
        namer = read_namer(self._client)
        shared = (self._cluster, self._compute, namer, self._recorder, self._faults)
        retry, calm = self._latency.retry_seconds, self._latency.calm_seconds
        ingresses = IngressController(*shared, zones=self._zones, retry_seconds=retry, calm_seconds=calm)
        negs = NegController(*shared, zones=self._zones, retry_seconds=retry, calm_seconds=calm)
        certificates = ManagedCertificateController(
            self._cluster, self._certificate_client, self._compute, self._recorder, self._faults, retry_seconds=retry
        )
        self._running = [ingresses, negs, certificates]
        self._recorder.start()
        for controller in self._running:
            controller.start()
        self._cluster.start()
        self._ticker = Ticker(
            [
                (self._latency.resync_seconds, ingresses.resync),
                (self._latency.resync_seconds, negs.resync),
                (self._latency.neg_gc_seconds, negs.collect_garbage),
                (POLL_SECONDS, negs.poll_readiness),
                (self._latency.certificate_status_lag_seconds, certificates.resync),
                (_FAULT_LOOK_SECONDS, self._resume("controller-off", ingresses.resync, negs.resync)),
                (_FAULT_LOOK_SECONDS, self._resume("managed-certificate-controller-off", certificates.resync)),
            ]
        )
        self._ticker.start()

    def _resume(self, fault: str, *actions: Callable[[], None]) -> Callable[[], None]:
        """A look at a switch: once it goes off, a controller that was away does what it has missed."""
        was_armed = False

        def look() -> None:
            nonlocal was_armed
            armed = fault in self._faults.armed()
            if was_armed and not armed:
                for action in actions:
                    action()
            was_armed = armed

        return look

    def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
        self._cluster.stop()
        for controller in self._running:
            controller.stop()
        self._recorder.stop()
        self._client.close()
        self._certificate_client.close()
        self._compute.close()


class Ticker:
    """Calls quick functions, each at its own period, from one thread."""

    def __init__(self, jobs: list[tuple[float, Callable[[], None]]]) -> None:
        self._jobs = jobs
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="controller ticker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        now = time.monotonic()
        due = [now + period for period, _ in self._jobs]
        while not self._stopping.wait(max(min(due) - time.monotonic(), 0.0)):
            for index, (period, job) in enumerate(self._jobs):
                if time.monotonic() >= due[index]:
                    due[index] = time.monotonic() + period
                    try:
                        job()
                    except Exception:
                        logger.exception("periodic work of the controllers")
