"""Tasks on the Milvus release: ClusterIP, TLS, the three annotations, REST out of the way; one upgrade for all.

Whoever owns the release makes the change: Helm by an upgrade that keeps every value and the chart's version, or
server-side apply when Helm does not know the release. Nothing is written when nothing would change.
"""

import hashlib
import time
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import helm, receipt, steps, waiting
from tasks.clients import kubernetes, settings
from tasks.clients.kubernetes import Cluster
from tasks.core import annotations, diagnosis, helm_record, names, progress, release_values, status
from tasks.core.config import LoadBalancerConfig, ReleaseManager
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import ProvisioningError, ResourceFailed, Unreachable
from tasks.core.helm_record import Release
from tasks.core.progress import Change
from tasks.core.receipt import Former
from tasks.core.teardown_request import TeardownRequest
from tasks.polling import Ready

_OURS = f"{names.FIELD_MANAGER}/revision"
"""Label of the record of every revision we make: its own number, since later revisions inherit labels.

So one that we left half-done is known as ours: Helm writes our description only at the end, the labels at once."""

_MARK = f"{names.FIELD_MANAGER}/config"
"""Annotation of a ConfigMap we changed, and of the Pods that were started after it: a short hash of the text."""

_DEAD_AFTER_SECONDS = 60.0
"""Age of a pending revision of ours from which its maker is taken for dead: an upgrade that does not wait takes a few
seconds, and one that lives must not lose its record."""


class MilvusRelease(BaseModel):
    """What became of the release."""

    model_config = ConfigDict(frozen=True)

    manager: ReleaseManager
    revision: int
    """Helm revision that is deployed now; 0 when Helm does not own the release."""
    changes: tuple[Change, ...]


@steps.writing
def apply_milvus_release(config: LoadBalancerConfig) -> MilvusRelease:
    """Make Milvus fit to stand behind the load balancer.

    Raises:
        FieldConflict: somebody owns a field that the chart sets, such as an annotation set by kubectl.
        ResourceFailed: the release is busy, its chart cannot be had, or its values cannot be merged.
    """
    cluster = kubernetes.cluster(config)
    release = read_release(cluster, config)
    if release is None:
        return _apply_manifests(cluster, config)
    return _upgrade(cluster, config, release)


def read_release(cluster: Cluster, config: LoadBalancerConfig) -> Release | None:
    """The newest Helm revision, or None when Helm does not know the release or is not to be used."""
    if config.release_manager is ReleaseManager.MANIFEST:
        return None
    return newest(revisions(cluster, config), config)


def newest(records: list[dict[str, Any]], config: LoadBalancerConfig) -> Release | None:
    """The newest of these records, or None when there is none or Helm is not to be used."""
    return None if config.release_manager is ReleaseManager.MANIFEST else helm_record.latest(records)


def revisions(cluster: Cluster, config: LoadBalancerConfig) -> list[dict[str, Any]]:
    """The Secrets Helm keeps of the release."""
    return cluster.list_objects(kubernetes.SECRET, config.namespace, labels=helm_record.selector(config.release))


def _upgrade(cluster: Cluster, config: LoadBalancerConfig, release: Release) -> MilvusRelease:
    resource = f"release {config.namespace}/{config.release}"
    service = read_service(cluster, config)
    wanted = annotations.on_service(_port_name(service, config), names.backend_config(config.release))
    release, newest = _settled(cluster, config, release)
    version = release_values.milvus_version(milvus_image(cluster, config), release.app_version)
    told = annotations.spelled_as(release_values.service_annotations(release.values), wanted)
    values = release_values.desired_values(release.values, annotations=told, milvus_version=version)
    lines = release_values.differences(release.values, values)
    if config.chart_version and config.chart_version != release.chart_version:
        lines.append(f"chart: {release.chart_version} → {config.chart_version}")
    if not lines and service_fits(service, wanted):
        return _result(Change(resource=resource, action="unchanged"), ReleaseManager.HELM, release.revision)
    # A live annotation that means the same may belong to whoever set it by hand: spelled alike, it is no conflict.
    told = annotations.spelled_as(status.marks(service), told)
    values = release_values.desired_values(release.values, annotations=told, milvus_version=version)
    lines = lines or ["the live objects differ from the release"]
    _note(cluster, config, service, release_values.former_values(release.values, values), release.revision)
    why = f"TLS and Layer-7 annotations for {config.domain}"
    return _upgrade_to(cluster, config, release, values, newest + 1, why, lines)


