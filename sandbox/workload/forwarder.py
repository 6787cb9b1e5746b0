"""TCP forwarding: a pod's container ports to its process, a Service's load balancer to its pods.

Bytes pass unread, so TLS and HTTP/2 do too. One thread with an event loop serves all forwards.
"""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator

_log = logging.getLogger(__name__)
_CHUNK = 1 << 18

Address = tuple[str, int]
Target = Callable[[], Address | None]


class Forwarder:
    """Any number of forwards; all methods may be called from any thread.

    Connections are accepted here and not by asyncio's server, which loses one that comes while it is closed: its
    transport is made for a server that takes none any more, fails, and is left to the garbage collector.
    """

    def __init__(self) -> None:
        self._listening: dict[Address, socket.socket] = {}
        self._connections: dict[Address, dict[asyncio.Task[None], socket.socket]] = {}

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="forwarder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every forward and every connection."""
        for listen in list(self._listening):
            self.close(listen)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def open(self, listen: Address, target: Target) -> None:
        """Forward connections to what `target` says for each; None closes them at once.

        Raises:
            OSError: the address cannot be bound.
        """
        self._call(self._open(listen, target))

    def close(self, listen: Address) -> None:
        """Stop listening and cut the connections; nothing happens when it is not open."""
        self._call(self._close(listen))

    def _call(self, coroutine: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _open(self, listen: Address, target: Target) -> None:
        listening = socket.create_server(listen, backlog=128)
        listening.settimeout(0)
        self._listening[listen], self._connections[listen] = listening, {}
        self._loop.add_reader(listening, self._accept, listening, target, self._connections[listen])

    def _accept(
        self, listening: socket.socket, target: Target, connections: dict[asyncio.Task[None], socket.socket]
    ) -> None:
        try:
            connection, _ = listening.accept()
        except OSError as error:
            _log.debug("nobody there any more: %s", error)
            return
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(_serve(connection, target))
        connections[task] = connection
        task.add_done_callback(lambda done: connections.pop(done, None))

    async def _close(self, listen: Address) -> None:
        listening = self._listening.pop(listen, None)
        if listening is None:
            return
        self._loop.remove_reader(listening)
        listening.close()
        connections = dict(self._connections.pop(listen))
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # a transport is closed one turn of the loop after it was told to
        for connection in connections.values():
            connection.close()  # of a task that was cancelled before it began


async def _serve(connection: socket.socket, target: Target) -> None:
    reader, writer = await asyncio.open_connection(sock=connection, limit=_CHUNK)
    await _forward(reader, writer, target())


@contextlib.contextmanager
def _ending(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Close the connection at the end; cut it when the task is cancelled, since what is unsent may never be read."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Address | None) -> None:
    with _ending(writer):
        if target is None:
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(*target, limit=_CHUNK)
        except OSError as error:
            _log.debug("cannot reach %s:%d: %s", *target, error)
            return
        with _ending(there_writer):
            await asyncio.gather(_pipe(reader, there_writer), _pipe(there_reader, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A lost connection ends both directions: the other pipe's transport is closed with it.
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()
