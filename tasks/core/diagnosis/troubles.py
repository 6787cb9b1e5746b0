"""Everything one look at a running system found wrong, causes before what follows from them.

A wrong annotation makes a backend service of the wrong protocol, which answers 502, which breaks a rung of the proof: a
person is to be told the annotation first. The order is that of making: what people write, what GKE makes of it, what
runs behind it, what a client meets.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tasks.core import exposure
from tasks.core.checks import Check, Result
from tasks.core.diagnosis.event_rows import REFUTED_BY
from tasks.core.diagnosis.finding import Finding, Outlook
from tasks.core.drift import Deviation
from tasks.core.errors import (
    AccessRefused,
    Drifted,
    ExposureRefused,
    Missing,
    ProvisioningError,
    ResourceFailed,
    Unreachable,
)
from tasks.core.ladder import Fault


class Source(IntEnum):
    """Where a trouble was seen; a smaller one explains a greater one."""

    ACCESS = 0
    """A server that did not answer us, or refused to: nothing behind it is known."""
    OBJECT = 1
    """An object that people write is wrong or missing: a failed check."""
    CONTROLLER = 2
    """GKE's controllers say themselves that they gave up."""
    POD = 3
    NAME = 4
    """DNS leads somewhere else."""
    CERTIFICATE = 5
    DRIFT = 6
    """What GKE made is not what was asked for."""
    HEALTH = 7
    PROGRESS = 8
    """GKE's controllers are at it, or say nothing."""
    CLIENT = 9
    """What a client met: a rung of the proof."""
    EXPOSURE = 10
    """It works, and should not work for everybody."""


