"""The rungs below the client: DNS, TCP, TLS, ALPN, HTTP/2, URL map, backends, and a connection's silence.

Each method is a rung: it returns what was seen, or raises `Broken` or `Skipped`.
"""

import functools
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from socket import socket

from tasks.clients import name_servers, wire
from tasks.clients.http2 import Closed, Connection, NotHttp2
from tasks.climb import Broken, Clock, Skipped, Target
from tasks.core import (
    backend_faults,
    certificates,
    dns_faults,
    http_faults,
    policy_faults,
    rung_faults,
    tls_faults,
)
from tasks.core.backend_faults import Backends
from tasks.core.certificates import CertificateFacts
from tasks.core.http_faults import HttpAnswer
from tasks.core.ladder import Fault

_DNS_SECONDS, _TCP_SECONDS, _TLS_SECONDS, _CALL_SECONDS = 5.0, 5.0, 10.0, 15.0
_AGAIN_SECONDS = 5.0
"""Within this a connection answers that has been silent, or it was dropped on the way without a word."""


class WireRungs:
    """The rungs of one climb that need no Milvus client.

    Attributes:
        certificate: the leaf seen on the wire, None when there was none.
        resolves: whether the name leads to the address, as far as DNS was asked.
        answer: what the URL map led to, None before that was asked.
        source: this machine's own address on the connection, "" before there was one.
    """

    def __init__(self, target: Target, clock: Clock) -> None:
        self._target, self._clock = target, clock
        self.certificate: CertificateFacts | None = None
        self.resolves = False
        self.answer: HttpAnswer | None = None
        self.source = ""

    def dns(self) -> str:
        """Every name server sends the domain to the address alone."""
        target = self._target
        answers = name_servers.survey(target.domain, target.dns_servers, self._clock.left(_DNS_SECONDS))
        fault = dns_faults.judge_dns(target.domain, target.address, answers, everywhere=target.dns_required)
        if fault is None:
            self.resolves = True
            return f"{target.domain} is {target.address} ({dns_faults.told(answers)})"
        if target.dns_required:
            raise Broken(fault)
        raise Skipped(f"{fault.detail}; the address is dialled instead")

    def tcp(self) -> str:
        """The port takes connections."""
        with self._connection():
            return f"{self._target.address}:{self._target.port} takes connections"

    def tls(self) -> str:
        """The certificate is trusted, for this name, valid, and the expected one."""
        try:
            shown = self._handshake(self._trusting())
        except ssl.SSLCertVerificationError as error:
            raise Broken(self._refused_certificate(error)) from None
        self.certificate = shown
        if fault := tls_faults.fingerprint_fault(shown, self._target.expected_fingerprints):
            raise Broken(fault)
        return tls_faults.described(shown)

    def alpn(self) -> str:
        """The server chooses h2, offered as gRPC offers it."""
        chosen: str | None = None
        refused = ""
        try:
            with wire.secured(self._connection(), self._h2_context(), self._target.domain, self._tls_left()) as secured:
                chosen = secured.selected_alpn_protocol()
        except OSError as error:  # ssl.SSLError is one
            refused = str(getattr(error, "reason", "") or error)
        if fault := tls_faults.alpn_fault(chosen, refused):
            raise Broken(fault)
        return "h2"

    def http2(self) -> str:
        """What chose h2 speaks it."""
        try:
            with self._http2_connection() as (_, said):
                pass
        except (NotHttp2, Closed) as error:
            raise Broken(http_faults.http2_fault(str(error))) from None
        streams = said.get("MAX_CONCURRENT_STREAMS")
        return f"SETTINGS exchanged{f', {streams} calls at once' if streams else ''}"

    def url_map(self) -> str:
        """A call with this :authority is led to a gRPC server, or at least to a backend."""
        self.answer = answer = self._called()
        if fault := self._refusal(answer):
            raise Broken(fault)
        if fault := http_faults.url_map_fault(self._target.domain, answer, self._backends_if_needed(answer)):
            raise Broken(fault)
        if answer.speaks_grpc:
            return f":authority {self._target.domain} is led to a gRPC server"
        gave = f"gave HTTP {answer.status}" if answer.status else "did not answer in time"
        return f":authority {self._target.domain} is led to a backend, which {gave}"

    def backends(self) -> str:
        """Every zone that has endpoints has a healthy one, and they take calls."""
        backends = self.backend_facts
        assert self.answer is not None
        if not self.answer.speaks_grpc:
            raise Broken(backend_faults.http_fault(self.answer.status, backends))
        if backends.unseen:
            raise Skipped(backends.unseen)
        if fault := backend_faults.health_fault(backends):
            raise Broken(fault)
        return backend_faults.told(backends) or "no group of endpoints is told yet"

    def is_open(self) -> bool:
        """Whether Milvus tells its collections to somebody without a user."""
        return self._called("ShowCollections").grpc_status == 0

    def idle(self, given_up: threading.Event) -> str:
        """A connection that has been silent is used again."""
        wanted = self._target.idle_seconds
        if not wanted:
            raise Skipped("idle_seconds is 0")
        begun = time.monotonic()
        try:
            with self._http2_connection() as (held, _):
                held.call("GetVersion", _CALL_SECONDS)
                begun = time.monotonic()
                held.stay_silent(wanted, given_up)
                silent = time.monotonic() - begun
                held.call("GetVersion", _AGAIN_SECONDS)
        except Closed as closed:
            silent = min(wanted, time.monotonic() - begun)
            if closed.graceful and self._called().speaks_grpc:
                return f"{closed} after {silent:.0f} s, as gRPC clients tolerate; a new connection works"
            raise Broken(self._idle_fault(str(closed), silent)) from None
        except (TimeoutError, NotHttp2):
            silent = min(wanted, time.monotonic() - begun)
            raise Broken(self._idle_fault("no longer answered", silent)) from None
        return f"silent for {silent:.0f} s, then used again"

    @functools.cached_property
    def backend_facts(self) -> Backends:
        """What Compute says, asked once."""
        return self._target.look_at_backends()

    def _backends_if_needed(self, answer: HttpAnswer) -> Backends:
        return Backends() if answer.speaks_grpc else self.backend_facts

    def _refusal(self, answer: HttpAnswer) -> Fault | None:
        """Whether an allow-list is in our way, whatever status it answers with."""
        policies = self._backends_if_needed(answer).policies
        return policy_faults.refused_fault(answer.status, policies, source=self.source, address=self._target.address)

    def _idle_fault(self, seen: str, silent: float) -> Fault:
        return rung_faults.idle_fault(seen, silent_seconds=silent, wanted_seconds=self._target.idle_seconds)

    def _called(self, method: str = "GetVersion") -> HttpAnswer:
        try:
            with self._http2_connection() as (held, _):
                # What is left is needed to tell why there was no answer.
                return held.call(method, min(_CALL_SECONDS, self._clock.left() / 2))
        except (NotHttp2, Closed) as error:
            raise Broken(http_faults.no_answer_fault(str(error))) from None
        except TimeoutError:
            return HttpAnswer(0)

    @contextmanager
    def _http2_connection(self) -> Iterator[tuple[Connection, dict[str, int]]]:
        """A connection that has exchanged SETTINGS, and those of the peer."""
        domain = self._target.domain
        with ExitStack() as stack:
            try:
                handshake = wire.secured(self._connection(), self._h2_context(), domain, self._tls_left())
                held = Connection(stack.enter_context(handshake), domain)
            except OSError as error:  # ssl.SSLError is one
                reason = str(getattr(error, "reason", "") or "")
                raise Broken(tls_faults.handshake_fault(reason, str(error) or type(error).__name__)) from None
            yield held, held.settle(self._tls_left())

    def _refused_certificate(self, error: ssl.SSLCertVerificationError) -> Fault:
        """What is wrong with a certificate; it is fetched once more without judging it, to be able to say."""
        with suppress(Broken, ssl.SSLError, ValueError):
            self.certificate = self._handshake(wire.unjudging())
        return tls_faults.verify_fault(
            error.verify_code,
            error.verify_message,
            self._target.domain,
            self.certificate,
            datetime.now(UTC),
            own_trust=self._target.trust is not None,
        )

    def _trusting(self) -> ssl.SSLContext:
        try:
            return wire.trusting(self._target.trust)
        except OSError as error:
            detail = f"what the client should trust cannot be read: {error}"
            mend = "It must be PEM, the certificate alone: openssl x509 -in tls.crt -noout -text"
            raise Broken(Fault("client", "TrustUnreadable", detail, mend)) from None

    def _h2_context(self) -> ssl.SSLContext:
        context = self._trusting()
        context.set_alpn_protocols(["h2"])  # as gRPC offers it
        return context

    def _handshake(self, context: ssl.SSLContext) -> CertificateFacts:
        try:
            with wire.secured(self._connection(), context, self._target.domain, self._tls_left()) as secured:
                return certificates.read_der(secured.getpeercert(binary_form=True) or b"")
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:  # ssl.SSLError is one
            reason = str(getattr(error, "reason", "") or "")
            raise Broken(tls_faults.handshake_fault(reason, str(error) or type(error).__name__)) from None

    def _connection(self) -> socket:
        address, port = self._target.address, self._target.port
        try:
            made = wire.connection(address, port, self._clock.left(_TCP_SECONDS))
        except OSError as error:
            raise Broken(tls_faults.tcp_fault(address, port, error)) from None
        self.source = str(made.getsockname()[0])
        return made

    def _tls_left(self) -> float:
        return self._clock.left(_TLS_SECONDS)
