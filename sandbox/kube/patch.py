"""JSON patch, merge patch and strategic merge patch: document and patch in, document out.

RFC 6902, RFC 7386 and `k8s.io/apimachinery/pkg/util/strategicpatch`. Server-side apply is in `managed_fields`.
"""

import copy
from typing import Any

from sandbox.kube import builtin_schema
from sandbox.kube.errors import StatusError
from sandbox.kube.schema import Schema, child

_DIRECTIVE = "$patch"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
_RETAIN = "$retainKeys"


def merge(document: Any, patch: Any) -> Any:
    """RFC 7386.

    >>> merge({"a": 1, "b": 2}, {"b": None, "c": 3})
    {'a': 1, 'c': 3}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def json_patch(document: Any, operations: Any) -> Any:
    """RFC 6902.

    Raises:
        StatusError: 400, not a patch; 422, an operation cannot be done, such as a failed test.
    """
    if not isinstance(operations, list):
        text = "json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        raise StatusError.bad_request(text)
    result = copy.deepcopy(document)
    for operation in operations:
        try:
            result = _operate(result, operation)
        except (LookupError, ValueError, TypeError) as error:
            name, path = operation.get("op"), operation.get("path")
            text = f"the server rejected our request due to an error in our request: {name} of {path}: {error}"
            raise StatusError(422, "Invalid", text, {}) from None
    return result


def strategic(schema: Schema, document: Any, patch: Any) -> Any:
    """Lists of objects merge by their key where the schema has one, else they are replaced.

    Raises:
        StatusError: 400, a directive or a list item without its key.
    """
    schema = builtin_schema.resolve(schema)
    if not isinstance(patch, dict) or not isinstance(document, dict):
        return _without_directives(schema, patch)
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise StatusError.bad_request(f"Unrecognized {_DIRECTIVE} directive type '{directive}'")
    merged = _before_merging(document, patch)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _strategic_field(child(schema, name) or {}, merged.get(name), value, name)
    for name, order in patch.items():
        field = name.removeprefix(_ORDER)
        if name.startswith(_ORDER) and isinstance(merged.get(field), list):
            merged[field] = _ordered(child(schema, field) or {}, merged[field], order)
    return merged


def _before_merging(document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The document without what the patch's directives take away."""
    kept = dict(document)
    if _RETAIN in patch:
        kept = {name: value for name, value in kept.items() if name in patch[_RETAIN]}
    for name, value in patch.items():
        if name.startswith(_DELETE):
            field = name.removeprefix(_DELETE)
            kept[field] = [each for each in kept.get(field) or [] if each not in value]
    return kept


def _strategic_field(schema: Schema, have: Any, value: Any, name: str) -> Any:
    strategy = str(schema.get("x-kubernetes-patch-strategy", ""))
    if isinstance(value, list) and "merge" in strategy:
        key = schema.get("x-kubernetes-patch-merge-key")
        if key:
            return _merge_objects(schema, have or [], value, str(key), name)
        return [*(have or []), *(each for each in value if each not in (have or []))]
    if isinstance(value, dict):
        return strategic(schema, have if have is not None else {}, value)
    return value


def _merge_objects(schema: Schema, have: list[Any], patch: list[Any], key: str, name: str) -> list[Any]:
    if any(each.get(_DIRECTIVE) == "replace" and key not in each for each in patch if isinstance(each, dict)):
        return [each for each in patch if _DIRECTIVE not in each]
    merged = list(have)
    items = schema.get("items") or {}
    for each in patch:
        if not isinstance(each, dict) or key not in each:
            raise StatusError.bad_request(f"map: {each} does not contain declared merge key: {key} (in {name})")
        at = next((index for index, item in enumerate(merged) if item.get(key) == each[key]), None)
        directive = each.get(_DIRECTIVE)
        if directive == "delete":
            merged = [item for item in merged if item.get(key) != each[key]]
        elif at is None:
            merged.append(_without_directives(items, each))
        else:
            merged[at] = strategic(items, merged[at], each)
    return merged


def _ordered(schema: Schema, items: list[Any], order: list[Any]) -> list[Any]:
    """Items in the order the patch lists; those it does not know stay behind their predecessor."""
    key = schema.get("x-kubernetes-patch-merge-key")
    if key:
        wanted = [each.get(key) for each in order]
        names = [each.get(key) for each in items]
    else:
        wanted, names = list(order), list(items)
    ranks: list[tuple[int, int]] = []
    last = -1
    for index, name in enumerate(names):
        last = wanted.index(name) if name in wanted else last
        ranks.append((last, index))
    return [items[index] for _, index in sorted(ranks)]


def _without_directives(schema: Schema, value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if not name.startswith("$") and each is not None}
        return {name: _without_directives(schema, each) for name, each in kept.items()}
    if isinstance(value, list):
        deleted = ("delete", "replace")
        kept_items = [e for e in value if not (isinstance(e, dict) and e.get(_DIRECTIVE) in deleted)]
        return [_without_directives(schema, each) for each in kept_items]
    return value


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    path = operation["path"]
    match operation["op"]:
        case "add":
            return _set(document, path, copy.deepcopy(operation["value"]), insert=True)
        case "replace":
            _get(document, path)
            return _set(document, path, copy.deepcopy(operation["value"]), insert=False)
        case "remove":
            return _remove(document, path)
        case "move":
            value = _get(document, operation["from"])
            return _set(_remove(document, operation["from"]), path, value, insert=True)
        case "copy":
            return _set(document, path, copy.deepcopy(_get(document, operation["from"])), insert=True)
        case "test":
            if _get(document, path) != operation.get("value"):
                raise ValueError("testing value failed")
            return document
        case other:
            raise ValueError(f"unexpected kind: {other}")


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"invalid pointer {pointer!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _get(document: Any, pointer: str) -> Any:
    for step in _steps(pointer):
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def _set(document: Any, pointer: str, value: Any, *, insert: bool) -> Any:
    if not pointer:
        return value
    *parents, last = _steps(pointer)
    target = document
    for step in parents:
        target = target[int(step)] if isinstance(target, list) else target[step]
    if not isinstance(target, list):
        target[last] = value
    elif last == "-":
        target.append(value)
    elif insert:
        if int(last) > len(target):
            raise IndexError("index out of bounds")
        target.insert(int(last), value)
    else:
        target[int(last)] = value
    return document


def _remove(document: Any, pointer: str) -> Any:
    *parents, last = _steps(pointer)
    target = document
    for step in parents:
        target = target[int(step)] if isinstance(target, list) else target[step]
    del target[int(last) if isinstance(target, list) else last]
    return document
