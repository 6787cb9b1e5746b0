"""Tasks on DNS: the A record is written when a Cloud DNS zone is named, and shown when not."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import steps
from tasks.clients import cloud_dns, resolver
from tasks.core import progress
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Change


class DnsRecord(BaseModel):
    """One A record and what DNS answers for it now."""

    model_config = ConfigDict(frozen=True)

    name: str
    address: str
    """The load balancer's, that is, what the record should say."""
    answers: tuple[str, ...]
    """What the name servers say; empty when they say nothing."""
    written: bool
    """Whether this project keeps the record in a Cloud DNS zone."""

    @property
    def right(self) -> bool:
        """Whether the name resolves to the load balancer and to nothing else."""
        return self.answers == (self.address,)

    def to_create(self, ttl_seconds: int) -> str:
        """The record in zone file form."""
        return f"{self.name}. {ttl_seconds} IN A {self.address}"


@steps.writing
def apply_dns_record(config: LoadBalancerConfig, address: str) -> list[Change]:
    """Bring the A record of every domain in the named Cloud DNS zone to the address.

    Raises:
        ResourceFailed: no such zone, a domain outside of it, or a CNAME in the way.
    """
    zone = cloud_dns.zone(config)
    changes = [zone.set_address(domain, address, config.dns_ttl_seconds) for domain in config.domains]
    for change in changes:
        progress.current().record(change)
    return changes


@steps.observing
def check_dns_record(config: LoadBalancerConfig, address: str) -> list[DnsRecord]:
    """Return what DNS says about every domain; the record to create goes to the log where it is missing."""
    records = [read_record(config, domain, address) for domain in config.domains]
    for record in records:
        if not record.right and not record.written:
            steps.logger().warning(
                "DNS: %s resolves to %s; create this record: %s",
                record.name,
                ", ".join(record.answers) or "nothing",
                record.to_create(config.dns_ttl_seconds),
            )
    return records


def read_record(config: LoadBalancerConfig, domain: str, address: str) -> DnsRecord:
    """What DNS answers for one domain, IPv4 and IPv6 together, since a stray AAAA breaks a Google certificate."""
    answers: tuple[Any, ...] = resolver.addresses(domain)
    return DnsRecord(name=domain, address=address, answers=answers, written=bool(config.dns_managed_zone))
