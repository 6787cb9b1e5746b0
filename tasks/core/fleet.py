"""Many load balancers at once: the targets as a user gives them, and all of them judged before the first run (pure).

What differs between targets stands in a table or a file, what is common in `defaults`. Each target ends up as the
parameters of one run of `provision`; two that would fight over one thing are refused.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.core import tickets
from tasks.core.errors import ConfigurationError, ProvisioningError
from tasks.core.provision_request import ProvisionRequest

AS_IN_DEFAULTS: Final = "as in defaults"


class FleetFailed(ProvisioningError):
    """At least one target of a fleet failed; the others were brought to their end all the same."""


class Target(BaseModel):
    """One load balancer of the fleet: a row of the table. What is left empty is as in the defaults."""

    # Texts of any kind pass here: `plan` judges every target, and tells all faults at once.
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    domain: str = Field(title="Domain", examples=["milvus.example.com"])
    """Name clients dial, lower case."""

    release: str = Field(default="", title="Milvus release")
    """Helm release of Milvus. Empty: as in the defaults."""

    namespace: str = Field(default="", title="Namespace")
    """Kubernetes namespace of the release. Empty: as in the defaults."""

    certificate_mode: Literal["as in defaults", "self-managed", "google-managed", "existing-secret"] = Field(
        default=AS_IN_DEFAULTS, title="Certificate"
    )
    """Who makes the certificate."""

    project: str = Field(default="", title="Google Cloud project")
    """Project ID of the cluster and the load balancer. Empty: as in the defaults."""

    gke_cluster: str = Field(default="", title="GKE cluster")
    """Name of the cluster; needs the location. Empty: as in the defaults."""

    gke_location: str = Field(default="", title="GKE location")
    """Region or zone of the cluster, such as europe-west1. Empty: as in the defaults."""

    kube_context: str = Field(default="", title="Kubernetes context")
    """Context of the worker's kubeconfig, instead of a GKE cluster. Empty: as in the defaults."""

    address_name: str = Field(default="", title="Static address")
    """Name of the global static address, one per target in a project. Empty: the release's name and -milvus."""

    def parameters(self) -> dict[str, Any]:
        """What the row says, without what it leaves to the defaults."""
        given = self.model_dump(exclude_unset=True)
        return {key: value for key, value in given.items() if value not in ("", AS_IN_DEFAULTS)}


