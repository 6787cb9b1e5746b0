"""The HTTP face of the API server: one ASGI application that routes, authenticates, counts and answers."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import yaml
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sandbox.faults import Faults
from sandbox.kube import decoding, discovery, openapi, openapi_v2, requests, reviews
from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import REVIEWS, Kind, Registry
from sandbox.kube.lifecycle import Lifecycle
from sandbox.kube.requests import Request
from sandbox.kube.resources import Resources
from sandbox.kube.store import Store
from sandbox.kube.users import User, Users
from sandbox.kube.watch import Watch

Object = dict[str, Any]
PodLogs = Callable[[str, str, str, bool], Iterable[bytes] | None]
"""Log of namespace, pod and container, or of the run before it; None when there is no such run."""

_log = logging.getLogger(__name__)


class Application:
    """ASGI application; everything runs in the server's event loop, so a request sees the store to itself."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        resources: Resources,
        lifecycle: Lifecycle,
        users: Users,
        faults: Faults,
        pod_logs: PodLogs | None,
    ) -> None:
        self._store, self._registry, self._resources, self._lifecycle = store, registry, resources, lifecycle
        self._users, self._faults, self._pod_logs = users, faults, pod_logs
        self._watches: set[Watch] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.counts: Counter[tuple[str, str]] = Counter()
        """Requests by user and verb."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.loop = asyncio.get_running_loop()
        http = HttpRequest(scope, receive)
        try:
            response = await self._respond(http)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    def end_watches(self) -> None:
        """Let every watch end; to be called in the event loop."""
        for watch in tuple(self._watches):
            watch.end()

    async def _respond(self, http: HttpRequest) -> Response:
        request: Request | None = None
        try:
            user = self._users.authenticate(http.headers.get("authorization", ""))
            if user is None:
                raise StatusError.unauthorized()
            raw = await http.body()
            request = requests.parse(http.method, http.url.path, http.url.query, dict(http.headers), user.name, raw)
            return await self._route(request, user)
        except StatusError as error:
            return _json(request, error.body(), error.code, error.headers)
        except Exception:
            _log.exception("%s %s", http.method, http.url.path)
            text = "Internal error occurred: the sandbox's API server failed; its log says why"
            return _json(request, StatusError(500, "InternalError", text).body(), 500)

    async def _route(self, request: Request, user: User) -> Response:
        if request.resource:
            return await self._resource(request, user)
        if not self._users.may(user, request.method.lower(), "", path=request.path) and user.name.startswith("system:"):
            text = f'forbidden: User "{user.name}" cannot {request.method.lower()} path "{request.path}"'
            raise StatusError(403, "Forbidden", text, {})
        return self._document(request)

    # Paths that are not of a resource.

    def _document(self, request: Request) -> Response:
        path = request.path.rstrip("/") or "/"
        if path in ("/healthz", "/livez", "/readyz"):
            return Response("ok", media_type="text/plain")
        if path.startswith("/openapi/"):
            return self._openapi(request, path)
        found = self._discovery(request, path)
        if found is None:
            return Response("404 page not found\n", 404, media_type="text/plain")
        return found

    def _discovery(self, request: Request, path: str) -> Response | None:
        steps = path.strip("/").split("/")
        version = discovery.aggregated_version(request.accept)
        if path in ("/api", "/apis") and version:
            document = discovery.aggregated(self._registry, version, core=path == "/api")
            return _json(request, document, media=discovery.AGGREGATED.format(version=version))
        plain: Object | None = None
        match steps:
            case [""]:
                plain = {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/openapi/v2", "/openapi/v3", "/version"]}
            case ["version"]:
                plain = discovery.VERSION
            case ["api"]:
                plain = discovery.core_versions("127.0.0.1")
            case ["apis"]:
                plain = discovery.groups(self._registry)
            case ["api", version_name]:
                plain = discovery.resources(self._registry, "", version_name)
            case ["apis", group]:
                plain = discovery.group(self._registry, group)
            case ["apis", group, version_name]:
                plain = discovery.resources(self._registry, group, version_name)
        return None if plain is None else _json(request, plain)

    def _openapi(self, request: Request, path: str) -> Response:
        steps = path.removeprefix("/openapi/").split("/")
        match steps:
            case ["v3"]:
                return _json(request, openapi.index(self._registry))
            case ["v3", "api", version]:
                found = openapi.document(self._registry, "", version)
            case ["v3", "apis", group, version]:
                found = openapi.document(self._registry, group, version)
            case ["v2"] if "protobuf" in request.accept:
                return Response(openapi_v2.protobuf(self._registry), media_type=openapi_v2.MEDIA)
            case ["v2"]:
                return _json(request, openapi.swagger(self._registry))
            case _:
                found = None
        if found is None:
            return Response("404 page not found\n", 404, media_type="text/plain")
        return Response(found, media_type="application/json", headers={"Cache-Control": "public, immutable"})

    # Resources.

    async def _resource(self, request: Request, user: User) -> Response:
        if self._faults.strike("kube-unavailable", verb=request.verb, resource=request.resource) is not None:
            raise StatusError.unavailable()
        kind = self._registry.find(request.group, request.version, request.resource)
        review = kind is not None and kind in REVIEWS
        if (not review or user.name.startswith("system:anonymous")) and self._users.refuses(
            user, request.verb, request.resource
        ):
            raise _forbidden(request, kind)
        kind = self._resources.kind(request)
        self._count(request, user, review=review)
        if review:
            if request.method != "POST":
                raise StatusError.method_not_allowed()
            document = decoding.body(request.raw, request.content_type)
            decoded = decoding.decode(kind, document, "Ignore").object
            return _json(request, reviews.answer(kind, decoded, user, self._users), 201)
        if request.subresource == "log":
            return self._log_of(request)
        if request.verb == "watch" or (request.method == "GET" and request.flag("watch")):
            return self._watch(request, kind)
        reply = self._resources.answer(request, kind)
        if not self._lifecycle.idle:
            asyncio.get_running_loop().call_soon(self._lifecycle.settle)
        headers = [("Warning", f"299 - {json.dumps(text)}") for text in reply.warnings]
        response = _json(request, reply.document, reply.code)
        for name, value in headers:
            response.headers.append(name, value)
        return response

    def _watch(self, request: Request, kind: Kind) -> Response:
        if request.name:
            request = _narrowed(request)
        watch = Watch(self._store, request, kind, self._resources.select(request, kind))
        self._watches.add(watch)

        async def lines() -> Any:
            try:
                async for line in watch.lines():
                    yield line
            finally:
                self._watches.discard(watch)

        media = "application/json"
        return StreamingResponse(lines(), media_type=media)

    def _log_of(self, request: Request) -> Response:
        """`kubectl logs`, from whatever the workload runner keeps."""
        pod = self._store.get("pods", request.namespace, request.name)
        pods = self._registry.find("", "v1", "pods")
        assert pods is not None
        if pod is None:
            raise StatusError.not_found(pods, request.name)
        names = [each["name"] for each in pod["spec"].get("containers") or []]
        container = request.query.get("container", "")
        if not container and len(names) > 1:
            text = f"a container name must be specified for pod {request.name}, choose one of: [{' '.join(names)}]"
            raise StatusError.bad_request(text)
        if container and container not in names:
            raise StatusError.bad_request(f"container {container} is not valid for pod {request.name}")
        if self._pod_logs is None:
            raise StatusError.internal(f"no logs are kept of pod {request.name}")
        container, previous = container or names[0], request.query.get("previous") == "true"
        chunks = self._pod_logs(request.namespace, request.name, container, previous)
        if chunks is None:
            text = f'previous terminated container "{container}" in pod "{request.name}" not found'
            raise StatusError.bad_request(text)
        lines = b"".join(chunks)
        if tail := request.query.get("tailLines"):
            kept = lines.splitlines(keepends=True)
            lines = b"".join(kept[len(kept) - int(tail) :]) if int(tail) < len(kept) else lines
        return Response(lines, media_type="text/plain")

    def _count(self, request: Request, user: User, *, review: bool) -> None:
        verb = request.verb
        if review:
            verb = "review"
        elif request.dry_run:
            verb = "dry-run"
        elif verb == "deletecollection":
            verb = "delete"
        self.counts[user.name, verb] += 1


def _narrowed(request: Request) -> Request:
    """A watch of one object by its path is a watch of the collection with a field selector."""
    selector = f"metadata.name={request.name}"
    query = request.query | {"fieldSelector": selector, "watch": "true"}
    return Request(**{**vars(request), "query": query, "name": ""})


def _forbidden(request: Request, kind: Kind | None) -> StatusError:
    """An RBAC refusal in the words of `k8s.io/apiserver/pkg/endpoints/handlers/responsewriters`."""
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    why = f'User "{request.user}" cannot {request.verb} resource "{resource}" in API group "{request.group}" {where}'
    known = kind or Kind(group=request.group, version=request.version, kind="", plural=request.resource)
    return StatusError.forbidden(known, request.name, why)


def _json(
    request: Request | None,
    document: Any,
    code: int = 200,
    headers: dict[str, str] | None = None,
    media: str = "application/json",
) -> Response:
    if request is not None and request.accept.startswith("application/yaml"):
        return Response(yaml.safe_dump(document, sort_keys=True), code, headers, "application/yaml")
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(body, code, headers, media)
