"""Fields of an object as sets of paths, and the operations server-side apply is made of.

`sigs.k8s.io/structured-merge-diff` in the little: a path is a tuple of elements spelled as in fieldsV1 (`f:spec`,
`k:{"name":"a"}`, `v:"x"`), a set of fields is a set of paths. Nothing here knows of managers.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.kube import builtin_schema
from sandbox.kube.schema import Schema, child

Path = tuple[str, ...]
FieldSet = frozenset[Path]

_ABSENT: Any = object()
_UNTYPED: Schema = {"x-kubernetes-preserve-unknown-fields": True}


class SchemaMismatch(Exception):
    """A configuration that does not fit the schema; the text is structured-merge-diff's."""


@dataclass
class Comparison:
    """What a write did to an object."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def encode(paths: FieldSet) -> dict[str, Any]:
    """A set as fieldsV1; a path that has others below it is marked by a dot."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _without_lonely_dots(root)


def decode(tree: dict[str, Any], prefix: Path = ()) -> FieldSet:
    """fieldsV1 as a set.

    >>> sorted(decode({"f:a": {".": {}, "f:b": {}}}))
    [('f:a',), ('f:a', 'f:b')]
    """
    found: set[Path] = set()
    for element, below in tree.items():
        if element == ".":
            found.add(prefix)
        elif below:
            found |= decode(below, (*prefix, element))
        else:
            found.add((*prefix, element))
    return frozenset(found)


def readable(path: Path) -> str:
    """A path as conflicts name it.

    >>> readable(("f:spec", 'k:{"port":80}', "f:name"))
    '.spec[port=80].name'
    """
    return "".join(_readable_element(each) for each in path)


def of(schema: Schema, value: Any) -> FieldSet:
    """The fields a configuration sets (`typed/tofieldset.go`)."""
    found: set[Path] = set()
    _collect(schema, value, (), found)
    return frozenset(found)


def compare(schema: Schema, old: Any, new: Any) -> Comparison:
    """Fields added, modified and removed between two states (`typed/compare.go`)."""
    result = Comparison()
    _compare(schema, old, new, (), result)
    return result


def merge(schema: Schema, base: Any, config: Any) -> Any:
    """The base with the configuration laid over it (`typed/merge.go`)."""
    schema = builtin_schema.resolve(schema)
    if not _granular(schema, config) or not _granular(schema, base):
        return config
    if isinstance(config, dict) and isinstance(base, dict):
        merged = dict(base)
        for name, value in config.items():
            below = child(schema, name) or _UNTYPED
            merged[name] = merge(below, base[name], value) if name in base else value
        return merged
    return _merge_lists(schema, base, config)


def remove(schema: Schema, value: Any, paths: Iterable[Path]) -> Any:
    """The value without the named items; what becomes empty goes too (`typed/remove.go`)."""
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _remove(schema, value, tree)


def with_named_parents(schema: Schema, paths: FieldSet) -> FieldSet:
    """The set and every declared field above its members (`fieldpath` EnsureNamedFieldsAreMembers)."""
    found = set(paths)
    for path in paths:
        node: Schema | None = schema
        for depth, element in enumerate(path[:-1], start=1):
            resolved = builtin_schema.resolve(node or _UNTYPED)
            if element.startswith("f:"):
                if element[2:] in (resolved.get("properties") or {}):
                    found.add(path[:depth])
                node = child(resolved, element[2:])
            else:
                node = resolved.get("items")
    return frozenset(found)


def check_declared(schema: Schema, value: Any, path: Path = ()) -> None:
    """Every field of a configuration must be in the schema, every list item have its keys, once.

    Raises:
        SchemaMismatch: with the first offence.
    """
    schema = builtin_schema.resolve(schema)
    if isinstance(value, dict) and (schema.get("type") == "object" or "properties" in schema):
        for name, each in value.items():
            below = child(schema, name)
            if below is None:
                raise SchemaMismatch(f"{readable((*path, f'f:{name}'))}: field not declared in schema")
            check_declared(below, each, (*path, f"f:{name}"))
    elif isinstance(value, list):
        if _granular(schema, value):
            _check_keys(schema, value, path)
        for index, each in enumerate(value):
            check_declared(schema.get("items") or _UNTYPED, each, (*path, f"i:{index}"))


