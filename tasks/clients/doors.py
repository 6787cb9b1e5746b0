"""Knocking from outside: a call to Milvus without a user or as root with the default password, and plain HTTP.

Certificates are not judged here, so no secret may be sent; the default password is none.
"""

import base64
import http.client
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tasks.clients import wire
from tasks.clients.http2 import Closed, Connection, NotHttp2
from tasks.core import exposure
from tasks.core.allow_list import Knock
from tasks.core.exposure import Door, Received
from tasks.core.http_faults import HttpAnswer

CONNECT_SECONDS = 3.0
_CALL_SECONDS = 10.0
_MOST_BODY_BYTES = 4096
# milvus pkg/util/constant.go: DefaultPassword; public, and yet kept out of every text.
_ROOT = base64.b64encode(b"root:Milvus").decode()


class Unreachable(Exception):
    """Nobody answers there; the text says what was met."""


@contextmanager
def connection(address: str, port: int, authority: str, *, secure: bool, source: str = "") -> Iterator[Connection]:
    """An HTTP/2 connection, with TLS whose certificate nobody judges, or in plaintext as gRPC has it.

    Args:
        address: to dial.
        port: of it.
        authority: what requests name, and TLS.
        secure: with TLS.
        source: address of this machine to come from; "" for the usual one.

    Raises:
        Unreachable: there is none.
    """
    with ExitStack() as stack:
        try:
            plain = stack.enter_context(wire.connection(address, port, CONNECT_SECONDS, source))
            held = Connection(plain, authority, scheme="http")
            if secure:
                context = wire.unjudging()
                context.set_alpn_protocols(["h2"])
                held = Connection(
                    stack.enter_context(wire.secured(plain, context, authority, CONNECT_SECONDS)), authority
                )
            held.settle(CONNECT_SECONDS)
        except (OSError, ssl.SSLError, Closed, NotHttp2) as error:
            raise Unreachable(f"{address}:{port}: {error}") from None
        yield held


def knock(address: str, port: int, authority: str, *, secure: bool) -> tuple[Door, Door]:
    """How Milvus receives somebody without a user, and root with the default password.

    Raises:
        Unreachable: no connection.
    """
    with connection(address, port, authority, secure=secure) as held:
        return _received(held, ""), _received(held, _ROOT)


def knock_from(source: str, address: str, port: int, authority: str) -> Knock:
    """What a harmless call meets that comes from this address of the machine."""
    if not wire.has_address(source):
        return Knock(source, why="this machine has no such address, so nobody can be asked from there")
    try:
        with connection(address, port, authority, secure=True, source=source) as held:
            return Knock(source, held.call("GetVersion", _CALL_SECONDS))
    except Unreachable as error:
        return Knock(source, why=f"no connection reaches the load balancer from there ({error})")
    except (Closed, NotHttp2) as error:
        return Knock(source, why=f"the connection {error}")
    except TimeoutError:
        return Knock(source, HttpAnswer(0))


def knock_either_way(address: str, port: int) -> tuple[Door, Door]:
    """The same at a port that may speak plaintext or TLS.

    Raises:
        Unreachable: it speaks neither, or nobody answers.
    """
    try:
        return knock(address, port, address, secure=False)
    except Unreachable:
        return knock(address, port, address, secure=True)


def _received(held: Connection, authorization: str) -> Door:
    try:
        answer = held.call("ShowCollections", _CALL_SECONDS, authorization=authorization)
    except (Closed, NotHttp2) as error:
        return Door(Received.UNKNOWN, f"the connection {error}")
    except TimeoutError:
        answer = HttpAnswer(0)
    return exposure.door(answer, named=bool(authorization))


def management_over(held: Connection, authority: str) -> list[str]:
    """Paths of Milvus' management port that this connection serves."""
    return [path for path in exposure.MANAGEMENT_PATHS if exposure.is_management(path, _get(held, authority, path))]


def _get(held: Connection, authority: str, path: str) -> HttpAnswer:
    headers = [(":method", "GET"), (":scheme", "https"), (":path", path), (":authority", authority)]
    try:
        return held.request(headers, b"", _CALL_SECONDS)
    except (Closed, NotHttp2, TimeoutError):
        return HttpAnswer(0)


def management_at(address: str, port: int) -> list[str]:
    """Paths of Milvus' management port that an address serves in plain HTTP.

    A connection alone says nothing: Google's front ends may take one at ports that no forwarding rule has.
    """
    found: list[str] = []
    for path in exposure.MANAGEMENT_PATHS:
        answer = plain_get(address, port, address, path)
        if answer is None:
            return found
        if exposure.is_management(path, answer):
            found.append(path)
    return found


def plain_get(address: str, port: int, host: str, path: str = "/") -> HttpAnswer | None:
    """The answer to a GET over plain HTTP/1.1, redirects not followed; None when nothing answers."""
    connected = http.client.HTTPConnection(address, port, timeout=CONNECT_SECONDS)
    try:
        connected.request("GET", path, headers={"Host": host})
        answer = connected.getresponse()
        body = answer.read(_MOST_BODY_BYTES).decode("utf-8", "replace")
        return HttpAnswer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connected.close()
