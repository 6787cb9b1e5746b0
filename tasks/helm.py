"""Helm, called in a process of its own; see `tasks.helm_child` for why."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tasks import helm_child
from tasks.core import conflicts, fencing
from tasks.core.conflicts import Conflict
from tasks.core.errors import AccessRefused, FieldConflict, NotReadyInTime, ProvisioningError, ResourceFailed

_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Upgrade:
    """One upgrade; `values` are the user values in full, `chart_version` empty means that of a chart on disk."""

    namespace: str
    release: str
    chart: str
    chart_repo: str
    chart_version: str
    description: str
    labels: dict[str, str]
    """Of the revision's record, for whoever finds it half-done."""
    values: dict[str, Any] = field(repr=False)


def upgrade(request: Upgrade, kubeconfig: dict[str, Any]) -> int:
    """Upgrade the release and return its new revision.

    Raises:
        FieldConflict: another manager owns a field the chart sets.
        ResourceFailed: the chart cannot be had or does not render, or the release is busy.
        AccessRefused: a permission is missing.
        NotReadyInTime: Helm did not come back.
    """
    resource = f"release {request.namespace}/{request.release}"
    with fencing.writing(resource):
        out, err, code = _call(request, kubeconfig, resource)
    try:
        answer = json.loads(out)
    except ValueError:
        raise ResourceFailed(resource, f"helm ended with {code}: {err[-300:]}", "Run again.", "milvus") from None
    if error_facts := answer.get("error"):
        raise _error(request, resource, error_facts["kind"], error_facts["message"])
    return int(answer["revision"])


def _call(request: Upgrade, kubeconfig: dict[str, Any], resource: str) -> tuple[str, str, int]:
    """Let the child do it; its output, its complaints and its exit code."""
    # The name of the process is what Helm signs with; the module path replaces the virtual environment, which Python
    # finds by that name.
    child = subprocess.Popen(
        ["helm", "-P", helm_child.__file__],
        executable=sys.executable,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = child.communicate(json.dumps(vars(request) | {"kubeconfig": kubeconfig}), timeout=_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        mend = f"See the release: helm -n {request.namespace} history {request.release}"
        raise NotReadyInTime(resource, f"helm did not end within {_TIMEOUT_SECONDS} s", mend, "milvus") from error
    finally:
        child.kill()
        child.wait()
    return out, err, child.returncode


def _error(request: Upgrade, resource: str, kind: str, message: str) -> ProvisioningError:
    history = f"helm -n {request.namespace} history {request.release}"
    if found := conflicts.read(message):
        return FieldConflict(resource, conflicts.observed(found), _conflict_mend(request, found), "milvus")
    message = message.strip()[:800]
    if kind == "ChartVersionError":
        return ResourceFailed(
            resource, message, "Name the chart that is deployed, or set chart_version on purpose.", "milvus"
        )
    if kind in ("HelmChartLoadError", "HelmRepoError", "HelmRegistryError", "HelmIOError"):
        mend = f"Check chart, chart_repo and chart_version; helm show chart {request.chart} must work here."
        return ResourceFailed(resource, f"the chart cannot be had: {message}", mend, "milvus")
    if "another operation" in message:
        mend = f"Wait for it, or undo it: {history}, then helm -n {request.namespace} rollback {request.release}"
        return ResourceFailed(resource, message, mend, "milvus")
    if "asked for the client to provide credentials" in message or "Unauthorized" in message:
        return AccessRefused(resource, message, "Log in again, then run again.", "kubernetes")
    if "forbidden" in message.lower():
        return AccessRefused(resource, message, "Ask for a Role that may change what the chart has.", "milvus")
    return ResourceFailed(resource, message, f"See the release: {history}", "milvus")


def _conflict_mend(request: Upgrade, found: tuple[Conflict, ...]) -> str:
    """Annotations set by hand are given up by kubectl; other fields are taken over by Helm itself, once."""
    mends = []
    if annotate := conflicts.commands(found):
        mends.append(f"Give the annotations up, the upgrade sets them again: {'; '.join(annotate)}.")
    if others := [conflict for conflict in found if not conflict.annotation]:
        # helm as well: Helm 3 wrote under that name in another way.
        tools = dict.fromkeys(
            each.manager for each in others if each.manager != "helm" and not each.manager.startswith("kubectl")
        )
        if tools:
            mends.append(
                f"If {', '.join(tools)} keeps this release, change the values there, or run with "
                "release_manager=manifest."
            )
        version = f" --version {request.chart_version}" if request.chart_version else ""
        mends.append(
            f"{'If not, let' if tools else 'Let'} Helm take the other fields over, once: "
            f"helm -n {request.namespace} upgrade {request.release} {request.chart}{version} --reuse-values "
            "--server-side=true --force-conflicts."
        )
    return f"{' '.join(mends)} Then run again."
