"""What a fault is: how somebody makes it, how the product is asked, and what it must answer."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.tasks.world import World

Inject = Callable[[Any], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """One way in which things go wrong.

    Attributes:
        name: what somebody did or what happened, in words.
        row: where it is told: a row of gke.md §14, or a need of user-needs.md §1.
        inject: makes it, and takes it back.
        where: "world": a release of its own without a process on its way to a load balancer, which `provision` is asked
            for; "site": the sandbox's release with a real Milvus behind its load balancer, which `verify` looks at.
        layer: whose job it is.
        cause: of the report's error.
        mend: what the mend must say.
        seen: what the observation must say; "" for anything.
        waits: whether it may still come right by itself or by somebody's doing, so that a run waits for its deadline.
        parameters: of the run, besides those of every run.
    """

    name: str
    row: str
    inject: Inject
    where: Literal["site", "world"]
    layer: str
    cause: str
    mend: str
    seen: str = ""
    waits: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)


FAULTS: list[Fault] = []
_PHASES = ("rollout", "address", "backends", "certificate", "proof")
_PATIENT, _IMPATIENT = 30, 4


def fault(
    name: str,
    row: str,
    *,
    layer: str,
    cause: str,
    mend: str,
    seen: str = "",
    waits: bool = False,
    where: Literal["site", "world"] = "site",
    **parameters: Any,
) -> Callable[[Inject], Inject]:
    """Put a fault into the table."""

    def register(inject: Inject) -> Inject:
        deadlines = {f"{phase}_timeout_seconds": _IMPATIENT if waits else _PATIENT for phase in _PHASES}
        if where == "site":
            deadlines = {"proof_timeout_seconds": _PATIENT}
        known = Fault(name, row, inject, where, layer, cause, mend, seen, waits, deadlines | parameters)
        FAULTS.append(known)
        return inject

    return register


__all__ = ["FAULTS", "Fault", "World", "fault"]
