"""Milvus changed by whoever installed it with Helm: one upgrade that keeps every value and the chart's version."""

from collections.abc import Mapping
from typing import Any

from tasks import helm_release, milvus_objects, receipt
from tasks.clients.kubernetes import Cluster
from tasks.clients.readers import ClusterReader
from tasks.core import annotations, release_values, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ProvisioningError
from tasks.core.helm_record import Release
from tasks.core.progress import Change
from tasks.core.receipt import Former
from tasks.core.release_values import Version
from tasks.core.teardown_request import TeardownRequest

Json = dict[str, Any]


def apply(cluster: Cluster, config: LoadBalancerConfig, release: Release) -> tuple[Change, int]:
    """Make Milvus fit by one upgrade, or by none; what changed, and the revision that is deployed then."""
    service = milvus_objects.read_service(cluster, config)
    wanted = milvus_objects.wanted_annotations(service, config)
    release, last = helm_release.settled(cluster, config, release)
    version = _version(cluster, config, service, release)
    told, values = _desired(release, wanted, version)
    lines = release_values.differences(release.values, values)
    if _other_chart(config, release):
        lines.append(f"chart: {release.chart_version} → {config.chart_version}")
    if not lines and milvus_objects.service_fits(service, wanted):
        return helm_release.unchanged(config, release)
    # A live annotation that means the same may belong to whoever set it by hand: spelled alike, it is no conflict.
    told = annotations.spelled_as(status.marks(service), told)
    values = release_values.desired_values(release.values, annotations=told, milvus_version=version)
    lines = lines or ["the live objects differ from the release"]
    receipt.note_release(
        cluster, config, service, release_values.former_values(release.values, values), release.revision
    )
    why = f"TLS and Layer-7 annotations for {config.domain}"
    return helm_release.upgrade(cluster, config, release, values, revision=last + 1, why=why, lines=lines)


def restore(
    cluster: Cluster, config: TeardownRequest, release: Release, ours: Mapping[str, str], former: Former
) -> tuple[Change, int]:
    """Take our annotations off the values, and with `restore_layer4` make the rest what it was before.

    Args:
        cluster: where the release is.
        config: what is asked for.
        release: newest revision.
        ours: the annotations that are ours to take.
        former: what the values were before us.
    """
    release, last = helm_release.settled(cluster, config, release)
    values = release_values.without_annotations(release.values, ours, former.values)
    if config.restore_layer4:
        values = release_values.as_before(values, former.values)
    lines = release_values.differences(release.values, values)
    if not lines:
        return helm_release.unchanged(config, release)
    why = "back to Layer 4" if config.restore_layer4 else "without Layer-7 annotations"
    return helm_release.upgrade(cluster, config, release, values, revision=last + 1, why=why, lines=lines)


def upgrade_is_due(config: LoadBalancerConfig, release: Release, service: Json, version: Version | None) -> bool:
    """Whether `apply` has anything to change; True where it would say why it cannot."""
    try:
        wanted = milvus_objects.wanted_annotations(service, config)
        _, values = _desired(release, wanted, version)
    except ProvisioningError:
        return True
    fits = milvus_objects.service_fits(service, wanted)
    return _other_chart(config, release) or release.values != values or not fits


def differences(cluster: ClusterReader, config: LoadBalancerConfig, release: Release) -> list[str]:
    """What `apply` will change in the values, one line each.

    Raises:
        ResourceFailed: what it would raise before its first write.
    """
    service = milvus_objects.read_service(cluster, config)
    wanted = milvus_objects.wanted_annotations(service, config)
    _, values = _desired(release, wanted, _version(cluster, config, service, release))
    return release_values.differences(release.values, values)


def _version(cluster: ClusterReader, config: LoadBalancerConfig, service: Json, release: Release) -> Version | None:
    return milvus_objects.version_of(milvus_objects.read_deployments(cluster, config, service), release.app_version)


def _desired(release: Release, wanted: dict[str, str], version: Version | None) -> tuple[dict[str, str], Json]:
    """The annotations as the values spell them already, and the values with our part in them."""
    told = annotations.spelled_as(release_values.service_annotations(release.values), wanted)
    return told, release_values.desired_values(release.values, annotations=told, milvus_version=version)


def _other_chart(config: LoadBalancerConfig, release: Release) -> bool:
    return bool(config.chart_version) and config.chart_version != release.chart_version
