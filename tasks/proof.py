"""The proof: a real client's way to Milvus, climbed rung by rung.

DNS, TCP, TLS, ALPN, gRPC, a collection. Each rung is a check of its own with its own time-out; the climb stops where
one breaks, and what it means is judged in `tasks.core.rung_faults`. Nothing here retries: whoever waits for the first
proof that holds climbs again.

grpc and pymilvus are imported only when the client rungs are reached, since they cost seconds.
"""

import secrets
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tasks.clients import milvus, wire
from tasks.core import certificates, ladder, rung_faults
from tasks.core.certificates import CertificateFacts
from tasks.core.config import CertificateMode
from tasks.core.ladder import Fault, Outcome, Rung, Verdict

T = TypeVar("T")

_DNS_SECONDS, _TCP_SECONDS, _TLS_SECONDS, _CONNECT_SECONDS, _CALL_SECONDS = 5.0, 5.0, 10.0, 15.0, 20.0
_COLLECTION_SECONDS = 120.0
_DROP_SECONDS = 15.0
"""Kept back from the last rung's time, so that what it made is dropped within the deadline, too."""

_COLLECTION_PREFIX = "milvus_gke_l7_proof_"


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
        dns_servers: `ip:port` of each server to ask, empty: the system's resolver.
        dns_required: whether the name must resolve to the address alone. If not, DNS that says something else is told,
            skipped, and the address is dialled.
        credentials: user name and password for Milvus; never shown.
        credentials_source: what holds them, as kubectl writes it; stands in their place.
        proof_writes: create, fill, search and drop a collection as the last rung.
        deadline_seconds: of the whole climb.
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
    deadline_seconds: float = 180.0


@dataclass(frozen=True)
class Proof:
    """What came of one climb.

    Attributes:
        verdict: all rungs, climbed or not.
        call: the pymilvus call that was executed, as code without secrets; "" when the client was not reached.
        certificate: the leaf seen on the wire, None when there was none.
        server_version: of Milvus, "" when it was not reached.
    """

    verdict: Verdict
    call: str = ""
    certificate: CertificateFacts | None = None
    server_version: str = ""

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """All rungs in order."""
        return self.verdict.rungs


def prove(target: Target, tell: Callable[[Rung], None] = lambda _rung: None) -> Proof:
    """Climb the ladder and return what was seen; a broken rung is a result, not an exception.

    Args:
        target: what to prove.
        tell: called with each rung as it ends.
    """
    return _Climb(target, tell).run()


