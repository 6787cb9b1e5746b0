"""What a cluster holds before anybody has made anything."""

from typing import Any

from sandbox.kube.allocation import NETWORK
from sandbox.kube.kinds import Registry
from sandbox.kube.writes import Options, Writes

Object = dict[str, Any]

_NAMESPACES = ("kube-system", "default", "kube-public", "kube-node-lease")
_OPTIONS = Options(manager="kube-apiserver")


def fill(writes: Writes, registry: Registry, port: int) -> None:
    """Create the standing namespaces, the API server's own Service and the default StorageClass of GKE."""
    for name in _NAMESPACES:
        _create(writes, registry, "", "namespaces", "", {"metadata": {"name": name}})
    labels = {"component": "apiserver", "provider": "kubernetes"}
    service = {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"clusterIP": str(NETWORK[1]), "ports": [{"name": "https", "port": 443, "targetPort": port}]},
    }
    _create(writes, registry, "", "services", "default", service)
    endpoints = {
        "metadata": {"name": "kubernetes", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": "https", "port": port}]}],
    }
    _create(writes, registry, "", "endpoints", "default", endpoints)
    storage = {
        "metadata": {
            "name": "standard-rwo",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "pd.csi.storage.gke.io",
        "parameters": {"type": "pd-balanced"},
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }
    _create(writes, registry, "storage.k8s.io", "storageclasses", "", storage)
    admin = {"metadata": {"name": "cluster-admin"}, "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}
    _create(writes, registry, "rbac.authorization.k8s.io", "clusterroles", "", admin)


def _create(writes: Writes, registry: Registry, group: str, plural: str, namespace: str, document: Object) -> None:
    kind = registry.find(group, "v1", plural)
    assert kind is not None
    writes.create(kind, namespace, document, _OPTIONS)
