"""The way back: the load balancer taken down, in the order in which nothing leaks, and its absence proved."""

from prefect import flow

from flows import parameters, settings
from flows.branches import skipped
from flows.concurrency import begin, results
from flows.evidence import Evidence
from flows.turn import in_turn
from tasks.backend_config import delete_backend_config
from tasks.core.report import Report
from tasks.core.teardown_request import TeardownRequest
from tasks.dns_record import delete_dns_record
from tasks.frontend_config import delete_frontend_config
from tasks.global_address import release_address
from tasks.ingress import delete_ingress, wait_for_ingress_deletion
from tasks.leftovers import wait_for_load_balancer_deletion
from tasks.managed_certificate import delete_managed_certificate
from tasks.milvus_release import restore_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tasks.teardown import delete_lease, fault, inspect_teardown, prove_absence, settle_receipt
from tasks.tls_secret import delete_tls_secret


@flow(name="teardown", flow_run_name="{domain}-teardown", **settings.SIDE_BY_SIDE)
@parameters.of(TeardownRequest, without=TeardownRequest.UNUSED)
def teardown(**given: object) -> Report:
    """Take a load balancer down, leave what is not ours, and prove that nothing else is left."""
    request = TeardownRequest.parse(given)
    evidence = Evidence(request)
    with evidence.concluded():
        in_turn(request, lambda: _teardown(request, evidence))
        # Only when our own turn is over: it is what the turn stands on.
        results([begin(delete_lease, request)])
    return evidence.report


def _teardown(request: TeardownRequest, evidence: Evidence) -> None:
    """Stage after stage: a load balancer leaks when what it needs goes before it does."""
    inspected = begin(inspect_teardown, request)
    (seen,) = results([inspected])

    ingress = begin(delete_ingress, request, after=[inspected])
    (deletion,) = results([ingress])
    gone = begin(wait_for_ingress_deletion, request, after=[ingress])
    results([gone])

    parts = list(deletion.parts)
    steps = [
        # Begun first: it may take minutes, while the others take a moment.
        begin(wait_for_load_balancer_deletion, request, parts, after=[gone]),
        begin(delete_managed_certificate, request, after=[gone]),
        begin(delete_backend_config, request, after=[gone]),
        begin(delete_frontend_config, request, after=[gone]),
        begin(delete_tls_secret, request, after=[gone]),
        begin(restore_milvus_release, request, after=[gone]),
        begin(delete_dns_record, request, after=[gone]),
    ]
    results(steps)

    address = begin(release_address, request, after=steps)
    if request.restore_layer4 and seen.milvus:
        rollout = begin(wait_for_rollout, request, after=steps)
    else:
        why = "there is no Milvus any more" if request.restore_layer4 else "restore_layer4 is off"
        rollout = begin(skipped, wait_for_rollout.name, why, after=steps)
    results([address, rollout])

    settled = begin(settle_receipt, request, after=[address, rollout])
    results([settled])
    proof = begin(prove_absence, request, parts, seen, after=[settled])
    (left,) = results([proof])
    evidence.left = tuple(left)
    if error := fault(left):
        raise error
