"""Fixtures of the sandbox's parts: a Compute API with its name server, and a plain REST client for it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.ca import CertificateAuthority
from sandbox.compute.server import ComputeApi
from sandbox.dns.server import DnsServer, Zones
from sandbox.faults import Faults
from sandbox.latency import PROFILES, Latency
from sandbox.network import AddressPool

Finish = Callable[[httpx.Response], dict[str, Any]]


@pytest.fixture
def compute_faults() -> Faults:
    return Faults()


@pytest.fixture
def compute_latency() -> Latency:
    """A module overrides it to see things on their way."""
    return PROFILES["zero"]


@pytest.fixture
def compute_limits() -> dict[str, float]:
    """Quota limits other than the usual ones."""
    return {}


@pytest.fixture
def zones() -> Zones:
    return Zones()


@pytest.fixture
def name_server(zones: Zones, compute_faults: Faults) -> Iterator[DnsServer]:
    server = DnsServer(zones, compute_faults)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def google_ca() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def compute(
    tmp_path: Path,
    compute_faults: Faults,
    compute_latency: Latency,
    compute_limits: dict[str, float],
    zones: Zones,
    name_server: DnsServer,
    google_ca: CertificateAuthority,
) -> Iterator[ComputeApi]:
    pool = AddressPool(tmp_path)
    api = ComputeApi(
        tmp_path,
        compute_faults,
        compute_latency,
        ca=google_ca,
        addresses=pool,
        dns=zones,
        limits=compute_limits,
    )
    api.start()
    yield api
    api.stop()
    pool.close()


@pytest.fixture
def rest(compute: ComputeApi) -> Iterator[httpx.Client]:
    """A client whose paths are relative to the project."""
    headers = {"Authorization": f"Bearer {compute.access_token('tester')}"}
    base = f"{compute.url}/compute/v1/projects/{compute.project}/"
    with httpx.Client(base_url=base, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def finish(rest: httpx.Client) -> Finish:
    """Wait for the operation of a reply; return it when it is DONE, with its error if it has one."""

    def wait(response: httpx.Response) -> dict[str, Any]:
        assert response.status_code == httpx.codes.OK, response.text
        operation: dict[str, Any] = response.json()
        while operation["status"] != "DONE":
            scope = "zones/" + operation["zone"].rpartition("/")[2] if "zone" in operation else "global"
            operation = rest.post(f"{scope}/operations/{operation['name']}/wait").json()
        return operation

    return wait
