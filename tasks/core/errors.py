"""The exceptions of this project, by what a caller can do about them.

    ProvisioningError            a step that did not reach its goal
    ├── ConfigurationError       the user's to mend; lists every fault at once; nothing was written
    ├── PreflightFailed          the world's to mend; lists every finding at once; nothing was written
    ├── AccessRefused            401 or 403: credentials or roles are missing
    ├── Unreachable              a server did not answer; may pass by itself
    ├── NotReadyInTime           may still come: the deadline of a wait has passed
    ├── ResourceFailed           will not come: a permanent cause was seen
    │   └── Missing              something that should be there is not
    ├── FieldConflict            somebody else owns a field we need to set
    ├── Busy                     another run is at work on the release; nothing was written
    ├── Superseded               another run wrote between our look and our first write; nothing was written: look anew
    ├── LeaseLost                the Lease is not ours any more: this run must not write
    ├── Drifted                  what is there is not what was asked for
    ├── ExposureRefused          Milvus is open to people whom nobody meant to let in
    └── ProofFailed              a rung of the proof ladder broke

Each names the layer, the resource, what was seen, and how to mend it; the message is made of these alone, so no
exception carries a secret that its raiser did not put there.
"""

from typing import Self


class ProvisioningError(Exception):
    """A step that did not reach its goal.

    Attributes:
        layer: whose job it is: "configuration", "kubernetes", "milvus", "ingress", "certificate", "dns", "compute",
            "network" or "client".
        resource: the object, as kubectl writes it, or the tail of a Compute self-link.
        observed: what was seen, values rather than adjectives.
        mend: what to do next, a command where there is one.
        cause: a stable CamelCase category, for machines and for counting; the class's name when none is known.
    """

    layer = "kubernetes"

    def __init__(self, resource: str, observed: str, mend: str, layer: str = "", cause: str = "") -> None:
        # A failure that Prefect persists is pickled: every subclass keeps this signature.
        super().__init__(resource, observed, mend, layer or self.layer, cause)
        self.resource, self.observed, self.mend = resource, observed, mend
        self.layer = layer or self.layer
        self.cause = cause or type(self).__name__

    def __str__(self) -> str:
        return f"{self.resource}: {self.observed.rstrip('.')}. {self.mend}"

    def as_dict(self) -> dict[str, str]:
        """The error as the report has it."""
        return {
            "layer": self.layer,
            "cause": self.cause,
            "resource": self.resource,
            "observed": self.observed,
            "mend": self.mend,
        }


class ConfigurationError(ProvisioningError):
    """The parameters are wrong; `observed` lists every fault."""

    layer = "configuration"


class PreflightFailed(ProvisioningError):
    """The cluster or the project is not as the configuration needs it; nothing was written."""

    @classmethod
    def of(cls, failures: list[ProvisioningError]) -> Self:
        """One error for all failed checks: the first names the layer, the text has them all."""
        if len(failures) == 1:
            only = failures[0]
            return cls(only.resource, only.observed, only.mend, only.layer, only.cause)
        return cls(
            resource=f"preflight, {len(failures)} findings",
            observed="; ".join(f"{failure.resource}: {failure.observed}" for failure in failures),
            mend=" ".join(dict.fromkeys(failure.mend for failure in failures)),
            layer=failures[0].layer,
            cause=failures[0].cause,
        )


class AccessRefused(ProvisioningError):
    """Credentials are missing, expired or lack a permission."""


class Unreachable(ProvisioningError):
    """A server did not answer, or answered that it cannot now; a later try may succeed."""

    layer = "network"


class NotReadyInTime(ProvisioningError):
    """A wait came to its deadline; the last observation is in `observed`."""


class ResourceFailed(ProvisioningError):
    """A permanent cause was seen: waiting longer changes nothing."""


class Missing(ResourceFailed):
    """Something that should be there is not."""


class FieldConflict(ProvisioningError):
    """Another field manager owns a field with another value."""


class Busy(ProvisioningError):
    """Another run has its turn on the release, and this one does not wait (any longer)."""


class Superseded(ProvisioningError):
    """Another run has had its turn since we looked, so what we decided may be wrong; nothing was written by us."""


class LeaseLost(ProvisioningError):
    """The Lease was taken over, deleted or refused to us, or the run has ended: nothing more may be written."""


class Drifted(ProvisioningError):
    """What is there is not what the configuration says, though it may work."""


class ExposureRefused(ProvisioningError):
    """What is published lets in, or shows, what nobody asked for; seen from outside."""

    layer = "milvus"


class ProofFailed(ProvisioningError):
    """A rung of the proof ladder broke.

    Attributes:
        last_climb: the ladder as it was climbed last, for the report; None if it never was.
        for_good: whether a load balancer that is still being programmed does not show the same.
    """

    last_climb: object = None
    for_good: bool = False