class Trouble(BaseModel):
    """One thing that is wrong.

    Attributes:
        source: where it was seen.
        layer: whose job it is, in the words of `tasks.core.errors.ProvisioningError.layer`.
        cause: a stable CamelCase category.
        resource: as kubectl writes it, or the tail of a Compute self-link.
        observed: what was seen.
        mend: what to do next, a command where there is one.
        error: the exception it came in; None when it came as a value.
        heard: whether somebody says so who may be at it, or may have said it of something that was mended since.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    source: Source = Field(exclude=True)
    layer: str
    cause: str
    resource: str
    observed: str
    mend: str = ""
    error: Any = Field(default=None, exclude=True, repr=False)
    heard: bool = Field(default=False, exclude=True)

    def as_error(self) -> ProvisioningError:
        """The error that a run ends in for it."""
        if isinstance(self.error, ProvisioningError):
            return self.error
        kind = Drifted if self.source is Source.DRIFT else ResourceFailed
        return kind(self.resource, self.observed, self.mend, self.layer, self.cause)


_SOURCES: tuple[tuple[type[ProvisioningError], Source], ...] = (
    (AccessRefused, Source.ACCESS),
    (Unreachable, Source.ACCESS),
    (Missing, Source.OBJECT),
    (ExposureRefused, Source.EXPOSURE),
    (ProvisioningError, Source.CLIENT),
)


def of_error(error: ProvisioningError) -> Trouble:
    """A look that failed; that the server refused us or did not answer goes before everything else."""
    return Trouble(
        source=next(source for kind, source in _SOURCES if isinstance(error, kind)),
        layer=error.layer,
        cause=error.cause,
        resource=error.resource,
        observed=error.observed,
        mend=error.mend,
        error=error,
    )


def of_finding(finding: Finding, resource: str, source: Source) -> Trouble:
    """A judged observation; one of a controller that has not given up is told behind the others.

    But for a firewall that somebody else must open: that makes unhealthy what is looked at before it.
    """
    if source is Source.CONTROLLER and finding.outlook is not Outlook.STOP and finding.layer != "network":
        source = Source.PROGRESS
    return Trouble(
        source=source,
        layer=finding.layer,
        cause=finding.cause,
        resource=resource,
        observed=finding.observed,
        mend=finding.mend,
        # A Pod that will not start is seen, and not heard of; one that starts may be well in a moment.
        heard=source in (Source.CONTROLLER, Source.PROGRESS)
        or (source is Source.POD and finding.outlook is not Outlook.STOP),
    )


def of_name(fault: Fault, domain: str) -> Trouble:
    """A name that leads elsewhere, or nowhere."""
    return Trouble(
        source=Source.NAME,
        layer=fault.owner,
        cause=fault.cause,
        resource=f"domain {domain}",
        observed=fault.detail,
        mend=fault.mend,
    )


def of_checks(checks: Iterable[Check]) -> Iterator[Trouble]:
    """Those that failed and are more than advice; what a client met ends in an error of its own."""
    for check in checks:
        if check.ends_the_run and check.name not in exposure.CHECKS:
            yield Trouble(
                source=Source.OBJECT,
                layer=check.layer,
                cause=check.cause,
                resource=check.resource,
                observed=check.observed,
                mend=check.mend,
            )


def of_deviations(deviations: Iterable[Deviation]) -> Iterator[Trouble]:
    """Fields that are not as they were asked for; what somebody edited before what the controller made of it."""
    for found in sorted(deviations, key=lambda each: each.cluster in ("", "missing", each.intent)):
        sides = [("the cluster says", found.cluster), ("Compute has", found.compute)]
        seen = ", ".join(f"{who} {value}" for who, value in sides if value)
        yield Trouble(
            source=Source.DRIFT,
            layer="kubernetes" if found.cluster not in ("", found.intent) else "compute",
            cause="Drifted",
            resource=found.resource,
            observed=f"{found.field}: {found.intent} was asked for, {seen or 'there is none'}",
            mend=found.mend,
        )


def in_order(troubles: Iterable[Trouble], checks: Iterable[Check] = ()) -> list[Trouble]:
    """Causes first, none twice; a complaint counts only beside a trouble that it can explain.

    Events live for an hour: a complaint may be about something that was mended since. One about what we see to be
    right is over.

    Args:
        troubles: in any order.
        checks: what was looked at, and how it is now.
    """
    refuted = _refuted(checks)
    told = (trouble for trouble in troubles if not (trouble.heard and trouble.cause in refuted))
    found = sorted(dict.fromkeys(told), key=lambda trouble: trouble.source)
    seen = [trouble for trouble in found if not trouble.heard]
    return [trouble for trouble in found if not trouble.heard or any(_may_explain(trouble, each) for each in seen)]


def _refuted(checks: Iterable[Check]) -> set[str]:
    """Causes that cannot be, since what they are about was found to be right wherever it was looked at."""
    results: dict[str, set[Result]] = {}
    for check in checks:
        results.setdefault(check.name, set()).add(check.result)
    right = {name for name, seen in results.items() if Result.PASSED in seen and Result.FAILED not in seen}
    return {cause for cause, check in REFUTED_BY.items() if check in right}


_UNEXPLAINED = (Source.ACCESS, Source.NAME, Source.EXPOSURE)
"""What no complaint accounts for: who may ask, where a name leads, a door that stands open."""


def _may_explain(complaint: Trouble, trouble: Trouble) -> bool:
    """Whether what a controller or a Pod says can be why something does not work."""
    if trouble.source in _UNEXPLAINED or trouble.layer == "dns":
        return False
    if complaint.source is Source.PROGRESS and getattr(trouble.error, "for_good", False):
        # A controller that is still at it is no reason for what no delay explains, such as a policy that refuses us.
        return False
    # A client that Milvus itself has answered has come through the load balancer.
    through = trouble.source is Source.CLIENT and trouble.layer in ("milvus", "client")
    return complaint.source is Source.POD or not through


def as_error(troubles: Sequence[Trouble]) -> ProvisioningError:
    """The error a run ends in: the first trouble, and how many more there are."""
    first = troubles[0].as_error()
    if first.__class__ is Drifted and len(troubles) > 1:
        drift = [trouble for trouble in troubles if trouble.source is Source.DRIFT]
        observed = "; ".join(f"{trouble.resource} {trouble.observed}" for trouble in drift)
        return Drifted(first.resource, observed, first.mend, first.layer, first.cause)
    return first
