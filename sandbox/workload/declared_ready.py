"""StatefulSets, DaemonSets and Jobs: what needs no process here is declared ready or complete.

A chart may bring etcd, MinIO or Pulsar; the sandbox's Milvus has all of that inside itself. No pods are made for them.
"""

from typing import Any

from sandbox.workload import objects

Json = dict[str, Any]


def stateful_set(item: Json) -> Json:
    """Status of a StatefulSet whose replicas are all ready."""
    replicas = int(item["spec"].get("replicas", 1))
    revision = f"{item['metadata']['name']}-{objects.template_hash(item['spec']['template'])}"
    return {
        "observedGeneration": item["metadata"].get("generation", 1),
        "replicas": replicas,
        "readyReplicas": replicas,
        "currentReplicas": replicas,
        "updatedReplicas": replicas,
        "availableReplicas": replicas,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
    }


def job(item: Json) -> Json:
    """Status of a Job that has run to its end."""
    before = item.get("status") or {}
    since = before.get("startTime") or objects.now()
    ended = before.get("completionTime") or objects.now()
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": "CompletionsReached",
            "message": "Reached expected number of succeeded pods",
            "lastProbeTime": ended,
            "lastTransitionTime": ended,
        }
        # An API server since 1.31 wants the first before the second.
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    completions = int(item["spec"].get("completions") or 1)
    return {
        "startTime": since,
        "completionTime": ended,
        "succeeded": completions,
        "ready": 0,
        "terminating": 0,
        "uncountedTerminatedPods": {},
        "conditions": conditions,
    }


def daemon_set(item: Json) -> Json:
    """Status of a DaemonSet that is on the one node."""
    return {
        "observedGeneration": item["metadata"].get("generation", 1),
        "currentNumberScheduled": 1,
        "desiredNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
        "numberReady": 1,
        "numberMisscheduled": 0,
    }


STATUS = {
    "/apis/apps/v1/statefulsets": stateful_set,
    "/apis/apps/v1/daemonsets": daemon_set,
    "/apis/batch/v1/jobs": job,
}


def needed(collection: str, item: Json) -> Json | None:
    """The status to write, None when the object has it already."""
    wanted = STATUS[collection](item)
    present = item.get("status") or {}
    done = all(present.get(key) == value or (not value and not present.get(key)) for key, value in wanted.items())
    return None if done else wanted
