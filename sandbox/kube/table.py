"""Tables for `kubectl get`: columns and cells, made by the server (`pkg/printers/internalversion/printers.go`)."""

import datetime as dt
from typing import Any

from sandbox.kube import customresources, printers
from sandbox.kube.ages import age
from sandbox.kube.kinds import Kind

Object = dict[str, Any]

_FORMATS = {"Name": "name"}


def table(kind: Kind, objects: list[Object], metadata: Object, include: str) -> Object:
    """A meta.k8s.io/v1 Table; `include` says how much of each object goes with its row: None, Metadata, Object."""
    now = dt.datetime.now(dt.UTC)
    columns, cells = _custom(kind, now) if kind.custom else _built_in(kind, now)
    rows = []
    for obj in objects:
        row: Object = {"cells": cells(obj)}
        if include == "Metadata":
            row["object"] = partial(obj)
        elif include == "Object":
            row["object"] = obj
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    }


def partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _built_in(kind: Kind, now: dt.datetime) -> tuple[list[Object], Any]:
    printer = printers.PRINTERS.get(kind.stored_in, printers.DEFAULT)
    columns = [
        _column(each.name, each.type, each.priority, "Name must be unique within a namespace." if not index else "")
        for index, each in enumerate(printer)
    ]
    return columns, lambda obj: [each.cell(obj, now) for each in printer]


def _custom(kind: Kind, now: dt.datetime) -> tuple[list[Object], Any]:
    columns = [_column("Name", "string", 0, "Name must be unique within a namespace.")]
    columns += [
        _column(each["name"], each["type"], each.get("priority", 0), each.get("description", ""))
        for each in kind.columns
    ]

    def cells(obj: Object) -> list[Any]:
        return [obj["metadata"]["name"], *(_custom_cell(each, obj, now) for each in kind.columns)]

    return columns, cells


def _custom_cell(column: Object, obj: Object, now: dt.datetime) -> Any:
    """As `apiextensions-apiserver/pkg/registry/customresource/tableconvertor` prints the found values."""
    found = customresources.at(obj, column["jsonPath"])
    if column["type"] == "date":
        return age(found[0], now) if found else "<unknown>"
    if not found:
        return None if column["type"] != "string" else ""
    if column["type"] == "string":
        return ",".join(each if isinstance(each, str) else str(each) for each in found)
    return found[0]


def _column(name: str, kind: str, priority: int, description: str) -> Object:
    return {
        "name": name,
        "type": kind,
        "format": _FORMATS.get(name, "").lower() if name == "Name" else "",
        "description": description,
        "priority": priority,
    }
