"""The way back, step by step in a small GKE: complete, from any half-built state, twice, and never what is not ours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from tasks import helm_release, ingress, leftovers, milvus_objects, receipt, teardown
from tasks.backend_config import apply_backend_config, delete_backend_config
from tasks.clients import compute, kubernetes
from tasks.clients.compute import Compute
from tasks.clients.kubernetes import Kind
from tasks.core import annotations, helm_record, names, status
from tasks.core.errors import NotReadyInTime, PreflightFailed, ProvisioningError, ResourceFailed
from tasks.core.progress import Journal
from tasks.core.receipt import Receipt
from tasks.core.report import Left
from tasks.core.teardown_request import TeardownRequest
from tasks.dns_record import apply_dns_record, check_dns_record, delete_dns_record
from tasks.frontend_config import apply_frontend_config, delete_frontend_config
from tasks.global_address import release_address, reserve_address
from tasks.ingress import apply_ingress, delete_ingress, wait_for_address, wait_for_ingress_deletion
from tasks.leftovers import wait_for_load_balancer_deletion
from tasks.load_balancer import walk
from tasks.managed_certificate import apply_managed_certificate, delete_managed_certificate
from tasks.milvus_release import apply_milvus_release, restore_milvus_release
from tasks.teardown import delete_lease, inspect_teardown, prove_absence, settle_receipt
from tasks.tls_secret import delete_tls_secret, make_tls_secret
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]

ZONE = "sandbox-zone"
KINDS = {
    "ingress": kubernetes.INGRESS,
    "managed certificate": kubernetes.MANAGED_CERTIFICATE,
    "backend config": kubernetes.BACKEND_CONFIG,
    "frontend config": kubernetes.FRONTEND_CONFIG,
    "secret": kubernetes.SECRET,
}


def name_of(world: World, kind: Kind) -> str:
    return {
        "BackendConfig": names.backend_config(world.release),
        "FrontendConfig": names.frontend_config(world.release),
        "ManagedCertificate": names.certificate(world.release),
        "Secret": names.certificate(world.release),
        "ConfigMap": names.receipt(world.release),
    }.get(kind.name, world.service)


def there(world: World, kind: Kind) -> Json | None:
    return world.cluster.read(kind, world.namespace, name_of(world, kind))


def request(world: World, **changes: Any) -> TeardownRequest:
    mine = {"domain": world.domain, "release": world.release, "namespace": world.namespace}
    return TeardownRequest.parse(mine | {"delete_timeout_seconds": 30} | changes)


def api(world: World) -> Compute:
    return compute.api(world.config())


def noted(world: World) -> Receipt:
    return receipt.read(world.cluster, world.config())


def provision(world: World, **changes: Any) -> None:
    """What the flow does, but for the proof, which needs a Milvus."""
    config = world.config(**changes)
    address = reserve_address.fn(config).address
    apply_milvus_release.fn(config)
    apply_backend_config.fn(config)
    apply_frontend_config.fn(config)
    if config.certificate_mode.value == "self-managed":
        make_tls_secret.fn(config)
    elif config.certificate_mode.value == "google-managed":
        apply_managed_certificate.fn(config)
    if config.dns_managed_zone:
        apply_dns_record.fn(config, address)
    apply_ingress.fn(config)
    wait_for_address.fn(config, address)
    eventually(lambda: complete(world))


def complete(world: World) -> bool:
    """Whether GKE has made every part, and said so in the annotations."""
    live = world.read(kubernetes.INGRESS)
    return not hasattr(walk(api(world), status.marks(live)), "outlook") and len(parts(world)) >= 8


def parts(world: World) -> list[str]:
    return leftovers.parts_of(api(world), world.config(), world.read(kubernetes.INGRESS))


@dataclass
class Way:
    """The steps of the flow, in its order; may be cut short."""

    config: TeardownRequest
    done: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        config = self.config
        found: Json = {}

        def keep(key: str, value: Any) -> None:
            found[key] = value

        yield "inspect", lambda: keep("seen", inspect_teardown.fn(config))
        yield "delete ingress", lambda: keep("deletion", delete_ingress.fn(config))
        yield "wait for the ingress", lambda: wait_for_ingress_deletion.fn(config)
        yield "delete managed certificate", lambda: delete_managed_certificate.fn(config)
        yield "wait for compute", lambda: wait_for_load_balancer_deletion.fn(config, list(found["deletion"].parts))
        yield "delete backend config", lambda: delete_backend_config.fn(config)
        yield "delete frontend config", lambda: delete_frontend_config.fn(config)
        yield "delete secret", lambda: delete_tls_secret.fn(config)
        yield "restore release", lambda: restore_milvus_release.fn(config)
        yield "delete record", lambda: delete_dns_record.fn(config)
        yield "release address", lambda: release_address.fn(config)
        yield "settle receipt", lambda: settle_receipt.fn(config)
        yield "prove", lambda: self._prove(list(found["deletion"].parts), found["seen"])
        yield "delete lease", lambda: delete_lease.fn(config)

    def go(self, *, until: str = "") -> "Way":
        """Take the steps; stop before the one named, as a worker that is killed there."""
        for name, step in self.steps():
            if name == until:
                return self
            step()
            self.done.append(name)
        return self

    def _prove(self, parts: list[str], seen: teardown.Inspection) -> None:
        self.left = prove_absence.fn(self.config, parts, seen)

    @property
    def owners(self) -> dict[str, str]:
        return {each.resource: each.owner for each in self.left}

    @property
    def clean(self) -> bool:
        return teardown.fault(self.left) is None


def take_down(world: World, **changes: Any) -> Way:
    return Way(request(world, **changes)).go()


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["self-managed", "google-managed"])
def test_nothing_is_left_of_a_load_balancer_but_what_is_kept_on_purpose(world: World, mode: str) -> None:
    world.install()
    provision(world, certificate_mode=mode, dns_managed_zone=ZONE)
    before = parts(world)

    way = take_down(world, certificate_mode=mode)

    assert way.clean, way.left
    assert [name for name, kind in KINDS.items() if there(world, kind)] == []
    assert [part for part in before if api(world).exists(part)] == []
    assert leftovers.search(api(world), world.cluster, world.config()) == []
    assert way.owners[f"addresses/{world.service}"] == "kept"
    marks = status.marks(world.read(kubernetes.SERVICE))
    assert not marks.keys() & {annotations.APP_PROTOCOLS, annotations.BACKEND_CONFIG, annotations.NEG}


def test_the_certificate_that_google_made_goes_too(world: World) -> None:
    provision_mode = {"certificate_mode": "google-managed", "dns_managed_zone": ZONE}
    world.install()
    provision(world, **provision_mode)
    live = eventually(
        lambda: (
            status.managed_certificate(
                world.read(kubernetes.MANAGED_CERTIFICATE, name_of(world, kubernetes.MANAGED_CERTIFICATE))
            ).compute_name
        )
    )

    take_down(world)

    assert api(world).get("sslCertificates", live) is None


def test_a_second_teardown_writes_nothing_and_says_the_same(world: World) -> None:
    world.install()
    provision(world, dns_managed_zone=ZONE)
    first = take_down(world)
    before = world.writes()

    again = take_down(world)

    assert world.writes() == before
    assert again.clean
    assert again.owners == first.owners


def test_nothing_at_all_is_taken_down_without_a_write(world: World) -> None:
    before = world.writes()

    way = take_down(world, release_address=True, restore_layer4=True)

    assert (way.left, world.writes()) == ([], before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_in_which_one_thing_is_missing_is_taken_down(world: World, kind: str) -> None:
    world.install()
    provision(world)
    missing = KINDS[kind]
    world.cluster.delete(missing, world.namespace, name_of(world, missing))

    way = take_down(world)

    assert way.clean, way.left
    assert not any(there(world, each) for each in KINDS.values())


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([reserve_address], id="address alone"),
        pytest.param([apply_backend_config], id="backend config alone"),
        pytest.param([apply_milvus_release], id="milvus alone"),
        pytest.param([make_tls_secret, apply_frontend_config], id="secret and frontend config"),
        pytest.param([reserve_address, apply_milvus_release, apply_ingress], id="an ingress that cannot serve"),
    ],
)
def test_what_a_broken_provision_left_is_taken_down(world: World, steps: list[Any]) -> None:
    world.install()
    for step in steps:
        step.fn(world.config())

    way = take_down(world, release_address=True)

    assert way.clean, way.left
    assert not any(there(world, kind) for kind in KINDS.values())
    assert api(world).get("addresses", world.service) is None


_STEPS = [name for name, _ in Way(TeardownRequest(domain="a.example")).steps()]


@pytest.mark.parametrize("last", _STEPS[2:])
def test_a_teardown_killed_before_any_step_is_finished_by_the_next(world: World, last: str) -> None:
    world.install()
    provision(world, dns_managed_zone=ZONE)
    before = parts(world)
    Way(request(world, release_address=True)).go(until=last)

    way = take_down(world, release_address=True)

    assert way.clean, way.left
    assert not any(there(world, kind) for kind in KINDS.values())
    assert [part for part in before if api(world).exists(part)] == []
    assert api(world).get("addresses", world.service) is None
    answers = check_dns_record.fn(world.config(), "192.0.2.9")[0].answers
    assert answers == ()


# --- address, record, receipt, secret ---------------------------------------------------------------------------------


def test_an_address_that_was_kept_is_released_when_that_is_asked_for_later(world: World) -> None:
    """The receipt stays for that: nobody else knows that the address is ours."""
    world.install()
    provision(world)
    take_down(world, restore_layer4=True)
    assert noted(world).addresses

    way = take_down(world, restore_layer4=True, release_address=True)

    assert api(world).get("addresses", world.service) is None
    assert there(world, kubernetes.CONFIG_MAP) is None
    assert way.left == []


def test_every_address_that_we_reserved_is_released_whatever_name_is_configured(world: World) -> None:
    """The load balancer of a configuration that names one, taken down by the domain alone."""
    world.install()
    earlier, later = f"{world.service}-earlier", f"{world.service}-later"
    provision(world, address_name=earlier)
    provision(world, address_name=later)

    kept = take_down(world)
    assert {kept.owners[f"addresses/{name}"] for name in (earlier, later)} == {"kept"}
    way = take_down(world, release_address=True)

    assert [api(world).get("addresses", name) for name in (earlier, later)] == [None, None]
    assert way.clean
    assert not [resource for resource in way.owners if resource.startswith("addresses/")]


def test_an_address_of_the_guide_is_told_by_the_name_that_somebody_gave_it(world: World) -> None:
    world.install()
    given = f"{world.service}-ip"
    api(world).insert("addresses", {"name": given, "addressType": "EXTERNAL", "ipVersion": "IPV4"})
    provision(world, address_name=given)
    address = api(world).get("addresses", given) or {}

    with world.recorded("A", address["address"]):
        way = take_down(world, release_address=True)

    assert way.clean
    assert way.owners[f"addresses/{given}"] == "whoever reserved it"
    assert way.owners[f"DNS record {world.domain}"] == "whoever keeps its zone"
    api(world).delete("addresses", given)


def test_an_address_that_somebody_reserved_is_never_released(world: World) -> None:
    world.install()
    api(world).insert("addresses", {"name": world.service, "addressType": "EXTERNAL", "ipVersion": "IPV4"})
    provision(world)

    way = take_down(world, release_address=True)

    assert api(world).get("addresses", world.service) is not None
    assert way.clean
    assert way.owners[f"addresses/{world.service}"] == "whoever reserved it"


def test_a_record_that_somebody_has_changed_since_stays(world: World) -> None:
    world.install()
    provision(world, dns_managed_zone=ZONE)
    address = api(world).get("addresses", world.service) or {}
    zone = dns_zone(world)
    zone.remove_address(world.domain, address["address"])
    world.record("A", "192.0.2.77")

    take_down(world)

    assert zone.answers(world.domain) == ["192.0.2.77"]


def test_a_record_of_somebody_elses_that_leads_nowhere_now_is_told(world: World) -> None:
    """An address that is given back may be anybody's tomorrow, and with it the name."""
    world.install()
    address = reserve_address.fn(world.config()).address
    world.record("A", address)
    provision(world, dns_managed_zone=ZONE)

    way = take_down(world, release_address=True)

    assert way.clean
    assert way.owners[f"DNS record {world.domain}"] == "whoever keeps its zone"
    assert dns_zone(world).answers(world.domain) == [address]


