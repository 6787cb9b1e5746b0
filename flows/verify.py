"""Whether what runs is still what was asked for, and still works; reads everything, changes nothing."""

from prefect import flow

from flows import parameters, settings
from flows.concurrency import begin, results, settled
from flows.evidence import Evidence
from tasks import looking
from tasks.checks import check_live_objects
from tasks.clients import compute
from tasks.core.report import Report
from tasks.core.verify_request import VerifyRequest
from tasks.dns_record import check_dns_record
from tasks.drift_events import emit_drift_events
from tasks.exposure import guard_exposure
from tasks.inspection import (
    compare_three_ways,
    read_address,
    read_certificate,
    read_load_balancer,
)
from tasks.milvus_connection import prove
from tasks.symptoms import read_symptoms


@flow(name="verify", flow_run_name="{domain}-{certificate_mode}", **settings.SIDE_BY_SIDE)
@parameters.of(VerifyRequest)
def verify(**given: object) -> Report:
    """Read a provisioned load balancer, compare it with the configuration, and prove it with a real client."""
    request = VerifyRequest.parse(given)
    evidence = Evidence(request)
    with evidence.concluded():
        _verify(request, evidence)
    return evidence.report


def _verify(request: VerifyRequest, evidence: Evidence) -> None:
    """A look that fails does not end the others: the report is to have everything that can be seen.

    What a client meets is looked at last, as far as there is something to meet.
    """
    with looking.one_look():
        looks = {
            "deviations": begin(compare_three_ways, request),
            "checks": begin(check_live_objects, request),
            "symptoms": begin(read_symptoms, request),
            "address": begin(read_address, request),
            "certificate": begin(read_certificate, request),
            "load balancer": begin(read_load_balancer, request),
        }
        seen, faults = settled(looks)
    address = evidence.learn_address(seen.get("address"))
    evidence.learn_certificate(seen.get("certificate"))
    evidence.learn_load_balancer(seen.get("load balancer"))
    evidence.learn_troubles(faults, seen.get("symptoms"))

    if address and "load balancer" in seen:
        evidence.project = compute.project(request)
        once = bool(evidence.troubles)
        meetings = {
            "records": begin(check_dns_record, request, address),
            "exposure": begin(guard_exposure, request, address, once=once),
            "proof": begin(prove, request, address, evidence.expected_fingerprint, once=once),
        }
        found, faults = settled(meetings)
        evidence.learn_troubles(faults)
        evidence.learn_records(found.get("records"))
        evidence.learn_proof(found.get("proof"))
    results([begin(emit_drift_events, request)])
    evidence.end_in_the_first_cause()
