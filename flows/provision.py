"""The job, from a Milvus release behind nothing or a Layer-4 balancer to a proved Layer-7 load balancer."""

import threading
from typing import Any

from prefect import Task, flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows import parameters
from flows.branches import skipped
from flows.concurrency import Future, begin, named_results, results
from flows.evidence import Evidence
from tasks.backend_config import apply_backend_config
from tasks.clients import compute, kubernetes
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.report import Report
from tasks.dns_record import apply_dns_record, check_dns_record
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.load_balancer import wait_for_backends
from tasks.managed_certificate import (
    apply_managed_certificate,
    delete_unused_managed_certificate,
    wait_for_certificate,
)
from tasks.milvus_connection import prove, warm_up
from tasks.milvus_release import apply_milvus_release, wait_for_rollout
from tasks.preflight import preflight
from tasks.tls_secret import check_tls_secret, make_tls_secret


@flow(
    name="provision",
    flow_run_name="{domain}-{certificate_mode}",
    task_runner=ThreadPoolTaskRunner(max_workers=8),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=True,
)
@parameters.of(LoadBalancerConfig)
def provision(**given: object) -> Report:
    """Put a Milvus release behind a global external Layer-7 load balancer and prove it with a real client."""
    config = LoadBalancerConfig.parse(given)
    evidence = Evidence(config)
    # The two slowest imports run while the cluster is looked at and Milvus restarts.
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    try:
        _provision(config, evidence)
    except BaseException as error:
        evidence.journal.stop.set()
        if isinstance(error, Exception):
            evidence.conclude(error)
        raise
    return evidence.conclude()


def _provision(config: LoadBalancerConfig, evidence: Evidence) -> None:
    """Stage after stage; inside a stage everything runs side by side.

    A stage begins when the one before is done, since a task behind a failed one would stay pending for ever.
    """
    found = begin(preflight, config)
    results([found])
    evidence.project = compute.project(config)

    writes = {
        "address": begin(reserve_address, config, after=[found]),
        "release": begin(apply_milvus_release, config, after=[found]),
        "backend": begin(apply_backend_config, config, after=[found]),
        "frontend": begin(apply_frontend_config, config, after=[found]),
    } | _certificate(config, found)
    written = named_results(writes)
    evidence.address = address = written["address"].address
    evidence.learn_certificate(written["certificate"])

    record = _record(config, address, writes["address"])
    results([record])

    # While Milvus restarts, somebody may already create the record that is shown here.
    rollout = begin(wait_for_rollout, config, after=[writes["release"]])
    records = begin(check_dns_record, config, address, after=[record])
    _, evidence.records = results([rollout, records])

    ready = [rollout, record, *(writes[step] for step in ("address", "backend", "frontend", "certificate"))]
    ingress = begin(apply_ingress, config, after=ready)
    results([ingress])

    waits = {
        "address": begin(wait_for_address, config, address, after=[ingress]),
        "backends": begin(wait_for_backends, config, after=[ingress]),
        "certificate": _issued(config, address, ingress),
    }
    seen = named_results(waits)
    evidence.load_balancer = seen["backends"]
    evidence.learn_certificate(seen["certificate"])

    proof = begin(prove, config, address, evidence.expected_fingerprint, after=list(waits.values()))
    (evidence.proof,) = results([proof])


def _certificate(config: LoadBalancerConfig, found: Future) -> dict[str, Future]:
    """The branch on the certificate mode: the step taken, and a mark for each that is not."""
    steps: dict[CertificateMode, Task[..., Any]] = {
        CertificateMode.SELF_MANAGED: make_tls_secret,
        CertificateMode.EXISTING_SECRET: check_tls_secret,
        CertificateMode.GOOGLE_MANAGED: apply_managed_certificate,
    }
    taken: Future = begin(steps.pop(config.certificate_mode), config, after=[found])
    marks = {step.name: begin(skipped, step.name, _why(config), after=[found]) for step in steps.values()}
    return {"certificate": taken, **marks}


def _record(config: LoadBalancerConfig, address: str, reserved: Future) -> Future:
    """The record is written when a zone is named."""
    if config.dns_managed_zone:
        return begin(apply_dns_record, config, address, after=[reserved])
    return begin(skipped, apply_dns_record.name, "no dns_managed_zone is named", after=[reserved])


def _issued(config: LoadBalancerConfig, address: str, ingress: Future) -> Future:
    """Behind the Ingress, Google's certificate is waited for, or cleared away when another one takes its place.

    Before the Ingress it could never be issued.
    """
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        return begin(wait_for_certificate, config, address, after=[ingress])
    return begin(delete_unused_managed_certificate, config, after=[ingress])


def _why(config: LoadBalancerConfig) -> str:
    return f"certificate_mode={config.certificate_mode.value}"


def _warm_up() -> None:
    """In the order in which they are needed."""
    kubernetes.warm_up()
    compute.warm_up()
    warm_up()
