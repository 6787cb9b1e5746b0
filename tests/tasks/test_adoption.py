"""What stands there is taken over as it is where it can be: the address above all."""

import base64
import json
from typing import Any

import pytest

from tasks import receipt
from tasks.adoption import discover
from tasks.backend_config import apply_backend_config
from tasks.clients import compute, kubernetes
from tasks.core import annotations, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Journal
from tasks.core.receipt import ReservedAddress
from tasks.dns_record import apply_dns_record
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.inspection import read_address
from tasks.managed_certificate import apply_managed_certificate
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tasks.tls_secret import make_tls_secret
from tests import guide
from tests.tasks.world import World
from tests.waiting import eventually

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


# --- the certificate -------------------------------------------------------------------------------------------------


def a_secret(world: World, certificate: bytes, key: bytes, **metadata: Any) -> Json:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    about = {"name": f"{world.service}-tls"} | metadata
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, "type": "kubernetes.io/tls", "data": data}


def test_a_certificate_that_lives_for_centuries_is_replaced_though_it_has_a_name(world: World) -> None:
    world.write(a_secret(world, *guide.common_name_only(world.domain, sans=(world.domain,))))

    made = make_tls_secret.fn(world.config())

    assert made.change.action == "updated"
    assert "lives 99999 days; beyond 825" in made.change.detail
    assert make_tls_secret.fn(world.config()).change.action == "unchanged"


def test_nothing_of_the_old_key_is_left_in_the_secret(world: World) -> None:
    """`kubectl apply` keeps a copy of what it was given, key and all, in an annotation."""
    certificate, key = guide.common_name_only(world.domain)
    copy = {"kubectl.kubernetes.io/last-applied-configuration": base64.b64encode(key).decode()}
    world.write(a_secret(world, certificate, key, annotations=copy))

    make_tls_secret.fn(world.config())

    live = world.read(kubernetes.SECRET, f"{world.service}-tls")
    assert base64.b64encode(key).decode() not in json.dumps(live)