def dns_zone(world: World) -> Any:
    from tasks.clients import cloud_dns

    return cloud_dns.zone(world.config(dns_managed_zone=ZONE))


def test_a_secret_of_somebody_elses_stays(world: World) -> None:
    world.install()
    make_tls_secret.fn(world.config())
    live = world.read(kubernetes.SECRET, names.certificate(world.release))
    mine = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "my-own"}}
    world.write(mine | {"data": live["data"]})
    world.cluster.delete(kubernetes.SECRET, world.namespace, names.certificate(world.release))
    existing = {"certificate_mode": "existing-secret", "certificate_secret": "my-own"}
    provision(world, **existing)

    way = take_down(world, **existing)

    assert world.cluster.read(kubernetes.SECRET, world.namespace, "my-own") is not None
    assert way.clean
    assert way.owners[f"secret {world.namespace}/my-own"] == "made by kubectl-client-side-apply"


@pytest.mark.parametrize("killed_before", ["", "delete secret"])
def test_a_secret_that_we_made_goes_whatever_name_is_configured(world: World, killed_before: str) -> None:
    """The load balancer of a configuration that names one, taken down by the domain alone."""
    world.install()
    named = {"certificate_secret": "tls-of-ours"}
    provision(world, **named)
    if killed_before:
        Way(request(world)).go(until=killed_before)

    way = take_down(world, release_address=True, restore_layer4=True)

    assert world.cluster.read(kubernetes.SECRET, world.namespace, "tls-of-ours") is None
    assert there(world, kubernetes.CONFIG_MAP) is None
    assert way.left == []


