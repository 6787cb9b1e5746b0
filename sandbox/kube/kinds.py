"""The kinds this API server serves, and the registry that custom resources join at run time.

Names, short names, categories and verbs as `kubectl api-resources -o wide` shows them on kube-apiserver.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One served group, version and kind."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    model: str = ""
    """Class in `kubernetes.client.models` that describes it; empty for custom resources."""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    singular: str = ""
    status: bool = False
    """Has a status subresource, so the main resource ignores status and the subresource all else."""
    scale: bool = False
    generation: bool = False
    """metadata.generation counts changes of spec."""
    collection: str = ""
    """Where objects are stored; kinds that are two views of the same objects share it."""
    custom: bool = field(default=False)
    schema: dict[str, Any] | None = field(default=None, compare=False, hash=False, repr=False)
    """openAPIV3Schema of a custom resource."""
    columns: tuple[dict[str, Any], ...] = field(default=(), compare=False, hash=False, repr=False)
    """additionalPrinterColumns of a custom resource."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The resource with its group, as messages name it: `ingresses.networking.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def stored_in(self) -> str:
        return self.collection or self.qualified

    @property
    def one(self) -> str:
        return self.singular or self.kind.lower()


def _core(kind: str, plural: str, *short: str, **more: Any) -> Kind:
    return Kind(group="", version="v1", kind=kind, plural=plural, short_names=short, **{"model": f"V1{kind}"} | more)


def _v1(group: str, kind: str, plural: str, *short: str, **more: Any) -> Kind:
    return Kind(group=group, version="v1", kind=kind, plural=plural, short_names=short, **{"model": f"V1{kind}"} | more)


_ALL = ("all",)
_API_EXTENSIONS = ("api-extensions",)
_RBAC = "rbac.authorization.k8s.io"
_APPS: dict[str, Any] = {"categories": _ALL, "status": True, "generation": True}

BUILT_IN: tuple[Kind, ...] = (
    _core("ConfigMap", "configmaps", "cm"),
    _core("Endpoints", "endpoints", "ep", singular="endpoints"),
    _core("Event", "events", "ev", model="CoreV1Event"),
    _core("LimitRange", "limitranges", "limits"),
    _core("Namespace", "namespaces", "ns", namespaced=False, status=True),
    _core("Node", "nodes", "no", namespaced=False, status=True),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", "pvc", status=True),
    _core("PersistentVolume", "persistentvolumes", "pv", namespaced=False, status=True),
    _core("Pod", "pods", "po", categories=_ALL, status=True, generation=True),
    _core("ResourceQuota", "resourcequotas", "quota", status=True),
    _core("Secret", "secrets"),
    _core("ServiceAccount", "serviceaccounts", "sa"),
    _core("Service", "services", "svc", categories=_ALL, status=True),
    _v1("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", "crd", "crds",
        namespaced=False, status=True, generation=True, categories=_API_EXTENSIONS),
    _v1("apps", "DaemonSet", "daemonsets", "ds", **_APPS),
    _v1("apps", "Deployment", "deployments", "deploy", scale=True, **_APPS),
    _v1("apps", "ReplicaSet", "replicasets", "rs", scale=True, **_APPS),
    _v1("apps", "StatefulSet", "statefulsets", "sts", scale=True, **_APPS),
    Kind(group="autoscaling", version="v2", kind="HorizontalPodAutoscaler", plural="horizontalpodautoscalers",
         short_names=("hpa",), categories=_ALL, model="V2HorizontalPodAutoscaler", status=True),
    _v1("batch", "CronJob", "cronjobs", "cj", **_APPS),
    _v1("batch", "Job", "jobs", **_APPS),
    _v1("coordination.k8s.io", "Lease", "leases"),
    _v1("discovery.k8s.io", "EndpointSlice", "endpointslices", generation=True),
    _v1("events.k8s.io", "Event", "events", "ev", model="EventsV1Event", collection="events"),
    _v1("networking.k8s.io", "Ingress", "ingresses", "ing", status=True, generation=True),
    _v1("networking.k8s.io", "IngressClass", "ingressclasses", namespaced=False, generation=True),
    _v1("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol", generation=True),
    _v1("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", status=True, generation=True),
    _v1(_RBAC, "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    _v1(_RBAC, "ClusterRole", "clusterroles", namespaced=False),
    _v1(_RBAC, "RoleBinding", "rolebindings"),
    _v1(_RBAC, "Role", "roles"),
    _v1("scheduling.k8s.io", "PriorityClass", "priorityclasses", "pc", namespaced=False, generation=True),
    _v1("storage.k8s.io", "StorageClass", "storageclasses", "sc", namespaced=False),
)  # fmt: skip

REVIEWS: tuple[Kind, ...] = (
    _v1("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews", namespaced=False),
    _v1("authentication.k8s.io", "TokenReview", "tokenreviews", namespaced=False),
    _v1("authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews"),
    _v1("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False),
    _v1("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False),
    _v1("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews", namespaced=False),
)
"""Kinds that are questions: created, answered, never stored."""


class Registry:
    """Every served kind, by where its path leads."""

    def __init__(self) -> None:
        self._kinds = {_key(kind): kind for kind in (*BUILT_IN, *REVIEWS)}
        self.revision = 0
        """Grows when a kind comes or goes: documents made from the registry are then stale."""

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._kinds.get((group, version, plural))

    def groups(self) -> dict[str, list[str]]:
        """Versions by group, core first, then by name as aggregated discovery orders them."""
        found: dict[str, list[str]] = {}
        for kind in sorted(self, key=lambda each: each.group):
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return {group: sorted(versions, key=_maturity) for group, versions in found.items()}

    def of(self, group: str, version: str) -> list[Kind]:
        return sorted((k for k in self if (k.group, k.version) == (group, version)), key=lambda each: each.plural)

    def stored(self) -> list[Kind]:
        """One kind per collection."""
        seen: dict[str, Kind] = {}
        for kind in self:
            if kind not in REVIEWS:
                seen.setdefault(kind.stored_in, kind)
        return list(seen.values())

    def replace_custom(self, group: str, plural: str, kinds: list[Kind]) -> None:
        """Serve exactly these versions of a custom resource; none with an empty list."""
        for key in [key for key, kind in self._kinds.items() if kind.custom and key[0] == group and key[2] == plural]:
            del self._kinds[key]
        self._kinds.update({_key(kind): kind for kind in kinds})
        self.revision += 1


def _key(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural


def _maturity(version: str) -> tuple[int, str]:
    """Stable before beta before alpha, as `k8s.io/apimachinery/pkg/version` CompareKubeAwareVersionStrings."""
    return (2 if "alpha" in version else 1 if "beta" in version else 0), version
