"""Field conflicts of server-side apply, read out of the API server's text and told so that a person can mend them.

The text names managers and paths, one conflict a line; Helm puts the object before it and joins several with `&&`.
Sources: apimachinery pkg/util/managedfields/internal/conflict.go; helm 4 pkg/kube/client.go.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_HELM = re.compile(
    r"applying object (?P<namespace>[^/\s]*)/(?P<name>\S+) \S*, Kind=(?P<kind>\w+):\s*(?P<rest>.*)", re.DOTALL
)
_OWNER = re.compile(
    r'conflicts? with "(?P<manager>[^"]*)"(?: with subresource "[^"]*")?(?: using (?P<version>[\w./-]+?))?:'
    r"\s*(?P<fields>.*?)(?=\s*conflicts? with \"|\Z)",
    re.DOTALL,
)
_ANNOTATION = ".metadata.annotations."


@dataclass(frozen=True, order=True)
class Conflict:
    """One field that another manager owns with another value."""

    resource: str
    """Of the object, as kubectl writes it: `service milvus/my-release-milvus`."""
    manager: str
    field: str
    """Path as the API server writes it: `.metadata.annotations.cloud.google.com/neg`."""

    @property
    def annotation(self) -> str:
        """Key of the annotation, empty for any other field."""
        return self.field.removeprefix(_ANNOTATION) if self.field.startswith(_ANNOTATION) else ""


def read(text: str, resource: str = "") -> tuple[Conflict, ...]:
    """Every conflict in a text, each once, in its order; empty when the text tells none.

    Args:
        text: of the API server, or of Helm, whose text names the objects.
        resource: of the object when the text does not name it.
    """
    found: list[Conflict] = []
    for part in text.split(" && "):
        named = _HELM.search(part)
        place = f"{named['kind'].lower()} {named['namespace']}/{named['name']}" if named else resource
        for owner in _OWNER.finditer(named["rest"] if named else part):
            fields = [line.strip().removeprefix("- ").strip() for line in owner["fields"].splitlines()]
            found += [Conflict(place, owner["manager"], field) for field in fields if field.startswith(".")]
    return tuple(dict.fromkeys(found))


def observed(conflicts: Iterable[Conflict]) -> str:
    """What was seen, one part per object and manager.

    >>> observed(read('conflict with "kubectl-edit" using v1: .spec.type', "service a/b"))
    'kubectl-edit owns .spec.type of service a/b'
    """
    parts: dict[tuple[str, str], list[str]] = {}
    for conflict in conflicts:
        parts.setdefault((conflict.manager, conflict.resource), []).append(conflict.field)
    return "; ".join(f"{manager} owns {', '.join(fields)} of {place}" for (manager, place), fields in parts.items())


def commands(conflicts: Iterable[Conflict]) -> list[str]:
    """One kubectl command per object that gives up every annotation in conflict; the next run sets them again."""
    keys: dict[str, list[str]] = {}
    for conflict in conflicts:
        if conflict.annotation:
            keys.setdefault(conflict.resource, []).append(f"{conflict.annotation}-")
    return [f"kubectl {_address(place, 'annotate')} {' '.join(dict.fromkeys(found))}" for place, found in keys.items()]


def edits(conflicts: Iterable[Conflict]) -> list[str]:
    """One kubectl command per object with a conflict over anything but an annotation."""
    places = dict.fromkeys(conflict.resource for conflict in conflicts if not conflict.annotation)
    return [f"kubectl {_address(place, 'edit')}" for place in places]


def _address(resource: str, verb: str) -> str:
    kind, _, path = resource.partition(" ")
    namespace, _, name = path.partition("/")
    return f"-n {namespace} {verb} {kind} {name}"
