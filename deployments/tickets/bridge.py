"""A door for webhooks: signed requests in, flow runs out, nothing else of Prefect's API.

Prefect's own API knows one password that opens everything, and no signatures. Here a ticket system may ask for runs of
the flows that are allowed, and for what became of its tickets. The bridge keeps no state: the time in a signature ends
its use after minutes, and within these minutes the idempotency key in Prefect makes a repetition the same run. So any
number of bridges may run side by side, and one that dies loses nothing.

The signature is over the body, and not over the path; so which flow is meant stands in the body, and a request without
a body signs its method and path instead.
"""

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.tickets import requests
from deployments.tickets.prefect_api import (
    ParametersRefused,
    PrefectApi,
    PrefectRefused,
    PrefectUnreachable,
    Run,
    may_begin_again,
)
from deployments.tickets.settings import SECRET_FILE, Settings
from tasks.clients import secret_file
from tasks.core import webhooks
from tasks.core.errors import ConfigurationError

MAX_BODY_BYTES: Final = 64 * 1024
"""Far above any configuration; 99 more domains of 253 characters are 25 KiB."""

_BODY_SECONDS = 10
_RETRY_AFTER = {"Retry-After": "10"}

log = logging.getLogger("milvus_l7.tickets")


class Refusal(Exception):
    """An answer other than the wanted one."""

    def __init__(self, status: int, error: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


def app(settings: Settings) -> Starlette:
    """The bridge, as an ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(starlette: Starlette) -> AsyncIterator[None]:
        async with PrefectApi(settings.api_url, settings.api_auth) as api:
            starlette.state.api = api
            yield

    starlette = Starlette(
        routes=[
            Route("/tickets", _answering(_ask), methods=["POST"]),
            Route("/tickets/{ticket:path}", _answering(_outcome), methods=["GET"]),
            Route("/healthz", _health, methods=["GET"]),
        ],
        lifespan=lifespan,
    )
    starlette.state.settings = settings
    return starlette


async def _ask(request: HttpRequest) -> Response:
    """Make or find the run that a signed body asks for."""
    settings, api = _context(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "Content-Type must be application/json")
    body = await _body(request)
    _authenticate(settings, request, body)
    try:
        wanted = requests.read(body, settings.flows)
    except requests.Malformed as error:
        raise Refusal(400, str(error)) from None
    except ConfigurationError as error:
        raise Refusal(422, str(error)) from None
    run, created = await api.begin(wanted)
    begun_again = not created and may_begin_again(run, wanted.attempt)
    if begun_again:
        run = await api.begin_again(run)
    verb = "created" if created else "begun again" if begun_again else "found"
    log.info("ticket %s: %s run %s %s, %s", wanted.config.ticket, wanted.flow, run.id, verb, run.state)
    facts = {"ticket": wanted.config.ticket, "created": created, "begun_again": begun_again}
    return JSONResponse(_shown(run, settings) | facts, 202)


async def _outcome(request: HttpRequest) -> Response:
    """What became of a ticket, by its newest run."""
    settings, api = _context(request)
    path: bytes = request.scope.get("raw_path") or request.url.path.encode()
    _authenticate(settings, request, b"GET " + path)
    ticket = request.path_params["ticket"]
    run = await api.latest(ticket, list(settings.flows))
    if run is None:
        raise Refusal(404, "no run of this ticket; one that was asked for by an event is found once it has begun")
    report = await api.report(run.id)
    verdict = report.get("verdict") if report else None
    return JSONResponse(_shown(run, settings) | {"ticket": ticket, "verdict": verdict, "report": report})


async def _health(request: HttpRequest) -> Response:
    _, api = _context(request)
    if await api.healthy():
        return JSONResponse({"status": "ok"})
    return JSONResponse({"status": "Prefect does not answer"}, 503, _RETRY_AFTER)


def _context(request: HttpRequest) -> tuple[Settings, PrefectApi]:
    return request.app.state.settings, request.app.state.api


Endpoint = Callable[[HttpRequest], Awaitable[Response]]


def _answering(endpoint: Endpoint) -> Endpoint:
    """Turn every expected failure into its answer, in one form: {"error": …}."""

    async def answer(request: HttpRequest) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            log.warning("%s %s: %s", refusal.status, request.method, _public(refusal))
            return JSONResponse({"error": refusal.error}, refusal.status, refusal.headers)
        except ParametersRefused as error:
            # Our model let it pass and the deployment does not: it is of another version.
            log.warning("422 the deployment's schema refuses what the bridge allows")
            return JSONResponse({"error": str(error)}, 422)
        except PrefectUnreachable as error:
            log.warning("503 %s", error)
            return JSONResponse({"error": "Prefect does not answer; send it again"}, 503, _RETRY_AFTER)
        except PrefectRefused as error:
            log.error("502 Prefect refuses: %s", error)  # noqa: TRY400  # no trace is needed to mend it
            return JSONResponse({"error": "Prefect refuses the bridge; its log says why"}, 502)

    return answer


def _public(refusal: Refusal) -> str:
    """What of a refusal goes into the log: nothing of what was sent."""
    return refusal.error if refusal.status != 422 else "the request has faults; the sender was told"


def _authenticate(settings: Settings, request: HttpRequest, content: bytes) -> None:
    try:
        keys = secret_file.keys(settings.secret_file, SECRET_FILE)
    except ConfigurationError as error:
        log.error("%s", error)  # noqa: TRY400  # the message has all there is to know
        raise Refusal(503, "the bridge has no secret to verify with; its log says why", _RETRY_AFTER) from None
    try:
        webhooks.verify(keys, request.headers, content, dt.datetime.now(dt.UTC))
    except webhooks.SignatureRefused as error:
        raise Refusal(401, str(error)) from None


async def _body(request: HttpRequest) -> bytes:
    """Read the body, up to the limit and not for longer than it takes an honest sender."""
    received = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                received += chunk
                if len(received) > MAX_BODY_BYTES:
                    raise Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes", {"Connection": "close"})
    except TimeoutError:
        raise Refusal(408, f"the body took longer than {_BODY_SECONDS} s", {"Connection": "close"}) from None
    return bytes(received)


def _shown(run: Run, settings: Settings) -> dict[str, Any]:
    return {
        "flow_run_id": run.id,
        "flow": run.flow,
        "state": run.state,
        "state_name": run.state_name,
        "final": run.is_final,
        "attempts": run.attempts,
        "ui_url": f"{settings.ui_url}/runs/flow-run/{run.id}",
    }
