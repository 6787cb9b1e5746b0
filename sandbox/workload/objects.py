"""ReplicaSets and Pods as the controllers of Kubernetes make them (pure).

Sources: kubernetes pkg/controller/deployment/util, pkg/controller/controller_utils.go.
"""

import copy
import datetime as dt
import hashlib
import json
import secrets
from typing import Any

Json = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
HASH_LABEL = "pod-template-hash"
# Without vowels and look-alikes, so that no word comes out (apimachinery util/rand).
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def now() -> str:
    """The present time as the API writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def template_hash(template: Json) -> str:
    """A short name for a pod template; another template, another name.

    Kubernetes hashes Go's print of the struct (FNV-32a); the value differs here, form and use are the same.
    """
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    number = str(int.from_bytes(digest[:4]))
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in number)


def random_suffix() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


def replica_set(deployment: Json, revision: int) -> Json:
    """The ReplicaSet of a Deployment's present template, with no replicas yet."""
    template = copy.deepcopy(deployment["spec"]["template"])
    name = template_hash(template)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: name}
    template.setdefault("metadata", {})["labels"] = labels
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: name}
    metadata = deployment["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{name}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": _inherited(metadata.get("annotations") or {}) | {REVISION: str(revision)},
            "ownerReferences": [owner(deployment, "apps/v1", "Deployment")],
        },
        "spec": {
            "replicas": 0,
            "selector": selector,
            "template": template,
            "minReadySeconds": deployment["spec"].get("minReadySeconds", 0),
        },
    }


def pod(replicas: Json, node: str) -> Json:
    """A new Pod of a ReplicaSet, already on its node."""
    template = copy.deepcopy(replicas["spec"]["template"])
    metadata = template.get("metadata") or {}
    name = replicas["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{random_suffix()}",
            "generateName": f"{name}-",
            "namespace": replicas["metadata"]["namespace"],
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
            "ownerReferences": [owner(replicas, "apps/v1", "ReplicaSet")],
        },
        "spec": template["spec"] | {"nodeName": node},
    }


def owner(item: Json, api_version: str, kind: str) -> Json:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": item["metadata"]["name"],
        "uid": item["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_owned_by(item: Json, uid: str) -> bool:
    return any(
        each.get("uid") == uid and each.get("controller") for each in item["metadata"].get("ownerReferences") or []
    )


def condition(item: Json, kind: str) -> Json:
    """A condition of a status, empty if there is none."""
    for each in (item.get("status") or {}).get("conditions") or []:
        if each["type"] == kind:
            found: Json = each
            return found
    return {}


def is_ready(pod: Json) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def is_going(item: Json) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))


def matches(selector: Json, labels: Json) -> bool:
    """Whether a label selector's `matchLabels` fit; expressions are not used by the charts that run here."""
    return (selector.get("matchLabels") or {}).items() <= labels.items()


def _inherited(annotations: dict[str, str]) -> dict[str, str]:
    skipped = {"kubectl.kubernetes.io/last-applied-configuration", REVISION}
    return {key: value for key, value in annotations.items() if key not in skipped}
