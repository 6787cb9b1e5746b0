"""The outcome a ticket system is told: few facts, always in the same places."""

import datetime as dt
import json

from tasks.core import outcome, report
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Journal
from tasks.core.report import Certificate

CONFIG = LoadBalancerConfig.parse({"domain": "milvus.example.com", "ticket": "OPS-7"})
ENDED = dt.datetime(2026, 11, 22, 13, 30, 5, 999, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def test_a_verified_run_is_told_in_full() -> None:
    certificate = Certificate(
        mode=CONFIG.certificate_mode, name="secret default/x", fingerprint="ab12", expires="2027-11-22T12:00:00Z"
    )
    finished = report.build(CONFIG, Journal(), address="203.0.113.7", certificate=certificate)

    told = outcome.of(finished, flow="provision", flow_run_id="7d0c", moment=ENDED)

    assert json.loads(json.dumps(told)) == {
        "ticket": "OPS-7",
        "flow": "provision",
        "flow_run_id": "7d0c",
        "verdict": "verified",
        "address": "203.0.113.7",
        "domain": "milvus.example.com",
        "certificate": {"mode": "self-managed", "fingerprint": "ab12", "expires": "2027-11-22T12:00:00Z"},
        "finished": "2026-11-22T12:30:05Z",
    }


def test_a_failed_run_says_why() -> None:
    error = ResourceFailed("addresses/x", "Quota 'STATIC_ADDRESSES' exceeded", "Ask for more.", "compute")

    told = outcome.of(report.build(CONFIG, Journal(), error=error), flow="provision", flow_run_id="7d0c", moment=ENDED)

    assert told["verdict"] == "failed"
    assert told["error"] == {
        "layer": "compute",
        "cause": "ResourceFailed",
        "resource": "addresses/x",
        "observed": "Quota 'STATIC_ADDRESSES' exceeded",
        "mend": "Ask for more.",
    }


def test_what_an_unexpected_exception_says_is_not_told() -> None:
    """Its text may hold anything; the callback leaves our network."""
    finished = report.build(CONFIG, Journal(), error=RuntimeError("password is hunter2"))

    told = outcome.of(finished, flow="provision", flow_run_id="7d0c", moment=ENDED)

    assert "hunter2" not in json.dumps(told)
