"""The door for webhooks, over a real socket: who may come in, what becomes of it, and that a repetition is harmless."""

import datetime as dt
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments import prefect_server
from deployments.tickets import requests
from deployments.tickets.prefect_api import PrefectApi, PrefectUnreachable
from tasks.core import report, webhooks
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Journal
from tests.deployments.ticket_world import Bridge, Prefect, a_bridge, recipe, shell

pytestmark = pytest.mark.slow
Json = dict[str, Any]
KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture(scope="module")
def prefect(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    ready = Prefect(prefect_api, tmp_path_factory.mktemp("bridge-client"))
    ready.deploy()
    yield ready
    ready.close()


def a_secret(folder: Path) -> Path:
    file = folder / "tickets.secret"
    file.write_text(webhooks.shown(KEY))
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def bridge(prefect: Prefect, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("bridge")
    variables = {
        "PREFECT_API_URL": prefect.url,
        "MILVUS_L7_TICKETS_SECRET_FILE": str(a_secret(folder)),
        "MILVUS_L7_TICKETS_FLOWS": "provision, verify",
    }
    with a_bridge(folder, variables) as running:
        yield running


def headers_for(content: bytes, *, key: bytes = KEY, age: float = 0) -> dict[str, str]:
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age)
    return webhooks.sign([key], f"msg_{time.monotonic_ns()}", moment, content)


def post(url: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"content-type": "application/json", **headers_for(content), **headers}
    return httpx.post(f"{url}/tickets", content=content, headers=given, timeout=60)


def get(url: str, path: str, **how: Any) -> httpx.Response:
    return httpx.get(f"{url}{path}", headers=headers_for(f"GET {path}".encode(), **how), timeout=60)


def a_request(ticket: str, **more: Any) -> Json:
    return {"ticket": ticket, "parameters": {"domain": "bridge.example"}} | more


def test_a_signed_ticket_makes_a_run(bridge: Bridge, prefect: Prefect) -> None:
    answer = post(bridge.url, a_request("B-1"))

    (run,) = prefect.runs("B-1")
    assert answer.status_code == 202
    assert answer.json() == {
        "flow_run_id": run["id"],
        "flow": "provision",
        "state": "SCHEDULED",
        "state_name": "Scheduled",
        "final": False,
        "attempts": 0,
        "ui_url": f"{prefect.url.removesuffix('/api')}/runs/flow-run/{run['id']}",
        "ticket": "B-1",
        "created": True,
        "begun_again": False,
    }
    assert run["parameters"] == {"domain": "bridge.example", "ticket": "B-1"}
    assert "ticket:B-1" in run["tags"]


def test_the_recipes_of_the_readme_work(prefect: Prefect, tmp_path: Path) -> None:
    """Secret, message and look-up as a newcomer pastes them, with a bridge that has this secret."""
    assert shell(recipe("secret"), tmp_path).strip() == "tickets.secret"
    secret = tmp_path / "tickets.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    variables = {"PREFECT_API_URL": prefect.url, "MILVUS_L7_TICKETS_SECRET_FILE": str(secret)}

    with a_bridge(tmp_path, variables) as own:
        printed = shell(recipe("webhook"), tmp_path, BRIDGE=own.url, **variables)
        found = json.loads(shell(recipe("lookup"), tmp_path, BRIDGE=own.url, **variables))

    answer, status = printed.strip().rsplit("\n", 1)
    assert status == "202"
    assert found["flow_run_id"] == json.loads(answer)["flow_run_id"]
    assert (found["ticket"], found["state"], found["verdict"], found["report"]) == ("OPS-3", "SCHEDULED", None, None)


def test_a_message_received_twice_is_one_run(bridge: Bridge, prefect: Prefect) -> None:
    """A replay within the five minutes, bit by bit the same."""
    body = json.dumps(a_request("B-replay")).encode()
    headers = {"content-type": "application/json", **headers_for(body)}

    first, again = (httpx.post(f"{bridge.url}/tickets", content=body, headers=headers, timeout=60) for _ in range(2))

    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert first.json()["flow_run_id"] == again.json()["flow_run_id"]
    assert len(prefect.runs("B-replay")) == 1


def test_the_same_ticket_signed_anew_and_spelt_otherwise_is_the_same_run(bridge: Bridge, prefect: Prefect) -> None:
    post(bridge.url, a_request("B-anew"))

    spelt = {"domain": "bridge.example", "http": "redirect", "additional_domains": "", "ticket": "B-anew"}
    answer = post(bridge.url, {"parameters": spelt, "flow": "provision", "ticket": "B-anew"})

    assert answer.json()["created"] is False
    assert len(prefect.runs("B-anew")) == 1


def test_many_at_once_make_one_run(bridge: Bridge, prefect: Prefect) -> None:
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(post(bridge.url, a_request("B-many")))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [202] * 8
    assert len({answer.json()["flow_run_id"] for answer in answers}) == 1
    assert len(prefect.runs("B-many")) == 1


def test_another_intent_is_another_run(bridge: Bridge, prefect: Prefect) -> None:
    first = post(bridge.url, a_request("B-intent"))
    second = post(bridge.url, a_request("B-intent", parameters={"domain": "other.example"}))
    third = post(bridge.url, a_request("B-intent", flow="verify"))

    assert all(answer.json()["created"] for answer in (first, second, third))
    assert third.json()["flow"] == "verify"
    assert len(prefect.runs("B-intent")) == 3


def test_a_failed_run_is_begun_again_once_per_attempt(bridge: Bridge, prefect: Prefect) -> None:
    run_id = post(bridge.url, a_request("B-again")).json()["flow_run_id"]
    prefect.fail(run_id)

    found = post(bridge.url, a_request("B-again")).json()
    assert (found["state"], found["created"], found["begun_again"]) == ("FAILED", False, False)

    again = post(bridge.url, a_request("B-again", attempt=2)).json()
    assert (again["flow_run_id"], again["begun_again"], again["state_name"]) == (run_id, True, "AwaitingRetry")

    prefect.fail(run_id)
    replayed = post(bridge.url, a_request("B-again", attempt=2)).json()
    assert (replayed["state"], replayed["begun_again"], replayed["attempts"]) == ("FAILED", False, 2)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        pytest.param(
            dict.fromkeys((webhooks.ID, webhooks.TIMESTAMP, webhooks.SIGNATURE), ""), "without", id="unsigned"
        ),
        pytest.param(headers_for(b"{}"), "no v1 signature", id="the signature of another body"),
        pytest.param(headers_for(json.dumps(a_request("B-out")).encode(), key=OTHER), "no v1", id="another secret"),
        pytest.param(headers_for(json.dumps(a_request("B-out")).encode(), age=1000), "s old", id="old"),
        pytest.param(headers_for(json.dumps(a_request("B-out")).encode(), age=-1000), "in the future", id="future"),
    ],
)
def test_who_has_not_the_secret_makes_no_run(
    bridge: Bridge, prefect: Prefect, headers: dict[str, str], why: str
) -> None:
    answer = post(bridge.url, a_request("B-out"), **headers)

    assert answer.status_code == 401
    assert why in answer.json()["error"]
    assert prefect.runs("B-out") == []