def upgrade_is_due(
    config: LoadBalancerConfig, release: Release, service: dict[str, Any], version: release_values.Version | None
) -> bool:
    """Whether `apply_milvus_release` has anything to change by Helm; True where it would say why it cannot."""
    try:
        wanted = annotations.on_service(_port_name(service, config), names.backend_config(config.release))
        told = annotations.spelled_as(release_values.service_annotations(release.values), wanted)
        values = release_values.desired_values(release.values, annotations=told, milvus_version=version)
    except ProvisioningError:
        return True
    other_chart = bool(config.chart_version) and config.chart_version != release.chart_version
    return other_chart or release.values != values or not service_fits(service, wanted)


def planned_differences(cluster: Cluster, config: LoadBalancerConfig) -> list[str]:
    """What `apply_milvus_release` will change, one line each; empty when nothing.

    Raises:
        ResourceFailed: what that step would raise before its first write.
    """
    service = read_service(cluster, config)
    wanted = annotations.on_service(_port_name(service, config), names.backend_config(config.release))
    version = release_values.milvus_version(milvus_image(cluster, config), "")
    release = read_release(cluster, config)
    if release is None:
        current = {"extraConfigFiles": {release_values.USER_YAML: settings_text(cluster, config)}}
        lines = [] if service_fits(service, wanted) else ["service: ClusterIP, annotations"]
        text = release_values.desired_user_yaml(settings_text(cluster, config), version)
        return lines + release_values.differences(current, {"extraConfigFiles": {release_values.USER_YAML: text}})
    version = version or release_values.milvus_version("", release.app_version)
    told = annotations.spelled_as(release_values.service_annotations(release.values), wanted)
    values = release_values.desired_values(release.values, annotations=told, milvus_version=version)
    return release_values.differences(release.values, values)


def settings_text(cluster: Cluster, config: LoadBalancerConfig) -> str:
    """What the Pods of a release without Helm take their settings from.

    Raises:
        ResourceFailed: no Deployment mounts it, or there is no Service.
    """
    deployments = milvus_deployments(cluster, config, read_service(cluster, config))
    config_map, key = _configuration_of(cluster, config, deployments)
    return str((config_map.get("data") or {}).get(key) or "")


def _upgrade_to(
    cluster: Cluster,
    config: LoadBalancerConfig,
    release: Release,
    values: dict[str, Any],
    revision: int,
    why: str,
    lines: list[str],
) -> MilvusRelease:
    """The one Helm upgrade; `revision` is the number it will have."""
    resource = f"release {config.namespace}/{config.release}"
    for line in lines:
        steps.logger().info("%s: %s", resource, line)
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
    return _result(Change(resource=resource, action="updated", detail="; ".join(lines)), ReleaseManager.HELM, made)


def _note(
    cluster: Cluster,
    config: LoadBalancerConfig,
    service: dict[str, Any],
    former: dict[str, str | None],
    revision: int = 0,
) -> None:
    """Put on the receipt what is about to change; never more of it than our own keys."""
    kind = str(service["spec"].get("type") or "")
    found = Former(service_type=kind if kind != "ClusterIP" else "", values=former, revision=revision)
    before = receipt.read(cluster, config).release
    receipt.note(cluster, config, release=before.noting(found) if before else found)


