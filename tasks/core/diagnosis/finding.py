"""What one look at the world told us: wait, try again, or stop."""

from dataclasses import dataclass
from enum import StrEnum


class Outlook(StrEnum):
    """Whether waiting on makes sense."""

    WAIT = "wait"
    """Not yet; nothing says that it will not come, though a person may have to act meanwhile."""
    RETRY = "retry"
    """A passing fault; whoever made the call tries again."""
    STOP = "stop"
    """It will not come by itself; waiting longer changes nothing."""


@dataclass(frozen=True)
class Finding:
    """One observation, judged.

    Attributes:
        outlook: what a wait does with it.
        layer: whose job it is, in the words of `tasks.core.errors.ProvisioningError.layer`.
        cause: a stable CamelCase category, for machines and for counting.
        observed: what was seen, in the words of whoever said it.
        mend: what to do next, a command where there is one; "" when there is nothing to do but wait.
    """

    outlook: Outlook
    layer: str
    cause: str
    observed: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.cause}: {self.observed.rstrip('.')}." + (f" {self.mend}" if self.mend else "")
