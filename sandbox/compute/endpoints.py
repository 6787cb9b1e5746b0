"""Attaching endpoints to network endpoint groups and detaching them (pure but for the clock)."""

import ipaddress
from typing import Any

from sandbox.compute import errors, links
from sandbox.compute.links import Ref
from sandbox.compute.store import Endpoint, Store

_MOST_PER_CALL = 500
_MOST_PER_GROUP = 10_000


def wanted(store: Store, group: Ref, body: dict[str, Any]) -> list[Endpoint]:
    """Read the endpoints of an attach or detach call.

    Raises:
        GoogleError: none given, too many, no address, or no port.
    """
    given = body.get("networkEndpoints") or []
    if not given:
        raise errors.required("resource.networkEndpoints")
    if len(given) > _MOST_PER_CALL:
        raise errors.invalid("networkEndpoints", len(given), f"At most {_MOST_PER_CALL} endpoints per request.")
    default_port = (store.get(group) or {}).get("defaultPort")
    return [_endpoint(store, f"networkEndpoints[{index}]", each, default_port) for index, each in enumerate(given)]


def attach(store: Store, group: Ref, endpoints: list[Endpoint]) -> None:
    """Add endpoints; one that is there already keeps the time of its attachment."""
    attached = store.endpoints.setdefault(group, {})
    if len(attached.keys() | {each.key for each in endpoints}) > _MOST_PER_GROUP:
        raise errors.invalid("networkEndpoints", len(endpoints), f"A group has at most {_MOST_PER_GROUP} endpoints.")
    for endpoint in endpoints:
        attached.setdefault(endpoint.key, endpoint)
    store.changed()


def check_attached(store: Store, group: Ref, endpoints: list[Endpoint]) -> None:
    for index, endpoint in enumerate(endpoints):
        if endpoint.key not in store.endpoints.get(group, {}):
            shown = f"{endpoint.ip_address}:{endpoint.port}"
            raise errors.invalid(f"networkEndpoints[{index}]", shown, "The network endpoint is not attached.")


def detach(store: Store, group: Ref, endpoints: list[Endpoint]) -> None:
    for endpoint in endpoints:
        store.endpoints.get(group, {}).pop(endpoint.key, None)
    store.changed()


def _endpoint(store: Store, field: str, given: dict[str, Any], default_port: int | None) -> Endpoint:
    address, port = given.get("ipAddress"), given.get("port") or default_port
    if not address:
        raise errors.required(f"resource.{field}.ipAddress")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise errors.invalid(f"{field}.ipAddress", address, "Must be an IP address.") from None
    if not port:
        raise errors.required(f"resource.{field}.port")
    instance = str(given.get("instance") or "")
    if instance and "projects/" not in instance:
        # A bare name or a partial path: the API answers with the full URL.
        instance = f"{links.BASE}v1/projects/{store.project}/{instance}" if "/" in instance else instance
    return Endpoint(str(address), int(port), instance, store.clock(), dict(given.get("annotations") or {}))