def test_a_secret_that_we_made_stays_noted_while_somebody_uses_it(world: World) -> None:
    world.install()
    provision(world, certificate_secret="tls-of-ours")
    world.write(an_ingress("other", "elsewhere", tls="tls-of-ours"))
    kept = take_down(world, release_address=True, restore_layer4=True)
    assert kept.owners[f"secret {world.namespace}/tls-of-ours"] == "kept"
    assert noted(world).secrets == ("tls-of-ours",)
    world.cluster.delete(kubernetes.INGRESS, world.namespace, "other")

    way = take_down(world, release_address=True, restore_layer4=True)

    assert world.cluster.read(kubernetes.SECRET, world.namespace, "tls-of-ours") is None
    assert there(world, kubernetes.CONFIG_MAP) is None
    assert way.left == []


def test_a_secret_of_ours_that_another_ingress_serves_from_stays(world: World) -> None:
    world.install()
    provision(world)
    world.write(an_ingress("other", "elsewhere", tls=names.certificate(world.release)))

    way = take_down(world)

    assert there(world, kubernetes.SECRET) is not None
    secret = f"secret {world.namespace}/{names.certificate(world.release)}"
    assert [(each.owner, each.detail) for each in way.left if each.resource == secret] == [
        ("kept", "ingress other uses it")
    ]


