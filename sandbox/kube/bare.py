"""What a kube-apiserver does and its controller manager would answer: for an API server that has none beside it.

With `KubernetesApi(bare=True)` nobody fills namespaces, collects garbage or takes finalizers off, while the admission
plugins that are on by default still ask for it. It stands in for a genuine bare API server. Sources: kubernetes
plugin/pkg/admission/{serviceaccount,storage/storageobjectinuseprotection,nodetaint}.
"""

from typing import Any

from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind
from sandbox.kube.store import Store

Object = dict[str, Any]

_PROTECTION = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
}
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def admit(store: Store, kind: Kind, obj: Object) -> None:
    """Change a new object as the admission plugins do, in place.

    Raises:
        StatusError: 403, a pod's service account does not exist.
    """
    metadata = obj["metadata"]
    if finalizer := _PROTECTION.get(kind.stored_in):
        metadata["finalizers"] = [*(metadata.get("finalizers") or []), finalizer]
    elif kind.stored_in == "nodes":
        spec = obj.setdefault("spec", {})
        spec["taints"] = [*(spec.get("taints") or []), _NOT_READY]
    elif kind.stored_in == "pods":
        account = obj["spec"].get("serviceAccountName") or "default"
        if store.get("serviceaccounts", metadata["namespace"], account) is None:
            why = f'error looking up service account {metadata["namespace"]}/{account}: serviceaccount "{account}"'
            raise StatusError.forbidden(kind, metadata["name"], f"{why} not found")
