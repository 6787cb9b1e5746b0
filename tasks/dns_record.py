"""Tasks on DNS: the A record is written when a Cloud DNS zone is named, and shown when not."""

from functools import partial

from pydantic import BaseModel, ConfigDict

from tasks import receipt, steps
from tasks.clients import cloud_dns, kubernetes, settings, wire
from tasks.clients.cloud_dns import Zone
from tasks.core import progress
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Change
from tasks.core.receipt import WrittenRecord


class DnsRecord(BaseModel):
    """One A record and what DNS answers for it now."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    """The load balancer's, that is, what the record should say."""
    answers: tuple[str, ...]
    """What the name servers say; empty when they say nothing."""
    error: str = ""
    """Why a name server gave no answer; empty when all did."""
    written: bool
    """Whether this project keeps the record in a Cloud DNS zone."""

    @property
    def right(self) -> bool:
        """Whether the name resolves to the load balancer and to nothing else."""
        return self.answers == (self.address,)

    def to_create(self, ttl_seconds: int) -> str:
        """The record in zone file form."""
        return f"{self.name}. {ttl_seconds} IN A {self.address}"

    def advice(self, ttl_seconds: int) -> str:
        """What is wrong with the record and what to do about it; for one that is not `right`."""
        seen = f"{self.name} resolves to {', '.join(self.answers) or 'nothing'}"
        if self.error and not self.answers:
            seen = f"{self.name} is not answered: {self.error}"
        elif self.address in self.answers:
            stray = ", ".join(answer for answer in self.answers if answer != self.address)
            return f"{seen}; remove every record of it but {self.address}, that is, {stray}"
        if self.written:
            return f"{seen}; the record is in its zone, resolvers may keep the old answer until its TTL ends"
        return f"{seen}; create this record: {self.to_create(ttl_seconds)}"


_LOOKUP_SECONDS = 3.0


@steps.writing
def apply_dns_record(config: LoadBalancerConfig, address: str) -> list[Change]:
    """Bring the A record of every domain in the named Cloud DNS zone to the address.

    Raises:
        ResourceFailed: no such zone, a domain outside of it, or a CNAME in the way.
    """
    zone = cloud_dns.zone(config)
    changes = []
    for domain in config.domains:
        note = partial(_note, config, zone, domain, address)
        change = zone.set_address(domain, address, config.dns_ttl_seconds, before_writing=note)
        progress.record(change)
        changes.append(change)
    return changes


def _note(config: LoadBalancerConfig, zone: Zone, domain: str, address: str) -> None:
    """Say on the receipt that the record is ours from now on; a record of the same name is noted once."""
    cluster = kubernetes.cluster(config)
    mine = WrittenRecord(project=zone.project, zone=zone.name, name=domain, address=address)
    others = [
        record
        for record in receipt.read(cluster, config).dns_records
        if (record.project, record.zone, record.name) != (mine.project, mine.zone, mine.name)
    ]
    receipt.note(cluster, config, dns_records=(*others, mine))


@steps.writing
def delete_dns_record(config: LoadBalancerConfig) -> list[Change]:
    """Delete the A records that the receipt says are ours, if they still say our address."""
    changes = []
    for record in receipt.read(kubernetes.cluster(config), config).dns_records:
        zone = cloud_dns.find(record.project, record.zone)
        if zone is None:
            resource = f"managedZones/{record.zone}"
            change = Change(resource=resource, action="unchanged", detail=f"there is none in {record.project}")
        else:
            change = zone.remove_address(record.name, record.address)
        progress.record(change)
        changes.append(change)
    return changes


@steps.observing
def check_dns_record(config: LoadBalancerConfig, address: str) -> list[DnsRecord]:
    """Return what DNS says about every domain; the record to create goes to the log where it is missing."""
    records = [read_record(config, domain, address) for domain in config.domains]
    for record in records:
        if not record.right:
            steps.logger().warning("DNS: %s", record.advice(config.dns_ttl_seconds))
    return records


def read_record(config: LoadBalancerConfig, domain: str, address: str) -> DnsRecord:
    """What DNS answers for one domain, IPv4 and IPv6 together, since a stray AAAA breaks a Google certificate."""
    answers = wire.resolve(domain, settings.dns_servers(), _LOOKUP_SECONDS)
    return DnsRecord(
        name=domain,
        address=address,
        answers=tuple(sorted({found for answer in answers for found in answer.addresses})),
        error="; ".join(f"{answer.server} {answer.error}" for answer in answers if answer.error),
        written=bool(config.dns_managed_zone),
    )
