"""Validation of Pods and of what carries a pod template (`pkg/apis/core/validation`, `pkg/apis/apps/validation`)."""

from typing import Any

from sandbox.kube import names, selectors
from sandbox.kube.errors import Cause
from sandbox.kube.names import duplicate, forbidden, invalid, required, unsupported

Object = dict[str, Any]

_RESTART_POLICIES = ("Always", "Never", "OnFailure")
_STATEFUL_SET_FREE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def pod(obj: Object) -> list[Cause]:
    return _pod_spec(obj.get("spec") or {}, "spec")


def job(obj: Object) -> list[Cause]:
    spec = (obj.get("spec") or {}).get("template", {}).get("spec") or {}
    found = _pod_spec(spec, "spec.template.spec")
    if spec.get("restartPolicy") == "Always":
        found.append(unsupported("spec.template.spec.restartPolicy", "Always", "Never", "OnFailure"))
    return found


def job_update(new: Object, old: Object) -> list[Cause]:
    found = selector_update(new, old)
    if new["spec"].get("template") != old["spec"].get("template") and not old["spec"].get("suspend"):
        found.append(invalid("spec.template", new["spec"].get("template"), "field is immutable"))
    return found


def workload(obj: Object) -> list[Cause]:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet."""
    spec = obj.get("spec") or {}
    found: list[Cause] = []
    if (spec.get("replicas") or 0) < 0:
        found.append(invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0"))
    selector = spec.get("selector")
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector:
        found.append(required("spec.selector"))
    elif not selectors.matches(selector, labels):
        text = "`selector` does not match template `labels`"
        found.append(invalid("spec.template.metadata.labels", labels, text))
    found += names.labels("spec.template.labels", labels)
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    found += names.annotations("spec.template.annotations", annotations)
    claimed = {(each.get("metadata") or {}).get("name", "") for each in spec.get("volumeClaimTemplates") or []}
    found += _pod_spec(template.get("spec") or {}, "spec.template.spec", claimed)
    if (policy := (template.get("spec") or {}).get("restartPolicy")) in ("Never", "OnFailure"):
        found.append(unsupported("spec.template.spec.restartPolicy", policy, "Always"))
    return found


def selector_update(new: Object, old: Object) -> list[Cause]:
    if new["spec"].get("selector") == old["spec"].get("selector"):
        return []
    return [invalid("spec.selector", new["spec"].get("selector"), "field is immutable")]


def stateful_set_update(new: Object, old: Object) -> list[Cause]:
    def fixed(spec: Object) -> Object:
        return {name: value for name, value in spec.items() if name not in _STATEFUL_SET_FREE}

    if fixed(new["spec"]) == fixed(old["spec"]):
        return []
    listed = ", ".join(f"'{each}'" for each in _STATEFUL_SET_FREE[:-1])
    text = f"updates to statefulset spec for fields other than {listed} and 'minReadySeconds' are forbidden"
    return [forbidden("spec", text)]


def _pod_spec(spec: Object, path: str, claimed: set[str] | None = None) -> list[Cause]:
    """`claimed` are volumes that come from volumeClaimTemplates."""
    found: list[Cause] = []
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or []):
        found += _unique_label(volume, f"{path}.volumes[{index}]", volumes)
    volumes |= claimed or set()
    containers = spec.get("containers") or []
    if not containers:
        found.append(required(f"{path}.containers"))
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or []):
            found += _container(container, f"{path}.{field}[{index}]", seen, volumes)
    if spec.get("restartPolicy") not in _RESTART_POLICIES:
        found.append(unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), *_RESTART_POLICIES))
    return found


def _container(container: Object, path: str, seen: set[str], volumes: set[str]) -> list[Cause]:
    found = _unique_label(container, path, seen)
    if not container.get("image"):
        found.append(required(f"{path}.image"))
    for index, port in enumerate(container.get("ports") or []):
        number = port.get("containerPort") or 0
        if not 1 <= number <= 65535:
            where = f"{path}.ports[{index}].containerPort"
            found.append(
                invalid(where, number, "must be between 1 and 65535, inclusive") if number else required(where)
            )
    for index, variable in enumerate(container.get("env") or []):
        if not variable.get("name"):
            found.append(required(f"{path}.env[{index}].name"))
        if variable.get("value") and variable.get("valueFrom"):
            where = f"{path}.env[{index}].valueFrom"
            found.append(invalid(where, "", "may not be specified when `value` is not empty"))
    for index, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{path}.volumeMounts[{index}]"
        name = mount.get("name") or ""
        if name not in volumes:
            found.append(Cause(f"{where}.name", "FieldValueNotFound", f'Not found: "{name}"'))
        if not mount.get("mountPath"):
            found.append(required(f"{where}.mountPath"))
    return found


def _unique_label(item: Object, path: str, seen: set[str]) -> list[Cause]:
    name = item.get("name") or ""
    if not name:
        return [required(f"{path}.name")]
    if fault := names.label(name):
        return [invalid(f"{path}.name", name, fault)]
    if name in seen:
        return [duplicate(f"{path}.name", name)]
    seen.add(name)
    return []
