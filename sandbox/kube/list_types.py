"""How lists and maps of the built-in kinds merge: what the Python client's models leave out of the OpenAPI document.

Facts of Kubernetes' `api/openapi-spec/v3` (x-kubernetes-list-type, -list-map-keys, -map-type, -patch-merge-key). A list
that is not named here is atomic, which is also the default of structured-merge-diff.
"""

from typing import Any


def _list_map(*keys: str, patch: str = "") -> dict[str, Any]:
    """A list of objects told apart by `keys`; `patch` is strategic merge's key where that is another one."""
    return {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
        "x-kubernetes-patch-merge-key": patch or keys[0],
        "x-kubernetes-patch-strategy": "merge",
    }


def _patch_only(key: str) -> dict[str, Any]:
    """Atomic for server-side apply and merged by strategic merge patch all the same."""
    return {"x-kubernetes-patch-merge-key": key, "x-kubernetes-patch-strategy": "merge"}


_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
_MERGED_SET: dict[str, Any] = _SET | {"x-kubernetes-patch-strategy": "merge"}
_CONDITIONS = _list_map("type")
_RETAIN: dict[str, Any] = {"x-kubernetes-patch-strategy": "retainKeys"}
_CONTAINERS: dict[str, Any] = {
    "ports": _list_map("containerPort", "protocol"),
    "env": _list_map("name"),
    "volumeMounts": _list_map("mountPath"),
    "volumeDevices": _list_map("devicePath"),
}

FIELDS: dict[str, dict[str, dict[str, Any]]] = {
    "V1ObjectMeta": {"finalizers": _MERGED_SET, "ownerReferences": _list_map("uid")},
    "V1NamespaceStatus": {"conditions": _CONDITIONS},
    "V1NodeSpec": {"podCIDRs": _MERGED_SET, "taints": {}},
    "V1NodeStatus": {"conditions": _CONDITIONS, "addresses": _list_map("type")},
    "V1PersistentVolumeClaimStatus": {"conditions": _CONDITIONS},
    "V1PersistentVolumeSpec": {"claimRef": {"x-kubernetes-map-type": "granular"}},
    "V1Container": _CONTAINERS,
    "V1EphemeralContainer": _CONTAINERS,
    "V1ResourceRequirements": {"claims": _list_map("name")},
    "V1PodSpec": {
        "containers": _list_map("name"),
        "initContainers": _list_map("name"),
        "ephemeralContainers": _list_map("name"),
        "volumes": _list_map("name") | {"x-kubernetes-patch-strategy": "merge,retainKeys"},
        "imagePullSecrets": _list_map("name"),
        "hostAliases": _list_map("ip"),
        "resourceClaims": _list_map("name") | {"x-kubernetes-patch-strategy": "merge,retainKeys"},
        "schedulingGates": _list_map("name"),
        "topologySpreadConstraints": _list_map("topologyKey", "whenUnsatisfiable"),
    },
    "V1PodStatus": {
        "conditions": _CONDITIONS,
        "podIPs": _list_map("ip"),
        "hostIPs": _patch_only("ip"),
        "resourceClaimStatuses": _list_map("name"),
    },
    "V1ServiceAccount": {"secrets": _list_map("name"), "imagePullSecrets": {}},
    "V1ServiceSpec": {"ports": _list_map("port", "protocol")},
    "V1ServiceStatus": {"conditions": _CONDITIONS},
    "V1DaemonSetStatus": {"conditions": _CONDITIONS},
    "V1DeploymentSpec": {"strategy": _RETAIN},
    "V1DeploymentStatus": {"conditions": _CONDITIONS},
    "V1ReplicaSetStatus": {"conditions": _CONDITIONS},
    "V1StatefulSetStatus": {"conditions": _CONDITIONS},
    "V1JobStatus": {"conditions": {"x-kubernetes-patch-merge-key": "type", "x-kubernetes-patch-strategy": "merge"}},
    "V1UncountedTerminatedPods": {"failed": _SET, "succeeded": _SET},
    "V1PodDisruptionBudgetStatus": {"conditions": _CONDITIONS},
    "V1EndpointSlice": {},
    "V2HorizontalPodAutoscalerStatus": {"conditions": _CONDITIONS},
    "V1CustomResourceDefinitionStatus": {"conditions": _list_map("type")},
    "V1JSONSchemaProps": {"x-kubernetes-validations": _list_map("rule")},
    "V1MutatingWebhookConfiguration": {"webhooks": _list_map("name")},
    "V1ValidatingWebhookConfiguration": {"webhooks": _list_map("name")},
    "V1APIServiceStatus": {"conditions": _CONDITIONS},
}

ATOMIC_OBJECTS = frozenset({
    "V1ConfigMapKeySelector", "V1EndpointAddress", "V1LabelSelector", "V1LocalObjectReference", "V1NodeSelector",
    "V1NodeSelectorTerm", "V1ObjectFieldSelector", "V1ObjectReference", "V1ResourceFieldSelector",
    "V1ScopeSelector", "V1ScopedResourceSelectorRequirement", "V1SecretKeySelector", "V1SecretReference",
    "V1TopologySelectorTerm", "V1TypedLocalObjectReference", "V1FileKeySelector", "CoreV1EndpointPort",
    "RbacV1Subject", "V1IngressClassParametersReference", "DiscoveryV1EndpointPort", "V1RoleRef",
    "V1OwnerReference", "V1ServiceBackendPort",
})  # fmt: skip
"""Models that one manager owns whole."""

ATOMIC_MAPS = frozenset({("V1ServiceSpec", "selector"), ("V1PodSpec", "nodeSelector")})

ITEM_DEFAULTS: dict[tuple[str, str], Any] = {
    ("V1ContainerPort", "protocol"): "TCP",
    ("V1ServicePort", "protocol"): "TCP",
}
"""Defaults in the OpenAPI document: a list's key may be left out of an item when it has one."""

INT_OR_STRING = frozenset({"targetPort", "port", "maxUnavailable", "maxSurge", "minAvailable"})
"""Names of the fields whose Python type is `object` because they hold a number or a word."""

QUANTITIES = frozenset({
    "limits", "requests", "capacity", "allocatable", "hard", "used", "default", "defaultRequest", "max", "min",
    "maxLimitRequestRatio", "allocatedResources", "overhead", "sizeLimit", "divisor", "averageValue", "value",
    "podFixed",
})  # fmt: skip
"""Names of fields that hold resource.Quantity, in the models that `QUANTITY_MODELS` names."""

QUANTITY_MODELS = frozenset({
    "V1ResourceRequirements", "V1VolumeResourceRequirements", "V1PodSpec", "V1NodeStatus", "V1PersistentVolumeSpec",
    "V1PersistentVolumeClaimStatus", "V1ResourceQuotaSpec", "V1ResourceQuotaStatus", "V1LimitRangeItem",
    "V1EmptyDirVolumeSource", "V1ResourceFieldSelector", "V2MetricTarget", "V2MetricValueStatus", "V1ContainerStatus",
    "V1Overhead", "V1CSIStorageCapacity",
})  # fmt: skip