def an_ingress(name: str, service: str, tls: str = "") -> Json:
    backend = {"service": {"name": service, "port": {"number": 19530}}}
    rule = {"host": "other.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    # Of a class that no controller here serves.
    spec: Json = {"ingressClassName": "nginx", "rules": [rule]}
    if tls:
        spec["tls"] = [{"secretName": tls}]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec}


def test_a_release_from_before_the_receipt_is_taken_down_by_what_is_there(world: World) -> None:
    world.install()
    provision(world)
    world.cluster.delete(kubernetes.CONFIG_MAP, world.namespace, names.receipt(world.release))

    way = take_down(world, release_address=True, restore_layer4=True)

    assert way.clean, way.left
    assert not any(there(world, kind) for kind in KINDS.values())
    assert world.read(kubernetes.SERVICE)["spec"]["type"] == "LoadBalancer"
    assert way.owners == {f"addresses/{world.service}": "whoever reserved it"}


# --- milvus -----------------------------------------------------------------------------------------------------------


def values(world: World) -> Json:
    found = helm_record.latest(helm_release.revisions(world.cluster, world.config()))
    assert found is not None
    return found.values


def user_yaml(world: World) -> Any:
    return yaml.safe_load(world.read(kubernetes.CONFIG_MAP)["data"]["user.yaml"]) or {}


