"""The scale subresource: autoscaling/v1 Scale of a workload."""

from typing import Any

from sandbox.kube.errors import StatusError

Object = dict[str, Any]


def of(obj: Object) -> Object:
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": obj["spec"].get("replicas", 1)},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{name}={value}" for name, value in sorted(selector.items())),
        },
    }


def replicas(document: Any) -> int:
    """The wanted number of a Scale.

    Raises:
        StatusError: 400, there is none.
    """
    wanted = ((document or {}).get("spec") or {}).get("replicas", 0) if isinstance(document, dict) else None
    if not isinstance(wanted, int):
        raise StatusError.bad_request('Scale in version "v1" cannot be handled as a Scale: spec.replicas is no number')
    return wanted
