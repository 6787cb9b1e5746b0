"""Bring one object to its manifest, and say whether anything had to change.

Decided from the live object: when every field we name has its value, and no field of ours is left over, no request
that writes is made at all.
"""

from tasks.clients.kubernetes import Cluster, Kind
from tasks.core import manifests, names, progress, status
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
    if live is None:
        cluster.apply(manifest, kind)
        return _record(Change(resource=resource, action="created"))
    differing = manifests.differences(live, manifest) + manifests.surplus(live, manifest, names.FIELD_MANAGER)
    if not differing:
        return _record(Change(resource=resource, action="unchanged"))
    try:
        cluster.apply(manifest, kind, force=not status.ours(live))
    except FieldConflict as conflict:
        raise FieldConflict(resource, conflict.observed, conflict_mend(kind, namespace, name)) from conflict
    return _record(Change(resource=resource, action="updated", detail=", ".join(differing)))


def conflict_mend(kind: Kind, namespace: str, name: str) -> str:
    """What to do about a field that another manager owns."""
    return (
        f"See who owns what: kubectl -n {namespace} get {kind.name.lower()} {name} -o yaml --show-managed-fields. "
        "Give the field up there (for an annotation: "
        f"kubectl -n {namespace} annotate {kind.name.lower()} {name} KEY-), then run again."
    )


def _record(change: Change) -> Change:
    progress.current().record(change)
    return change
