"""Request bodies in protobuf, to the JSON form everything else here works on.

Go clients since client-go 0.32 (kubectl 1.32, Helm 4) send typed objects in protobuf and have no second try in JSON.
Answers are JSON always: their Accept header allows it. A kind whose message is not in `protobuf_messages` gets a 415.
"""

import base64
import datetime as dt
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.kube.errors import StatusError
from sandbox.kube.protobuf_messages import MESSAGES

Object = dict[str, Any]

MEDIA = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\x00"
_KEEP_ZERO = frozenset({
    "replicas", "suspend", "automountServiceAccountToken", "immutable", "runAsNonRoot", "runAsUser", "runAsGroup",
    "fsGroup", "allowPrivilegeEscalation", "privileged", "readOnlyRootFilesystem", "enableServiceLinks", "optional",
    "terminationGracePeriodSeconds", "backoffLimit", "parallelism", "completions", "controller", "blockOwnerDeletion",
    "gracePeriodSeconds", "allocateLoadBalancerNodePorts", "defaultMode", "revisionHistoryLimit",
    "shareProcessNamespace",
    "progressDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit", "hostUsers", "leaseTransitions",
    "minReplicas", "tolerationSeconds", "activeDeadlineSeconds", "ttlSecondsAfterFinished", "partition", "ready",
    "serving", "terminating", "storageClassName", "allowVolumeExpansion", "stabilizationWindowSeconds",
})  # fmt: skip
"""Fields that are pointers in Go, where zero differs from absent; all others are written even when nobody set them."""


@dataclass(frozen=True)
class _Field:
    name: str
    type: str
    repeated: bool = False
    map: bool = False
    inline: bool = False


def decode(raw: bytes) -> Object:
    """A body, from its envelope `k8s.io/apimachinery/pkg/runtime.Unknown`.

    Raises:
        StatusError: 400, it is damaged; 415, its kind is not known here.
    """
    if not raw.startswith(_MAGIC):
        raise StatusError.bad_request(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        envelope = dict(_fields(raw[len(_MAGIC) :]))
        type_meta = dict(_fields(envelope[1]))
        api_version, kind = type_meta.get(1, b"").decode(), type_meta.get(2, b"").decode()
        message = _message_of(api_version, kind)
        if message not in _messages():
            raise StatusError.unsupported_media_type()
        return {"apiVersion": api_version, "kind": kind} | _message(message, envelope.get(2, b""))
    except (LookupError, ValueError, OverflowError, AttributeError, TypeError) as error:
        raise StatusError.bad_request(f"couldn't get version/kind; proto: {error}") from error


def _message_of(api_version: str, kind: str) -> str:
    if kind == "DeleteOptions":  # is sent under the version of whatever is deleted
        return "meta.DeleteOptions"
    group = api_version.rpartition("/")[0].removesuffix(".k8s.io").removesuffix(".authorization")
    return f"{group or 'core'}.{kind}"


@functools.cache
def _messages() -> dict[str, dict[int, _Field]]:
    found: dict[str, dict[int, _Field]] = {}
    for paragraph in re.split(r"\n(?=\S)", MESSAGES.strip()):
        name, _, listed = " ".join(paragraph.split()).partition(":")
        fields = [each.split() for each in listed.split(",") if each.strip()]
        found[name] = {int(number.rstrip("^")): _field(number, name, kind) for number, name, kind in fields}
    return found


def _field(number: str, name: str, kind: str) -> _Field:
    return _Field(
        name, kind.strip("*{}"), repeated=kind.startswith("*"), map=kind.startswith("{"), inline=number.endswith("^")
    )


def _message(name: str, raw: bytes) -> Object:
    known = _messages()[name]
    found: Object = {}
    for number, content in _fields(raw):
        field = known.get(number)
        if field is None:
            continue
        if field.map:
            entry = dict(_fields(content))
            key = entry.get(1, b"").decode()
            found.setdefault(field.name, {})[key] = _value(field.type, entry.get(2, b""))
        elif field.repeated:
            found.setdefault(field.name, []).append(_value(field.type, content))
        elif field.inline:
            found |= _message(field.type, content)
        else:
            value = _value(field.type, content)
            if value not in ("", 0, None) or (field.name in _KEEP_ZERO and value is not None):
                found[field.name] = value
    return found


def _value(kind: str, content: Any) -> Any:
    match kind:
        case "str":
            return content.decode()
        case "bytes":
            return base64.b64encode(content).decode()
        case "bool":
            return bool(content)
        case "int":
            return content - (1 << 64) if content >> 63 else content
        case "Time" | "MicroTime":
            return _time(content, micro=kind == "MicroTime")
        case "Quantity":
            return dict(_fields(content)).get(1, b"").decode()
        case "IntOrString":
            parts = dict(_fields(content))
            return parts.get(3, b"").decode() if parts.get(1) else parts.get(2, 0)
        case "FieldsV1" | "RawExtension" | "JSON":
            text = dict(_fields(content)).get(1, b"")
            return json.loads(text) if text else None
        case "ExtraValue":
            return [each.decode() for _, each in _fields(content)]
        case _:
            return _message(kind, content)


def _time(content: bytes, *, micro: bool) -> str | None:
    if not content:
        return None
    parts = dict(_fields(content))
    seconds, nanos = _value("int", parts.get(1, 0)), parts.get(2, 0)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC) + dt.timedelta(microseconds=nanos // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def _fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and contents of the wire format: ints for varints and fixed words, bytes for what has a length."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        number, wire = key >> 3, key & 7
        match wire:
            case 0:
                content: Any
                content, at = _varint(raw, at)
            case 1 | 5:
                size = 8 if wire == 1 else 4
                content, at = int.from_bytes(raw[at : at + size], "little"), at + size
            case 2:
                size, at = _varint(raw, at)
                if at + size > len(raw):
                    raise ValueError("unexpected EOF")
                content, at = raw[at : at + size], at + size
            case _:
                raise ValueError(f"illegal wireType {wire}")
        yield number, content


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw):
            raise ValueError("unexpected EOF")
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
