"""A, AAAA, CNAME and CAA of a domain, from every resolver for itself. Nothing is judged here."""

import time
from collections.abc import Sequence
from typing import Any

from tasks.clients import wire
from tasks.core.checks.dns import Caa, Said

_SYSTEM = "the system's resolver"


def look_up(domain: str, servers: Sequence[str], seconds: float) -> list[Said]:
    """Ask every server, `ip:port` each; none: the system's resolver. `seconds` are for all of them together."""
    until = time.monotonic() + seconds
    return [_of_server(domain, (server,), until) for server in servers] or [_of_server(domain, (), until)]


def _of_server(domain: str, servers: tuple[str, ...], until: float) -> Said:
    import dns.resolver

    server = servers[0] if servers else _SYSTEM
    try:
        resolver = wire.resolver(servers)
    except (dns.resolver.NoResolverConfiguration, OSError) as error:
        told = f"is not configured: {error}"
        return Said(server, error=told, caa_error=told)
    try:
        alias, v4 = _addresses(resolver, domain, "A", until)
        other, v6 = _addresses(resolver, domain, "AAAA", until)
    except _Silent as silent:
        return Said(server, error=str(silent), caa_error=str(silent))
    try:
        at, caa = _caa(resolver, domain, until)
    except _Silent as silent:
        return Said(server, v4, v6, alias or other, caa_error=str(silent))
    return Said(server, v4, v6, alias or other, at, caa)


class _Silent(Exception):
    """A name server that gives no answer, or none that says whether there are records."""


def _addresses(resolver: Any, domain: str, kind: str, until: float) -> tuple[str, tuple[str, ...]]:
    """Where an alias leads to, if the domain is one, and the addresses."""
    answer = _ask(resolver, domain, kind, until)
    if answer is None:
        return "", ()
    alias = str(answer.canonical_name).rstrip(".").lower()
    found = tuple(sorted(record.address for record in answer.rrset or ()))
    return alias if alias != domain.lower() else "", found


def _caa(resolver: Any, domain: str, until: float) -> tuple[str, tuple[Caa, ...]]:
    """The CAA records that count, and whose they are: the closest ones on the way up (RFC 8659 §3)."""
    name = domain
    while name:
        answer = _ask(resolver, name, "CAA", until)
        if answer is not None and answer.rrset:
            records = (Caa(each.flags, each.tag.decode().lower(), each.value.decode()) for each in answer.rrset)
            return name, tuple(records)
        name = name.partition(".")[2]
    return "", ()


def _ask(resolver: Any, name: str, kind: str, until: float) -> Any:
    """The answer, with or without records; None if there is no such name.

    Raises:
        _Silent: no answer, or one like SERVFAIL.
    """
    import dns.exception
    import dns.resolver

    lifetime = max(0.1, until - time.monotonic())
    try:
        return resolver.resolve(f"{name}.", kind, lifetime=lifetime, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return None
    except (dns.exception.DNSException, OSError) as error:
        raise _Silent(f"does not answer: {str(error) or type(error).__name__}") from error
