"""Keys are worked on once however often they are added, and again after a growing pause when that fails."""

import itertools
import threading
import time

import pytest

from sandbox.workqueue import WorkQueue
from tests.waiting import eventually


def test_a_key_added_while_it_is_worked_on_is_worked_on_again() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()

    def work(key: str) -> None:
        begun.set()
        go_on.wait(5)
        done.append(key)

    queue = WorkQueue("test", work, retry_seconds=(0.01, 0.1))
    queue.start()
    queue.add("a")
    assert begun.wait(5)
    for _ in range(3):
        queue.add("a")
    go_on.set()

    eventually(lambda: len(done) == 2)
    queue.stop()
    assert done == ["a", "a"], "three additions that waited together count as one"


def test_a_failed_key_comes_back_after_a_growing_pause() -> None:
    tries: list[float] = []

    def work(_key: str) -> None:
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise ValueError

    queue = WorkQueue("test", work, retry_seconds=(0.05, 10.0))
    queue.start()
    queue.add("a")

    eventually(lambda: len(tries) == 4)
    queue.stop()
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert [pause >= wanted for pause, wanted in zip(pauses, (0.05, 0.1, 0.2), strict=True)] == [True, True, True]


def test_an_addition_during_the_pause_is_worked_on_at_once() -> None:
    tries: list[str] = []

    def work(key: str) -> None:
        tries.append(key)
        if len(tries) == 1:
            raise ValueError

    queue = WorkQueue("test", work, retry_seconds=(60.0, 60.0))
    queue.start()
    queue.add("a")
    eventually(lambda: tries)

    def again() -> bool:
        queue.add("a")
        return len(tries) >= 2

    eventually(again)
    queue.stop()


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_stopped_queue_takes_no_more(waiting: int) -> None:
    done: list[str] = []
    queue = WorkQueue("test", done.append, retry_seconds=(0.01, 0.1))
    queue.start()

    if waiting:
        queue.add("later", after_seconds=60.0)
    queue.stop()

    assert done == []
