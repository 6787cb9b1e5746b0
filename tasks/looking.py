"""One look at the world, shared by the steps that observe it side by side.

Inside `one_look` each object, list and resource is asked for once, so that the parts of one report cannot contradict
each other. It ends with its stage, and the next one, a retry of the run among them, looks anew. Waits, the proof, the
exposure guard and whoever writes ask the clients themselves: they must see what has changed.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from tasks.clients import compute, kubernetes
from tasks.clients.kubernetes import Kind
from tasks.clients.readers import ClusterReader, ComputeReader, Object
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ProvisioningError, Unreachable

P = ParamSpec("P")
T = TypeVar("T")


class Look:
    """Answers by question, safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, Future[Any]] = {}

    def ask(self, whom: str, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Return what `call` gave or raised when it was asked first; who asks meanwhile waits for that.

        A server that did not answer has told nothing about the world: those who waited are told so, and the next one
        asks again.
        """
        question = (whom, call.__name__, args, tuple(sorted(named.items())))
        with self._lock:
            asked = self._answers.get(question)
            answer: Future[T] = asked or self._answers.setdefault(question, Future())
        if asked is None:
            self._answer(question, answer, lambda: call(*args, **named))
        return answer.result()

    def _answer(self, question: Hashable, answer: "Future[T]", call: Callable[[], T]) -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            if isinstance(error, Unreachable) or not isinstance(error, ProvisioningError):
                with self._lock:
                    del self._answers[question]
            answer.set_exception(error)


_current: ContextVar[Look | None] = ContextVar("milvus_l7_look", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Let the steps that are begun in this block, and awaited in it, share one look."""
    token = _current.set(Look())
    try:
        yield
    finally:
        _current.reset(token)


def cluster(config: LoadBalancerConfig) -> ClusterReader:
    """The cluster of the configuration as this look sees it; outside of a look the cluster itself."""
    live, look = kubernetes.cluster(config), _current.get()
    return live if look is None else _SeenCluster(live, look)


def api(config: LoadBalancerConfig) -> ComputeReader:
    """The Compute API of the configuration's project as this look sees it; outside of a look the API itself."""
    live, look = compute.api(config), _current.get()
    return live if look is None else _SeenCompute(live, look)


class _SeenCluster:
    """A `ClusterReader` that asks each thing once."""

    def __init__(self, live: ClusterReader, look: Look) -> None:
        self._live, self._look = live, look

    @property
    def host(self) -> str:
        return self._live.host

    def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._ask(self._live.read, kind, namespace, name)

    def list_objects(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> list[Object]:
        return self._ask(self._live.list_objects, kind, namespace, labels=labels, fields=fields)

    def first_objects(self, kind: Kind, limit: int) -> list[Object]:
        return self._ask(self._live.first_objects, kind, limit)

    def pod_log(self, namespace: str, name: str, container: str, *, previous: bool, lines: int = 30) -> str:
        return self._ask(self._live.pod_log, namespace, name, container, previous=previous, lines=lines)

    def serves(self, kind: Kind) -> bool:
        return self._ask(self._live.serves, kind)

    def may(self, verb: str, kind: Kind, namespace: str) -> bool:
        return self._ask(self._live.may, verb, kind, namespace)

    def version(self) -> str:
        return self._ask(self._live.version)

    def _ask(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        return self._look.ask(self.host, call, *args, **named)


class _SeenCompute:
    """A `ComputeReader` that asks each thing once."""

    def __init__(self, live: ComputeReader, look: Look) -> None:
        self._live, self._look = live, look

    @property
    def project(self) -> str:
        return self._live.project

    def get(self, collection: str, name: str) -> Object | None:
        return self._ask(self._live.get, collection, name)

    def list_resources(self, collection: str) -> list[Object]:
        return self._ask(self._live.list_resources, collection)

    def quotas(self) -> list[Object]:
        return self._ask(self._live.quotas)

    def regional_addresses(self, name: str) -> list[Object]:
        return self._ask(self._live.regional_addresses, name)

    def health(self, backend_service: str, group: str) -> list[Object]:
        return self._ask(self._live.health, backend_service, group)

    def _ask(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        return self._look.ask(f"projects/{self.project}", call, *args, **named)
