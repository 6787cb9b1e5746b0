"""Forwards of TCP: what is stopped leaves no connection behind, also none that was just on its way in."""

import contextlib
import gc
import socket
import threading
from collections.abc import Iterator

import pytest

from sandbox.workload.forwarder import Forwarder


@pytest.fixture
def forwarder() -> Iterator[Forwarder]:
    made = Forwarder()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def target() -> Iterator[socket.socket]:
    """A server that takes connections and never reads."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def free_address() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
    return str(host), int(port)


def test_bytes_pass_in_both_directions(forwarder: Forwarder, target: socket.socket) -> None:
    listen = free_address()
    forwarder.open(listen, target.getsockname)

    with socket.create_connection(listen, timeout=5) as client:
        there, _ = target.accept()
        with there:
            client.sendall(b"question")
            assert there.recv(8) == b"question"
            there.sendall(b"answer")
            assert client.recv(6) == b"answer"


def test_connections_end_with_their_forward_even_those_just_made(target: socket.socket) -> None:
    """Whoever stops does not wait for a peer that reads nothing, and leaves no socket to the garbage collector."""
    forwarder = Forwarder()
    forwarder.start()
    listen = free_address()
    forwarder.open(listen, target.getsockname)
    with contextlib.ExitStack() as clients:
        sockets = [clients.enter_context(socket.create_connection(listen, timeout=5)) for _ in range(20)]
        for client in sockets:
            client.sendall(b"x" * 100_000)

        forwarder.stop()

        gc.collect()  # an unclosed transport would warn now
        for client in sockets:
            with contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""


def test_a_forward_that_is_closed_while_somebody_connects_loses_nobody(
    forwarder: Forwarder, target: socket.socket
) -> None:
    """A Pod that is replaced is knocked at all the time, by the prober above all."""
    listen, over = free_address(), threading.Event()

    def knock() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), socket.create_connection(listen, timeout=1):
                pass

    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        forwarder.open(listen, target.getsockname)
        forwarder.close(listen)
    over.set()
    for thread in threads:
        thread.join()

    gc.collect()  # what was lost would warn now
