"""The life of a Google-managed certificate, as a state machine without I/O.

It is issued only when it is attached to a target HTTPS proxy that has a forwarding rule on 443, every domain resolves
to that rule's address and to nothing else, and CAA records allow Google's authority; then it still takes its time.
Domain statuses tell what is missing. Sources: gke-managed-certs pkg/config/config.go for the statuses, Google's pages
"Google-managed SSL certificates" and "Troubleshooting" for the conditions.

Once ACTIVE it stays ACTIVE: conditions are looked at again only at renewal, a month before it expires, which is longer
than a sandbox lives.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

Caa = Literal["allowed", "forbidden", "unknown"]
_ISSUERS = ("pki.goog", "letsencrypt.org")


@dataclass(frozen=True)
class Lookup:
    """What the name server says about one domain."""

    addresses: frozenset[str]
    """Of A and AAAA records."""
    caa: Caa = "allowed"


@dataclass(frozen=True)
class Situation:
    """Everything that decides about a certificate at one moment."""

    domains: tuple[str, ...]
    front_ends: frozenset[str]
    """Addresses of 443 forwarding rules whose proxy has the certificate; empty while it is attached nowhere."""
    lookups: Mapping[str, Lookup]
    forced: Mapping[str, str]
    """Domain statuses set by a fault."""
    stuck: bool = False


@dataclass(frozen=True)
class Verdict:
    """The certificate's status and its domains', and from when on it may be issued (None: conditions do not hold)."""

    status: str
    domains: dict[str, str]
    ready_at: dt.datetime | None = None


def judge(
    situation: Situation,
    *,
    created: dt.datetime,
    ready_at: dt.datetime | None,
    now: dt.datetime,
    first_look: dt.timedelta,
    delay: Callable[[], dt.timedelta],
) -> Verdict:
    """Judge a certificate that is not issued yet.

    Args:
        situation: what is the case now.
        created: when the certificate was inserted.
        ready_at: the moment of issuance drawn earlier, None if the conditions did not hold then.
        now: the present.
        first_look: how long after `created` a failure shows at the earliest; until then domains are PROVISIONING.
        delay: draws how long issuance takes once all conditions hold.
    """
    statuses = {domain: _domain(situation, domain) for domain in situation.domains}
    failed = {domain: status for domain, status in statuses.items() if status}
    if failed:
        if now - created < first_look and not situation.forced:
            return Verdict("PROVISIONING", dict.fromkeys(statuses, "PROVISIONING"))
        shown = {domain: status or "PROVISIONING" for domain, status in statuses.items()}
        return Verdict(_overall(failed.values()), shown)
    waiting = dict.fromkeys(statuses, "PROVISIONING")
    if situation.stuck:
        return Verdict("PROVISIONING", waiting)
    ready_at = ready_at or now + delay()
    if now < ready_at:
        return Verdict("PROVISIONING", waiting, ready_at)
    return Verdict("ACTIVE", dict.fromkeys(statuses, "ACTIVE"), ready_at)


def _domain(situation: Situation, domain: str) -> str:
    """The failure of a domain, "" if nothing stands against it."""
    if domain in situation.forced:
        return "" if situation.forced[domain] in ("PROVISIONING", "ACTIVE") else situation.forced[domain]
    lookup = situation.lookups.get(domain, Lookup(frozenset()))
    if not situation.front_ends or not lookup.addresses or not lookup.addresses <= situation.front_ends:
        return "FAILED_NOT_VISIBLE"
    return {"allowed": "", "forbidden": "FAILED_CAA_FORBIDDEN", "unknown": "FAILED_CAA_CHECKING"}[lookup.caa]


def _overall(failures: Collection[str]) -> str:
    """The certificate as a whole: invisible domains are the normal state of a load balancer that is not ready yet."""
    return "PROVISIONING" if set(failures) <= {"FAILED_NOT_VISIBLE"} else "PROVISIONING_FAILED"


def caa_verdict(records: Collection[tuple[str, str]]) -> Caa:
    """Judge the CAA record set closest to a domain, given as (tag, value).

    >>> caa_verdict([("issue", "letsencrypt.org"), ("iodef", "mailto:x@example.com")])
    'allowed'
    """
    issuers = [value.partition(";")[0].strip().lower() for tag, value in records if tag.lower() == "issue"]
    return "allowed" if not issuers or any(issuer in _ISSUERS for issuer in issuers) else "forbidden"
