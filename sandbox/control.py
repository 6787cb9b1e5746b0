"""How other processes talk to a running sandbox: status, faults, stop.

A small HTTP server on loopback; address and bearer token are in `control.json`, which only the owner can read.
"""

import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.faults import Faults, UnknownFault
from sandbox.files import write_secret
from sandbox.servers import Server
from sandbox.stack import Stack, lock_of

_log = logging.getLogger(__name__)
Json = dict[str, Any]
_FILE = "control.json"


class NotRunning(Exception):
    """No sandbox runs in that folder."""


class Refused(Exception):
    """The sandbox did not do what it was asked; the text says why."""


class ControlServer:
    """The running sandbox's end; `stop_requested` is set when somebody asks it to stop."""

    def __init__(self, stack: Stack) -> None:
        self.stop_requested = threading.Event()
        self._stack, self._token = stack, secrets.token_urlsafe(24)
        routes = [
            Route("/status", self._status, methods=["GET"]),
            Route("/stop", self._stop, methods=["POST"]),
            Route("/faults", self._faults, methods=["GET"]),
            Route("/faults", self._clear, methods=["DELETE"]),
            Route("/faults/{name}", self._arm, methods=["PUT"]),
            Route("/faults/{name}", self._clear, methods=["DELETE"]),
        ]
        self._server = Server(Starlette(routes=routes), name="control")
        self._file = stack.directory / _FILE

    def start(self) -> None:
        self._server.start()
        write_secret(self._file, json.dumps({"url": self._server.url, "token": self._token}))

    def stop(self) -> None:
        self._file.unlink(missing_ok=True)
        self._server.stop()

    def _status(self, request: Request) -> JSONResponse:
        return self._answer(request, lambda: status(self._stack))

    def _stop(self, request: Request) -> JSONResponse:
        return self._answer(request, self._request_stop)

    def _faults(self, request: Request) -> JSONResponse:
        return self._answer(request, self._stack.faults.armed)

    async def _arm(self, request: Request) -> JSONResponse:
        body = await request.json()
        return self._answer(request, lambda: arm(self._stack.faults, request.path_params["name"], body))

    def _clear(self, request: Request) -> JSONResponse:
        name = request.path_params.get("name")
        return self._answer(request, lambda: clear(self._stack.faults, name))

    def _request_stop(self) -> Json:
        self.stop_requested.set()
        return {}

    def _answer(self, request: Request, action: Callable[[], Json]) -> JSONResponse:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given, f"Bearer {self._token}"):
            return JSONResponse({"error": "the token in control.json is needed"}, 401)
        try:
            return JSONResponse(action())
        except UnknownFault as error:
            return JSONResponse({"error": str(error)}, 400)


def arm(faults: Faults, name: str, body: Json) -> Json:
    """Arm a fault from `{"times": 3, "parameters": {…}}`.

    Raises:
        UnknownFault: the catalogue has no such name or parameter.
    """
    faults.arm(name, times=body.get("times"), **(body.get("parameters") or {}))
    return faults.armed()


def clear(faults: Faults, name: str | None) -> Json:
    """Switch one fault off, or all; returns those that are still on."""
    faults.clear(name)
    return faults.armed()


def status(stack: Stack) -> Json:
    """What runs where, in plain values."""
    pods = {
        key: {"ready": pod.state.ready, "restarts": pod.state.restarts, "state": next(iter(pod.state.state), "")}
        for key, pod in stack.runner.kubelet.processes().items()
    }
    return {
        "directory": str(stack.directory),
        "kubeconfig": str(stack.kubeconfig),
        "kubernetes": stack.kube.url if stack.kube else "given by --kubeconfig",
        "compute": stack.compute.url,
        "dns": f"127.0.0.1:{stack.dns.port}",
        "https_port": int(stack.env["MILVUS_L7_HTTPS_PORT"]),
        "http_port": int(stack.env["MILVUS_L7_HTTP_PORT"]),
        "workload_runner": "active" if stack.runner.active else "idle: the cluster has a controller manager",
        "envoy": "running" if stack.dataplane.envoy.process.running else "ended",
        "milvus": pods,
        "faults": stack.faults.armed(),
    }


class ControlClient:
    """Another process's end.

    Raises:
        NotRunning: no sandbox runs in the folder.
    """

    def __init__(self, directory: Path) -> None:
        if not is_running(directory):
            raise NotRunning(f"no sandbox runs in {directory}")
        try:
            control = json.loads((directory / _FILE).read_text())
        except (OSError, ValueError) as error:
            raise NotRunning(f"the sandbox in {directory} is still starting") from error
        headers = {"Authorization": f"Bearer {control['token']}"}
        self._http = httpx.Client(base_url=control["url"], headers=headers, timeout=10, trust_env=False)

    def status(self) -> Json:
        return self._request("GET", "/status")

    def stop(self) -> None:
        """Ask it to stop; it takes some seconds after this has returned."""
        self._request("POST", "/stop")

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
