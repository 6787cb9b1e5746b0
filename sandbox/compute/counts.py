"""Counts of answered requests, so that "no writes" can be asserted."""

import threading
from collections import Counter

WRITES = ("create", "update", "patch", "delete")
"""Verbs that change state; every other one reads."""


class Counts:
    """Requests by user and verb; safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_user: dict[str, Counter[str]] = {}

    def add(self, user: str, verb: str) -> None:
        with self._lock:
            self._by_user.setdefault(user, Counter())[verb] += 1

    def of(self, user: str | None) -> dict[str, int]:
        """Counts by verb, of one user or of all."""
        with self._lock:
            chosen = self._by_user.values() if user is None else [self._by_user.get(user, Counter())]
            return dict(sum(chosen, Counter()))
