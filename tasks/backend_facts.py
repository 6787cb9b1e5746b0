"""What Compute says of the backends of an Ingress, for whoever must tell why a call did not arrive. Read only."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from tasks import load_balancer
from tasks.clients import compute, kubernetes
from tasks.clients.readers import ComputeReader
from tasks.core import names, status
from tasks.core.backend_faults import Backends
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ProvisioningError
from tasks.load_balancer import LoadBalancer


def reader(config: LoadBalancerConfig) -> Callable[[], Backends]:
    """A function that reads them anew each time; it never fails, but tells why nothing is known.

    Which resources there are is found once: a proof is climbed many times, and they do not change meanwhile.
    """
    chain = functools.cache(lambda: _chain(config))

    def read() -> Backends:
        try:
            return _read(config, compute.api(config), chain())
        except ProvisioningError as error:
            return Backends(unseen=f"Compute does not tell: {error.resource}: {error.observed}")

    return read


def _chain(config: LoadBalancerConfig) -> LoadBalancer:
    live = kubernetes.cluster(config).read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    return load_balancer.parts(compute.api(config), config, live)


def _read(config: LoadBalancerConfig, api: ComputeReader, chain: LoadBalancer) -> Backends:
    url_map = api.get("urlMaps", chain.url_map) or {}
    services = {name: api.get("backendServices", name) or {} for name in status.routed_services(url_map)}
    protocols = {name: str(service.get("protocol", "HTTP")) for name, service in services.items()}
    return Backends(
        protocols=protocols,
        timeouts_seconds={name: int(service.get("timeoutSec") or 30) for name, service in services.items()},
        zones=_zones(api, services),
        policies=tuple(load_balancer.attached_policies(api, services.values())),
        hosts=tuple(host for rule in url_map.get("hostRules") or [] for host in rule.get("hosts") or []),
        namespace=config.namespace,
        service=names.service(config.release),
        port_name=_port_name(config) if set(protocols.values()) - {"HTTP2"} else "milvus",
    )


def _zones(api: ComputeReader, services: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    zones: dict[str, list[str]] = {}
    for name, link in _groups(services):
        zone = link.split("/zones/")[-1].split("/")[0]
        states = [str(entry.get("healthState", "")) for entry in api.health(name, link)]
        zones.setdefault(zone, []).extend(states)
    return zones


def _groups(services: dict[str, dict[str, Any]]) -> Iterable[tuple[str, str]]:
    return ((name, backend["group"]) for name, service in services.items() for backend in service.get("backends") or [])


def _port_name(config: LoadBalancerConfig) -> str:
    """The name that an annotation must use as its key."""
    live = kubernetes.cluster(config).read(kubernetes.SERVICE, config.namespace, names.service(config.release)) or {}
    port = status.milvus_port(live)
    return port.name if port and port.name else "milvus"
