"""A Compute API for the tests of what talks to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.ca import CertificateAuthority
from sandbox.compute.server import ComputeApi
from sandbox.compute_client import ComputeClient
from sandbox.dns.server import Zones
from sandbox.faults import Faults
from sandbox.latency import PROFILES, Latency
from sandbox.network import AddressPool


@dataclass
class Compute:
    """A running Compute API with a client of its owner."""

    api: ComputeApi
    client: ComputeClient
    faults: Faults
    token: str


@contextmanager
def running_compute(directory: Path, *, latency: Latency = PROFILES["zero"]) -> Iterator[Compute]:
    faults, addresses = Faults(), AddressPool(directory)
    api = ComputeApi(directory, faults, latency, ca=CertificateAuthority(), addresses=addresses, dns=Zones())
    api.start()
    token = api.access_token("controller")
    client = ComputeClient(api.url, token, "sandbox-project")
    try:
        yield Compute(api, client, faults, token)
    finally:
        client.close()
        api.stop()
        addresses.close()
