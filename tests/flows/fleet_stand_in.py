"""A flow that stands in for `provision` where a test is about the fan-out: same parameters, same report, no cluster.

What a target does is told by a file named after its domain in the folder STAND_IN_DIR: "fail", "wait", or nothing.
"""

import os
import time
from pathlib import Path

from prefect import flow, task

from flows import parameters
from tasks.core import report
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Journal
from tasks.core.provision_request import ProvisionRequest
from tasks.report import publish_report


@task(persist_result=True, cache_key_fn=lambda context, _given: f"{context.task_run.flow_run_id}-first")
def first_step(domain: str) -> None:
    """A step that is not repeated by a retry; it leaves a line for each time it ran."""
    with (_folder() / f"{domain}.ran").open("a") as file:
        file.write("ran\n")


@flow(name="stand-in", persist_result=False)
@parameters.of(ProvisionRequest)
def stand_in(**given: object) -> None:
    """Do what the folder says, and publish the report of it."""
    request = ProvisionRequest.parse(given)
    first_step(request.domain)
    order = _folder() / request.domain
    while order.exists() and order.read_text() == "wait":
        time.sleep(0.1)
    error = None
    if order.exists() and order.read_text() == "fail":
        error = ResourceFailed("pod stand-in/milvus-0", "CrashLoopBackOff", "Read its log.", "milvus")
    publish_report(request, report.build(request, Journal(), address="203.0.113.9", error=error))
    if error:
        raise error


def _folder() -> Path:
    return Path(os.environ["STAND_IN_DIR"])
