"""TCP forwarding: a pod's container ports to its process, a Service's load balancer to its pods.

Bytes pass unread, so TLS and HTTP/2 do too. One thread with an event loop serves all forwards.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator

_log = logging.getLogger(__name__)
_CHUNK = 1 << 18

Address = tuple[str, int]


class Forwarder:
    """Any number of forwards; all methods may be called from any thread."""

    def __init__(self) -> None:
        self._servers: dict[Address, asyncio.Server] = {}
        self._tasks: dict[Address, set[asyncio.Task[None]]] = {}

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="forwarder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every forward and every connection."""
        for listen in list(self._servers):
            self.close(listen)
        self._call(self._settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def open(self, listen: Address, target: Callable[[], Address | None]) -> None:
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

    async def _open(self, listen: Address, target: Callable[[], Address | None]) -> None:
        tasks = self._tasks[listen] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if self._tasks.get(listen) is not tasks:
                # Accepted while the forward was closed, and known to nobody but this task.
                writer.transport.abort()
                return
            # A cancelled task would be reported as a failure of the server's (cpython#110894, mended in 3.12).
            with contextlib.suppress(asyncio.CancelledError):
                await _forward(reader, writer, target())

        self._servers[listen] = await asyncio.start_server(serve, *listen, limit=_CHUNK)

    async def _close(self, listen: Address) -> None:
        server = self._servers.pop(listen, None)
        if server is None:
            return
        server.close()
        tasks = self._tasks.pop(listen)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(self) -> None:
        """Wait for connections that were on their way in when their forward was closed."""
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)
        await asyncio.sleep(0)  # a transport is closed one turn of the loop after it was told to


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
