"""metadata.managedFields: who set what, and what follows for updates and for server-side apply.

As `k8s.io/apimachinery/pkg/util/managedfields`, with structured-merge-diff's updater. Simpler than there: all
versions of a kind share one schema, and updates of many managers are not folded into `ancient-changes`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from sandbox.kube import fields
from sandbox.kube.errors import Cause, StatusError
from sandbox.kube.fields import FieldSet, Path
from sandbox.kube.schema import Schema

Object = dict[str, Any]

_STRIPPED = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [("f:metadata", f"f:{name}") for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion",
    )]
)  # fmt: skip
"""Fields that nobody owns (`managedfields/internal/stripmeta.go`)."""


@dataclass(frozen=True)
class Manager:
    """Who writes, and how; two writes of equal Managers are one entry."""

    name: str
    operation: Literal["Apply", "Update"]
    api_version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        # An applier is the same one in whichever version it applies.
        return self.name, self.operation, "" if self.operation == "Apply" else self.api_version, self.subresource

    def __str__(self) -> str:
        text = json.dumps(self.name)
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True)
class Entry:
    """What one manager owns, since when."""

    manager: Manager
    fields: FieldSet
    time: str


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The place a write goes to: its schema, and the roots it cannot write (`resetFields`)."""

    schema: Schema
    reset: tuple[Path, ...] = ()

    def owned(self, paths: Iterable[Path]) -> FieldSet:
        """The paths that can be owned through this place."""
        return frozenset(
            path
            for path in paths
            if path not in _STRIPPED
            and path[:2] != ("f:metadata", "f:managedFields")
            and not any(path[: len(root)] == root for root in self.reset)
        )


def read(obj: Object) -> list[Entry]:
    """The entries of an object; those that make no sense are left out."""
    return [_decode(each) for each in obj["metadata"].get("managedFields") or [] if each.get("fieldsV1")]


def after_update(
    scope: Scope, live: Object | None, new: Object, manager: Manager, now: str, skeleton: Object
) -> Object:
    """`new` with the managedFields that a create, update or non-apply patch leaves.

    Args:
        scope: schema and reset fields of the place written to.
        live: the stored object, None at creation.
        new: the state to be; its own managedFields tell who owned what before, as a client may edit them.
        manager: who writes.
        now: the time of the write, RFC 3339.
        skeleton: what an object of this kind has before anything is set; not counted as added.
    """
    sent = new["metadata"].get("managedFields")
    entries = read(new) if sent is not None else read(live) if live else []
    if live is not None and sent is None and not entries and not live["metadata"].get("managedFields"):
        return _with_entries(new, [])  # never tracked: stays so until somebody applies
    try:
        changes = fields.compare(scope.schema, _bare(live) if live else skeleton, _bare(new))
    except fields.SchemaMismatch:
        return _with_entries(new, entries)  # an object whose parts cannot be told apart: validation will say so
    touched = frozenset(changes.added | changes.modified)
    removed = frozenset(changes.removed)
    own = next((each for each in entries if each.manager.identity == manager.identity), None)
    result = [replace(each, fields=each.fields - touched - removed) for each in entries if each is not own]
    mine = scope.owned(((own.fields if own else frozenset()) | touched) - removed)
    if own and mine == own.fields:
        result.append(own)
    else:
        result.append(Entry(manager, mine, now))
    return _with_entries(new, result)


def apply(
    scope: Scope, live: Object | None, config: Object, manager: Manager, now: str, *, force: bool, skeleton: Object
) -> Object:
    """The object after a server-side apply of `config`, before defaults.

    Raises:
        StatusError: 409 naming every conflict with another manager; 500 if the configuration does not fit the schema.
    """
    try:
        return _apply(scope, live, config, manager, now, force=force, skeleton=skeleton)
    except fields.SchemaMismatch as mismatch:
        metadata = config["metadata"]
        kind = config["kind"]
        about = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {config['apiVersion']}, Kind={kind}"
        raise StatusError.internal(f"failed to create typed patch object ({about}): {mismatch}") from None


