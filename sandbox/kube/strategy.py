"""What each kind does with an object between decoding and storing: kube-apiserver's registry strategies.

Status and spec are kept apart, generation counts, system fields belong to the server.
"""

import copy
import uuid
from typing import Any

from sandbox.kube.fields import Path
from sandbox.kube.kinds import Kind
from sandbox.kube.pod_defaults import admit_pod

Object = dict[str, Any]

_SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")
_INITIAL_STATUS: dict[str, Object] = {
    "services": {"loadBalancer": {}},
    "ingresses.networking.k8s.io": {"loadBalancer": {}},
    "namespaces": {"phase": "Active"},
    "pods": {"phase": "Pending"},
    "persistentvolumeclaims": {"phase": "Pending"},
    "persistentvolumes": {"phase": "Pending"},
    "customresourcedefinitions.apiextensions.k8s.io": {
        "conditions": [],
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": [],
    },
}
_STATUS_AT_CREATION = frozenset({"nodes"})
"""Kinds whose creator may set status: a kubelet registers its node with one."""


def reset_fields(kind: Kind, subresource: str) -> tuple[Path, ...]:
    """Fields that a write to this place does not touch, so nobody owns them through it."""
    if not kind.status:
        return ()
    if subresource != "status":
        return (("f:status",),)
    return (("f:spec",), ("f:metadata",)) if kind.custom else (("f:spec",),)


def prepare_create(kind: Kind, obj: Object, now: str) -> None:
    """Make a decoded object a new one, in place."""
    metadata = obj["metadata"]
    for name in (*_SYSTEM, "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now
    if kind.generation or kind.custom:
        metadata["generation"] = 1
    if kind.status and kind.stored_in not in _STATUS_AT_CREATION:
        if kind.custom:
            obj.pop("status", None)
        else:
            obj["status"] = copy.deepcopy(_INITIAL_STATUS.get(kind.stored_in, {}))
    match kind.stored_in:
        case "pods":
            admit_pod(obj["spec"])
            obj["status"]["qosClass"] = qos_class(obj["spec"])
        case "namespaces":
            obj["spec"]["finalizers"] = ["kubernetes"]
        case "jobs.batch":
            _own_job_pods(obj)


def prepare_update(kind: Kind, obj: Object, old: Object, subresource: str) -> Object:
    """The object as an update through this place may change it."""
    metadata = dict(obj["metadata"])
    for name in _SYSTEM:
        metadata.pop(name, None)
        if name in old["metadata"]:
            metadata[name] = old["metadata"][name]
    if subresource == "status":
        return _status_update(kind, obj, old, metadata)
    updated = obj | {"metadata": metadata}
    if kind.status:
        updated.pop("status", None)
        if "status" in old:
            updated["status"] = old["status"]
    if kind.stored_in == "jobs.batch" and "selector" in old["spec"]:
        updated["spec"] = {**updated["spec"], "selector": updated["spec"].get("selector", old["spec"]["selector"])}
    if kind.stored_in == "namespaces":
        updated["spec"] = old["spec"]
    if (kind.generation or kind.custom) and _desired(kind, updated) != _desired(kind, old):
        metadata["generation"] = old["metadata"].get("generation", 1) + 1
    return updated


def _status_update(kind: Kind, obj: Object, old: Object, metadata: Object) -> Object:
    if kind.custom:
        metadata = dict(old["metadata"]) | _managed(metadata)
    elif "labels" in old["metadata"]:
        metadata["labels"] = old["metadata"]["labels"]
    else:
        metadata.pop("labels", None)
    updated = dict(old) | {"metadata": metadata}
    updated.pop("status", None)
    return updated | ({"status": obj["status"]} if "status" in obj else {})


def _managed(metadata: Object) -> Object:
    return {"managedFields": metadata["managedFields"]} if "managedFields" in metadata else {}


def _desired(kind: Kind, obj: Object) -> Object:
    """The part of an object whose changes generation counts."""
    hidden = {"metadata", "apiVersion"} | ({"status"} if kind.status else set())
    return {name: value for name, value in obj.items() if name not in hidden}


def qos_class(spec: Object) -> str:
    """`pkg/apis/core/helper/qos`: by the CPU and memory its containers ask for."""
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    resources = [each.get("resources") or {} for each in containers]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    guaranteed = all(
        (each.get("limits") or {}).get(name) is not None
        and (each.get("requests") or each["limits"]).get(name) == each["limits"][name]
        for each in resources
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _own_job_pods(obj: Object) -> None:
    """Selector and pod labels of a Job that did not choose its own (`pkg/registry/batch/job/strategy.go`)."""
    spec, uid, name = obj["spec"], obj["metadata"]["uid"], obj["metadata"].get("name", "")
    if spec.get("manualSelector"):
        return
    labels = spec["template"]["metadata"].setdefault("labels", {})
    for prefix in ("", "batch.kubernetes.io/"):
        labels.setdefault(f"{prefix}controller-uid", uid)
        labels.setdefault(f"{prefix}job-name", name)
    spec.setdefault("selector", {}).setdefault("matchLabels", {})["batch.kubernetes.io/controller-uid"] = uid
