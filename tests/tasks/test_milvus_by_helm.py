"""Milvus is made fit by one Helm upgrade, and by none when it is fit already."""

import base64
import gzip
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks import helm_release
from tasks.clients import kubernetes
from tasks.core import helm_record
from tasks.core.config import LoadBalancerConfig, ReleaseManager
from tasks.core.errors import AccessRefused, FieldConflict, ResourceFailed, Unreachable
from tasks.core.helm_record import Release
from tasks.core.progress import Journal
from tasks.milvus_release import MilvusRelease, apply_milvus_release
from tests.tasks.world import World

Json = dict[str, Any]

NEG, PROTOCOLS = "cloud.google.com/neg", "cloud.google.com/app-protocols"
BACKEND_CONFIG = "cloud.google.com/backend-config"


def apply(config: LoadBalancerConfig) -> MilvusRelease:
    return apply_milvus_release.fn(config)


def records(world: World) -> list[Json]:
    found = helm_release.revisions(world.cluster, world.config())
    return sorted(found, key=lambda secret: int(secret["metadata"]["labels"]["version"]))


def newest(world: World) -> Release:
    return helm_record.decode(records(world)[-1])


def a_record(world: World, *, revision: int, status: str, age_seconds: int = 600, labels: Json | None = None) -> None:
    """A further revision of the release as Helm leaves it when it is killed, with the values of the one before."""
    secret = records(world)[-1]
    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    record["version"] = revision
    record["info"] |= {"status": status, "description": "Preparing upgrade"}
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(record).encode()))).decode()
    made = str(int(time.time()) - age_seconds)
    marks = (
        secret["metadata"]["labels"] | {"version": str(revision), "status": status, "createdAt": made} | (labels or {})
    )
    metadata = {"name": f"sh.helm.release.v1.{world.release}.v{revision}", "labels": marks}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "helm.sh/release.v1"}
    world.write(secret | {"data": {"release": packed}}, manager="helm")


def test_one_upgrade_makes_the_release_fit(world: World) -> None:
    world.install()

    result = apply(world.config())

    assert (result.manager, result.revision) == (ReleaseManager.HELM, 2)
    service = world.read(kubernetes.SERVICE)
    assert service["spec"]["type"] == "ClusterIP"
    assert (
        service["metadata"]["annotations"].items()
        >= {
            PROTOCOLS: '{"milvus":"HTTP2"}',
            BACKEND_CONFIG: json.dumps({"default": f"{world.release}-backendconfig"}),
            NEG: '{"ingress": true}',
        }.items()
    )
    settings = yaml.safe_load(world.read(kubernetes.CONFIG_MAP)["data"]["user.yaml"])
    assert settings["common"]["security"]["tlsMode"] == 1


def test_what_was_done_is_told_by_value_without_what_is_not_ours(world: World) -> None:
    world.install(standalone={"extraEnv": [{"name": "PASSWORD", "value": "hunter2"}]})

    (change,) = apply(world.config()).changes

    assert "service.type: LoadBalancer → ClusterIP" in change.detail
    assert "hunter2" not in change.detail


def test_values_of_the_install_and_its_chart_version_survive(world: World) -> None:
    text = "# mine\nproxy:\n  maxNameLength: 100\nquotaAndLimits:\n  enabled: on\n"
    world.install(log={"level": "warn"}, extraConfigFiles={"user.yaml": text, "other.yaml": "a: 1\n"})
    before = newest(world)

    apply(world.config())

    after = newest(world)
    assert after.chart_version == before.chart_version
    assert after.values["log"] == {"level": "warn"}
    assert after.values["image"] == before.values["image"]
    assert after.values["extraConfigFiles"]["other.yaml"] == "a: 1\n"
    merged = after.values["extraConfigFiles"]["user.yaml"]
    assert yaml.safe_load(merged)["proxy"]["maxNameLength"] == 100
    assert "enabled: on" in merged