def test_a_look_up_is_signed_for_its_path(bridge: Bridge) -> None:
    """A signature seen on its way opens neither another ticket nor another use."""
    post(bridge.url, a_request("B-path"))
    other = headers_for(b"GET /tickets/B-1")

    assert get(bridge.url, "/tickets/B-path").status_code == 200
    assert get(bridge.url, "/tickets/B-path", key=OTHER).status_code == 401
    assert httpx.get(f"{bridge.url}/tickets/B-path", headers=other).status_code == 401
    assert httpx.get(f"{bridge.url}/tickets/B-path", headers=headers_for(b"")).status_code == 401
    assert httpx.get(f"{bridge.url}/tickets/B-path").status_code == 401
    assert post(bridge.url, b"GET /tickets/B-path").status_code == 400


def test_every_fault_of_a_request_is_told_at_once(bridge: Bridge, prefect: Prefect) -> None:
    wrong = {"domain": "NO", "draining_seconds": -1, "pasword": "hunter2"}

    answer = post(bridge.url, a_request("B-wrong", parameters=wrong, flow="teardown"))

    assert answer.status_code == 422
    for named in ("flow", "domain", "draining_seconds", "pasword"):
        assert named in answer.json()["error"]
    assert "hunter2" not in answer.text
    assert prefect.runs("B-wrong") == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param(b"x" * (64 * 1024 + 1), "application/json", 413, id="too large"),
        pytest.param(b"ticket=B-1", "application/x-www-form-urlencoded", 415, id="a form"),
        pytest.param(b"{}", "", 415, id="of no type"),
        pytest.param(b"{", "application/json; charset=utf-8", 400, id="no JSON"),
        pytest.param(b"[" * 60_000, "application/json", 400, id="a deep nest"),
    ],
)
def test_what_is_no_request_is_refused(bridge: Bridge, body: bytes, kind: str, status: int) -> None:
    assert post(bridge.url, body, **{"content-type": kind}).status_code == status


