"""A look at a namespace: objects that were read once, by kind and name, and the kinds that could not be read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Object = Mapping[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True)
class Objects:
    """Objects as they stood at one moment; one that is not among them does not exist, unless its kind is `unread`.

    Attributes:
        found: by kind, namespace and name. Never printed: Secrets may be among them.
        unread: kind to why its objects could not be read.
    """

    found: Mapping[Place, Object] = field(default_factory=dict, repr=False)
    unread: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Iterable[Object], unread: Mapping[str, str] | None = None) -> Self:
        """The objects of these documents, each of which says its kind."""
        return cls({_place(document): document for document in documents}, dict(unread or {}))

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object, None if there is none."""
        return self.found.get((kind, namespace, name))

    def all(self, kind: str) -> Iterator[Object]:
        """Every object of a kind, by namespace and name."""
        return (self.found[place] for place in sorted(self.found) if place[0] == kind)

    def replacing(self, *documents: Object) -> Self:
        """The same with these in place of those of their names."""
        return type(self)({**self.found, **{_place(each): each for each in documents}}, self.unread)


def _place(document: Object) -> Place:
    metadata = document.get("metadata") or {}
    return str(document["kind"]), str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def named(document: Object) -> str:
    """The object as kubectl writes it.

    >>> named({"kind": "Service", "metadata": {"namespace": "default", "name": "db"}})
    'service default/db'
    """
    kind, namespace, name = _place(document)
    return resource(kind, namespace, name)


def resource(kind: str, namespace: str, name: str) -> str:
    """An object as kubectl writes it, whether it exists or not."""
    return f"{kind.lower()} {namespace}/{name}"


def kubectl(verb: str, document: Object, *more: str) -> str:
    """A kubectl command on the object.

    >>> kubectl("edit", {"kind": "Service", "metadata": {"namespace": "default", "name": "db"}})
    'kubectl -n default edit service db'
    """
    kind, namespace, name = _place(document)
    return " ".join(("kubectl", "-n", namespace, verb, kind.lower(), name, *more))


def annotate(document: Object, key: str, value: str | None) -> str:
    """The command that sets an annotation, or with None takes it away."""
    kind, namespace, name = _place(document)
    change = f"{key}-" if value is None else f"'{key}={value}'"
    overwrite = "" if value is None else " --overwrite"
    return f"kubectl -n {namespace} annotate{overwrite} {kind.lower()} {name} {change}"