class _Broken(Exception):
    """A rung broke."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class _Skipped(Exception):
    """A rung was not climbed, for this reason."""


class _Climb:
    """One climb: its clock, and what the rungs pass on."""

    def __init__(self, target: Target, tell: Callable[[Rung], None]) -> None:
        self.target, self.tell = target, tell
        self.deadline = time.monotonic() + target.deadline_seconds
        self.rungs: list[Rung] = []
        self.certificate: CertificateFacts | None = None
        self.resolves = False
        self.call = self.version = ""

    def run(self) -> Proof:
        """Climb as far as it goes."""
        checks = zip(ladder.RUNGS[:4], (self._dns, self._tcp, self._tls, self._alpn), strict=True)
        if all(self._climb(name, check) for name, check in checks):
            self._climb_with_client()
        return Proof(ladder.finished(self.rungs), self.call, self.certificate, self.version)

    def _climb_with_client(self) -> None:
        target = self.target
        # The name is dialled when the client's own resolver is the one that was asked.
        by_name = self.resolves and not target.dns_servers
        uri = f"https://{target.domain if by_name else target.address}:{target.port}"
        server_name = "" if by_name else target.domain
        with ExitStack() as stack:
            client = stack.enter_context(
                milvus.client(uri, trust=target.trust, server_name=server_name, credentials=target.credentials)
            )
            self.call = client.code(credentials_source=target.credentials_source, trust_source=target.trust_source)
            if self._climb("grpc", lambda: self._grpc(client)):
                self._climb("collection", lambda: self._collection(client))

    def _climb(self, name: str, check: Callable[[], str]) -> bool:
        begun = time.monotonic()
        fault: Fault | None = None
        try:
            if self._left() <= 0:
                raise _Broken(Fault("client", "the deadline of the proof has passed", "Run it again."))
            outcome, detail = Outcome.PASSED, check()
        except _Skipped as why:
            outcome, detail = Outcome.SKIPPED, str(why)
        except _Broken as broken:
            fault = broken.fault
            outcome, detail = Outcome.FAILED, fault.detail
        rung = Rung(name, outcome, detail, time.monotonic() - begun, fault)
        self.rungs.append(rung)
        self.tell(rung)
        return outcome is not Outcome.FAILED

    def _left(self, most: float = float("inf")) -> float:
        return min(most, self.deadline - time.monotonic())

    def _dns(self) -> str:
        target = self.target
        answers = wire.resolve(target.domain, target.dns_servers, self._left(_DNS_SECONDS))
        fault = rung_faults.judge_dns(target.domain, target.address, answers)
        if fault is None:
            self.resolves = True
            return f"{target.domain} is {target.address} ({', '.join(answer.server for answer in answers)})"
        if target.dns_required:
            raise _Broken(fault)
        raise _Skipped(f"{fault.detail}; the address is dialled instead")

    def _tcp(self) -> str:
        with self._connection():
            return f"{self.target.address}:{self.target.port} takes connections"

    def _tls(self) -> str:
        try:
            shown = self._handshake(self._trusting())
        except ssl.SSLCertVerificationError as error:
            raise _Broken(self._refused_certificate(error)) from None
        self.certificate = shown
        if fault := rung_faults.fingerprint_fault(shown, self.target.expected_fingerprints):
            raise _Broken(fault)
        return rung_faults.described(shown)

    def _refused_certificate(self, error: ssl.SSLCertVerificationError) -> Fault:
        """What is wrong with a certificate; it is fetched once more without judging it, to be able to say."""
        with suppress(_Broken, ssl.SSLError, ValueError):
            self.certificate = self._handshake(wire.unjudging())
        return rung_faults.verify_fault(
            error.verify_code,
            error.verify_message,
            self.target.domain,
            self.certificate,
            datetime.now(UTC),
            own_trust=self.target.trust is not None,
        )

    def _alpn(self) -> str:
        context = self._trusting()
        context.set_alpn_protocols(["h2"])  # as gRPC offers it
        chosen: str | None = None
        refused = ""
        try:
            with wire.secured(self._connection(), context, self.target.domain, self._left(_TLS_SECONDS)) as secured:
                chosen = secured.selected_alpn_protocol()
        except OSError as error:  # ssl.SSLError is one
            refused = str(getattr(error, "reason", "") or error)
        if fault := rung_faults.alpn_fault(chosen, refused):
            raise _Broken(fault)
        return "h2"

    def _trusting(self) -> ssl.SSLContext:
        try:
            return wire.trusting(self.target.trust)
        except OSError as error:
            detail = f"what the client should trust cannot be read: {error}"
            raise _Broken(Fault("client", detail, "It must be PEM, the certificate alone.")) from None

    def _handshake(self, context: ssl.SSLContext) -> CertificateFacts:
        try:
            with wire.secured(self._connection(), context, self.target.domain, self._left(_TLS_SECONDS)) as secured:
                return certificates.read_der(secured.getpeercert(binary_form=True) or b"")
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            raise _Broken(rung_faults.handshake_fault(error.reason or "", str(error))) from None
        except OSError as error:
            raise _Broken(rung_faults.handshake_fault("", str(error) or type(error).__name__)) from None

    def _connection(self) -> socket.socket:
        address, port = self.target.address, self.target.port
        try:
            return wire.connection(address, port, self._left(_TCP_SECONDS))
        except OSError as error:
            raise _Broken(rung_faults.tcp_fault(address, port, error)) from None

    def _grpc(self, client: milvus.Client) -> str:
        self._asked(client.connect, self._left(_CONNECT_SECONDS))
        self.version = self._asked(client.version, self._left(_CALL_SECONDS))
        return f"Milvus {self.version or '(no version)'}"

    def _collection(self, client: milvus.Client) -> str:
        if not self.target.proof_writes:
            raise _Skipped("proof_writes is off")
        name = _COLLECTION_PREFIX + secrets.token_hex(8)
        left = self._left(_COLLECTION_SECONDS)
        reserve = min(_DROP_SECONDS, left / 3)
        try:
            found = self._asked(lambda seconds: client.write_and_search(name, seconds), left - reserve)
        except _Broken as broken:
            # What was made is dropped after a failure, too; how that went matters less than the failure.
            kept = self._not_dropped(client, name)
            raise _Broken(_with_leftover(broken.fault, kept)) from None
        if kept := self._not_dropped(client, name):
            raise _Broken(Fault("milvus", kept, f"Drop the collection {name}."))
        return f"{found.rows} rows in, row {found.nearest} found at distance {found.distance:.4f}, collection dropped"

    def _not_dropped(self, client: milvus.Client, name: str) -> str:
        """Drop the collection; why it may still be there, "" when it is gone."""
        try:
            self._asked(lambda seconds: client.drop(name, seconds), self._left(_DROP_SECONDS))
        except _Broken as broken:
            return f"collection {name} may be left over: {broken.fault.detail}"
        return ""

    def _asked(self, ask: Callable[[float], T], seconds: float) -> T:
        try:
            return ask(max(1.0, seconds))
        except milvus.WrongAnswer as wrong:
            raise _Broken(Fault("milvus", str(wrong), "Search by hand, and see Milvus' log.")) from None
        except Exception as error:
            status, details = milvus.rpc_error(error)
            fault = rung_faults.grpc_fault(
                status,
                details,
                named_credentials=self.target.credentials is not None,
                own_trust=self.target.trust is not None,
            )
            raise _Broken(fault) from None


def _with_leftover(fault: Fault, kept: str) -> Fault:
    return Fault(fault.owner, f"{fault.detail}; {kept}", fault.mend, fault.outlook) if kept else fault
