"""The whole way back, with a real Milvus: taken down, proved gone, and provisioned again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from flows.provision import provision
from flows.teardown import teardown
from sandbox.stack import Stack
from tasks import leftovers
from tasks.clients import compute, kubernetes
from tasks.core import progress
from tasks.core.errors import NotReadyInTime, PreflightFailed
from tasks.core.progress import Journal
from tasks.core.provision_request import STEPS
from tasks.core.report import Report
from tests.conftest import DOMAIN, a_config
from tests.flows.running import fail, run, steps_of, writes
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

WITH_DNS = {"dns_managed_zone": "sandbox-zone"}
EVERYTHING = {"release_address": True, "restore_layer4": True}


@pytest.fixture
def stack(alone: Stack) -> Stack:
    """A sandbox in which nobody else has left anything."""
    return alone


def take_down(**parameters: Any) -> Report:
    progress.use(Journal())
    finished = teardown(domain=DOMAIN, **parameters)
    assert isinstance(finished, Report)
    return finished


def collections_over_layer_4() -> list[str]:
    """What Milvus answers to a client that speaks no TLS, at the address of the Layer-4 balancer."""

    def address() -> str:
        service = kubernetes.cluster(a_config()).read(kubernetes.SERVICE, "default", "my-release-milvus") or {}
        entries = (service.get("status") or {}).get("loadBalancer", {}).get("ingress") or [{}]
        return str(entries[0].get("ip", ""))

    client = MilvusClient(uri=f"http://{eventually(address)}:19530", timeout=60)
    try:
        return list(client.list_collections())
    finally:
        client.close()


def test_everything_goes_back_to_a_plaintext_milvus_behind_layer_4(stack: Stack) -> None:
    run(provision, **WITH_DNS)
    config = a_config()
    cluster = kubernetes.cluster(config)

    report = take_down(**EVERYTHING)

    assert report.verdict == "verified"
    assert report.left == ()
    service = cluster.read(kubernetes.SERVICE, "default", "my-release-milvus")
    assert service is not None
    assert service["spec"]["type"] == "LoadBalancer"
    assert collections_over_layer_4() == []
    assert cluster.list_objects(kubernetes.INGRESS, "default") == []
    assert cluster.read(kubernetes.LEASE, "default", "my-release-milvus-l7") is None
    assert cluster.read(kubernetes.CONFIG_MAP, "default", "my-release-milvus-l7") is None
    api = compute.api(config)
    assert api.get("addresses", "my-release-milvus") is None
    assert leftovers.search(api, cluster, config) == []


def test_a_second_teardown_writes_nothing_and_a_new_provision_is_proved(stack: Stack) -> None:
    run(provision)
    first = take_down()
    before = writes(stack)

    again = take_down()

    assert writes(stack) == before
    assert again.writes == ()
    assert again.left == first.left
    assert {each.owner for each in again.left or ()} == {"kept"}
    assert run(provision).verdict == "verified"


def test_a_google_managed_certificate_goes_with_its_load_balancer(stack: Stack) -> None:
    # Without the proof: gRPC reads its roots once in a process, and another sandbox's may be those.
    others = {"prove", "make-tls-secret", "check-tls-secret", "delete-unused-managed-certificate"}
    unproved = [step for step in STEPS if step not in others]
    made = run(provision, certificate_mode="google-managed", only_steps=unproved, **WITH_DNS)

    report = take_down(certificate_mode="google-managed")

    assert report.verdict == "verified"
    assert compute.api(a_config()).get("sslCertificates", made.certificate.compute_name) is None


def test_a_teardown_that_failed_says_why_and_the_next_one_finishes_it(stack: Stack) -> None:
    run(provision)
    stack.faults.arm("controller-off")

    error, report = fail(teardown, delete_timeout_seconds=3)

    assert isinstance(error, NotReadyInTime)
    assert "held by" in error.observed
    assert report.verdict == "failed"
    assert report.left is None
    assert "delete-backend-config" not in steps_of(report, "done")
    stack.faults.clear()
    assert take_down().verdict == "verified"


def test_the_wrong_domain_is_refused_before_the_first_write(stack: Stack) -> None:
    run(provision)
    before = writes(stack)

    error, _ = fail(teardown, domain="other.example")

    assert isinstance(error, PreflightFailed)
    assert writes(stack) == before


def test_the_command_takes_down_what_it_is_told_and_writes_the_report(
    stack: Stack, prefect_api: str, tmp_path: Path
) -> None:
    run(provision)
    config = tmp_path / "config.yaml"
    config.write_text(f"domain: {DOMAIN}\nbackend_timeout_seconds: 7200\n")
    file = tmp_path / "report.json"

    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "teardown", "--config", str(config), "--yes", "--report", str(file)],
        env=os.environ | stack.env | {"PREFECT_API_URL": prefect_api, "PREFECT_HOME": str(tmp_path / "prefect")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert f"# Taken down: {DOMAIN}" in done.stdout
    found = json.loads(file.read_text())
    assert found["verdict"] == "verified"
    assert {each["resource"] for each in found["left"]} >= {"addresses/my-release-milvus"}
    assert kubernetes.cluster(a_config()).list_objects(kubernetes.INGRESS, "default") == []
