"""Real Milvus servers."""

import http.client
import os
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from sandbox.ca import CertificateAuthority
from sandbox.milvus.server import MilvusServer
from sandbox.processes import ProcessFailed

pytestmark = pytest.mark.slow

TLS = "common: {security: {tlsMode: 1}}\n"


def started(server: MilvusServer) -> MilvusServer:
    server.start()
    server.process.wait_until_ready(lambda: server.healthy() and listens(server.grpc_port), timeout_seconds=120)
    return server


def listens(port: int) -> bool:
    """On a busy machine Milvus says that it is healthy a moment before its port is open."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_servers_run_side_by_side_and_data_survive_a_restart(tmp_path: Path) -> None:
    """A Deployment that restarts Milvus for TLS must find its collections again."""
    first, second = MilvusServer("first", tmp_path / "a"), MilvusServer("second", tmp_path / "b")
    try:
        client = MilvusClient(f"http://127.0.0.1:{started(first).grpc_port}")
        started(second)
        client.create_collection("kept", dimension=4)
        client.insert("kept", [{"id": number, "vector": [float(number)] * 4} for number in range(10)])
        client.close()
        first.stop()

        first = MilvusServer("first", tmp_path / "a", user_yaml=TLS)
        before = time.monotonic()
        started(first)
        assert time.monotonic() - before < 30, "it waits for the sessions of its predecessor"

        pem = tmp_path / "a" / "configs" / "cert" / "ca.pem"
        client = MilvusClient(
            f"https://localhost:{first.grpc_port}", secure=True, server_pem_path=str(pem), server_name="localhost"
        )
        assert client.list_collections() == ["kept"]
        client.close()
    finally:
        first.stop()
        second.stop()


def test_a_mounted_certificate_is_served(tmp_path: Path) -> None:
    authority = CertificateAuthority()
    leaf = authority.issue("milvus.internal")
    certificates = tmp_path / "root" / "etc" / "certs"
    certificates.mkdir(parents=True)
    (certificates / "tls.crt").write_bytes(leaf.certificate_pem)
    (certificates / "tls.key").write_bytes(leaf.key_pem)
    user_yaml = TLS + "tls: {serverPemPath: /etc/certs/tls.crt, serverKeyPath: /etc/certs/tls.key}\n"
    server = MilvusServer("tls", tmp_path / "home", user_yaml=user_yaml, root=tmp_path / "root")
    try:
        started(server)
        served = ssl.get_server_certificate(("127.0.0.1", server.grpc_port))
        assert served.split() == leaf.certificate_pem.decode().split()
        # The metrics port stays plain HTTP: that is why the health check has to.
        connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        server.stop()


def test_a_server_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    server = MilvusServer("broken", tmp_path)
    server.start()
    assert server.process.pid is not None
    os.kill(server.process.pid, signal.SIGKILL)

    with pytest.raises(ProcessFailed, match="broken ended with code -9"):
        server.process.wait_until_ready(server.healthy, timeout_seconds=10)
