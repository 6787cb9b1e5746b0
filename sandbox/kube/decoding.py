"""From a request's body to an object of a kind: what the API machinery's decoders accept, drop and refuse."""

import base64
import binascii
import copy
import functools
import json
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from sandbox.kube import builtin_schema, protobuf, schema
from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind

Object = dict[str, Any]
FieldValidation = Literal["Ignore", "Warn", "Strict"]

_ROOT_FIELDS = ("apiVersion", "kind", "metadata")


@dataclass
class Decoded:
    """An object fit for its kind, and what the client is warned of."""

    object: Object
    warnings: list[str] = field(default_factory=list)


def body(raw: bytes, content_type: str) -> Any:
    """Parse a request's body.

    Raises:
        StatusError: 415 for unknown formats, 400 for text that does not parse.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media == protobuf.MEDIA:
        return protobuf.decode(raw)
    if media in ("application/yaml", "application/apply-patch+yaml"):
        try:
            return yaml.load(raw, Loader=_YAML)  # noqa: S506  (a safe loader)
        except yaml.YAMLError as error:
            raise StatusError.bad_request(f"error decoding YAML: {error}") from None
    if media not in ("", "application/json") and not media.endswith("+json"):
        raise StatusError.unsupported_media_type()
    try:
        return json.loads(raw)
    except ValueError as error:
        raise StatusError.bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def schema_of(kind: Kind) -> schema.Schema:
    """The schema an object of this kind has to fit."""
    if kind.custom:
        return _custom_schema(kind)
    return _built_in_schema(kind.model)


@functools.cache
def _built_in_schema(model: str) -> schema.Schema:
    return {"$ref": f"#/components/schemas/{builtin_schema.component_name(model)}"}


def _custom_schema(kind: Kind) -> schema.Schema:
    return schema.of_custom_resource(kind.schema or {"x-kubernetes-preserve-unknown-fields": True})


def decode(kind: Kind, document: Any, validation: FieldValidation) -> Decoded:
    """An object of this kind without unknown fields.

    Raises:
        StatusError: 400 as the genuine decoder words it.
    """
    if not isinstance(document, dict):
        raise StatusError.bad_request(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {type(document).__name__} into Go "
            "value of type struct { APIVersion string; Kind string }"
        )
    found = copy.deepcopy(document)
    _check_type(kind, found)
    if not isinstance(found.get("metadata") or {}, dict):
        raise _unfit(kind, "json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta")
    found["metadata"] = found.get("metadata") or {}
    rules = schema_of(kind)
    if not kind.custom and (fault := schema.wrong_type(rules, found)):
        raise _unfit(kind, fault)
    if kind.custom and (fault := schema.wrong_type(rules["properties"]["metadata"], found["metadata"], "metadata")):
        raise _unfit(kind, fault)
    found, unknown = schema.prune(rules, found)
    complaints = [f'unknown field "{each}"' for each in unknown]
    if complaints and validation == "Strict":
        raise _unfit(kind, f"strict decoding error: {', '.join(complaints)}")
    if not kind.custom:
        found = schema.drop_empty(rules, found)
    found["metadata"] = schema.drop_empty(_built_in_schema("V1ObjectMeta"), found.get("metadata") or {})
    if kind.plural == "secrets" and not kind.group:
        _secret(kind, found)
    return Decoded(found, complaints if validation == "Warn" else [])


def _check_type(kind: Kind, found: Object) -> None:
    for name, wanted, word in (("apiVersion", kind.api_version, "API version"), ("kind", kind.kind, "kind")):
        have = found.get(name)
        if not have and not kind.custom:
            found[name] = wanted
        elif not have:
            raise StatusError.bad_request(f"Object '{name[0].upper()}{name[1:]}' is missing in '{json.dumps(found)}'")
        elif have != wanted:
            text = f"the {word} in the data ({have}) does not match the expected {word} ({wanted})"
            raise StatusError.bad_request(text)


def _unfit(kind: Kind, why: str) -> StatusError:
    return StatusError.bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


def _secret(kind: Kind, found: Object) -> None:
    """Check the base64 of a Secret's data and fold stringData into it."""
    for value in (found.get("data") or {}).values():
        try:
            base64.b64decode(value.replace("\n", ""), validate=True)
        except binascii.Error:
            raise _unfit(kind, "illegal base64 data at input byte 0") from None
    if plain := found.pop("stringData", None):
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}
        found["data"] = (found.get("data") or {}) | encoded


class _YAML(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML as JSON has it: no timestamps, so that dates stay text."""


_YAML.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _YAML.yaml_implicit_resolvers.items()
}
