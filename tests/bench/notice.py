"""How soon a waiting step notices that what it waits for is there, and how many API calls the wait costs.

The world is held back by the sandbox's fault switches and let go at a random moment. The moment itself is seen by a
tight poll of our own, under another name than the step's, so that the step's calls can be counted.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.compute_client import ComputeClient, resource_path
from sandbox.kube_client import KubeClient
from sandbox.stack import Stack
from tests.bench.figures import Figure, median
from tests.bench.programs import say
from tests.conftest import QUICK

_GOAL_SECONDS = 0.3
_HOLD_SECONDS = (3.0, 12.0)
_DEADLINE_SECONDS = 60.0
_NAMESPACE = "default"
_ME = "bench"
_INGRESSES = f"/apis/networking.k8s.io/v1/namespaces/{_NAMESPACE}/ingresses"
_CERTIFICATES = f"/apis/networking.gke.io/v1/namespaces/{_NAMESPACE}/managedcertificates"
_ADDRESS = "203.0.113.7"


@dataclass(frozen=True)
class _Notice:
    """One wait that ended: seconds from the change to its end, its length, its calls."""

    seconds: float
    waited: float
    kube_calls: int
    compute_calls: int


def measure(directory: Path) -> list[Figure]:
    """Hold address, health and certificate back, let each go, and see when the step comes back."""
    with Stack(directory, latency="zero") as stack, _pointed_at(stack):
        bench = _Bench(stack)
        try:
            return [
                *bench.figures("address", 10, bench.address),
                *bench.figures("backend health", 6, bench.health),
                *bench.figures("certificate status", 6, bench.certificate),
            ]
        finally:
            bench.close()


@contextmanager
def _pointed_at(stack: Stack) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(stack.env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Bench:
    """A load balancer in Google-managed mode, and hands to hold parts of it back."""

    def __init__(self, stack: Stack) -> None:
        from tasks.core.config import LoadBalancerConfig

        assert stack.kube is not None
        self._stack, self._api = stack, stack.kube
        self._account = stack.compute.credentials()["client_email"]
        self._kube = KubeClient.from_kubeconfig(stack.kube.kubeconfig(_ME), user_agent=_ME)
        self._compute = ComputeClient(
            stack.compute.url, stack.compute.access_token(_ME), stack.env["MILVUS_L7_PROJECT"]
        )
        google = {"certificate_mode": "google-managed", "dns_managed_zone": "sandbox-zone"}
        given = {"domain": "milvus.example"} | google | QUICK
        self._config = LoadBalancerConfig.parse(given)
        self._other = LoadBalancerConfig.parse(given | {"release": "notice"})
        self._reserved = self._provision()
        self._kube.create(_INGRESSES, _ingress("notice-milvus"))

    def close(self) -> None:
        self._kube.close()
        self._compute.close()

    def figures(self, name: str, repetitions: int, once: Callable[[], _Notice]) -> Iterator[Figure]:
        """Median, worst, and calls for each minute of waiting."""
        notices: list[_Notice] = []
        for number in range(repetitions):
            say(f"noticing the {name}, {number + 1} of {repetitions}")
            notices.append(once())
        minutes = sum(notice.waited for notice in notices) / 60
        kube = sum(notice.kube_calls for notice in notices) / minutes
        cloud = sum(notice.compute_calls for notice in notices) / minutes
        late = [notice.seconds for notice in notices]
        waits = f"{repetitions} waits of {_HOLD_SECONDS[0]:g} to {_HOLD_SECONDS[1]:g} s"
        yield Figure(f"{name}: from change to notice, median", median(late), "s", goal=_GOAL_SECONDS, note=waits)
        yield Figure(f"{name}: from change to notice, worst", max(late), "s")
        yield Figure(f"{name}: calls while waiting, Kubernetes", kube, "/min")
        yield Figure(f"{name}: calls while waiting, Compute", cloud, "/min")

    def address(self) -> _Notice:
        """The controller is off; the Ingress' status is ours to write."""
        from tasks.ingress import wait_for_address

        path = f"{_INGRESSES}/notice-milvus/status"

        def change() -> float:
            moment = time.monotonic()
            self._kube.merge_patch(path, {"status": {"loadBalancer": {"ingress": [{"ip": _ADDRESS}]}}})
            return moment

        self._stack.faults.arm("controller-off")
        try:
            self._kube.merge_patch(path, {"status": {"loadBalancer": {"ingress": None}}})
            return self._observe(lambda: wait_for_address.fn(self._other, _ADDRESS), change)
        finally:
            self._stack.faults.clear("controller-off")

    def health(self) -> _Notice:
        """No endpoint passes its health check until the fault is cleared."""
        from tasks.load_balancer import wait_for_backends

        def change() -> float:
            self._stack.faults.clear("never-healthy")
            return _moment(self._healthy)

        self._stack.faults.arm("never-healthy")
        _moment(lambda: not self._healthy())
        return self._observe(lambda: wait_for_backends.fn(self._config), change)

    def certificate(self) -> _Notice:
        """A new ManagedCertificate stays PROVISIONING until the fault is cleared."""
        from tasks.ingress import apply_ingress
        from tasks.managed_certificate import apply_managed_certificate, wait_for_certificate

        def change() -> float:
            self._stack.faults.clear("certificate-stuck")
            return _moment(lambda: self._certificate_status() == "ACTIVE")

        self._stack.faults.arm("certificate-stuck")
        self._remove_certificate()
        apply_managed_certificate.fn(self._config)
        apply_ingress.fn(self._config)
        _moment(lambda: self._certificate_status() == "PROVISIONING")
        return self._observe(lambda: wait_for_certificate.fn(self._config, self._reserved), change)

    def _remove_certificate(self) -> None:
        """After the Ingress: Compute deletes no certificate that a proxy uses."""
        for path in (f"{_INGRESSES}/my-release-milvus", f"{_CERTIFICATES}/my-release-milvus-tls"):
            self._kube.delete(path)
            _moment(lambda: self._kube.find(path) is None)  # noqa: B023  # called before the next turn
        _moment(lambda: not self._compute.list("global/sslCertificates"))

    def _observe(self, wait: Callable[[], object], change: Callable[[], float]) -> _Notice:
        """Run a wait in a thread, make the change at a random time, and see how long after it the wait ends."""
        ended: list[float] = []
        failures: list[BaseException] = []

        def run() -> None:
            try:
                self._remember_events()
                wait()
                ended.append(time.monotonic())
            except BaseException as error:  # raised again below, in the measuring thread
                failures.append(error)

        kube, compute = self._calls()
        begun = time.monotonic()
        thread = threading.Thread(target=run, name="waiting-step")
        thread.start()
        thread.join(random.uniform(*_HOLD_SECONDS))
        changed = change()
        thread.join(_DEADLINE_SECONDS)
        if failures:
            raise failures[0]
        if not ended or ended[0] < changed - 0.1:
            raise RuntimeError("the step did not wait for the change" if ended else "the step never noticed")
        kube_after, compute_after = self._calls()
        # The tight poll sees the change a little late; a step cannot see it early.
        late = max(0.0, ended[0] - changed)
        return _Notice(late, ended[0] - begun, kube_after - kube, compute_after - compute)

    def _remember_events(self) -> None:
        """As preflight does: what was reported before does not end this wait. A journal of its own for this thread."""
        from tasks import events
        from tasks.clients import kubernetes
        from tasks.core import names, progress
        from tasks.core.progress import Journal

        progress.use(Journal())
        release = self._config.release
        events.remember(
            kubernetes.cluster(self._config), _NAMESPACE, (names.ingress(release), names.certificate(release))
        )

    def _calls(self) -> tuple[int, int]:
        kube, compute = self._api.request_counts("admin"), self._stack.compute.request_counts(self._account)
        return sum(kube.values()), sum(compute.values())

    def _healthy(self) -> bool:
        services = self._compute.list("global/backendServices")
        states = [
            entry.get("healthState")
            for service in services
            for backend in service.get("backends") or []
            for entry in self._compute.ask(f"{resource_path(service['selfLink'])}/getHealth", backend).get(
                "healthStatus"
            )
            or []
            if "milvus" in str(service.get("description"))
        ]
        return "HEALTHY" in states

    def _certificate_status(self) -> str:
        live = self._kube.find(f"{_CERTIFICATES}/my-release-milvus-tls") or {}
        name = (live.get("status") or {}).get("certificateName")
        found = self._compute.find(f"global/sslCertificates/{name}") if name else None
        return str(((found or {}).get("managed") or {}).get("status", ""))

    def _provision(self) -> str:
        """Build the load balancer by the bodies of the flow's own steps; returns its address."""
        from tasks import (
            backend_config,
            dns_record,
            frontend_config,
            global_address,
            ingress,
            load_balancer,
            managed_certificate,
            milvus_release,
            milvus_rollout,
        )

        say("building a load balancer to wait for")
        config = self._config
        reserved = global_address.reserve_address.fn(config).address
        milvus_release.apply_milvus_release.fn(config)
        for step in (
            backend_config.apply_backend_config,
            frontend_config.apply_frontend_config,
            managed_certificate.apply_managed_certificate,
            milvus_rollout.wait_for_rollout,
        ):
            step.fn(config)
        dns_record.apply_dns_record.fn(config, reserved)
        ingress.apply_ingress.fn(config)
        ingress.wait_for_address.fn(config, reserved)
        load_balancer.wait_for_backends.fn(config)
        managed_certificate.wait_for_certificate.fn(config, reserved)
        return reserved


def _moment(holds: Callable[[], bool]) -> float:
    """The moment when something is first seen to hold, by looking all the time."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("what was to be noticed did not happen")
        time.sleep(0.005)
    return time.monotonic()


def _ingress(name: str) -> dict[str, Any]:
    backend = {"service": {"name": "my-release-milvus", "port": {"number": 19530}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": _NAMESPACE},
        "spec": {"defaultBackend": backend},
    }