def element_of(schema: Schema, item: Any) -> str:
    """How an item of a set or of a list of objects is told apart.

    Raises:
        SchemaMismatch: an object lacks all of its keys.
    """
    if schema.get("x-kubernetes-list-type") == "set":
        return "v:" + _compact(item)
    items = builtin_schema.resolve(schema.get("items") or {})
    keys = {}
    for name in schema.get("x-kubernetes-list-map-keys") or ():
        default = (items.get("properties") or {}).get(name, {}).get("default")
        value = item.get(name, default) if isinstance(item, dict) else None
        if value is not None:
            keys[name] = value
    if not keys:
        names = ", ".join(f'"{name}"' for name in schema.get("x-kubernetes-list-map-keys") or ())
        raise SchemaMismatch(f"associative list with keys has an element that omits key field {names}")
    return "k:" + json.dumps(keys, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _without_lonely_dots(tree: dict[str, Any]) -> dict[str, Any]:
    return {} if tree.keys() == {"."} else {element: _without_lonely_dots(below) for element, below in tree.items()}


def _readable_element(element: str) -> str:
    kind, _, rest = element.partition(":")
    match kind:
        case "f":
            return f".{rest}"
        case "k":
            return "[" + ",".join(f"{name}={_compact(value)}" for name, value in sorted(json.loads(rest).items())) + "]"
        case "v":
            return f"[={rest}]"
        case _:
            return f"[{rest}]"


def _granular(schema: Schema, value: Any) -> bool:
    """Whether parts of the value can have different owners; `schema` is resolved."""
    if isinstance(value, dict):
        return bool(schema) and schema.get("x-kubernetes-map-type") != "atomic"
    if isinstance(value, list):
        return schema.get("x-kubernetes-list-type") in ("map", "set")
    return False


def _children(schema: Schema, value: Any) -> Iterator[tuple[str, Schema, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield f"f:{name}", child(schema, name) or _UNTYPED, each
    else:
        for each in value:
            yield element_of(schema, each), schema.get("items") or _UNTYPED, each


def _collect(schema: Schema, value: Any, path: Path, found: set[Path]) -> None:
    schema = builtin_schema.resolve(schema)
    if not _granular(schema, value):
        found.add(path)
        return
    declared = schema.get("properties") or {}
    for element, below, each in _children(schema, value):
        where = (*path, element)
        _collect(below, each, where, found)
        if each is None or each == {} or not element.startswith("f:") or element[2:] not in declared:
            found.add(where)


def _compare(schema: Schema, old: Any, new: Any, path: Path, result: Comparison) -> None:
    schema = builtin_schema.resolve(schema)
    some = old if new is _ABSENT else new
    granular = _granular(schema, some) and (old in (_ABSENT, None) or new in (_ABSENT, None) or _granular(schema, old))
    if not granular or (_empty(old) and _empty(new)):
        _compare_leaf(old, new, path, result)
        return
    if old is _ABSENT and path:
        result.added.add(path)
    elif new is _ABSENT and path:
        result.removed.add(path)
    before = {} if old in (_ABSENT, None) else {element: (s, v) for element, s, v in _children(schema, old)}
    after = {} if new in (_ABSENT, None) else {element: (s, v) for element, s, v in _children(schema, new)}
    for element in {**before, **after}:
        below = (after.get(element) or before[element])[0]
        was = before[element][1] if element in before else _ABSENT
        now = after[element][1] if element in after else _ABSENT
        if was is not now:
            _compare(below, was, now, (*path, element), result)


def _empty(value: Any) -> bool:
    return value is _ABSENT or not value


def _compare_leaf(old: Any, new: Any, path: Path, result: Comparison) -> None:
    if old is _ABSENT:
        result.added.add(path)
    elif new is _ABSENT:
        result.removed.add(path)
    elif old != new:
        result.modified.add(path)


def _merge_lists(schema: Schema, base: list[Any], config: list[Any]) -> list[Any]:
    """Both lists' items: the configuration decides the order, others keep their place among their neighbours."""
    items = schema.get("items") or _UNTYPED
    before = {element_of(schema, each): each for each in base}
    after = {element_of(schema, each): each for each in config}
    waiting = list(before)
    merged: list[Any] = []
    for element, value in after.items():
        if element in before:
            while waiting and (head := waiting.pop(0)) != element:
                if head not in after:
                    merged.append(before[head])
            merged.append(merge(items, before[element], value))
        else:
            merged.append(value)
    return merged + [before[element] for element in waiting if element not in after]


def _remove(schema: Schema, value: Any, tree: dict[str, Any]) -> Any:
    schema = builtin_schema.resolve(schema)
    if not _granular(schema, value):
        return value
    kept = []
    for element, below, each in _children(schema, value):
        if "." in tree.get(element, {}):
            continue
        left = _remove(below, each, tree[element]) if element in tree else each
        if left is None and each is not None:
            continue
        kept.append((element, left))
    if not kept and value:
        return None
    return {element[2:]: each for element, each in kept} if isinstance(value, dict) else [each for _, each in kept]


def _check_keys(schema: Schema, value: list[Any], path: Path) -> None:
    seen: set[str] = set()
    for index, each in enumerate(value):
        try:
            element = element_of(schema, each)
        except SchemaMismatch as mismatch:
            raise SchemaMismatch(f"{readable(path)}: element {index}: {mismatch}") from None
        if element in seen:
            raise SchemaMismatch(f"{readable(path)}: duplicate entries for key {_readable_element(element)}")
        seen.add(element)
