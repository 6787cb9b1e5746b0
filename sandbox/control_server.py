"""The running sandbox's end of `sandbox.control`: a small HTTP server on loopback, guarded by a bearer token."""

import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.control import CONTROL_FILE
from sandbox.faults import Faults, UnknownFault
from sandbox.files import write_secret
from sandbox.servers import Server
from sandbox.stack import Stack

Json = dict[str, Any]


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
        self._file = stack.directory / CONTROL_FILE

    def start(self) -> None:
        self._server.start()
        write_secret(self._file, json.dumps({"url": self._server.url, "token": self._token, "pid": os.getpid()}))

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
