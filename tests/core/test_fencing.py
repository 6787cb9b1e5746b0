"""The fence: asked before every write, absent outside of a run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

import pytest

from tasks.core import fencing
from tasks.core.errors import LeaseLost


class Shut:
    """A fence that lets nothing pass."""

    epoch = 7

    def admit(self, resource: str) -> None:
        raise LeaseLost(resource, "is not ours", "Run again.")

    @contextmanager
    def writing(self, resource: str) -> Iterator[None]:
        self.admit(resource)
        yield


def test_without_a_fence_everything_is_admitted() -> None:
    fencing.admit("service a/b")
    with fencing.writing("service a/b"):
        pass

    assert (fencing.epoch(), fencing.current()) == (0, None)


def test_a_fence_is_asked_for_every_write_until_its_block_ends() -> None:
    with fencing.installed(Shut()):
        assert fencing.epoch() == 7
        with pytest.raises(LeaseLost, match="service a/b"):
            fencing.admit("service a/b")
        with pytest.raises(LeaseLost), fencing.writing("service a/b"):
            pytest.fail("admitted")

    fencing.admit("service a/b")


def test_nothing_inside_passes_by_a_fence_but_what_lifts_it() -> None:
    """The Lease itself is written that way."""
    with fencing.installed(Shut()):
        with fencing.installed(None):
            fencing.admit("lease a/b")
        assert fencing.epoch() == 7


def test_a_fence_ends_with_its_block_when_that_fails() -> None:
    with pytest.raises(KeyboardInterrupt), fencing.installed(Shut()):
        raise KeyboardInterrupt

    assert fencing.current() is None


def test_threads_that_inherit_the_context_have_the_fence() -> None:
    seen: list[int] = []

    with fencing.installed(Shut()):
        context = copy_context()
        thread = threading.Thread(target=lambda: context.run(lambda: seen.append(fencing.epoch())))
    thread.start()
    thread.join()

    assert seen == [7]
