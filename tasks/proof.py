"""The proof: a real client's way to Milvus, climbed rung by rung.

Each rung is a check of its own with its own time-out; the climb stops where one breaks, and what it means is judged in
`tasks.core`. Nothing here retries: whoever waits for the first proof that holds climbs again.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tasks.client_rungs import ClientRungs
from tasks.clients import milvus
from tasks.climb import Broken, Clock, Skipped, Target
from tasks.core import ladder
from tasks.core.certificates import CertificateFacts
from tasks.core.ladder import Fault, Outcome, Rung, Verdict
from tasks.wire_rungs import WireRungs

__all__ = ["Proof", "Target", "prove"]


@dataclass(frozen=True)
class Proof:
    """What came of one climb.

    Attributes:
        verdict: all rungs, climbed or not.
        call: the pymilvus call that was executed, as code without secrets; "" when the client was not reached.
        async_call: the same of the asynchronous client.
        certificate: the leaf seen on the wire, None when there was none.
        server_version: of Milvus, "" when it was not reached.
    """

    verdict: Verdict
    call: str = ""
    async_call: str = ""
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
        tell: called with each rung as it ends; a second time should the collection not be dropped at the end.
    """
    return _Climb(target, tell).run()


class _Climb:
    """One climb: its order, and what has been climbed."""

    def __init__(self, target: Target, tell: Callable[[Rung], None]) -> None:
        self.target, self.tell = target, tell
        self.clock = Clock(target.deadline_seconds)
        self.wire = WireRungs(target, self.clock)
        self.rungs: list[Rung] = []
        self.call = self.async_call = self.version = ""

    def run(self) -> Proof:
        """Climb as far as it goes."""
        wire = self.wire
        below = (wire.dns, wire.tcp, wire.tls, wire.alpn, wire.http2, wire.url_map, wire.backends)
        if all(self._climb(name, check) for name, check in zip(ladder.RUNGS, below, strict=False)):
            self._climb_with_client()
        verdict = ladder.finished(self.rungs)
        return Proof(verdict, self.call, self.async_call, wire.certificate, self.version)

    def _climb_with_client(self) -> None:
        with self._client() as client:
            rungs = ClientRungs(self.target, self.clock, client)
            source = {
                "credentials_source": self.target.credentials_source,
                "trust_source": self.target.trust_source,
            }
            self.call = client.code(**source)
            steps: list[tuple[str, Callable[[], str]]] = [
                ("grpc", rungs.grpc),
                ("version", rungs.get_version),
                ("authentication", lambda: rungs.authentication(self.wire.is_open)),
                ("collection", rungs.write_and_search),
                ("async", rungs.asynchronous),
            ]
            try:
                if all(self._climb(name, check) for name, check in steps):
                    self.async_call = client.code(**source, kind="AsyncMilvusClient")
                    self._take_long(rungs)
            finally:
                self.version = rungs.version
                self._note_leftover(rungs.drop())

    def _take_long(self, rungs: ClientRungs) -> None:
        """The long call and the silence, at the same time on two connections: together they cost the longer one."""
        target = self.target
        self.clock.extend(max(target.long_call_seconds, target.idle_seconds))
        given_up = threading.Event()
        silence: list[Rung] = []
        idling = threading.Thread(
            target=lambda: silence.append(self._climbed("idle", lambda: self.wire.idle(given_up))), daemon=True
        )
        idling.start()
        held = False
        try:
            held = self._climb("long-call", lambda: rungs.long_call(lambda: self.wire.backend_facts))
        finally:
            if not held:
                given_up.set()
            idling.join()
        if held:
            self._add(silence[0])

    @contextmanager
    def _client(self) -> Iterator[milvus.Client]:
        target = self.target
        # The name is dialled when the client's own resolver is the one that was asked.
        by_name = self.wire.resolves and not target.dns_servers
        uri = f"https://{target.domain if by_name else target.address}:{target.port}"
        server_name = "" if by_name else target.domain
        with milvus.client(uri, trust=target.trust, server_name=server_name, credentials=target.credentials) as client:
            yield client

    def _climb(self, name: str, check: Callable[[], str]) -> bool:
        rung = self._climbed(name, check)
        self._add(rung)
        return rung.outcome is not Outcome.FAILED

    def _climbed(self, name: str, check: Callable[[], str]) -> Rung:
        begun = time.monotonic()
        fault: Fault | None = None
        try:
            if self.clock.left() <= 0:
                raise Broken(Fault("client", "DeadlinePassed", "the deadline of the proof has passed", "Run it again."))
            outcome, detail = Outcome.PASSED, check()
        except Skipped as why:
            outcome, detail = Outcome.SKIPPED, str(why)
        except Broken as broken:
            fault = broken.fault
            outcome, detail = Outcome.FAILED, fault.detail
        return Rung(name, outcome, detail, time.monotonic() - begun, fault)

    def _add(self, rung: Rung) -> None:
        self.rungs.append(rung)
        self.tell(rung)

    def _note_leftover(self, kept: str) -> None:
        """A collection that could not be dropped goes to what broke the climb, or breaks its own rung."""
        if not kept:
            return
        broken = next((rung for rung in self.rungs if rung.outcome is Outcome.FAILED), None)
        at = next(rung for rung in self.rungs if rung.name == (broken.name if broken else "collection"))
        fault = (broken.fault if broken else None) or Fault("milvus", "CollectionLeftOver", "", "Drop it by hand.")
        detail = f"{fault.detail}; {kept}" if broken else kept
        told = dataclasses.replace(
            at, outcome=Outcome.FAILED, detail=detail, fault=dataclasses.replace(fault, detail=detail)
        )
        self.rungs[self.rungs.index(at)] = told
        self.tell(told)
