"""What several folders need: a whole sandbox, and a Prefect server, each started once and only when asked for."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from sandbox.stack import DNS_ZONE, Stack
from tasks.core.config import LoadBalancerConfig

DOMAIN = "milvus.example"

# How long a machine takes to make an example says nothing about what is tried with it; the first one reads tables that
# a fresh clone has yet to build.
settings.register_profile("milvus-l7", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("milvus-l7")

QUICK = {"long_call_seconds": 0, "idle_seconds": 0, "open_milvus_reason": "an empty Milvus on a loopback address"}
"""What a run is asked for that is not about the long rungs of the proof, nor about passwords."""


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox with a real Milvus and a real Envoy, whose Google Cloud takes no time."""
    with Stack(tmp_path_factory.mktemp("sandbox"), latency="zero") as stack:
        yield stack


@pytest.fixture
def stack(running_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The sandbox, with this process pointed at it; afterwards no fault is armed, and DNS is as it was."""
    yield from _pointed_at(running_stack, monkeypatch)


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox like the one of all, for a module that looks at what others left, or leaves what others would see."""
    with Stack(tmp_path_factory.mktemp("own-sandbox"), latency="zero") as stack:
        yield stack


@pytest.fixture
def alone(own_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The module's own sandbox, with this process pointed at it, and put back in the same way."""
    yield from _pointed_at(own_stack, monkeypatch)


def _pointed_at(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    zones = stack.dns.zones
    before = set(zones.records(DNS_ZONE))
    yield stack
    stack.faults.clear()
    # A record that leads to an earlier load balancer is a fault to whoever comes next.
    after = set(zones.records(DNS_ZONE))
    if after != before:
        zones.change(DNS_ZONE, before - after, after - before)


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server of the test session's own, and this process pointed at it."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        temporary_settings,
    )

    from deployments import prefect_server

    home = tmp_path_factory.mktemp("prefect")
    process, url = prefect_server.start(home)
    try:
        with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield url
            _send_logs()
    finally:
        prefect_server.stop(process)


def _send_logs() -> None:
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()


def a_config(**changes: Any) -> LoadBalancerConfig:
    """A configuration for the sandbox's release, with what a test changes."""
    return LoadBalancerConfig.parse({"domain": DOMAIN} | QUICK | changes)


@pytest.fixture(scope="session", autouse=True)
def no_surprises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of the developer's machine gets into a test: no kubeconfig, credentials, Prefect profile or telemetry."""
    home = tmp_path_factory.mktemp("home")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PREFECT_", "MILVUS_L7_", "CLOUDSDK_"))]:
            patch.delenv(name)
        for name in ("KUBECONFIG", "GOOGLE_APPLICATION_CREDENTIALS"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(home))
        # The unpacked Milvus is worth keeping.
        patch.setenv("XDG_CACHE_HOME", cache)
        patch.setenv("DO_NOT_TRACK", "1")
        yield
    _close_clients()


def _close_clients() -> None:
    """Let go of the clients that the product keeps for the life of its process, sockets included."""
    import gc
    import sys

    for module, cached in (("compute", "_client"), ("kubernetes", "_cluster"), ("google", "_default_of")):
        if loaded := sys.modules.get(f"tasks.clients.{module}"):
            getattr(loaded, cached).cache_clear()
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, a worker's runs; the pure core comes next, which is over in seconds."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        return {"workers": 0, "core": 1}.get(folder, 2 if item.path in slow else 3)

    items.sort(key=turn)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out files as wholes, and all of `tests/workers` as one.

    They share one server, and three workers of Prefect at once, whose processes import for seconds, are more than two
    cores bear.
    """
    from xdist.scheduler import LoadScopeScheduling

    def scope(nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/workers" if "tests/workers/" in file else file

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = scope  # the one thing that its own kinds differ in
    return scheduler


class TellFailures:
    """Writes each failure when it happens.

    With several workers pytest keeps them for the end, which a run that is cut short never sees.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test has ended."""
        if report.failed:
            self._terminal.write_line("")
            self._terminal.write_line(f"{report.nodeid} ({report.when}, after {report.duration:.0f} s)", red=True)
            self._terminal.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)  # the terminal is made by then
def pytest_configure(config: pytest.Config) -> None:
    """Workers send their reports; the one process that has a terminal shows them."""
    if not hasattr(config, "workerinput") and config.pluginmanager.has_plugin("terminalreporter"):
        config.pluginmanager.register(TellFailures(config), "tell-failures")
