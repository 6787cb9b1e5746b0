"""The flow `provision`, which dies where a test says: by SIGKILL, which no code can see coming.

The orders are the lines of the file MORTAL_ORDERS, the next one first: `running apply-ingress` dies when that step
begins, `done apply-ingress` when it ends, before Prefect knows of it, and `seen wait-for-backends` when that wait has
made its first observation. An order is struck out before it is carried out.
"""

import functools
import os
import signal
from pathlib import Path
from typing import Any

from flows.provision import provision as immortal
from tasks.core import progress
from tasks.core.progress import Journal, Step


def _die(_: Journal, step: Step) -> None:
    file = Path(os.environ["MORTAL_ORDERS"])
    first, *rest = file.read_text().splitlines() or [""]
    happens = {f"{step.state} {step.name}"} | ({f"seen {step.name}"} if step.observed else set())
    if first in happens:
        file.write_text("".join(f"{line}\n" for line in rest))
        os.kill(os.getpid(), signal.SIGKILL)


@functools.wraps(immortal.fn)
def _mortal(**given: Any) -> Any:
    progress.use(Journal(listeners=[_die]))
    return immortal.fn(**given)


provision = immortal.with_options()
provision.fn = _mortal
