"""Tasks on the global static address: reserved once, kept until somebody asks for its release."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import receipt, steps
from tasks.clients import compute, kubernetes
from tasks.clients.compute import Compute
from tasks.clients.readers import ClusterReader, ComputeReader
from tasks.core import addresses, names, progress
from tasks.core.addresses import Choice
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Change
from tasks.core.receipt import ReservedAddress
from tasks.core.teardown_request import TeardownRequest


class Address(BaseModel):
    """A reserved global address."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    """IPv4, dotted."""
    change: Change


def choose(api: ComputeReader, config: LoadBalancerConfig, ingress: dict[str, Any] | None) -> Choice:
    """The address that the Ingress is to have; the same before and after the steps that see to it.

    Args:
        api: of the load balancer's project.
        config: the configuration.
        ingress: as it is now; None if there is none.
    """
    if ingress is None:
        return Choice(config.address)

    def rules() -> Iterator[dict[str, Any]]:
        yield from api.list_resources("forwardingRules")  # asked for only when no reservation tells

    return addresses.choice(config, ingress, api.list_resources("addresses"), rules())


@steps.writing
def reserve_address(config: LoadBalancerConfig) -> Address:
    """Return the global static address, reserved now if there is none.

    Without `address_name` a load balancer keeps the address it has: by the name under which it is reserved, or by
    reserving it now. One that GKE has promoted for the Ingress (k8s2-fr-…) stays GKE's: static as long as the Ingress
    is there, and given back by GKE when it is deleted. It cannot be made ours, since an address is reserved once.

    Raises:
        ResourceFailed: a quota, or an address that is not an external IPv4 one.
        AccessRefused: a permission is missing.
    """
    api, cluster = compute.api(config), kubernetes.cluster(config)
    chosen = choose(api, config, cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release)))
    name = chosen.name
    resource = f"addresses/{name}"
    found = api.get("addresses", name)
    action: progress.Action = "unchanged" if chosen.named else "adopted"
    if found is None:
        mine = ReservedAddress(project=api.project, name=name)
        noted = receipt.read(cluster, config).addresses
        receipt.note(cluster, config, addresses=tuple(dict.fromkeys((*noted, mine))))
        # With an address the one that a forwarding rule has without a reservation is kept (promoted).
        literal = {"address": chosen.promote} if chosen.promote else {}
        api.insert("addresses", {"name": name, "addressType": "EXTERNAL", "ipVersion": "IPV4", **literal})
        found = api.get("addresses", name)
        action = "created"
    if found is None or not found.get("address"):
        raise ResourceFailed(
            resource,
            "was reserved but cannot be read",
            f"See it: gcloud compute addresses describe {name} --global --project {api.project}",
            "compute",
        )
    change = Change(resource=resource, action=action, detail=found["address"])
    progress.record(change)
    steps.logger().info("address %s is %s (%s)", name, found["address"], action)
    return Address(name=name, address=found["address"], change=change)


def reserved_here(api: ComputeReader, cluster: ClusterReader, config: LoadBalancerConfig) -> list[str]:
    """Names of the addresses that the receipt says we reserved; of several after a change of `address_name`."""
    return [each.name for each in receipt.read(cluster, config).addresses if each.project == api.project]


def of_release(
    api: ComputeReader, cluster: ClusterReader, config: LoadBalancerConfig, ingress: dict[str, Any] | None
) -> dict[str, str]:
    """The static addresses that are there, IPv4 by name: the configured one, the one in use, and all that we reserved.

    The one that GKE promoted is not among them: GKE gives it back with the Ingress.
    """
    chosen = choose(api, config, ingress)
    known = (config.address, *([chosen.name] if chosen.named else []), *reserved_here(api, cluster, config))
    found = {name: api.get("addresses", name) for name in dict.fromkeys(known)}
    return {name: str(each.get("address") or "") for name, each in found.items() if each is not None}


@steps.writing
def release_address(config: TeardownRequest) -> list[Change]:
    """Give every address back that the receipt says we reserved, if that is asked for; others stay.

    After the forwarding rules are gone: Compute keeps an address that is in use.
    """
    api, cluster = compute.api(config), kubernetes.cluster(config)
    mine = reserved_here(api, cluster, config)
    return [_give_back(api, name, config, mine=name in mine) for name in dict.fromkeys((*mine, config.address))]


def _give_back(api: Compute, name: str, config: TeardownRequest, *, mine: bool) -> Change:
    resource, found = f"addresses/{name}", api.get("addresses", name)
    if found is None:
        change = Change(resource=resource, action="unchanged", detail="there is none")
    elif not config.release_address or not mine:
        why = "kept" if mine else "was not reserved here, and stays"
        change = Change(resource=resource, action="unchanged", detail=f"{found['address']}: {why}")
    else:
        api.delete("addresses", name)
        change = Change(resource=resource, action="deleted", detail=f"was {found['address']}")
    return progress.record(change)
