"""How another process talks to a running sandbox: status, faults, stop.

The sandbox's end is `sandbox.control_server`; its address and bearer token are in `control.json`, which only the owner
can read. Nothing of the sandbox itself is imported here, so that the commands are quick.
"""

import json
import os
from pathlib import Path
from typing import Any

import httpx

from sandbox.files import lock_of

Json = dict[str, Any]
CONTROL_FILE = "control.json"


class NotRunning(Exception):
    """No sandbox runs in that folder."""


class Refused(Exception):
    """The sandbox did not do what it was asked; the text says why."""


class ControlClient:
    """Another process's end.

    Raises:
        NotRunning: no sandbox runs in the folder.
    """

    def __init__(self, directory: Path) -> None:
        if not is_running(directory):
            raise NotRunning(f"no sandbox runs in {directory}")
        try:
            control = json.loads((directory / CONTROL_FILE).read_text())
        except (OSError, ValueError) as error:
            raise NotRunning(f"the sandbox in {directory} is still starting") from error
        self._pid = int(control["pid"])
        headers = {"Authorization": f"Bearer {control['token']}"}
        self._http = httpx.Client(base_url=control["url"], headers=headers, timeout=10, trust_env=False)

    def status(self) -> Json:
        return self._request("GET", "/status")

    def stop(self) -> None:
        """Ask it to stop; it takes some seconds after this has returned."""
        self._request("POST", "/stop")

    def has_ended(self) -> bool:
        """Whether its process is gone; asked after `stop`."""
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return True
        return False

    def faults(self) -> Json:
        """The armed faults with their parameters."""
        return self._request("GET", "/faults")

    def arm(self, name: str, parameters: Json, times: int | None) -> Json:
        """Switch a fault on; returns all armed ones.

        Raises:
            Refused: there is no such fault or parameter.
        """
        return self._request("PUT", f"/faults/{name}", {"parameters": parameters, "times": times})

    def clear(self, name: str | None) -> None:
        """Switch one fault off, or all."""
        self._request("DELETE", f"/faults/{name}" if name else "/faults")

    def _request(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            response = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise NotRunning(f"the sandbox does not answer: {error}") from error
        answer: Json = response.json()
        if response.is_error:
            raise Refused(answer.get("error", response.text))
        return answer


def is_running(directory: Path) -> bool:
    """Whether a process holds the folder's lock; one that was killed holds nothing."""
    if not (directory / "lock").exists():
        return False
    lock = lock_of(directory)
    if lock is None:
        return True
    lock.close()
    return False
