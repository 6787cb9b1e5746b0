"""The Cloud DNS API v1 over `Zones`: managed zones, resource record sets, changes.

Source: Cloud DNS v1 reference. A change is applied before its reply, so that it is always `done`; on Google Cloud it is
`pending` for some seconds.
"""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.compute.errors import GoogleError, no_such_url
from sandbox.compute.messages import Reply, Request
from sandbox.dns import zones as storage
from sandbox.dns.records import InvalidRecord, RecordSet
from sandbox.dns.zones import Change, Zone, Zones

_ZONE_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_DEFAULT_TTL = 86_400


class CloudDns:
    """Serves `/dns/v1/projects/{project}/…`."""

    def __init__(self, zones: Zones, project: str) -> None:
        self._zones, self._project = zones, project

    def answer(self, request: Request, segments: list[str]) -> Reply:
        """Answer a request whose path after `projects/` is `segments`.

        Raises:
            GoogleError: in Cloud DNS's own words.
        """
        project, *rest = segments
        if project != self._project:
            raise GoogleError(403, "forbidden", "Forbidden")
        # Parsed far from here; a client that sends text for them gets the usual 400.
        for parameter in ("maxResults", "pageToken"):
            _number(request.query.get(parameter) or 0, f"parameters.{parameter}")
        with _google_errors():
            return self._route(request, rest)

    def _route(self, request: Request, segments: list[str]) -> Reply:
        match [request.method, *segments]:
            case ["GET"]:
                return Reply(self._shown_project(), verb="get")
            case ["GET", "managedZones"]:
                return Reply(self._list_zones(request.query), verb="list")
            case ["POST", "managedZones"]:
                return Reply(self._create_zone(request.json()), verb="create")
            case ["GET", "managedZones", zone]:
                return Reply(_zone(self._zones.get(zone)), verb="get")
            case ["DELETE", "managedZones", zone]:
                self._zones.delete(zone)
                return Reply(None, 204, verb="delete")
            case [_, "managedZones", zone, "changes", *rest]:
                return self._changes(request, zone, rest)
            case [_, "managedZones", zone, "rrsets", *rest]:
                return self._rrsets(request, zone, rest)
        raise no_such_url()

    def _changes(self, request: Request, zone: str, rest: list[str]) -> Reply:
        match [request.method, *rest]:
            case ["POST"]:
                body = request.json()
                additions = [_record(each, "entity.change.additions") for each in body.get("additions") or []]
                deletions = [_record(each, "entity.change.deletions") for each in body.get("deletions") or []]
                if not additions and not deletions:
                    raise GoogleError(400, "required", "The 'entity.change' parameter is required but was missing.")
                return Reply(_change(self._zones.change(zone, additions, deletions)), verb="create")
            case ["GET"]:
                newest_first = request.query.get("sortOrder") != "ascending"
                changes = [_change(each) for each in self._zones.get(zone).changes]
                changes = changes[::-1] if newest_first else changes
                return Reply({"kind": "dns#changesListResponse", "changes": changes}, verb="list")
            case ["GET", number]:
                for each in self._zones.get(zone).changes:
                    if each.id == number:
                        return Reply(_change(each), verb="get")
                raise _missing("parameters.changeId", number)
        raise no_such_url()

    def _rrsets(self, request: Request, zone: str, rest: list[str]) -> Reply:
        match [request.method, *rest]:
            case ["GET"]:
                wanted = [each for each in self._zones.records(zone) if _fits(each, request.query)]
                shown, token = _page([_rrset(each) for each in wanted], request.query)
                answer = {"kind": "dns#resourceRecordSetsListResponse", "rrsets": shown}
                return Reply(answer | ({"nextPageToken": token} if token else {}), verb="list")
            case ["POST"]:
                change = self._zones.change(zone, [_record(request.json(), "entity.resourceRecordSet")], [])
                return Reply(_rrset(change.additions[0]), verb="create")
            case ["GET", name, kind]:
                return Reply(_rrset(self._existing(zone, name, kind)), verb="get")
            case ["PATCH", name, kind]:
                held = self._existing(zone, name, kind)
                changed = _record(_rrset(held) | request.json(), "entity.resourceRecordSet")
                change = self._zones.change(zone, [changed], [held])
                return Reply(_rrset(change.additions[0]), verb="patch")
            case ["DELETE", name, kind]:
                self._zones.change(zone, [], [self._existing(zone, name, kind)])
                return Reply({}, verb="delete")
        raise no_such_url()

    def _existing(self, zone: str, name: str, kind: str) -> RecordSet:
        for record in self._zones.records(zone):
            if record.key == (name.lower(), kind):
                return record
        raise _missing("parameters.name", f"{name} ({kind})")

    def _create_zone(self, body: dict[str, Any]) -> dict[str, Any]:
        name, dns_name = body.get("name"), body.get("dnsName")
        for field, value in (("name", name), ("dnsName", dns_name)):
            if not value:
                message = f"The 'entity.managedZone.{field}' parameter is required but was missing."
                raise GoogleError(400, "required", message)
        if not _ZONE_NAME.fullmatch(str(name)):
            raise InvalidRecord("entity.managedZone.name", name)
        description, labels = str(body.get("description") or ""), body.get("labels") or {}
        return _zone(self._zones.create(str(name), str(dns_name), description=description, labels=labels))

    def _list_zones(self, query: dict[str, str]) -> dict[str, Any]:
        wanted = [zone for zone in self._zones.all() if query.get("dnsName", zone.dns_name) == zone.dns_name]
        shown, token = _page([_zone(zone) for zone in wanted], query)
        answer: dict[str, Any] = {"kind": "dns#managedZonesListResponse", "managedZones": shown}
        return answer | ({"nextPageToken": token} if token else {})

    def _shown_project(self) -> dict[str, Any]:
        quota = {
            "kind": "dns#quota",
            "managedZones": 10000,
            "rrsetsPerManagedZone": 10000,
            "rrsetAdditionsPerChange": 1000,
            "rrsetDeletionsPerChange": 1000,
            "totalRrdataSizePerChange": 100000,
            "resourceRecordsPerRrset": 100,
        }
        return {"kind": "dns#project", "id": self._project, "number": "1", "quota": quota}


