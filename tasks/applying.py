"""Bring one object to its manifest, and say whether anything had to change.

Decided from the live object: when every field we name has its value, and no field of ours is left over, no request
that writes is made at all.
"""

from tasks.clients.kubernetes import Cluster, Kind
from tasks.core import conflicts, manifests, names, progress, status
from tasks.core.errors import FieldConflict
from tasks.core.progress import Change


def apply(cluster: Cluster, kind: Kind, manifest: manifests.Manifest) -> Change:
    """Apply the manifest if the live object is not as it says.

    An object without our label was made by hand, by the published guide: preflight has found it fit for adoption, so
    its fields become ours (`force`). One that carries our label and still conflicts is somebody's deliberate change.

    Raises:
        FieldConflict: another manager owns one of our fields with another value.
    """
    metadata = manifest["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    resource = f"{kind.name.lower()} {namespace}/{name}"
    live = cluster.read(kind, namespace, name)
    differing: list[str] = []
    if live is not None:
        differing = manifests.differences(live, manifest) + manifests.surplus(live, manifest, names.FIELD_MANAGER)
        if not differing:
            return _record(Change(resource=resource, action="unchanged"))
    try:
        cluster.apply(manifest, kind, force=live is not None and not status.ours(live))
    except FieldConflict as conflict:
        raise _explained(conflict, resource) from conflict
    if live is None:
        return _record(Change(resource=resource, action="created"))
    return _record(Change(resource=resource, action="updated", detail=", ".join(differing)))


def _explained(conflict: FieldConflict, resource: str) -> FieldConflict:
    """The conflict by field and manager, with the commands that give up annotations and undo other changes."""
    found = conflicts.read(conflict.observed, resource)
    if not found:
        return conflict
    mends = []
    if annotate := conflicts.commands(found):
        mends.append(f"Give it up, the next run sets it again: {'; '.join(annotate)}.")
    if edit := conflicts.edits(found):
        mends.append(f"Undo the change ({'; '.join(edit)}), or make it in the configuration too.")
    return FieldConflict(resource, conflicts.observed(found), f"{' '.join(mends)} Then run again.")


def _record(change: Change) -> Change:
    return progress.record(change)
