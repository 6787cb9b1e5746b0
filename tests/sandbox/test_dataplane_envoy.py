"""A real Envoy, configured from hand-made Compute resources, in front of small real servers."""

import datetime as dt
import http.client
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from sandbox.ca import CertificateAuthority, Leaf
from sandbox.dataplane.configuration import configuration
from sandbox.dataplane.envoy import Envoy
from sandbox.dataplane.snapshot import Certificate, Endpoint, Snapshot
from tests.waiting import eventually

pytestmark = pytest.mark.slow

Json = dict[str, Any]
PROJECT = "https://www.googleapis.com/compute/v1/projects/p"
HOST = "milvus.example.com"


def service(name: str, **fields: Any) -> Json:
    group = f"{PROJECT}/zones/z/networkEndpointGroups/{name}"
    return {"name": name, "protocol": "HTTP", "timeoutSec": 30, "backends": [{"group": group}], **fields}


def project(backend: Json, endpoint: Endpoint, certificates: dict[str, Leaf], **https_proxy: Any) -> Snapshot:
    """A load balancer on 443 and 80 with one host rule to `backend`, everything else to the default backend."""
    default = {
        "name": "default",
        "description": '{"kubernetes.io/service-name":"kube-system/default-http-backend"}',
        "backends": [],
    }
    url_map = {
        "name": "um",
        "defaultService": f"{PROJECT}/global/backendServices/default",
        "hostRules": [{"hosts": [HOST], "pathMatcher": "host1"}],
        "pathMatchers": [
            {
                "name": "host1",
                "defaultService": f"{PROJECT}/global/backendServices/default",
                "pathRules": [{"paths": ["/*"], "service": f"{PROJECT}/global/backendServices/{backend['name']}"}],
            }
        ],
    }
    proxy = {
        "name": "ts",
        "urlMap": f"{PROJECT}/global/urlMaps/um",
        "sslCertificates": [f"{PROJECT}/global/sslCertificates/{name}" for name in certificates],
        **https_proxy,
    }
    rules = {
        "fs": {"name": "fs", "portRange": "443-443", "target": f"{PROJECT}/global/targetHttpsProxies/ts"},
        "fr": {"name": "fr", "portRange": "80-80", "target": f"{PROJECT}/global/targetHttpProxies/tp"},
    }
    return Snapshot(
        forwarding_rules={name: rule | {"IPAddress": "127.0.0.1"} for name, rule in rules.items()},
        https_proxies={"ts": proxy},
        http_proxies={"tp": {"name": "tp", "urlMap": f"{PROJECT}/global/urlMaps/um"}},
        url_maps={"um": url_map},
        backend_services={backend["name"]: backend, "default": default},
        certificates={
            name: Certificate(leaf.certificate_pem.decode(), leaf.key_pem.decode())
            for name, leaf in certificates.items()
        },
        endpoints={f"z/{backend['name']}": (endpoint,)},
    )


class FrontEnd:
    """Envoy with the ports on which the load balancer's 443 and 80 really listen."""

    def __init__(self, directory: Path) -> None:
        self.envoy = Envoy(directory)
        self.https_port, self.http_port = free_port(), free_port()

    def serve(self, snapshot: Snapshot, *, healthy: bool = True) -> None:
        """Configure and wait until both ports answer."""
        healthy_endpoints = {name: snapshot.endpoints_of(name) for name in snapshot.backend_services} if healthy else {}
        self.envoy.configure(
            configuration(
                snapshot,
                serving=snapshot.forwarding_rules,
                healthy=healthy_endpoints,
                ports={443: self.https_port, 80: self.http_port},
                files=self.envoy.files,
            )
        )
        for port in (self.https_port, self.http_port):
            eventually(lambda port=port: accepts(port), explain=self.envoy.process.log_tail)  # type: ignore[misc]

    def get(
        self,
        path: str = "/",
        *,
        host: str = HOST,
        sni: str = HOST,
        context: ssl.SSLContext | None = None,
        source: str = "127.0.0.1",
    ) -> http.client.HTTPResponse:
        """GET over TLS; no certificate is verified unless the context does."""
        context = context or unverified()
        plain = socket.create_connection(("127.0.0.1", self.https_port), timeout=10, source_address=(source, 0))
        connection = http.client.HTTPConnection(host)
        connection.sock = context.wrap_socket(plain, server_hostname=sni)
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        response.content = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response


@pytest.fixture
def front_end(tmp_path: Path) -> Iterator[FrontEnd]:
    front = FrontEnd(tmp_path / "envoy")
    front.envoy.start()
    yield front
    front.envoy.stop()


