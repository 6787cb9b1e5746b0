"""The rung `dns`: what name servers answered, and what it means. Plain values in, a `Fault` in words out."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tasks.core.ladder import Fault


class Asked(StrEnum):
    """As what a name server was asked."""

    RESOLVER = "resolver"
    """The system's, or one that is configured: what clients here go by."""
    AUTHORITATIVE = "authoritative"
    """It has the zone: what the record says, whatever others have cached."""
    PUBLIC = "public"
    """Somebody else's resolver: what clients elsewhere go by."""


@dataclass(frozen=True)
class Answer:
    """What one name server said: A and AAAA records together, or why it said nothing.

    Attributes:
        server: as it is shown.
        addresses: IPv4 and IPv6; empty when there is no record.
        error: why there is no answer; "" when there is one.
        asked: as what it was asked.
        authoritative: whether it said that it has the zone itself (the AA bit of the answer).
        alias: what a CNAME record leads to, "" when there is none.
    """

    server: str
    addresses: tuple[str, ...] = ()
    error: str = ""
    asked: Asked = Asked.RESOLVER
    authoritative: bool = False
    alias: str = ""

    def __str__(self) -> str:
        said = f"answers {', '.join(self.addresses) or 'nothing'}{f' (CNAME {self.alias})' if self.alias else ''}"
        return f"{self.server} {self.error or said}"


def judge_dns(domain: str, address: str, answers: Sequence[Answer], *, everywhere: bool = True) -> Fault | None:
    """Whether the domain leads to this address and nowhere else; a stray AAAA record is elsewhere, too.

    A server that does not answer is no fault while another does: it cannot send anybody elsewhere.

    Args:
        domain: the name.
        address: IPv4 address of the load balancer.
        answers: of every server asked.
        everywhere: whether authoritative and public servers count, or only what clients here go by.
    """
    counted = [answer for answer in answers if everywhere or answer.asked is Asked.RESOLVER]
    given = [answer for answer in counted if not answer.error]
    wrong = [answer for answer in given if set(answer.addresses) != {address}]
    create = f"Create the record {domain}. A {address}"
    if not given:
        seen = "; ".join(map(str, counted)) or "no name server was asked"
        mend = f"See why: dig {domain} A. The record must be {domain}. A {address}."
        return Fault("dns", "DnsNotAnswered", f"{domain} must resolve to {address} alone, but {seen}", mend)
    if not wrong:
        return None
    records = sorted({found for answer in wrong for found in answer.addresses} - {address})
    detail = f"{domain} must resolve to {address} alone, but {'; '.join(map(str, wrong))}"
    if _only_cached(given, wrong):
        mend = f"The zone is right; others have an old answer until its TTL ends: dig {domain} A +noall +answer"
        return Fault("dns", "DnsNotPropagated", detail, mend)
    if not records:
        return Fault("dns", "DnsRecordMissing", detail, f"{create}.")
    extra = f"{create} and remove {', '.join(records)}."
    stray = all(ipaddress.ip_address(found).version == 6 for found in records)
    if stray and all(address in answer.addresses for answer in wrong):
        return Fault("dns", "StrayAaaaRecord", detail, extra)
    return Fault("dns", "DnsPointsElsewhere", detail, extra)


def misleading(domain: str, addresses: Sequence[str], answers: Sequence[Answer], *, written: bool) -> Fault | None:
    """Whether the name sends clients elsewhere, of a load balancer that works without one, too.

    That there is no record (yet) is nobody's fault then, and an old answer in a cache passes by itself.

    Args:
        domain: the name.
        addresses: those of the load balancer: the reserved one, then the one that it has.
        answers: of every server asked.
        written: whether the record is ours to write, so that one that is missing was taken away.
    """
    found = [judge_dns(domain, address, answers) for address in addresses]
    if not found or None in found:
        return None
    fault = found[0]
    assert fault is not None
    if fault.cause == "DnsRecordMissing" and not written and not any(answer.alias for answer in answers):
        return None
    if fault.cause == "DnsNotAnswered" and not any("SERVFAIL" in answer.error for answer in answers):
        return None  # nobody here may ask, or nobody answers here
    return None if fault.cause == "DnsNotPropagated" else fault


def told(answers: Sequence[Answer]) -> str:
    """Every server in a few words, for a rung that holds."""
    return ", ".join(_told(answer) for answer in answers)


def _told(answer: Answer) -> str:
    kind = Asked.AUTHORITATIVE if answer.authoritative else answer.asked
    name = answer.server if kind is Asked.RESOLVER else f"{answer.server}, {kind}"
    return f"{name} ({answer.error})" if answer.error else name


def _only_cached(given: Sequence[Answer], wrong: Sequence[Answer]) -> bool:
    """Whether those that have the zone are right, and those that do not are not."""
    holders = [answer for answer in given if answer.authoritative or answer.asked is Asked.AUTHORITATIVE]
    return bool(holders) and not any(answer in wrong for answer in holders)