def test_the_description_names_the_domain(world: World) -> None:
    world.install()

    apply(world.config())

    assert newest(world).description == f"milvus-gke-l7: TLS and Layer-7 annotations for {world.domain}"


def test_a_second_call_writes_nothing(world: World) -> None:
    world.install()
    apply(world.config())
    before = world.writes()

    result = apply(world.config())

    assert world.writes() == before
    assert [change.action for change in result.changes] == ["unchanged"]
    assert result.revision == 2


def test_a_layer_4_service_set_by_hand_is_told_with_how_helm_takes_it_over(world: World) -> None:
    world.install()
    apply(world.config())
    world.patch(kubernetes.SERVICE, {"spec": {"type": "LoadBalancer"}})

    with pytest.raises(FieldConflict) as caught:
        apply(world.config())

    assert caught.value.observed == f"kubectl-edit owns .spec.type of service {world.namespace}/{world.service}"
    assert caught.value.mend.startswith("Let Helm take the other fields over, once: helm -n")


def test_an_annotation_taken_away_by_hand_is_set_again(world: World) -> None:
    world.install()
    apply(world.config())
    world.annotate(kubernetes.SERVICE, {NEG: None})

    result = apply(world.config())

    assert result.changes[0].detail == "the live objects differ from the release"
    assert world.read(kubernetes.SERVICE)["metadata"]["annotations"][NEG] == '{"ingress": true}'


def test_annotations_of_the_published_guide_are_adopted_whatever_their_spaces(world: World) -> None:
    """Set by `kubectl annotate`, and meaning what we want: no conflict."""
    world.install()
    world.annotate(
        kubernetes.SERVICE,
        {
            PROTOCOLS: '{"milvus": "HTTP2"}',
            BACKEND_CONFIG: f'{{"default":"{world.release}-backendconfig"}}',
            NEG: '{"ingress":true}',
        },
    )

    apply(world.config())

    assert world.read(kubernetes.SERVICE)["metadata"]["annotations"][NEG] == '{"ingress":true}'
    before = world.writes()
    apply(world.config())
    assert world.writes() == before


def test_a_conflict_with_kubectl_annotate_is_mended_by_the_command_that_is_told(world: World) -> None:
    world.install()
    world.annotate(kubernetes.SERVICE, {PROTOCOLS: '{"milvus":"HTTPS"}', NEG: '{"ingress":false}'})

    with pytest.raises(FieldConflict) as caught:
        apply(world.config())

    error = caught.value
    assert error.observed == (
        f"kubectl-annotate owns .metadata.annotations.{PROTOCOLS}, .metadata.annotations.{NEG} "
        f"of service {world.namespace}/{world.service}"
    )
    command = f"kubectl -n {world.namespace} annotate service {world.service} {PROTOCOLS}- {NEG}-"
    assert f": {command}." in error.mend
    world.run(command)
    assert apply(world.config()).changes[0].action == "updated"
    assert world.read(kubernetes.SERVICE)["metadata"]["annotations"][NEG] == '{"ingress": true}'


def test_a_conflict_with_another_tool_is_told_field_by_field_and_object_by_object(world: World) -> None:
    world.install()
    world.annotate(kubernetes.SERVICE, {NEG: '{"ingress":false}'})
    world.patch(kubernetes.CONFIG_MAP, {"data": {"user.yaml": "a: 1\n"}}, manager="helm-controller")

    with pytest.raises(FieldConflict) as caught:
        apply(world.config())

    error = caught.value
    assert f"helm-controller owns .data.user.yaml of configmap {world.namespace}/{world.service}" in error.observed
    assert f"kubectl-annotate owns .metadata.annotations.{NEG} of service" in error.observed
    assert "&&" not in error.observed
    assert f"annotate service {world.service} {NEG}-" in error.mend
    assert "If helm-controller keeps this release, change the values there" in error.mend
    assert "--force-conflicts" in error.mend


