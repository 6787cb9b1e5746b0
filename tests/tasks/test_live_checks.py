"""The checks over what stands there: one that is healthy passes them all, a fault is named by the first that fails."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.backend_config import apply_backend_config
from tasks.checks import check_live_objects, live
from tasks.clients import compute, kubernetes
from tasks.core import annotations, names
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Journal
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.managed_certificate import apply_managed_certificate
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tasks.tls_secret import make_tls_secret
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]


def stand(config: LoadBalancerConfig) -> None:
    """Everything that provision makes, up to the address."""
    address = reserve_address.fn(config)
    apply_milvus_release.fn(config)
    apply_backend_config.fn(config)
    apply_frontend_config.fn(config)
    by_google = config.certificate_mode.value == "google-managed"
    (apply_managed_certificate if by_google else make_tls_secret).fn(config)
    wait_for_rollout.fn(config)
    apply_ingress.fn(config)
    wait_for_address.fn(config, address.address)


def failed(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.result is Result.FAILED]


@pytest.mark.parametrize("mode", ["self-managed", "google-managed"])
def test_a_healthy_load_balancer_fails_no_check_and_nothing_is_written(
    world: World, journal: Journal, mode: str
) -> None:
    world.install()
    config = world.config(certificate_mode=mode)
    stand(config)
    before = world.writes()

    found = eventually(lambda: _none_failed(check_live_objects.fn(config)))

    assert {check.name for check in found} >= {"AppProtocolPortNameCheck", "HealthCheckTypeCheck", "NetworkPolicyCheck"}
    assert {(check.name, check.resource) for check in journal.checks} >= {(each.name, each.resource) for each in found}
    assert world.writes() == before


def _none_failed(found: list[Check]) -> list[Check] | None:
    """Pods of the rollout may become ready a moment later."""
    return None if failed(found) else found


@pytest.fixture
def standing(world: World) -> LoadBalancerConfig:
    world.install()
    config = world.config()
    stand(config)
    return config


def looked(config: LoadBalancerConfig) -> list[Check]:
    return live(kubernetes.cluster(config), compute.api(config), config)


Break = Callable[[World], Any]

BREAKS: list[Any] = [
    pytest.param(
        lambda world: world.annotate(kubernetes.SERVICE, {annotations.APP_PROTOCOLS: '{"grpc":"HTTP2"}'}),
        "AppProtocolPortName", "kubernetes", id="a protocol of no port",
    ),
    pytest.param(
        lambda world: world.annotate(kubernetes.SERVICE, {annotations.APP_PROTOCOLS: "'HTTP2'"}),
        "AppProtocolAnnotation", "kubernetes", id="a protocol that is no JSON",
    ),
    pytest.param(
        lambda world: world.annotate(kubernetes.SERVICE, {annotations.NEG: None}),
        "NegAnnotation", "kubernetes", id="no NEG",
    ),
    pytest.param(
        lambda world: world.annotate(kubernetes.SERVICE, {annotations.BACKEND_CONFIG: '{"default":"nobody"}'}),
        "BackendConfigExistence", "kubernetes", id="a BackendConfig of nobody's",
    ),
    pytest.param(
        lambda world: world.patch(
            kubernetes.BACKEND_CONFIG, {"spec": {"healthCheck": {"type": None}}},
            name=names.backend_config(world.release),
        ),
        "HealthCheckType", "kubernetes", id="a health check without a type",
    ),
    pytest.param(
        lambda world: world.annotate(kubernetes.INGRESS, {annotations.INGRESS_CLASS: "nginx"}),
        "IngressClass", "ingress", id="another class",
    ),
    pytest.param(
        lambda world: world.patch(kubernetes.INGRESS, {"spec": {"tls": [{"secretName": "nobody"}]}}),
        "TlsSecretExistence", "certificate", id="another Secret",
    ),
    pytest.param(
        lambda world: world.annotate(kubernetes.INGRESS, {annotations.PRE_SHARED_CERT: "nobody"}),
        "PreSharedCertificate", "certificate", id="a certificate that Compute has not",
    ),
    pytest.param(
        lambda world: world.annotate(kubernetes.INGRESS, {annotations.STATIC_IP_NAME: "nobody"}),
        "StaticAddress", "compute", id="an address that Compute has not",
    ),
    pytest.param(
        lambda world: world.cluster.delete(kubernetes.INGRESS, world.namespace, world.service),
        "IngressExistence", "ingress", id="no Ingress",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("breaking", "cause", "layer"), BREAKS)
def test_a_fault_is_named_by_the_first_check_that_fails(
    world: World, standing: LoadBalancerConfig, breaking: Break, cause: str, layer: str
) -> None:
    breaking(world)
    if cause == "IngressExistence":
        eventually(lambda: world.cluster.read(kubernetes.INGRESS, world.namespace, world.service) is None)

    first = next(check for check in looked(standing) if check.ends_the_run)

    assert (first.cause, first.layer) == (cause, layer)
    assert first.mend


def test_what_may_not_be_read_comes_first_and_is_not_taken_for_missing(
    world: World, standing: LoadBalancerConfig
) -> None:
    world.faults.arm("kube-forbidden", verb="get", resource="ingresses")

    found = failed(looked(standing))

    assert found[0].cause == "AccessRefused"
    assert 'cannot get resource "ingresses"' in found[0].observed
    assert "IngressExistence" not in {check.cause for check in found}


def test_network_policies_that_may_not_be_read_stop_nobody(world: World, standing: LoadBalancerConfig) -> None:
    world.faults.arm("kube-forbidden", verb="list", resource="networkpolicies")

    found = looked(standing)

    assert not failed(found)
    (skipped,) = (check for check in found if check.name == "NetworkPolicyCheck")
    assert skipped.result is Result.SKIPPED
    assert "cannot list resource" in skipped.observed
