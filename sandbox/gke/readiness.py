"""Readiness gates: a pod that carries one becomes ready when its load balancer finds it healthy.

GKE's own webhook adds the gate to new pods; here only pods that have it from elsewhere are concerned. Source:
ingress-gce pkg/neg/readiness (reflector.go, poller.go, utils.go). A pod older than ten minutes is let through anyway.
"""

import datetime as dt
from typing import Any

from sandbox.compute_client import ComputeClient, GoogleApiError
from sandbox.faults import Faults
from sandbox.gke.cluster import PODS, ClusterView
from sandbox.gke.events import Component, Recorder
from sandbox.gke.neg_endpoints import NegPort
from sandbox.kube_paths import path_of

Json = dict[str, Any]

COMPONENT = "neg-readiness-reflector"
GATE = "cloud.google.com/load-balancer-neg-ready"
POLL_SECONDS = 1.0
_UNREADY_TIMEOUT = dt.timedelta(minutes=10)


class ReadinessReflector:
    """Writes the gate's condition into the status of pods that wait behind it."""

    def __init__(
        self, cluster: ClusterView, compute: ComputeClient, recorder: Recorder, faults: Faults, zone: str
    ) -> None:
        self._cluster, self._compute, self._faults, self._zone = cluster, compute, faults, zone
        self._events = Component(recorder, COMPONENT)

    def has_waiting_pods(self) -> bool:
        return any(is_waiting(pod) for pod in self._cluster.pods.items())

    def poll(self, negs: list[NegPort]) -> None:
        """Look once at the health of every waiting pod in every NEG that it belongs to."""
        if "readiness-gate-stall" in self._faults.armed():
            return
        for pod in self._cluster.pods.items():
            if is_waiting(pod):
                self._judge(pod, negs)

    def _judge(self, pod: Json, negs: list[NegPort]) -> None:
        names = [neg.neg_name for neg in negs if self._selects(neg, pod)]
        if not names:
            return
        created = dt.datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        if dt.datetime.now(dt.UTC) - created > _UNREADY_TIMEOUT:
            text = f"Timeout waiting for pod to become healthy in at least one of the NEG(s): {_listed(names)}. "
            self._write(pod, "True", "LoadBalancerNegTimeout", f'{text}Marking condition "{GATE}" to True.')
            return
        for name in names:
            verdict = self._health(name, (pod.get("status") or {}).get("podIP") or "")
            if verdict is not None:
                self._write(pod, "True", *verdict)
                return
        waiting = f"Waiting for pod to become healthy in at least one of the NEG(s): {_listed(names)}"
        self._write(pod, "False", "LoadBalancerNegNotReady", waiting)

    def _selects(self, neg: NegPort, pod: Json) -> bool:
        service = self._cluster.service(neg.namespace, neg.service)
        return service is not None and any(
            each["metadata"]["name"] == pod["metadata"]["name"] for each in self._cluster.pods_of(service)
        )

    def _health(self, neg: str, address: str) -> tuple[str, str] | None:
        """Reason and message for letting the pod through; None while it is to wait."""
        path = f"zones/{self._zone}/networkEndpointGroups/{neg}/listNetworkEndpoints"
        try:
            items = self._compute.ask(path, {"healthStatus": "SHOW"}).get("items") or []
        except GoogleApiError:
            return None
        for item in items:
            if item["networkEndpoint"]["ipAddress"] != address:
                continue
            healths = item.get("healths") or []
            for health in healths:
                if health.get("healthState") == "HEALTHY":
                    backend = ((health.get("backendService") or {}).get("backendService") or "").rsplit("/", 1)[-1]
                    text = f'Pod has become Healthy in NEG "{neg}" attached to BackendService "{backend}". '
                    return "LoadBalancerNegReady", f'{text}Marking condition "{GATE}" to True.'
        return None

    def _write(self, pod: Json, status: str, reason: str, message: str) -> None:
        present = condition(pod)
        if (present.get("status"), present.get("reason")) == (status, reason):
            return
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        entry = {"type": GATE, "status": status, "reason": reason, "message": message, "lastTransitionTime": now}
        metadata = pod["metadata"]
        path = path_of(PODS, metadata["namespace"], metadata["name"], "status")
        self._cluster.client.strategic_merge_patch(path, {"status": {"conditions": [entry]}})
        self._events.normal(pod, reason, message)


def is_waiting(pod: Json) -> bool:
    """Whether a pod carries the gate and has not been let through."""
    gates = [gate.get("conditionType") for gate in (pod.get("spec") or {}).get("readinessGates") or []]
    if GATE not in gates or pod["metadata"].get("deletionTimestamp"):
        return False
    return condition(pod).get("status") != "True"


def condition(pod: Json) -> Json:
    """The gate's condition; empty if it was never written."""
    for each in (pod.get("status") or {}).get("conditions") or []:
        if each.get("type") == GATE:
            found: Json = each
            return found
    return {}


def _listed(names: list[str]) -> str:
    return f"[{' '.join(names)}]"
