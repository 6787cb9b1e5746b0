"""Delete one object if it is ours, and say what became of it."""

from tasks.clients.kubernetes import Cluster, Kind
from tasks.core import progress, status
from tasks.core.progress import Change


def delete(cluster: Cluster, kind: Kind, namespace: str, name: str, *, why: str = "") -> Change:
    """Ask for the deletion of the object; one that is not ours stays, one that is gone is no fault."""
    resource = f"{kind.name.lower()} {namespace}/{name}"
    live = cluster.read(kind, namespace, name)
    if live is None:
        return _record(Change(resource=resource, action="unchanged", detail="there is none"))
    if not status.ours(live):
        return _record(Change(resource=resource, action="unchanged", detail="is not ours and stays"))
    if live["metadata"].get("deletionTimestamp"):
        return _record(Change(resource=resource, action="unchanged", detail="is being deleted already"))
    if not cluster.delete(kind, namespace, name):
        return _record(Change(resource=resource, action="unchanged", detail="there is none"))
    return _record(Change(resource=resource, action="deleted", detail=why))


def _record(change: Change) -> Change:
    return progress.record(change)