def test_an_endless_body_is_cut_off(bridge: Bridge) -> None:
    """Sent without a length, as nobody honest does."""

    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 65_536

    try:
        answer = httpx.post(f"{bridge.url}/tickets", content=endless(), headers={"content-type": "application/json"})
    except httpx.WriteError:
        return  # the door is shut while we still push
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/tickets", 405), ("DELETE", "/tickets/B-1", 405), ("GET", "/api/flow_runs", 404)],
)
def test_there_are_no_other_doors(bridge: Bridge, method: str, path: str, status: int) -> None:
    assert httpx.request(method, f"{bridge.url}{path}").status_code == status


def test_the_outcome_is_found_by_the_ticket(bridge: Bridge, prefect: Prefect) -> None:
    from prefect import flow

    from tasks.report import publish_report
    from tasks.ticket import mark_run

    config = LoadBalancerConfig.parse({"domain": "milvus.example", "ticket": "B/out come#1"})
    error = ResourceFailed("addresses/x", "Quota exceeded", "Ask for more.", "compute")
    finished = report.build(config, Journal(), address="203.0.113.7", error=error)

    @flow(name="provision")
    def run() -> None:
        mark_run(config)
        publish_report(config, finished)

    run()

    answer = get(bridge.url, "/tickets/B/out%20come%231")

    assert answer.status_code == 200
    found = answer.json()
    assert (found["ticket"], found["state"], found["final"]) == ("B/out come#1", "COMPLETED", True)
    assert found["verdict"] == "failed"
    assert found["report"] == json.loads(finished.as_json())


def test_an_unknown_ticket_is_not_found(bridge: Bridge) -> None:
    assert get(bridge.url, "/tickets/B-nobody").status_code == 404


def test_the_log_has_neither_bodies_nor_signatures(bridge: Bridge) -> None:
    body = json.dumps(a_request("B-log", parameters={"domain": "quiet.example", "project": "my-project"})).encode()
    headers = headers_for(body)
    post(bridge.url, body, **headers)
    post(bridge.url, a_request("B-log", parameters={"domain": "LOUD"}))

    log = bridge.log.read_text()

    assert "ticket B-log: provision run" in log
    for private in ("quiet.example", "my-project", "LOUD", headers[webhooks.SIGNATURE], webhooks.shown(KEY)):
        assert private not in log


def test_a_secret_is_replaced_without_a_restart_and_a_spoilt_file_opens_nothing(
    prefect: Prefect, tmp_path: Path
) -> None:
    secret = a_secret(tmp_path)
    variables = {"PREFECT_API_URL": prefect.url, "MILVUS_L7_TICKETS_SECRET_FILE": str(secret)}
    body = json.dumps(a_request("B-rotate")).encode()

    with a_bridge(tmp_path, variables) as own:
        secret.write_text(f"{webhooks.shown(KEY)}\n{webhooks.shown(OTHER)}\n")
        both = [post(own.url, body, **headers_for(body, key=key)).status_code for key in (KEY, OTHER)]
        secret.write_text(f"{webhooks.shown(OTHER)}\n")
        new = [post(own.url, body, **headers_for(body, key=key)).status_code for key in (KEY, OTHER)]
        secret.chmod(0o644)
        spoilt = post(own.url, body, **headers_for(body, key=OTHER))

    assert both == [202, 202]
    assert new == [401, 202]
    assert spoilt.status_code == 503
    assert str(secret) not in spoilt.text


