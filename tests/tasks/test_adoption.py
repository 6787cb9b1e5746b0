"""What stands there is taken over as it is where it can be: the address above all."""

from typing import Any

import pytest

from tasks import receipt
from tasks.clients import compute, kubernetes
from tasks.core import annotations, status
from tasks.core.receipt import ReservedAddress
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.inspection import read_address
from tests import guide
from tests.tasks.world import World, eventually

Json = dict[str, Any]

# --- the address -----------------------------------------------------------------------------------------------------


def marks(world: World) -> dict[str, str]:
    return status.marks(world.read(kubernetes.INGRESS))


def rules(world: World) -> dict[str, str]:
    """Addresses of the forwarding rules of the Ingress, by port."""
    mine = f'"{world.namespace}/{world.service}"'
    found = compute.api(world.config()).list_resources("forwardingRules")
    return {rule["portRange"]: rule["IPAddress"] for rule in found if mine in rule["description"]}


def take_over(world: World, **changes: Any) -> str:
    """The steps of a provision run that see to the address."""
    config = world.config(**changes)
    address = reserve_address.fn(config).address
    apply_frontend_config.fn(config)
    apply_ingress.fn(config)
    wait_for_address.fn(config, address)
    eventually(lambda: annotations.REDIRECT_URL_MAP in marks(world))
    return address


@pytest.mark.parametrize("mode", ["self-managed", "google-managed"])
def test_the_address_that_gke_promoted_is_kept_and_left_to_gke(world: World, mode: str) -> None:
    """Named by the Ingress it would be deleted: the controller gives its own back once the user names one."""
    world.install()
    before = guide.follow(world, mode)
    promoted = eventually(lambda: marks(world).get(annotations.STATIC_IP))

    address = take_over(world, certificate_mode=mode)

    assert address == before
    assert rules(world) == {"80-80": before, "443-443": before}
    assert annotations.STATIC_IP_NAME not in marks(world)
    assert compute.api(world.config()).get("addresses", promoted)["address"] == before  # type: ignore[index]
    assert receipt.read(world.cluster, world.config()).addresses == ()
    assert read_address.fn(world.config(certificate_mode=mode)).name == promoted


def test_an_address_that_nobody_reserved_is_reserved_as_it_is(world: World) -> None:
    """An Ingress without a certificate has an ephemeral address, which GKE gives back with its forwarding rule."""
    world.install()
    guide.turn_on_tls(world)
    world.write(guide.backend_config(world))
    guide.annotate(world)
    world.write(guide.ingress(world, "none yet"))
    before = guide.address(world)
    guide.make_certificate(world, "self-managed")

    address = take_over(world)

    assert address == before
    assert eventually(lambda: rules(world) if len(rules(world)) == 2 else None) == dict.fromkeys(
        ("80-80", "443-443"), before
    )
    assert marks(world)[annotations.STATIC_IP_NAME] == world.service
    mine = ReservedAddress(project=world.stack.compute.project, name=world.service)
    assert receipt.read(world.cluster, world.config()).addresses == (mine,)


def test_a_second_run_finds_the_address_and_writes_nothing(world: World) -> None:
    world.install()
    guide.follow(world)
    eventually(lambda: marks(world).get(annotations.STATIC_IP))
    take_over(world)
    before = world.writes()

    again = reserve_address.fn(world.config())
    kept = apply_ingress.fn(world.config())

    assert (again.change.action, kept.action) == ("adopted", "unchanged")
    assert world.writes() == before


def test_an_address_named_by_hand_is_used_by_that_name(world: World) -> None:
    world.install()
    api = compute.api(world.config())
    name = f"{world.service}-office"
    reserve_address.fn(world.config(address_name=name))
    guide.turn_on_tls(world)
    world.write(guide.backend_config(world))
    guide.annotate(world)
    guide.make_certificate(world, "self-managed")
    world.write(guide.ingress(world, **{annotations.STATIC_IP_NAME: name}))
    before = guide.address(world)

    address = take_over(world)

    assert address == before
    assert marks(world)[annotations.STATIC_IP_NAME] == name
    assert api.get("addresses", world.service) is None
    world.cluster.delete(kubernetes.INGRESS, world.namespace, world.service)
    eventually(lambda: not rules(world))
    api.delete("addresses", name)


def test_an_address_asked_for_by_name_moves_the_load_balancer_there(world: World) -> None:
    """That is the one way to another address, and it is said by a person."""
    world.install()
    before = guide.follow(world)
    eventually(lambda: marks(world).get(annotations.STATIC_IP))

    address = take_over(world, address_name=world.service)

    assert address != before
    assert marks(world)[annotations.STATIC_IP_NAME] == world.service
    eventually(lambda: rules(world) == {"80-80": address, "443-443": address})
