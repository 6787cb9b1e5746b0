"""The part of a kubelet's own API that an API server asks for `kubectl logs`.

Needed in somebody else's cluster only: the built-in API server asks the runner directly. It listens on loopback, where
the API server of a bare cluster runs too, and shows the logs of the sandbox's pods to whoever asks there.
Source: kubernetes pkg/kubelet/server/server.go (getContainerLogs).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.ca import CertificateAuthority
from sandbox.servers import Server

Asked = tuple[str, str, str, bool]
"""Namespace, pod, container, and whether the run before this one is meant."""
ReadLog = Callable[[Asked], str | None]
"""The log asked for; None when there is none such."""
_LOOK_SECONDS = 0.3


class LogServer:
    """HTTPS on a random loopback port; its key is written below `directory`."""

    def __init__(self, directory: Path, read: ReadLog, ca: CertificateAuthority) -> None:
        self._read = read
        routes = [Route("/containerLogs/{namespace}/{pod}/{container}", self._logs, methods=["GET"])]
        leaf = ca.issue("127.0.0.1", "localhost")
        directory.mkdir(parents=True, exist_ok=True)
        certificate, key = directory / "kubelet.crt", directory / "kubelet.key"
        certificate.write_bytes(leaf.certificate_pem)
        key.unlink(missing_ok=True)
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(leaf.key_pem)
        self._server = Server(Starlette(routes=routes), name="kubelet", certificate=certificate, key=key)
        self.port = self._server.port

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    async def _logs(self, request: Request) -> Response:
        path, query = request.path_params, request.query_params
        asked = path["namespace"], path["pod"], path["container"], query.get("previous") == "true"
        text = await asyncio.to_thread(self._read, asked)
        if text is None:
            kind = "previous terminated container" if asked[3] else "container"
            return PlainTextResponse(f'{kind} "{path["container"]}" in pod "{path["pod"]}" not found', 400)
        shown = tail(text, query.get("tailLines"))
        if query.get("follow") != "true" or asked[3]:
            return PlainTextResponse(shown)
        return StreamingResponse(self._follow(asked, text, shown), media_type="text/plain")

    async def _follow(self, asked: Asked, text: str, shown: str) -> AsyncIterator[str]:
        yield shown
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            later = await asyncio.to_thread(self._read, asked)
            if later is None or not later.startswith(text):  # the pod is gone, or the container was restarted
                return
            if later != text:
                yield later[len(text) :]
                text = later


def tail(text: str, lines: Any) -> str:
    r"""The last lines of a log; all of it without a number.

    >>> tail("a\nb\n", "1"), tail("a\nb\n", None)
    ('b\n', 'a\nb\n')
    """
    if not str(lines or "").isdigit():
        return text
    kept = text.splitlines(keepends=True)
    return "".join(kept[max(0, len(kept) - int(lines)) :])
