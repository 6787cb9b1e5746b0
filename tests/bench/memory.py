"""Peak memory of every kind of process while something runs: the biggest one of each kind, in MB of resident memory."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

_PAUSE_SECONDS = 0.5
_YOUNG_SECONDS = 1.0  # until then a process may still be its parent's copy


class Watch:
    """A context manager; `peaks` has the result.

    Flow runs are found by the variable that Prefect sets in their processes.
    """

    def __init__(self, roots: Mapping[str, Sequence[int]], fleet: str) -> None:
        """Watch some processes.

        Args:
            roots: known processes by kind; their children belong to them, unless they are flow runs.
            fleet: ID of the flow run that is the fleet's; every other flow run is a target's.
        """
        self.peaks: dict[str, float] = {}
        self._roots, self._fleet = roots, fleet
        self._kinds: dict[tuple[int, float], str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            for kind, process in self._processes():
                try:
                    size = process.memory_info().rss / 1e6
                except psutil.Error:
                    continue
                self.peaks[kind] = max(self.peaks.get(kind, 0.0), size)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for kind, pids in self._roots.items():
            for pid in pids:
                try:
                    process = psutil.Process(pid)
                    children = process.children(recursive=True)
                except psutil.Error:
                    continue
                yield kind, process
                for child in children:
                    if found := self._kind(child, kind):
                        yield found, child

    def _kind(self, process: psutil.Process, of_parent: str) -> str | None:
        """A flow run's process says so itself; a child of this process is no part of the sandbox."""
        try:
            known = (process.pid, process.create_time())
            if time.time() - known[1] < _YOUNG_SECONDS:
                return None
            if known not in self._kinds:
                variables = process.environ()
                command = process.cmdline()
                run = variables.get("PREFECT__FLOW_RUN_ID", "")
                if self._fleet in (run, command[-1] if command else ""):
                    self._kinds[known] = "fleet"
                elif run:
                    self._kinds[known] = "target"
                else:
                    self._kinds[known] = "" if of_parent == "sandbox" else of_parent
            return self._kinds[known] or None
        except psutil.Error:
            return None
