"""What name servers say of a domain: addresses, aliases, and who may issue certificates for it.

Before the address is known only CAA and AAAA are judged: whatever else there is points at what served until now.
Source: RFC 8659 (CAA); gke-managed-certs and Google Cloud, troubleshooting SSL certificates (gke.md §5.2).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.config import CertificateMode, LoadBalancerConfig

AUTHORITIES = ("pki.goog", "letsencrypt.org")
"""Who issues Google-managed certificates (Google Cloud, SSL certificates overview)."""

_KNOWN_TAGS = ("issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone")
_CRITICAL = 128


@dataclass(frozen=True)
class Caa:
    """One CAA property."""

    flags: int
    tag: str
    value: str


@dataclass(frozen=True)
class Said:
    """What one name server says of one domain.

    Attributes:
        server: as configured.
        a, aaaa: addresses, sorted; those behind an alias are among them.
        alias: where a CNAME leads, without a dot at the end; "" without one.
        caa_at: the name whose CAA records count, the domain itself or one above it; "" without any.
        caa: those records.
        error: why addresses are not known; "" when they are.
        caa_error: why CAA is not known.
    """

    server: str
    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    alias: str = ""
    caa_at: str = ""
    caa: tuple[Caa, ...] = ()
    error: str = ""
    caa_error: str = ""


def checks(config: LoadBalancerConfig, domain: str, said: Sequence[Said], address: str) -> Iterator[Check]:
    """Every check of one domain.

    Args:
        config: the configuration.
        domain: one of its domains.
        said: by each resolver.
        address: of the load balancer, IPv4; "" while it is not known.
    """
    for judge in (_caa, _ipv6, _resolvers, _alias, _addresses):
        yield judge(config, domain, [*said], address)


def _caa(config: LoadBalancerConfig, domain: str, said: list[Said], _address: str) -> Check:
    """One server that forbids is enough: the authority asks any of them."""
    name, place = "CaaForbidsCheck", _place(domain)
    if config.certificate_mode is not CertificateMode.GOOGLE_MANAGED:
        return skipped(name, place, "Google does not issue the certificate", layer="dns")
    if forbidding := next((each for each in said if each.caa and not _allows(each.caa)), None):
        told = "; ".join(f'{each.flags} {each.tag} "{each.value}"' for each in forbidding.caa)
        seen = f"the CAA records of {forbidding.caa_at} do not let Google issue: {told} ({forbidding.server})"
        mend = f'Add to {forbidding.caa_at}.: CAA 0 issue "{AUTHORITIES[0]}"; or use another certificate_mode.'
        return failed(name, place, seen, mend, layer="dns")
    if unknown := [f"{each.server} {each.caa_error}" for each in said if each.caa_error]:
        seen = f"CAA records cannot be read: {'; '.join(unknown)}; an authority that cannot read them does not issue"
        return failed(name, place, seen, f"Ask yourself: dig +short CAA {domain}", layer="dns", blocks=False)
    if not said:
        return skipped(name, place, "no name server was asked", layer="dns")
    where = next((each.caa_at for each in said if each.caa_at), "")
    return passed(name, place, f"the CAA records of {where} let Google issue" if where else "has no CAA", layer="dns")


def _allows(records: Sequence[Caa]) -> bool:
    """RFC 8659 §4.1, §4.2: without an issue property anybody may; an unknown critical one forbids everybody."""
    if any(each.flags & _CRITICAL and each.tag not in _KNOWN_TAGS for each in records):
        return False
    issuers = [each.value.partition(";")[0].strip().lower() for each in records if each.tag == "issue"]
    return not issuers or any(issuer in AUTHORITIES for issuer in issuers)


def _ipv6(config: LoadBalancerConfig, domain: str, said: list[Said], _address: str) -> Check:
    """The load balancer has an IPv4 address only, so that every AAAA record leads elsewhere."""
    name, place = "StrayAaaaCheck", _place(domain)
    found = sorted({each for answer in said for each in answer.aaaa})
    if not found:
        return _unless_unknown(name, place, said, "has no AAAA record")
    by_google = config.certificate_mode is CertificateMode.GOOGLE_MANAGED
    why = "Google's certificate is not issued, and " if by_google else ""
    seen = f"has AAAA {', '.join(found)}, and the load balancer has IPv4 alone: {why}clients with IPv6 go there"
    return failed(name, place, seen, f"Remove every AAAA record of {domain}.", layer="dns", blocks=False)


def _resolvers(_config: LoadBalancerConfig, domain: str, said: list[Said], _address: str) -> Check:
    name, place = "ResolversAgreeCheck", _place(domain)
    silent = [f"{each.server} {each.error}" for each in said if each.error]
    answers = {each.server: (each.a, each.aaaa) for each in said if not each.error}
    if silent:
        mend = f"Ask yourself: dig {domain}"
        return failed(name, place, f"is not answered: {'; '.join(silent)}", mend, layer="dns", blocks=False)
    if len(set(answers.values())) > 1:
        told = "; ".join(f"{server}: {', '.join((*a, *aaaa)) or 'nothing'}" for server, (a, aaaa) in answers.items())
        mend = "An old answer stays until its TTL ends; if it stays longer, compare the zone's name servers."
        return failed(name, place, f"the resolvers disagree: {told}", mend, layer="dns", blocks=False)
    return passed(name, place, f"{len(said)} resolvers say the same", layer="dns")


def _alias(_config: LoadBalancerConfig, domain: str, said: list[Said], address: str) -> Check:
    name, place = "CnameCheck", _place(domain)
    aliases = sorted({each.alias for each in said if each.alias})
    if not aliases:
        return _unless_unknown(name, place, said, "is no CNAME")
    ends = sorted({found for each in said for found in each.a})
    if not address:
        return skipped(name, place, f"is a CNAME of {', '.join(aliases)}; the address is not known yet", layer="dns")
    if ends == [address]:
        return passed(name, place, f"is a CNAME of {', '.join(aliases)}, which leads to {address}", layer="dns")
    seen = f"is a CNAME of {', '.join(aliases)}, which leads to {', '.join(ends) or 'nothing'} and not to {address}"
    mend = f"Replace it by: {domain}. IN A {address}"
    return failed(name, place, seen, mend, layer="dns", blocks=False)


def _addresses(config: LoadBalancerConfig, domain: str, said: list[Said], address: str) -> Check:
    name, place = "DomainPointsElsewhereCheck", _place(domain)
    found = sorted({each for answer in said for each in answer.a})
    if not address or (any(answer.error for answer in said) and not found):
        why = "the address is not known yet" if not address else "the name servers did not answer"
        return skipped(name, place, f"has A {', '.join(found) or 'none'}; {why}", layer="dns")
    if found == [address]:
        return passed(name, place, f"leads to {address}", layer="dns")
    if config.dns_managed_zone:
        told = f"leads to {', '.join(found) or 'nothing'}; provision writes the record into {config.dns_managed_zone}"
        return skipped(name, place, told, layer="dns")
    create = f"{domain}. {config.dns_ttl_seconds} IN A {address}"
    if not found:
        return skipped(name, place, f"has no A record; create this one: {create}", layer="dns")
    seen = f"leads to {', '.join(found)}, and the load balancer is {address}"
    return failed(name, place, seen, f"Create the record {create}, and no other A.", layer="dns", blocks=False)


def _unless_unknown(name: str, place: str, said: list[Said], well: str) -> Check:
    if all(each.error for each in said):
        return skipped(name, place, "the name servers did not answer", layer="dns")
    return passed(name, place, well, layer="dns")


def _place(domain: str) -> str:
    return f"domain {domain}"
