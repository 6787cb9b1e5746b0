"""OpenAPI v3 components of the built-in kinds, made from the source of the Python client's models.

The models are read as text, one file per class and only when a schema is asked for: importing `kubernetes.client`
costs 0.9 s and 50 MB, which the API server has no other use for. What the models do not know (list types, quantities)
comes from `list_types`.
"""

import ast
import functools
import importlib.util
import re
from pathlib import Path
from typing import Any

from sandbox.kube import list_types
from sandbox.kube.kinds import BUILT_IN, REVIEWS

Schema = dict[str, Any]

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_META_MODELS = frozenset({
    "V1ObjectMeta", "V1ListMeta", "V1OwnerReference", "V1ManagedFieldsEntry", "V1LabelSelector",
    "V1LabelSelectorRequirement", "V1Condition", "V1DeleteOptions", "V1Preconditions", "V1Status", "V1StatusDetails",
    "V1StatusCause", "V1FieldSelectorRequirement",
})  # fmt: skip
_SCALARS: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number", "format": "double"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "object": {},
}
_FIELD = re.compile(
    r"^    (?P<name>\w+): (?P<type>.+?) = (?P<default>Field\(.*\)|None)$|^    (?P<bare>\w+): \w+$", re.M
)
_DESCRIPTION = re.compile(r'description=("(?:[^"\\]|\\.)*")')

PRIMITIVE_COMPONENTS: dict[str, Schema] = {
    QUANTITY: {
        "description": "Quantity is a fixed-point representation of a number.",
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
    INT_OR_STRING: {
        "description": "IntOrString is a type that can hold an int32 or a string.",
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}


def component(model: str) -> Schema:
    """The component of one model, with `$ref`s to the components of others."""
    return _component(model)


def component_name(model: str) -> str:
    """The model's name in the OpenAPI document: `V1Deployment` is `io.k8s.api.apps.v1.Deployment`."""
    if model in _META_MODELS:
        return f"{_META}.{_bare(model)}"
    group, version = _homes().get(model, ("core", "v1"))
    return _full_name(model, group, version)


def _full_name(model: str, group: str, version: str) -> str:
    part = "apiextensions-apiserver.pkg.apis" if group == "apiextensions" else "api"
    return f"io.k8s.{part}.{group}.{version}.{_bare(model)}"


def closure(models: list[str]) -> dict[str, Schema]:
    """These models and all that they refer to, by name in the OpenAPI document."""
    found: dict[str, Schema] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop()
        if component_name(model) not in found:
            found[component_name(model)] = component(model)
            waiting.extend(_references(model))
    return found | PRIMITIVE_COMPONENTS


def resolve(schema: Schema) -> Schema:
    """Follow a `$ref`; keywords beside it, such as list types, are kept."""
    reference = schema.get("$ref")
    if reference is None:
        every = schema.get("allOf")
        if every is None or len(every) != 1 or "$ref" not in every[0]:
            return schema
        reference = every[0]["$ref"]
    return _target(str(reference))


@functools.cache
def _target(reference: str) -> Schema:
    name = reference.removeprefix("#/components/schemas/")
    if name in PRIMITIVE_COMPONENTS:
        return PRIMITIVE_COMPONENTS[name]
    _homes()
    return component(_models_by_name[name])


_models_by_name: dict[str, str] = {}


@functools.cache
def _component(model: str) -> Schema:
    types, names, source = _read(model)
    fields = {found["name"] or found["bare"]: found for found in _FIELD.finditer(source)}
    properties: dict[str, Schema] = {}
    required = []
    for attribute, kind in types.items():
        name, found = names[attribute], fields.get(attribute)
        text = (found["default"] or "") if found else ""
        properties[name] = _property(model, name, kind, text)
        if found and (not found["type"] or ("default=" not in text and text != "None")):
            required.append(name)
    schema: Schema = {"type": "object"}
    if description := re.search(r'"""\n    (.*)\n', source[source.index(f"class {model}(") :]):
        schema["description"] = description[1].strip()
    if required:
        schema["required"] = sorted(required)
    if properties:
        schema["properties"] = properties
    if model in list_types.ATOMIC_OBJECTS:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _property(model: str, name: str, kind: str, field_source: str) -> Schema:
    if kind == "object" and name in list_types.INT_OR_STRING:
        schema = _ref(INT_OR_STRING)
    elif name in list_types.QUANTITIES and model in list_types.QUANTITY_MODELS and "str" in kind:
        quantity = _ref(QUANTITY)
        schema = quantity if kind == "str" else {"type": "object", "additionalProperties": quantity}
    else:
        schema = _typed(kind)
    if (model, name) in list_types.ATOMIC_MAPS:
        schema["x-kubernetes-map-type"] = "atomic"
    elif schema.get("type") == "array":
        schema["x-kubernetes-list-type"] = "atomic"
    extra = list_types.FIELDS.get(model, {}).get(name, {})
    if default := list_types.ITEM_DEFAULTS.get((model, name)):
        extra = extra | {"default": default}
    if description := _DESCRIPTION.search(field_source):
        extra = extra | {"description": ast.literal_eval(description[1])}
    if "$ref" in schema and extra:
        return {"allOf": [schema]} | extra  # beside a $ref other keywords would be ignored
    return schema | extra


def _typed(kind: str) -> Schema:
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if found := re.fullmatch(r"List\[(.*)\]", kind):
        return {"type": "array", "items": _typed(found[1])}
    if found := re.fullmatch(r"Dict\[str, (.*)\]", kind):
        return {"type": "object", "additionalProperties": _typed(found[1])}
    return _ref(component_name(kind))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


@functools.cache
def _homes() -> dict[str, tuple[str, str]]:
    """Group and version of each model: of the first kind that leads to it, core first."""
    homes: dict[str, tuple[str, str]] = {}
    for kind in (*BUILT_IN, *REVIEWS):
        group = kind.group.removesuffix(".k8s.io").removesuffix(".authorization") or "core"
        waiting = [kind.model]
        while waiting:
            model = waiting.pop()
            if model not in homes:
                homes[model] = (group, kind.version)
                waiting.extend(_references(model))
    for model in homes:
        if model in _META_MODELS:
            _models_by_name[f"{_META}.{_bare(model)}"] = model
    for model, (group, version) in homes.items():
        if model not in _META_MODELS:
            _models_by_name[_full_name(model, group, version)] = model
    return homes


def _bare(model: str) -> str:
    """`V1ServicePort` and `CoreV1EventSeries` without the prefix that tells versions apart in Python."""
    return re.sub(r"^(Core|Events|Rbac|Discovery|Apiextensions|Authentication)?V\d+((alpha|beta)\d+)?", "", model)


@functools.cache
def _references(model: str) -> list[str]:
    types, _, _ = _read(model)
    words = {word for kind in types.values() for word in re.findall(r"\w+", kind)}
    return sorted(words - _SCALARS.keys() - {"List", "Dict"})


@functools.cache
def _folder() -> Path:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "the package `kubernetes`, whose models describe the built-in kinds, is not installed"
        )
    return Path(spec.submodule_search_locations[0]) / "client" / "models"


@functools.lru_cache(maxsize=64)
def _read(model: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Types and JSON names by attribute, and the source down to them."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", model).lower()
    source = (_folder() / f"{snake}.py").read_text()
    tables = []
    for table in ("openapi_types", "attribute_map"):
        start = source.index("{", source.index(f"{table}: ClassVar"))
        end = source.index("}", start)
        tables.append(ast.literal_eval(source[start : end + 1]))
    return tables[0], tables[1], source[:end]
