"""Backend services and network endpoint groups as Envoy clusters and endpoint assignments (pure).

The load balancer takes any certificate from a backend: chain, name and dates are not looked at (Google, "Backend
authenticated TLS"). `HTTP2` means TLS and HTTP/2; there is no cleartext HTTP/2 on the classic load balancer.
Simpler than there: requests are dealt out in turn, whatever `sessionAffinity` says; when an endpoint leaves, its
running requests may end, however long that takes, whatever `connectionDraining` says.
"""

from collections.abc import Collection
from pathlib import Path

from sandbox.dataplane.snapshot import Endpoint, Json, Snapshot
from sandbox.pod_network import dialled

_BACKEND_IDLE_TIMEOUT = "600s"
"""Google's keepalive towards backends, fixed (request-distribution)."""
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def cluster(service: Json, endpoints_file: Path) -> Json:
    """One backend service; its endpoints come from `endpoints_file`."""
    protocol = service.get("protocol", "HTTP")
    result: Json = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": service["name"],
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {"path_config_source": {"path": str(endpoints_file)}}},
        "connect_timeout": "5s",
        # Never send to an endpoint that fails its check, even if all do.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {"thresholds": [_no_limit("DEFAULT"), _no_limit("HIGH")]},
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "common_http_protocol_options": {"idle_timeout": _BACKEND_IDLE_TIMEOUT},
                "explicit_http_config": {
                    "http2_protocol_options" if protocol == "HTTP2" else "http_protocol_options": {}
                },
            }
        },
    }
    if protocol in ("HTTP2", "HTTPS"):
        alpn = "h2" if protocol == "HTTP2" else "http/1.1"
        result["transport_socket"] = {
            "name": "tls",
            "typed_config": {"@type": _TLS, "common_tls_context": {"alpn_protocols": [alpn]}},
        }
    return result


def assignment(name: str, snapshot: Snapshot, healthy: Collection[Endpoint]) -> Json:
    """The endpoints of one backend service with the probers' verdict on each."""
    endpoints = [
        {
            "endpoint": {"address": {"socket_address": {"address": dialled(address), "port_value": port}}},
            "health_status": "HEALTHY" if (address, port) in healthy else "UNHEALTHY",
        }
        for address, port in snapshot.endpoints_of(name)
    ]
    return {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": endpoints}],
    }


def _no_limit(priority: str) -> Json:
    limit = 1_000_000
    return {
        "priority": priority,
        "max_connections": limit,
        "max_pending_requests": limit,
        "max_requests": limit,
        "max_retries": limit,
    }
