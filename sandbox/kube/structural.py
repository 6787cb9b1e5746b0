"""Validation of custom resources against their structural schema.

Texts and reasons as kube-apiserver makes them from `k8s.io/kube-openapi/pkg/validation` and
`apiextensions-apiserver/pkg/apiserver/validation`. Simpler than there: x-kubernetes-validations (CEL) are not run.
"""

import json
import re
from typing import Any

from sandbox.kube.errors import Cause
from sandbox.kube.schema import Schema, child

_TYPE_WORDS = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
_FORMATS = {
    "date-time": re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$"),
    "ipv4": re.compile(r"^(\d{1,3}\.){3}\d{1,3}$"),
    "uuid": re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"),
}


def faults(schema: Schema, value: Any, path: str = "") -> list[Cause]:
    """All that is wrong with a value, in the order of its fields."""
    if value is None and schema.get("nullable"):
        return []
    if not _is_of_type(schema, value):
        word = _TYPE_WORDS.get(type(value), "null")
        text = f'{path} in body must be of type {schema["type"]}: "{word}"'
        return [Cause(path, "FieldValueTypeInvalid", f'Invalid value: "{word}": {text}')]
    found = _enum(schema, value, path)
    match value:
        case dict():
            found += _object(schema, value, path)
        case list():
            found += _array(schema, value, path)
        case str():
            found += _string(schema, value, path)
        case bool():
            pass
        case int() | float():
            found += _number(schema, value, path)
    return found + _combined(schema, value, path)


def quoted(value: Any) -> str:
    """A bad value as `field.Error` prints it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _is_of_type(schema: Schema, value: Any) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    wanted, have = schema.get("type"), _TYPE_WORDS.get(type(value))
    if wanted is None or (wanted == "number" and have == "integer"):
        return True
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return bool(wanted == have)


def _invalid(path: str, value: Any, text: str) -> Cause:
    return Cause(path, "FieldValueInvalid", f"Invalid value: {quoted(value)}: {path} in body {text}")


def _enum(schema: Schema, value: Any, path: str) -> list[Cause]:
    allowed = schema.get("enum")
    if not allowed or value in allowed:
        return []
    supported = ", ".join(quoted(each) for each in allowed)
    text = f"Unsupported value: {quoted(value)}: supported values: {supported}"
    return [Cause(path, "FieldValueNotSupported", text)]


def _object(schema: Schema, value: dict[str, Any], path: str) -> list[Cause]:
    found = [
        Cause(f"{path}.{name}".lstrip("."), "FieldValueRequired", "Required value")
        for name in schema.get("required") or ()
        if name not in value
    ]
    if (most := schema.get("maxProperties")) is not None and len(value) > most:
        text = f"Too many: {len(value)}: must have at most {most} items"
        found.append(Cause(path, "FieldValueTooMany", text))
    if (least := schema.get("minProperties")) is not None and len(value) < least:
        found.append(_invalid(path, value, f"should have at least {least} properties"))
    for name in sorted(value):
        where = f"{path}.{name}".lstrip(".")
        if where != "metadata":
            found += faults(child(schema, name) or {}, value[name], where)
    return found


def _array(schema: Schema, value: list[Any], path: str) -> list[Cause]:
    found: list[Cause] = []
    if (most := schema.get("maxItems")) is not None and len(value) > most:
        text = f"Too many: {len(value)}: must have at most {most} {'item' if most == 1 else 'items'}"
        found.append(Cause(path, "FieldValueTooMany", text))
    if (least := schema.get("minItems")) is not None and len(value) < least:
        found.append(_invalid(path, value, f"should have at least {least} items"))
    for index, each in enumerate(value):
        found += faults(schema.get("items") or {}, each, f"{path}[{index}]")
    return found + _duplicates(schema, value, path)


def _duplicates(schema: Schema, value: list[Any], path: str) -> list[Cause]:
    keys: list[Any]
    match schema.get("x-kubernetes-list-type"):
        case "set":
            keys = list(value)
        case "map":
            names = schema.get("x-kubernetes-list-map-keys") or []
            keys = [{name: each.get(name) for name in names} for each in value if isinstance(each, dict)]
        case _:
            return []
    return [
        Cause(f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {quoted(key)}")
        for index, key in enumerate(keys)
        if key in keys[:index]
    ]


def _string(schema: Schema, value: str, path: str) -> list[Cause]:
    found: list[Cause] = []
    if (most := schema.get("maxLength")) is not None and len(value) > most:
        text = f"Too long: may not be more than {most} bytes"
        found.append(Cause(path, "FieldValueTooLong", text))
    if (least := schema.get("minLength")) is not None and len(value) < least:
        found.append(_invalid(path, value, f"should be at least {least} chars long"))
    if (pattern := schema.get("pattern")) and not re.search(pattern, value):
        found.append(_invalid(path, value, f"should match '{pattern}'"))
    form = _FORMATS.get(schema.get("format", ""))
    if form and not form.match(value):
        found.append(_invalid(path, value, f"must be of type {schema['format']}: {quoted(value)}"))
    return found


def _number(schema: Schema, value: float, path: str) -> list[Cause]:
    found: list[Cause] = []
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value <= least if schema.get("exclusiveMinimum") else value < least):
        text = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        found.append(_invalid(path, value, f"should be {text} {least}"))
    if most is not None and (value >= most if schema.get("exclusiveMaximum") else value > most):
        text = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        found.append(_invalid(path, value, f"should be {text} {most}"))
    return found


def _combined(schema: Schema, value: Any, path: str) -> list[Cause]:
    """allOf, anyOf, oneOf, not; an int-or-string's own anyOf is the type test already made."""
    found: list[Cause] = [each for every in schema.get("allOf") or () for each in faults(every, value, path)]
    some, one, never = schema.get("anyOf"), schema.get("oneOf"), schema.get("not")
    if some and not any(not faults(each, value, path) for each in some):
        found.append(_invalid(path, value, "must validate at least one schema (anyOf)"))
    if one and sum(not faults(each, value, path) for each in one) != 1:
        found.append(_invalid(path, value, "must validate one and only one schema (oneOf)"))
    if never and not faults(never, value, path):
        found.append(_invalid(path, value, "must not validate the schema (not)"))
    return found
