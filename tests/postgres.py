"""A throw-away PostgreSQL for a Prefect server: a cluster in a temporary folder, on loopback, gone afterwards."""

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_START_SECONDS = 60.0
_USER = "prefect"
_HOMES = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/opt/homebrew/opt/postgresql*/bin")

# A test database may lose what a crash of the machine loses.
_QUICK = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Start a PostgreSQL of our own and give the URL that PREFECT_SERVER_DATABASE_CONNECTION_URL takes.

    The server runs as `postgres`, or as nobody, when we are root, since PostgreSQL refuses to run as root.

    Raises:
        RuntimeError: no PostgreSQL is installed, or it did not start; the message has its log.
    """
    account = _account()
    directory = Path(tempfile.mkdtemp(prefix="milvus-l7-postgres-"))
    try:
        password = secrets.token_hex(16)
        _initialise(directory, account, password)
        port = _free_port()
        server = _start(directory, account, port)
        try:
            _await(server, directory, port)
            yield f"postgresql+asyncpg://{_USER}:{password}@127.0.0.1:{port}/postgres"
        finally:
            _stop(server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _initialise(directory: Path, account: dict[str, Any], password: str) -> None:
    word = directory / "password"
    word.touch(mode=0o600)
    word.write_text(password)
    if account:
        for path in (directory, word):
            os.chown(path, account["user"], account["group"])
    command = [_binary("initdb"), "-D", str(directory / "data"), "-U", _USER, "-A", "scram-sha-256", "--no-sync"]
    command += ["--encoding", "UTF8", "--locale", "C", "--pwfile", str(word)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=directory, **account)
    word.unlink()
    if done.returncode:
        raise RuntimeError(f"initdb ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _start(directory: Path, account: dict[str, Any], port: int) -> "subprocess.Popen[bytes]":
    command = [_binary("postgres"), "-D", str(directory / "data"), "-k", str(directory), "-h", "127.0.0.1"]
    command += ["-p", str(port), *_QUICK]
    # Ends with us, also when we are killed.
    mortal = [setpriv, "--pdeathsig", "INT"] if (setpriv := shutil.which("setpriv")) else []
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(
            [*mortal, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            start_new_session=True,
            text=False,
            **account,
        )


def _await(server: "subprocess.Popen[bytes]", directory: Path, port: int) -> None:
    command = [_binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run(command, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            tail = (directory / "log").read_text("utf-8", "replace")[-1500:]
            raise RuntimeError(f"PostgreSQL did not start:\n{tail}")
        time.sleep(0.1)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, at all costs
        if server.poll() is None:
            server.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
            return


def _account() -> dict[str, Any]:
    """Arguments of a child process that make it run as somebody else than root; none when we are not root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _binary(name: str) -> str:
    """A program of the newest PostgreSQL here: Debian keeps its server out of PATH."""
    folders = sorted((folder for home in _HOMES for folder in Path("/").glob(home[1:])), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / name).exists():
            return str(folder / name)
    if found := shutil.which(name):
        return found
    raise RuntimeError(f"no {name} here: install PostgreSQL, on Debian apt-get install postgresql")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
