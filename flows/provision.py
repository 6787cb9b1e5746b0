"""The job, from a Milvus release behind nothing or a Layer-4 balancer to a proved Layer-7 load balancer."""

import threading
from typing import Any

from prefect import Task, flow

from flows import parameters, settings
from flows.branches import skipped
from flows.concurrency import Future, begin, named_results, results
from flows.evidence import Evidence
from flows.selection import Selection
from flows.turn import in_turn
from tasks import looking
from tasks.adoption import discover
from tasks.backend_config import apply_backend_config
from tasks.clients import compute, kubernetes
from tasks.core.config import CertificateMode
from tasks.core.provision_request import ProvisionRequest
from tasks.core.report import Report
from tasks.dns_record import apply_dns_record, check_dns_record
from tasks.events import remember_events
from tasks.exposure import guard_exposure
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.inspection import read_address, read_certificate, read_load_balancer
from tasks.load_balancer import wait_for_backends
from tasks.managed_certificate import (
    apply_managed_certificate,
    delete_unused_managed_certificate,
    wait_for_certificate,
)
from tasks.milvus_connection import prove, warm_up
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tasks.preflight import preflight
from tasks.tls_secret import check_tls_secret, make_tls_secret


@flow(name="provision", flow_run_name="{domain}-{certificate_mode}", **settings.SIDE_BY_SIDE)
@parameters.of(ProvisionRequest)
def provision(**given: object) -> Report:
    """Put a Milvus release behind a global external Layer-7 load balancer and prove it with a real client."""
    request = ProvisionRequest.parse(given)
    evidence = Evidence(request)
    # The two slowest imports run while the cluster is looked at and Milvus restarts.
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    with evidence.concluded():
        in_turn(request, lambda: _provision(request, evidence))
    return evidence.report


def _provision(request: ProvisionRequest, evidence: Evidence) -> None:
    """Stage after stage; inside a stage everything runs side by side.

    A stage begins when the one before is done, since a task behind a failed one would stay pending for ever.
    """
    steps = Selection(request)
    with looking.one_look():
        found = begin(preflight, request)
        results([found, begin(discover, request), begin(remember_events, request)])
    evidence.project = compute.project(request)

    writes = {
        "address": steps.begin(reserve_address, after=[found], otherwise=read_address if request.proves else None),
        "release": steps.begin(apply_milvus_release, after=[found]),
        "backend": steps.begin(apply_backend_config, after=[found]),
        "frontend": steps.begin(apply_frontend_config, after=[found]),
    } | _certificate(steps, found)
    written = named_results(writes)
    address = evidence.learn_address(written["address"])
    evidence.learn_certificate(written["certificate"])

    record = _record(steps, address, writes["address"])
    results([record])

    # While Milvus restarts, somebody may already create the record that is shown here.
    rollout = steps.begin(wait_for_rollout, after=[writes["release"]])
    records = steps.begin(check_dns_record, address, after=[record])
    evidence.learn_records(results([rollout, records])[1])

    ready = [rollout, record, *(writes[step] for step in ("address", "backend", "frontend", "certificate"))]
    ingress = steps.begin(apply_ingress, after=ready)
    results([ingress])

    waits = {
        "address": steps.begin(wait_for_address, address, after=[ingress]),
        "backends": steps.begin(
            wait_for_backends, after=[ingress], otherwise=read_load_balancer if request.proves else None
        ),
        "certificate": _issued(steps, address, ingress),
    }
    seen = named_results(waits)
    evidence.learn_load_balancer(seen["backends"])
    evidence.learn_certificate(seen["certificate"])

    proof = steps.begin(prove, address, evidence.expected_fingerprint, after=list(waits.values()))
    evidence.learn_proof(*results([proof]))
    # Before it is proved, a door that does not open may be one that nobody has hung yet.
    results([begin(guard_exposure, request, address, after=[proof])] if request.proves else [])


def _certificate(steps: Selection, found: Future) -> dict[str, Future]:
    """The branch on the certificate mode: the step taken, and a mark for each that is not."""
    branches: dict[CertificateMode, Task[..., Any]] = {
        CertificateMode.SELF_MANAGED: make_tls_secret,
        CertificateMode.EXISTING_SECRET: check_tls_secret,
        CertificateMode.GOOGLE_MANAGED: apply_managed_certificate,
    }
    otherwise = read_certificate if steps.request.proves else None
    taken = steps.begin(branches.pop(steps.request.certificate_mode), after=[found], otherwise=otherwise)
    why = f"certificate_mode={steps.request.certificate_mode.value}"
    marks = {step.name: begin(skipped, step.name, why, after=[found]) for step in branches.values()}
    return {"certificate": taken, **marks}


def _record(steps: Selection, address: str, reserved: Future) -> Future:
    """The record is written when a zone is named."""
    if steps.request.dns_managed_zone:
        return steps.begin(apply_dns_record, address, after=[reserved])
    return begin(skipped, apply_dns_record.name, "no dns_managed_zone is named", after=[reserved])


def _issued(steps: Selection, address: str, ingress: Future) -> Future:
    """Behind the Ingress, Google's certificate is waited for, or cleared away when another one takes its place.

    Before the Ingress it could never be issued.
    """
    if steps.request.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        return steps.begin(wait_for_certificate, address, after=[ingress])
    return steps.begin(delete_unused_managed_certificate, after=[ingress])


def _warm_up() -> None:
    """In the order in which they are needed."""
    kubernetes.warm_up()
    compute.warm_up()
    warm_up()
