"""One HTTP/2 connection, held in the hand: its SETTINGS, a gRPC call without a gRPC library, a silence.

A gRPC channel reconnects by itself and tells nobody, and folds every HTTP error into one status; here a connection is
one connection, and an HTTP status is seen as it is. Bytes are h2's business, which comes with Prefect's httpx.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from tasks.core.http_faults import HttpAnswer

SERVICE: Final = "/milvus.proto.milvus.MilvusService/"
_NO_MESSAGE = bytes(5)
"""An uncompressed gRPC message of length 0: every field of the request has its default."""

_SETTINGS = b"\x04"
"""Type of the frame that a server begins with (RFC 9113 §3.4)."""

_MOST_BODY_BYTES = 4096
_POLL_SECONDS = 0.2


class Closed(Exception):
    """The peer ended the connection; the text says how.

    Attributes:
        graceful: whether it announced that first (GOAWAY without error), which gRPC clients tolerate.
    """

    def __init__(self, how: str, *, graceful: bool = False) -> None:
        super().__init__(how)
        self.graceful = graceful


class NotHttp2(Exception):
    """The peer does not speak HTTP/2; the text says what it did instead."""


class Connection:
    """An HTTP/2 connection over a socket that is connected, with TLS or without; its maker closes the socket."""

    def __init__(self, connected: socket.socket, authority: str, *, scheme: str = "https") -> None:
        """Args.

        connected: with TLS its ALPN must have been h2.
        authority: what every request names as :authority.
        scheme: "https", or "http" over plaintext (prior knowledge, RFC 9113 §3.3).
        """
        import h2.config
        import h2.connection

        self._socket, self._authority, self._scheme = connected, authority, scheme
        configuration = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(configuration)
        self._ended: Closed | None = None
        self._greeted = False

    def settle(self, seconds: float) -> dict[str, int]:
        """Exchange SETTINGS, and return what the peer said of itself.

        Raises:
            NotHttp2: it sent something else, or nothing.
            Closed: it ended the connection.
        """
        import h2.events

        self._h2.initiate_connection()
        self._send()
        try:
            for event in self._events(time.monotonic() + seconds):
                if isinstance(event, h2.events.RemoteSettingsChanged):
                    return {_code(code): int(each.new_value) for code, each in event.changed_settings.items()}
        except TimeoutError:
            pass
        raise NotHttp2("it sends no SETTINGS")

    def call(self, method: str, seconds: float, *, authorization: str = "") -> HttpAnswer:
        """Call a method of Milvus with an empty message, shaped as gRPC does it.

        Args:
            method: such as GetVersion.
            seconds: for the whole answer.
            authorization: value of the header of that name, "" for none; never shown.

        Raises:
            Closed: the connection ended, or the stream was reset.
            TimeoutError: no answer in time.
        """
        sent = [
            (":method", "POST"),
            (":scheme", self._scheme),
            (":path", SERVICE + method),
            (":authority", self._authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "milvus-gke-l7"),
        ]
        return self.request([*sent, ("authorization", authorization)] if authorization else sent, _NO_MESSAGE, seconds)

    def request(self, headers: list[tuple[str, str]], body: bytes, seconds: float) -> HttpAnswer:
        """Send one request and read its answer; no body is a request without one."""
        import h2.events
        import h2.exceptions

        if self._ended:
            raise self._ended
        try:
            stream = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream, headers, end_stream=not body)
            if body:
                self._h2.send_data(stream, body, end_stream=True)
            self._send()
        except h2.exceptions.ProtocolError as error:
            raise Closed(f"takes no request any more ({type(error).__name__})") from None
        seen: dict[str, str] = {}
        data = b""
        for event in self._events(time.monotonic() + seconds):
            if getattr(event, "stream_id", stream) != stream:
                continue
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    seen |= {str(name): str(value) for name, value in event.headers or ()}
                case h2.events.DataReceived():
                    data = (data + (event.data or b""))[:_MOST_BODY_BYTES]
                    self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                    self._send()
                case h2.events.StreamReset():
                    raise Closed(f"was reset ({_code(event.error_code)})")
                case h2.events.StreamEnded():
                    break
        status = seen.pop(":status", "")
        text = "" if seen.get("content-type", "").startswith("application/grpc") else data.decode("utf-8", "replace")
        return HttpAnswer(int(status) if status.isdigit() else 0, seen, text)

    def stay_silent(self, seconds: float, given_up: threading.Event) -> None:
        """Say nothing for this long, or until `given_up` is set; what the peer asks is answered (PING, SETTINGS).

        Raises:
            Closed: the peer ended the connection meanwhile.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not given_up.is_set():
            with contextlib.suppress(TimeoutError):
                for _ in self._events(time.monotonic() + min(left, _POLL_SECONDS)):
                    pass

    def _events(self, until: float) -> Iterator[Any]:
        """What the peer does, as h2 tells it, until the caller has seen enough.

        Raises:
            TimeoutError: `until` has come.
            Closed: the connection has ended.
            NotHttp2: what came is no HTTP/2.
        """
        import h2.exceptions

        while True:
            if self._ended:
                raise self._ended
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            try:
                received = self._socket.recv(65_536)
            except TimeoutError:
                raise
            except OSError as error:
                raise Closed(f"was broken off ({error.strerror or type(error).__name__})") from None
            if not received:
                raise Closed("was closed by the peer")
            if not self._greeted and received[3:4] not in (b"", _SETTINGS):
                raise NotHttp2("it answers something else")
            self._greeted = True
            try:
                events = self._h2.receive_data(received)
            except h2.exceptions.ProtocolError as error:
                raise NotHttp2(f"it answers something else ({type(error).__name__})") from None
            self._ended = _end_among(events)
            if not self._ended:
                self._send()
            yield from events

    def _send(self) -> None:
        try:
            self._socket.sendall(self._h2.data_to_send())
        except OSError as error:
            raise Closed(f"was broken off ({error.strerror or type(error).__name__})") from None


def _end_among(events: list[Any]) -> Closed | None:
    import h2.events

    for event in events:
        if isinstance(event, h2.events.ConnectionTerminated):
            code = _code(event.error_code)
            return Closed(f"was ended by the peer (GOAWAY {code})", graceful=code == "NO_ERROR")
    return None


def _code(code: Any) -> str:
    return str(getattr(code, "name", code))
