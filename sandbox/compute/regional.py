"""Addresses of a region, which no load balancer here can have: they are what somebody reserved by mistake.

`gcloud compute addresses create NAME --region R` makes one. Simpler than Compute: its operations are done at once, and
the addresses are of a range for documentation, so that nobody answers there. Source: Compute v1, addresses.
"""

import datetime as dt
import itertools
import uuid
from collections.abc import Iterator
from typing import Any

from sandbox.compute import errors, links, views
from sandbox.compute.messages import Reply, Request
from sandbox.compute.store import timestamp

Json = dict[str, Any]

_COUNTED_AS = {"GET": "get", "POST": "create", "DELETE": "delete"}


class RegionalAddresses:
    """The regional addresses of one project."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._found: dict[tuple[str, str], Json] = {}
        self._numbers = itertools.count(1)

    def answer(self, request: Request, region: str, segments: list[str]) -> Reply:
        """Answer a request whose path after `regions/{region}/` is `segments`."""
        verb = _COUNTED_AS.get(request.method, "")
        match segments, request.method:
            case ["addresses"], "GET":
                items = [each for (where, _), each in sorted(self._found.items()) if where == region]
                return Reply(views.listing("compute#address", self._path(region, "addresses"), items), verb="list")
            case ["addresses"], "POST":
                return Reply(self._insert(region, request.json()), verb=verb)
            case ["addresses", name], "GET" | "DELETE":
                return Reply(self._one(region, name, request.method), verb=verb)
            case ["operations", name] | ["operations", name, "wait"], "GET" | "POST":
                return Reply(self._operation(region, name, "insert"), verb="read")
        raise errors.no_such_url()

    def all(self) -> Iterator[tuple[str, Json]]:
        """Scope and address of every one."""
        return ((f"regions/{region}", address) for (region, _), address in sorted(self._found.items()))

    def _insert(self, region: str, body: Json) -> Json:
        name = body.get("name") or ""
        if not name:
            raise errors.required("resource.name")
        if (region, name) in self._found:
            raise errors.GoogleError(409, "alreadyExists", f"The resource '{self._path(region, name)}' already exists")
        number = next(self._numbers)
        self._found[region, name] = {
            "kind": "compute#address",
            "id": str(9_000_000_000_000_000_000 + number),
            "creationTimestamp": timestamp(dt.datetime.now(dt.UTC)),
            "name": name,
            "address": f"192.0.2.{100 + number % 100}",
            "addressType": body.get("addressType") or "EXTERNAL",
            "networkTier": body.get("networkTier") or "PREMIUM",
            "status": "RESERVED",
            "region": f"{links.BASE}v1/projects/{self._project}/regions/{region}",
            "selfLink": f"{links.BASE}v1/{self._path(region, 'addresses', name)}",
        }
        return self._operation(region, f"operation-{uuid.uuid4().hex}", "insert", name)

    def _one(self, region: str, name: str, method: str) -> Json:
        if (region, name) not in self._found:
            raise errors.not_found(self._path(region, "addresses", name))
        if method == "DELETE":
            del self._found[region, name]
            return self._operation(region, f"operation-{uuid.uuid4().hex}", "delete", name)
        return self._found[region, name]

    def _operation(self, region: str, name: str, kind: str, target: str = "") -> Json:
        return {
            "kind": "compute#operation",
            "id": "1",
            "name": name,
            "operationType": kind,
            "status": "DONE",
            "progress": 100,
            "region": f"{links.BASE}v1/projects/{self._project}/regions/{region}",
            "targetLink": f"{links.BASE}v1/{self._path(region, 'addresses', target)}",
            "selfLink": f"{links.BASE}v1/{self._path(region, 'operations', name)}",
        }

    def _path(self, region: str, *rest: str) -> str:
        return "/".join((f"projects/{self._project}/regions/{region}", *rest)).rstrip("/")
