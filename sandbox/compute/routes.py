"""Paths of the Compute API, read into what they ask for (pure).

The paths are Google's with all their oddities: some verbs of target proxies exist only without `global/`.
"""

from dataclasses import dataclass

from sandbox.compute import errors
from sandbox.compute.catalogue import COLLECTIONS, Action, Collection

_METHODS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PERMISSIONS = {"insert": "create", "patch": "update", "validate": "validate"}


@dataclass(frozen=True)
class Route:
    """A request on a collection, one of its resources, or one of its verbs."""

    collection: Collection
    zone: str
    name: str
    verb: str
    """get, list, insert, update, patch, delete, or the name of an action."""
    action: Action | None = None

    @property
    def method_id(self) -> str:
        return f"{self.collection.method_prefix}.{self.verb}"

    @property
    def permission(self) -> str:
        suffix = self.action.permission if self.action else _PERMISSIONS.get(self.verb, self.verb)
        return f"{self.collection.permissions}.{suffix}"

    @property
    def reads(self) -> bool:
        return self.action.reads if self.action else self.verb in ("get", "list")


def route(method: str, segments: list[str]) -> Route:
    """Read the segments after `projects/{project}/`.

    Raises:
        GoogleError: there is no such path, or it does not take this method.
    """
    match segments:
        case ["global", name, *rest] if name in COLLECTIONS and not COLLECTIONS[name].zonal:
            return _within(method, COLLECTIONS[name], "", rest)
        case ["zones", zone, name, *rest] if name in COLLECTIONS and COLLECTIONS[name].zonal:
            return _within(method, COLLECTIONS[name], zone, rest)
        case [name, resource, action] if name in COLLECTIONS and method == "POST":
            return _action(COLLECTIONS[name], "", resource, action, odd=True)
    raise errors.no_such_url()


def _within(method: str, collection: Collection, zone: str, rest: list[str]) -> Route:
    match rest, method:
        case [], "GET":
            return Route(collection, zone, "", "list")
        case [], "POST":
            return Route(collection, zone, "", "insert")
        case [name], "GET" | "DELETE":
            return Route(collection, zone, name, _METHODS[method])
        case [name], "PUT" | "PATCH" if method in collection.updates:
            return Route(collection, zone, name, _METHODS[method])
        case [name, action], "POST" | "GET":
            return _action(collection, zone, name, action, method=method)
    raise errors.no_such_url()


def _action(
    collection: Collection, zone: str, name: str, action: str, *, odd: bool = False, method: str = "POST"
) -> Route:
    known = collection.actions.get(action)
    if known is None or (known.odd, known.method) != (odd, method):
        raise errors.no_such_url()
    return Route(collection, zone, name, action, known)
