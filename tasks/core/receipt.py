"""The receipt: what live objects do not tell about what we did, kept for whoever takes it back.

It stands in a ConfigMap, one key per subject, so that steps that run side by side write side by side. Each note is
written just before the write it speaks of: a note without its write does no harm, a write without its note is nobody's.
"""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.core import names


class _Note(BaseModel):
    # A key that a later version adds must not make the receipt unreadable to this one.
    model_config = ConfigDict(frozen=True, extra="ignore")


class ReservedAddress(_Note):
    """A static address that we reserved."""

    project: str
    name: str


class WrittenRecord(_Note):
    """An A record that we wrote."""

    project: str
    zone: str
    name: str
    """The domain, without a dot at its end."""
    address: str


class Former(_Note):
    """What the release was before us."""

    service_type: str = ""
    """Type of the Service; empty when it was ClusterIP before we came, or when that is not known."""
    values: dict[str, str | None] = {}
    """The keys that we changed and what they said, None where they were missing; see `release_values.former_values`."""
    revision: int = 0
    """Helm revision that was deployed; 0 without Helm."""

    def noting(self, later: Self) -> Self:
        """The note with a later one added: what somebody changed in between is the newest "before"."""
        return type(self)(
            service_type=later.service_type or self.service_type,
            values=self.values | later.values,
            revision=self.revision or later.revision,
        )


class Receipt(_Note):
    """All notes; empty where nothing was noted."""

    addresses: tuple[ReservedAddress, ...] = ()
    """Every one of this release: after a change of `address_name` the earlier one is ours still."""
    secrets: tuple[str, ...] = ()
    """Names of Secrets that we made, but for the usual one, where one is looked for anyway."""
    dns_records: tuple[WrittenRecord, ...] = ()
    release: Former | None = None
    load_balancer: tuple[str, ...] = ()
    """Compute resources of the load balancer, noted before the Ingress is deleted: `zones/ZONE/COLLECTION/NAME`, or
    `COLLECTION/NAME` of a global one."""

    @classmethod
    def read(cls, config_map: Mapping[str, Any] | None) -> Self:
        """The notes of a ConfigMap; empty without one. A note that cannot be read is left out, as if never made."""
        data = (config_map or {}).get("data") or {}
        notes: dict[str, Any] = {}
        for key in cls.model_fields:
            try:
                noted = cls.model_validate({key: json.loads(data[_key(key)])})
            except (KeyError, ValueError, ValidationError):
                continue
            notes[key] = getattr(noted, key)
        return cls.model_construct(**notes)

    def data(self) -> dict[str, str]:
        """The ConfigMap's data: one key per note, none for what is empty."""
        return {
            _key(key): json.dumps(note, indent=1, sort_keys=True)
            for key, note in self.model_dump(mode="json", exclude_defaults=True).items()
            if note
        }

    @property
    def empty(self) -> bool:
        """Whether there is nothing left to tell."""
        return not self.data()


def change(live: Mapping[str, Any] | None, wanted: Receipt) -> dict[str, str | None]:
    """The keys to write so that the ConfigMap says what is wanted; None removes one. Empty: it says so already."""
    before, after = dict((live or {}).get("data") or {}), wanted.data()
    ours = {_key(key) for key in Receipt.model_fields}
    changed: dict[str, str | None] = {key: text for key, text in after.items() if before.get(key) != text}
    return changed | dict.fromkeys((before.keys() & ours) - after.keys())


def manifest(namespace: str, release: str, data: Mapping[str, str | None]) -> dict[str, Any]:
    """The ConfigMap with these keys."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names.receipt(release), "namespace": namespace, "labels": dict(names.LABELS)},
        "data": {key: text for key, text in data.items() if text is not None},
    }


def _key(note: str) -> str:
    return f"{note.replace('_', '-')}.json"
