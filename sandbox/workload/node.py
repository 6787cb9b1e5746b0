"""The sandbox's one node, and the question whether a cluster has somebody else for this work.

Sources: kubernetes pkg/kubelet/kubelet_node_status.go, plugin/pkg/admission/nodetaint.
"""

import datetime as dt
import logging
from typing import Any

from sandbox.kube_client import ApiError, KubeClient
from sandbox.workload import objects

_log = logging.getLogger(__name__)
Json = dict[str, Any]
NAME = "gke-sandbox-default-pool-0001"
_LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager"
_NOT_READY = "node.kubernetes.io/not-ready"
_FRESH = dt.timedelta(seconds=60)
"""A controller manager renews its lease every 2 s and gives up after 15 s; a clock may be wrong."""


def has_controller_manager(client: KubeClient) -> bool:
    """Whether a kube-controller-manager is at work, as in kind or minikube: then pods are its business."""
    lease = client.find(_LEASE)
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    if not renewed:
        return False
    return dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(renewed) < _FRESH


def register(client: KubeClient, project: str, zone: str, log_port: int | None = None) -> None:
    """Make the node, and say that it is ready.

    Args:
        client: of a user who may do that.
        project: of its provider id.
        zone: of its labels.
        log_port: where the API server asks for containers' logs; None when it need not ask.
    """
    path = f"/api/v1/nodes/{NAME}"
    if client.find(path) is None:
        try:
            client.create("/api/v1/nodes", node(project, zone))
        except ApiError as error:
            if error.status != 409:
                raise
    client.strategic_merge_patch(f"{path}/status", {"status": status(log_port)})
    # Admission plugin TaintNodesByCondition has tainted the new node; the node lifecycle controller would lift that.
    taints = client.get(path)["spec"].get("taints") or []
    left = [taint for taint in taints if taint["key"] != _NOT_READY]
    if left != taints:
        client.merge_patch(path, {"spec": {"taints": left or None}})


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


def status(log_port: int | None = None) -> Json:
    size = {"cpu": "2", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": objects.now(),
        "lastTransitionTime": objects.now(),
    }
    endpoint = {"daemonEndpoints": {"kubeletEndpoint": {"Port": log_port}}} if log_port else {}
    return endpoint | {
        "capacity": size,
        "allocatable": size,
        "conditions": [condition],
        # An API server calls a node by its host name first (--kubelet-preferred-address-types); no DNS knows NAME.
        "addresses": [{"type": kind, "address": "127.0.0.1"} for kind in ("InternalIP", "Hostname")],
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
