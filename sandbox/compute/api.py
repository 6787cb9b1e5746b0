"""The Compute API itself: a request in, a reply out.

Here stand the order of the checks (project, faults, permission, content) and the reads that belong to no collection:
project, zones, regions, operations, aggregated lists.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from sandbox.compute import (
    actions,
    errors,
    filters,
    links,
    permissions,
    quotas,
    rules,
    security_policies,
    shapes,
    views,
)
from sandbox.compute.catalogue import COLLECTIONS
from sandbox.compute.health import Health
from sandbox.compute.links import Ref
from sandbox.compute.messages import Reply, Request
from sandbox.compute.mutations import Caller, Mutations
from sandbox.compute.regional import RegionalAddresses
from sandbox.compute.routes import Route, route
from sandbox.compute.views import Views
from sandbox.faults import Faults

_LONGEST_WAIT_SECONDS = 120.0
_COUNTED_AS = {"get": "get", "list": "list", "insert": "create", "patch": "patch", "delete": "delete"}
_REGIONAL_VERBS = {"POST": "create", "DELETE": "delete"}


class ComputeResources:
    """Serves `/compute/{version}/projects/…`."""

    def __init__(
        self, mutations: Mutations, health: Health, faults: Faults, limits: Mapping[str, float], zones: tuple[str, ...]
    ) -> None:
        self._mutations, self._health, self._faults = mutations, health, faults
        self._limits, self._zones = limits, zones
        self._store, self._operations = mutations.store, mutations.operations
        self._views = Views(mutations)
        self._regional = RegionalAddresses(mutations.store.project)

    async def answer(self, request: Request, version: str, segments: list[str]) -> Reply:
        """Answer a request whose path after `projects/` is `segments`."""
        project, *rest = segments
        if project != self._store.project:
            raise errors.not_found(f"projects/{project}")
        reply = await self._within_project(request, rest)
        return Reply(views.in_version(reply.body, version), reply.status, reply.verb)

    async def _within_project(self, request: Request, segments: list[str]) -> Reply:
        path = f"projects/{self._store.project}"
        match segments:
            case []:
                self._check("projects.get", "compute.projects.get", path, request.method)
                return Reply(self._project(), verb="get")
            case ["zones" | "regions" as kind, *name] if len(name) <= 1 and request.method == "GET":
                verb = "get" if name else "list"
                self._check(f"{kind}.{verb}", f"compute.{kind}.{verb}", path, request.method)
                return Reply(self._place(kind, *name) if name else self._places(request, kind), verb=verb)
            case ["aggregated", collection] if collection in (*COLLECTIONS, "operations"):
                return self._aggregated(request, collection)
            case ["global", "operations", *rest]:
                return await self._operation(request, "", rest)
            case ["zones", zone, "operations", *rest]:
                return await self._operation(request, zone, rest)
            case ["regions", region, "addresses" | "operations" as collection, *rest]:
                self._place("regions", region)
                permission = f"compute.addresses.{_REGIONAL_VERBS.get(request.method, 'get')}"
                self._check(permission.removeprefix("compute."), permission, path, request.method)
                return self._regional.answer(request, region, [collection, *rest])
            case ["regions", region, collection] if request.method == "GET" and collection in COLLECTIONS:
                self._place("regions", region)
                # Other regional resources exist in the API, but the sandbox has none of them.
                return Reply(views.listing(COLLECTIONS[collection].kind, "/".join([path, *segments]), []), verb="list")
            case ["regions", _, collection, _] if request.method == "GET" and collection in COLLECTIONS:
                raise errors.not_found("/".join([path, *segments]))
        return self._resource(request, route(request.method, segments))

    def _resource(self, request: Request, route: Route) -> Reply:
        ref = Ref(route.collection.name, route.name, route.zone)
        path = ref.path(self._store.project) if route.name else f"projects/{self._store.project}"
        self._check(route.method_id.removeprefix("compute."), route.permission, path, request.method)
        if route.zone and route.zone not in self._zones:
            raise errors.invalid("zone", route.zone, "Unknown zone.", prefix="")
        if route.reads:
            return Reply(self._read(request, route, ref), verb=_COUNTED_AS.get(route.verb, "read"))
        caller = Caller(request.user, request.query.get("requestId", ""))
        if earlier := self._operations.repeated(caller.request_id):
            return Reply(self._operations.shown(earlier))
        return Reply(self._write(request, route, ref, caller), verb=_COUNTED_AS.get(route.verb, "update"))

    def _read(self, request: Request, route: Route, ref: Ref) -> dict[str, Any]:
        if route.verb == "get":
            return self._views.one(ref)
        if route.verb == "list":
            items, token = _page(request, self._views.all(route.collection.name, route.zone))
            scope = f"projects/{self._store.project}/{ref.scope}/{route.collection.name}"
            return views.listing(route.collection.kind, scope, items, token)
        body = request.json()
        shapes.check(body)
        if route.verb == "testIamPermissions":
            return permissions.granted(self._faults, body)
        if route.verb == "validate":
            return self._validated(body)
        existing = self._mutations.existing(ref)
        if route.verb == "getRule":
            return security_policies.rule_of(existing, request.query.get("priority", ""))
        if route.verb == "getHealth":
            return self._health.of_backend(ref, body)
        items, token = _page(request, self._health.listed(ref, show=body.get("healthStatus") == "SHOW"))
        kind = "compute#networkEndpointGroupsListNetworkEndpoints"
        answer: dict[str, Any] = {"kind": kind, "id": ref.path(self._store.project)}
        return answer | ({"items": items} if items else {}) | ({"nextPageToken": token} if token else {})

    def _write(self, request: Request, route: Route, ref: Ref, caller: Caller) -> dict[str, Any]:
        if route.verb == "delete":
            return self._mutations.delete(caller, ref)
        body = request.json()
        shapes.check(body)
        if route.verb == "insert":
            if route.collection.name == "forwardingRules" and body.get("IPAddress"):
                path = f"projects/{self._store.project}"
                permissions.check(self._faults, "compute.globalAddresses.use", path)
            return self._mutations.insert(caller, route.collection, route.zone, body)
        if route.verb in ("update", "patch"):
            return self._mutations.update(caller, ref, route.verb, body)
        return actions.perform(self._mutations, caller, ref, route.verb, body, request.query)

    def _validated(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of `urlMaps.validate`, which finds the faults of a map without storing it."""
        try:
            rules.check("urlMaps", dict(body.get("resource") or {}))
        except errors.GoogleError as error:
            return {"result": {"loadSucceeded": False, "loadErrors": [error.message]}}
        return {"result": {"loadSucceeded": True, "testPassed": True}}

    async def _operation(self, request: Request, zone: str, rest: list[str]) -> Reply:
        kind = "zoneOperations" if zone else "globalOperations"
        scope = f"zones/{zone}" if zone else "global"
        path = f"projects/{self._store.project}/{scope}/operations"
        if not rest:
            self._check(f"{kind}.list", f"compute.{kind}.list", path, request.method)
            shown = [self._operations.shown(each) for each in self._operations.of(zone)]
            items, token = _page(request, shown)
            return Reply(views.listing("compute#operation", path, items, token), verb="list")
        verb = "wait" if rest[1:] == ["wait"] else "delete" if request.method == "DELETE" else "get"
        # Waiting needs the permission to get.
        permission = f"compute.{kind}.{'get' if verb == 'wait' else verb}"
        self._check(f"{kind}.{verb}", permission, f"{path}/{rest[0]}", request.method)
        operation = self._operations.get(rest[0], zone)
        if operation is None:
            raise errors.not_found(f"{path}/{rest[0]}")
        if verb == "delete":
            self._operations.delete(operation.name)
            return Reply(None, 204)
        if verb == "wait" and not operation.done:
            done = asyncio.Event()
            operation.on_done.append(done.set)
            with contextlib.suppress(TimeoutError):  # the answer is then the operation as it stands
                await asyncio.wait_for(done.wait(), _LONGEST_WAIT_SECONDS)
        return Reply(self._operations.shown(operation), verb="get" if verb == "get" else "read")

    def _aggregated(self, request: Request, collection: str) -> Reply:
        prefix = "compute.globalOperations" if collection == "operations" else COLLECTIONS[collection].permissions
        path = f"projects/{self._store.project}"
        self._check(f"{prefix.removeprefix('compute.')}.aggregatedList", f"{prefix}.list", path, request.method)
        if collection == "operations":
            everything = [self._operations.shown(each) for each in self._operations.of(None)]
        else:
            everything = self._views.all(collection)
        items, token = _page(request, everything)
        scopes: dict[str, list[dict[str, Any]]] = {"global": []}
        scopes |= {f"zones/{zone}": [] for zone in self._zones}
        for item in items:
            scopes[views.scope_of(item)].append(item)
        if collection == "addresses" and not token:
            for scope, address in self._regional.all():
                if not (expression := request.query.get("filter", "")) or filters.parse(expression)(address):
                    scopes.setdefault(scope, []).append(address)
        identifier = f"{path}/aggregated/{collection}"
        return Reply(views.aggregated(collection, views.kinds(collection), identifier, scopes, token), verb="list")

    def _project(self) -> dict[str, Any]:
        project = self._store.project
        return {
            "kind": "compute#project",
            "id": "1",
            "name": project,
            "selfLink": f"{links.BASE}v1/projects/{project}",
            "defaultNetworkTier": "PREMIUM",
            "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
            "quotas": quotas.table(self._store, self._limits, self._faults),
        }

    def _places(self, request: Request, kind: str) -> dict[str, Any]:
        names = self._zones if kind == "zones" else sorted({_region(zone) for zone in self._zones})
        items, token = _page(request, [self._place(kind, name) for name in names])
        identifier = f"projects/{self._store.project}/{kind}"
        return views.listing(f"compute#{kind.removesuffix('s')}", identifier, items, token)

    def _place(self, kind: str, name: str) -> dict[str, Any]:
        base = f"{links.BASE}v1/projects/{self._store.project}"
        known = self._zones if kind == "zones" else {_region(zone) for zone in self._zones}
        if name not in known:
            raise errors.not_found(f"projects/{self._store.project}/{kind}/{name}")
        place: dict[str, Any] = {"kind": f"compute#{kind.removesuffix('s')}", "id": "1", "name": name, "status": "UP"}
        place["selfLink"] = f"{base}/{kind}/{name}"
        if kind == "zones":
            return place | {"region": f"{base}/regions/{_region(name)}"}
        return place | {
            "zones": [f"{base}/zones/{zone}" for zone in self._zones if _region(zone) == name],
            "quotas": [],
        }

    def _check(self, method_id: str, permission: str, path: str, http_method: str) -> None:
        """Strike the faults of the whole API, then that of the permission."""
        permissions.strike(self._faults, method_id, http_method)
        permissions.check(self._faults, permission, path)


def _page(request: Request, resources: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    query = request.query
    return filters.page(
        resources,
        expression=query.get("filter", ""),
        order_by=query.get("orderBy", ""),
        max_results=query.get("maxResults", ""),
        page_token=query.get("pageToken", ""),
    )


def _region(zone: str) -> str:
    return zone.rpartition("-")[0]
