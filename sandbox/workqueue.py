"""A queue of keys and the one thread that works them off.

A key is worked on by nobody else at the same time, waits in the queue once however often it is added, and is tried
again after a growing pause when its work fails. Source: client-go util/workqueue.
"""

import heapq
import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class WorkQueue:
    """Calls `work(key)` in one thread; an exception means that it is to be tried again."""

    def __init__(self, name: str, work: Callable[[str], None], *, retry_seconds: tuple[float, float]) -> None:
        self._name, self._work = name, work
        self._first_pause, self._longest_pause = retry_seconds
        self._due: list[tuple[float, int, str]] = []
        self._waiting: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._count = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the key at work and take no other."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def add(self, key: str, *, after_seconds: float = 0.0) -> None:
        """Queue a key; one that waits already keeps the earlier of the two times."""
        due = time.monotonic() + after_seconds
        with self._changed:
            if self._waiting.get(key, due + 1) <= due:
                return
            self._waiting[key] = due
            self._count += 1
            heapq.heappush(self._due, (due, self._count, key))
            self._changed.notify()

    def _run(self) -> None:
        while (key := self._next()) is not None:
            try:
                self._work(key)
                self._failures.pop(key, None)
            except Exception as error:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                pause = min(self._first_pause * 2 ** min(failures - 1, 30), self._longest_pause)
                logger.info("%s: %s failed, again in %.2f s: %s", self._name, key, pause, error)
                logger.debug("%s: %s", self._name, key, exc_info=True)
                self.add(key, after_seconds=pause)

    def _next(self) -> str | None:
        """Wait for the next due key; None when the queue is stopped."""
        with self._changed:
            while not self._stopping:
                if not self._due:
                    self._changed.wait()
                    continue
                due, _, key = self._due[0]
                if self._waiting.get(key) != due:
                    heapq.heappop(self._due)  # queued again for an earlier time
                elif (pause := due - time.monotonic()) > 0:
                    self._changed.wait(pause)
                else:
                    heapq.heappop(self._due)
                    del self._waiting[key]
                    return key
        return None
