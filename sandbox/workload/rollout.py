"""How a Deployment moves from one ReplicaSet to the next, and what its status says meanwhile (pure).

Sources: kubernetes pkg/controller/deployment/{recreate,rolling,sync,progress}.go. Simpler than there: no pause, no
proportional scaling; `minReadySeconds` is ignored, a ready pod is available.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.workload import objects

Json = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """One ReplicaSet's pods: asked for, there (terminating ones too), ready."""

    wanted: int
    there: int
    ready: int


def next_scales(spec: Json, new: Scale, old: Scale) -> tuple[int, int]:
    """How many pods the new ReplicaSet, and all old ones together, shall have now."""
    replicas = int(spec.get("replicas", 1))
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return (replicas if old.there == 0 else min(new.wanted, replicas)), 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = _count(rolling.get("maxSurge", "25%"), replicas, up=True)
    missing = _count(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == missing == 0:
        missing = 1
    up = max(min(replicas, replicas + surge - old.wanted), min(new.wanted, replicas))
    enough = replicas - missing
    removable = max(0, old.wanted + new.wanted - enough - (new.wanted - new.ready))
    broken = min(removable, old.wanted - old.ready)  # those go first
    spare = min(max(0, new.ready + old.ready - enough), old.ready, removable - broken)
    return up, old.wanted - broken - spare


def status(deployment: Json, new: Scale, old: Scale, *, created: bool, now: str) -> Json:
    """The whole status of a Deployment; condition times move only when the condition does."""
    spec, before = deployment["spec"], deployment.get("status") or {}
    replicas = int(spec.get("replicas", 1))
    ready = new.ready + old.ready
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": new.there + old.there,
        "updatedReplicas": new.there,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(0, replicas - ready),
    }
    moved = any((before.get(key) or 0) != counts[key] for key in ("replicas", "updatedReplicas", "readyReplicas"))
    name = deployment["metadata"]["name"]
    strategy_slack = _unavailable_allowed(spec, replicas)
    conditions = [
        _condition(deployment, *_available(ready >= replicas - strategy_slack), now=now),
        _condition(
            deployment,
            *_progressing(deployment, new, old, replicas, created=created, moved=moved, now=now),
            now=now,
            touch=moved or created,
            subject=name,
        ),
    ]
    return {key: value or None for key, value in counts.items()} | {"conditions": conditions}


def _available(yes: bool) -> tuple[str, str, str, str]:  # noqa: FBT001
    if yes:
        return "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    return "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."


def _progressing(
    deployment: Json, new: Scale, old: Scale, replicas: int, *, created: bool, moved: bool, now: str
) -> tuple[str, str, str, str]:
    replica_set = f"{deployment['metadata']['name']}-{objects.template_hash(deployment['spec']['template'])}"
    if new.ready >= replicas and new.there == replicas and old.there == 0:
        text = f'ReplicaSet "{replica_set}" has successfully progressed.'
        return "Progressing", "True", "NewReplicaSetAvailable", text
    if created:
        return "Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{replica_set}"'
    before = objects.condition(deployment, "Progressing")
    if not moved and before.get("reason") in ("ProgressDeadlineExceeded", *_RUNNING) and _late(deployment, before, now):
        text = f'ReplicaSet "{replica_set}" has timed out progressing.'
        return "Progressing", "False", "ProgressDeadlineExceeded", text
    return "Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{replica_set}" is progressing.'


_RUNNING = ("NewReplicaSetCreated", "ReplicaSetUpdated")


def progress_deadline(deployment: Json) -> dt.datetime | None:
    """When the present rollout counts as stuck; None when none is running."""
    progressing = objects.condition(deployment, "Progressing")
    if progressing.get("reason") not in _RUNNING:
        return None
    seconds = int(deployment["spec"].get("progressDeadlineSeconds") or 600)
    return dt.datetime.fromisoformat(progressing["lastUpdateTime"]) + dt.timedelta(seconds=seconds)


def _late(deployment: Json, progressing: Json, now: str) -> bool:
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return True
    deadline = progress_deadline(deployment)
    return deadline is not None and dt.datetime.fromisoformat(now) >= deadline


def _condition(
    deployment: Json,
    kind: str,
    state: str,
    reason: str,
    message: str,
    *,
    now: str,
    touch: bool = False,
    subject: str = "",
) -> Json:
    before = objects.condition(deployment, kind)
    same_state, same = before.get("status") == state, before.get("status") == state and before.get("reason") == reason
    return {
        "type": kind,
        "status": state,
        "reason": reason,
        "message": message,
        "lastTransitionTime": before["lastTransitionTime"] if same_state else now,
        "lastUpdateTime": before["lastUpdateTime"] if same and not (touch and subject) else now,
    }


def _unavailable_allowed(spec: Json, replicas: int) -> int:
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0
    return _count((strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%"), replicas, up=False)


def _count(value: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        share = replicas * int(value[:-1]) / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)


def total(scales: Sequence[Scale]) -> Scale:
    return Scale(sum(s.wanted for s in scales), sum(s.there for s in scales), sum(s.ready for s in scales))
