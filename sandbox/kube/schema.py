"""What a schema says of a value: unknown fields, wrong types, defaults, constraints.

One schema language for all kinds, OpenAPI v3 as dicts: built-in kinds have components with `$ref`s, custom resources
their openAPIV3Schema. The two differ in what happens to a fault: a built-in kind fails to decode into its Go struct
(400), a custom resource fails its structural schema (422, see `structural`).
"""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from sandbox.kube import builtin_schema

Schema = dict[str, Any]

_METADATA = {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
_JSON_WORDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
_GO_TYPES = {"string": "string", "integer": "int32", "boolean": "bool", "number": "float64"}


def of_custom_resource(schema: Schema) -> Schema:
    """The schema of a custom resource with what the server adds: its TypeMeta and ObjectMeta."""
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **(schema.get("properties") or {}),
        "metadata": _METADATA,
    }
    return schema | {"properties": properties}


def child(schema: Schema, name: str) -> Schema | None:
    """The schema of a field: declared, by additionalProperties, or anything goes; None if it is unknown."""
    properties = schema.get("properties") or {}
    if name in properties:
        return dict(properties[name])
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return additional
    if additional is True or not schema.get("type") or schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"x-kubernetes-preserve-unknown-fields": True}
    # `type: object` alone is how a model without fields looks; for a custom resource it prunes everything.
    return None


def prune(schema: Schema, value: Any, path: str = "") -> tuple[Any, list[str]]:
    """The value without fields the schema does not know, and where those were."""
    schema = builtin_schema.resolve(schema)
    if isinstance(value, list):
        items = schema.get("items") or {"x-kubernetes-preserve-unknown-fields": True}
        pairs = [prune(items, each, f"{path}[{index}]") for index, each in enumerate(value)]
        return [each for each, _ in pairs], [field for _, fields in pairs for field in fields]
    if not isinstance(value, dict) or ("oneOf" in schema and "properties" not in schema and "type" not in schema):
        return value, []
    kept: dict[str, Any] = {}
    unknown: list[str] = []
    embedded = schema.get("x-kubernetes-embedded-resource")
    for name, each in value.items():
        where = f"{path}.{name}" if path else name
        below = child(schema, name)
        if below is None and embedded and name in ("apiVersion", "kind", "metadata"):
            below = {"x-kubernetes-preserve-unknown-fields": True}
        if below is None:
            unknown.append(where)
            continue
        kept[name], fields = prune(below, each, where)
        unknown += fields
    return kept, unknown


def drop_empty(schema: Schema, value: Any) -> Any:
    """A built-in object without nulls and without empty lists and maps, as it comes back from its Go struct."""
    if isinstance(value, int | float) and _is_quantity(schema):
        return str(value)
    schema = builtin_schema.resolve(schema)
    if isinstance(value, list):
        return [drop_empty(schema.get("items") or {}, each) for each in value]
    if not isinstance(value, dict) or not schema.get("type"):
        return value
    kept: dict[str, Any] = {}
    required = schema.get("required") or ()
    for name, each in value.items():
        below = child(schema, name) or {}
        if each is None:
            continue
        collection = "items" in below or "additionalProperties" in below
        if collection and not each and name not in required and isinstance(each, list | dict):
            continue
        kept[name] = drop_empty(below, each)
    return kept


def quantities_as_text(schema: Schema, value: Any) -> Any:
    """The value with its quantities spelled as text, `cpu: 1` being the same as `cpu: "1"`."""
    if isinstance(value, int | float) and _is_quantity(schema):
        return str(value)
    schema = builtin_schema.resolve(schema)
    if isinstance(value, list):
        return [quantities_as_text(schema.get("items") or {}, each) for each in value]
    if isinstance(value, dict):
        return {name: quantities_as_text(child(schema, name) or {}, each) for name, each in value.items()}
    return value


def _is_quantity(schema: Schema) -> bool:
    reference = schema.get("$ref") or next((each.get("$ref") for each in schema.get("allOf") or ()), "")
    return str(reference).endswith(builtin_schema.QUANTITY)


def wrong_type(schema: Schema, value: Any, path: str = "", struct: str = "") -> str | None:
    """Go's complaint about the first value that does not fit its struct, None if all fit (`sigs.k8s.io/json`)."""
    name = schema.get("$ref") or next((each.get("$ref") for each in schema.get("allOf") or ()), None)
    struct_below = str(name).rpartition(".")[2] if name else struct
    schema = builtin_schema.resolve(schema)
    if value is None:
        return None
    if not _fits(schema, value):
        wanted = _GO_TYPES.get(str(schema.get("type")), "map[string]interface {}")
        if schema.get("type") == "array":
            wanted = "[]string"
        if schema.get("type") == "object" and name:
            wanted = f"v1.{struct_below}"
        return (
            f"json: cannot unmarshal {_JSON_WORDS.get(type(value), 'null')} into Go struct field "
            f"{struct}.{path} of type {wanted}"
        )
    if schema.get("format") == "date-time" and (fault := _not_a_time(value)):
        return fault
    for element, below in _below(schema, value):
        step = f"{path}.{element}" if path and isinstance(element, str) else path or str(element)
        if found := wrong_type(below, value[element], step, struct_below):
            return found
    return None


def apply_defaults(schema: Schema, value: Any) -> Any:
    """The value with the schema's defaults for fields that are absent (or null and not nullable)."""
    schema = builtin_schema.resolve(schema)
    if isinstance(value, list):
        return [apply_defaults(schema.get("items") or {}, each) for each in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, below in (schema.get("properties") or {}).items():
        default = below.get("default")
        absent = name not in filled or (filled[name] is None and not below.get("nullable"))
        if absent and default is not None:
            filled[name] = default
        elif absent:
            filled.pop(name, None)
    return {name: apply_defaults(child(schema, name) or {}, each) for name, each in filled.items()}


def _below(schema: Schema, value: Any) -> Iterator[tuple[Any, Schema]]:
    if isinstance(value, dict):
        for name in value:
            yield name, child(schema, name) or {}
    elif isinstance(value, list):
        for index in range(len(value)):
            yield index, schema.get("items") or {}


def _fits(schema: Schema, value: Any) -> bool:
    if "oneOf" in schema:
        return any(_fits(each, value) for each in schema["oneOf"])
    match schema.get("type"):
        case "string":
            return isinstance(value, str)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return True


def _not_a_time(value: str) -> str | None:
    try:
        dt.datetime.fromisoformat(re.sub(r"\.(\d{6})\d+", r".\1", value))
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00"
        return f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"'
    return None
