"""Resources of one project: what exists, who refers to whom, and how often anything changed (pure).

Only the API's event loop touches a store, so there are no locks. Resources are plain JSON as a GET shows them, except
for what is computed at reading (`views.py`) and private keys, which live beside them and never in them.
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.compute import fields, links
from sandbox.compute.catalogue import COLLECTIONS, Collection
from sandbox.compute.links import Ref

_PACIFIC = dt.timezone(dt.timedelta(hours=-8))
"""Compute prints its times with the offset of the US west coast; readers have to parse one."""


def timestamp(moment: dt.datetime) -> str:
    """RFC 3339 with milliseconds and an offset, as Compute writes it."""
    return moment.astimezone(_PACIFIC).isoformat(timespec="milliseconds")


def fingerprint(resource: object) -> str:
    """Eight bytes over the content, in base64."""
    content = json.dumps(resource, sort_keys=True).encode()
    return base64.b64encode(hashlib.sha256(content).digest()[:8]).decode()


@dataclass(frozen=True)
class Endpoint:
    """A network endpoint and when it was attached."""

    ip_address: str
    port: int
    instance: str
    attached_at: dt.datetime
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        return self.ip_address, self.port


@dataclass(frozen=True)
class Material:
    """A certificate with its private key, PEM."""

    certificate_pem: str
    key_pem: str = field(repr=False)
    issued_at: dt.datetime | None = None
    """When Google's authority signed it; None for a self-managed one."""


class Store:
    """Everything one project has."""

    def __init__(self, project: str, clock: Callable[[], dt.datetime]) -> None:
        self.project = project
        self.clock = clock
        self.generation = 0
        self.on_change: list[Callable[[], None]] = []
        self.endpoints: dict[Ref, dict[tuple[str, int], Endpoint]] = {}
        self.material: dict[Ref, Material] = {}
        self._resources: dict[Ref, dict[str, Any]] = {}
        self._last_id = int(clock().timestamp() * 1000) * 1_000_000

    def get(self, ref: Ref) -> dict[str, Any] | None:
        return self._resources.get(ref)

    def of(self, collection: str, zone: str | None = None) -> Iterator[tuple[Ref, dict[str, Any]]]:
        """Every resource of a collection, ordered by name as Compute lists them; of one zone if named."""
        for ref in sorted(each for each in self._resources if each.collection == collection):
            if zone is None or ref.zone == zone:
                yield ref, self._resources[ref]

    def refs(self) -> list[Ref]:
        return list(self._resources)

    def next_id(self) -> str:
        """64-bit ids are strings of digits in this API."""
        self._last_id += 7919
        return str(self._last_id)

    def put(self, ref: Ref, resource: dict[str, Any]) -> None:
        """Create or replace, with a new fingerprint where the collection has one."""
        collection = COLLECTIONS[ref.collection]
        content = {key: value for key, value in resource.items() if key not in ("fingerprint", "labelFingerprint")}
        stored = dict(content)
        if collection.fingerprint:
            stored["fingerprint"] = fingerprint(content)
        if collection.labels:
            stored["labelFingerprint"] = fingerprint(content.get("labels", {}))
        self._resources[ref] = stored
        self.changed()

    def remove(self, ref: Ref) -> None:
        del self._resources[ref]
        self.endpoints.pop(ref, None)
        self.material.pop(ref, None)
        self.changed()

    def changed(self) -> None:
        """Count a change and tell whoever waits for one."""
        self.generation += 1
        for listener in self.on_change:
            listener()

    def referrers(self, ref: Ref) -> Iterator[Ref]:
        """Resources that name `ref` in one of their reference fields."""
        url = ref.url(self.project)
        for other, resource in self._resources.items():
            if any(url == link for link in reference_urls(COLLECTIONS[other.collection], resource)):
                yield other


def reference_urls(collection: Collection, resource: dict[str, Any]) -> Iterator[str]:
    for reference in collection.references:
        for _, link in fields.walk(resource, reference.field):
            yield link


def skeleton(store: Store, ref: Ref) -> dict[str, Any]:
    """The fields the server gives every new resource."""
    made: dict[str, Any] = {
        "kind": COLLECTIONS[ref.collection].kind,
        "id": store.next_id(),
        "creationTimestamp": timestamp(store.clock()),
        "name": ref.name,
        "selfLink": ref.url(store.project),
    }
    if ref.zone:
        made["zone"] = f"{links.BASE}v1/projects/{store.project}/zones/{ref.zone}"
    return made
