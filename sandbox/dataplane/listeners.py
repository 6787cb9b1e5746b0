"""Forwarding rules and target proxies as Envoy listeners (pure).

TLS: the certificate is chosen by the client's SNI, the proxy's first one serves everybody else. A proxy none of whose
certificates can be presented closes the connection in the handshake. ALPN offers h2 and http/1.1; port 80 has HTTP/1.1
only. Errors of the load balancer's own have HTTP status 502 on the classic load balancer (Google, "Troubleshoot
external Application Load Balancers": the classic one always uses 502), and stay plain HTTP for a gRPC request, where
Envoy by itself would answer 200 with a grpc-status.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.dataplane import policies
from sandbox.dataplane.snapshot import Certificate, Json, Snapshot, name_of

_PREFIX = "type.googleapis.com/envoy.extensions"
_CLIENT_IDLE_TIMEOUT = "610s"
"""Google's keepalive towards clients, fixed on the classic load balancer (request-distribution)."""
_MARK = "x-sandbox-own-status"
_RESTORE_STATUS = f"""
function envoy_on_response(handle)
  local status = handle:headers():get("{_MARK}")
  if status then
    handle:headers():replace(":status", status)
    handle:headers():remove("{_MARK}")
    handle:headers():remove("grpc-status")
    handle:headers():remove("grpc-message")
    handle:headers():replace("content-type", "text/html; charset=UTF-8")
  end
end
"""
_BAD_GATEWAY = (
    "<html><head><title>502 Server Error</title></head><body><h1>Error: Server Error</h1>"
    "<h2>The server encountered a temporary error and could not complete your request.</h2></body></html>\n"
)
_MINIMUM_TLS = {"TLS_1_0": "TLSv1_0", "TLS_1_1": "TLSv1_1", "TLS_1_2": "TLSv1_2", "TLS_1_3": "TLSv1_3"}


def listener(
    rule: Json, snapshot: Snapshot, ports: Mapping[int, int], routes_file: Callable[[str], Path]
) -> Json | None:
    """One forwarding rule, or None when its target is no HTTP(S) proxy; `ports` says where a port really listens."""
    proxy_name = name_of(rule.get("target", ""))
    secure = "/targetHttpsProxies/" in rule.get("target", "")
    proxy = (snapshot.https_proxies if secure else snapshot.http_proxies).get(proxy_name)
    if proxy is None:
        return None
    port = int(rule.get("portRange", "0").partition("-")[0])
    routes = route_name(secure=secure, proxy=proxy_name)
    manager = _connection_manager(
        routes,
        routes_file(routes),
        codec="AUTO" if secure else "HTTP1",
        # The newer load balancer, EXTERNAL_MANAGED, says 503 and 504.
        always_502=rule.get("loadBalancingScheme", "EXTERNAL") == "EXTERNAL",
    )
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": rule["name"],
        "address": {
            "socket_address": {"address": rule["IPAddress"], "port_value": ports.get(port, port)},
        },
        **(_tls(proxy, manager, snapshot) if secure else {"filter_chains": [{"filters": [manager]}]}),
    }


def route_name(*, secure: bool, proxy: str) -> str:
    return f"{'https' if secure else 'http'}-{proxy}"


def _tls(proxy: Json, manager: Json, snapshot: Snapshot) -> Json:
    names = [name_of(url) for url in proxy.get("sslCertificates") or []]
    usable = [snapshot.certificates[name] for name in names if name in snapshot.certificates]
    chain: Json = {"filters": [manager]}
    if usable:
        policy = snapshot.ssl_policies.get(name_of(proxy.get("sslPolicy") or ""), {})
        chain["transport_socket"] = _transport_socket(usable, policy)
    else:
        # Envoy wants one chain at least; nobody asks for this name, so everybody is turned away at the ClientHello.
        chain["filter_chain_match"] = {"server_names": ["no-usable-certificate.invalid"]}
    inspector = {"@type": f"{_PREFIX}.filters.listener.tls_inspector.v3.TlsInspector"}
    return {
        "listener_filters": [{"name": "tls_inspector", "typed_config": inspector}],
        "filter_chains": [chain],
    }


def _transport_socket(certificates: list[Certificate], policy: Json) -> Json:
    return {
        "name": "tls",
        "typed_config": {
            "@type": f"{_PREFIX}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {
                    "tls_minimum_protocol_version": _MINIMUM_TLS.get(policy.get("minTlsVersion", ""), "TLSv1_0"),
                    "tls_maximum_protocol_version": "TLSv1_3",
                },
                "tls_certificates": [
                    {
                        "certificate_chain": {"inline_string": each.certificate},
                        "private_key": {"inline_string": each.private_key},
                    }
                    for each in certificates
                ],
            },
        },
    }


def _connection_manager(routes: str, routes_file: Path, *, codec: str, always_502: bool) -> Json:
    lua = {"@type": f"{_PREFIX}.filters.http.lua.v3.Lua", "default_source_code": {"inline_string": _RESTORE_STATUS}}
    return {
        "name": "http",
        "typed_config": {
            "@type": f"{_PREFIX}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "front_end",
            "codec_type": codec,
            "rds": {
                "route_config_name": routes,
                "config_source": {"path_config_source": {"path": str(routes_file)}},
            },
            "via": "1.1 google",
            "use_remote_address": True,
            "server_header_transformation": "PASS_THROUGH",
            "common_http_protocol_options": {"idle_timeout": _CLIENT_IDLE_TIMEOUT},
            "stream_idle_timeout": "0s",
            "local_reply_config": {"mappers": _own_errors(always_502=always_502)},
            "http_filters": [
                {"name": "lua", "typed_config": lua},
                policies.filter_(),
                {"name": "router", "typed_config": {"@type": f"{_PREFIX}.filters.http.router.v3.Router"}},
            ],
        },
    }


def _own_errors(*, always_502: bool) -> list[Json]:
    refusals = [
        _own_error(policies.denied(action), status, policies.page(status, reason))
        for action, (status, reason) in policies.DENIALS.items()
    ]
    timeout = {"response_flag_filter": {"flags": ["DT"]}}  # Envoy's 408 for max_stream_duration
    if always_502:
        others = [_own_error(timeout, 502), _own_error(_status("GE", 500), 502), _own_error(_status("EQ", 404), 404)]
        return [*refusals, *others]
    kept = [_own_error(_status("EQ", status), status) for status in (404, 502, 503, 504)]
    return [*refusals, _own_error(timeout, 504), *kept]


def _status(operation: str, value: int) -> Json:
    comparison = {"op": operation, "value": {"default_value": value, "runtime_key": "unused"}}
    return {"status_code_filter": {"comparison": comparison}}


def _own_error(condition: Json, status: int, body: str = "") -> Json:
    mark = {"key": _MARK, "value": str(status)}
    mapper: Json = {
        "filter": condition,
        "status_code": status,
        "headers_to_add": [{"header": mark, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }
    body = body or (_BAD_GATEWAY if status == 502 else "")
    return mapper | ({"body": {"inline_string": body}} if body else {})