class Hello(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(5)  # longer than the timeout under test
        body = b"hello"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@pytest.fixture
def http_backend() -> Iterator[Endpoint]:
    server = QuietServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def grpc_backend() -> Iterator[Endpoint]:
    """A gRPC server with a certificate that nobody should trust, which echoes what it gets."""
    leaf = CertificateAuthority("stranger").issue("localhost", validity=dt.timedelta(minutes=-1))
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.method_handlers_generic_handler(
        "t.Echo",
        {
            "Call": grpc.unary_unary_rpc_method_handler(lambda request, context: request),
            "Forever": grpc.unary_stream_rpc_method_handler(forever),
        },
    )
    server.add_generic_rpc_handlers((handler,))
    credentials = grpc.ssl_server_credentials([(leaf.key_pem, leaf.certificate_pem)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield "127.0.0.1", port
    server.stop(0).wait()


def forever(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    stop = threading.Event()
    context.add_callback(stop.set)
    while not stop.wait(0.05):
        yield request


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def verified(*authorities: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata="".join(each.certificate_pem.decode() for each in authorities))


def channel(front: FrontEnd, authority: CertificateAuthority, host: str = HOST) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(authority.certificate_pem)
    options = [("grpc.ssl_target_name_override", host), ("grpc.enable_retries", 0)]
    return grpc.secure_channel(f"127.0.0.1:{front.https_port}", credentials, options)


def test_a_request_reaches_the_backend_over_tls(front_end: FrontEnd, http_backend: Endpoint) -> None:
    authority = CertificateAuthority()
    front_end.serve(project(service("be"), http_backend, {"c": authority.issue(HOST)}))

    response = front_end.get(context=verified(authority))

    assert (response.status, response.content) == (200, b"hello")  # type: ignore[attr-defined]
    assert response.headers["via"] == "1.1 google"


def test_a_host_without_a_rule_meets_the_default_backend(front_end: FrontEnd, http_backend: Endpoint) -> None:
    front_end.serve(project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)}))

    response = front_end.get(host="other.example.com")

    assert (response.status, response.content) == (404, b"default backend - 404")  # type: ignore[attr-defined]


def test_a_port_in_the_authority_does_not_matter(front_end: FrontEnd, http_backend: Endpoint) -> None:
    front_end.serve(project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)}))

    assert front_end.get(host=f"{HOST}:443").status == 200


def test_sni_chooses_the_certificate_and_the_first_serves_the_rest(front_end: FrontEnd, http_backend: Endpoint) -> None:
    first, second = CertificateAuthority("first"), CertificateAuthority("second")
    certificates = {"z": first.issue("a.example.com"), "a": second.issue(HOST)}
    front_end.serve(project(service("be"), http_backend, certificates))

    assert front_end.get(context=verified(second), sni=HOST).status == 200
    assert front_end.get(context=verified(first), sni="a.example.com").status == 200
    anybody = verified(first)
    anybody.check_hostname = False
    assert front_end.get(context=anybody, sni="unknown.example.com").status == 200


def test_without_a_usable_certificate_the_handshake_fails(front_end: FrontEnd, http_backend: Endpoint) -> None:
    """All there is on the proxy is a Google-managed certificate that is still PROVISIONING."""
    snapshot = project(service("be"), http_backend, {"mcrt": CertificateAuthority().issue(HOST)})
    front_end.serve(replace(snapshot, certificates={}))

    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        front_end.get()
    assert plain_get(front_end).status == 200


def plain_get(front: FrontEnd, host: str = HOST) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", front.http_port, timeout=10)
    connection.request("GET", "/x?y=1", headers={"Host": host})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_a_new_certificate_is_presented_without_a_restart(front_end: FrontEnd, http_backend: Endpoint) -> None:
    old, new = CertificateAuthority("old"), CertificateAuthority("new")
    front_end.serve(project(service("be"), http_backend, {"c": old.issue(HOST)}))
    assert front_end.get(context=verified(old)).status == 200

    front_end.serve(project(service("be"), http_backend, {"c": new.issue(HOST)}))

    def renewed() -> bool:
        try:
            return front_end.get(context=verified(new)).status == 200
        except ssl.SSLError:
            return False

    eventually(renewed, explain=front_end.envoy.process.log_tail)


def test_grpc_reaches_an_http2_backend_whose_certificate_is_not_looked_at(
    front_end: FrontEnd, grpc_backend: Endpoint
) -> None:
    authority = CertificateAuthority()
    front_end.serve(project(service("be", protocol="HTTP2"), grpc_backend, {"c": authority.issue(HOST)}))

    with channel(front_end, authority) as client:
        assert client.unary_unary("/t.Echo/Call")(b"x", timeout=10) == b"x"


def grpc_error(front: FrontEnd, authority: CertificateAuthority, host: str = HOST) -> tuple[grpc.StatusCode, str]:
    with channel(front, authority, host) as client, pytest.raises(grpc.RpcError) as caught:
        client.unary_unary("/t.Echo/Call")(b"x", timeout=10)
    return caught.value.code(), caught.value.details()


