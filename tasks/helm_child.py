"""One Helm upgrade in a process of its own, whose name is `helm`.

Helm 4 applies server-side under the name of the process that calls it. Called from a worker it would be `python3.11`,
which owns nothing of a release that `helm` installed, and every changed field would be a conflict. A process of its
own also keeps the Go runtime out of the flow and can be ended when a run is cancelled.

Reads one JSON request from standard input and writes one JSON answer: values never stand in process arguments.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Do what standard input asks; always answer, also with a failure."""
    request = json.load(sys.stdin)
    try:
        answer = upgrade(request)
    except Exception as error:  # the parent judges by kind and message
        answer = {"error": {"kind": type(error).__name__, "message": str(error)}}
    json.dump(answer, sys.stdout)


def upgrade(request: dict[str, Any]) -> dict[str, Any]:
    """Upgrade one release with exactly these user values."""
    import helm_python

    source, repository = request["chart"], request["chart_repo"]
    chart: Any = source
    options: dict[str, Any] = {"chart_version": request["chart_version"] or None}
    if Path(source).exists():
        chart = helm_python.Chart.load(source)
        options = {}
        if request["chart_version"] and chart.version != request["chart_version"]:
            raise ChartVersionError(f"{source} has version {chart.version}, not {request['chart_version']}")
    elif "://" not in source:
        options["chart_repo_url"] = repository
    config = helm_python.Config(**in_memory(json.dumps(request["kubeconfig"])), namespace=request["namespace"])
    with contextlib.closing(config):
        release = config.upgrade(
            chart,
            request["release"],
            request["values"],
            reset_values=True,
            description=request["description"],
            labels=request["labels"],
            **options,
        )
    return {"revision": release["revision"]}


def in_memory(kubeconfig: str) -> dict[str, Any]:
    """The kubeconfig as an option of helm_python, in no file of any disk.

    As `kubeconfig_content` it would become one below TMPDIR, which stays there, token and all, when we are killed.
    Where there are no files in memory (not Linux) that is what happens.
    """
    if not hasattr(os, "memfd_create"):
        return {"kubeconfig_content": kubeconfig}
    descriptor = os.memfd_create("kubeconfig")  # open until the process ends
    os.write(descriptor, kubeconfig.encode())
    return {"kubeconfig_path": f"/proc/self/fd/{descriptor}"}


class ChartVersionError(Exception):
    """The chart on disk is not of the version asked for."""


if __name__ == "__main__":
    main()