def test_layer_4_comes_back_with_the_values_of_the_install(world: World) -> None:
    world.install(log={"level": "warn"})
    before = values(world)
    provision(world)
    assert values(world) != before

    way = take_down(world, restore_layer4=True, release_address=True)

    assert values(world) == before
    assert world.read(kubernetes.SERVICE)["spec"]["type"] == "LoadBalancer"
    assert user_yaml(world) == {}
    assert way.left == []


def test_layer_4_comes_back_to_settings_that_were_there_before(world: World) -> None:
    text = "proxy:\n  http:\n    port: 9999\ncommon:\n  security:\n    tlsMode: 0\nquotaAndLimits:\n  enabled: on\n"
    world.install(extraConfigFiles={"user.yaml": text})
    before = user_yaml(world)
    provision(world)

    take_down(world, restore_layer4=True)

    assert user_yaml(world) == before
    assert "enabled: on" in world.read(kubernetes.CONFIG_MAP)["data"]["user.yaml"]


def test_without_it_milvus_is_not_restarted_and_the_report_says_what_stays(world: World) -> None:
    world.install()
    provision(world)
    generation = deployment(world)["metadata"]["generation"]

    way = take_down(world)

    assert deployment(world)["metadata"]["generation"] == generation
    service = [each for each in way.left if each.resource == f"service {world.namespace}/{world.service}"]
    assert [(each.owner, each.detail) for each in service] == [("kept", "stays ClusterIP, and Milvus keeps TLS")]
    assert user_yaml(world)["common"]["security"]["tlsMode"] == 1


def test_layer_4_can_be_had_back_later(world: World) -> None:
    world.install()
    before = values(world)
    provision(world)
    take_down(world)

    take_down(world, restore_layer4=True)

    assert values(world) == before


def test_a_second_provision_does_not_take_its_own_work_for_the_state_before(world: World) -> None:
    world.install()
    before = values(world)
    provision(world)
    world.annotate(kubernetes.SERVICE, {annotations.NEG: None})
    provision(world)

    take_down(world, restore_layer4=True)

    assert values(world) == before


def test_a_release_kept_by_manifests_comes_back_field_by_field(world: World) -> None:
    world.install()
    manifest = {"release_manager": "manifest"}
    before = user_yaml(world)
    provision(world, **manifest)
    generation = deployment(world)["metadata"]["generation"]

    way = take_down(world, restore_layer4=True, release_address=True, **manifest)

    service = world.read(kubernetes.SERVICE)
    assert service["spec"]["type"] == "LoadBalancer"
    assert annotations.NEG not in status.marks(service)
    assert user_yaml(world) == before
    assert deployment(world)["metadata"]["generation"] > generation
    assert way.left == []
    writes = world.writes()
    take_down(world, restore_layer4=True, release_address=True, **manifest)
    assert world.writes() == writes


def test_an_annotation_that_somebody_set_before_us_stays_and_is_told_with_its_manager(world: World) -> None:
    world.install()
    world.annotate(kubernetes.SERVICE, {annotations.NEG: '{"ingress":true}'})
    provision(world)

    way = take_down(world, restore_layer4=True, release_address=True)

    assert status.marks(world.read(kubernetes.SERVICE))[annotations.NEG] == '{"ingress":true}'
    assert way.clean
    assert way.owners == {f"service {world.namespace}/{world.service}": "kubectl-annotate"}


def deployment(world: World) -> Json:
    (found,) = milvus_objects.read_deployments(world.cluster, world.config(), world.read(kubernetes.SERVICE))
    return found


# --- what is refused --------------------------------------------------------------------------------------------------


def refusal(world: World, **changes: Any) -> ProvisioningError:
    before = world.writes()
    with pytest.raises(PreflightFailed) as caught:
        take_down(world, **changes)
    assert world.writes() == before
    return caught.value


def test_an_ingress_of_helm_is_refused(world: World) -> None:
    world.install()
    provision(world)
    world.annotate(kubernetes.INGRESS, {"meta.helm.sh/release-name": "somebody"})

    assert "belongs to Helm release somebody" in refusal(world).observed
    assert there(world, kubernetes.INGRESS) is not None


