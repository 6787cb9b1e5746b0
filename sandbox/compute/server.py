"""Google's APIs as a server on loopback: assembly, authentication, batches.

One event loop owns the store; the name server and everybody else meet it over the wire or through thread-safe parts.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.ca import CertificateAuthority
from sandbox.compute import batch, errors, messages, permissions
from sandbox.compute.api import ComputeResources
from sandbox.compute.auth import Credentials
from sandbox.compute.catalogue import LIMITS
from sandbox.compute.clusters import Clusters
from sandbox.compute.counts import Counts
from sandbox.compute.dataplane import DataPlaneFeed
from sandbox.compute.health import Health
from sandbox.compute.issuance import Issuance
from sandbox.compute.messages import Reply, Request
from sandbox.compute.metadata import MetadataServer
from sandbox.compute.mutations import Mutations
from sandbox.compute.operations import Operations
from sandbox.compute.store import Store
from sandbox.dns.api import CloudDns
from sandbox.dns.zones import Zones
from sandbox.faults import Faults
from sandbox.latency import Latency
from sandbox.network import AddressPool
from sandbox.servers import Server

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_TOKEN_SECONDS = 7 * 24 * 3600.0
_VERSIONS = ("v1", "beta")

log = logging.getLogger(__name__)


class ComputeApi:
    """Google's Compute, Cloud DNS and GKE APIs of one project, its token endpoint and its metadata server.

    `url` is known before `start`.

    Nothing is stored on disk: the resources live as long as the object. `directory` is where a file would go.
    """

    def __init__(
        self,
        directory: Path,
        faults: Faults,
        latency: Latency,
        *,
        project: str = "sandbox-project",
        ca: CertificateAuthority,
        addresses: AddressPool,
        dns: Zones,
        port: int = 0,
        zones: tuple[str, ...] = ("sandbox-zone-a", "sandbox-zone-b", "sandbox-zone-c"),
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self.project, self.directory = project, directory
        store = Store(project, _now)
        operations = Operations(project, _now)
        limits = {**LIMITS, **(limits or {})}
        mutations = Mutations(store, operations, faults, latency, addresses, limits, _later)
        health = Health(store, faults, latency)
        self._faults = faults
        self._resources = ComputeResources(mutations, health, faults, limits, zones)
        self._feed = DataPlaneFeed(store, health)
        self._dns = CloudDns(dns, project)
        self._issuance = Issuance(store, dns, ca, faults, latency)
        self._background: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._credentials = Credentials(project, faults)
        self._metadata = MetadataServer(self._credentials, project)
        self.clusters = Clusters(project, faults)
        self._counts = Counts()
        self._server = Server(Starlette(routes=self._routes()), name="compute-api", port=port)
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Stop serving; whoever waits for a change is answered at once."""
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._feed.close)
        self._server.stop()

    def credentials(self) -> dict[str, str]:
        """A service-account key whose token endpoint is this server."""
        return self._credentials.service_account(f"{self.url}/token")

    def access_token(self, user: str, lifetime_seconds: float = _TOKEN_SECONDS) -> str:
        """An opaque bearer token; `user` shows in operations and in the counts."""
        return self._credentials.access_token(user, lifetime_seconds)

    def authorized_user(self) -> dict[str, str]:
        """What a person's `gcloud auth application-default login` leaves, for this token endpoint."""
        return self._credentials.authorized_user(f"{self.url}/token")

    def user_of(self, token: str) -> str:
        """Whose access token this is, for other servers that trust Google; empty when it is not, or no longer, good."""
        return self._credentials.bearer(token)

    def granted_tokens(self) -> list[str]:
        """Every token that the token endpoint and the metadata server have handed out, oldest first."""
        return self._credentials.granted()

    def request_counts(self, user: str | None = None) -> dict[str, int]:
        """Answered requests by verb: get, list, create, update, patch, delete, and `read` for everything else.

        Of one user, or of all. Refused requests count as `refused`.
        """
        return self._counts.of(user)

    def _routes(self) -> list[Route]:
        return [
            Route("/token", self._token, methods=["POST"]),
            *self._metadata.routes(),
            Route("/batch/compute/{version}", self._batch, methods=["POST"]),
            Route("/batch/dns/{version}", self._batch, methods=["POST"]),
            Route("/batch", self._batch, methods=["POST"]),
            Route("/{path:path}", self._single, methods=_METHODS),
        ]

    async def _token(self, http: HttpRequest) -> Response:
        status, body = self._credentials.grant(await http.body())
        return JSONResponse(body, status)

    async def _single(self, http: HttpRequest) -> Response:
        path = http.scope.get("raw_path", b"").decode()
        reply = await self._authenticated(
            http.method, path, http.url.query, await http.body(), http.headers.get("authorization", "")
        )
        if reply.body is None:
            return Response(status_code=reply.status)
        return JSONResponse(reply.body, reply.status, headers=reply.headers)

    async def _batch(self, http: HttpRequest) -> Response:
        try:
            parts = batch.parts(http.headers.get("content-type", ""), await http.body())
        except errors.GoogleError as error:
            return JSONResponse(error.body(), error.status)
        answers = []
        for part in parts:
            target = urlsplit(part.target)
            authorization = part.headers.get("authorization") or http.headers.get("authorization", "")
            reply = await self._authenticated(part.method, target.path, target.query, part.body, authorization)
            answers.append((part, reply))
        content_type, body = batch.reply(answers)
        return Response(body, media_type=content_type)

    async def _authenticated(self, method: str, path: str, query: str, body: bytes, authorization: str) -> Reply:
        """Authenticate, answer and count one call, alone or out of a batch."""
        self._start_background()
        user = ""
        try:
            user = self._credentials.user(authorization)
            segments = [unquote(each) for each in path.strip("/").split("/")]
            request = Request(method, path, dict(parse_qsl(query, keep_blank_values=True)), body, user)
            reply = await self._dispatch(request, segments)
        except errors.GoogleError as error:
            self._counts.add(user, "refused")
            return messages.refusal(error)
        except Exception:
            log.exception("%s %s", method, path)
            return messages.refusal(errors.GoogleError(500, "internalError", "Internal error. Please try again."))
        self._counts.add(user, reply.verb)
        return reply

    async def _dispatch(self, request: Request, segments: list[str]) -> Reply:
        match segments:
            case ["compute", version, "projects", _, *_] if version in _VERSIONS:
                return await self._resources.answer(request, version, segments[3:])
            case ["dns", "v1" | "v1beta2", "projects", _, *_]:
                return self._cloud_dns(request, segments[3:])
            case ["sandbox", "v1", *rest]:
                return await self._feed.answer(request, rest)
            case ["v1", "projects", _, "locations", *_]:
                return self.clusters.answer(request, segments[2:])
            case ["v1" | "v3", "projects", project] if project == f"{self.project}:testIamPermissions":
                return Reply(permissions.granted(self._faults, request.json()))
        raise errors.no_such_url()

    def _cloud_dns(self, request: Request, segments: list[str]) -> Reply:
        permission = _dns_permission(request.method, segments)
        if self._faults.strike("compute-forbidden", permission=permission):
            raise errors.GoogleError(403, "forbidden", "Forbidden")
        return self._dns.answer(request, segments)

    def _start_background(self) -> None:
        """Start issuing certificates, in the server's own loop, which exists only once a request comes."""
        if self._background is None:
            self._loop = asyncio.get_running_loop()
            self._background = self._loop.create_task(self._issuance.run())


def _dns_permission(method: str, segments: list[str]) -> str:
    """The IAM permission of a Cloud DNS call, such as `dns.changes.create`."""
    names: dict[int, str] = {1: "projects", 2: "managedZones", 3: "managedZones"}
    kind = names.get(len(segments)) or {"rrsets": "resourceRecordSets"}.get(segments[3], segments[3])
    listing = len(segments) in (2, 4)
    verbs = {"GET": "list" if listing else "get", "POST": "create", "PATCH": "update", "DELETE": "delete"}
    return f"dns.{kind}.{verbs.get(method, 'update')}"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _later(seconds: float, effect: Callable[[], Any]) -> None:
    asyncio.get_running_loop().call_later(seconds, effect)