@pytest.mark.parametrize(
    ("metadata", "keeper"),
    [
        ({"annotations": {"cert-manager.io/certificate-name": "shop"}}, "cert-manager's Certificate shop"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm release shop"),
        ({"labels": {"app.kubernetes.io/managed-by": "terraform"}}, "terraform"),
    ],
)
def test_a_self_signed_certificate_that_a_tool_keeps_is_not_overwritten(
    world: World, metadata: Json, keeper: str
) -> None:
    """cert-manager's self-signed issuer makes such ones, and would write its own again."""
    world.write(a_secret(world, *guide.common_name_only(world.domain), **metadata))

    with pytest.raises(ResourceFailed, match=keeper) as caught:
        make_tls_secret.fn(world.config())

    assert "certificate_secret" in caught.value.mend


def test_a_certificate_that_another_ingress_serves_is_not_overwritten(world: World) -> None:
    world.faults.arm("controller-off")
    world.write(a_secret(world, *guide.common_name_only(world.domain)))
    ingress = guide.ingress(world)
    world.write(ingress)
    world.write(ingress | {"metadata": {"name": "shop"}})

    with pytest.raises(ResourceFailed, match="ingress shop uses it too"):
        make_tls_secret.fn(world.config())


# --- the gaps --------------------------------------------------------------------------------------------------------


def adopt(world: World, config: LoadBalancerConfig) -> None:
    """The steps of a provision run, but for the proof."""
    address = reserve_address.fn(config).address
    apply_milvus_release.fn(config)
    apply_backend_config.fn(config)
    apply_frontend_config.fn(config)
    if config.certificate_mode == "google-managed":
        apply_managed_certificate.fn(config)
    else:
        make_tls_secret.fn(config)
    if config.dns_managed_zone:
        apply_dns_record.fn(config, address)
    wait_for_rollout.fn(config)
    apply_ingress.fn(config)
    wait_for_address.fn(config, address)


def test_what_was_made_by_hand_is_found_and_what_will_change_is_told_before_it_does(
    world: World, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    world.install(log={"level": "debug"})
    guide.follow(world)
    eventually(lambda: marks(world).get(annotations.STATIC_IP))
    before = world.writes()

    with caplog.at_level("INFO"):
        found = discover.fn(world.config())

    assert journal.gaps == found
    assert {gap.number for gap in found} == set(range(1, 12)) - {2}
    assert "log.level" in found[0].seen
    assert world.writes() == before
    told = "\n".join(caplog.messages)
    assert f"will change: backendconfig {world.namespace}/{world.release}-backendconfig: spec.timeoutSec" in told
    assert f"will change: frontendconfig {world.namespace}/{world.release}-frontendconfig: made" in told
    assert f"will change: release {world.namespace}/{world.release}: service.annotations.cloud.google.com/neg" in told
    assert f"will change: secret {world.namespace}/{world.service}-tls: replaced, since" in told
    assert f"will change: ingress {world.namespace}/{world.service}: metadata.annotations" in told
    assert "will change: addresses" not in told


@pytest.mark.parametrize("mode", ["self-managed", "google-managed"])
def test_the_gaps_that_a_run_closes_are_closed_and_a_second_run_writes_nothing(world: World, mode: str) -> None:
    config = world.config(certificate_mode=mode, dns_managed_zone="sandbox-zone")
    world.install(log={"level": "debug"})
    guide.follow(world, mode)
    eventually(lambda: marks(world).get(annotations.STATIC_IP))
    assert [gap for gap in discover.fn(config) if gap.by == "provision"]

    adopt(world, config)

    assert [gap for gap in discover.fn(config) if gap.by == "provision"] == []
    before = world.writes()
    adopt(world, config)
    assert world.writes() == before


def test_what_somebody_set_beside_our_fields_stays_theirs(world: World) -> None:
    world.install()
    guide.turn_on_tls(world)
    mine = guide.backend_config(world)
    mine["spec"]["sessionAffinity"] = {"affinityType": "CLIENT_IP"}
    world.write(mine)
    guide.annotate(world)
    world.annotate(kubernetes.SERVICE, {"team": "search"})
    guide.make_certificate(world, "self-managed")
    world.write(guide.ingress(world, team="search"))
    guide.address(world)

    adopt(world, world.config())

    spec = world.read(kubernetes.BACKEND_CONFIG, f"{world.release}-backendconfig")["spec"]
    assert spec["sessionAffinity"] == {"affinityType": "CLIENT_IP"}
    assert spec["timeoutSec"] == 3600
    assert marks(world)["team"] == "search"
    service = status.marks(world.read(kubernetes.SERVICE))
    assert service["team"] == "search"
    assert service[annotations.APP_PROTOCOLS] == '{"milvus":"HTTP2"}'  # in the spelling of whoever wrote it


def test_who_may_not_look_for_gaps_is_told_and_goes_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.install()
    world.faults.arm("kube-forbidden", verb="list", resource="ingresses")

    assert discover.fn(world.config()) == []

    assert 'cannot list resource "ingresses"' in caplog.text


def test_a_certificate_that_waits_for_an_ingress_is_attached(world: World) -> None:
    """The guide has its reader wait for Active first, which never comes."""
    world.install()
    guide.turn_on_tls(world)
    world.write(guide.backend_config(world))
    guide.annotate(world)
    guide.make_certificate(world, "google-managed")
    config = world.config(certificate_mode="google-managed", dns_managed_zone="sandbox-zone")
    waiting = [gap for gap in discover.fn(config) if gap.number == 2]

    adopt(world, config)

    assert [gap.by for gap in waiting] == ["provision"]
    assert [gap for gap in discover.fn(config) if gap.number == 2] == []


def test_a_fresh_release_has_no_gap(world: World, journal: Journal) -> None:
    world.install()

    assert discover.fn(world.config()) == []
    assert journal.gaps == []
