"""Many load balancers at once: every target is a run of its own, taken by whatever worker has room for it."""

import time
from typing import Any
from uuid import UUID

from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Completed

from flows import parameters, settings
from tasks import fleet, fleet_runs, steps
from tasks.core import fleet_report, progress
from tasks.core.fleet import FleetRequest
from tasks.fan_out import FleetCancelled


def cancel_children(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001
    """Cancel the targets' runs with the fleet's.

    A worker runs this in another process, after the fleet's has ended. Prefect's server would do it, too, some 20 s
    after the fleet's run is Cancelled; what was cancelled here is left alone there.
    """
    with get_client(sync_client=True) as client:
        number = fleet_runs.cancel_children(client, UUID(str(flow_run.id)))
    steps.logger().info("%s runs of this fleet were cancelled", number)


@flow(
    name="provision-fleet",
    flow_run_name="fleet-{fleet}",
    on_cancellation=[cancel_children],
    **settings.EVERY_FLOW,
)
@parameters.of(FleetRequest)
def provision_fleet(**given: object) -> State[Any]:
    """Provision many load balancers, a few at a time; one that fails does not stop the others.

    Each target is a run of the deployment `provision/provision`. A retry takes up only the targets that failed, and of
    these only the failed steps. The roll-up is published as an artifact; the run fails if any target did.
    """
    request = FleetRequest.parse(given)
    progress.adopt()
    begun = time.monotonic()
    entries = fleet.plan_targets(request)
    try:
        outcomes = fleet.run_targets(request, entries)
    except FleetCancelled:
        return Cancelled(message="The fleet was cancelled, and the runs of its targets with it.")
    found = fleet_report.roll_up(request.fleet, request.ticket, time.monotonic() - begun, outcomes)
    fleet.publish(found)
    if error := found.error(fleet.key("report", request.fleet)):
        raise error
    return Completed(message=found.summary)
