"""What a client meets below gRPC: name servers, a TCP port, a TLS handshake. Nothing is judged here.

Connections go straight to the address: no proxy, no resolver in between.
"""

import importlib.util
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.core.dns_faults import Answer

_GRPC_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"


def resolve(domain: str, servers: tuple[str, ...], seconds: float) -> list[Answer]:
    """Ask every server for itself, since what one has cached another has not; empty: the system's resolver.

    Args:
        domain: asked as an absolute name; the search list of this machine is not the clients'.
        servers: `ip:port`, or `ip` for port 53.
        seconds: for all of them together.
    """
    import dns.resolver

    if servers:
        asked = [(server, _resolver_of(server)) for server in servers]
    else:
        try:
            asked = [("the system's resolver", resolver(()))]
        except (dns.resolver.NoResolverConfiguration, OSError) as error:
            return [Answer("the system's resolver", error=f"is not configured: {error}")]
    until = time.monotonic() + seconds
    return [_ask(resolver, server, domain, until) for server, resolver in asked]


def resolver(servers: tuple[str, ...]) -> Any:
    """A resolver that asks the first of these servers, or as the system does.

    Raises:
        dns.resolver.NoResolverConfiguration, OSError: the system names no server.
    """
    import dns.resolver

    return _resolver_of(servers[0]) if servers else dns.resolver.Resolver()


def _resolver_of(server: str) -> Any:
    import dns.resolver

    host, separator, port = server.rpartition(":")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [(host if separator else server).strip("[]")]
    resolver.port = int(port) if separator else 53
    return resolver


def _ask(resolver: Any, server: str, domain: str, until: float) -> Answer:
    import dns.exception
    import dns.flags
    import dns.resolver

    found: list[str] = []
    authoritative, alias = False, ""
    for kind in ("A", "AAAA"):
        try:
            answer = resolver.resolve(f"{domain}.", kind, lifetime=max(0.1, until - time.monotonic()))
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN) as nothing:
            replies = _replies(nothing)
        except (dns.exception.DNSException, OSError) as error:
            return Answer(server, error=f"does not answer: {str(error) or type(error).__name__}")
        else:
            replies = [answer.response]
            found += [record.address for record in answer]
        authoritative = authoritative or any(reply.flags & dns.flags.AA for reply in replies)
        alias = alias or next(filter(None, map(_alias, replies)), "")
    return Answer(server, tuple(found), authoritative=authoritative, alias=alias)


def _replies(nothing: Any) -> list[Any]:
    """The messages of a server that said that there is no such record, or no such name."""
    response = nothing.kwargs.get("response")
    return [response] if response is not None else list((nothing.kwargs.get("responses") or {}).values())


def _alias(reply: Any) -> str:
    import dns.rdatatype

    chain = [rrset for rrset in reply.answer if rrset.rdtype == dns.rdatatype.CNAME]
    return str(chain[-1][0].target).rstrip(".") if chain else ""


def connection(address: str, port: int, seconds: float, source: str = "") -> socket.socket:
    """A TCP connection, from a source address of this machine or from the usual one; `seconds` bound its making only.

    Raises:
        OSError: there is none.
    """
    return socket.create_connection((address, port), max(0.1, seconds), (source, 0) if source else None)


def has_address(address: str) -> bool:
    """Whether this machine can send from an IPv4 address."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


@contextmanager
def secured(plain: socket.socket, context: ssl.SSLContext, domain: str, seconds: float) -> Iterator[ssl.SSLSocket]:
    """The connection with TLS for a domain; `seconds` bound each step of the handshake.

    Raises:
        ssl.SSLError, OSError: the handshake failed.
    """
    plain.settimeout(max(0.1, seconds))
    with plain, context.wrap_socket(plain, server_hostname=domain) as wrapped:
        yield wrapped


def trusting(trust: bytes | None) -> ssl.SSLContext:
    """A client's context that trusts what gRPC will trust.

    Args:
        trust: PEM of the certificates to trust alone; None: the file that GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names, else
            the system's roots (SSL_CERT_FILE), else, in an image without any, those grpc brings along.

    Raises:
        ssl.SSLError, OSError: there is nothing to load.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trust is not None:
        context.load_verify_locations(cadata=trust.decode("ascii", "replace"))
    elif os.environ.get(_GRPC_ROOTS):
        context.load_verify_locations(cafile=os.environ[_GRPC_ROOTS])
    else:
        context.load_default_certs()
        roots = _bundled_roots()
        if roots and not context.cert_store_stats()["x509"]:
            context.load_verify_locations(cafile=roots)
    return context


def unjudging() -> ssl.SSLContext:
    """A context that takes any certificate, to be able to say what is wrong with one. Never for data."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _bundled_roots() -> Path | None:
    grpc = importlib.util.find_spec("grpc")
    roots = Path(grpc.origin or "").parent / "_cython" / "_credentials" / "roots.pem" if grpc else None
    return roots if roots and roots.exists() else None
