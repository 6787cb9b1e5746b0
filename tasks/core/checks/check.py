"""What a check gives: a name, PASSED, FAILED or SKIPPED, what was seen, and the mend.

The three results are those of check-gke-ingress (ingress-gce cmd/check-gke-ingress/app/report), whose ten rules stand
in `linter` under their own names.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Result(StrEnum):
    """How a check ended."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class Check(BaseModel):
    """One check of one resource.

    Attributes:
        name: CamelCase, ends in "Check"; stable, for machines and for counting.
        resource: as kubectl writes it, or the tail of a Compute self-link.
        result: how it ended.
        observed: what was seen; of a skipped one, why it was.
        mend: what to do next, a command where there is one; "" of a check that has not failed.
        layer: whose job it is, in the words of `tasks.core.errors.ProvisioningError.layer`.
        blocks: whether a failed one ends a run before its first write; one that does not is advice, or something that
            the run mends by itself.
        may_pass: whether a failed one may be GKE's delay in bringing to the load balancer what it was asked for.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    resource: str
    result: Result
    observed: str
    mend: str = ""
    layer: str = "kubernetes"
    blocks: bool = True
    may_pass: bool = Field(default=False, exclude=True)

    @property
    def cause(self) -> str:
        """The name without its ending, as reports and errors spell a cause."""
        return self.name.removesuffix("Check")

    @property
    def ends_the_run(self) -> bool:
        """Whether nothing may be written."""
        return self.result is Result.FAILED and self.blocks


def passed(name: str, resource: str, observed: str, *, layer: str = "kubernetes") -> Check:
    """As it should be."""
    return Check(name=name, resource=resource, result=Result.PASSED, observed=observed, layer=layer)


def failed(
    name: str,
    resource: str,
    observed: str,
    mend: str,
    *,
    layer: str = "kubernetes",
    blocks: bool = True,
    may_pass: bool = False,
) -> Check:
    """Not as it should be."""
    return Check(
        name=name,
        resource=resource,
        result=Result.FAILED,
        observed=observed,
        mend=mend,
        layer=layer,
        blocks=blocks,
        may_pass=may_pass,
    )


def skipped(name: str, resource: str, why: str, *, layer: str = "kubernetes") -> Check:
    """Not looked at, for this reason."""
    return Check(name=name, resource=resource, result=Result.SKIPPED, observed=why, layer=layer)
