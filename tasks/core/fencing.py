"""The fence before every write: whose turn it is, asked right before a request that changes something.

Clients ask here and know nothing of Leases, Prefect or runs; `tasks.turns` installs the fence of a flow run. Without
one, in tests and tools, everything is admitted.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol


class Fence(Protocol):
    """What decides whether this run may write."""

    @property
    def epoch(self) -> int:
        """The turn this run has, or takes with its first write."""

    def admit(self, resource: str) -> None:
        """Return if this run may write `resource` now; raise if not."""

    def writing(self, resource: str) -> AbstractContextManager[None]:
        """Admit, and know until the end of the block that a write is under way."""


_current: ContextVar[Fence | None] = ContextVar("milvus_l7_fence", default=None)


def admit(resource: str) -> None:
    """Return if this run may write now; nothing happens when no fence is installed.

    Args:
        resource: what is about to be written, as kubectl writes it, or the tail of a Compute self-link.

    Raises:
        LeaseLost, Superseded: this run may not write (any more); nothing was sent.
        AccessRefused, Unreachable: the Lease itself could not be written.
    """
    if fence := _current.get():
        fence.admit(resource)


@contextmanager
def writing(resource: str) -> Iterator[None]:
    """`admit` for the time of the block, so that the Lease is not given away while the write is under way."""
    if fence := _current.get():
        with fence.writing(resource):
            yield
    else:
        yield


def epoch() -> int:
    """The turn this run has, or takes with its first write; 0 when no fence is installed."""
    fence = _current.get()
    return fence.epoch if fence else 0


def current() -> Fence | None:
    """The fence of the run we are in."""
    return _current.get()


@contextmanager
def installed(fence: Fence | None) -> Iterator[None]:
    """Make this the fence of the current context, and of threads that inherit it; None: everything is admitted."""
    token = _current.set(fence)
    try:
        yield
    finally:
        _current.reset(token)