def test_no_healthy_endpoint_is_http_502_for_grpc_too(front_end: FrontEnd, grpc_backend: Endpoint) -> None:
    authority = CertificateAuthority()
    snapshot = project(service("be", protocol="HTTP2"), grpc_backend, {"c": authority.issue(HOST)})
    front_end.serve(snapshot, healthy=False)

    code, text = grpc_error(front_end, authority)

    assert (code, "502" in text) == (grpc.StatusCode.UNAVAILABLE, True)
    assert front_end.get().status == 502


def test_a_plaintext_backend_behind_http2_is_502(front_end: FrontEnd, http_backend: Endpoint) -> None:
    """Milvus without TLS behind `app-protocols: HTTP2`: healthy on 9091, and yet every call fails."""
    authority = CertificateAuthority()
    front_end.serve(project(service("be", protocol="HTTP2"), http_backend, {"c": authority.issue(HOST)}))

    code, text = grpc_error(front_end, authority)

    assert (code, "502" in text) == (grpc.StatusCode.UNAVAILABLE, True)


def test_a_tls_backend_behind_http_is_502(front_end: FrontEnd, grpc_backend: Endpoint) -> None:
    """The app-protocols annotation names no port of the Service, so that the protocol stays HTTP."""
    authority = CertificateAuthority()
    front_end.serve(project(service("be", protocol="HTTP"), grpc_backend, {"c": authority.issue(HOST)}))

    code, text = grpc_error(front_end, authority)

    assert (code, "502" in text) == (grpc.StatusCode.UNAVAILABLE, True)


def test_grpc_to_a_host_without_a_rule_is_unimplemented(front_end: FrontEnd, grpc_backend: Endpoint) -> None:
    authority = CertificateAuthority()
    leaf = authority.issue(HOST, "other.example.com")
    front_end.serve(project(service("be", protocol="HTTP2"), grpc_backend, {"c": leaf}))

    code, text = grpc_error(front_end, authority, host="other.example.com")

    assert (code, "404" in text) == (grpc.StatusCode.UNIMPLEMENTED, True)


def test_the_backend_timeout_cuts_a_slow_answer_and_a_busy_stream(
    front_end: FrontEnd, http_backend: Endpoint, grpc_backend: Endpoint
) -> None:
    authority = CertificateAuthority()
    certificates = {"c": authority.issue(HOST)}
    front_end.serve(project(service("be", timeoutSec=1), http_backend, certificates))
    assert front_end.get("/slow").status == 502

    front_end.serve(project(service("be2", protocol="HTTP2", timeoutSec=1), grpc_backend, certificates))
    eventually(lambda: stream_lives(front_end, authority), explain=front_end.envoy.process.log_tail)
    started = time.monotonic()
    with channel(front_end, authority) as client, pytest.raises(grpc.RpcError):
        for _ in client.unary_stream("/t.Echo/Forever")(b"x", timeout=120):
            pass
    # Not by its status: Envoy hands its timeout on, and a server that is quicker says what the client would say.
    assert time.monotonic() - started < 100, "the client ended it"
    assert time.monotonic() - started > 0.8, "it ended before its time"


def stream_lives(front: FrontEnd, authority: CertificateAuthority) -> bool:
    with channel(front, authority) as client:
        try:
            return bool(client.unary_unary("/t.Echo/Call")(b"x", timeout=10))
        except grpc.RpcError:
            return False


@pytest.mark.parametrize(
    ("code", "status"),
    [("MOVED_PERMANENTLY_DEFAULT", 301), ("FOUND", 302), ("TEMPORARY_REDIRECT", 307), ("PERMANENT_REDIRECT", 308)],
)
def test_port_80_redirects_to_https(front_end: FrontEnd, http_backend: Endpoint, code: str, status: int) -> None:
    snapshot = project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)})
    redirect = {"name": "rm", "defaultUrlRedirect": {"httpsRedirect": True, "redirectResponseCode": code}}
    proxies = {"tp": {"name": "tp", "urlMap": f"{PROJECT}/global/urlMaps/rm"}}
    front_end.serve(replace(snapshot, url_maps={**snapshot.url_maps, "rm": redirect}, http_proxies=proxies))

    response = plain_get(front_end)

    assert response.status == status
    assert response.headers["location"] == f"https://{HOST}:{front_end.https_port}/x?y=1"


def test_an_ssl_policy_refuses_older_tls(front_end: FrontEnd, http_backend: Endpoint) -> None:
    policy = {"strict": {"name": "strict", "minTlsVersion": "TLS_1_3"}}
    snapshot = project(
        service("be"),
        http_backend,
        {"c": CertificateAuthority().issue(HOST)},
        sslPolicy=f"{PROJECT}/global/sslPolicies/strict",
    )
    front_end.serve(replace(snapshot, ssl_policies=policy))
    old = unverified()
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises(ssl.SSLError):
        front_end.get(context=old)
    assert front_end.get().status == 200


