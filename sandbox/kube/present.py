"""Objects as clients see them: the version asked for, whole, metadata only, or as a Table."""

from typing import Any

from sandbox.kube import events, table
from sandbox.kube.kinds import Kind
from sandbox.kube.requests import Request

Object = dict[str, Any]


def one(kind: Kind, obj: Object) -> Object:
    """An object with its type, whichever version it was stored in."""
    if kind.group == "events.k8s.io":
        return events.from_core(obj)
    ordered = {"kind": kind.kind, "apiVersion": kind.api_version}
    return ordered | {name: value for name, value in obj.items() if name not in ordered}


def form(request: Request, kind: Kind, obj: Object) -> Object:
    """An object in the form the client asked for."""
    shown = one(kind, obj)
    if request.accepts("Table"):
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return table.table(kind, [shown], metadata, request.query.get("includeObject", "Metadata"))
    if request.accepts("PartialObjectMetadata"):
        return table.partial(shown)
    return shown


def collection(request: Request, kind: Kind, objects: list[Object], metadata: Object) -> Object:
    """A list in the form the client asked for."""
    shown = [one(kind, each) for each in objects]
    if request.accepts("Table"):
        return table.table(kind, shown, metadata, request.query.get("includeObject", "Metadata"))
    if request.accepts("PartialObjectMetadataList"):
        items = [table.partial(each) for each in shown]
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "items": items,
        }
    if not kind.custom:
        # The items of a typed list do not repeat their type; those of custom resources do.
        for each in shown:
            each.pop("kind")
            each.pop("apiVersion")
    return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": shown}
