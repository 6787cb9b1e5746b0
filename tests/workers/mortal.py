"""The flow `provision`, which dies where a test says: by SIGKILL, which no code can see coming.

The orders are the lines of the file MORTAL_ORDERS: `running apply-ingress` dies when that step begins, `done
apply-ingress` when it ends, before Prefect knows of it, and `seen wait-for-backends` when that wait has made an
observation. An order is struck out before it is carried out, so each kills once.
"""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.provision import provision as immortal
from tasks.core import progress
from tasks.core.progress import Journal, Step

_lock = threading.Lock()


def _die(_: Journal, step: Step) -> None:
    file = Path(os.environ["MORTAL_ORDERS"])
    happens = {f"{step.state} {step.name}"} | ({f"seen {step.name}"} if step.observed else set())
    with _lock:
        orders = file.read_text().splitlines()
        if fatal := happens.intersection(orders):
            orders.remove(fatal.pop())
            file.write_text("".join(f"{order}\n" for order in orders))
            os.kill(os.getpid(), signal.SIGKILL)


@functools.wraps(immortal.fn)
def _mortal(**given: Any) -> Any:
    progress.use(Journal(listeners=[_die]))
    return immortal.fn(**given)


provision = immortal.with_options()
provision.fn = _mortal


def die_or_end(environment: Mapping[str, str], parameters: Mapping[str, Any]) -> int:
    """Run the flow in a process of its own, which has its imports already; return how that ended."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["tests.workers.warm"])
    child = forking.Process(target=_live, args=(dict(parameters),))
    with pytest.MonkeyPatch.context() as patch:
        # The server of forks takes its environment when it starts, with the first child.
        for name, value in environment.items():
            patch.setenv(name, value)
        child.start()
    child.join()
    code = child.exitcode
    child.close()
    assert code is not None
    return code


def _live(parameters: dict[str, Any]) -> None:
    os.umask(0o077)
    provision(**parameters)
