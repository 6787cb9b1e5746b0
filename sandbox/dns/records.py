"""Resource record sets: data model, checks, and their form on the wire (pure).

Record data is kept as Cloud DNS writes it: full names with a dot at the end, TXT in double quotes.
"""

import ipaddress
import re
from dataclasses import dataclass

import dnslib

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "SOA", "TXT")

_LABEL = r"(?:\*|[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)"
_NAME = re.compile(rf"(?:{_LABEL}\.)+", re.IGNORECASE)
_CAA = re.compile(r'(\d{1,3})\s+([a-z0-9]+)\s+"?([^"]*)"?', re.IGNORECASE)


class InvalidRecord(Exception):
    """A name, type, TTL or record data that no zone can hold; `field` says where, `value` what."""

    def __init__(self, field: str, value: object) -> None:
        super().__init__(field, value)
        self.field, self.value = field, value


@dataclass(frozen=True)
class RecordSet:
    """All records of one name and type."""

    name: str
    type: str
    ttl: int
    rrdatas: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.name.lower(), self.type

    def checked(self) -> "RecordSet":
        """Return the record set with its name in lower case.

        Raises:
            InvalidRecord: what is wrong with it.
        """
        if not is_name(self.name):
            raise InvalidRecord("name", self.name)
        if self.type not in TYPES:
            raise InvalidRecord("type", self.type)
        if not 0 <= self.ttl <= 2_147_483_647:
            raise InvalidRecord("ttl", self.ttl)
        if not self.rrdatas or (self.type in ("CNAME", "SOA") and len(self.rrdatas) != 1):
            raise InvalidRecord("rrdata", ", ".join(self.rrdatas))
        for index, data in enumerate(self.rrdatas):
            try:
                rdata(self.type, data)
            except (ValueError, IndexError, dnslib.DNSError):
                raise InvalidRecord(f"rrdata[{index}]", data) from None
        return RecordSet(self.name.lower(), self.type, self.ttl, self.rrdatas)

    def answers(self, name: str | None = None) -> list[dnslib.RR]:
        """The records for a DNS message, under another owner name where a wildcard matched."""
        kind = getattr(dnslib.QTYPE, self.type)
        return [dnslib.RR(name or self.name, kind, ttl=self.ttl, rdata=rdata(self.type, data)) for data in self.rrdatas]


def is_name(name: str) -> bool:
    """Whether this is a full DNS name with its dot at the end."""
    return len(name) <= 254 and _NAME.fullmatch(name) is not None


def rdata(kind: str, data: str) -> dnslib.RD:
    """Parse record data.

    Raises:
        ValueError: it is not data of this type.
    """
    match kind:
        case "A":
            return dnslib.A(str(ipaddress.IPv4Address(data)))
        case "AAAA":
            return dnslib.AAAA(str(ipaddress.IPv6Address(data)))
        case "CNAME" | "NS":
            return getattr(dnslib, kind)(_full(data))
        case "MX":
            preference, exchange = data.split()
            return dnslib.MX(_full(exchange), int(preference))
        case "TXT":
            return dnslib.TXT(_strings(data))
        case "CAA":
            found = _CAA.fullmatch(data.strip())
            if not found:
                raise ValueError(data)
            return dnslib.CAA(int(found[1]), found[2], found[3])
        case "SOA":
            server, contact, *times = data.split()
            if len(times) != 5:
                raise ValueError(data)
            return dnslib.SOA(_full(server), _full(contact), tuple(int(each) for each in times))
    raise ValueError(kind)


def _full(name: str) -> str:
    if not is_name(name):
        raise ValueError(name)
    return name


def _strings(data: str) -> list[bytes]:
    """The character strings of a TXT record: quoted, with backslash escapes, or one bare word."""
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', data)
    found = [re.sub(r"\\(.)", r"\1", each).encode() for each in quoted] if quoted else [data.encode()]
    if any(len(each) > 255 for each in found):
        raise ValueError(data)
    return found
