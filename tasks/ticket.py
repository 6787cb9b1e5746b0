"""The ticket on the flow run: a tag, so that the run is found however it was started: form, CLI, event or REST call."""

from prefect import runtime
from prefect.client.orchestration import get_client

from tasks import steps
from tasks.core import tickets
from tasks.core.config import LoadBalancerConfig


def mark_run(config: LoadBalancerConfig) -> None:
    """Tag the flow run we are in with the configuration's ticket; nothing happens without one, or when it is there.

    A run that cannot be tagged goes on: the report names the ticket in any case.
    """
    if not config.ticket or not runtime.flow_run.id:
        return
    wanted = tickets.tag(config.ticket)
    present = list(runtime.flow_run.tags or ())
    if wanted in present:
        return
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, tags=[*present, wanted])
    except Exception as error:  # the API's trouble is not the load balancer's
        steps.logger().warning("The run was not tagged with its ticket: %s", type(error).__name__)
