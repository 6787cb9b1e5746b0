"""Which global static address an Ingress is to have: the configured one, else the one it has, else a new one.

Whoever dials a load balancer that was made by hand dials its address: a new one would be an outage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core import annotations, names, status
from tasks.core.config import LoadBalancerConfig

Resource = Mapping[str, Any]

_NAME_MAX = 63  # Compute resource names


@dataclass(frozen=True)
class Choice:
    """One global address."""

    name: str
    promote: str = ""
    """The IPv4 address that a forwarding rule has without a reservation, to be reserved under this name; "" if there
    is none to keep."""
    named: bool = True
    """Whether the Ingress is to name it. An address that GKE promoted for the Ingress must not be named: the
    controller deletes its own as soon as the user names one (ingress-gce pkg/loadbalancers/addresses.go)."""


def choice(
    config: LoadBalancerConfig, ingress: Resource | None, reserved: Iterable[Resource], rules: Iterable[Resource]
) -> Choice:
    """The address by what stands there.

    What somebody has changed in an Ingress of ours does not count: the usual name is wanted back then.

    Args:
        config: whose `address_name` decides if it is given.
        ingress: ours, or the one of the published guide; None if there is none.
        reserved: global addresses of the project.
        rules: global forwarding rules of the project; they tell an address in use from one that was given back.
    """
    if ingress is None:
        return Choice(config.address)
    by_name = {str(each["name"]): str(each.get("address", "")) for each in reserved}
    marks = status.marks(ingress)
    wanted = config.address_name or marks.get(annotations.STATIC_IP_NAME, "")
    if not config.address_name and wanted and _changed_by_others(ingress):
        wanted = config.address
    if wanted in by_name:
        return Choice(wanted, named=wanted != marks.get(annotations.STATIC_IP))
    address = status.ingress_address(ingress)
    holder = next((name for name, held in by_name.items() if address and held == address), "")
    if holder and not config.address_name:
        return Choice(holder, named=not _promoted(holder, marks))
    name = wanted or names.address(config.release)
    if not holder and address and any(rule.get("IPAddress") == address for rule in rules):
        return Choice(_free(name, by_name), promote=address)
    return Choice(name)


def _changed_by_others(ingress: Resource) -> bool:
    """Whether the name in an Ingress of ours is not what we wrote there: that is drift, and nobody's intent."""
    return status.ours(ingress) and not any(
        f"f:{annotations.STATIC_IP_NAME}" in _owned_annotations(entry)
        for entry in ingress["metadata"].get("managedFields") or []
        if entry.get("manager") == names.FIELD_MANAGER and entry.get("operation") == "Apply"
    )


def _owned_annotations(entry: Resource) -> Resource:
    found: Resource = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
    return found


def _promoted(name: str, marks: Mapping[str, str]) -> bool:
    """Whether GKE reserved it: it then has the name of the rule of port 80 (ingress-gce pkg/utils/namer)."""
    return name in (marks.get(annotations.STATIC_IP), marks.get(annotations.FORWARDING_RULE))


def _free(name: str, taken: Iterable[str]) -> str:
    """The name, or with a number at its end if another address has it."""
    numbered = (f"{name[: _NAME_MAX - 4]}-{number}" for number in range(2, 1000))
    return next(each for each in (name, *numbered) if each not in taken)