class FleetRequest(BaseModel):
    """What a run of `provision_fleet` is asked for; the parameters of the flow."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    targets: tuple[Target, ...] = Field(default=(), title="Targets")
    """The load balancers, one row each. Those of the targets file come after them."""

    targets_file: str = Field(default="", title="Targets file", max_length=4096)
    """YAML or JSON file on the worker's disk with more targets, each with any parameter of provision.

    Empty: only the table."""

    defaults: dict[str, Any] = Field(default={}, title="Defaults")
    """Parameters of provision that all targets share, such as {"namespace": "milvus"}; a target's own value wins."""

    at_once: int = Field(default=4, ge=1, le=100, title="At once")
    """How many targets are worked on at the same time. More speed needs workers with room for them, too."""

    fleet: str = Field(default="all", title="Fleet", pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
    """Name of this fleet in the keys of its artifacts: lower case, digits and dashes."""

    ticket: str = Field(default="", title="Ticket", max_length=200, pattern=r"^[\w .:/#@-]*$")
    """Reference of the request; every target without a ticket of its own takes it."""

    target_timeout_seconds: int = Field(default=14_400, ge=1, le=604_800, title="Deadline per target (s)")
    """Longest time from handing a target to the work pool to its end, in seconds; then its run is cancelled.

    The default is a little more than all deadlines of one provision run together."""

    worker_timeout_seconds: int = Field(default=900, ge=1, le=604_800, title="Deadline for a worker (s)")
    """How long to wait while no worker polls the work pool, in seconds; then what has not started is given up."""

    deployment: str = Field(default="provision/provision", title="Deployment", pattern=r"^[^/]+/[^/]+$")
    """Deployment that is run for each target, as flow/deployment; it takes the parameters of provision."""

    @classmethod
    def parse(cls, parameters: dict[str, Any]) -> Self:
        """Validate, and report every fault at once.

        Raises:
            ConfigurationError: with one part per fault.
        """
        try:
            return cls.model_validate(parameters)
        except ValidationError as error:
            faults = [
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
            ]
        raise ConfigurationError(f"fleet, {_count(len(faults), 'fault')}", "; ".join(faults), _MEND)


@dataclass(frozen=True)
class Entry:
    """One target, ready to be run.

    Attributes:
        number: from 1, the table first, then the file.
        parameters: of the run, without those that have provision's own default.
        digest: short hash of the parameters; tells the same request from a changed one.
    """

    number: int
    release: str
    namespace: str
    domain: str
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The release as kubectl would write it."""
        return f"{self.namespace}/{self.release}"

    @property
    def digest(self) -> str:
        """Short hash of the parameters."""
        return hashlib.sha256(tickets.canonical(dict(self.parameters)).encode()).hexdigest()[:16]


_MEND = "Nothing was started. Mend the targets and run again."


def plan(request: FleetRequest, document: object = None) -> tuple[Entry, ...]:
    """Return every target, validated.

    Args:
        request: the parameters of the fleet.
        document: what the targets file holds; None when there is none.

    Raises:
        ConfigurationError: with every fault of every target.
    """
    common = {"ticket": request.ticket} if request.ticket else {}
    rows = [common | request.defaults | target.parameters() for target in request.targets]
    rows += [common | request.defaults | row for row in _of_file(document, request.targets_file)]
    if not rows:
        raise ConfigurationError("fleet", "there is no target", "Add one to targets, or name a targets_file.")
    faults = _Faults(rows)
    configs: dict[int, ProvisionRequest] = {}
    for number, row in enumerate(rows, start=1):
        try:
            configs[number] = ProvisionRequest.parse(row)
        except ConfigurationError as error:
            for fault in error.observed.split("; "):
                faults.add(fault, number)
    for fault, number in _clashes(configs):
        faults.add(fault, number)
    faults.raise_if_any()
    return tuple(
        Entry(number, config.release, config.namespace, config.domain, tickets.intent(config))
        for number, config in configs.items()
    )


def _of_file(document: object, file: str) -> list[dict[str, Any]]:
    """The file's targets: a list, or a mapping with `targets` and, optionally, `defaults`."""
    if document is None:
        return []
    parts = document if isinstance(document, dict) else {"targets": document}
    rows, defaults = parts.get("targets"), parts.get("defaults")
    defaults = {} if defaults is None else defaults
    faults = [f"{key}: unknown key, only targets and defaults stand here" for key in parts.keys() - _FILE_KEYS]
    if not isinstance(defaults, dict):
        faults.append("defaults: is no mapping of parameters to values")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        faults.append("targets: is no list of mappings, one per target")
    if faults or not isinstance(rows, list) or not isinstance(defaults, dict):
        raise ConfigurationError(f"targets file {file}", "; ".join(sorted(faults)), _MEND)
    return [{str(key): value for key, value in (defaults | row).items()} for row in rows]


_FILE_KEYS = frozenset({"targets", "defaults"})


class _Faults:
    """Every fault, with the targets that have it; one that all share is told once."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows
        self._found: dict[str, list[int]] = {}

    def add(self, fault: str, number: int) -> None:
        self._found.setdefault(fault, []).append(number)

    def raise_if_any(self) -> None:
        if self._found:
            observed = "; ".join(f"{self._who(numbers)}: {fault}" for fault, numbers in self._found.items())
            raise ConfigurationError(f"fleet, {_count(len(self._found), 'fault')}", observed, _MEND)

    def _who(self, numbers: list[int]) -> str:
        if len(numbers) == 1:
            domain = self._rows[numbers[0] - 1].get("domain")
            return f"target {numbers[0]}" + (f" ({domain})" if isinstance(domain, str) and domain else "")
        if len(numbers) == len(self._rows):
            return f"all {len(numbers)} targets"
        return f"targets {listed([str(number) for number in numbers])}"


def _clashes(configs: Mapping[int, ProvisionRequest]) -> Iterator[tuple[str, int]]:
    """Targets that would work on the same thing; the later one is at fault."""
    seen: dict[tuple[str, ...], int] = {}
    for number, config in configs.items():
        for claim, text in _claims(config):
            first = seen.setdefault(claim, number)
            if first != number:
                yield text.format(first=first), number
                break


def _claims(config: ProvisionRequest) -> Iterable[tuple[tuple[str, ...], str]]:
    """What a target wants for itself alone, and what to say to a second one."""
    cluster = (config.project, config.gke_cluster, config.gke_location, config.kube_context)
    release = (*cluster, config.namespace, config.release)
    yield ("release", *release), f"is release {config.namespace}/{config.release} of target {{first}} again"
    # An address is global in its project: the same release name in two clusters or namespaces has one address.
    text = f"would take the static address {config.address} of target {{first}}: give it an address_name"
    yield ("address", config.project, config.address), text
    if config.dns_managed_zone:
        for domain in config.domains:
            zone = ("record", config.dns_project or config.project, config.dns_managed_zone, domain)
            yield zone, f"would write the DNS record {domain} of target {{first}}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return the first names, and how many more there are.

    >>> listed(["a", "b", "c"], 2), listed(["a"])
    ('a, b and 1 more', 'a')
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
