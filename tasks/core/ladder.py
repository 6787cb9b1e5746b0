"""The proof ladder, without the climbing: what a rung is, and the verdict over all of them.

What each way of breaking means stands in `tasks.core`: `dns_faults`, `tls_faults`, `http_faults`, `backend_faults` and
`rung_faults`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from tasks.core.diagnosis.finding import Outlook
from tasks.core.errors import ProofFailed

RUNGS = (
    "dns",
    "tcp",
    "tls",
    "alpn",
    "http2",
    "url-map",
    "backends",
    "grpc",
    "version",
    "authentication",
    "collection",
    "async",
    "long-call",
    "idle",
)
"""In the order they are climbed; each needs those before it.

What takes long comes last, so that a load balancer that is still being programmed is not waited for with it.
"""
_TAKE_LONG = ("long-call", "idle")
_MOST_LONG_BREAKS = 3


class Outcome(StrEnum):
    """How a rung ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Fault:
    """Why a rung broke.

    Attributes:
        owner: whose job it is: "dns", "network", "certificate", "ingress", "compute", "milvus" or "client".
        cause: a stable CamelCase category, for machines and for counting.
        detail: what was seen.
        mend: what to do next, a command where there is one.
        outlook: "wait" for what a load balancer that is still being programmed shows too, "stop" for what it does not.
    """

    owner: str
    cause: str
    detail: str
    mend: str
    outlook: Outlook = Outlook.WAIT

    def at(self, namespace: str, ingress: str) -> Self:
        """The same with the names that a rung does not know in its mend, which has NAMESPACE and INGRESS for them."""
        mend = self.mend.replace("NAMESPACE", namespace).replace("INGRESS", ingress)
        return replace(self, mend=mend)


@dataclass(frozen=True)
class Rung:
    """One check: its name, how it ended, what was seen, how long it took."""

    name: str
    outcome: Outcome
    detail: str
    seconds: float = 0.0
    fault: Fault | None = None

    def as_dict(self) -> dict[str, Any]:
        """The rung as the report has it."""
        return {
            "name": self.name,
            "outcome": str(self.outcome),
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Verdict:
    """All rungs of one climb."""

    rungs: tuple[Rung, ...]

    @property
    def broken(self) -> Rung | None:
        """The rung that failed, None if none did."""
        return next((rung for rung in self.rungs if rung.outcome is Outcome.FAILED), None)

    @property
    def verified(self) -> bool:
        """A real client reached Milvus, and nothing broke."""
        reached = any(rung.name == "grpc" and rung.outcome is Outcome.PASSED for rung in self.rungs)
        return reached and self.broken is None

    def as_dict(self) -> dict[str, Any]:
        """The verification as the report has it."""
        outcome = "verified" if self.verified else "failed"
        return {"outcome": outcome, "rungs": [rung.as_dict() for rung in self.rungs]}

    def error(self, resource: str) -> ProofFailed | None:
        """The error that a failed proof ends in, None when it is verified."""
        broken = self.broken
        if self.verified:
            return None
        if broken is None:
            return ProofFailed(resource, "the proof did not reach Milvus", "Run it again.", "client", "NotReached")
        fault = broken.fault or Fault("client", "RungBroken", broken.detail, "Run it again.")
        observed = f"rung {broken.name} broke: {broken.detail}"
        return ProofFailed(resource, observed, fault.mend, fault.owner, fault.cause)


def finished(rungs: Sequence[Rung]) -> Verdict:
    """The verdict over the rungs that were climbed; those after a broken one are added as skipped, with no cause."""
    names = [rung.name for rung in rungs]
    broken = next((rung.name for rung in rungs if rung.outcome is Outcome.FAILED), "")
    rest = [Rung(name, Outcome.SKIPPED, f"not reached: {broken} broke") for name in RUNGS if name not in names]
    return Verdict((*rungs, *rest))


def breaks_too_often(breaks: Sequence[Rung]) -> bool:
    """Whether a rung that takes long is to be climbed no more, since it has broken three times in the same way.

    Milvus may have a moment of its own in between, which is no reason to give up, nor the cause to name.

    Args:
        breaks: the rung that broke, of every climb so far; at least one.
    """
    alike = [(rung.name, rung.fault and rung.fault.cause) for rung in breaks]
    return breaks[-1].name in _TAKE_LONG and alike.count(alike[-1]) >= _MOST_LONG_BREAKS
