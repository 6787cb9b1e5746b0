"""The Helm release that Milvus was installed by: its revisions, whether one may be built upon, and the next one."""

import time
from typing import Any

from tasks import helm, steps
from tasks.clients import kubernetes, settings
from tasks.clients.kubernetes import Cluster
from tasks.clients.readers import ClusterReader
from tasks.core import helm_record, names, progress
from tasks.core.config import LoadBalancerConfig, ReleaseManager
from tasks.core.errors import ResourceFailed, Unreachable
from tasks.core.helm_record import Release
from tasks.core.progress import Change

_OURS = f"{names.FIELD_MANAGER}/revision"
"""Label of the record of every revision we make: its own number, since later revisions inherit labels.

So one that we left half-done is known as ours: Helm writes our description only at the end, the labels at once."""

_DEAD_AFTER_SECONDS = 60.0
"""Age of a pending revision of ours from which its maker is taken for dead: an upgrade that does not wait takes a few
seconds, and one that lives must not lose its record."""


def read(cluster: ClusterReader, config: LoadBalancerConfig) -> Release | None:
    """The newest revision, or None when Helm does not know the release or is not to be used."""
    if config.release_manager is ReleaseManager.MANIFEST:
        return None
    return newest(revisions(cluster, config), config)


def newest(records: list[dict[str, Any]], config: LoadBalancerConfig) -> Release | None:
    """The newest of these records, or None when there is none or Helm is not to be used."""
    return None if config.release_manager is ReleaseManager.MANIFEST else helm_record.latest(records)


def revisions(cluster: ClusterReader, config: LoadBalancerConfig) -> list[dict[str, Any]]:
    """The Secrets Helm keeps of the release."""
    return cluster.list_objects(kubernetes.SECRET, config.namespace, labels=helm_record.selector(config.release))


def resource(config: LoadBalancerConfig) -> str:
    """The release as messages name it."""
    return f"release {config.namespace}/{config.release}"


def settled(cluster: Cluster, config: LoadBalancerConfig, release: Release) -> tuple[Release, int]:
    """The revision to build upon and the number of the newest one, after clearing away what we left half-done.

    Helm refuses to act on a release whose newest revision is pending. When that revision is ours and its maker is
    dead, its record is removed; the objects it changed are the ones the next upgrade changes.

    Raises:
        ResourceFailed: somebody else's upgrade is pending, or the release was never deployed.
        Unreachable: an upgrade of ours is under way in another run.
    """
    if fault := pending_fault(config, release):
        raise fault
    if release.pending:
        _clear_away(cluster, config, release)
    elif release.status != "failed":
        return release, release.revision
    # Helm upgrades over a failed revision, whose values may be anybody's mistake: the deployed ones are the base.
    records = revisions(cluster, config)
    before, last = helm_record.deployed(records), helm_record.latest(records)
    if before is None or last is None:
        mend = f"Install Milvus first: helm -n {config.namespace} list --all"
        raise ResourceFailed(resource(config), "was never deployed", mend, "milvus")
    return before, last.revision


def _clear_away(cluster: Cluster, config: LoadBalancerConfig, release: Release) -> None:
    """Remove the record of our pending revision, if whoever made it is dead."""
    age = _age_seconds(release)
    if age < _DEAD_AFTER_SECONDS:
        mend = f"It is over in seconds, or given up after {_DEAD_AFTER_SECONDS:.0f}: run again."
        seen = f"another run began revision {release.revision} {age:.0f} s ago"
        raise Unreachable(resource(config), seen, mend, "milvus")
    name = f"sh.helm.release.v1.{config.release}.v{release.revision}"
    cluster.delete(kubernetes.SECRET, config.namespace, name)
    detail = "an upgrade killed half-way"
    progress.record(Change(resource=f"secret {config.namespace}/{name}", action="deleted", detail=detail))


def pending_fault(config: LoadBalancerConfig, release: Release) -> ResourceFailed | None:
    """Why the release cannot be upgraded now: somebody else's operation is pending. None for one of ours."""
    if not release.pending or release.labels.get(_OURS) == str(release.revision):
        return None
    undo = f"helm -n {config.namespace} rollback {config.release}"
    if release.status == "pending-install":
        undo = f"helm -n {config.namespace} uninstall {config.release}, then install it again"
    return ResourceFailed(
        resource(config),
        f"revision {release.revision} is {release.status}: {release.description}",
        f"Wait for it, or undo it: {undo}",
        "milvus",
    )


def _age_seconds(release: Release) -> float:
    """How long ago the record was made, by Helm's own label."""
    made = release.labels.get("createdAt", "")
    return max(0.0, time.time() - int(made)) if made.isdigit() else float("inf")


def upgrade(
    cluster: Cluster,
    config: LoadBalancerConfig,
    release: Release,
    values: dict[str, Any],
    *,
    revision: int,
    why: str,
    lines: list[str],
) -> tuple[Change, int]:
    """Upgrade the release to these values; what changed, and the revision that Helm made.

    Args:
        cluster: where the release is.
        config: names the release, and the chart if another one is wanted.
        release: what is built upon; its chart and chart version stay unless the configuration names others.
        values: the user values in full.
        revision: the number that it will have.
        why: for the revision's description.
        lines: what changes, for the log and the report.
    """
    for line in lines:
        steps.logger().info("%s: %s", resource(config), line)
    request = helm.Upgrade(
        namespace=config.namespace,
        release=config.release,
        chart=settings.chart(config) or release.chart,
        chart_repo=config.chart_repo,
        chart_version=config.chart_version or release.chart_version,
        description=f"{names.FIELD_MANAGER}: {why}",
        labels={_OURS: str(revision)},
        values=values,
    )
    cluster.prove_access()
    made = helm.upgrade(request, cluster.kubeconfig(config.namespace))
    return progress.record(Change(resource=resource(config), action="updated", detail="; ".join(lines))), made


def unchanged(config: LoadBalancerConfig, release: Release) -> tuple[Change, int]:
    """That the release is as it should be, in the form of `upgrade`."""
    return progress.record(Change(resource=resource(config), action="unchanged")), release.revision
