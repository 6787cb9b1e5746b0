"""A signed ticket comes in, a worker provisions a real load balancer in the sandbox, the signed outcome goes out."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments import local, prefect_server
from sandbox.stack import Stack
from tasks.core import webhooks
from tests.conftest import DOMAIN, QUICK
from tests.deployments.ticket_world import Prefect, a_bridge
from tests.tasks.receiver import receiving
from tests.waiting import eventually

pytestmark = pytest.mark.slow
IN, OUT = b"i" * 32, b"o" * 32


def a_secret(file: Path, key: bytes) -> str:
    file.write_text(webhooks.shown(key))
    file.chmod(0o600)
    return str(file)


def signed(content: bytes) -> dict[str, str]:
    return webhooks.sign([IN], "msg_1", dt.datetime.now(dt.UTC), content)


def test_from_a_signed_ticket_to_a_signed_outcome(stack: Stack, prefect_api: str, tmp_path: Path) -> None:
    prefect = Prefect(prefect_api, tmp_path / "client", stack.env)
    prefect.deploy()
    with receiving() as tickets:
        worker = local.start_worker(
            tmp_path,
            {
                **prefect.environment,
                "MILVUS_L7_CALLBACK_HOSTS": tickets.place,
                "MILVUS_L7_CALLBACK_SECRET_FILE": a_secret(tmp_path / "out.secret", OUT),
            },
        )
        bridge_settings = {
            "PREFECT_API_URL": prefect.url,
            "MILVUS_L7_TICKETS_SECRET_FILE": a_secret(tmp_path / "in.secret", IN),
        }
        try:
            with a_bridge(tmp_path, bridge_settings) as bridge:
                parameters = {"domain": DOMAIN, "release": "my-release", "callback_url": tickets.url} | QUICK
                body = json.dumps({"ticket": "E-1", "parameters": parameters}).encode()
                headers = {"content-type": "application/json", **signed(body)}
                run = httpx.post(f"{bridge.url}/tickets", content=body, headers=headers, timeout=30).json()

                eventually(lambda: tickets.got, explain=lambda: (tmp_path / "worker.log").read_text("utf-8", "replace"))

                def ended() -> bool:
                    return bool(look_up(bridge.url)["final"])

                eventually(ended)
                found = look_up(bridge.url)
        finally:
            prefect_server.stop(worker)
            prefect.close()
    ((_, received, outcome),) = tickets.got
    told = json.loads(outcome)
    assert webhooks.verify([OUT], received, outcome, dt.datetime.now(dt.UTC))
    assert (told["ticket"], told["verdict"], told["flow_run_id"]) == ("E-1", "verified", run["flow_run_id"])
    assert (found["state"], found["verdict"]) == ("COMPLETED", "verified")
    assert found["report"]["address"] == told["address"]
    assert found["report"]["certificate"]["fingerprint"] == told["certificate"]["fingerprint"]


def look_up(url: str) -> dict[str, Any]:
    answer = httpx.get(f"{url}/tickets/E-1", headers=signed(b"GET /tickets/E-1"), timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
