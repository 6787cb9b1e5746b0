"""Watches: the store's changes as one client wants to see them.

A watch is registered and its past is read in one step of the event loop, so nothing falls between the two. As
`k8s.io/apiserver/pkg/storage/cacher`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from sandbox.kube import present, table
from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind
from sandbox.kube.requests import Request
from sandbox.kube.selectors import Predicate
from sandbox.kube.store import Change, Compacted, Store

Object = dict[str, Any]

_BOOKMARK_SECONDS = 60.0
_LONGEST_SECONDS = 3600.0


class Watch:
    """One client's watch; iterate it for lines of JSON."""

    def __init__(self, store: Store, request: Request, kind: Kind, fits: Predicate) -> None:
        self._store, self._request, self._kind, self._fits = store, request, kind, fits
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._first = True
        self._unlisten = store.listen(self._notice)
        try:
            self._past: list[Object] = list(self._beginning())
        except BaseException:
            self._unlisten()
            raise

    async def lines(self) -> AsyncIterator[bytes]:
        """Events until the time is up, the client leaves or the server stops."""
        try:
            for event in self._past:
                yield _line(event)
            self._past = []
            async for event in self._following():
                yield _line(event)
        finally:
            self._unlisten()

    def end(self) -> None:
        """Let the client's connection end; to be called in the event loop."""
        self._queue.put_nowait(None)

    async def _following(self) -> AsyncIterator[Object]:
        loop = asyncio.get_running_loop()
        end = loop.time() + min(self._request.number("timeoutSeconds") or _LONGEST_SECONDS, _LONGEST_SECONDS)
        while (left := end - loop.time()) > 0:
            try:
                change = await asyncio.wait_for(self._queue.get(), min(left, _BOOKMARK_SECONDS))
            except TimeoutError:
                if left > _BOOKMARK_SECONDS and self._request.flag("allowWatchBookmarks"):
                    yield self._bookmark()
                continue
            if change is None:
                return
            if event := self._event(change):
                yield event

    def _notice(self, change: Change) -> None:
        if change.collection == self._kind.stored_in:
            self._queue.put_nowait(change)

    def _beginning(self) -> Iterator[Object]:
        """What is sent before the first new change: the present state, or the changes since a revision."""
        revision = self._request.query.get("resourceVersion", "")
        initial = self._request.query.get("sendInitialEvents", "")
        if initial and not self._request.query.get("resourceVersionMatch"):
            text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise StatusError(
                422, "Invalid", f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {text}', {}
            )
        if initial == "true" or (not initial and revision in ("", "0")):
            for obj in self._store.objects(self._kind.stored_in, self._request.namespace):
                if self._fits(obj):
                    yield self._shown("ADDED", obj)
            if initial:
                yield self._bookmark(initial=True)
            return
        if revision in ("", "0"):
            return
        try:
            changes = self._store.since(self._kind.stored_in, _number(revision))
        except Compacted as compacted:
            gone = StatusError.expired(f"too old resource version: {compacted.asked} ({compacted.oldest})")
            self.end()
            yield {"type": "ERROR", "object": gone.body()}
            return
        for change in changes:
            if event := self._event(change):
                yield event

    def _event(self, change: Change) -> Object | None:
        """A change as it looks through this watch's selectors: objects can come into view and leave it."""
        obj = change.object
        if self._request.namespace and obj["metadata"].get("namespace") != self._request.namespace:
            return None
        now = change.type != "DELETED" and self._fits(obj)
        before = change.previous is not None and self._fits(change.previous)
        if now:
            return self._shown("MODIFIED" if before else "ADDED", obj)
        if not before:
            return None
        if change.type != "DELETED":
            assert change.previous is not None
            metadata = change.previous["metadata"] | {"resourceVersion": str(change.revision)}
            obj = change.previous | {"metadata": metadata}
        return self._shown("DELETED", obj)

    def _shown(self, kind: str, obj: Object) -> Object:
        document = present.form(self._request, self._kind, obj)
        if self._request.accepts("Table"):
            if not self._first:
                document["columnDefinitions"] = None
            self._first = False
        return {"type": kind, "object": document}

    def _bookmark(self, *, initial: bool = False) -> Object:
        metadata: Object = {"resourceVersion": str(self._store.revision), "creationTimestamp": None}
        if initial:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        mark: Object = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        if self._request.accepts("Table"):
            mark = table.table(self._kind, [], {"resourceVersion": metadata["resourceVersion"]}, "None")
            mark["rows"] = [{"cells": [], "object": table.partial({"metadata": metadata})}] if initial else []
        return {"type": "BOOKMARK", "object": mark}


def _number(revision: str) -> int:
    try:
        return int(revision)
    except ValueError:
        text = f'Invalid value: "{revision}": strconv.ParseUint: parsing "{revision}": invalid syntax'
        raise StatusError(400, "BadRequest", f"resourceVersion: {text}") from None


def _line(event: Object) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
