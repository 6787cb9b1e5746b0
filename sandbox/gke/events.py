"""Events on Kubernetes objects, written as client-go's recorder writes them.

The same event again only raises `count` and `lastTimestamp` of the first. Source: client-go tools/record (event.go,
events_cache.go). Simpler: no spam filter, which would drop events after 25 on one object, and no merging of similar
messages.
"""

import collections
import datetime as dt
import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.kube_client import ApiError, KubeClient, KubeError

logger = logging.getLogger(__name__)

Json = dict[str, Any]
EventType = Literal["Normal", "Warning"]

_REMEMBERED = 4096
_STOP: Json = {}


@dataclass
class _Seen:
    path: str
    count: int


class Recorder:
    """Writes events under one component's name, in the order they happened, from a thread of its own."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._seen: collections.OrderedDict[tuple[str, ...], _Seen] = collections.OrderedDict()
        self._queue: queue.SimpleQueue[Json] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="event recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is queued, then end."""
        self._queue.put(_STOP)
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def event(self, component: str, item: Json, kind: EventType, reason: str, message: str) -> None:
        """Record that something happened to `item`, an object as the API server gave it."""
        self._queue.put(_event(component, item, kind, reason, message))

    def _run(self) -> None:
        while (event := self._queue.get()) is not _STOP:
            try:
                self._write(event)
            except KubeError as error:
                # As in client-go, an event that cannot be written is lost.
                logger.debug("event %s: %s", event["message"], error)
            except Exception:
                logger.exception("event %s", event.get("message"))

    def _write(self, event: Json) -> None:
        involved = event["involvedObject"]
        key = (
            event["source"]["component"],
            *(involved.get(field, "") for field in ("kind", "namespace", "name", "uid", "apiVersion")),
            event["type"],
            event["reason"],
            event["message"],
        )
        seen = self._seen.get(key)
        if seen is not None and self._repeat(seen, event):
            self._seen.move_to_end(key)
            return
        collection = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        self._client.create(collection, event)
        self._seen[key] = _Seen(f"{collection}/{event['metadata']['name']}", 1)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _repeat(self, seen: _Seen, event: Json) -> bool:
        """Count an event once more; False when the first one has expired."""
        try:
            self._client.merge_patch(seen.path, {"count": seen.count + 1, "lastTimestamp": event["lastTimestamp"]})
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        seen.count += 1
        return True


class Component:
    """A recorder that speaks for one component."""

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder, self._name = recorder, name

    def normal(self, item: Json, reason: str, message: str) -> None:
        self._recorder.event(self._name, item, "Normal", reason, message)

    def warning(self, item: Json, reason: str, message: str) -> None:
        self._recorder.event(self._name, item, "Warning", reason, message)


def _event(component: str, item: Json, kind: EventType, reason: str, message: str) -> Json:
    metadata = item["metadata"]
    namespace = metadata.get("namespace") or "default"
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{time.time_ns():x}", "namespace": namespace},
        "involvedObject": {
            "kind": item["kind"],
            "namespace": metadata.get("namespace") or "",
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "apiVersion": item["apiVersion"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "reason": reason,
        "message": message[:1024],
        "source": {"component": component},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": kind,
        "reportingComponent": component,
        "reportingInstance": "",
    }