def test_when_prefect_is_away_the_sender_is_told_to_try_again(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
        variables = {"PREFECT_API_URL": nobody, "MILVUS_L7_TICKETS_SECRET_FILE": str(a_secret(tmp_path))}
        with a_bridge(tmp_path, variables) as own:
            answer, health = post(own.url, a_request("B-away")), httpx.get(f"{own.url}/healthz")

    assert (answer.status_code, health.status_code) == (503, 503)
    assert int(answer.headers["retry-after"]) > 0


def test_a_server_with_a_password_is_opened_by_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge has Prefect's password, and the ticket system has not."""
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:hunter2")
    password = {"PREFECT_API_AUTH_STRING": "admin:hunter2"}
    process, url = prefect_server.start(tmp_path / "prefect")
    variables = {"PREFECT_API_URL": url, "MILVUS_L7_TICKETS_SECRET_FILE": str(a_secret(tmp_path))}
    try:
        prefect = Prefect(url, tmp_path / "client", password)
        prefect.deploy()
        with a_bridge(tmp_path, variables) as locked_out:
            refused = post(locked_out.url, a_request("B-auth"))
            told = locked_out.log.read_text()
        with a_bridge(tmp_path, variables | password) as let_in:
            accepted = post(let_in.url, a_request("B-auth"))
        prefect.close()
    finally:
        prefect_server.stop(process)

    assert refused.status_code == 502
    assert "check PREFECT_API_AUTH_STRING" in told
    assert accepted.status_code == 202


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_asked(prefect: Prefect, tmp_path: Path, sign: signal.Signals) -> None:
    variables = {"PREFECT_API_URL": prefect.url, "MILVUS_L7_TICKETS_SECRET_FILE": str(a_secret(tmp_path))}

    with a_bridge(tmp_path, variables) as own:
        own.process.send_signal(sign)
        own.process.wait(10)

    assert "Traceback" not in own.log.read_text()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        pytest.param("serve", "PREFECT_API_URL: must be", id="no Prefect"),
        pytest.param("serve", "MILVUS_L7_TICKETS_SECRET_FILE: must name a file", id="no secret"),
        pytest.param("new-secret there", "File exists", id="a secret that is there already"),
        pytest.param("key --ticket OPS-1 --set domain=NO --set nonsense=1", "nonsense: unknown key", id="a wrong key"),
        pytest.param("sign --secret-file missing </dev/null", "No such file", id="no secret file"),
    ],
)
def test_a_wrong_command_says_what_is_wrong_and_ends_with_2(tmp_path: Path, command: str, told: str) -> None:
    (tmp_path / "there").touch()

    printed = shell(f"python -m deployments.tickets {command} 2>&1 || echo code=$?", tmp_path)

    assert told in printed
    assert "code=2" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["", "serve", "key", "sign", "new-secret"])
def test_help_stands_alone(tmp_path: Path, command: str) -> None:
    printed = shell(f"python -m deployments.tickets {command} --help", tmp_path)

    assert "Usage:" in printed
    if command == "serve":
        for setting in ("PREFECT_API_URL", "MILVUS_L7_TICKETS_SECRET_FILE", "MILVUS_L7_TICKETS_FLOWS"):
            assert setting in printed.replace("\n", "")


class BusyPrefect:
    """Answers 503 as often as told, then as Prefect does; keeps what it was asked."""

    def __init__(self, busy: int) -> None:
        self.asked: list[Json] = []
        left = [busy]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(200, {"id": "d1"})

            def do_POST(self) -> None:
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                if left[0]:
                    left[0] -= 1
                    self.reply(503, {"exception_message": "Service Unavailable"})
                else:
                    self.reply(201, {"id": "r1", "state": {"type": "SCHEDULED", "name": "Scheduled"}, "run_count": 0})

            def reply(self, status: int, body: Json) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "BusyPrefect":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


async def _begin(url: str) -> tuple[str, bool]:
    wanted = requests.read(json.dumps(a_request("B-busy")).encode(), ["provision"])
    async with PrefectApi(url) as api:
        run, created = await api.begin(wanted)
    return run.id, created


def test_a_busy_prefect_is_asked_again_under_the_same_key() -> None:
    import asyncio

    with BusyPrefect(busy=2) as busy:
        assert asyncio.run(_begin(busy.url)) == ("r1", True)

    assert len(busy.asked) == 3
    assert len({asked["idempotency_key"] for asked in busy.asked}) == 1


def test_a_prefect_that_stays_busy_is_given_up() -> None:
    import asyncio

    with BusyPrefect(busy=100) as busy, pytest.raises(PrefectUnreachable, match="status 503"):
        asyncio.run(_begin(busy.url))

    assert len(busy.asked) == 5
