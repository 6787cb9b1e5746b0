"""Objects, their revisions and the history that watches read: etcd's part, in memory.

Pure bookkeeping: what an object may be is decided before it comes here. Stored objects are never changed in place, so
whoever holds one may serialise it later.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Object = dict[str, Any]
Listener = Callable[["Change"], None]

_HISTORY = 20_000
_PAGED_LISTS = 64


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write; `previous` is what it replaced or removed."""

    revision: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    collection: str
    object: Object
    previous: Object | None


class Compacted(Exception):
    """The history no longer reaches back to the asked revision."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(asked, oldest)
        self.asked, self.oldest = asked, oldest


class Store:
    """All objects by collection, namespace and name, with one revision counter over everything, as etcd has."""

    def __init__(self, history: int = _HISTORY) -> None:
        self.revision = 1
        self._collections: dict[str, dict[tuple[str, str], Object]] = {}
        self._history: deque[Change] = deque(maxlen=history)
        self._compacted = 0
        self._listeners: list[Listener] = []
        self._snapshots: OrderedDict[tuple[int, str], list[Object]] = OrderedDict()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every change from now on; the result ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def get(self, collection: str, namespace: str, name: str) -> Object | None:
        return self._collections.get(collection, {}).get((namespace, name))

    def objects(self, collection: str, namespace: str = "") -> list[Object]:
        """Objects in the order of their keys; an empty namespace means all of them."""
        found = self._collections.get(collection, {})
        return [found[key] for key in sorted(found) if not namespace or key[0] == namespace]

    def everything(self) -> list[tuple[str, Object]]:
        return [(collection, each) for collection, found in self._collections.items() for each in found.values()]

    def put(self, collection: str, obj: Object) -> Object:
        """Write an object under the next revision and return it as stored."""
        self.revision += 1
        metadata = obj["metadata"] | {"resourceVersion": str(self.revision)}
        stored = obj | {"metadata": metadata}
        key = (metadata.get("namespace", ""), metadata["name"])
        previous = self._collections.setdefault(collection, {}).get(key)
        self._collections[collection][key] = stored
        self._commit(Change(self.revision, "MODIFIED" if previous else "ADDED", collection, stored, previous))
        return stored

    def remove(self, collection: str, namespace: str, name: str, last: Object | None = None) -> Object:
        """Remove an object; watchers see its last state, or `last`, under the revision of the removal."""
        self.revision += 1
        previous = self._collections[collection].pop((namespace, name))
        last = last or previous
        last = last | {"metadata": last["metadata"] | {"resourceVersion": str(self.revision)}}
        self._commit(Change(self.revision, "DELETED", collection, last, previous))
        return last

    def since(self, collection: str, revision: int) -> list[Change]:
        """Changes of a collection after `revision`.

        Raises:
            Compacted: some of them are forgotten.
        """
        if revision < self._compacted:
            raise Compacted(revision, self._compacted)
        return [each for each in self._history if each.collection == collection and each.revision > revision]

    def compact(self, revision: int | None = None) -> None:
        """Forget changes up to `revision` (None: all), as etcd does every five minutes for kube-apiserver."""
        upto = self.revision if revision is None else revision
        while self._history and self._history[0].revision <= upto:
            self._history.popleft()
        self._compacted = max(self._compacted, upto)
        self._snapshots.clear()

    def keep_rest(self, token: str, rest: list[Object], revision: int | None = None) -> None:
        """Keep the rest of a paged list, so that its later pages show the moment of the first (None: now)."""
        self._snapshots[(self.revision if revision is None else revision, token)] = rest
        while len(self._snapshots) > _PAGED_LISTS:
            self._snapshots.popitem(last=False)

    def rest(self, revision: int, token: str) -> list[Object] | None:
        return self._snapshots.get((revision, token))

    def _commit(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._compacted = self._history[0].revision
        self._history.append(change)
        for listener in tuple(self._listeners):
            listener(change)
