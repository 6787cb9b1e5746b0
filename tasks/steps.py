"""What a step of this project is to Prefect.

Writing steps persist their small result under a key that names run, step and inputs, so that a retry of the run does
not repeat them. Observing steps are never cached: they read the world. Both note in the journal when they ran.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from prefect.utilities.hashing import hash_objects

from tasks.core import fencing, progress
from tasks.core.errors import Unreachable

P = ParamSpec("P")
R = TypeVar("R")

_RETRIES: dict[str, Any] = {"retries": 3, "retry_delay_seconds": [2, 8, 30], "retry_jitter_factor": 0.2}


def is_transient(_task: Task[..., Any], _run: Any, state: State[Any]) -> bool:
    """Whether running the whole step again may help: a server did not answer, nobody refused anything."""
    try:
        state.result()
    except Unreachable:
        return True
    except Exception:  # any other failure is somebody's to mend, not time's
        return False
    return False


def writing(function: Callable[P, R]) -> Task[P, R]:
    """A step that writes: idempotent, its result kept for a retry of the same run."""
    return lasting(function)


def lasting(function: Callable[P, R]) -> Task[P, R]:
    """A step that need not be done again in a retry of the same run, as long as no other run has had its turn."""
    return task(
        name=_name(function),
        persist_result=True,
        cache_key_fn=_step_key,
        retry_condition_fn=is_transient,
        **_RETRIES,
    )(_journaled(function))


def observing(function: Callable[P, R]) -> Task[P, R]:
    """A step that reads or waits: judged afresh every time it runs."""
    return task(
        name=_name(function), persist_result=False, cache_policy=NO_CACHE, retry_condition_fn=is_transient, **_RETRIES
    )(_journaled(function))


def publishing(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task that publishes artifacts: a Prefect server that is restarted is away for half a minute, and waited for."""
    return task(
        name=name, persist_result=False, cache_policy=NO_CACHE, retries=5, retry_delay_seconds=[2, 4, 10, 30, 60]
    )


def logger() -> Any:
    """The run's logger; the module's when a step's body is called outside of a run."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("milvus_l7")


def _name(function: Callable[..., Any]) -> str:
    return function.__name__.replace("_", "-")


def _step_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Key of a result: not INPUTS + RUN_ID, under which different steps with equal inputs collide.

    It has the turn of the run. The result of a write is true as long as nobody else writes: once another run has held
    the Lease, the turn is another one, no earlier result is found, and every step looks at the world again. A retry of
    the run that held the Lease last keeps its turn, and with it what its attempts have done.
    """
    inputs = hash_objects(parameters, raise_on_failure=True)
    return f"{runtime.flow_run.root_flow_run_id}-{fencing.epoch()}-{context.task.name}-{inputs}"


def _journaled(function: Callable[P, R]) -> Callable[P, R]:
    name = _name(function)

    @functools.wraps(function)
    def step(*args: P.args, **kwargs: P.kwargs) -> R:
        journal = progress.current()
        journal.begin(name)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            journal.end(name, "failed", str(error))
            raise
        journal.end(name, "done")
        return result

    return step
