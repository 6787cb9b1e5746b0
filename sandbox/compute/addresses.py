"""Global addresses and the forwarding rules that use them.

A rule gets its address from a reserved one, by literal or by URL, or an ephemeral one of its own. Reserving an address
that one of the project's rules has as an ephemeral one promotes it, which is how ingress-gce keeps the address of a
load balancer it gave none (ingress-gce pkg/loadbalancers/addresses.go).
"""

from typing import Any

from sandbox.compute import errors, links
from sandbox.compute.links import Ref
from sandbox.compute.store import Store
from sandbox.network import AddressPool


def reserve(store: Store, pool: AddressPool, resource: dict[str, Any]) -> None:
    """Give a new address resource its address, a fresh one unless it promotes an ephemeral one.

    Raises:
        GoogleError: the wanted address is reserved already, or belongs to no forwarding rule of this project.
    """
    wanted = resource.get("address")
    if not wanted:
        resource["address"] = pool.load_balancer_address()
        return
    if wanted in _reserved(store):
        raise errors.invalid("address", wanted, "Specified IP address is already reserved.")
    if wanted not in {rule["IPAddress"] for _, rule in store.of("forwardingRules")}:
        raise errors.invalid("address", wanted, "Specified IP address is not in use by this project.")


def assign(store: Store, pool: AddressPool, rule: dict[str, Any], pending: dict[Ref, dict[str, Any]]) -> None:
    """Settle the address of a new forwarding rule: reserved ones by literal or URL, else an ephemeral one.

    Raises:
        GoogleError: no such address, or another rule has the same address and port.
    """
    wanted = rule.get("IPAddress")
    if not wanted:
        rule["IPAddress"] = pool.load_balancer_address()
        return
    if "/" in wanted:
        wanted = _of_link(store, str(wanted), pending)
    rules = [each for _, each in store.of("forwardingRules")]
    rules += [each for ref, each in pending.items() if ref.collection == "forwardingRules"]
    if wanted not in _reserved(store) and wanted not in {each["IPAddress"] for each in rules}:
        raise errors.invalid("IPAddress", wanted, "Invalid IP address specified.")
    for each in rules:
        if (each["IPAddress"], each["portRange"]) == (wanted, rule["portRange"]):
            raise errors.invalid("IPAddress", wanted, "Specified IP address is in-use and would result in a conflict.")
    rule["IPAddress"] = wanted


def release(store: Store, pool: AddressPool, address: str) -> None:
    """Give an address back to the pool once neither a reservation nor a rule has it."""
    if address not in _reserved(store) and not users(store, address):
        pool.release(address)


def users(store: Store, address: str) -> list[str]:
    """URLs of the forwarding rules that have this address."""
    return [ref.url(store.project) for ref, rule in store.of("forwardingRules") if rule["IPAddress"] == address]


def _reserved(store: Store) -> set[str]:
    return {resource["address"] for _, resource in store.of("addresses")}


def _of_link(store: Store, link: str, pending: dict[Ref, dict[str, Any]]) -> str:
    ref = links.parse(link, store.project)
    if ref is None or ref.collection != "addresses":
        raise errors.invalid("IPAddress", link, "The URL is malformed.")
    if ref in pending:
        raise errors.not_ready(ref.path(store.project))
    resource = store.get(ref)
    if resource is None:
        raise errors.not_found(ref.path(store.project))
    return str(resource["address"])
