"""All of Envoy's configuration for one snapshot (pure): the content of its four xDS files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.dataplane import clusters, listeners, routes
from sandbox.dataplane.snapshot import Endpoint, Json, Snapshot, name_of


@dataclass(frozen=True)
class Files:
    """Where Envoy reads its resources from; it takes one route table or endpoint assignment per file, no more."""

    folder: Path

    @property
    def listeners(self) -> Path:
        return self.folder / "lds.json"

    def routes(self, name: str) -> Path:
        return self.folder / f"rds-{name}.json"

    @property
    def clusters(self) -> Path:
        return self.folder / "cds.json"

    def endpoints(self, backend_service: str) -> Path:
        return self.folder / f"eds-{backend_service}.json"


def configuration(
    snapshot: Snapshot,
    *,
    serving: Collection[str],
    healthy: Mapping[str, Collection[Endpoint]],
    ports: Mapping[int, int],
    files: Files,
) -> dict[Path, list[Json]]:
    """Resources by file, in the order in which they must be written: what is referred to comes first.

    Args:
        snapshot: the project.
        serving: names of the forwarding rules that have reached the front ends.
        healthy: by backend service, the endpoints that pass their health check.
        ports: where a load balancer's port really listens, for those that differ.
        files: Envoy's files.
    """
    services = {name: each for name, each in snapshot.backend_services.items() if each.get("backends")}
    rules = [rule for name, rule in sorted(snapshot.forwarding_rules.items()) if name in serving]
    result = {files.endpoints(n): [clusters.assignment(n, snapshot, healthy.get(n, ()))] for n in sorted(services)}
    result[files.clusters] = [clusters.cluster(services[name], files.endpoints(name)) for name in sorted(services)]
    for table in _routes(snapshot, ports.get(443, 443)):
        result[files.routes(table["name"])] = [table]
    found = [listeners.listener(rule, snapshot, ports, files.routes) for rule in rules]
    result[files.listeners] = [listener for listener in found if listener is not None]
    return result


def bootstrap(files: Files, admin: Path) -> Json:
    """Envoy's start-up file; the admin interface is a socket in the sandbox's folder."""

    def watched(path: Path) -> Json:
        return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}

    return {
        "node": {"id": "sandbox", "cluster": "sandbox"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "dynamic_resources": {"lds_config": watched(files.listeners), "cds_config": watched(files.clusters)},
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"prefix": "listener_manager."}]}}},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors."
                        "downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 50_000,
                    },
                }
            ]
        },
    }


def _routes(snapshot: Snapshot, https_port: int) -> list[Json]:
    result = []
    for secure, proxies in ((True, snapshot.https_proxies), (False, snapshot.http_proxies)):
        for name, proxy in sorted(proxies.items()):
            url_map = snapshot.url_maps.get(name_of(proxy.get("urlMap", "")), {})
            route_name = listeners.route_name(secure=secure, proxy=name)
            result.append(routes.route_configuration(route_name, url_map, snapshot, https_port=https_port))
    return result
