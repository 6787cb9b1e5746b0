"""A child process: started, judged ready by a check with a deadline, stopped, its log kept in a file.

A child must not outlive the sandbox, however that ends. On Linux the kernel kills it with its parent
(`PR_SET_PDEATHSIG`); elsewhere only an orderly stop does.
"""

import collections
import concurrent.futures
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_log = logging.getLogger(__name__)

# Runs in the child before the program proper: a preexec_fn in a process with threads may deadlock. The parent is looked
# at once more, because it may have died before prctl was called.
_LAUNCHER = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
except (OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

# The death signal comes when the *thread* that started the child ends, so one thread that never ends starts them all.
_spawner = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class ProcessFailed(Exception):
    """A child that ended, or did not become ready; the text ends with the tail of its log."""


class Process:
    """One child process in a session of its own; stdout and stderr go to `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.log = name, log
        self._command = [str(part) for part in command]
        self._cwd = cwd
        self._environment = dict(os.environ if environment is None else environment)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child and return at once; the log is appended to."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._child = _spawner.submit(self._spawn).result()
        _log.debug("%s started, pid %d, log %s", self.name, self._child.pid, self.log)

    def _spawn(self) -> subprocess.Popen[bytes]:
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                launcher + self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or was never started; negative: the signal that ended it."""
        return self._child.poll() if self._child else None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def wait_until_ready(
        self, ready: Callable[[], bool], *, timeout_seconds: float, pause_seconds: float = 0.02
    ) -> None:
        """Return when `ready()` is true.

        Raises:
            ProcessFailed: the child ended first, or is not ready after `timeout_seconds`; it is then stopped.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if not self.running:
                raise ProcessFailed(f"{self.name} ended with code {self.exit_code}; {self.log_tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ProcessFailed(f"{self.name} is not ready after {timeout_seconds:g} s; {self.log_tail()}")
            time.sleep(pause_seconds)

    def log_tail(self, lines: int = 20) -> str:
        """The end of the log, with its path, for an error message."""
        return f"its log {self.log} ends with:\n{tail(self.log, lines)}"

    def stop(self, *, grace_seconds: float = 5.0) -> None:
        """SIGTERM, then SIGKILL to the whole session after `grace_seconds`; nothing happens when it has ended."""
        if self._child is None or self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            _log.warning("%s ignores SIGTERM for %g s, killing it", self.name, grace_seconds)
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the child and what it started."""
        if self._child is not None and self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a file, `(empty)` when there are none."""
    try:
        with log.open(encoding="utf-8", errors="replace") as text:
            return "".join(collections.deque(text, maxlen=lines)).rstrip() or "(empty)"
    except FileNotFoundError:
        return "(empty)"
