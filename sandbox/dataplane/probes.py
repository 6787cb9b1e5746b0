"""One probe of one endpoint, as Google's health check probers do it.

Success is status 200 and nothing else: no redirect is followed, no 2xx is as good. HTTPS and HTTP2 probes take any
certificate; an HTTP2 probe needs ALPN h2. Sources: Google, "Health checks overview"; Compute API healthChecks.
Simpler than there: `response` (expected body) and `proxyHeader` are not looked at.
"""

import contextlib
import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from sandbox.pod_network import dialled

_SECTIONS = {"HTTP": "httpHealthCheck", "HTTPS": "httpsHealthCheck", "HTTP2": "http2HealthCheck"}


@dataclass(frozen=True)
class Check:
    """What a health check resource asks for; times in seconds."""

    type: str
    path: str
    host: str
    port: int | None
    """None: the endpoint's own serving port."""
    interval_seconds: float
    timeout_seconds: float
    healthy_threshold: int
    unhealthy_threshold: int

    @classmethod
    def of(cls, resource: dict[str, Any]) -> "Check":
        """Read a healthCheck resource; absent fields have Compute's own defaults (5/5/2/2, `/`)."""
        kind = resource.get("type", "HTTP")
        section = resource.get(_SECTIONS.get(kind, ""), {})
        fixed = section.get("portSpecification") != "USE_SERVING_PORT" and section.get("port")
        return cls(
            type=kind,
            path=section.get("requestPath") or "/",
            host=section.get("host") or "",
            port=int(section["port"]) if fixed else None,
            interval_seconds=float(resource.get("checkIntervalSec") or 5),
            timeout_seconds=float(resource.get("timeoutSec") or 5),
            healthy_threshold=int(resource.get("healthyThreshold") or 2),
            unhealthy_threshold=int(resource.get("unhealthyThreshold") or 2),
        )


def probe(check: Check, address: str, serving_port: int) -> bool:
    """Whether the endpoint answers 200 in time."""
    port = check.port or serving_port
    host, address = check.host or address, dialled(address)
    try:
        if check.type == "HTTP2":
            return _probe_http2(check, address, port, host)
        return _probe_http1(check, address, port, host)
    except (OSError, http.client.HTTPException, h2.exceptions.ProtocolError):
        return False


def _probe_http1(check: Check, address: str, port: int, host: str) -> bool:
    connection: http.client.HTTPConnection
    if check.type == "HTTPS":
        connection = http.client.HTTPSConnection(
            address, port, timeout=check.timeout_seconds, context=_any_certificate()
        )
    else:
        connection = http.client.HTTPConnection(address, port, timeout=check.timeout_seconds)
    with contextlib.closing(connection):
        connection.request(
            "GET", check.path, headers={"Host": host, "User-Agent": "GoogleHC/1.0", "Connection": "close"}
        )
        return connection.getresponse().status == http.HTTPStatus.OK


def _probe_http2(check: Check, address: str, port: int, host: str) -> bool:
    with (
        socket.create_connection((address, port), timeout=check.timeout_seconds) as plain,
        _any_certificate("h2").wrap_socket(plain) as secure,
    ):
        if secure.selected_alpn_protocol() != "h2":
            return False
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        connection.initiate_connection()
        headers = [(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", check.path)]
        connection.send_headers(1, headers, end_stream=True)
        secure.sendall(connection.data_to_send())
        while data := secure.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    return (b":status", b"200") in event.headers
                if isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    return False
            secure.sendall(connection.data_to_send())
    return False


def _any_certificate(alpn: str = "http/1.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context
