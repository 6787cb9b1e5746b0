"""Reading and rewriting fields of a JSON resource by their documented path, such as `backends[].group` (pure)."""

from collections.abc import Callable, Iterator
from typing import Any


def walk(resource: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield every set value at `path` with its concrete field name.

    >>> list(walk({"backends": [{"group": "a"}, {"group": "b"}]}, "backends[].group"))
    [('backends[0].group', 'a'), ('backends[1].group', 'b')]
    """
    for name, value, _ in _visit(resource, path.split("."), ""):
        yield name, value


def rewrite(resource: dict[str, Any], path: str, change: Callable[[str, Any], Any]) -> None:
    """Replace every set value at `path` by `change(concrete field name, value)`, in place."""
    for name, value, put in list(_visit(resource, path.split("."), "")):
        put(change(name, value))


def _visit(node: Any, steps: list[str], prefix: str) -> Iterator[tuple[str, Any, Callable[[Any], None]]]:
    key, repeated = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    if not isinstance(node, dict) or node.get(key) in (None, ""):
        return
    places: list[tuple[str, Any, Any]] = [(prefix + key, node, key)]
    if repeated:
        items = node[key] if isinstance(node[key], list) else []
        places = [(f"{prefix}{key}[{index}]", items, index) for index in range(len(items))]
    for name, holder, at in places:
        if steps[1:]:
            yield from _visit(holder[at], steps[1:], name + ".")
        else:
            yield name, holder[at], _setter(holder, at)


def _setter(holder: Any, at: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        holder[at] = value

    return put


def merged(resource: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7386), which is what PATCH means in this API: lists are replaced, null removes.

    >>> merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": None}, "d": 4})
    {'a': {'c': 2}, 'd': 4}
    """
    result = dict(resource)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result


def without_nulls(value: Any) -> Any:
    """The same JSON without null fields: a null stands for an absent one.

    >>> without_nulls({"a": None, "b": [{"c": None}]})
    {'b': [{}]}
    """
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value if each is not None]
    return value


def with_defaults(resource: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Fill in what is absent, at every depth; what is there stays."""
    result = dict(resource)
    for key, value in defaults.items():
        if isinstance(value, dict):
            result[key] = with_defaults(result.get(key) or {}, value)
        else:
            result.setdefault(key, value)
    return result
