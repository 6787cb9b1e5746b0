"""Who is asked about a name besides the resolvers here: the servers that have its zone, and a public resolver."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from tasks.clients import wire
from tasks.core.dns_faults import Answer, Asked

PUBLIC_RESOLVER = "8.8.8.8"
"""Google's: what issues a Google-managed certificate looks at DNS from there, not from here."""

_OTHERS_SECONDS = 2.0
"""For all others together: a machine that may not reach them should not wait long at each climb."""

_MOST_SERVERS = 4


def survey(domain: str, servers: tuple[str, ...], seconds: float) -> list[Answer]:
    """Ask the resolvers here, then the zone's own servers, and a public resolver unless `servers` are given.

    The zone's servers are found by its NS records and asked directly, unless one of the resolvers has the zone itself.
    """
    until = time.monotonic() + seconds
    here = wire.resolve(domain, servers, seconds)
    if any(answer.authoritative for answer in here):
        return here
    left = min(_OTHERS_SECONDS, until - time.monotonic())
    if left <= 0:
        return here
    with ThreadPoolExecutor(2) as pool:
        own = pool.submit(_authoritative, domain, servers, time.monotonic() + left)
        public = None if servers else pool.submit(wire.resolve, domain, (PUBLIC_RESOLVER,), left)
        others = [] if public is None else [replace(answer, asked=Asked.PUBLIC) for answer in public.result()]
        return [*here, *own.result(), *others]


def _authoritative(domain: str, servers: tuple[str, ...], until: float) -> list[Answer]:
    """What the zone's own servers say; one answer with an error when they cannot be found."""
    import dns.exception

    try:
        zone, found = _servers_of(domain, wire.resolver(servers), until)
    except (dns.exception.DNSException, OSError) as error:
        why = f"could not be found: {str(error) or type(error).__name__}"
        return [Answer("the zone's name servers", error=why, asked=Asked.AUTHORITATIVE)]
    left = max(0.1, until - time.monotonic())
    asked = {name: wire.resolve(domain, (address,), left)[0] for name, address in found}
    return [_of_zone(answer, name, zone) for name, answer in asked.items()]


def _of_zone(answer: Answer, name: str, zone: str) -> Answer:
    own = replace(answer, server=f"{name} of {zone}", asked=Asked.AUTHORITATIVE)
    if own.alias and not own.addresses:
        # Such a server follows no alias into another zone; resolvers do.
        return replace(own, error=f"has a CNAME to {own.alias}")
    return own


def _servers_of(domain: str, resolver: Any, until: float) -> tuple[str, list[tuple[str, str]]]:
    """The zone of a name, and names and addresses of its servers.

    Raises:
        dns.exception.DNSException, OSError: they cannot be found.
    """
    import dns.exception
    import dns.resolver

    def left() -> float:
        return max(0.1, until - time.monotonic())

    zone = dns.resolver.zone_for_name(f"{domain}.", resolver=resolver, lifetime=left())
    names = [str(record.target) for record in resolver.resolve(zone, "NS", lifetime=left())]
    found = []
    for name in sorted(names)[:_MOST_SERVERS]:
        try:
            found += [(name.rstrip("."), each.address) for each in resolver.resolve(name, "A", lifetime=left())][:1]
        except dns.exception.DNSException:
            continue
    if not found:
        raise OSError(f"no address of {', '.join(sorted(names))}")
    return str(zone).rstrip(".") or "the root", found
