"""Deleting objects: preconditions, grace, finalizers, propagation.

As `k8s.io/apiserver/pkg/registry/generic/registry/store.go`. What happens to dependents afterwards is `lifecycle`.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind
from sandbox.kube.store import Store

Object = dict[str, Any]

_ORPHAN, _FOREGROUND = "orphan", "foregroundDeletion"
_GRACE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class DeleteOptions:
    """The part of metav1.DeleteOptions that is obeyed."""

    propagation: str = ""
    grace_seconds: int | None = None
    uid: str = ""
    revision: str = ""
    dry_run: bool = False


class Deletion:
    """Takes objects out of the store, at once or when their finalizers are gone."""

    def __init__(self, store: Store, clock: Callable[[], dt.datetime]) -> None:
        self._store, self._clock = store, clock

    def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions) -> tuple[Object, bool]:
        """Delete an object; the result is its last state, and whether it is gone.

        Raises:
            StatusError: 404, or 409 if a precondition does not hold.
        """
        live = self._store.get(kind.stored_in, namespace, name)
        if live is None:
            raise StatusError.not_found(kind, name)
        self._check(kind, live, options)
        finalizers = self._finalizers(kind, live, options)
        grace = self._grace_seconds(kind, live, options)
        if not finalizers and not grace and self.ready(kind, live):
            return (live if options.dry_run else self.remove(kind, live)), True
        if live["metadata"].get("deletionTimestamp") and finalizers == live["metadata"].get("finalizers", []):
            return live, False
        marked = self._marked(kind, live, finalizers, grace)
        return (marked if options.dry_run else self._store.put(kind.stored_in, marked)), False

    def remove(self, kind: Kind, obj: Object) -> Object:
        metadata = obj["metadata"]
        return self._store.remove(kind.stored_in, metadata.get("namespace", ""), metadata["name"], obj)

    def ready(self, kind: Kind, obj: Object) -> bool:
        """Whether nothing but metadata.finalizers can hold an object: a namespace waits for its content."""
        return not (kind.stored_in == "namespaces" and (obj.get("spec") or {}).get("finalizers"))

    def _check(self, kind: Kind, live: Object, options: DeleteOptions) -> None:
        metadata = live["metadata"]
        if options.uid and options.uid != metadata["uid"]:
            why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {metadata['uid']}"
            raise StatusError.conflict(kind, metadata["name"], why)
        if options.revision and options.revision != metadata["resourceVersion"]:
            why = (
                f"Precondition failed: ResourceVersion in precondition: {options.revision}, ResourceVersion in object "
                f"meta: {metadata['resourceVersion']}"
            )
            raise StatusError.conflict(kind, metadata["name"], why)

    def _finalizers(self, kind: Kind, live: Object, options: DeleteOptions) -> list[str]:
        finalizers = list(live["metadata"].get("finalizers") or [])
        wanted = {"Orphan": _ORPHAN, "Foreground": _FOREGROUND}.get(options.propagation)
        if options.propagation:
            finalizers = [each for each in finalizers if each not in (_ORPHAN, _FOREGROUND)]
        if wanted:
            finalizers.append(wanted)
        if kind.stored_in == "customresourcedefinitions.apiextensions.k8s.io":
            cleanup = "customresourcecleanup.apiextensions.k8s.io"
            finalizers += [] if cleanup in finalizers or live["metadata"].get("deletionTimestamp") else [cleanup]
        return finalizers

    def _grace_seconds(self, kind: Kind, live: Object, options: DeleteOptions) -> int:
        """A pod on a node has time to stop; its kubelet ends that by a delete with no grace (`pod/strategy.go`)."""
        if kind.stored_in != "pods" or not live["spec"].get("nodeName"):
            return 0
        if (live.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        if options.grace_seconds is not None:
            return max(options.grace_seconds, 0)
        return int(live["spec"].get("terminationGracePeriodSeconds") or _GRACE_SECONDS)

    def _marked(self, kind: Kind, live: Object, finalizers: list[str], grace: int) -> Object:
        metadata = dict(live["metadata"])
        if finalizers:
            metadata["finalizers"] = finalizers
        if "deletionTimestamp" not in metadata:
            when = self._clock() + dt.timedelta(seconds=grace)
            metadata["deletionTimestamp"] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata["deletionGracePeriodSeconds"] = grace
            if "generation" in metadata:
                metadata["generation"] += 1
        marked = live | {"metadata": metadata}
        if kind.stored_in == "namespaces":
            marked["status"] = {**(live.get("status") or {}), "phase": "Terminating"}
        return marked
