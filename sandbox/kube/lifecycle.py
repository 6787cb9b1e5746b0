"""What a cluster does by itself after an object changes: the part of kube-controller-manager this API server needs.

Garbage collection by owner references, emptying of namespaces, contents of a new namespace, establishing of
CustomResourceDefinitions. Work queues up with each change and is done by `settle`, after the request's answer.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable
from typing import Any

from sandbox.kube import customresources
from sandbox.kube.deletion import DeleteOptions, Deletion
from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind, Registry
from sandbox.kube.store import Change, Store
from sandbox.kube.writes import Options, Writes

Object = dict[str, Any]

_OPTIONS = Options(manager="kube-controller-manager")
_CRD_CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


class Lifecycle:
    """Follows the store's changes; `settle` brings their consequences about."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        writes: Writes,
        deletion: Deletion,
        clock: Callable[[], dt.datetime],
        certificate_authority: str,
        *,
        bare: bool = False,
    ) -> None:
        self._store, self._registry, self._writes, self._deletion = store, registry, writes, deletion
        self._clock, self._authority, self._bare = clock, certificate_authority, bare
        self._pending: deque[Change] = deque()
        store.listen(self._notice)

    @property
    def idle(self) -> bool:
        return not self._pending

    def settle(self) -> None:
        """Do all that is due, and what follows from that."""
        while self._pending:
            change = self._pending.popleft()
            if change.collection == customresources.CRDS:
                self._definition(change)
            if self._bare:
                self._finish_definition(change.collection)
                continue
            if change.collection == "namespaces":
                self._namespace(change)
            if change.type == "DELETED":
                self._collect_dependents(change.object)
                self._release_owners(change.object)
                self._finish_namespace(change.object["metadata"].get("namespace", ""))
                self._finish_definition(change.collection)
            elif change.object["metadata"].get("deletionTimestamp"):
                self._propagate(change)
            elif change.type == "ADDED" and change.object["metadata"].get("ownerReferences"):
                self._collect(change.collection, change.object)

    def _notice(self, change: Change) -> None:
        if change.collection == customresources.CRDS:
            if change.type == "DELETED":
                spec = change.object["spec"]
                self._registry.replace_custom(spec["group"], spec["names"]["plural"], [])
            else:
                customresources.serve(self._registry, change.object)
        self._pending.append(change)

    # Garbage collection (kube-controller-manager, pkg/controller/garbagecollector).

    def _collect_dependents(self, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        for collection, obj in self._dependents(uid):
            self._collect(collection, obj)

    def _release_owners(self, dependent: Object) -> None:
        """Let owners go that waited in the foreground for this dependent."""
        uids = {each["uid"] for each in dependent["metadata"].get("ownerReferences") or ()}
        for collection, obj in self._store.everything() if uids else ():
            metadata = obj["metadata"]
            if metadata["uid"] in uids and "foregroundDeletion" in (metadata.get("finalizers") or ()):
                self._finish_foreground(collection, obj)

    def _collect(self, collection: str, obj: Object) -> None:
        """Delete a dependent none of whose owners is left; drop references to owners that are gone."""
        live = self._live(collection, obj)
        references = (live or {}).get("metadata", {}).get("ownerReferences") or []
        if live is None or not references:
            return
        left = [each for each in references if self._exists(each["uid"])]
        if not left:
            self._delete(collection, live)
        elif len(left) < len(references):
            self._store.put(collection, live | {"metadata": live["metadata"] | {"ownerReferences": left}})

    def _propagate(self, change: Change) -> None:
        """Serve the two finalizers by which a deletion says what is to become of its dependents."""
        live = self._live(change.collection, change.object)
        finalizers = (live or {}).get("metadata", {}).get("finalizers") or []
        if live is None:
            return
        uid = live["metadata"]["uid"]
        if "orphan" in finalizers:
            for collection, obj in self._dependents(uid):
                references = [each for each in obj["metadata"]["ownerReferences"] if each["uid"] != uid]
                self._store.put(collection, obj | {"metadata": obj["metadata"] | {"ownerReferences": references}})
            self._drop_finalizer(change.collection, live, "orphan")
        elif "foregroundDeletion" in finalizers:
            dependents = self._dependents(uid)
            for collection, obj in dependents:
                if not obj["metadata"].get("deletionTimestamp"):
                    self._delete(collection, obj, "Foreground")
            self._finish_foreground(change.collection, live)

    def _finish_foreground(self, collection: str, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        if not any(self._blocks(obj, uid) for _, obj in self._dependents(uid)):
            self._drop_finalizer(collection, owner, "foregroundDeletion")

    def _blocks(self, obj: Object, uid: str) -> bool:
        references = obj["metadata"].get("ownerReferences") or []
        return any(each["uid"] == uid and each.get("blockOwnerDeletion") for each in references)

    def _dependents(self, uid: str) -> list[tuple[str, Object]]:
        return [
            (collection, obj)
            for collection, obj in self._store.everything()
            if any(each["uid"] == uid for each in obj["metadata"].get("ownerReferences") or ())
        ]

    def _exists(self, uid: str) -> bool:
        return any(obj["metadata"]["uid"] == uid for _, obj in self._store.everything())

    # Namespaces.

    def _namespace(self, change: Change) -> None:
        name = change.object["metadata"]["name"]
        if change.type == "ADDED":
            self._create("serviceaccounts", name, {"metadata": {"name": "default"}})
            authority = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self._authority}}
            self._create("configmaps", name, authority)
        elif change.type == "MODIFIED" and change.object["metadata"].get("deletionTimestamp"):
            for collection, obj in self._store.everything():
                if obj["metadata"].get("namespace") == name:
                    self._delete(collection, obj)
            self._finish_namespace(name)

    def _finish_namespace(self, name: str) -> None:
        """Let a namespace go once it is empty."""
        home = self._store.get("namespaces", "", name) if name else None
        if home is None or not home["metadata"].get("deletionTimestamp"):
            return
        if any(obj["metadata"].get("namespace") == name for _, obj in self._store.everything()):
            return
        emptied = home | {"spec": {}}
        if home["metadata"].get("finalizers"):
            if home["spec"].get("finalizers"):
                self._store.put("namespaces", emptied)
            return
        self._store.remove("namespaces", "", name, emptied)

    def _create(self, plural: str, namespace: str, document: Object) -> None:
        kind = self._registry.find("", "v1", plural)
        assert kind is not None
        try:
            self._writes.create(kind, namespace, document, _OPTIONS)
        except StatusError as error:
            if error.reason not in ("AlreadyExists", "Forbidden", "NotFound"):
                raise

    # CustomResourceDefinitions.

    def _definition(self, change: Change) -> None:
        live = self._live(change.collection, change.object)
        if live is None:
            return
        if live["metadata"].get("deletionTimestamp"):
            collection = live["metadata"]["name"]
            for obj in self._store.objects(collection):
                self._delete(collection, obj)
            self._finish_definition(collection)
            return
        status = customresources.status(live, self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"))
        if status != live.get("status"):
            self._store.put(change.collection, live | {"status": status})

    def _finish_definition(self, collection: str) -> None:
        definition = self._store.get(customresources.CRDS, "", collection)
        if definition and definition["metadata"].get("deletionTimestamp") and not self._store.objects(collection):
            self._drop_finalizer(customresources.CRDS, definition, _CRD_CLEANUP)

    # Helpers.

    def _live(self, collection: str, obj: Object) -> Object | None:
        metadata = obj["metadata"]
        live = self._store.get(collection, metadata.get("namespace", ""), metadata["name"])
        return live if live and live["metadata"]["uid"] == metadata["uid"] else None

    def _delete(self, collection: str, obj: Object, propagation: str = "Background") -> None:
        metadata = obj["metadata"]
        options = DeleteOptions(propagation=propagation, uid=metadata["uid"])
        try:
            self._deletion.delete(self._kind(collection), metadata.get("namespace", ""), metadata["name"], options)
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise

    def _drop_finalizer(self, collection: str, obj: Object, finalizer: str) -> None:
        metadata = dict(obj["metadata"])
        left = [each for each in metadata.get("finalizers") or [] if each != finalizer]
        metadata.pop("finalizers", None)
        if left:
            metadata["finalizers"] = left
        changed = obj | {"metadata": metadata}
        if left or not self._deletion.ready(self._kind(collection), changed):
            self._store.put(collection, changed)
        else:
            self._deletion.remove(self._kind(collection), changed)

    def _kind(self, collection: str) -> Kind:
        """A kind stored there; a collection whose definition is on its way out is known by its name alone."""
        for kind in self._registry:
            if kind.stored_in == collection:
                return kind
        plural, _, group = collection.partition(".")
        return Kind(group=group, version="", kind="", plural=plural, custom=True)
