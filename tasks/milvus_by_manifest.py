"""Milvus changed without Helm: our few fields of Service, ConfigMap and Deployments, and back again.

Nothing is written when nothing would change.
"""

import hashlib
from typing import Any

from tasks import milvus_objects, receipt
from tasks.clients import kubernetes
from tasks.clients.kubernetes import Cluster
from tasks.clients.readers import ClusterReader
from tasks.core import annotations, names, progress, release_values, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import Unreachable
from tasks.core.progress import Change
from tasks.core.receipt import Former
from tasks.core.teardown_request import TeardownRequest

Json = dict[str, Any]

_MARK = f"{names.FIELD_MANAGER}/config"
"""Annotation of a ConfigMap we changed, and of the Pods that were started after it: a short hash of the text."""


def apply(cluster: Cluster, config: LoadBalancerConfig) -> tuple[Change, ...]:
    """Make Milvus fit: ClusterIP and annotations on the Service, TLS in the settings, a restart for them."""
    service = milvus_objects.read_service(cluster, config)
    wanted = milvus_objects.wanted_annotations(service, config)
    deployments = milvus_objects.read_deployments(cluster, config, service)
    version = milvus_objects.version_of(deployments)
    config_map, key = milvus_objects.read_settings(cluster, config, deployments)
    text = (config_map.get("data") or {}).get(key)
    desired = release_values.desired_user_yaml(text, version)
    if desired != text or not milvus_objects.service_fits(service, wanted):
        former = release_values.former_settings(text, desired)
        former |= release_values.former_annotations(status.marks(service), wanted)
        receipt.note_release(cluster, config, service, former)
    return (
        _apply_service(cluster, config, service, wanted),
        *_bring_settings(cluster, config, deployments, (config_map, key), desired),
    )


def restore(
    cluster: Cluster, config: TeardownRequest, service: Json, ours: dict[str, str], former: Former
) -> tuple[Change, ...]:
    """Take our annotations off the Service, and with `restore_layer4` make Service and settings what they were.

    Args:
        cluster: where Milvus is.
        config: what is asked for.
        service: as it is now.
        ours: the annotations that are ours to take.
        former: what everything was before us.
    """
    changed = _restore_service(cluster, config, service, ours, former)
    if not (config.restore_layer4 and release_values.says_settings(former.values)):
        return (changed,)
    deployments = milvus_objects.read_deployments(cluster, config, service)
    settings = milvus_objects.read_settings(cluster, config, deployments)
    desired = release_values.user_yaml_as_before(milvus_objects.text_of(settings), former.values)
    return changed, *_bring_settings(cluster, config, deployments, settings, desired)


def differences(cluster: ClusterReader, config: LoadBalancerConfig) -> list[str]:
    """What `apply` will change, one line each.

    Raises:
        ResourceFailed: what it would raise before its first write.
    """
    service = milvus_objects.read_service(cluster, config)
    wanted = milvus_objects.wanted_annotations(service, config)
    deployments = milvus_objects.read_deployments(cluster, config, service)
    text = milvus_objects.text_of(milvus_objects.read_settings(cluster, config, deployments))
    version = milvus_objects.version_of(deployments)
    desired = release_values.desired_user_yaml(text, version)
    lines = [] if milvus_objects.service_fits(service, wanted) else ["service: ClusterIP, annotations"]
    before, after = ({"extraConfigFiles": {release_values.USER_YAML: each}} for each in (text, desired))
    return lines + release_values.differences(before, after)


def _apply_service(cluster: Cluster, config: LoadBalancerConfig, service: Json, wanted: dict[str, str]) -> Change:
    name = service["metadata"]["name"]
    resource = f"service {config.namespace}/{name}"
    if milvus_objects.service_fits(service, wanted):
        return progress.record(Change(resource=resource, action="unchanged"))
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": config.namespace, "annotations": wanted},
        "spec": {"type": "ClusterIP"},
    }
    # Asked for by release_manager: the Service's type and our annotations become ours.
    cluster.apply(manifest, kubernetes.SERVICE, force=True)
    return progress.record(Change(resource=resource, action="updated", detail="ClusterIP, annotations"))


def _restore_service(
    cluster: Cluster, config: TeardownRequest, service: Json, ours: dict[str, str], former: Former
) -> Change:
    metadata, live = service["metadata"], status.marks(service)
    resource = f"service {config.namespace}/{metadata['name']}"
    marks = {
        key: former.values.get(release_values.annotation(key))
        for key, text in ours.items()
        if annotations.same(key, live.get(key), text)
    }
    patch: Json = {"metadata": {"annotations": marks}} if marks else {}
    if config.restore_layer4 and service["spec"].get("type") == "ClusterIP" and former.service_type:
        patch["spec"] = {"type": former.service_type}
    if not patch:
        return progress.record(Change(resource=resource, action="unchanged"))
    patch.setdefault("metadata", {})["resourceVersion"] = metadata["resourceVersion"]
    # A merge, since an apply that no longer names the type would take it away, and with it what it was before.
    if cluster.merge_patch(kubernetes.SERVICE, config.namespace, metadata["name"], patch) is None:
        raise _changed_meanwhile(resource)
    said = [*(["annotations"] if marks else []), *([former.service_type] if "spec" in patch else [])]
    return progress.record(Change(resource=resource, action="updated", detail=", ".join(said)))


def _bring_settings(
    cluster: Cluster, config: LoadBalancerConfig, deployments: list[Json], settings: tuple[Json, str], desired: str
) -> list[Change]:
    """Write the settings if they differ, and restart every Deployment that was not started after them."""
    config_map, key = settings
    changes: list[Change] = []
    mark = status.marks(config_map).get(_MARK, "")
    if desired != (config_map.get("data") or {}).get(key):
        mark = hashlib.sha256(desired.encode()).hexdigest()[:16]
        changes.append(_patch_config_map(cluster, config, config_map, {key: desired}, mark))
    # Decided from the mark, not from the text: a run killed between the two writes is finished by the next one.
    return changes + [_restart(cluster, config, each, mark) for each in deployments if mark and _mark_of(each) != mark]


def _patch_config_map(
    cluster: Cluster, config: LoadBalancerConfig, config_map: Json, data: dict[str, str], mark: str
) -> Change:
    metadata = config_map["metadata"]
    resource = f"configmap {config.namespace}/{metadata['name']}"
    version = metadata["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version, "annotations": {_MARK: mark}}, "data": data}
    if cluster.merge_patch(kubernetes.CONFIG_MAP, config.namespace, metadata["name"], patch) is None:
        raise _changed_meanwhile(resource)
    return progress.record(Change(resource=resource, action="updated", detail=f"{', '.join(data)}: TLS"))


def _changed_meanwhile(resource: str) -> Unreachable:
    return Unreachable(resource, "was changed by somebody else at the same moment", "Run again.", "milvus")


def _mark_of(deployment: Json) -> str:
    return status.marks(deployment["spec"]["template"]).get(_MARK, "")


def _restart(cluster: Cluster, config: LoadBalancerConfig, deployment: Json, mark: str) -> Change:
    """Roll a Deployment to the new configuration: a mounted subPath never updates by itself."""
    name = deployment["metadata"]["name"]
    patch = {"spec": {"template": {"metadata": {"annotations": {_MARK: mark}}}}}
    cluster.merge_patch(kubernetes.DEPLOYMENT, config.namespace, name, patch)
    resource = f"deployment {config.namespace}/{name}"
    return progress.record(Change(resource=resource, action="updated", detail="restarted for TLS"))
