"""What the rungs of a proof share: what is to be proved, how a rung breaks, and the clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.core.backend_faults import Backends
from tasks.core.config import CertificateMode
from tasks.core.ladder import Fault


def _nothing_known() -> Backends:
    return Backends(unseen="Compute was not asked")


@dataclass(frozen=True)
class Target:
    """What to prove: this domain, at this address, with this certificate.

    Attributes:
        domain: name that clients dial, that the certificate and the host rule must match.
        address: IPv4 address of the load balancer.
        certificate_mode: who made the certificate; for the report.
        port: where port 443 of the load balancer listens; another one only in a sandbox.
        trust: PEM of what clients must trust, None: the public roots, honouring GRPC_DEFAULT_SSL_ROOTS_FILE_PATH and
            SSL_CERT_FILE.
        trust_source: where a person gets that PEM, as a command; for the report.
        expected_fingerprints: SHA-256 of the leaves that may be served, lower hex; empty: not compared.
        dns_servers: `ip:port` of each server to ask, empty: the system's resolver and a public one.
        dns_required: whether the name must resolve to the address alone. If not, DNS that says something else is told,
            skipped, and the address is dialled.
        credentials: user name and password for Milvus; never shown.
        credentials_source: what holds them, as kubectl writes it; stands in their place.
        proof_writes: create, fill, search and drop a collection; without it there is no long call either.
        long_call_seconds: how long one call has to last, 0: none.
        no_long_call: why there is none.
        idle_seconds: how long a connection has to be silent before it is used again, 0: none.
        look_at_backends: what Compute says; asked at most once a climb, and only when the URL map has been reached.
        deadline_seconds: of the whole climb, but for the two rungs that are asked to take long.
    """

    domain: str
    address: str
    certificate_mode: CertificateMode = CertificateMode.SELF_MANAGED
    port: int = 443
    trust: bytes | None = None
    trust_source: str = ""
    expected_fingerprints: frozenset[str] = frozenset()
    dns_servers: tuple[str, ...] = ()
    dns_required: bool = False
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    credentials_source: str = "secret"
    proof_writes: bool = True
    long_call_seconds: float = 0.0
    no_long_call: str = "long_call_seconds is 0"
    idle_seconds: float = 0.0
    look_at_backends: Callable[[], Backends] = _nothing_known
    deadline_seconds: float = 180.0


class Broken(Exception):
    """A rung broke."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class Skipped(Exception):
    """A rung was not climbed, for this reason."""


class Clock:
    """How much time a climb has left."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def left(self, most: float = float("inf")) -> float:
        """Seconds left, `most` at most; negative when the deadline has passed."""
        return min(most, self._deadline - time.monotonic())

    def extend(self, seconds: float) -> None:
        """Give the climb more time."""
        self._deadline += seconds
