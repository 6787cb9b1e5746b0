"""Resources as a GET shows them: what is stored plus what is computed at the moment of reading (pure)."""

from typing import Any

from sandbox.compute import addresses, links
from sandbox.compute.catalogue import COLLECTIONS
from sandbox.compute.links import Ref
from sandbox.compute.mutations import Mutations

_V1 = f"{links.BASE}v1/"


class Views:
    """The read side of the API."""

    def __init__(self, mutations: Mutations) -> None:
        self._mutations, self._store = mutations, mutations.store

    def one(self, ref: Ref) -> dict[str, Any]:
        resource = self._store.get(ref)
        return self.shown(ref) if resource is not None else self._mutations.existing(ref)

    def shown(self, ref: Ref) -> dict[str, Any]:
        shown = dict(self._store.get(ref) or {})
        if ref.collection == "addresses":
            used_by = addresses.users(self._store, shown["address"])
            shown["status"] = "RESERVING" if self._mutations.inserting(ref) else "IN_USE" if used_by else "RESERVED"
            if used_by:
                shown["users"] = used_by
        elif ref.collection in ("networkEndpointGroups", "instanceGroups"):
            shown["size"] = len(self._store.endpoints.get(ref, {}))
        return shown

    def all(self, collection: str, zone: str | None = None) -> list[dict[str, Any]]:
        return [self.shown(ref) for ref, _ in self._store.of(collection, zone)]


def listing(kind: str, identifier: str, items: list[dict[str, Any]], next_page_token: str = "") -> dict[str, Any]:
    """A list answer; `items` is absent when there are none."""
    answer: dict[str, Any] = {"kind": f"{kind}List", "id": identifier, "selfLink": _V1 + identifier}
    if items:
        answer["items"] = items
    if next_page_token:
        answer["nextPageToken"] = next_page_token
    return answer


def aggregated(
    collection: str, kind: str, identifier: str, scopes: dict[str, list[dict[str, Any]]], next_page_token: str = ""
) -> dict[str, Any]:
    """An aggregated list: every scope is there, the empty ones with a warning instead of items."""
    items: dict[str, Any] = {}
    for scope, resources in scopes.items():
        items[scope] = {collection: resources} if resources else {"warning": _nothing_on_page(scope)}
    answer = {
        "kind": f"{kind}AggregatedList",
        "id": identifier,
        "items": items,
        "selfLink": _V1 + identifier,
    }
    return answer | ({"nextPageToken": next_page_token} if next_page_token else {})


def _nothing_on_page(scope: str) -> dict[str, Any]:
    return {
        "code": "NO_RESULTS_ON_PAGE",
        "message": f"There are no results for scope '{scope}' on this page.",
        "data": [{"key": "scope", "value": scope}],
    }


def in_version(answer: Any, version: str) -> Any:
    """Turn the links of an answer to v1 into those of another version."""
    if version == "v1":
        return answer
    if isinstance(answer, dict):
        return {key: in_version(value, version) for key, value in answer.items()}
    if isinstance(answer, list):
        return [in_version(value, version) for value in answer]
    if isinstance(answer, str) and answer.startswith(_V1):
        return f"{links.BASE}{version}/" + answer.removeprefix(_V1)
    return answer


def scope_of(resource: dict[str, Any]) -> str:
    """The scope a resource's own link says, for the aggregated list."""
    tail = str(resource["selfLink"]).partition("/projects/")[2].split("/")
    return "global" if tail[1] == "global" else f"{tail[1]}/{tail[2]}"


def kinds(collection: str) -> str:
    return "compute#operation" if collection == "operations" else COLLECTIONS[collection].kind
