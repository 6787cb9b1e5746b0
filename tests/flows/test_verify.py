"""The flow that looks: the same report as provision, and nothing changed."""

import contextlib

import pytest

from flows.provision import provision
from flows.verify import verify
from sandbox.dns_records import DnsRecords
from sandbox.stack import Stack
from tasks.clients import kubernetes
from tasks.core import manifests, names, progress
from tasks.core.errors import Drifted, ProofFailed, ResourceFailed
from tasks.core.progress import Journal, Step
from tests.conftest import DOMAIN, QUICK, a_config
from tests.flows.running import fail, run, steps_of, writes
from tests.requests_log import reads_made, twice

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]


def test_what_was_provisioned_is_verified_without_a_write(stack: Stack) -> None:
    made = run(provision)
    before = writes(stack)

    seen = run(verify)

    assert seen.verdict == "verified"
    assert writes(stack) == before
    assert seen.writes == ()
    assert seen.address == made.address
    assert seen.certificate.fingerprint == made.certificate.fingerprint
    assert {rung.outcome for rung in seen.verification.rungs} <= {"passed", "skipped"}
    resources = {change.resource: change for change in seen.resources}
    assert "ingress default/my-release-milvus" in resources
    # Whatever name it has: the address that the load balancer has is kept.
    assert made.address in {change.detail for name, change in resources.items() if name.startswith("addresses/")}


def test_a_google_managed_certificate_is_verified(stack: Stack) -> None:
    mode = {"certificate_mode": "google-managed", "dns_managed_zone": "sandbox-zone"}
    run(provision, **mode)

    seen = run(verify, **mode)

    assert seen.certificate.status == "ACTIVE"


def test_a_changed_field_is_drift_though_the_proof_passes(stack: Stack) -> None:
    run(provision)
    cluster = kubernetes.cluster(a_config())
    change = {"spec": {"timeoutSec": 31}}
    cluster.merge_patch(kubernetes.BACKEND_CONFIG, "default", "my-release-backendconfig", change)

    error, report = fail(verify)
    cluster.apply(manifests.backend_config(a_config()), kubernetes.BACKEND_CONFIG, force=True)

    assert isinstance(error, Drifted)
    assert "my-release-backendconfig" in error.resource
    assert "timeoutSec" in error.observed
    assert "provision" in error.mend
    assert report.verification.outcome == "passed"


def test_a_misleading_record_is_mended_with_the_address_that_the_load_balancer_keeps(stack: Stack) -> None:
    """It may have another than the one of the usual name, which an earlier load balancer had."""
    usual = run(provision, address_name=names.address("my-release"))
    kept = run(provision, address_name="kept-address")
    token = stack.compute.access_token("somebody")
    with contextlib.closing(DnsRecords(stack.compute.url, token, "sandbox-project")) as records:
        records.set(DOMAIN, "A", [usual.address])

    error, _ = fail(verify)

    assert error.cause == "DnsPointsElsewhere"
    assert f"{DOMAIN}. A {kept.address} and remove {usual.address}" in error.mend


def test_what_is_behind_a_broken_rung_is_told_first(stack: Stack) -> None:
    run(provision)
    stack.faults.arm("never-healthy")

    error, report = fail(verify)

    assert (error.layer, error.cause) == ("compute", "BackendsUnhealthy")
    assert report.verification.outcome == "failed"
    causes = [trouble.cause for trouble in report.troubles]
    assert causes[0] == "BackendsUnhealthy"
    assert any(isinstance(trouble.error, ProofFailed) for trouble in report.troubles)


def test_what_a_verify_compares_is_read_once_and_by_the_next_one_anew(stack: Stack) -> None:
    """Parts of one report that looked at different moments could contradict each other."""
    run(provision)

    first, second = looked_at(), looked_at()

    assert {f"/api/v1/namespaces/default/{each}/my-release-milvus" for each in ("services", "configmaps")} <= set(first)
    assert not twice(first)
    assert set(second) == set(first)


def looked_at() -> list[str]:
    """What one verify asks for until the first step that meets Milvus as a client does."""
    journal, ends = Journal(), list[int]()
    progress.use(journal)
    with reads_made() as made:

        def begun(_: Journal, step: Step) -> None:
            if step.name in ("check-dns-record", "guard-exposure", "prove"):
                ends.append(len(made))

        journal.listeners.append(begun)
        verify(domain=DOMAIN, **QUICK)
    return made[: ends[0]]


def test_what_was_never_provisioned_is_told_with_all_that_is_there(stack: Stack) -> None:
    error, report = fail(verify, address_name="nowhere")

    assert isinstance(error, ResourceFailed)
    assert "addresses/nowhere" in error.resource
    assert "compare-three-ways" in steps_of(report, "done")
