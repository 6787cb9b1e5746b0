"""A run's turn on its release: waited for, and begun anew when somebody else was faster."""

from collections.abc import Callable

from flows.concurrency import begin, results
from tasks import turns
from tasks.core import progress
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import Superseded
from tasks.turns import await_turn

_LOOKS = 5


def in_turn(config: LoadBalancerConfig, work: Callable[[], None]) -> None:
    """Do the work while no other run writes to the release.

    The Lease is taken with the first write. When another run has held it since this one looked, all that was decided
    may be wrong and nothing has been written, so the work begins again with a new look.

    Raises:
        Busy: another run is at work and this one does not wait, or no longer.
        Superseded: others were faster five times.
    """
    with turns.fenced(config):
        for look in range(1, _LOOKS + 1):
            results([begin(await_turn, config)])
            try:
                work()
            except Superseded:
                if look == _LOOKS:
                    raise
                # The failed step has told the others of its stage to stop.
                progress.current().stop.clear()
            else:
                return
