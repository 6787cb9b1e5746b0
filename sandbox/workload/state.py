"""A container's state as a pod's status shows it, and the pod's status as a whole (pure).

Sources: kubernetes pkg/kubelet/kubelet_pods.go, pkg/kubelet/status/generate.go. Simpler than there: the message of a
terminated container is the end of its log, as with `terminationMessagePolicy: FallbackToLogsOnError`.
"""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.workload import objects

Json = dict[str, Any]


@dataclass(frozen=True)
class ContainerState:
    """The parts of a containerStatus that change."""

    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Json = field(default_factory=dict)
    ready: bool = False
    restarts: int = 0
    started: bool = False

    def waiting(self, reason: str, message: str = "") -> "ContainerState":
        details = {"reason": reason} | ({"message": message} if message else {})
        return replace(self, state={"waiting": details}, ready=False, started=False)

    def running(self, now: str) -> "ContainerState":
        return replace(self, state={"running": {"startedAt": now}}, ready=False, started=True)

    def terminated(self, exit_code: int, message: str, now: str) -> "ContainerState":
        started = self.state.get("running", {}).get("startedAt", now)
        details: Json = {
            "exitCode": exit_code,
            "reason": "Completed" if exit_code == 0 else "Error",
            "startedAt": started,
            "finishedAt": now,
        }
        if message:
            details["message"] = message
        return replace(self, state={"terminated": details}, ready=False, started=False)

    def restarting(self, back_off_seconds: float, container: str, pod: str) -> "ContainerState":
        """After its end: waiting for the next start."""
        message = f"back-off {back_off_seconds:g}s restarting failed container={container} pod={pod}"
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        return replace(self, state=waiting, last_state=self.state, restarts=self.restarts + 1)


def always_ready(since: str) -> ContainerState:
    """The state of a container that has no process."""
    return ContainerState(state={"running": {"startedAt": since}}, ready=True, started=True)


def pod_status(pod: Json, main: ContainerState, addresses: tuple[str, str], now: str, main_name: str | None) -> Json:
    """The status of a pod whose container `main_name` is in state `main`; its other containers are just ready.

    Args:
        pod: the pod as it is.
        main: the state of the container that has a process; of all containers when `main_name` is None.
        addresses: of the pod and of its node.
        now: for new conditions.
        main_name: the container with a process.
    """
    before = pod.get("status") or {}
    spec, started = pod["spec"], before.get("startTime") or now
    created = "waiting" in main.state and main.state["waiting"]["reason"] in ("ContainerCreating", "PodInitializing")
    others = always_ready(started)
    containers = [
        _container_status(each, main if main_name in (None, each["name"]) else replace(others, ready=not created))
        for each in spec["containers"]
    ]
    all_ready = all(status["ready"] for status in containers)
    not_ready = [status["name"] for status in containers if not status["ready"]]
    gates = [gate["conditionType"] for gate in spec.get("readinessGates") or []]
    closed = [gate for gate in gates if objects.condition(pod, gate).get("status") != "True"]
    not_ready_text = f"containers with unready status: [{' '.join(not_ready)}]"
    gates_text = 'the status of pod readiness gate "{}" is not "True", but False'
    ready_reason = ("ContainersNotReady", not_ready_text) if not all_ready else ("", "")
    pod_reason = ("ReadinessGatesNotReady", gates_text.format(closed[0])) if all_ready and closed else ready_reason
    conditions = [
        _condition(pod, "PodScheduled", now, yes=True),
        _condition(pod, "Initialized", now, yes=not created),
        _condition(pod, "ContainersReady", now, *ready_reason, yes=all_ready),
        _condition(pod, "Ready", now, *pod_reason, yes=all_ready and not closed),
    ]
    status: Json = {
        "phase": "Pending" if created else "Running",
        "conditions": conditions,
        "hostIP": addresses[1],
        "hostIPs": [{"ip": addresses[1]}],
        "startTime": started,
        "qosClass": before.get("qosClass") or "BestEffort",
        "containerStatuses": containers,
    }
    if spec.get("initContainers"):
        status["initContainerStatuses"] = [_finished(each, started) for each in spec["initContainers"]]
    if not created:
        status |= {"podIP": addresses[0], "podIPs": [{"ip": addresses[0]}]}
    return status


def _container_status(container: Json, state: ContainerState) -> Json:
    status: Json = {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        "ready": state.ready,
        "started": state.started,
        "restartCount": state.restarts,
        "state": state.state,
        "lastState": state.last_state,
    }
    if "waiting" not in state.state or state.last_state:
        status["containerID"] = _container_id(container["name"], state.restarts)
    return status


def _finished(container: Json, now: str) -> Json:
    done = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
    status = _container_status(container, ContainerState({"terminated": done}, ready=True))
    return status | {"started": False}


def _container_id(name: str, attempt: int) -> str:
    return f"sandbox://{hashlib.sha256(f'{name}/{attempt}'.encode()).hexdigest()}"


def _condition(pod: Json, kind: str, now: str, reason: str = "", message: str = "", *, yes: bool) -> Json:
    before, state = objects.condition(pod, kind), "True" if yes else "False"
    since = before.get("lastTransitionTime") if before.get("status") == state else now
    # Explicit nulls: a merge by type would keep the reason of a condition that has become true.
    return {
        "type": kind,
        "status": state,
        "lastProbeTime": None,
        "lastTransitionTime": since or now,
        "reason": reason or None,
        "message": message or None,
    }
