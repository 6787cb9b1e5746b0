"""The OpenAPI documents: v3 per group and version, and the v2 document of older clients.

kubectl reads the query parameters of PATCH out of v3 to learn that the server validates fields itself
(`kubectl/pkg/validation` QueryParamVerifierV3), and `kubectl explain` its schemas.
"""

import functools
import hashlib
import json
from typing import Any

from sandbox.kube import builtin_schema, schema
from sandbox.kube.discovery import VERSION
from sandbox.kube.kinds import REVIEWS, Kind, Registry

Object = dict[str, Any]

_QUERY = ("dryRun", "fieldManager", "fieldValidation")


def index(registry: Registry) -> Object:
    """/openapi/v3: where the documents are; the hash changes with a document's content."""
    paths: Object = {"version": {"serverRelativeURL": "/openapi/v3/version?hash=0"}}
    for group, versions in registry.groups().items():
        for version in versions:
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            seed = f"{path}/{registry.revision if any(k.custom for k in registry.of(group, version)) else 0}"
            digest = hashlib.sha256(seed.encode()).hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> bytes | None:
    """The v3 document of a group and version as JSON, None if it is not served."""
    kinds = registry.of(group, version)
    return _document(tuple(kinds), registry.revision if any(kind.custom for kind in kinds) else 0) if kinds else None


@functools.lru_cache(maxsize=8)
def _document(kinds: tuple[Kind, ...], _revision: int) -> bytes:
    components: Object = {}
    paths: Object = {}
    for kind in kinds:
        components |= _components(kind)
        paths |= _paths(kind)
    whole = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": components},
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def component_name(kind: Kind) -> str:
    if not kind.custom:
        return builtin_schema.component_name(kind.model)
    reverse = ".".join(reversed(kind.group.split(".")))
    return f"{reverse}.{kind.version}.{kind.kind}"


def _components(kind: Kind) -> Object:
    of_kind = {"x-kubernetes-group-version-kind": [_gvk(kind)]}
    name = component_name(kind)
    if kind.custom:
        described = schema.of_custom_resource(kind.schema or {"type": "object"}) | of_kind
        return builtin_schema.closure(["V1ObjectMeta"]) | {name: described}
    components = builtin_schema.closure([kind.model])
    return components | {name: components[name] | of_kind}


def _paths(kind: Kind) -> Object:
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    if kind.namespaced:
        root += "/namespaces/{namespace}"
    many = f"{root}/{kind.plural}"
    if kind in REVIEWS:
        return {many: {"post": _operation(kind, "post", _QUERY)}}
    one = {
        "get": _operation(kind, "get", ()),
        "put": _operation(kind, "put", _QUERY),
        "patch": _operation(kind, "patch", (*_QUERY, "force")),
        "delete": _operation(kind, "delete", ("dryRun", "gracePeriodSeconds", "propagationPolicy")),
    }
    collection = {
        "get": _operation(kind, "list", ("fieldSelector", "labelSelector", "limit", "resourceVersion", "watch")),
        "post": _operation(kind, "post", _QUERY),
        "delete": _operation(kind, "deletecollection", ("fieldSelector", "labelSelector", "propagationPolicy")),
    }
    return {many: collection, f"{many}/{{name}}": one}


def _operation(kind: Kind, action: str, query: tuple[str, ...]) -> Object:
    types = {"limit": "integer", "gracePeriodSeconds": "integer", "force": "boolean", "watch": "boolean"}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": types.get(name, "string"), "uniqueItems": True}}
        for name in query
    ]
    answer = {"schema": {"$ref": f"#/components/schemas/{component_name(kind)}"}}
    operation: Object = {
        "operationId": f"{action}{kind.group.title().replace('.', '')}{kind.version.title()}{kind.kind}",
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "content": {"application/json": answer}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
    }
    return operation


def _gvk(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def swagger(registry: Registry) -> Object:
    """The v2 document: definitions of every kind, and the query parameters of PATCH."""
    definitions: Object = {}
    paths: Object = {}
    for kind in registry:
        definitions |= {name: _v2_schema(each) for name, each in _components(kind).items()}
        for path, operations in _paths(kind).items():
            paths[path] = {method: _v2_operation(each) for method, each in operations.items()}
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "definitions": definitions,
    }


def _v2_operation(operation: Object) -> Object:
    parameters = [
        {"name": each["name"], "in": "query", "type": each["schema"]["type"]} for each in operation["parameters"]
    ]
    answer = operation["responses"]["200"]["content"]["application/json"]
    answer = {"schema": _v2_schema(answer["schema"])}
    return operation | {"parameters": parameters, "responses": {"200": {"description": "OK"} | answer}}


def _v2_schema(node: Object) -> Object:
    """A schema in the words of v2, which knows neither oneOf nor a `$ref` with company."""
    kept = {name: value for name, value in node.items() if name not in ("oneOf", "anyOf", "allOf", "not", "nullable")}
    for each in node.get("allOf") or ():
        if "$ref" in each:
            kept |= {"$ref": each["$ref"]}
    if "$ref" in kept:
        kept["$ref"] = kept["$ref"].replace("#/components/schemas/", "#/definitions/")
        kept.pop("default", None)
    if "oneOf" in node and "type" not in node:
        kept["type"] = "string"
    for name in ("items", "additionalProperties"):
        if isinstance(kept.get(name), dict):
            kept[name] = _v2_schema(kept[name])
    if "properties" in kept:
        kept["properties"] = {name: _v2_schema(each) for name, each in kept["properties"].items()}
    return kept
