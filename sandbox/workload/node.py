"""The sandbox's one node, and the question whether a cluster has somebody else for this work."""

import datetime as dt
import logging
from typing import Any

from sandbox.kube_client import ApiError, KubeClient
from sandbox.workload import objects

_log = logging.getLogger(__name__)
Json = dict[str, Any]
NAME = "gke-sandbox-default-pool-0001"
_LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager"
_FRESH = dt.timedelta(seconds=60)
"""A controller manager renews its lease every 2 s and gives up after 15 s; a clock may be wrong."""


def has_controller_manager(client: KubeClient) -> bool:
    """Whether a kube-controller-manager is at work, as in kind or minikube: then pods are its business."""
    lease = client.find(_LEASE)
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    if not renewed:
        return False
    return dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(renewed) < _FRESH


def register(client: KubeClient, project: str, zone: str) -> None:
    """Make the node, and say that it is ready."""
    path = f"/api/v1/nodes/{NAME}"
    if client.find(path) is None:
        try:
            client.create("/api/v1/nodes", node(project, zone))
        except ApiError as error:
            if error.status != 409:
                raise
    client.strategic_merge_patch(f"{path}/status", {"status": status()})


def node(project: str, zone: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NAME,
            "labels": {
                "kubernetes.io/hostname": NAME,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "cloud.google.com/gke-nodepool": "default-pool",
                "topology.kubernetes.io/zone": zone,
                "topology.kubernetes.io/region": zone.rpartition("-")[0] or zone,
            },
        },
        "spec": {"providerID": f"gce://{project}/{zone}/{NAME}"},
    }


def status() -> Json:
    size = {"cpu": "2", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": objects.now(),
        "lastTransitionTime": objects.now(),
    }
    return {
        "capacity": size,
        "allocatable": size,
        "conditions": [condition],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NAME}],
        "nodeInfo": {
            "kubeletVersion": "v1.33.5-gke.sandbox",
            "kubeProxyVersion": "",
            "osImage": "milvus-gke-l7 sandbox",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "containerRuntimeVersion": "sandbox://1",
            "kernelVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }
