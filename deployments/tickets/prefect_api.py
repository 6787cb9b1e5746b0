"""The few calls to Prefect's REST API that a ticket needs, without importing Prefect.

Every call is repeated on 503, which is how a busy SQLite looks, and when the connection breaks: none of them does
anything twice, since runs are made under an idempotency key.
"""

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any

import httpx

from deployments.tickets.requests import Request
from tasks.core import tickets

_PAUSES = (0.2, 0.5, 1.0, 2.0)
_FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_RETRIABLE = frozenset({"FAILED", "CRASHED", "CANCELLED"})
Json = dict[str, Any]


class PrefectUnreachable(Exception):
    """Prefect did not answer, or said to the last try that it cannot now; a later try may succeed."""


class PrefectRefused(Exception):
    """Prefect answered, and not as we need it; the message is fit for the log, and has no credential in it."""


class ParametersRefused(Exception):
    """The deployment's parameter schema says no; the message names the field."""


@dataclass(frozen=True)
class Run:
    """One flow run, as a ticket system wants to know it."""

    id: str
    state: str
    """SCHEDULED, PENDING, RUNNING, PAUSED, CANCELLING, or finally COMPLETED, FAILED, CRASHED, CANCELLED."""
    state_name: str
    flow: str
    attempts: int
    """How often it has been begun."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in _FINAL


class PrefectApi:
    """Prefect's API; use as an asynchronous context manager.

    Args:
        url: with `/api`, as PREFECT_API_URL has it.
        auth: `user:password`, as PREFECT_API_AUTH_STRING has it; empty for none.
    """

    def __init__(self, url: str, auth: str = "") -> None:
        user, _, password = auth.partition(":")
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/", auth=(user, password) if auth else None, timeout=15, follow_redirects=False
        )

    async def __aenter__(self) -> "PrefectApi":
        """Open the connections."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close them."""
        await self._client.__aexit__()

    async def begin(self, request: Request) -> tuple[Run, bool]:
        """Make the run of a request, or find it; whether it was made now is the second answer.

        Raises:
            ParametersRefused, PrefectRefused, PrefectUnreachable: see there.
        """
        flow = request.flow
        deployment = await self._call("GET", f"deployments/name/{flow}/{flow}")
        response = await self._send("POST", f"deployments/{deployment['id']}/create_flow_run", creation(request))
        if response.status_code == 409:
            raise ParametersRefused(str(_json(response).get("detail", ""))[:500])
        made = self._answer(response)
        return _run(made, flow), response.status_code == httpx.codes.CREATED

    async def begin_again(self, run: Run) -> Run:
        """Give a failed run to the workers once more, as Retry in the UI does; done steps are not repeated."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "The ticket asks for another attempt"}
        # Prefect refuses a cancelled run without it; one that another sender has begun again meanwhile must be refused.
        force = run.state == "CANCELLED"
        await self._call("POST", f"flow_runs/{run.id}/set_state", {"state": state, "force": force})
        return await self.read(run.id, run.flow)

    async def read(self, run_id: str, flow: str) -> Run:
        """The run as it is now."""
        return _run(await self._call("GET", f"flow_runs/{run_id}"), flow)

    async def latest(self, ticket: str, flows: list[str]) -> Run | None:
        """The newest run of a ticket; None when there is none."""
        found = await self._call(
            "POST",
            "flow_runs/filter",
            {
                "flow_runs": {"tags": {"all_": [tickets.tag(ticket)]}},
                "flows": {"name": {"any_": flows}},
                "sort": "EXPECTED_START_TIME_DESC",
                "limit": 1,
            },
        )
        if not found:
            return None
        flow = await self._call("GET", f"flows/{found[0]['flow_id']}")
        return _run(found[0], str(flow["name"]))

    async def report(self, run_id: str) -> Json | None:
        """The JSON report of a run's last attempt; None while there is none."""
        artifacts = await self._call(
            "POST",
            "artifacts/filter",
            {
                "artifacts": {
                    "flow_run_id": {"any_": [run_id]},
                    "key": {"like_": "milvus-l7-report-json-%"},
                },
                "sort": "CREATED_DESC",
                "limit": 1,
            },
        )
        if not artifacts:
            return None
        text = str(artifacts[0]["data"]).strip().removeprefix("```json").removesuffix("```")
        try:
            return dict(json.loads(text))
        except ValueError:
            return None

    async def healthy(self) -> bool:
        """Whether Prefect answers, asked once."""
        try:
            return (await self._client.get("health", timeout=3)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def _call(self, method: str, path: str, body: Json | None = None) -> Any:
        return self._answer(await self._send(method, path, body))

    async def _send(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        seen = ""
        for pause in (*_PAUSES, None):
            try:
                response = await self._client.request(method, path, json=body)
            except httpx.HTTPError as error:
                seen = type(error).__name__
            else:
                if response.status_code not in (429, 502, 503, 504):
                    return response
                seen = f"status {response.status_code}"
            if pause is not None:
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret
        raise PrefectUnreachable(f"Prefect does not answer: {seen}")

    def _answer(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json() if response.content else {}
        path = response.request.url.path
        if response.status_code in (401, 403):
            raise PrefectRefused(f"{response.status_code} at {path}: check PREFECT_API_AUTH_STRING")
        if response.status_code == 404 and "/deployments/name/" in path:
            raise PrefectRefused(f"404 at {path}: deploy it, prefect --no-prompt deploy --all")
        raise PrefectRefused(f"{response.status_code} at {path}")


def creation(request: Request) -> Json:
    """Body of create_flow_run: the intent, the tag to find the run by, and the key that makes it one run."""
    return {
        "parameters": tickets.intent(request.config),
        "tags": [tickets.tag(request.config.ticket)],
        "idempotency_key": tickets.idempotency_key(request.config, request.flow),
    }


def may_begin_again(run: Run, attempt: int) -> bool:
    """Whether a run has failed and was begun less often than the ticket wants."""
    return run.state in _RETRIABLE and run.attempts < attempt


def _run(facts: Json, flow: str) -> Run:
    state = facts.get("state") or {}
    return Run(
        id=str(facts["id"]),
        state=str(state.get("type") or "SCHEDULED"),
        state_name=str(state.get("name") or ""),
        flow=flow,
        attempts=int(facts.get("run_count") or 0),
    )


def _json(response: httpx.Response) -> Json:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
