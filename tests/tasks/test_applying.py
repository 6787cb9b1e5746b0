"""Objects are brought to their manifests, without a needless write and never over a deliberate change."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.backend_config import apply_backend_config
from tasks.clients import kubernetes
from tasks.clients.kubernetes import Kind
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import AccessRefused, FieldConflict, ResourceFailed
from tasks.core.progress import Change
from tasks.frontend_config import apply_frontend_config
from tasks.ingress import apply_ingress
from tasks.managed_certificate import apply_managed_certificate
from tests.tasks.world import World

Json = dict[str, Any]
Step = Callable[[LoadBalancerConfig], Change]

STEPS = [
    pytest.param(apply_backend_config.fn, kubernetes.BACKEND_CONFIG, "{release}-backendconfig", id="BackendConfig"),
    pytest.param(apply_frontend_config.fn, kubernetes.FRONTEND_CONFIG, "{release}-frontendconfig", id="FrontendConfig"),
    pytest.param(
        apply_managed_certificate.fn, kubernetes.MANAGED_CERTIFICATE, "{release}-milvus-tls", id="ManagedCertificate"
    ),
    pytest.param(apply_ingress.fn, kubernetes.INGRESS, "{release}-milvus", id="Ingress"),
]


@pytest.fixture
def service(world: World) -> None:
    a_service(world)


def a_service(world: World) -> None:
    ports = [{"name": "milvus", "port": 19530}]
    world.write({"apiVersion": "v1", "kind": "Service", "metadata": {"name": world.service}, "spec": {"ports": ports}})


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("step", "kind", "name"), STEPS)
def test_an_object_is_made_with_our_label_and_then_left_alone(world: World, step: Step, kind: Kind, name: str) -> None:
    made = step(world.config())
    before = world.writes()

    again = step(world.config())

    live = world.read(kind, name.format(release=world.release))
    assert live["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "milvus-gke-l7"
    assert (made.action, again.action) == ("created", "unchanged")
    assert world.writes() == before


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("step", "kind", "name"), STEPS)
def test_an_object_made_by_hand_is_adopted_without_a_conflict(world: World, step: Step, kind: Kind, name: str) -> None:
    """As the published guide's reader made it, with `kubectl apply`; its values are not ours."""
    path = name.format(release=world.release)
    world.write(by_the_guide(world, kind, path))

    change = step(world.config())

    assert change.action == "updated"
    assert world.read(kind, path)["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "milvus-gke-l7"
    before = world.writes()
    assert step(world.config()).action == "unchanged"
    assert world.writes() == before


def by_the_guide(world: World, kind: Kind, name: str) -> Json:
    backend = {"service": {"name": world.service, "port": {"number": 19530}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec: dict[str, Json] = {
        "BackendConfig": {"healthCheck": {"port": 9091, "requestPath": "/healthz", "type": "HTTP"}, "timeoutSec": 30},
        "FrontendConfig": {"redirectToHttps": {"enabled": False}},
        "ManagedCertificate": {"domains": ["my-release.milvus.io"]},
        "Ingress": {
            "tls": [{"hosts": ["my-release.milvus.io"], "secretName": "my-release-milvus-tls"}],
            "rules": [{"host": "my-release.milvus.io", "http": {"paths": paths}}],
        },
    }
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name}, "spec": spec[kind.name]}


def test_a_change_of_the_configuration_is_applied_and_told_by_path(world: World) -> None:
    apply_backend_config.fn(world.config())

    change = apply_backend_config.fn(world.config(backend_timeout_seconds=60))

    assert (change.action, change.detail) == ("updated", "spec.timeoutSec")
    assert world.read(kubernetes.BACKEND_CONFIG, f"{world.release}-backendconfig")["spec"]["timeoutSec"] == 60


def test_a_field_that_is_no_longer_ours_to_set_is_taken_away(world: World) -> None:
    """Left there, an SSL policy that nobody asks for any more would stay in force."""
    name = f"{world.release}-frontendconfig"
    apply_frontend_config.fn(world.config(ssl_policy="modern"))
    assert world.read(kubernetes.FRONTEND_CONFIG, name)["spec"]["sslPolicy"] == "modern"

    change = apply_frontend_config.fn(world.config(http="disabled"))

    assert change.action == "updated"
    spec = world.read(kubernetes.FRONTEND_CONFIG, name)["spec"]
    assert spec == {"redirectToHttps": {"enabled": False}}
    before = world.writes()
    assert apply_frontend_config.fn(world.config(http="disabled")).action == "unchanged"
    assert world.writes() == before


@pytest.mark.usefixtures("service")
def test_changing_the_certificate_mode_takes_the_other_modes_part_away(world: World) -> None:
    apply_ingress.fn(world.config())

    apply_ingress.fn(world.config(certificate_mode="google-managed"))

    live = world.read(kubernetes.INGRESS)
    assert "tls" not in live["spec"]
    assert live["metadata"]["annotations"]["networking.gke.io/managed-certificates"] == f"{world.service}-tls"
    apply_ingress.fn(world.config())
    live = world.read(kubernetes.INGRESS)
    assert "networking.gke.io/managed-certificates" not in live["metadata"]["annotations"]
    assert live["spec"]["tls"][0]["secretName"] == f"{world.service}-tls"


@pytest.mark.usefixtures("service")
def test_what_the_controller_wrote_into_the_ingress_survives(world: World) -> None:
    apply_ingress.fn(world.config())
    marks: dict[str, str | None] = {
        "ingress.kubernetes.io/url-map": "k8s2-um-x",
        "ingress.gcp.kubernetes.io/pre-shared-cert": "mcrt-1",
    }
    patch = {"metadata": {"annotations": marks, "finalizers": ["networking.gke.io/ingress-finalizer-V2"]}}
    world.patch(kubernetes.INGRESS, patch, manager="glbc")

    apply_ingress.fn(world.config(http="disabled"))

    metadata = world.read(kubernetes.INGRESS)["metadata"]
    world.patch(kubernetes.INGRESS, {"metadata": {"finalizers": None}}, manager="glbc")
    assert metadata["annotations"].items() >= marks.items()
    assert metadata["annotations"]["kubernetes.io/ingress.allow-http"] == "false"
    assert metadata["finalizers"] == ["networking.gke.io/ingress-finalizer-V2"]


def test_annotations_and_labels_of_others_survive(world: World) -> None:
    name = f"{world.release}-backendconfig"
    apply_backend_config.fn(world.config())
    world.annotate(kubernetes.BACKEND_CONFIG, {"team": "search"}, name=name)
    before = world.writes()

    assert apply_backend_config.fn(world.config()).action == "unchanged"
    assert world.writes() == before
    apply_backend_config.fn(world.config(draining_seconds=5))
    assert world.read(kubernetes.BACKEND_CONFIG, name)["metadata"]["annotations"]["team"] == "search"


def test_a_deliberate_change_of_ours_is_not_overwritten_but_told_with_its_author(world: World) -> None:
    name = f"{world.release}-backendconfig"
    apply_backend_config.fn(world.config())
    world.patch(kubernetes.BACKEND_CONFIG, {"spec": {"timeoutSec": 7, "healthCheck": {"port": 9092}}}, name=name)

    with pytest.raises(FieldConflict) as caught:
        apply_backend_config.fn(world.config())

    error = caught.value
    assert error.resource == f"backendconfig {world.namespace}/{name}"
    assert error.observed == f"kubectl-edit owns .spec.healthCheck.port, .spec.timeoutSec of {error.resource}"
    assert f"kubectl -n {world.namespace} edit backendconfig {name}" in error.mend
    assert world.read(kubernetes.BACKEND_CONFIG, name)["spec"]["timeoutSec"] == 7


def test_a_deliberate_change_that_is_undone_is_no_conflict_any_more(world: World) -> None:
    name = f"{world.release}-backendconfig"
    apply_backend_config.fn(world.config())
    world.patch(kubernetes.BACKEND_CONFIG, {"spec": {"timeoutSec": 7}}, name=name)
    world.patch(kubernetes.BACKEND_CONFIG, {"spec": {"timeoutSec": 3600}}, name=name)

    assert apply_backend_config.fn(world.config()).action == "unchanged"


@pytest.mark.usefixtures("service")
def test_an_annotation_of_ours_changed_by_hand_is_mended_by_the_command_that_is_told(world: World) -> None:
    key = "kubernetes.io/ingress.global-static-ip-name"
    apply_ingress.fn(world.config())
    world.annotate(kubernetes.INGRESS, {key: "another"})

    with pytest.raises(FieldConflict) as caught:
        apply_ingress.fn(world.config())

    command = f"kubectl -n {world.namespace} annotate ingress {world.service} {key}-"
    assert f"the next run sets it again: {command}." in caught.value.mend
    world.run(command)
    assert apply_ingress.fn(world.config()).action == "updated"
    assert world.read(kubernetes.INGRESS)["metadata"]["annotations"][key] == world.service


def test_an_ingress_without_its_service_is_not_made(world: World) -> None:
    before = world.writes()

    with pytest.raises(ResourceFailed) as caught:
        apply_ingress.fn(world.config())

    assert str(caught.value).startswith(f"service {world.namespace}/{world.service}: does not exist")
    assert world.writes() == before


def test_a_role_that_may_not_write_is_told_with_the_servers_own_words(world: World) -> None:
    world.faults.arm("kube-forbidden", verb="patch", resource="backendconfigs")

    with pytest.raises(AccessRefused, match='cannot patch resource "backendconfigs"') as caught:
        apply_backend_config.fn(world.config())

    assert caught.value.resource == f"backendconfig {world.namespace}/{world.release}-backendconfig"


def test_a_value_that_the_definition_refuses_is_told_with_its_field(world: World) -> None:
    """The API server validates what it is given; its text names the field."""
    config = world.config()

    with pytest.raises(ResourceFailed, match="field not declared in schema"):
        kubernetes.cluster(config).apply(
            {
                "apiVersion": "cloud.google.com/v1",
                "kind": "BackendConfig",
                "metadata": {"name": "a", "namespace": world.namespace},
                "spec": {"timeoutSeconds": 3},
            },
            kubernetes.BACKEND_CONFIG,
        )
