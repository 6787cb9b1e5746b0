"""The OpenAPI v2 document in protobuf, the only form in which kubectl before 1.29 reads it.

The wire format is written by hand: a dozen fields of gnostic's `openapiv2/OpenAPIv2.proto` do not justify a compiler.
"""

import functools
import json
from collections.abc import Iterable
from typing import Any

from sandbox.kube import openapi
from sandbox.kube.kinds import Registry

Object = dict[str, Any]

MEDIA = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""With a dot where the request has an @, which Go could not parse as a media type."""

_BYTES = 2
"""Wire type of everything that has a length."""


def protobuf(registry: Registry) -> bytes:
    """An `openapi.v2.Document`."""
    return _encoded(registry, registry.revision)


@functools.lru_cache(maxsize=1)
def _encoded(registry: Registry, _revision: int) -> bytes:
    document = openapi.swagger(registry)
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    schemas = [_message(1, _named(name, _schema(each))) for name, each in document["definitions"].items()]
    paths = [_message(2, _named(path, _path_item(each))) for path, each in document["paths"].items()]
    return (
        _text(1, document["swagger"])
        + _message(2, info)
        + _message(8, b"".join(paths))
        + _message(9, b"".join(schemas))
    )


def _schema(schema: Object) -> bytes:
    """openapi.v2.Schema."""
    parts = []
    if reference := schema.get("$ref"):
        parts.append(_text(1, reference))
    for number, name in ((2, "format"), (4, "description")):
        if value := schema.get(name):
            parts.append(_text(number, value))
    parts += [_text(19, each) for each in schema.get("required") or ()]
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        parts.append(_message(21, _message(1, _schema(additional))))
    if kind := schema.get("type"):
        parts.append(_message(22, _text(1, kind)))
    if isinstance(items := schema.get("items"), dict):
        parts.append(_message(23, _message(1, _schema(items))))
    if properties := schema.get("properties"):
        named = [_message(1, _named(name, _schema(each))) for name, each in properties.items()]
        parts.append(_message(25, b"".join(named)))
    parts += _extensions(31, schema)
    return b"".join(parts)


def _path_item(operations: Object) -> bytes:
    """openapi.v2.PathItem."""
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    return b"".join(_message(numbers[method], _operation(each)) for method, each in operations.items())


def _operation(operation: Object) -> bytes:
    """openapi.v2.Operation."""
    parameters = []
    for each in operation["parameters"]:
        query = _text(2, "query") + _text(4, each["name"]) + _text(6, each["type"])
        # ParametersItem.parameter → Parameter.non_body_parameter → NonBodyParameter.query_parameter_sub_schema
        parameters.append(_message(8, _message(1, _message(2, _message(3, query)))))
    return _text(5, operation["operationId"]) + b"".join(parameters) + b"".join(_extensions(13, operation))


def _extensions(number: int, node: Object) -> Iterable[bytes]:
    """Vendor extensions, each an openapi.v2.NamedAny whose value is YAML, of which JSON is a part."""
    return [
        _message(number, _named(name, _text(2, json.dumps(value))))
        for name, value in node.items()
        if name.startswith("x-")
    ]


def _named(name: str, value: bytes) -> bytes:
    return _text(1, name) + _message(2, value)


def _text(number: int, text: str) -> bytes:
    return _message(number, text.encode())


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