def _settled(cluster: Cluster, config: LoadBalancerConfig, release: Release) -> tuple[Release, int]:
    """The revision to build upon and the number of the newest one, after clearing away what we left half-done.

    Helm refuses to act on a release whose newest revision is pending. When that revision is ours and its maker is
    dead, its record is removed; the objects it changed are the ones the next upgrade changes.

    Raises:
        ResourceFailed: somebody else's upgrade is pending, or the release was never deployed.
        Unreachable: an upgrade of ours is under way in another run.
    """
    if fault := pending_fault(config, release):
        raise fault
    resource = f"release {config.namespace}/{config.release}"
    if release.pending:
        age = _age_seconds(release)
        if age < _DEAD_AFTER_SECONDS:
            mend = f"It is over in seconds, or given up after {_DEAD_AFTER_SECONDS:.0f}: run again."
            seen = f"another run began revision {release.revision} {age:.0f} s ago"
            raise Unreachable(resource, seen, mend, "milvus")
        name = f"sh.helm.release.v1.{config.release}.v{release.revision}"
        cluster.delete(kubernetes.SECRET, config.namespace, name)
        detail = "an upgrade killed half-way"
        _recorded(Change(resource=f"secret {config.namespace}/{name}", action="deleted", detail=detail))
    elif release.status != "failed":
        return release, release.revision
    # Helm upgrades over a failed revision, whose values may be anybody's mistake: the deployed ones are the base.
    records = revisions(cluster, config)
    before, newest = helm_record.deployed(records), helm_record.latest(records)
    if before is None or newest is None:
        raise ResourceFailed(
            resource, "was never deployed", f"Install Milvus first: helm -n {config.namespace} list --all", "milvus"
        )
    return before, newest.revision


def pending_fault(config: LoadBalancerConfig, release: Release) -> ResourceFailed | None:
    """Why the release cannot be upgraded now: somebody else's operation is pending. None for one of ours."""
    if not release.pending or release.labels.get(_OURS) == str(release.revision):
        return None
    undo = f"helm -n {config.namespace} rollback {config.release}"
    if release.status == "pending-install":
        undo = f"helm -n {config.namespace} uninstall {config.release}, then install it again"
    return ResourceFailed(
        f"release {config.namespace}/{config.release}",
        f"revision {release.revision} is {release.status}: {release.description}",
        f"Wait for it, or undo it: {undo}",
        "milvus",
    )


def _age_seconds(release: Release) -> float:
    """How long ago the record was made, by Helm's own label."""
    made = release.labels.get("createdAt", "")
    return max(0.0, time.time() - int(made)) if made.isdigit() else float("inf")


def _apply_manifests(cluster: Cluster, config: LoadBalancerConfig) -> MilvusRelease:
    """Server-side apply of our few fields on Service, ConfigMap and workload."""
    service = read_service(cluster, config)
    wanted = annotations.on_service(_port_name(service, config), names.backend_config(config.release))
    deployments = milvus_deployments(cluster, config, service)
    image = image_of(deployments)
    version = release_values.milvus_version(image, "")
    config_map, key = _configuration_of(cluster, config, deployments)
    text = (config_map.get("data") or {}).get(key)
    desired = release_values.desired_user_yaml(text, version)
    if desired != text or not service_fits(service, wanted):
        former = release_values.former_settings(text, desired)
        _note(cluster, config, service, former | release_values.former_annotations(status.marks(service), wanted))
    changes = [_patch_service(cluster, config, service, wanted)]
    mark = status.marks(config_map).get(_MARK, "")
    if desired != text:
        mark = hashlib.sha256(desired.encode()).hexdigest()[:16]
        changes.append(_patch_config_map(cluster, config, config_map, {key: desired}, mark))
    # Decided from the mark, not from the text: a run killed between the two writes is finished by the next one.
    changes += [
        _restart(cluster, config, deployment, mark)
        for deployment in deployments
        if mark and _mark_of(deployment) != mark
    ]
    return MilvusRelease(manager=ReleaseManager.MANIFEST, revision=0, changes=tuple(changes))


def _patch_service(
    cluster: Cluster, config: LoadBalancerConfig, service: dict[str, Any], wanted: dict[str, str]
) -> Change:
    name = service["metadata"]["name"]
    resource = f"service {config.namespace}/{name}"
    if service_fits(service, wanted):
        return _recorded(Change(resource=resource, action="unchanged"))
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": config.namespace, "annotations": wanted},
        "spec": {"type": "ClusterIP"},
    }
    # Asked for by release_manager: the Service's type and our annotations become ours.
    cluster.apply(manifest, kubernetes.SERVICE, force=True)
    return _recorded(Change(resource=resource, action="updated", detail="ClusterIP, annotations"))