def test_an_ingress_made_by_hand_is_refused(world: World) -> None:
    world.install()
    document = an_ingress(world.service, world.service)
    document["spec"]["rules"][0]["host"] = world.domain
    world.write(document)

    error = refusal(world)

    assert "was not made here, but made by kubectl-client-side-apply" in error.observed


def test_another_domain_than_the_one_served_is_refused(world: World) -> None:
    """So that a wrong release name does not take a neighbour's load balancer down."""
    world.install()
    provision(world)

    error = refusal(world, domain="other.example")

    assert error.observed == f"serves {world.domain}, not other.example"


def test_a_service_that_another_ingress_needs_is_refused_with_all_other_findings(world: World) -> None:
    world.install()
    provision(world)
    world.write(an_ingress("other", world.service))

    error = refusal(world, domain="other.example")

    assert "is used by ingress other too" in error.observed
    assert "not other.example" in error.observed
    assert "delete ingress other" in error.mend


def test_a_role_that_may_not_delete_is_told_before_the_first_write(world: World) -> None:
    world.install()
    provision(world)
    world.faults.arm("kube-forbidden", verb="delete", resource="backendconfigs")

    error = refusal(world)

    assert "we may not delete them" in error.observed
    assert "auth can-i delete backendconfigs" in error.mend


# --- what GKE does not do ---------------------------------------------------------------------------------------------


def test_a_controller_that_does_nothing_is_told_with_what_holds_the_ingress(world: World) -> None:
    world.install()
    provision(world)
    world.faults.arm("controller-off")

    with pytest.raises(NotReadyInTime) as caught:
        take_down(world, delete_timeout_seconds=2)

    assert "held by networking.gke.io/ingress-finalizer-V2" in caught.value.observed
    assert "HttpLoadBalancing add-on" in caught.value.mend
    world.faults.clear("controller-off")
    assert take_down(world).clean


def test_a_part_that_somebody_uses_is_told_by_its_user_and_found_again_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of somebody's on our URL map: GKE is refused its deletion for ever."""
    monkeypatch.setattr(ingress, "_IN_USE_SECONDS", 1.0)
    world.install()
    provision(world)
    (url_map,) = [part for part in parts(world) if part.startswith("urlMaps/k8s2-um-")]
    somebody = a_proxy(world, url_map)

    with pytest.raises(ResourceFailed) as caught:
        take_down(world)

    assert "being used by" in caught.value.observed
    assert somebody in caught.value.observed
    api(world).delete("targetHttpProxies", somebody)
    way = take_down(world)
    assert way.clean, way.left
    assert api(world).get("urlMaps", url_map.partition("/")[2]) is None


def a_proxy(world: World, url_map: str) -> str:
    import httpx

    google, name = world.stack.compute, f"somebodys-{world.release}"
    root = f"{google.url}/compute/v1/projects/{google.project}/global"
    answer = httpx.post(
        f"{root}/targetHttpProxies",
        json={"name": name, "urlMap": f"{root}/{url_map}"},
        headers={"Authorization": f"Bearer {google.access_token('somebody')}"},
        trust_env=False,
    )
    assert answer.is_success, answer.text
    eventually(lambda: api(world).get("targetHttpProxies", name))
    return name


def test_a_receipt_whose_place_is_taken_stops_the_first_write(world: World) -> None:
    world.write({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": names.receipt(world.release)}})
    before = world.writes()

    with pytest.raises(ResourceFailed, match="is not ours, and our notes belong there"):
        reserve_address.fn(world.config())

    assert world.writes() == before


def test_what_was_deleted_is_told_change_by_change(world: World, journal: Journal) -> None:
    world.install()
    provision(world)
    journal.changes.clear()

    take_down(world, release_address=True)

    deleted = {change.resource for change in journal.writes if change.action == "deleted"}
    assert deleted >= {
        f"ingress {world.namespace}/{world.service}",
        f"backendconfig {world.namespace}/{world.release}-backendconfig",
        f"frontendconfig {world.namespace}/{world.release}-frontendconfig",
        f"secret {world.namespace}/{world.service}-tls",
        f"addresses/{world.service}",
    }
