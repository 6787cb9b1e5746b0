"""Validation of built-in kinds: what is refused with 422, and in which words.

Paths and texts as `pkg/apis/*/validation` of kube-apiserver. The fields a Milvus installation and its load balancer
use are checked; rarer ones are taken as they come.
"""

from collections.abc import Callable
from typing import Any

from sandbox.kube import names, validation_networking, validation_workloads
from sandbox.kube.errors import Cause
from sandbox.kube.kinds import Kind
from sandbox.kube.names import forbidden, invalid, required

Object = dict[str, Any]
Check = Callable[[Object], list[Cause]]
UpdateCheck = Callable[[Object, Object], list[Cause]]


def faults(kind: Kind, obj: Object, old: Object | None) -> list[Cause]:
    """All that is wrong with an object, and with its way from `old` if it is an update."""
    found = _metadata(kind, obj["metadata"])
    if old is not None:
        found += _metadata_update(obj["metadata"], old["metadata"])
    if not kind.custom:
        if check := _CHECKS.get(kind.stored_in):
            found += check(obj)
        if old is not None and (update_check := _UPDATE_CHECKS.get(kind.stored_in)):
            found += update_check(obj, old)
    return found


def _metadata(kind: Kind, metadata: Object) -> list[Cause]:
    found: list[Cause] = []
    name = metadata.get("name") or ""
    if not name:
        found.append(required("metadata.name", "name or generateName is required"))
    elif fault := _name_rule(kind)(name):
        found.append(invalid("metadata.name", name, fault))
    found += names.labels("metadata.labels", metadata.get("labels") or {})
    found += names.annotations("metadata.annotations", metadata.get("annotations") or {})
    for index, owner in enumerate(metadata.get("ownerReferences") or []):
        path = f"metadata.ownerReferences[{index}]"
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                found.append(invalid(f"{path}.{field}", owner.get(field) or "", "must not be empty"))
    if sum(bool(owner.get("controller")) for owner in metadata.get("ownerReferences") or []) > 1:
        text = "Only one reference can have Controller set to true."
        found.append(invalid("metadata.ownerReferences", metadata["ownerReferences"], text))
    for finalizer in metadata.get("finalizers") or []:
        if fault := names.qualified(finalizer):
            found.append(invalid("metadata.finalizers", finalizer, fault))
    return found


def _name_rule(kind: Kind) -> Callable[[str], str | None]:
    if kind.group == "rbac.authorization.k8s.io":
        return names.path_segment
    if kind.stored_in == "namespaces":
        return names.label
    if kind.stored_in == "services":
        return names.label_1035
    return names.subdomain


def _metadata_update(new: Object, old: Object) -> list[Cause]:
    found = [
        invalid(f"metadata.{field}", new.get(field), "field is immutable")
        for field in ("name", "namespace", "uid", "creationTimestamp")
        if new.get(field) != old.get(field)
    ]
    if old.get("deletionTimestamp"):
        added = set(new.get("finalizers") or []) - set(old.get("finalizers") or [])
        if added:
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            listed = ", ".join(f'"{each}"' for each in sorted(added))
            found.append(forbidden("metadata.finalizers", f"{text}[]string{{{listed}}}"))
    return found


def _secret(obj: Object) -> list[Cause]:
    found = _data_keys(obj, "data")
    if obj.get("type") == "kubernetes.io/tls":
        data = obj.get("data") or {}
        found += [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    if obj.get("type") == "kubernetes.io/dockerconfigjson" and ".dockerconfigjson" not in (obj.get("data") or {}):
        found.append(required("data[.dockerconfigjson]"))
    return found


def _secret_update(new: Object, old: Object) -> list[Cause]:
    found = _immutable_data(new, old)
    if new.get("type") != old.get("type"):
        found.append(invalid("type", new.get("type"), "field is immutable"))
    return found


def _config_map(obj: Object) -> list[Cause]:
    found = _data_keys(obj, "data") + _data_keys(obj, "binaryData")
    both = (obj.get("data") or {}).keys() & (obj.get("binaryData") or {}).keys()
    return found + [invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in sorted(both)]


def _data_keys(obj: Object, field: str) -> list[Cause]:
    keys = obj.get(field) or {}
    return [invalid(f"{field}[{key}]", key, fault) for key in keys if (fault := names.config_key(key))]


def _immutable_data(new: Object, old: Object) -> list[Cause]:
    if not old.get("immutable"):
        return []
    text = "field is immutable when `immutable` is set"
    found = [] if new.get("immutable") else [forbidden("immutable", text)]
    return found + [forbidden(f, text) for f in ("data", "binaryData") if (new.get(f) or {}) != (old.get(f) or {})]


def _binding_update(new: Object, old: Object) -> list[Cause]:
    if new.get("roleRef") == old.get("roleRef"):
        return []
    return [invalid("roleRef", new.get("roleRef"), "cannot change roleRef")]


def _claim(obj: Object) -> list[Cause]:
    found: list[Cause] = []
    spec = obj.get("spec") or {}
    if not spec.get("accessModes"):
        found.append(required("spec.accessModes", "at least 1 access mode is required"))
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        found.append(required("spec.resources[storage]"))
    return found


def _claim_update(new: Object, old: Object) -> list[Cause]:
    def fixed(spec: Object) -> Object:
        free = ("resources", "volumeAttributesClassName", "volumeName")
        return {name: value for name, value in spec.items() if name not in free}

    if fixed(new["spec"]) == fixed(old["spec"]):
        return []
    text = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
    return [forbidden("spec", text)]


def _definition(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = [required(f"spec.{field}") for field in ("group", "scope", "versions") if not spec.get(field)]
    wanted = f"{(spec.get('names') or {}).get('plural')}.{spec.get('group')}"
    if obj["metadata"].get("name") != wanted:
        text = 'must be spec.names.plural+"."+spec.group'
        found.append(invalid("metadata.name", obj["metadata"].get("name"), text))
    versions = spec.get("versions") or []
    if versions and sum(bool(each.get("storage")) for each in versions) != 1:
        found.append(invalid("spec.versions", versions, "must have exactly one version marked as storage version"))
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            found.append(required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required"))
    return found


_CHECKS: dict[str, Check] = {
    "configmaps": _config_map,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "daemonsets.apps": validation_workloads.workload,
    "deployments.apps": validation_workloads.workload,
    "ingresses.networking.k8s.io": validation_networking.ingress,
    "jobs.batch": validation_workloads.job,
    "persistentvolumeclaims": _claim,
    "pods": validation_workloads.pod,
    "replicasets.apps": validation_workloads.workload,
    "secrets": _secret,
    "services": validation_networking.service,
    "statefulsets.apps": validation_workloads.workload,
}

_UPDATE_CHECKS: dict[str, UpdateCheck] = {
    "clusterrolebindings.rbac.authorization.k8s.io": _binding_update,
    "configmaps": _immutable_data,
    "daemonsets.apps": validation_workloads.selector_update,
    "deployments.apps": validation_workloads.selector_update,
    "jobs.batch": validation_workloads.job_update,
    "persistentvolumeclaims": _claim_update,
    "replicasets.apps": validation_workloads.selector_update,
    "rolebindings.rbac.authorization.k8s.io": _binding_update,
    "secrets": _secret_update,
    "services": validation_networking.service_update,
    "statefulsets.apps": validation_workloads.stateful_set_update,
}
