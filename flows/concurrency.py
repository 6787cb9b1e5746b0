"""Steps that run side by side: begun, awaited together; the first failure ends the waits beside it."""

from collections.abc import Sequence
from typing import Any

from prefect import Task
from prefect.futures import PrefectFuture, as_completed

from tasks.core import progress
from tasks.core.progress import Change
from tasks.polling import Stopped

Future = PrefectFuture[Any]


def begin(step: Task[..., Any], *arguments: Any, after: Sequence[Future] = (), **named: Any) -> Future:
    """Submit a step; `after` draws the edges of the graph, all of them done by now."""
    return step.submit(*arguments, **named, return_state=False, wait_for=list(after))


def results(futures: Sequence[Future]) -> list[Any]:
    """Return the results in the order of the futures.

    Raises:
        Exception: of the step that failed first; the others are told to stop and are waited for, so that nothing is
            left running.
    """
    journal = progress.current()
    failure: BaseException | None = None
    try:
        for future in as_completed(list(futures)):
            try:
                _remember_earlier(future, future.result())
            except BaseException as error:
                journal.stop.set()
                if failure is None or isinstance(failure, Stopped):
                    failure = error
    except BaseException:
        # A cancelled run is told between two results, by a signal.
        journal.stop.set()
        raise
    if failure is not None:
        raise failure
    return [future.result() for future in futures]


def named_results(futures: dict[str, Future]) -> dict[str, Any]:
    """Return the results under the names of their futures; see `results`."""
    return dict(zip(futures, results(list(futures.values())), strict=True))


def settled(futures: dict[str, Future]) -> tuple[dict[str, Any], list[Exception]]:
    """Await all; return the results of those that succeeded, and why the others did not.

    Raises:
        BaseException: the run is cancelled or interrupted.
    """
    found: dict[str, Any] = {}
    faults: list[Exception] = []
    for name, future in futures.items():
        try:
            found[name] = future.result()
        except Exception as error:
            faults.append(error)
    return found, faults


def _remember_earlier(future: Future, result: Any) -> None:
    """A step that an earlier attempt of this run has done is not run again; what it did and saw is for the report."""
    if future.state.name == "Cached":
        for change in _changes(result):
            progress.current().record(change)
        progress.current().judge(getattr(result, "checks", ()))


def _changes(result: Any) -> list[Change]:
    if isinstance(result, Change):
        return [result]
    if isinstance(result, list | tuple):
        return [change for each in result for change in _changes(each)]
    return _changes(getattr(result, "changes", None) or getattr(result, "change", None) or [])