def test_a_failed_revision_is_upgraded_over_from_the_deployed_values(world: World) -> None:
    world.install(log={"level": "warn"})
    a_record(world, revision=2, status="failed")

    result = apply(world.config())

    assert result.revision == 3
    assert newest(world).values["log"] == {"level": "warn"}


def test_a_revision_of_ours_that_was_killed_half_way_is_cleared_away(world: World, journal: Journal) -> None:
    world.install()
    a_record(world, revision=2, status="pending-upgrade", labels={"milvus-gke-l7/revision": "2"})

    result = apply(world.config())

    assert result.revision == 2
    assert newest(world).status == "deployed"
    removed = next(change for change in journal.changes if change.action == "deleted")
    assert removed.resource == f"secret {world.namespace}/sh.helm.release.v1.{world.release}.v2"


def test_an_upgrade_of_ours_that_lives_keeps_its_record(world: World) -> None:
    world.install()
    a_record(world, revision=2, status="pending-upgrade", age_seconds=3, labels={"milvus-gke-l7/revision": "2"})
    before = world.writes()

    with pytest.raises(Unreachable, match="another run began revision 2"):
        apply(world.config())

    assert world.writes() == before


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({}, id="of helm's"),
        pytest.param({"milvus-gke-l7/revision": "1"}, id="inherited from one of ours"),
    ],
)
def test_somebody_elses_pending_revision_is_refused_with_the_way_out(world: World, labels: dict[str, str]) -> None:
    world.install()
    a_record(world, revision=2, status="pending-upgrade", labels=labels)
    before = world.writes()

    with pytest.raises(ResourceFailed) as caught:
        apply(world.config())

    assert caught.value.observed == "revision 2 is pending-upgrade: Preparing upgrade"
    assert f"helm -n {world.namespace} rollback {world.release}" in caught.value.mend
    assert world.writes() == before


def test_our_revisions_carry_their_number_so_that_they_are_known_half_done(world: World) -> None:
    world.install()

    apply(world.config())

    assert newest(world).labels["milvus-gke-l7/revision"] == "2"


def test_a_chart_on_disk_of_another_version_is_refused(world: World, tmp_path: Path) -> None:
    world.install()
    chart = tmp_path / "milvus"
    shutil.copytree(world.stack.chart, chart)
    definition = chart / "Chart.yaml"
    definition.write_text(definition.read_text().replace("version: 4.1.17", "version: 5.0.0"))

    with pytest.raises(ResourceFailed) as caught:
        apply(world.config(chart=str(chart)))

    assert "has version 5.0.0, not 4.1.17" in caught.value.observed
    assert "chart_version" in caught.value.mend
    assert len(records(world)) == 1


def test_a_chart_version_named_on_purpose_is_upgraded_to(world: World, tmp_path: Path) -> None:
    world.install()
    chart = tmp_path / "milvus"
    shutil.copytree(world.stack.chart, chart)
    definition = chart / "Chart.yaml"
    definition.write_text(definition.read_text().replace("version: 4.1.17", "version: 5.0.0"))

    (change,) = apply(world.config(chart=str(chart), chart_version="5.0.0")).changes

    assert "chart: 4.1.17 → 5.0.0" in change.detail
    assert newest(world).chart_version == "5.0.0"


def test_a_chart_that_cannot_be_had_is_told_with_what_was_tried(world: World, tmp_path: Path) -> None:
    world.install()

    with pytest.raises(ResourceFailed) as caught:
        apply(world.config(chart=str(tmp_path / "nowhere.tgz"), chart_repo="http://127.0.0.1:9/"))

    assert caught.value.layer == "milvus"
    assert len(records(world)) == 1


def test_a_role_that_may_not_change_the_release_is_told(world: World) -> None:
    world.install()
    world.faults.arm("kube-forbidden", verb="create", resource="secrets")

    with pytest.raises(AccessRefused, match="forbidden"):
        apply(world.config())