STRANGER, FRIEND = "127.0.99.1", "127.0.99.2"


def guarded(snapshot: Snapshot, action: str, *, covers: str = "be", preview: bool = False) -> Snapshot:
    """The same with a policy on one backend service: a friend may, the friend's network may not, others may."""
    rules = [
        {"priority": 20, "action": action, "preview": preview, "match": sources("127.0.99.0/24", "2001:db8::/32")},
        {"priority": 10, "action": "allow", "match": sources(FRIEND)},
        {"priority": 2147483647, "action": "allow", "match": sources("*")},
    ]
    covered = {**snapshot.backend_services[covers], "securityPolicy": f"{PROJECT}/global/securityPolicies/office"}
    return replace(
        snapshot,
        backend_services={**snapshot.backend_services, covers: covered},
        security_policies={"office": {"name": "office", "rules": rules}},
    )


def sources(*ranges: str) -> Json:
    return {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}}


@pytest.mark.parametrize(("action", "status"), [("deny(403)", 403), ("deny(404)", 404), ("deny(502)", 502)])
def test_a_policy_refuses_by_source_address(
    front_end: FrontEnd, http_backend: Endpoint, action: str, status: int
) -> None:
    snapshot = project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)})
    front_end.serve(guarded(snapshot, action))

    refused = front_end.get(source=STRANGER)

    assert refused.status == status
    assert refused.content.endswith({403: b"403 Forbidden", 404: b"404 Not Found", 502: b"502 Bad Gateway"}[status])  # type: ignore[attr-defined]
    assert len(refused.content) < 200  # type: ignore[attr-defined]
    assert refused.headers["content-type"] == "text/html; charset=UTF-8"
    assert front_end.get(source=FRIEND).status == 200, "the first rule that matches decides"
    assert front_end.get().status == 200
    assert front_end.get(host="other.example.com", source=STRANGER).content == b"default backend - 404"  # type: ignore[attr-defined]


def test_a_policy_of_the_default_backend_refuses_there_alone(front_end: FrontEnd, http_backend: Endpoint) -> None:
    snapshot = project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)})
    front_end.serve(guarded(snapshot, "deny(403)", covers="default"))

    assert front_end.get(host="other.example.com", source=STRANGER).status == 403
    assert front_end.get(host="other.example.com").status == 404
    assert front_end.get(source=STRANGER).status == 200


def test_a_header_does_not_make_a_stranger_a_friend(front_end: FrontEnd, http_backend: Endpoint) -> None:
    snapshot = project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)})
    front_end.serve(guarded(snapshot, "deny(403)"))

    connection = http.client.HTTPConnection("127.0.0.1", front_end.http_port, source_address=(STRANGER, 0))
    connection.request("GET", "/", headers={"Host": HOST, "X-Forwarded-For": FRIEND})
    status = connection.getresponse().status
    connection.close()

    assert status == 403


def test_a_refused_grpc_client_meets_plain_http(front_end: FrontEnd, grpc_backend: Endpoint) -> None:
    authority = CertificateAuthority()
    snapshot = project(service("be", protocol="HTTP2"), grpc_backend, {"c": authority.issue(HOST)})
    policy = {"rules": [{"priority": 2147483647, "action": "deny(403)", "match": sources("*")}]}
    front_end.serve(replace(guarded(snapshot, "allow"), security_policies={"office": policy}))

    code, text = grpc_error(front_end, authority)

    assert (code, "403" in text) == (grpc.StatusCode.PERMISSION_DENIED, True)


def test_a_policy_that_changes_is_in_force_without_a_restart(front_end: FrontEnd, http_backend: Endpoint) -> None:
    snapshot = project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)})
    front_end.serve(guarded(snapshot, "deny(403)", preview=True))
    assert front_end.get(source=STRANGER).status == 200, "in preview nothing is refused"

    front_end.serve(guarded(snapshot, "deny(403)"))
    eventually(lambda: front_end.get(source=STRANGER).status == 403, explain=front_end.envoy.process.log_tail)

    front_end.serve(snapshot)
    eventually(lambda: front_end.get(source=STRANGER).status == 200, explain=front_end.envoy.process.log_tail)


def test_the_files_with_private_keys_are_the_owners_alone(front_end: FrontEnd, http_backend: Endpoint) -> None:
    front_end.serve(project(service("be"), http_backend, {"c": CertificateAuthority().issue(HOST)}))

    assert front_end.envoy.files.listeners.stat().st_mode & 0o777 == 0o600
