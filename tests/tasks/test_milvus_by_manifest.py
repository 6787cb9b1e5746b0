"""Milvus is made fit field by field where Helm does not know it, or is not to be used."""

from typing import Any

import pytest

from tasks import helm_release
from tasks.clients import kubernetes
from tasks.core.config import LoadBalancerConfig, ReleaseManager
from tasks.core.errors import AccessRefused, ResourceFailed
from tasks.milvus_release import MilvusRelease, apply_milvus_release
from tests.tasks.world import World

Json = dict[str, Any]


def apply(config: LoadBalancerConfig) -> MilvusRelease:
    return apply_milvus_release.fn(config)


def test_a_release_that_is_not_to_be_upgraded_is_changed_field_by_field(world: World) -> None:
    world.install()
    config = world.config(release_manager="manifest")

    result = apply(config)

    assert (result.manager, result.revision) == (ReleaseManager.MANIFEST, 0)
    assert {change.resource.split()[0]: change.action for change in result.changes} == {
        "service": "updated",
        "configmap": "updated",
        "deployment": "updated",
    }
    assert world.read(kubernetes.SERVICE)["spec"]["type"] == "ClusterIP"
    assert "tlsMode: 1" in world.read(kubernetes.CONFIG_MAP)["data"]["user.yaml"]
    template = world.read(kubernetes.DEPLOYMENT, f"{world.service}-standalone")["spec"]["template"]
    assert template["metadata"]["annotations"]["milvus-gke-l7/config"]
    assert len(helm_release.revisions(world.cluster, config)) == 1


def test_manifests_applied_a_second_time_write_nothing(world: World) -> None:
    world.install()
    config = world.config(release_manager="manifest")
    apply(config)
    before = world.writes()

    result = apply(config)

    assert world.writes() == before
    assert {change.action for change in result.changes} == {"unchanged"}


def test_a_restart_that_was_not_reached_is_made_by_the_next_run(world: World) -> None:
    """Killed after the ConfigMap was written: Milvus would run without TLS for ever."""
    world.install()
    config = world.config(release_manager="manifest")
    world.faults.arm("kube-forbidden", verb="patch", resource="deployments")
    with pytest.raises(AccessRefused):
        apply(config)
    world.faults.clear()

    result = apply(config)

    assert f"deployment {world.namespace}/{world.service}-standalone" in [
        change.resource for change in result.changes if change.action == "updated"
    ]


def test_a_release_that_nobody_installed_by_helm_is_kept_by_manifests(world: World) -> None:
    by_hand(world)

    result = apply(world.config())

    assert result.manager is ReleaseManager.MANIFEST
    assert "tlsMode: 1" in world.read(kubernetes.CONFIG_MAP, "settings")["data"]["milvus.yaml"]


def test_a_release_without_a_configuration_to_change_is_told_what_to_set(world: World) -> None:
    by_hand(world, configured=False)
    before = world.writes()

    with pytest.raises(ResourceFailed) as caught:
        apply(world.config())

    assert "no Deployment of it mounts a ConfigMap" in caught.value.observed
    assert "common.security.tlsMode: 1" in caught.value.mend
    assert world.writes() == before


def by_hand(world: World, *, configured: bool = True) -> None:
    """A Milvus that somebody deployed by `kubectl apply`."""
    labels = {"app": "milvus"}
    ports = [{"name": "milvus", "port": 19530}]
    pod: Json = {"containers": [{"name": "db", "image": "registry.example/db"}]}
    if configured:
        pod["volumes"] = [{"name": "settings", "configMap": {"name": "settings"}}]
        world.write(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "settings"},
                "data": {"milvus.yaml": "log:\n  level: info\n"},
            }
        )
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    world.write({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db"}, "spec": spec})
    service = {"metadata": {"name": world.service}, "spec": {"selector": labels, "ports": ports}}
    world.write({"apiVersion": "v1", "kind": "Service"} | service)
