"""A streamed HTTP response that another thread can end."""

import contextlib
import socket
import threading

import httpx


class StoppableStream:
    """Holds the response that one thread reads, so that another can wake it up for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._response: httpx.Response | None = None
        self._stopped = False

    def hold(self, response: httpx.Response) -> None:
        with self._lock:
            self._response = response
            if self._stopped:
                _shut(response)

    def release(self) -> None:
        with self._lock:
            self._response = None

    def stop(self) -> None:
        """End the response being read now, and every later one at once."""
        with self._lock:
            self._stopped = True
            if self._response is not None:
                _shut(self._response)


def _shut(response: httpx.Response) -> None:
    # Closing the response would not wake a thread that waits in recv(); shutting the socket down does. The socket
    # class is named because an SSL socket's own shutdown() would take the session away from under that thread.
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
