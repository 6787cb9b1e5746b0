"""The rungs of a real client: gRPC, version, authentication, a collection, the asynchronous client, a long call.

grpc and pymilvus are imported only when these are reached, since they cost seconds.
"""

import contextlib
import functools
import re
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from tasks.clients import async_milvus, milvus
from tasks.clients.proof_collection import WrongAnswer
from tasks.climb import Broken, Clock, Skipped, Target
from tasks.core import rung_faults
from tasks.core.backend_faults import Backends
from tasks.core.ladder import Fault

T = TypeVar("T")

_CONNECT_SECONDS, _CALL_SECONDS, _COLLECTION_SECONDS = 15.0, 20.0, 120.0
_DROP_SECONDS = 15.0
"""Kept back from the climb's time, so that what it made is dropped within the deadline, too."""

_GRACE_SECONDS = 10.0
"""How much longer than asked for a long call may take before it is given up."""

_SHORTFALL_SECONDS = 0.5

_COLLECTION = re.compile(r"milvus_gke_l7_proof_([0-9a-f]{8,10})_[0-9a-f]{16}")
"""Name of a proof's collection; the first part is when it was made, Unix seconds."""

_DEAD_AFTER_SECONDS = 10_800.0
"""Age from which the maker of a collection is taken for dead; the longest proof takes a third of that."""


class ClientRungs:
    """The rungs of one climb that a Milvus client takes.

    Attributes:
        version: of Milvus, "" while it is not known.
        collection: name of the one that was made, "" when there is none to drop.
    """

    def __init__(self, target: Target, clock: Clock, client: milvus.Client) -> None:
        self._target, self._clock, self._client = target, clock, client
        self._refused: _Refused | None = None
        self._seen: list[str] = []
        self.version = ""
        self.collection = ""

    def grpc(self) -> str:
        """Connect is answered by Milvus, be it that it wants to know who asks."""
        try:
            self._asked(self._client.connect, _CONNECT_SECONDS)
        except _Refused as refused:
            self._refused = refused
            return "Milvus answers, and turns the user away"
        return "Milvus answers"

    def get_version(self) -> str:
        """Milvus says its version."""
        try:
            if self._refused is None:
                self.version = self._asked(self._client.version, _CALL_SECONDS)
        except _Refused as refused:
            self._refused = refused
        if self._refused is not None:
            raise Skipped("Milvus tells it only to whom it knows")
        return f"Milvus {self.version or '(no version)'}"

    def authentication(self, is_open: Callable[[], bool]) -> str:
        """Milvus takes our user, or asks for none.

        Args:
            is_open: whether it answers a call without any user, asked only when we have one.
        """
        if self._refused is not None:
            raise self._refused
        try:
            self._seen = self._asked(self._client.collections, _CALL_SECONDS)
        except Broken as broken:
            # Who may not list collections is known to Milvus all the same.
            if broken.fault.cause != "PrivilegeMissing":
                raise
        if self._target.credentials is None:
            return "Milvus asks for no user and password"
        source = self._target.credentials_source
        return f"the user of {source} is taken; {'Milvus answers without one, too' if is_open() else 'one is needed'}"

    def write_and_search(self) -> str:
        """A collection is made, filled and searched through the load balancer."""
        if not self._target.proof_writes:
            raise Skipped("proof_writes is off")
        swept = self._sweep()
        self.collection = f"milvus_gke_l7_proof_{int(time.time()):x}_{secrets.token_hex(8)}"
        left = self._clock.left(_COLLECTION_SECONDS)
        reserve = min(_DROP_SECONDS, left / 3)
        found = self._asked(lambda seconds: self._client.write_and_search(self.collection, seconds), left - reserve)
        told = f"{found.rows} rows in, row {found.nearest} found at distance {found.distance:.4f}"
        return f"{told}; dropped what a proof that died had left: {', '.join(swept)}" if swept else told

    def _sweep(self) -> list[str]:
        """Drop the collections of proofs that were killed, and return their names; one that stays is no fault."""
        dead = []
        for name in self._seen:
            made = _COLLECTION.fullmatch(name)
            if made and time.time() - int(made[1], 16) > _DEAD_AFTER_SECONDS:
                with contextlib.suppress(Broken):
                    self._asked(functools.partial(self._client.drop, name), _DROP_SECONDS)
                    dead.append(name)
        return dead

    def asynchronous(self) -> str:
        """AsyncMilvusClient connects with the same arguments, and searches."""
        arguments, collection = self._client.arguments, self.collection
        return self._asked(lambda seconds: async_milvus.search(arguments, collection, seconds), _CONNECT_SECONDS)

    def long_call(self, look_at_backends: Callable[[], Backends]) -> str:
        """One call lasts as long as asked for.

        Args:
            look_at_backends: what Compute says, asked only when the call was cut.
        """
        wanted = self._target.long_call_seconds
        if not wanted:
            raise Skipped(self._target.no_long_call)
        if not self.collection:
            raise Skipped("proof_writes is off, and a long call needs a collection to search")
        begun = time.monotonic()
        try:
            self._client.search_for(wanted, self.collection, wanted + _GRACE_SECONDS)
        except Exception as error:
            lasted = time.monotonic() - begun
            status, details = milvus.rpc_error(error)
            raise Broken(
                rung_faults.long_call_fault(
                    status, details, lasted_seconds=lasted, wanted_seconds=wanted, backends=look_at_backends()
                )
            ) from None
        lasted = time.monotonic() - begun
        if lasted < wanted - _SHORTFALL_SECONDS:
            raise Skipped(f"this Milvus does not hold a search: it answered after {lasted:.1f} s of {wanted:g} s")
        return f"one call lasted {lasted:.1f} s"

    def drop(self) -> str:
        """Drop what was made; why it may still be there, "" when it is gone."""
        if not self.collection:
            return ""
        try:
            self._asked(lambda seconds: self._client.drop(self.collection, seconds), _DROP_SECONDS)
        except Broken as broken:
            return f"collection {self.collection} may be left over: {broken.fault.detail}"
        return ""

    def _asked(self, ask: Callable[[float], T], most_seconds: float) -> T:
        try:
            return ask(max(1.0, self._clock.left(most_seconds)))
        except WrongAnswer as wrong:
            mend = "Search by hand, and see Milvus' log: kubectl logs -l app.kubernetes.io/name=milvus --tail=50"
            raise Broken(Fault("milvus", "WrongAnswer", str(wrong), mend)) from None
        except Exception as error:
            status, details = milvus.rpc_error(error)
            if status == "UNAUTHENTICATED":
                named, source = self._target.credentials is not None, self._target.credentials_source
                raise _Refused(rung_faults.credentials_fault(details, named=named, source=source)) from None
            own_trust = self._target.trust is not None
            raise Broken(rung_faults.grpc_fault(status, details, own_trust=own_trust)) from None


class _Refused(Broken):
    """Milvus turned the user away."""
