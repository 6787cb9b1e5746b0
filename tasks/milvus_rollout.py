"""The rollout of Milvus after a change: waited for, and judged by its Deployments, its Pods and their logs."""

from typing import Any

from tasks import events, milvus_objects, steps, waiting
from tasks.clients import kubernetes
from tasks.clients.readers import ClusterReader
from tasks.core import diagnosis, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import ProvisioningError
from tasks.polling import Ready


@steps.observing
def wait_for_rollout(config: LoadBalancerConfig) -> int:
    """Return the number of Milvus Deployments once every one runs its newest template and is ready.

    Raises:
        ResourceFailed: a Pod crashes, cannot start or cannot be scheduled; the cause is from its log.
        NotReadyInTime: not within `config.rollout_timeout_seconds`.
    """
    cluster = kubernetes.cluster(config)
    resource = f"milvus of release {config.namespace}/{config.release}"

    return waiting.until(
        lambda: judge(cluster, config),
        step="wait-for-rollout",
        resource=resource,
        timeout_seconds=config.rollout_timeout_seconds,
    )


def judge(cluster: ClusterReader, config: LoadBalancerConfig) -> Ready[int] | Finding:
    """Look once: the number of Deployments when every one runs its newest template and is ready, else why not."""
    deployments = milvus_objects.read_deployments(cluster, config, milvus_objects.read_service(cluster, config))
    unready = [deployment for deployment in deployments if not rolled_out(deployment)]
    if not unready:
        return Ready(len(deployments))
    return _judge_pods(cluster, config, unready[0]) or diagnosis.of_deployment(unready[0])


def rolled_out(deployment: dict[str, Any]) -> bool:
    """Whether every replica runs the newest template and is available."""
    wanted: int = deployment["spec"].get("replicas", 1)
    seen: dict[str, int] = deployment.get("status") or {}
    return (
        seen.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 1)
        and seen.get("updatedReplicas", 0) >= wanted
        and seen.get("availableReplicas", 0) >= wanted
        and seen.get("replicas", 0) <= max(wanted, seen.get("updatedReplicas", 0))
    )


def _judge_pods(cluster: ClusterReader, config: LoadBalancerConfig, deployment: dict[str, Any]) -> Finding | None:
    """The gravest finding among the Deployment's Pods; a crashed one is judged by its log."""
    labels = deployment["spec"]["selector"].get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    findings: list[Finding] = []
    for pod in cluster.list_objects(kubernetes.POD, config.namespace, labels=selector):
        if pod["metadata"].get("deletionTimestamp"):
            continue
        found = diagnosis.of_pod(pod, log=_crash_log(cluster, config, pod))
        if found is None and not status.pod_ready(pod):
            # A volume that cannot be mounted and a probe that fails stand in events alone.
            found = events.worst(cluster, config, (pod["metadata"]["name"],), kind="Pod")
        if found:
            findings.append(found)
    stops = [finding for finding in findings if finding.outlook is Outlook.STOP]
    return next(iter(stops or findings), None)


def _crash_log(cluster: ClusterReader, config: LoadBalancerConfig, pod: dict[str, Any]) -> str:
    """Log of the run of a container that has ended, empty when none has."""
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        if not container.get("restartCount") and "terminated" not in (container.get("state") or {}):
            continue
        for previous in (True, False):
            try:
                log = cluster.pod_log(config.namespace, pod["metadata"]["name"], container["name"], previous=previous)
            except ProvisioningError:
                continue  # a log that cannot be had takes nothing from the diagnosis of the status
            if log:
                return log
    return ""