@contextmanager
def _google_errors() -> Iterator[None]:
    """Turn refusals of the storage into Cloud DNS's replies."""
    try:
        yield
    except InvalidRecord as error:
        raise GoogleError(400, "invalid", f"Invalid value for '{error.field}': '{error.value}'") from None
    except storage.NoSuchZone as error:
        raise _missing("parameters.managedZone", error.what) from None
    except storage.NoSuchRecord as error:
        raise _missing(error.field, error.what) from None
    except storage.ZoneExists as error:
        message = f"The resource 'entity.managedZone' named '{error.what}' already exists"
        raise GoogleError(409, "alreadyExists", message) from None
    except storage.RecordExists as error:
        message = f"The resource '{error.field}' named '{error.what}' already exists"
        raise GoogleError(409, "alreadyExists", message) from None
    except storage.RecordDiffers as error:
        raise GoogleError(412, "conditionNotMet", f"Precondition not met for '{error.field}'") from None
    except storage.ZoneNotEmpty as error:
        why = "cannot be deleted because it contains one or more 'resource records'."
        raise GoogleError(400, "containerNotEmpty", f"The resource named '{error.what}' {why}") from None


def _missing(field: str, what: str) -> GoogleError:
    return GoogleError(404, "notFound", f"The '{field}' resource named '{what}' does not exist.")


def _record(body: dict[str, Any], field: str) -> RecordSet:
    for key in ("name", "type"):
        if not body.get(key):
            raise GoogleError(400, "required", f"The '{field}.{key}' parameter is required but was missing.")
    ttl = body.get("ttl")
    given = body.get("rrdatas") or []
    if not isinstance(given, list):
        raise InvalidRecord(f"{field}.rrdata", given)
    datas = tuple(str(each) for each in given)
    seconds = _DEFAULT_TTL if ttl is None else _number(ttl, f"{field}.ttl")
    return RecordSet(str(body["name"]), str(body["type"]), seconds, datas)


def _number(value: Any, field: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise GoogleError(400, "invalid", f"Invalid value for '{field}': '{value}'") from None


def _fits(record: RecordSet, query: dict[str, str]) -> bool:
    return query.get("name", record.name).lower() == record.name and query.get("type", record.type) == record.type


def _page(items: list[dict[str, Any]], query: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
    most, start = int(query.get("maxResults") or 1000), int(query.get("pageToken") or 0)
    return items[start : start + most], str(start + most) if len(items) > start + most else ""


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _zone(zone: Zone) -> dict[str, Any]:
    return {
        "kind": "dns#managedZone",
        "name": zone.name,
        "dnsName": zone.dns_name,
        "description": zone.description,
        "id": zone.id,
        "nameServers": list(zone.name_servers),
        "creationTime": _time(zone.creation_time),
        "visibility": "public",
        **({"labels": zone.labels} if zone.labels else {}),
    }


def _rrset(record: RecordSet) -> dict[str, Any]:
    return {
        "kind": "dns#resourceRecordSet",
        "name": record.name,
        "type": record.type,
        "ttl": record.ttl,
        "rrdatas": list(record.rrdatas),
        "signatureRrdatas": [],
    }


def _change(change: Change) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "kind": "dns#change",
        "id": change.id,
        "startTime": _time(change.start_time),
        "status": "done",
        "isServing": False,
    }
    for key, records in (("additions", change.additions), ("deletions", change.deletions)):
        if records:
            shown[key] = [_rrset(each) for each in records]
    return shown
