"""A Prefect server of our own, for who has none: started, waited for, stopped.

Never the ephemeral one, whose start-up limit a fresh home exceeds, and never `--background`, whose output is a dead
pipe that kills the server at its first line. State and log stay in one folder, readable by its owner only.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

SETTINGS: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    # On SQLite one transaction per task state collides with everything else and answers 503; measured with 3.8.8.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}

_START_SECONDS = 300.0

# Runs in the child before the program proper, since a preexec_fn may deadlock in a process with threads. SIGTERM when
# the parent dies, also of SIGKILL; the parent is looked at once more, because it may have died before.
_MORTAL = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, 15)
except (OSError, AttributeError):
    pass
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerDidNotStart(Exception):
    """A Prefect server ended or does not answer; the message says which, and has the end of the log of our own."""


def environment(home: Path, url: str) -> dict[str, str]:
    """Variables of a process that talks to the server at `url` and keeps its own things in `home`."""
    return {**SETTINGS, "PREFECT_HOME": str(home), "PREFECT_API_URL": url}


def start(home: Path, port: int = 0, *, outlive: bool = False) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server and return its process and API URL once it answers.

    Args:
        home: PREFECT_HOME of the server; made, for its owner only.
        port: 0 picks a free one.
        outlive: whether it goes on when we end; otherwise it ends with us, however we end (on Linux).

    Raises:
        ServerDidNotStart: within five minutes; a first start migrates the database, in 10 s on an idle machine, in more
            than two minutes on a busy one.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}/api"
    log = private(home / "server.log")
    with log.open("ab") as output:
        process = detached(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            environment=environment(home, url),
            output=output,
            outlive=outlive,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(f"{url}/health"):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            tail = log.read_text("utf-8", "replace")[-1500:]
            raise ServerDidNotStart(f"the Prefect server did not start; end of {log}:\n{tail}")
        time.sleep(0.1)
    return process, url


def private(file: Path) -> Path:
    """Make a file for its owner only, unless it is there, and return its path."""
    file.touch(mode=0o600)
    return file


def detached(
    command: list[str], *, environment: Mapping[str, str], output: IO[bytes], outlive: bool
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that Ctrl-C reaches us first and we stop it in order."""
    return subprocess.Popen(
        command if outlive else [sys.executable, "-c", _MORTAL, str(os.getpid()), *command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        umask=0o077,
    )


def stop(process: subprocess.Popen[bytes], grace_seconds: float = 10.0) -> None:
    """End a process and all it has started: asked first, killed after the grace period."""
    for sign, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, sign)
        except (ProcessLookupError, PermissionError):
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait(5)


@contextmanager
def for_command_line() -> Iterator[str]:
    """Give a command the API of PREFECT_API_URL, or a server of its own for as long as it runs.

    The own server keeps its history below XDG_STATE_HOME; two commands at once have a home each.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        if not _answers(f"{url.rstrip('/')}/health"):
            raise ServerDidNotStart(
                f"the Prefect server at {url} does not answer. Start it, or unset PREFECT_API_URL: "
                "then one is started for this run."
            )
        yield url
        return
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "milvus-l7"
    with _unshared_home(state) as home:
        process, url = start(home)
        os.environ.update(environment(home, url))
        try:
            yield url
        finally:
            stop(process)


@contextmanager
def _unshared_home(state: Path) -> Iterator[Path]:
    number = 1
    while True:
        home = state / f"prefect-{number}"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                number += 1
                continue
            yield home
            return


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  # our own loopback URL
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
