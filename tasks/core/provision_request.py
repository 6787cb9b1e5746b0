"""What one run of `provision` is asked for: the configuration, and which steps to take.

The steps stand here as a table, because a person chooses among them before anything runs: a form's drop-down, a retry
that leaves out what is done. Order and edges of the run itself are in `flows.provision`.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, get_args

from pydantic import Field, field_validator

from tasks.core.config import CertificateMode, LoadBalancerConfig, separated

Step = Literal[
    "reserve-address",
    "apply-milvus-release",
    "apply-backend-config",
    "apply-frontend-config",
    "make-tls-secret",
    "check-tls-secret",
    "apply-managed-certificate",
    "apply-dns-record",
    "wait-for-rollout",
    "check-dns-record",
    "apply-ingress",
    "wait-for-address",
    "wait-for-backends",
    "wait-for-certificate",
    "delete-unused-managed-certificate",
    "prove",
]
STEPS: tuple[Step, ...] = get_args(Step)

_MODES: Mapping[str, frozenset[CertificateMode]] = MappingProxyType(
    {
        "make-tls-secret": frozenset({CertificateMode.SELF_MANAGED}),
        "check-tls-secret": frozenset({CertificateMode.EXISTING_SECRET}),
        "apply-managed-certificate": frozenset({CertificateMode.GOOGLE_MANAGED}),
        "wait-for-certificate": frozenset({CertificateMode.GOOGLE_MANAGED}),
        "delete-unused-managed-certificate": frozenset({CertificateMode.SELF_MANAGED, CertificateMode.EXISTING_SECRET}),
    }
)
"""Certificate modes in which a step is taken at all; those not named here are taken in every mode."""

_INGRESS_NEEDS: tuple[Step, ...] = (
    "reserve-address",
    "apply-backend-config",
    "apply-frontend-config",
    "make-tls-secret",
    "check-tls-secret",
    "apply-managed-certificate",
    "apply-dns-record",
    "wait-for-rollout",
)
_WAITS: tuple[Step, ...] = ("wait-for-address", "wait-for-backends", "wait-for-certificate")

NEEDS: Mapping[Step, tuple[Step, ...]] = MappingProxyType(
    {
        "apply-dns-record": ("reserve-address",),
        "wait-for-rollout": ("apply-milvus-release",),
        "check-dns-record": ("reserve-address", "apply-dns-record"),
        "apply-ingress": _INGRESS_NEEDS,
        **dict.fromkeys((*_WAITS, "delete-unused-managed-certificate"), ("apply-ingress",)),
        "prove": (*_WAITS, "delete-unused-managed-certificate", "check-dns-record"),
    }
)
"""What a step builds upon directly; what it builds upon stands to the left of it in `STEPS`."""


def dependents(step: str) -> frozenset[str]:
    """Return the step and everything that builds upon it.

    >>> sorted(dependents("wait-for-backends"))
    ['prove', 'wait-for-backends']
    """
    found = {step}
    for later in STEPS:
        if found.intersection(NEEDS.get(later, ())):
            found.add(later)
    return frozenset(found)


class ProvisionRequest(LoadBalancerConfig):
    """A load balancer to provision, whole or from some step on."""

    from_step: Literal["start", Step] = Field(default="start", title="Start from step")
    """Take this step and all that builds upon it; leave out the others, which must have been done before."""

    only_steps: tuple[Step, ...] = Field(default=(), title="Only these steps")
    """Take these steps and no others. Without prove among them nothing is verified. Empty: all."""

    _separated = field_validator("only_steps", mode="before")(separated)

    def takes(self, step: str) -> bool:
        """Whether this run takes the step."""
        if self.only_steps:
            return step in self.only_steps
        return self.from_step == "start" or step in dependents(self.from_step)

    @property
    def proves(self) -> bool:
        """Whether the proof is among the steps taken."""
        return self.takes("prove")

    @property
    def choice(self) -> str:
        """The choice of steps as the user gave it; empty when there is none."""
        if self.only_steps:
            return f"only_steps={','.join(self.only_steps)}"
        return "" if self.from_step == "start" else f"from_step={self.from_step}"

    def disagreements(self) -> Iterator[tuple[set[str], str]]:
        """Faults between the fields; see `LoadBalancerConfig.disagreements`."""
        yield from super().disagreements()
        if self.only_steps and self.from_step != "start":
            yield {"from_step", "only_steps"}, "from_step and only_steps: give one of them"
        for field, chosen in (("from_step", (self.from_step,)), ("only_steps", self.only_steps)):
            for step in chosen:
                if self.certificate_mode not in _MODES.get(step, CertificateMode):
                    text = f"{step} is no step of certificate_mode {self.certificate_mode.value}"
                    yield {field, "certificate_mode"}, f"{field}: {text}"
