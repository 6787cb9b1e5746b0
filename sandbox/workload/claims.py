"""PersistentVolumeClaims: each gets a volume of its size, and goes once no pod uses it.

What a provisioner, the volume binder and the protection controllers do in a real cluster. An API server puts
`pvc-protection` on every claim by its admission plugin StorageObjectInUseProtection; without anybody who takes it off,
`kubectl delete pvc` would wait forever. Sources: kubernetes pkg/controller/volume/{persistentvolume,pvcprotection},
plugin/pkg/admission/storage/storageobjectinuseprotection. Simpler than there: no waiting for the first consumer, no
matching of existing volumes, no resizing.
"""

from collections.abc import Callable
from typing import Any

from sandbox.kube_client import ApiError, Informer, KubeClient
from sandbox.kube_paths import path_of
from sandbox.workload import objects
from sandbox.workload.garbage import remove_finalizers

Json = dict[str, Any]

CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_CLAIM_PROTECTION, _VOLUME_PROTECTION = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
_PROVISIONER = "pv.kubernetes.io/provisioned-by"
_BOUND = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
_NAME = "sandbox.milvus-gke-l7"


class Claims:
    """One claim at a time; `forget(namespace, name)` removes its data."""

    def __init__(
        self, client: KubeClient, claims: Informer, pods: Informer, forget: Callable[[str, str], None]
    ) -> None:
        self._client, self._claims, self._pods, self._forget = client, claims, pods, forget

    def sync(self, key: str) -> None:
        """Look at one claim.

        Raises:
            KubeError: to be tried again.
        """
        claim = self._claims.get(key)
        namespace, name = key.split("/")
        if claim is None:
            self._forget(namespace, name)
            self._remove_volumes(namespace, name)
        elif not objects.is_going(claim):
            self._bind(claim)
        elif not self._is_used(namespace, name):
            remove_finalizers(self._client, path_of(CLAIMS, namespace, name), _CLAIM_PROTECTION)

    def _is_used(self, namespace: str, name: str) -> bool:
        return any(name in claims_of(pod) for pod in self._pods.items() if pod["metadata"]["namespace"] == namespace)

    def _bind(self, claim: Json) -> None:
        metadata = claim["metadata"]
        path = path_of(CLAIMS, metadata["namespace"], metadata["name"])
        if not claim["spec"].get("volumeName"):
            made = volume(claim)
            self._create(made)
            bound = {"metadata": {"annotations": _BOUND}, "spec": {"volumeName": made["metadata"]["name"]}}
            claim = self._client.merge_patch(path, bound)
        wanted = status(claim)
        if {key: (claim.get("status") or {}).get(key) for key in wanted} != wanted:
            self._client.merge_patch(f"{path}/status", {"status": wanted})

    def _create(self, made: Json) -> None:
        try:
            self._client.create(_VOLUMES, made)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        self._client.merge_patch(f"{_VOLUMES}/{made['metadata']['name']}/status", {"status": {"phase": "Bound"}})

    def _remove_volumes(self, namespace: str, name: str) -> None:
        for item in self._client.list(_VOLUMES)["items"]:
            reference = item["spec"].get("claimRef") or {}
            ours = (item["metadata"].get("annotations") or {}).get(_PROVISIONER) == _NAME
            if ours and (reference.get("namespace"), reference.get("name")) == (namespace, name):
                path = f"{_VOLUMES}/{item['metadata']['name']}"
                self._client.delete(path)
                remove_finalizers(self._client, path, _VOLUME_PROTECTION)


def claims_of(pod: Json) -> set[str]:
    """Names of the claims that a pod uses; none when it has ended."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return set()
    volumes = pod["spec"].get("volumes") or []
    return {str(each["persistentVolumeClaim"]["claimName"]) for each in volumes if each.get("persistentVolumeClaim")}


def volume(claim: Json) -> Json:
    """The PersistentVolume of a claim (pure)."""
    metadata, spec = claim["metadata"], claim["spec"]
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    reference |= {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{metadata['uid']}", "annotations": {_PROVISIONER: _NAME}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": reference,
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.get("storageClassName") or "",
            "volumeMode": spec.get("volumeMode") or "Filesystem",
            "hostPath": {"path": f"/var/lib/sandbox/{metadata['namespace']}/{metadata['name']}"},
        },
    }


def status(claim: Json) -> Json:
    """Status of a claim that is bound to a volume of its size (pure)."""
    spec = claim["spec"]
    return {"phase": "Bound", "accessModes": spec["accessModes"], "capacity": spec["resources"]["requests"]}