def _patch_config_map(
    cluster: Cluster, config: LoadBalancerConfig, config_map: dict[str, Any], data: dict[str, str], mark: str
) -> Change:
    metadata = config_map["metadata"]
    resource = f"configmap {config.namespace}/{metadata['name']}"
    version = metadata["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version, "annotations": {_MARK: mark}}, "data": data}
    if cluster.merge_patch(kubernetes.CONFIG_MAP, config.namespace, metadata["name"], patch) is None:
        raise Unreachable(resource, "was changed by somebody else at the same moment", "Run again.", "milvus")
    return _recorded(Change(resource=resource, action="updated", detail=f"{', '.join(data)}: TLS"))


def _mark_of(deployment: dict[str, Any]) -> str:
    return status.marks(deployment["spec"]["template"]).get(_MARK, "")


def _restart(cluster: Cluster, config: LoadBalancerConfig, deployment: dict[str, Any], mark: str) -> Change:
    """Roll a Deployment to the new configuration: a mounted subPath never updates by itself."""
    name = deployment["metadata"]["name"]
    patch = {"spec": {"template": {"metadata": {"annotations": {_MARK: mark}}}}}
    cluster.merge_patch(kubernetes.DEPLOYMENT, config.namespace, name, patch)
    return _recorded(
        Change(resource=f"deployment {config.namespace}/{name}", action="updated", detail="restarted for TLS")
    )


def _configuration_of(
    cluster: Cluster, config: LoadBalancerConfig, deployments: list[dict[str, Any]]
) -> tuple[dict[str, Any], str]:
    """The ConfigMap that Milvus reads its settings from, and the key in it."""
    for deployment in deployments:
        for volume in deployment["spec"]["template"]["spec"].get("volumes") or []:
            name = (volume.get("configMap") or {}).get("name")
            found = cluster.read(kubernetes.CONFIG_MAP, config.namespace, name) if name else None
            for key in ("user.yaml", "milvus.yaml"):
                if found and key in (found.get("data") or {}):
                    return found, key
    raise ResourceFailed(
        f"release {config.namespace}/{config.release}",
        "no Deployment of it mounts a ConfigMap with user.yaml or milvus.yaml, so TLS cannot be turned on",
        "Turn it on where Milvus is configured: common.security.tlsMode: 1, and proxy.http.port: 8080.",
        "milvus",
    )


@steps.writing
def restore_milvus_release(config: TeardownRequest) -> MilvusRelease:
    """Take our annotations off the Service, and with `restore_layer4` make Service, TLS and REST what they were before.

    What they were stands on the receipt. Without one the annotations that say what we say are taken for ours, the
    Service becomes a LoadBalancer, and TLS stays.

    Raises:
        FieldConflict, ResourceFailed: as of `apply_milvus_release`.
    """
    cluster = kubernetes.cluster(config)
    service = cluster.read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    release = read_release(cluster, config)
    if service is None:
        resource = f"service {config.namespace}/{names.service(config.release)}"
        return _result(Change(resource=resource, action="unchanged", detail="there is none"), config.release_manager, 0)
    noted = receipt.read(cluster, config).release
    former = noted or Former(service_type="LoadBalancer", values={release_values.SERVICE_TYPE: "LoadBalancer"})
    ours = annotations_of_ours(service, config)
    if noted:
        # One that said the same before we came was not written by us, and stays.
        ours = {key: text for key, text in ours.items() if release_values.annotation(key) in noted.values}
    if release is None:
        return _restore_manifests(cluster, config, service, ours, former)
    release, newest = _settled(cluster, config, release)
    values = release_values.without_annotations(release.values, ours, former.values)
    if config.restore_layer4:
        values = release_values.as_before(values, former.values)
    lines = release_values.differences(release.values, values)
    if not lines:
        resource = f"release {config.namespace}/{config.release}"
        return _result(Change(resource=resource, action="unchanged"), ReleaseManager.HELM, release.revision)
    why = "back to Layer 4" if config.restore_layer4 else "without Layer-7 annotations"
    return _upgrade_to(cluster, config, release, values, newest + 1, why, lines)


def annotations_of_ours(service: dict[str, Any], config: LoadBalancerConfig) -> dict[str, str]:
    """What we say in annotations of the Service, whether it says so or not."""
    port = status.milvus_port(service)
    return annotations.on_service(port.name if port else "milvus", names.backend_config(config.release))


def _restore_manifests(
    cluster: Cluster, config: TeardownRequest, service: dict[str, Any], ours: dict[str, str], former: Former
) -> MilvusRelease:
    changes = [_restore_service(cluster, config, service, ours, former)]
    settings_changed = config.restore_layer4 and release_values.says_settings(former.values)
    if settings_changed:
        deployments = milvus_deployments(cluster, config, service)
        config_map, key = _configuration_of(cluster, config, deployments)
        text = str((config_map.get("data") or {}).get(key) or "")
        desired = release_values.user_yaml_as_before(text, former.values)
        mark = status.marks(config_map).get(_MARK, "")
        if desired != text:
            mark = hashlib.sha256(desired.encode()).hexdigest()[:16]
            changes.append(_patch_config_map(cluster, config, config_map, {key: desired}, mark))
        changes += [_restart(cluster, config, each, mark) for each in deployments if mark and _mark_of(each) != mark]
    return MilvusRelease(manager=ReleaseManager.MANIFEST, revision=0, changes=tuple(changes))


def _restore_service(
    cluster: Cluster, config: TeardownRequest, service: dict[str, Any], ours: dict[str, str], former: Former
) -> Change:
    metadata, live = service["metadata"], status.marks(service)
    resource = f"service {config.namespace}/{metadata['name']}"
    marks = {
        key: former.values.get(release_values.annotation(key))
        for key, text in ours.items()
        if annotations.same(key, live.get(key), text)
    }
    patch: dict[str, Any] = {"metadata": {"annotations": marks}} if marks else {}
    if config.restore_layer4 and service["spec"].get("type") == "ClusterIP" and former.service_type:
        patch["spec"] = {"type": former.service_type}
    if not patch:
        return _recorded(Change(resource=resource, action="unchanged"))
    patch.setdefault("metadata", {})["resourceVersion"] = metadata["resourceVersion"]
    # A merge, since an apply that no longer names the type would take it away, and with it what it was before.
    if cluster.merge_patch(kubernetes.SERVICE, config.namespace, metadata["name"], patch) is None:
        raise Unreachable(resource, "was changed by somebody else at the same moment", "Run again.", "milvus")
    said = [*(["annotations"] if marks else []), *([former.service_type] if "spec" in patch else [])]
    return _recorded(Change(resource=resource, action="updated", detail=", ".join(said)))


def read_service(cluster: Cluster, config: LoadBalancerConfig) -> dict[str, Any]:
    """The Milvus Service.

    Raises:
        ResourceFailed: there is none.
    """
    name = names.service(config.release)
    service = cluster.read(kubernetes.SERVICE, config.namespace, name)
    if service is None:
        raise ResourceFailed(
            f"service {config.namespace}/{name}",
            "does not exist",
            f"See the releases there are: helm -n {config.namespace} list",
            "milvus",
        )
    return service


def service_fits(service: dict[str, Any], wanted: dict[str, str]) -> bool:
    """Whether the live Service is as the load balancer needs it."""
    live = status.marks(service)
    return service["spec"].get("type") == "ClusterIP" and all(
        annotations.same(key, live.get(key), value) for key, value in wanted.items()
    )


def _port_name(service: dict[str, Any], config: LoadBalancerConfig) -> str:
    port = status.milvus_port(service)
    if port is None or not port.name:
        raise ResourceFailed(
            f"service {config.namespace}/{service['metadata']['name']}",
            "has no named Milvus port (milvus, 19530)" if port is None else f"port {port.number} has no name",
            "GKE finds the protocol by the port's name: name it milvus in the chart (service.portName).",
            "milvus",
        )
    return port.name


def milvus_deployments(cluster: Cluster, config: LoadBalancerConfig, service: dict[str, Any]) -> list[dict[str, Any]]:
    """The Deployments that a change of Milvus' settings restarts: those of the release, and those the Service selects.

    etcd, MinIO and Pulsar belong to the same release but not to the same name; they are not restarted by it.
    """
    return milvus_among(cluster.list_objects(kubernetes.DEPLOYMENT, config.namespace), config, service)


def milvus_among(
    found: list[dict[str, Any]], config: LoadBalancerConfig, service: dict[str, Any]
) -> list[dict[str, Any]]:
    """Those of these Deployments; see `milvus_deployments`."""
    selector = service["spec"].get("selector") or {}
    product = selector.get("app.kubernetes.io/name", "milvus")

    def belongs(deployment: dict[str, Any]) -> bool:
        labels = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
        selected = bool(selector) and all(labels.get(key) == value for key, value in selector.items())
        instance = labels.get("app.kubernetes.io/instance") == config.release
        return selected or (instance and labels.get("app.kubernetes.io/name") == product)

    return [deployment for deployment in found if belongs(deployment)]


def milvus_image(cluster: Cluster, config: LoadBalancerConfig) -> str:
    """Image of Milvus, as its Deployments name it; empty when none does."""
    return image_of(milvus_deployments(cluster, config, read_service(cluster, config)))


def image_of(deployments: list[dict[str, Any]]) -> str:
    """Image of Milvus, as the Deployments name it; empty when none does."""
    images = [
        container.get("image", "")
        for deployment in deployments
        for container in deployment["spec"]["template"]["spec"].get("containers") or []
    ]
    return next((image for image in images if "milvus" in image.rpartition("@")[0] or "milvus" in image), "")


@steps.observing
def wait_for_rollout(config: LoadBalancerConfig) -> int:
    """Return the number of Milvus Deployments once every one runs its newest template and is ready.

    Raises:
        ResourceFailed: a Pod crashes, cannot start or cannot be scheduled; the cause is from its log.
        NotReadyInTime: not within `config.rollout_timeout_seconds`.
    """
    cluster = kubernetes.cluster(config)
    resource = f"milvus of release {config.namespace}/{config.release}"

    return waiting.until(
        lambda: judge_rollout(cluster, config),
        step="wait-for-rollout",
        resource=resource,
        timeout_seconds=config.rollout_timeout_seconds,
    )


def judge_rollout(cluster: Cluster, config: LoadBalancerConfig) -> Ready[int] | Finding:
    """Look once: the number of Deployments when every one runs its newest template and is ready, else why not."""
    deployments = milvus_deployments(cluster, config, read_service(cluster, config))
    unready = [deployment for deployment in deployments if not rolled_out(deployment)]
    if not unready:
        return Ready(len(deployments))
    return _judge_pods(cluster, config, unready[0]) or diagnosis.of_deployment(unready[0])


def rolled_out(deployment: dict[str, Any]) -> bool:
    """Whether every replica runs the newest template and is available."""
    wanted: int = deployment["spec"].get("replicas", 1)
    seen: dict[str, int] = deployment.get("status") or {}
    return (
        seen.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
        and seen.get("updatedReplicas", 0) >= wanted
        and seen.get("availableReplicas", 0) >= wanted
        and seen.get("replicas", 0) <= max(wanted, seen.get("updatedReplicas", 0))
    )


def _judge_pods(cluster: Cluster, config: LoadBalancerConfig, deployment: dict[str, Any]) -> Finding | None:
    """The gravest finding among the Deployment's Pods; a crashed one is judged by its log."""
    labels = deployment["spec"]["selector"].get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    findings: list[Finding] = []
    for pod in cluster.list_objects(kubernetes.POD, config.namespace, labels=selector):
        if pod["metadata"].get("deletionTimestamp"):
            continue
        found = diagnosis.of_pod(pod, log=_crash_log(cluster, config, pod))
        if found:
            findings.append(found)
    stops = [finding for finding in findings if finding.outlook is Outlook.STOP]
    return next(iter(stops or findings), None)


def _crash_log(cluster: Cluster, config: LoadBalancerConfig, pod: dict[str, Any]) -> str:
    """Log of the run of a container that has ended, empty when none has."""
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        if not container.get("restartCount") and "terminated" not in (container.get("state") or {}):
            continue
        for previous in (True, False):
            try:
                log = cluster.pod_log(config.namespace, pod["metadata"]["name"], container["name"], previous=previous)
            except ProvisioningError:
                continue  # a log that cannot be had takes nothing from the diagnosis of the status
            if log:
                return log
    return ""


def _recorded(change: Change) -> Change:
    return progress.record(change)


def _result(change: Change, manager: ReleaseManager, revision: int) -> MilvusRelease:
    return MilvusRelease(manager=manager, revision=revision, changes=(_recorded(change),))
