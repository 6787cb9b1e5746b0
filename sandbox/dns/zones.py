"""Managed zones: storage of the Cloud DNS API, source of the name server's answers. Safe to use from every thread."""

import datetime as dt
import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import dnslib

from sandbox.dns.records import InvalidRecord, RecordSet, is_name

_NAME_SERVERS = tuple(f"ns-cloud-a{number}.googledomains.com." for number in range(1, 5))
_SOA = f"{_NAME_SERVERS[0]} cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300"
_LONGEST_CHAIN = 8


class ZoneError(Exception):
    """A refusal of the zone storage; the subclass says which, `what` names the offender."""

    def __init__(self, what: str, field: str = "") -> None:
        super().__init__(what, field)
        self.what, self.field = what, field


class NoSuchZone(ZoneError):
    """There is no managed zone of that name."""


class ZoneExists(ZoneError):
    """There is one already."""


class ZoneNotEmpty(ZoneError):
    """Only a zone with nothing but its own NS and SOA can be deleted."""


class RecordExists(ZoneError):
    """An addition of what is there."""


class NoSuchRecord(ZoneError):
    """A deletion of what is not there."""


class RecordDiffers(ZoneError):
    """A deletion whose data or TTL is not what is there."""


@dataclass(frozen=True)
class Change:
    """An atomic change that has been applied."""

    id: str
    start_time: dt.datetime
    additions: tuple[RecordSet, ...]
    deletions: tuple[RecordSet, ...]


@dataclass
class Zone:
    """One managed zone."""

    name: str
    dns_name: str
    id: str
    creation_time: dt.datetime
    description: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    name_servers: tuple[str, ...] = _NAME_SERVERS
    records: dict[tuple[str, str], RecordSet] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What the name server says: response code, answer section, authority section."""

    rcode: int
    records: list[dnslib.RR]
    authority: list[dnslib.RR]


class Zones:
    """All managed zones of the sandbox."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._zones: dict[str, Zone] = {}
        self._ids = itertools.count(7_000_000_000_000_000_001, 7919)
        self.on_change: list[Callable[[], None]] = []
        self.served_at: tuple[str, int] | None = None
        """Address and port of the name server that answers from these zones, once there is one."""

    def create(self, name: str, dns_name: str, *, description: str = "", labels: dict[str, str] | None = None) -> Zone:
        """Make a zone with its NS and SOA records.

        Raises:
            ZoneExists: the name is taken.
            InvalidRecord: `dns_name` is not a full DNS name.
        """
        if not is_name(dns_name):
            raise InvalidRecord("dnsName", dns_name)
        dns_name = dns_name.lower()
        with self._lock:
            if name in self._zones:
                raise ZoneExists(name)
            now = dt.datetime.now(dt.UTC)
            zone = Zone(name, dns_name, str(next(self._ids)), now, description, dict(labels or {}))
            own = (RecordSet(dns_name, "NS", 21600, zone.name_servers), RecordSet(dns_name, "SOA", 21600, (_SOA,)))
            zone.records = {each.key: each for each in own}
            zone.changes = [Change("0", now, own, ())]
            self._zones[name] = zone
        self._changed()
        return zone

    def get(self, name: str) -> Zone:
        """The zone of a name, or of a numeric id.

        Raises:
            NoSuchZone: there is none.
        """
        with self._lock:
            zone = self._zones.get(name) or next((each for each in self._zones.values() if each.id == name), None)
        if zone is None:
            raise NoSuchZone(name)
        return zone

    def all(self) -> list[Zone]:
        with self._lock:
            return sorted(self._zones.values(), key=lambda zone: zone.name)

    def delete(self, name: str) -> None:
        """Delete an empty zone.

        Raises:
            NoSuchZone: there is none.
            ZoneNotEmpty: it has records of its own.
        """
        with self._lock:
            zone = self.get(name)
            if any(key not in ((zone.dns_name, "NS"), (zone.dns_name, "SOA")) for key in zone.records):
                raise ZoneNotEmpty(name)
            del self._zones[zone.name]
        self._changed()

    def records(self, zone: str) -> list[RecordSet]:
        """The record sets of a zone, by name and type."""
        with self._lock:
            return [record for _, record in sorted(self.get(zone).records.items())]

    def change(self, zone: str, additions: Iterable[RecordSet], deletions: Iterable[RecordSet]) -> Change:
        """Apply deletions, then additions, all or nothing; the name server answers from the result at once.

        Raises:
            NoSuchZone, NoSuchRecord, RecordDiffers, RecordExists, InvalidRecord: nothing was changed.
        """
        with self._lock:
            held = self.get(zone)
            records = dict(held.records)
            removed = tuple(_remove(records, index, each) for index, each in enumerate(deletions))
            added = tuple(_add(held, records, index, each) for index, each in enumerate(additions))
            held.records = records
            change = Change(str(len(held.changes)), dt.datetime.now(dt.UTC), added, removed)
            held.changes.append(change)
        self._changed()
        return change

    def resolve(self, name: str, kind: str) -> Answer:
        """Answer a question, following CNAMEs as far as these zones go.

        Names outside all zones do not exist: for the laptop this server is the whole of DNS.
        """
        records: list[dnslib.RR] = []
        with self._lock:
            for _ in range(_LONGEST_CHAIN):
                zone = self._zone_of(name)
                if zone is None:
                    return Answer(dnslib.RCODE.NOERROR if records else dnslib.RCODE.NXDOMAIN, records, [])
                owner = _owner(zone, name)
                if owner is None:
                    return Answer(dnslib.RCODE.NXDOMAIN, records, _soa(zone))
                kinds = [key[1] for key in zone.records if key[0] == owner]
                if kind in kinds or (kind == "ANY" and kinds):
                    for each in kinds if kind == "ANY" else [kind]:
                        records += zone.records[owner, each].answers(name)
                    return Answer(dnslib.RCODE.NOERROR, records, [])
                if "CNAME" not in kinds:
                    return Answer(dnslib.RCODE.NOERROR, records, _soa(zone))
                alias = zone.records[owner, "CNAME"]
                records += alias.answers(name)
                name = alias.rrdatas[0].lower()
        return Answer(dnslib.RCODE.SERVFAIL, [], [])

    def _zone_of(self, name: str) -> Zone | None:
        """The zone with the longest suffix of a name."""
        holding = [zone for zone in self._zones.values() if name == zone.dns_name or name.endswith("." + zone.dns_name)]
        return max(holding, key=lambda zone: len(zone.dns_name), default=None)

    def _changed(self) -> None:
        for listener in self.on_change:
            listener()


