"""What Google Cloud has of all that the objects name: read side by side, and only what somebody names."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from tasks.clients import kubeconfig
from tasks.clients.readers import ComputeReader
from tasks.core import annotations, inventory, names, status
from tasks.core.checks import firewall
from tasks.core.checks.facts import Cloud
from tasks.core.checks.objects import Object
from tasks.core.checks.references import names_in
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ProvisioningError
from tasks.snapshot import Snapshot
from tasks.together import together

_REGIONAL, _QUOTAS, _CLUSTER = "regional addresses", "quotas", "cluster"
_FIREWALLS, _GROUPS = "firewalls", "networkEndpointGroups"


def read(api: ComputeReader, config: LoadBalancerConfig, snapshot: Snapshot) -> tuple[Cloud, list[ProvisioningError]]:
    """Read it; with why the address, which the run cannot do without, could not be read."""
    addresses = {f"addresses/{name}" for name in _addresses(config, snapshot)}
    calls: dict[str, Callable[[], Any]] = {
        reference: partial(api.get, *reference.split("/")) for reference in {*addresses, *_named(config, snapshot)}
    }
    calls[_QUOTAS] = api.quotas
    calls[_FIREWALLS] = partial(api.list_resources, _FIREWALLS)
    if config.gke_cluster:
        calls[_CLUSTER] = partial(kubeconfig.describe, api.project, config.gke_location, config.gke_cluster)
    found, refused = together(calls)
    more: dict[str, Callable[[], Any]] = {
        f"forwardingRules/{rule}": partial(api.get, "forwardingRules", rule)
        for reference in addresses
        for rule in _users(found.get(reference))
    }
    missing = [reference for reference in addresses if reference in found and found[reference] is None]
    if missing:
        more[_REGIONAL] = partial(api.regional_addresses, status.tail(missing[0]))
    if status.ingress_address(_ingress(config, snapshot)) and not firewall.gke_made(found.get(_FIREWALLS, ())):
        # The rule that would say in which network the cluster is is not there.
        more[_GROUPS] = partial(api.list_resources, _GROUPS)
    found_more, refused_more = together(more)
    found, refused = found | found_more, refused | refused_more
    cloud = Cloud(
        project=api.project,
        resources={reference: found[reference] for reference in found if "/" in reference},
        unread={reference: error.observed for reference, error in refused.items()},
        quotas=tuple(found[_QUOTAS]) if _QUOTAS in found else None,
        regional_addresses=tuple(found.get(_REGIONAL, ())),
        cluster=found.get(_CLUSTER),
        firewalls=tuple(found[_FIREWALLS]) if _FIREWALLS in found else None,
        network=_network(found, config),
    )
    return cloud, [error for reference, error in refused.items() if reference in addresses]


def _network(found: Mapping[str, Any], config: LoadBalancerConfig) -> str:
    """Self-link of the cluster's network, as the GKE API or an endpoint group of ours has it; else empty."""
    if named := ((found.get(_CLUSTER) or {}).get("networkConfig") or {}).get("network"):
        return str(named)
    ingress, service = names.ingress(config.release), names.service(config.release)
    ours = inventory.Marker(f"{config.namespace}/{ingress}", f"{config.namespace}/{service}")
    groups = (group for group in found.get(_GROUPS, ()) if ours.owns(_GROUPS, group))
    return next((str(group.get("network", "")) for group in groups), "")


def _addresses(config: LoadBalancerConfig, snapshot: Snapshot) -> Iterator[str]:
    yield snapshot.address.name
    if named := status.marks(_ingress(config, snapshot)).get(annotations.STATIC_IP_NAME):
        yield named


def _named(config: LoadBalancerConfig, snapshot: Snapshot) -> Iterator[str]:
    """References of what the configuration and the objects name in Compute."""
    marks = status.marks(_ingress(config, snapshot))
    for certificate in names_in(marks.get(annotations.PRE_SHARED_CERT, "")):
        if not certificate.startswith("mcrt-"):
            yield f"sslCertificates/{certificate}"
    policies = {config.security_policy_name}
    policies |= {
        ((each.get("spec") or {}).get("securityPolicy") or {}).get("name") or ""
        for each in snapshot.objects.all("BackendConfig")
    }
    yield from (f"securityPolicies/{name}" for name in policies if name)
    ssl = {config.ssl_policy}
    ssl |= {(each.get("spec") or {}).get("sslPolicy") or "" for each in snapshot.objects.all("FrontendConfig")}
    yield from (f"sslPolicies/{name}" for name in ssl if name)


def _ingress(config: LoadBalancerConfig, snapshot: Snapshot) -> Object:
    return snapshot.objects.get("Ingress", config.namespace, names.ingress(config.release)) or {}


def _users(address: Object | None) -> list[str]:
    return [status.tail(str(user)) for user in (address or {}).get("users") or []]
