"""URL maps as Envoy route configurations (pure).

Host rules match the request's authority without regard to a port in it, so that `domain:443` is the domain; what Google
does with such a suffix is not documented. Paths: the longest match wins, an exact path before a prefix. Simpler than
there: no weighted services, header actions or path rewrites, which GKE Ingress never writes.
Sources: ingress-gce pkg/translator (what is written), Compute API urlMaps (what it means).
"""

from sandbox.dataplane import policies
from sandbox.dataplane.snapshot import DEFAULT_BACKEND, Json, Snapshot, kubernetes_service, name_of

DEFAULT_TIMEOUT_SECONDS = 30
"""A backend service without `timeoutSec` (Compute API)."""

_REDIRECT_CODES = {
    "MOVED_PERMANENTLY_DEFAULT": "MOVED_PERMANENTLY",
    "FOUND": "FOUND",
    "SEE_OTHER": "SEE_OTHER",
    "TEMPORARY_REDIRECT": "TEMPORARY_REDIRECT",
    "PERMANENT_REDIRECT": "PERMANENT_REDIRECT",
}


def route_configuration(name: str, url_map: Json, snapshot: Snapshot, *, https_port: int) -> Json:
    """One proxy's routes; `https_port` is where redirects to HTTPS must lead on this machine."""
    default = _action(url_map, snapshot, https_port)
    matchers = {matcher["name"]: matcher for matcher in url_map.get("pathMatchers") or []}
    hosts: dict[str, list[Json]] = {"*": [{"match": {"prefix": "/"}} | default]}
    for rule in url_map.get("hostRules") or []:
        routes = _matcher_routes(matchers.get(rule.get("pathMatcher"), {}), default, snapshot, https_port)
        hosts |= {_without_port(host).lower(): routes for host in rule.get("hosts") or []}
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": [
            {"name": host, "domains": [host], "routes": routes} for host, routes in sorted(hosts.items())
        ],
        "ignore_port_in_host_matching": True,
        # A route may name a backend service whose cluster comes a moment later.
        "validate_clusters": False,
    }


def _without_port(host: str) -> str:
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() else host


def _matcher_routes(matcher: Json, default: Json, snapshot: Snapshot, https_port: int) -> list[Json]:
    paths: dict[str, Json] = {}
    for rule in matcher.get("pathRules") or []:
        paths |= dict.fromkeys(rule.get("paths") or [], _action(rule, snapshot, https_port))
    fallback = default
    if "defaultService" in matcher or "defaultUrlRedirect" in matcher:
        fallback = _action(matcher, snapshot, https_port)
    paths.setdefault("/*", fallback)
    return [{"match": _path_match(path)} | paths[path] for path in sorted(paths, key=_precedence)]


def _path_match(path: str) -> Json:
    return {"prefix": path[:-1]} if path.endswith("/*") else {"path": path}


def _precedence(path: str) -> tuple[bool, int, str]:
    return (path.endswith("/*"), -len(path), path)


def _action(rule: Json, snapshot: Snapshot, https_port: int) -> Json:
    """What a URL map, path matcher or path rule does with a request."""
    redirect = rule.get("defaultUrlRedirect") or rule.get("urlRedirect")
    if redirect:
        return {"redirect": _redirect(redirect, https_port)}
    name = name_of(rule.get("defaultService") or rule.get("service") or "")
    service = snapshot.backend_services.get(name)
    if service is None:
        return {"direct_response": {"status": 502}}
    if kubernetes_service(service) == DEFAULT_BACKEND and not snapshot.endpoints_of(name):
        # GKE runs a pod for this, whose whole work is this answer (ingress-gce cmd/404-server); a cluster that is not
        # GKE's, and has its own controllers, has no such pod.
        return {
            "direct_response": {"status": 404, "body": {"inline_string": "default backend - 404"}},
            **policies.on_route(service, snapshot),
        }
    timeout = f"{int(service.get('timeoutSec') or DEFAULT_TIMEOUT_SECONDS)}s"
    return {
        "route": {
            "cluster": name,
            # Both: the first starts when the request has been received, so it never starts for a stream of requests.
            "timeout": timeout,
            "max_stream_duration": {"max_stream_duration": timeout},
            "idle_timeout": "0s",
        },
        "request_headers_to_add": _headers(service.get("customRequestHeaders")),
        "response_headers_to_add": _headers(service.get("customResponseHeaders")),
        **policies.on_route(service, snapshot),
    }


def _redirect(redirect: Json, https_port: int) -> Json:
    action: Json = {"response_code": _REDIRECT_CODES.get(redirect.get("redirectResponseCode", ""), "MOVED_PERMANENTLY")}
    if redirect.get("httpsRedirect"):
        action["https_redirect"] = True
        if https_port != 443:
            action["port_redirect"] = https_port
    if redirect.get("hostRedirect"):
        action["host_redirect"] = redirect["hostRedirect"]
    if redirect.get("pathRedirect"):
        action["path_redirect"] = redirect["pathRedirect"]
    if redirect.get("prefixRedirect"):
        action["prefix_rewrite"] = redirect["prefixRedirect"]
    if redirect.get("stripQuery"):
        action["strip_query"] = True
    return action


def _headers(headers: list[str] | None) -> list[Json]:
    pairs = [header.partition(":") for header in headers or []]
    return [
        {"header": {"key": name.strip(), "value": value.strip()}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for name, _, value in pairs
    ]
