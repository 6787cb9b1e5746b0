"""What a certificate authority looks up about a domain, by real queries to the sandbox's name server."""

import asyncio
from collections.abc import Awaitable, Callable

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from sandbox.compute.certificates import Caa, Lookup, caa_verdict

_LIFETIME_SECONDS = 2.0

Resolve = Callable[[str], Awaitable[Lookup]]


async def look_up(domain: str, server: tuple[str, int]) -> Lookup:
    """Ask for A, AAAA and the closest CAA records; what cannot be resolved has no addresses."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [server[0]]
    resolver.port = server[1]
    resolver.lifetime = _LIFETIME_SECONDS
    v4, v6, caa = await asyncio.gather(
        _addresses(resolver, domain, "A"), _addresses(resolver, domain, "AAAA"), _caa(resolver, domain)
    )
    return Lookup(v4 | v6, caa)


async def _addresses(resolver: dns.asyncresolver.Resolver, domain: str, kind: str) -> frozenset[str]:
    try:
        answer = await resolver.resolve(domain + ".", kind, raise_on_no_answer=False)
    except dns.exception.DNSException:
        return frozenset()
    return frozenset(str(record.address) for record in answer.rrset or ())


async def _caa(resolver: dns.asyncresolver.Resolver, domain: str) -> Caa:
    """Climb from the domain to the root until a name has CAA records (RFC 8659 §3)."""
    name = dns.name.from_text(domain)
    while name != dns.name.root:
        try:
            answer = await resolver.resolve(name, dns.rdatatype.CAA, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            answer = None
        except dns.exception.DNSException:
            return "unknown"
        if answer is not None and answer.rrset:
            return caa_verdict([(record.tag.decode(), record.value.decode()) for record in answer.rrset])
        name = name.parent()
    return "allowed"
