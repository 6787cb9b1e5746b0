"""What the checks judge: the configuration, the objects, Compute's resources and DNS, each read once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

from tasks.core import annotations, names, status
from tasks.core.checks.dns import Said
from tasks.core.checks.objects import Object, Objects
from tasks.core.checks.references import InvalidAnnotation, backend_configs
from tasks.core.config import LoadBalancerConfig
from tasks.core.status import ServicePort

Version = tuple[int, int]


@dataclass(frozen=True)
class Cloud:
    """What Compute and the GKE API say.

    Attributes:
        project: of the load balancer.
        resources: `COLLECTION/NAME` to the resource as REST has it, None where there is none; what is no key was not
            looked at.
        unread: `COLLECTION/NAME` (or `quotas`, `cluster`, `firewalls`, `regional addresses`) to why it could not be
            read.
        quotas: of the project; None when not read.
        regional_addresses: of the static address's name; looked up only when no global one has it.
        cluster: as the GKE API has it; None when it was not asked.
        firewalls: rules of the project's networks; None when they could not be read.
        network: self-link of the cluster's network; empty while nothing says which it is.
    """

    project: str = ""
    resources: Mapping[str, Object | None] = field(default_factory=dict, repr=False)
    unread: Mapping[str, str] = field(default_factory=dict)
    quotas: tuple[Object, ...] | None = None
    regional_addresses: tuple[Object, ...] = ()
    cluster: Object | None = None
    firewalls: tuple[Object, ...] | None = None
    network: str = ""

    def knows(self, reference: str) -> bool:
        """Whether the resource was looked at."""
        return reference in self.resources

    def get(self, reference: str) -> Object | None:
        """The resource; None if there is none, or it was not looked at."""
        return self.resources.get(reference)


@dataclass(frozen=True)
class Facts:
    """One state of the world to judge: as it is, or as this run would leave it.

    Attributes:
        config: what was asked for.
        objects: of the cluster.
        cloud: of the project.
        now: an aware time, for certificates.
        planned: the state that this run would leave, rather than the one there is.
        address_name: of the static address that the Ingress has or is to have.
        made: resources that this run makes, as kubectl writes them, or `COLLECTION/NAME`; nothing in them is judged.
        foreign: resources in our places that are somebody else's; they are not judged further.
        deployments: those of Milvus.
        user_yaml: the text that Milvus takes its settings from; None when it was not found.
        settings_from: where that text stands.
        version: of the deployed Milvus; None when unknown.
        domains: what the name servers say, by domain.
    """

    config: LoadBalancerConfig
    objects: Objects = field(default_factory=Objects)
    cloud: Cloud = field(default_factory=Cloud)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    planned: bool = False
    address_name: str = ""
    made: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    deployments: tuple[Object, ...] = ()
    user_yaml: str | None = field(default=None, repr=False)
    settings_from: str = ""
    version: Version | None = None
    domains: Mapping[str, tuple[Said, ...]] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """Of the release."""
        return self.config.namespace

    @property
    def service(self) -> Object | None:
        """The Milvus Service."""
        return self.objects.get("Service", self.namespace, names.service(self.config.release))

    @property
    def port(self) -> ServicePort | None:
        """Its gRPC port, if it has a name."""
        found = status.milvus_port(self.service or {})
        return found if found and found.name else None

    @property
    def address(self) -> str:
        """The load balancer's IPv4 address; empty while it is not known."""
        reserved = self.cloud.get(f"addresses/{self.address_name}") or {}
        return str(reserved.get("address") or "") or status.ingress_address(self.ingress or {})

    @property
    def ingress(self) -> Object | None:
        """Our Ingress; None where it is missing or somebody else's."""
        name = names.ingress(self.config.release)
        if f"ingress {self.namespace}/{name}" in self.foreign:
            return None
        return self.objects.get("Ingress", self.namespace, name)

    @property
    def backend_config(self) -> Object | None:
        """The BackendConfig that serves the Milvus port."""
        name = self.backend_config_name
        return self.objects.get("BackendConfig", self.namespace, name) if name else None

    @property
    def backend_config_name(self) -> str:
        """Its name by the Service's annotation; empty when that names none for the port, or cannot be read."""
        if self.service is None or self.port is None:
            return ""
        try:
            found = backend_configs(self.service)
        except InvalidAnnotation:
            return ""
        return found.of_port(self.port.name, self.port.number) if found else ""

    @property
    def frontend_config(self) -> Object | None:
        """The FrontendConfig that our Ingress names."""
        name = status.marks(self.ingress or {}).get(annotations.FRONTEND_CONFIG, "")
        return self.objects.get("FrontendConfig", self.namespace, name) if name else None

    def having(self, *documents: Object) -> Self:
        """The same with these objects in place of those of their names."""
        return replace(self, objects=self.objects.replacing(*documents))
