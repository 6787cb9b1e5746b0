"""The whole flow against the sandbox: real Milvus, real Envoy, real Prefect server, official clients."""

import contextlib
from typing import Any

import pytest

from flows.provision import provision
from sandbox.dns_records import DnsRecords
from sandbox.stack import Stack
from tasks.core import progress
from tasks.core.errors import NotReadyInTime, PreflightFailed, ProvisioningError, ResourceFailed
from tasks.core.progress import Journal
from tasks.core.report import Report
from tests.conftest import DOMAIN, QUICK
from tests.flows import running
from tests.flows.running import writes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

GOOGLE_MANAGED = {"certificate_mode": "google-managed", "dns_managed_zone": "sandbox-zone"}


def run(**changes: Any) -> Report:
    return running.run(provision, **changes)


def fail(**changes: Any) -> tuple[ProvisioningError, Report]:
    return running.fail(provision, **changes)


def test_self_managed_certificate_is_proved_by_a_search_through_the_load_balancer(stack: Stack) -> None:
    report = run(ticket="OPS-1")

    assert report.verdict == "verified"
    outcomes = {rung.name: rung.outcome for rung in report.verification.rungs}
    assert outcomes["collection"] == "passed"
    assert report.certificate.fingerprint
    assert report.certificate.status == "served"
    assert report.ticket == "OPS-1"


def test_a_second_run_writes_nothing(stack: Stack) -> None:
    run()
    before = writes(stack)

    report = run()

    assert writes(stack) == before
    assert report.writes == ()
    assert {change.action for change in report.resources} == {"unchanged", "adopted"}


def test_google_managed_certificate_is_waited_for_behind_the_ingress_and_proved(stack: Stack) -> None:
    report = run(**GOOGLE_MANAGED)

    assert report.verdict == "verified"
    assert report.certificate.status == "ACTIVE"
    assert report.certificate.compute_name.startswith("mcrt-")
    assert {rung.name for rung in report.verification.rungs if rung.outcome != "passed"} == {"long-call", "idle"}
    assert "server_pem_path" not in report.verification.call


def test_going_back_to_a_self_managed_certificate_serves_that_one(stack: Stack) -> None:
    """Taking the annotation away detaches nothing, and Google's certificate would go on being the first."""
    run(**GOOGLE_MANAGED)

    report = run()

    assert report.certificate.status == "served"
    assert ("managedcertificate default/my-release-milvus-tls", "deleted") in {
        (change.resource, change.action) for change in report.writes
    }


def test_a_missing_service_is_refused_before_the_first_write(stack: Stack) -> None:
    before = writes(stack)

    error, report = fail(release="other")

    assert isinstance(error, PreflightFailed)
    assert "service default/other-milvus" in str(error)
    assert report.verdict == "failed"
    assert writes(stack) == before


def test_a_quota_ends_the_run_with_the_metric_and_the_mend(stack: Stack) -> None:
    stack.faults.arm("quota-exceeded", metric="STATIC_ADDRESSES", where="sync")

    error, report = fail(address_name="another-address")

    assert isinstance(error, PreflightFailed)
    assert error.layer == "compute"
    assert "STATIC_ADDRESSES" in error.observed
    assert report.error is not None
    assert report.error["mend"] == error.mend


def test_backends_that_never_become_healthy_are_told_with_their_health_check(stack: Stack) -> None:
    run()
    stack.faults.arm("never-healthy")

    error, _ = fail(backends_timeout_seconds=8)

    assert isinstance(error, NotReadyInTime)
    assert "UNHEALTHY" in error.observed


def test_dns_that_points_elsewhere_ends_the_wait_for_the_certificate(stack: Stack) -> None:
    """No zone is named, so the record is somebody else's to mend, and only they know when."""
    token = stack.compute.access_token("somebody")
    with contextlib.closing(DnsRecords(stack.compute.url, token, "sandbox-project")) as records:
        records.set("milvus.example", "A", ["192.0.2.1"])
        error, report = fail(certificate_mode="google-managed", release="my-release", certificate_timeout_seconds=120)

    assert isinstance(error, ResourceFailed)
    assert error.layer == "dns"
    assert "192.0.2.1" in error.observed
    assert report.address in error.mend


def test_a_retry_of_the_run_repeats_only_what_failed(stack: Stack) -> None:
    """Writing steps keep their result for the same run; waits and checks are judged afresh."""
    stack.faults.arm("quota-taken", metric="STATIC_ADDRESSES", times=1)
    progress.use(Journal())
    retried = provision.with_options(retries=1, retry_delay_seconds=0)

    report: Any = retried(domain=DOMAIN, address_name="second-address", backend_timeout_seconds=1234, **QUICK)

    steps = [step.name for step in report.steps]
    assert report.verdict == "verified"
    assert "preflight" not in steps
    assert "reserve-address" in steps
    assert "apply-backend-config" not in steps
    changed = {change.resource: change for change in report.writes}
    assert "backendconfig default/my-release-backendconfig" in changed
    assert "addresses/second-address" in changed
