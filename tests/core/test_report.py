"""The report: the same content for people and for machines."""

import json

from tasks.core import checks, report
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Change, Journal
from tasks.core.report import Certificate, Left, RungRecord, Verification

CONFIG = LoadBalancerConfig.parse({"domain": "milvus.example.com", "ticket": "OPS-7"})


def a_journal() -> Journal:
    journal = Journal()
    journal.begin("apply-ingress")
    journal.end("apply-ingress", "done")
    journal.record(Change(resource="ingress default/my-release-milvus", action="created"))
    journal.record(Change(resource="addresses/my-release-milvus", action="unchanged", detail="203.0.113.7"))
    return journal


def test_a_verified_run_has_the_top_level_that_machines_read() -> None:
    rungs = (RungRecord(name="dns", outcome="skipped", detail="no record", seconds=0.1),)
    finished = report.build(
        CONFIG,
        a_journal(),
        address="203.0.113.7",
        certificate=Certificate(mode=CONFIG.certificate_mode, name="secret default/my-release-milvus-tls"),
        verification=Verification(outcome="passed", rungs=rungs, call="MilvusClient(…)"),
        parts=["forwardingRules/k8s2-fs-x"],
    )

    facts = json.loads(finished.as_json())

    assert facts["verdict"] == "verified"
    assert facts["address"] == "203.0.113.7"
    assert facts["certificate"]["mode"] == "self-managed"
    assert facts["verification"]["outcome"] == "passed"
    assert facts["verification"]["rungs"][0]["name"] == "dns"
    assert [change["resource"] for change in facts["writes"]] == ["ingress default/my-release-milvus"]
    assert [change["resource"] for change in facts["resources"]] == [
        "ingress default/my-release-milvus",
        "addresses/my-release-milvus",
        "forwardingRules/k8s2-fs-x",
    ]
    assert facts["steps"][0]["name"] == "apply-ingress"
    assert facts["intent"] == {"domain": "milvus.example.com", "ticket": "OPS-7"}
    assert "error" not in facts


def test_a_failed_run_says_layer_resource_observation_and_mend() -> None:
    error = ResourceFailed("addresses/x", "Quota 'STATIC_ADDRESSES' exceeded", "Ask for more.", "compute")

    finished = report.build(CONFIG, a_journal(), error=error)

    assert finished.verdict == "failed"
    assert finished.error == {
        "layer": "compute",
        "cause": "ResourceFailed",
        "resource": "addresses/x",
        "observed": "Quota 'STATIC_ADDRESSES' exceeded",
        "mend": "Ask for more.",
    }
    assert "**Mend:** Ask for more." in report.markdown(finished)


def test_an_unexpected_exception_shows_its_kind_and_not_its_text() -> None:
    """A library's exception may quote anything, a token too."""
    finished = report.build(CONFIG, Journal(), error=RuntimeError("token ya29.secret"))

    assert "ya29" not in finished.as_json() + report.markdown(finished)
    assert finished.error is not None
    assert "RuntimeError" in finished.error["observed"]


def test_markdown_has_every_write_and_every_rung() -> None:
    rungs = (RungRecord(name="tls", outcome="passed", detail="a | b", seconds=0.012),)
    finished = report.build(
        CONFIG, a_journal(), verification=Verification(outcome="passed", rungs=rungs, call="call()")
    )

    text = report.markdown(finished)

    assert "## Writes: 1" in text
    assert "| ingress default/my-release-milvus | created |" in text
    assert "| tls | passed | a \\| b | 0.012 |" in text
    assert "```python\ncall()\n```" in text


def test_a_failed_check_that_is_advice_is_called_so() -> None:
    journal = Journal()
    journal.judge([checks.failed("CertificateExpiryCheck", "secret x/t", "29 days left", "Renew it.", blocks=False)])

    finished = report.build(CONFIG, journal)

    assert "| FAILED (advice) | CertificateExpiryCheck |" in report.markdown(finished)
    assert json.loads(finished.as_json())["checks"][0]["result"] == "FAILED"


def test_a_second_attempt_reports_what_the_first_one_wrote() -> None:
    earlier = [Change(resource="addresses/my-release-milvus", action="created", detail="203.0.113.7")]

    finished = report.build(CONFIG, Journal(), earlier=earlier)

    assert [change.action for change in finished.writes] == ["created"]


def test_a_teardown_says_what_is_left_and_whose_it_is() -> None:
    left = Left(resource="addresses/x", owner="kept", detail="203.0.113.7", remove="teardown with release_address=true")

    finished = report.build(CONFIG, Journal(), left=[left])

    assert json.loads(finished.as_json())["left"] == [left.model_dump()]
    text = report.markdown(finished)
    assert text.startswith("# Taken down: milvus.example.com")
    assert "| addresses/x | kept | 203.0.113.7 | teardown with release_address=true |" in text


def test_the_report_of_another_flow_says_nothing_of_what_is_left() -> None:
    assert "left" not in json.loads(report.build(CONFIG, Journal()).as_json())
