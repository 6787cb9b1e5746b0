"""Operations: a mutation is accepted first and takes effect later (pure but for the clock).

An operation is PENDING, then RUNNING, then DONE, and DONE without `error` means success. The reply to the mutation
itself is always PENDING, so a client polls at least once even without latency, as with the real API.
"""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.compute import links
from sandbox.compute.errors import GoogleError
from sandbox.compute.links import Ref
from sandbox.compute.store import timestamp

_PENDING_SHARE = 0.2
"""The share of an operation's time before it starts running."""
_KEPT = 2000
"""Finished operations are kept for a limited time only; here, a limited number."""


@dataclass
class Operation:
    """One accepted mutation."""

    name: str
    id: str
    type: str
    target: str
    target_id: str
    zone: str
    user: str
    inserted: dt.datetime
    seconds: float
    ended: dt.datetime | None = None
    error: GoogleError | None = None
    on_done: list[Callable[[], None]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.ended is not None

    def finish(self, now: dt.datetime, error: GoogleError | None) -> None:
        self.ended, self.error = now, error
        for listener in self.on_done:
            listener()
        self.on_done.clear()

    def status(self, now: dt.datetime) -> str:
        if self.done:
            return "DONE"
        running = (now - self.inserted).total_seconds() > self.seconds * _PENDING_SHARE
        return "RUNNING" if running else "PENDING"


class Operations:
    """The operations of one project, by name."""

    def __init__(self, project: str, clock: Callable[[], dt.datetime]) -> None:
        self._project, self._clock = project, clock
        self._by_name: dict[str, Operation] = {}
        self._by_request: dict[str, str] = {}
        self._last_id = int(clock().timestamp() * 1000) * 1_000_000

    def begin(
        self, ref: Ref, operation_type: str, *, target_id: str, user: str, seconds: float, request_id: str
    ) -> Operation:
        """Note an accepted mutation of `ref`."""
        self._last_id += 104_729
        now = self._clock()
        name = f"operation-{int(now.timestamp() * 1000)}-{uuid.uuid4().hex[:13]}-{uuid.uuid4().hex[:8]}"
        operation = Operation(
            name=name,
            id=str(self._last_id),
            type=operation_type,
            target=ref.url(self._project),
            target_id=target_id,
            zone=ref.zone,
            user=user,
            inserted=now,
            seconds=seconds,
        )
        self._by_name[name] = operation
        if request_id:
            self._by_request[request_id] = name
        self._forget_old()
        return operation

    def repeated(self, request_id: str) -> Operation | None:
        """The operation an earlier request of the same `requestId` started: a repetition must not act again."""
        return self._by_name.get(self._by_request.get(request_id, "")) if request_id else None

    def get(self, name: str, zone: str) -> Operation | None:
        operation = self._by_name.get(name)
        return operation if operation and operation.zone == zone else None

    def of(self, zone: str | None) -> list[Operation]:
        """Operations of a zone, the global ones for "", all for None."""
        return [each for each in self._by_name.values() if zone is None or each.zone == zone]

    def delete(self, name: str) -> None:
        self._by_name.pop(name, None)

    def shown(self, operation: Operation, now: dt.datetime | None = None) -> dict[str, Any]:
        """The operation's JSON, at this moment unless told otherwise."""
        scope = f"zones/{operation.zone}" if operation.zone else "global"
        status = operation.status(now or self._clock())
        shown: dict[str, Any] = {
            "kind": "compute#operation",
            "id": operation.id,
            "name": operation.name,
            "operationType": operation.type,
            "targetLink": operation.target,
            "targetId": operation.target_id,
            "status": status,
            "user": operation.user,
            "progress": {"PENDING": 0, "RUNNING": 50, "DONE": 100}[status],
            "insertTime": timestamp(operation.inserted),
            "selfLink": f"{links.BASE}v1/projects/{self._project}/{scope}/operations/{operation.name}",
        }
        if operation.zone:
            shown["zone"] = f"{links.BASE}v1/projects/{self._project}/{scope}"
        if status != "PENDING":
            shown["startTime"] = timestamp(operation.inserted)
        if operation.ended:
            shown["endTime"] = timestamp(operation.ended)
        if operation.error:
            shown |= _failure(operation.error)
        return shown

    def _forget_old(self) -> None:
        for name in [name for name, each in self._by_name.items() if each.done][: max(0, len(self._by_name) - _KEPT)]:
            del self._by_name[name]


def _failure(error: GoogleError) -> dict[str, Any]:
    """Both faces of a failed operation: ingress-gce tests the number, people read the message."""
    detail: dict[str, Any] = {"code": error.operation_code(), "message": error.message}
    if "errorDetails" in error.more:
        detail["errorDetails"] = error.more["errorDetails"]
    phrase = {400: "BAD REQUEST", 403: "FORBIDDEN", 404: "NOT FOUND", 409: "CONFLICT", 412: "PRECONDITION FAILED"}
    return {
        "httpErrorStatusCode": error.status,
        "httpErrorMessage": phrase.get(error.status, "SERVICE UNAVAILABLE"),
        "error": {"errors": [detail]},
    }
