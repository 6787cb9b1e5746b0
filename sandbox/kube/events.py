"""Events have two faces, core/v1 and events.k8s.io/v1, over one store (`pkg/apis/events/v1/conversion.go`)."""

from typing import Any

Object = dict[str, Any]

_TO_CORE = {
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
}
_FROM_CORE = {core: events for events, core in _TO_CORE.items()}


def to_core(event: Object) -> Object:
    """An events.k8s.io Event as it is stored."""
    converted = {_TO_CORE.get(name, name): value for name, value in event.items()}
    return converted | {"apiVersion": "v1", "kind": "Event"}


def from_core(event: Object) -> Object:
    """A stored Event as events.k8s.io shows it."""
    converted = {_FROM_CORE.get(name, name): value for name, value in event.items()}
    converted.setdefault("eventTime", None)
    return converted | {"apiVersion": "events.k8s.io/v1", "kind": "Event"}
