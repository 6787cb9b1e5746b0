"""Pods and Deployments of Milvus: why a rollout does not come to its end."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core.diagnosis.finding import Finding, Outlook

_CRASHES_BEFORE_STOP = 4
"""Restarts without a cause we know, after which a crash loop is not a dependency still starting.

Milvus gives up when etcd or the object store does not answer yet; two or three restarts are usual on a fresh node
(back-off 10, 20, 40 s)."""


@dataclass(frozen=True)
class _Crash:
    pattern: str
    cause: str
    observed: str
    mend: str


_CRASHES = (
    _Crash(
        # milvus internal/distributed/proxy/listener_manager.go, 2.5 and later; milvus-io/milvus#46312
        r"share the same port.{0,40}tls mode must be 0",
        "RestPortSharedWithTls",
        "Milvus does not start: REST and gRPC share a port while TLS is on",
        "Set proxy.http.port: 8080 (or proxy.http.enabled: false) in extraConfigFiles.user.yaml and upgrade.",
    ),
    _Crash(
        r"(?:server\.pem|server\.key|ca\.pem|\.crt)[\"']?: no such file or directory",
        "TlsFilesMissing",
        "Milvus does not start: a file of its own TLS certificate is missing",
        "Check tls.serverPemPath and tls.serverKeyPath in user.yaml and that the volume is mounted: "
        "kubectl -n {namespace} describe pod {name}",
    ),
    _Crash(
        r"tls: private key does not match public key|tls: failed to find any PEM data",
        "TlsFilesInvalid",
        "Milvus does not start: its own TLS certificate and key do not fit",
        "Check the files behind tls.serverPemPath and tls.serverKeyPath in user.yaml.",
    ),
    _Crash(
        r"yaml: (?:line \d+|unmarshal)",
        "ConfigurationUnreadable",
        "Milvus does not start: its configuration is not valid YAML",
        "Mend extraConfigFiles.user.yaml: helm -n {namespace} get values RELEASE",
    ),
)

_IMAGE_GONE = re.compile(r"manifest unknown|not found|unauthorized|denied|forbidden|invalid reference", re.IGNORECASE)
_IMAGE_WAITS = ("ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")


def of_pod(pod: Mapping[str, Any], *, log: str = "") -> Finding | None:
    """Judge a Pod; None when it runs, starts, or waits for its probes.

    Args:
        pod: as the API has it, parsed.
        log: last lines of the container that crashes (`--previous`), where a known cause is looked for.
    """
    names = _names(pod)
    status = pod.get("status") or {}
    for container in _containers(status):
        finding = _of_container(container, names, log)
        if finding is not None:
            return finding
    if status.get("phase") == "Failed":
        said = f"{status.get('reason') or 'Failed'}: {status.get('message') or 'no message'}"
        return Finding(Outlook.RETRY, "kubernetes", "PodFailed", said, _describe(names))
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            # An autoscaler may add a node, so this is a wait, but one a person wants to read.
            said = str(condition.get("message") or "Unschedulable")
            return Finding(Outlook.WAIT, "kubernetes", "Unschedulable", said, _describe(names))
    return None


def of_deployment(deployment: Mapping[str, Any]) -> Finding:
    """Judge a Deployment that is not rolled out yet by its conditions."""
    names = _names(deployment)
    mend = "See why: kubectl -n {namespace} get pods; kubectl -n {namespace} describe deployment {name}".format_map(
        names
    )
    status = deployment.get("status") or {}
    if status.get("observedGeneration", 0) < (deployment.get("metadata") or {}).get("generation", 0):
        return Finding(Outlook.WAIT, "milvus", "RolloutNotSeen", "the new spec was not taken up yet", mend)
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    failure, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    if failure.get("status") == "True":
        said = str(failure.get("message") or failure.get("reason"))
        permanent = "exceeded quota" in said or "admission webhook" in said or "is forbidden" in said
        return Finding(Outlook.STOP if permanent else Outlook.RETRY, "kubernetes", "PodsNotCreated", said, mend)
    if progress.get("status") == "False" and progress.get("reason") == "ProgressDeadlineExceeded":
        said = str(progress.get("message") or "ProgressDeadlineExceeded")
        return Finding(Outlook.STOP, "milvus", "ProgressDeadlineExceeded", said, mend)
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    counts = ", ".join(
        f"{status.get(field) or 0} {word}"
        for field, word in (("updatedReplicas", "updated"), ("readyReplicas", "ready"), ("replicas", "in all"))
    )
    return Finding(Outlook.WAIT, "milvus", "RollingOut", f"{names['name']}: {wanted} wanted, {counts}", mend)


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or []
    yield from status.get("containerStatuses") or []


def _of_container(container: Mapping[str, Any], names: Mapping[str, str], log: str) -> Finding | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    said = f"container {container.get('name')}: {reason}" + (f": {message}" if message else "")
    if reason in _IMAGE_WAITS:
        gone = reason in ("InvalidImageName", "ErrImageNeverPull") or _IMAGE_GONE.search(message)
        mend = "Check image name, tag and pull secret: kubectl -n {namespace} describe pod {name}".format_map(names)
        return Finding(Outlook.STOP if gone else Outlook.RETRY, "kubernetes", "ImageUnavailable", said, mend)
    if reason == "CreateContainerConfigError":
        return Finding(Outlook.STOP, "kubernetes", "ContainerConfigError", said, _describe(names))
    if reason in ("CreateContainerError", "RunContainerError"):
        return Finding(Outlook.RETRY, "kubernetes", "ContainerNotStarted", said, _describe(names))
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    return _of_end(container, ended, names, log, looping=reason == "CrashLoopBackOff")


def _of_end(
    container: Mapping[str, Any], ended: Mapping[str, Any], names: Mapping[str, str], log: str, *, looping: bool
) -> Finding | None:
    """Judge how the container ended last; a container that runs again keeps the benefit of the doubt."""
    running = "running" in (container.get("state") or {})
    if not looping and (running or not ended or ended.get("exitCode") == 0):
        return None
    text = f"{ended.get('message') or ''}\n{log}"
    name, restarts = container.get("name"), int(container.get("restartCount") or 0)
    logs = "kubectl -n {namespace} logs {name} --previous".format_map(names) + f" -c {name}"
    for crash in _CRASHES:
        found = re.search(crash.pattern, text, re.DOTALL)
        if found:
            mend = f"{crash.mend.format_map(names)} Its log: {logs}"
            return Finding(Outlook.STOP, "milvus", crash.cause, f"{crash.observed} ({_line(text, found)})", mend)
    outlook = Outlook.STOP if looping and restarts >= _CRASHES_BEFORE_STOP else Outlook.WAIT
    said = f"container {name} ended with exit code {ended.get('exitCode', 'unknown')}, {restarts} restart(s)"
    if ended.get("reason") == "OOMKilled":
        mend = "Raise its memory limit: kubectl -n {namespace} describe pod {name}".format_map(names)
        return Finding(outlook, "milvus", "OutOfMemory", f"{said}: OOMKilled", mend)
    return Finding(outlook, "milvus", "CrashLoop", f"{said}{_last(text)}", f"See its log: {logs}")


def _line(text: str, found: re.Match[str]) -> str:
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[start : end if end >= 0 else None].strip()[:300]


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"; last line: {lines[-1][:300]}" if lines else ""


def _describe(names: Mapping[str, str]) -> str:
    return "See it whole: kubectl -n {namespace} describe pod {name}".format_map(names)


def _names(item: Mapping[str, Any]) -> dict[str, str]:
    metadata = item.get("metadata") or {}
    return {"namespace": str(metadata.get("namespace") or "default"), "name": str(metadata.get("name") or "")}