def _apply(
    scope: Scope, live: Object | None, config: Object, manager: Manager, now: str, *, force: bool, skeleton: Object
) -> Object:
    fields.check_declared(scope.schema, config)
    base = _bare(live) if live else skeleton
    entries = _tracked(scope, live, now)
    own = next((each for each in entries if each.manager.identity == manager.identity), None)
    others = [each for each in entries if each is not own]
    configured = fields.of(scope.schema, config)
    mine = scope.owned(configured)
    merged = fields.merge(scope.schema, base, config)
    if own and own.fields:
        merged = _prune(scope.schema, merged, own.fields, configured, others)
    changes = fields.compare(scope.schema, base, merged)
    touched = scope.owned(changes.added | changes.modified)
    conflicts = [(each.manager, path) for each in others for path in sorted(each.fields & touched)]
    if conflicts and not force:
        raise _conflict(conflicts)
    removed = frozenset(changes.removed)
    result = [replace(each, fields=each.fields - touched - removed) for each in others]
    same = own is not None and own.fields == mine and own.manager == manager
    result.append(own if own and same else Entry(manager, mine, now))
    return _with_entries(merged, result)


def _tracked(scope: Scope, live: Object | None, now: str) -> list[Entry]:
    """The live object's entries; what nobody claimed before the first apply gets a manager of that name."""
    if live is None:
        return []
    if entries := read(live):
        return entries
    owned = scope.owned(fields.of(scope.schema, _bare(live)))
    return [Entry(Manager("before-first-apply", "Update", live["apiVersion"]), owned, now)]


def _prune(schema: Schema, merged: Object, last: FieldSet, configured: FieldSet, others: list[Entry]) -> Object:
    """Without what the manager applied last time, no longer does, and nobody else owns (`merge/update.go` prune)."""
    if last <= configured:
        return merged

    def named(paths: FieldSet) -> FieldSet:
        return fields.with_named_parents(schema, paths)

    all_of_it, last = named(fields.of(schema, merged)), named(last)
    managed = named(configured.union(*(each.fields for each in others)))
    pruned = fields.remove(schema, merged, last) or {}
    gone = all_of_it - named(fields.of(schema, pruned))
    pruned = fields.remove(schema, merged, gone - managed) or {}
    gone = all_of_it - named(fields.of(schema, pruned))
    return dict(fields.remove(schema, merged, gone & last) or {})


def _conflict(conflicts: list[tuple[Manager, Path]]) -> StatusError:
    causes = [
        Cause(fields.readable(path), "FieldManagerConflict", f"conflict with {manager}") for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        text = f"Apply failed with 1 conflict: conflict with {manager}: {fields.readable(path)}"
        return StatusError.apply_conflict(text, causes)
    lines = []
    for manager in sorted({each for each, _ in conflicts}, key=str):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {fields.readable(path)}" for each, path in conflicts if each == manager]
    return StatusError.apply_conflict(f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines), causes)


def _bare(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return obj | {"metadata": metadata}


def _decode(entry: dict[str, Any]) -> Entry:
    manager = Manager(
        entry.get("manager", ""),
        "Apply" if entry.get("operation") == "Apply" else "Update",
        entry.get("apiVersion", ""),
        entry.get("subresource", ""),
    )
    return Entry(manager, fields.decode(entry["fieldsV1"]), entry.get("time", ""))


def _with_entries(obj: Object, entries: list[Entry]) -> Object:
    ordered = sorted(
        (each for each in entries if each.fields),
        key=lambda each: (each.manager.operation, each.time, each.manager.name, each.manager.api_version,
                          each.manager.subresource),
    )  # fmt: skip
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    if ordered:
        metadata["managedFields"] = [_encode(each) for each in ordered]
    return obj | {"metadata": metadata}


def _encode(entry: Entry) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "manager": entry.manager.name,
        "operation": entry.manager.operation,
        "apiVersion": entry.manager.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields.encode(entry.fields),
    }
    return encoded | ({"subresource": entry.manager.subresource} if entry.manager.subresource else {})
