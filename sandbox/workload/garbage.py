"""What becomes of dependents when their owner is deleted, in a cluster without kube-controller-manager.

`kubectl delete --cascade=foreground` and `--cascade=orphan` leave a finalizer that the garbage collector must serve; a
bare API server waits for it forever. Background deletion needs nothing here: each controller deletes what has lost its
owner. Source: kubernetes pkg/controller/garbagecollector/garbagecollector.go (processDeletingDependentsItem,
orphanDependents).
"""

from collections.abc import Mapping
from typing import Any

from sandbox.kube_client import ApiError, Informer, KubeClient
from sandbox.kube_paths import path_of
from sandbox.workload import objects

Json = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class GarbageCollector:
    """Serves both finalizers for one owner at a time; `dependents` are the collections that can have owners."""

    def __init__(self, client: KubeClient, owners: Mapping[str, Informer], dependents: Mapping[str, Informer]) -> None:
        self._client, self._owners, self._dependents = client, owners, dependents

    def sync(self, collection: str, key: str) -> None:
        """Look at one object that may be on its way out.

        Raises:
            KubeError: to be tried again.
        """
        owner = self._owners[collection].get(key)
        finalizers = set((owner or {}).get("metadata", {}).get("finalizers") or [])
        if owner is None or not objects.is_going(owner) or not finalizers & {FOREGROUND, ORPHAN}:
            return
        dependents = self._of(owner)
        if ORPHAN in finalizers:
            for path, item in dependents:
                self._release(path, item, owner)
        else:
            for path, item in dependents:
                if not objects.is_going(item):
                    self._delete(path, item)
            if dependents:
                return  # their end brings us back
        remove_finalizers(self._client, _path(collection, owner), FOREGROUND, ORPHAN)

    def _of(self, owner: Json) -> list[tuple[str, Json]]:
        uid = owner["metadata"]["uid"]
        return [
            (path, item)
            for path, informer in self._dependents.items()
            for item in informer.items()
            if any(each["uid"] == uid for each in item["metadata"].get("ownerReferences") or [])
        ]

    def _release(self, collection: str, item: Json, owner: Json) -> None:
        uid = owner["metadata"]["uid"]
        left = [each for each in item["metadata"]["ownerReferences"] if each["uid"] != uid]
        self._client.merge_patch(_path(collection, item), {"metadata": {"ownerReferences": left or None}})

    def _delete(self, collection: str, item: Json) -> None:
        # A dependent that has dependents of its own waits for those in turn.
        policy = "Foreground" if collection in self._owners else "Background"
        try:
            self._client.delete(f"{_path(collection, item)}?propagationPolicy={policy}")
        except ApiError as error:
            if error.status != 404:
                raise


def remove_finalizers(client: KubeClient, path: str, *names: str) -> None:
    """Take finalizers off an object; one that is gone already is fine.

    Raises:
        KubeError: also a conflict, when somebody else wrote in between.
    """
    live = client.find(path)
    if live is None:
        return
    present = live["metadata"].get("finalizers") or []
    left = [each for each in present if each not in names]
    if left == present:
        return
    metadata = {"finalizers": left or None, "resourceVersion": live["metadata"]["resourceVersion"]}
    try:
        client.merge_patch(path, {"metadata": metadata})
    except ApiError as error:
        if error.status != 404:
            raise


def _path(collection: str, item: Json) -> str:
    return path_of(collection, item["metadata"]["namespace"], item["metadata"]["name"])
