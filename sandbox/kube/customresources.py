"""CustomResourceDefinitions: from a definition to kinds that are served.

As `apiextensions-apiserver`: names are accepted and the definition is established as soon as it is stored. Simpler
than there: versions convert by changing apiVersion only, CEL rules are not run.
"""

import re
from typing import Any

from sandbox.kube.kinds import Kind, Registry

Object = dict[str, Any]

CRDS = "customresourcedefinitions.apiextensions.k8s.io"


def kinds(definition: Object) -> list[Kind]:
    """The kinds a definition serves, one per version that is on."""
    spec = definition["spec"]
    names = spec["names"]
    return [
        Kind(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            singular=names.get("singular") or names["kind"].lower(),
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            namespaced=spec["scope"] == "Namespaced",
            status="status" in (version.get("subresources") or {}),
            scale=False,
            generation=True,
            custom=True,
            schema=(version.get("schema") or {}).get("openAPIV3Schema"),
            columns=tuple(version.get("additionalPrinterColumns") or _AGE),
        )
        for version in spec["versions"]
        if version.get("served")
    ]


_AGE: tuple[Object, ...] = ({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},)


def serve(registry: Registry, definition: Object) -> None:
    """Serve what a definition says."""
    spec = definition["spec"]
    registry.replace_custom(spec["group"], spec["names"]["plural"], kinds(definition))


def status(definition: Object, now: str) -> Object:
    """The status of a definition that is served."""
    spec = definition["spec"]
    have = definition.get("status") or {}
    conditions = {each["type"]: each for each in have.get("conditions") or []}
    for kind, reason, message in (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ):
        conditions.setdefault(
            kind,
            {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message},
        )
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    stored = list(have.get("storedVersions") or [])
    return {
        "conditions": list(conditions.values()),
        "acceptedNames": spec["names"],
        "storedVersions": stored if storage in stored else [*stored, storage],
    }


def at(obj: Any, path: str) -> list[Any]:
    """Values at a JSONPath of a printer column, such as `.status.conditions[?(@.type=="Ready")].status`.

    >>> at({"a": [{"b": 1}, {"b": 2}]}, ".a[*].b")
    [1, 2]
    """
    found = [obj]
    for name, selector in re.findall(r"\.((?:[^.\[\]\\]|\\.)+)|\[([^\]]+)\]", path):
        found = _step(found, name.replace("\\", ""), selector)
    return found


def _step(values: list[Any], name: str, selector: str) -> list[Any]:
    if name:
        return [each[name] for each in values if isinstance(each, dict) and name in each]
    lists = [each for each in values if isinstance(each, list)]
    if selector == "*":
        return [item for each in lists for item in each]
    if re.fullmatch(r"-?\d+", selector):
        index = int(selector)
        return [each[index] for each in lists if -len(each) <= index < len(each)]
    if found := re.fullmatch(r"\?\(@\.([\w.-]+)\s*==\s*[\"'](.*)[\"']\)", selector):
        key, wanted = found[1], found[2]
        return [item for each in lists for item in each if isinstance(item, dict) and item.get(key) == wanted]
    if quoted := re.fullmatch(r"[\"'](.*)[\"']", selector):
        return _step(values, quoted[1], "")
    return []
