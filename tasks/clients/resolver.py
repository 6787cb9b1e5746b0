"""Name lookups, by the servers of MILVUS_L7_DNS_SERVERS or the system's."""

from tasks.clients import settings

_LIFETIME_SECONDS = 3.0


def addresses(domain: str) -> tuple[str, ...]:
    """Every A and AAAA answer, sorted; empty when the name has none or no server answers."""
    import dns.exception
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=not settings.dns_servers())
    if servers := settings.dns_servers():
        host, _, port = servers[0].rpartition(":")
        resolver.nameservers, resolver.port = [host or servers[0]], int(port) if host else 53
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            found += [str(answer) for answer in resolver.resolve(domain, kind, lifetime=_LIFETIME_SECONDS)]
        except (dns.exception.DNSException, OSError):
            continue
    return tuple(sorted(found))
