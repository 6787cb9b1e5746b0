"""A branch of the DAG that is not taken, shown as such."""

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.core import progress


@task(task_run_name="skipped: {step}", tags=["skipped"], cache_policy=NO_CACHE, persist_result=False)
def skipped(step: str, why: str) -> State[None]:
    """End as Skipped, with the reason as message: green in the graph, named in the list."""
    progress.current().end(step, "skipped", why)
    return Completed(name="Skipped", message=why)
