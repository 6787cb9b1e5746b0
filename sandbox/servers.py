"""An ASGI application served from a thread of this process."""

import asyncio
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp


class _Uvicorn(uvicorn.Server):
    """Does not wait at its end for clients that keep a connection open without using it.

    Over TLS such a connection outlives the event loop: its orderly end needs the client, who sees no reason to look.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            cycle = connection.cycle  # type: ignore[union-attr]  # no WebSockets here
            if cycle is None or cycle.response_complete:
                connection.transport.abort()
        await asyncio.sleep(0)
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


class Server:
    """Serves `app` on a loopback port until stopped; the port is bound in the constructor, so its number is known."""

    def __init__(
        self, app: ASGIApp, *, name: str, port: int = 0, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        # asyncio turns Nagle's algorithm off only for sockets that name TCP; with it on, each answer would take 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                ssl_certfile=certificate,
                ssl_keyfile=key,
                ssl_version=ssl.PROTOCOL_TLS_SERVER,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name=name, daemon=True)

    def start(self) -> None:
        """Start serving; returns at once, the socket queues what comes before the loop runs."""
        self._socket.listen(1024)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, open watches included, and wait for the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
