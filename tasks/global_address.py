"""Tasks on the global static address: reserved once, kept until somebody asks for its release."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import receipt, steps
from tasks.clients import compute, kubernetes
from tasks.clients.readers import ComputeReader
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


@steps.writing
def release_address(config: TeardownRequest) -> Change:
    """Give the address back if that is asked for and the receipt says that we reserved it; else it stays.

    After the forwarding rules are gone: Compute keeps an address that is in use.
    """
    api = compute.api(config)
    resource, noted = f"addresses/{config.address}", receipt.read(kubernetes.cluster(config), config).addresses
    mine = ReservedAddress(project=api.project, name=config.address)
    found = api.get("addresses", config.address)
    if found is None:
        change = Change(resource=resource, action="unchanged", detail="there is none")
    elif not config.release_address or mine not in noted:
        why = "kept" if mine in noted else "was not reserved here, and stays"
        change = Change(resource=resource, action="unchanged", detail=f"{found['address']}: {why}")
    else:
        api.delete("addresses", config.address)
        change = Change(resource=resource, action="deleted", detail=f"was {found['address']}")
    return progress.record(change)