def _owner(zone: Zone, name: str) -> str | None:
    """The owner name whose records answer for `name`: itself, an empty non-terminal, or the closest wildcard."""
    names = {key[0] for key in zone.records}
    if any(each == name or each.endswith("." + name) for each in names):
        return name
    rest = name
    while rest != zone.dns_name:
        rest = rest.partition(".")[2]
        if f"*.{rest}" in names:
            return f"*.{rest}"
        if any(each == rest or each.endswith("." + rest) for each in names):
            return None  # the closest encloser exists and has no wildcard (RFC 4592 §3.3.1)
    return None


def _soa(zone: Zone) -> list[dnslib.RR]:
    record = zone.records.get((zone.dns_name, "SOA"))
    return record.answers() if record else []


def _remove(records: dict[tuple[str, str], RecordSet], index: int, record: RecordSet) -> RecordSet:
    field = f"entity.change.deletions[{index}]"
    held = records.get(record.key)
    if held is None:
        raise NoSuchRecord(f"{record.name} ({record.type})", field)
    if held.ttl != record.ttl or sorted(held.rrdatas) != sorted(record.rrdatas):
        raise RecordDiffers(f"{record.name} ({record.type})", field)
    return records.pop(record.key)


def _add(zone: Zone, records: dict[tuple[str, str], RecordSet], index: int, record: RecordSet) -> RecordSet:
    field = f"entity.change.additions[{index}]"
    try:
        record = record.checked()
    except InvalidRecord as error:
        raise InvalidRecord(f"{field}.{error.field}", error.value) from None
    if record.name != zone.dns_name and not record.name.endswith("." + zone.dns_name):
        raise InvalidRecord(f"{field}.name", record.name)
    if record.key in records:
        raise RecordExists(f"{record.name} ({record.type})", field)
    others = {kind for name, kind in records if name == record.name}
    if (record.type == "CNAME" and others) or "CNAME" in others:
        raise RecordExists(f"{record.name} (CNAME)", field)
    records[record.key] = record
    return record
