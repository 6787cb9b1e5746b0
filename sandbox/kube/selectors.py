"""Label and field selectors: text to predicate.

Label syntax as `k8s.io/apimachinery/pkg/labels`; which fields can be selected is a table per kind, as each strategy of
kube-apiserver registers its own (`pkg/apis/core/v1/conversion.go`).
"""

import re
from collections.abc import Callable
from typing import Any

from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind

Predicate = Callable[[dict[str, Any]], bool]

_SET = re.compile(r"^(?P<key>[^\s,!=()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)$")
_COMPARE = re.compile(r"^(?P<key>[^\s,!=()<>]+)\s*(?P<op>==|=|!=|>|<)\s*(?P<value>[^\s,!=()]*)$")
_EXISTS = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s,!=()]+)$")

_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    ),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "jobs.batch": ("status.successful",),
    "replicasets.apps": ("status.replicas",),
}  # fmt: skip


def labels(text: str) -> Predicate:
    """The predicate of a label selector.

    Raises:
        StatusError: 400, the selector cannot be parsed.
    """
    requirements = [_requirement(part) for part in _split(text)]
    return lambda obj: all(each(obj["metadata"].get("labels") or {}) for each in requirements)


def fields(text: str, kind: Kind) -> Predicate:
    """The predicate of a field selector of this kind.

    Raises:
        StatusError: 400, it cannot be parsed, or the kind does not offer that field.
    """
    tests = [_field_test(part, kind) for part in text.split(",") if part]
    return lambda obj: all(each(obj) for each in tests)


def matches(selector: dict[str, Any] | None, labels_of: dict[str, str]) -> bool:
    """Whether a LabelSelector of an object's spec selects these labels; an absent one selects nothing."""
    if selector is None:
        return False
    if any(labels_of.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(each, labels_of) for each in selector.get("matchExpressions") or [])


def _expression(expression: dict[str, Any], labels_of: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels_of.get(key) in values
        case "NotIn":
            return labels_of.get(key) not in values
        case "Exists":
            return key in labels_of
        case _:
            return key not in labels_of


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets."""
    parts = re.split(r",(?![^(]*\))", text)
    return [part.strip() for part in parts if part.strip()]


def _requirement(part: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] == "in":
            return lambda have: key in have and have[key] in values
        return lambda have: have.get(key) not in values
    if found := _COMPARE.match(part):
        return _comparison(found["key"], found["op"], found["value"])
    if found := _EXISTS.match(part):
        key, wanted = found["key"], not found["not"]
        return lambda have: (key in have) is wanted
    raise StatusError.bad_request(f"unable to parse requirement: found '{part}', expected: a label requirement")


def _comparison(key: str, operator: str, value: str) -> Callable[[dict[str, str]], bool]:
    if operator in ("=", "=="):
        return lambda have: have.get(key) == value
    if operator == "!=":
        return lambda have: have.get(key) != value
    sign = 1 if operator == ">" else -1
    bound = int(value)
    return lambda have: have.get(key, "").isdigit() and (int(have[key]) - bound) * sign > 0


def _field_test(part: str, kind: Kind) -> Predicate:
    found = re.match(r"^(?P<path>[^!=]+)(?P<op>==|=|!=)(?P<value>.*)$", part)
    if found is None:
        raise StatusError.bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
    path, value, wanted = found["path"], found["value"], found["op"] != "!="
    common = ("metadata.name", "metadata.namespace") if kind.namespaced else ("metadata.name",)
    if path not in (*common, *_FIELDS.get(kind.stored_in, ())):
        if kind.stored_in in _FIELDS:
            raise StatusError.bad_request(f"field label not supported: {path}")
        known = '"metadata.name", "metadata.namespace"'
        raise StatusError.bad_request(f'"{path}" is not a known field selector: only {known}')
    return lambda obj: (_text_at(obj, path) == value) is wanted


def _text_at(obj: dict[str, Any], path: str) -> str:
    if path == "source" and isinstance(obj.get("source"), dict):
        return str(obj["source"].get("component", ""))
    value: Any = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
