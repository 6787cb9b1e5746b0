"""What a run has to be allowed, and whether what it makes fits into the quotas."""

from typing import Any

import pytest

from tasks.core import annotations
from tasks.core.checks import Check, permissions, quotas
from tasks.core.checks.dns import Said
from tasks.core.checks.facts import Cloud, Facts
from tasks.core.checks.permissions import Need
from tests.core.check_objects import (
    DOMAIN,
    FAILED,
    NAME,
    PASSED,
    SKIPPED,
    Json,
    a_backend_config,
    a_service,
    an_address,
    an_ingress,
    an_object,
    result,
    some_facts,
)

CREATE = Need("networking.k8s.io/v1", "ingresses", "create", "default")
PATCH = Need("v1", "services", "patch", "default")


def test_every_verb_that_is_missing_is_told_with_the_command_that_asks() -> None:
    found = list(permissions.verbs([CREATE, PATCH], {CREATE: False, PATCH: True}))

    (missing,) = (check for check in found if check.result is FAILED)
    assert (missing.name, missing.resource) == ("AccessRefusedCheck", "ingresses in default")
    assert missing.observed == "we may not create them"
    assert missing.mend.endswith("kubectl -n default auth can-i create ingresses")
    assert result(found, "AccessCheck").observed == "1 verbs are granted"


def test_a_question_that_was_not_answered_is_no_refusal() -> None:
    found = list(permissions.verbs([CREATE], {CREATE: "HTTP 503"}))

    assert {check.result for check in found} == {SKIPPED, PASSED}


def test_nothing_to_write_is_nothing_to_ask() -> None:
    (found,) = permissions.verbs([], {})

    assert found.observed == "nothing has to be written"


def test_helm_needs_its_records_and_every_kind_of_the_chart_in_its_scope() -> None:
    found = list(permissions.of_helm([("apps/v1", "Deployment"), ("v1", "Service"), ("v1", "Service")], "default"))

    assert Need("v1", "secrets", "create", "default") in found
    assert Need("apps/v1", "deployments", "patch", "default") in found
    assert found.count(Need("v1", "services", "patch", "default")) == 1
    role = next(permissions.of_helm([("rbac.authorization.k8s.io/v1", "ClusterRole")], "default"))
    assert role.plural == "secrets"
    scopes = {need.plural: need.namespace for need in permissions.of_helm([("x/v1", "ClusterRole")], "default")}
    assert scopes == {"secrets": "default", "clusterroles": ""}


def test_permissions_follow_what_is_named_and_made() -> None:
    plain = permissions.permissions(some_facts(), reserves=False)
    cloud = Cloud("project-1", {f"addresses/{NAME}": None, "securityPolicies/a": None}, {"sslPolicies/b": "403"})
    more = permissions.permissions(
        some_facts(cloud=cloud, config={"certificate_mode": "google-managed"}), reserves=True
    )

    assert all(permission.endswith((".get", ".list")) for permission in plain)
    assert set(more) - set(plain) == {
        "compute.globalAddresses.create", "compute.globalOperations.get", "compute.securityPolicies.get",
        "compute.sslPolicies.get", "compute.sslCertificates.get",
    }  # fmt: skip


def test_a_missing_permission_is_told_by_name_with_a_role() -> None:
    asked = ["compute.urlMaps.get", "compute.globalAddresses.create"]

    (found,) = permissions.missing("project-1", asked, {"compute.urlMaps.get"})

    assert (found.name, found.resource) == ("PermissionDeniedCheck", "permission compute.globalAddresses.create")
    assert (found.layer, found.ends_the_run) == ("compute", True)
    assert "gcloud projects add-iam-policy-binding project-1" in found.mend


def test_all_permissions_granted_is_one_line_and_no_answer_is_no_verdict() -> None:
    (granted,) = permissions.missing("p", ["a.b.c"], {"a.b.c"})
    (unknown,) = permissions.missing("p", ["a.b.c"], "HTTP 403")

    assert (granted.result, unknown.result) == (PASSED, SKIPPED)


@pytest.mark.parametrize(
    ("config", "answers", "wanted"),
    [
        pytest.param({}, {}, False, id="no zone is named"),
        pytest.param({"dns_managed_zone": "zone"}, {}, True, id="nothing known"),
        pytest.param({"dns_managed_zone": "zone"}, {DOMAIN: (Said("a", ("203.0.113.7",)),)}, False, id="right already"),
        pytest.param({"dns_managed_zone": "zone"}, {DOMAIN: (Said("a", ("192.0.2.1",)),)}, True, id="elsewhere"),
    ],
)
def test_a_record_that_is_right_already_is_not_written(config: Json, answers: Any, wanted: bool) -> None:
    facts = some_facts(config=config, domains=answers, address_name=NAME)

    assert permissions.writes_records(facts) == wanted


def test_the_right_to_write_records_is_asked_for_only_where_one_is_written() -> None:
    assert "dns.changes.create" not in permissions.dns_permissions(writes=False)
    assert "dns.changes.create" in permissions.dns_permissions(writes=True)


def test_a_certificate_of_ours_that_is_replaced_is_deleted() -> None:
    live = an_object("ManagedCertificate", f"{NAME}-tls")
    ours = {**live, "metadata": {**live["metadata"], "labels": {"app.kubernetes.io/managed-by": "milvus-gke-l7"}}}

    assert permissions.unused_certificate(some_facts([ours]))
    assert not permissions.unused_certificate(some_facts([live]))
    assert not permissions.unused_certificate(some_facts([ours], config={"certificate_mode": "google-managed"}))


def test_a_service_fits_by_type_and_by_the_meaning_of_its_annotations() -> None:
    spaced = a_service({annotations.NEG: '{ "ingress" : true }'})

    assert permissions.service_fits(some_facts([spaced]))
    assert not permissions.service_fits(some_facts([a_service(type="LoadBalancer")]))
    assert not permissions.service_fits(some_facts([a_service({annotations.NEG: None})]))


# --- quotas ----------------------------------------------------------------------------------------------------------

MADE = dict.fromkeys(quotas.PARTS, "k8s2-x") | {annotations.SSL_CERT: "k8s2-cr-x"}
"""What GKE writes into an Ingress whose load balancer stands."""


def a_quota(metric: str, limit: float, usage: float) -> Json:
    return {"metric": metric, "limit": limit, "usage": usage}


def standing(*rows: Json, **marks: str | None) -> Facts:
    """A load balancer that stands complete, but for the annotations given as None."""
    service = a_service({annotations.NEG_STATUS: "{}"})
    ingress = an_ingress(MADE | marks)
    cloud = Cloud("project-1", {f"addresses/{NAME}": an_address()}, quotas=tuple(rows))
    return some_facts([service, ingress, a_backend_config()], cloud=cloud, address_name=NAME)


def fresh(*rows: Json, **more: Any) -> Facts:
    """Nothing stands yet; the Ingress is the planned one."""
    cloud = Cloud("project-1", {f"addresses/{NAME}": None}, quotas=tuple(rows))
    return some_facts(cloud=cloud, address_name=NAME, made=frozenset({f"addresses/{NAME}"}), **more)


def one(facts: Facts) -> Check:
    (found,) = quotas.checks(facts)
    return found


@pytest.mark.parametrize(
    ("metric", "limit", "usage", "wanted", "blocks"),
    [
        pytest.param("FORWARDING_RULES", 15, 13, FAILED, False, id="just fits, no head-room"),
        pytest.param("FORWARDING_RULES", 15, 14, FAILED, True, id="two rules, one place"),
        pytest.param("FORWARDING_RULES", 15, 11, PASSED, True, id="one more would fit"),
        pytest.param("URL_MAPS", 10, 9, FAILED, True, id="the redirect needs a second map"),
        pytest.param("BACKEND_SERVICES", 5, 5, FAILED, True, id="used up"),
        pytest.param("BACKEND_SERVICES", 5, 4, FAILED, False, id="the last one"),
        pytest.param("BACKEND_SERVICES", 5, 3, PASSED, True, id="two left"),
        pytest.param("HEALTH_CHECKS", 0, 0, FAILED, True, id="none allowed"),
        pytest.param("SSL_CERTIFICATES", 10, 10, FAILED, True, id="certificates"),
        pytest.param("STATIC_ADDRESSES", 8, 8, FAILED, True, id="addresses"),
        pytest.param("TARGET_HTTP_PROXIES", 10, 10, FAILED, True, id="the proxy of the redirect"),
        pytest.param("NETWORK_ENDPOINT_GROUPS", 100, 100, FAILED, True, id="NEGs"),
    ],
)
def test_what_is_to_be_made_must_fit_and_one_more_should(
    metric: str, limit: float, usage: float, wanted: str, blocks: bool
) -> None:
    found = one(fresh(a_quota(metric, limit, usage)))

    assert (found.name, found.resource) == ("QuotaExceededCheck", f"quota {metric}")
    assert (found.result, found.blocks) == (wanted, blocks)
    assert f"{usage:g} of {limit:g} are used" in found.observed
    assert ("raise the quota" in found.mend) == (wanted is FAILED)


def test_without_a_redirect_there_is_no_proxy_of_port_80() -> None:
    facts = fresh(a_quota("TARGET_HTTP_PROXIES", 1, 1), config={"http": "disabled"})

    assert list(quotas.checks(facts)) == []


def test_what_stands_already_needs_nothing_more() -> None:
    found = one(standing(a_quota("FORWARDING_RULES", 2, 2), a_quota("STATIC_ADDRESSES", 1, 1)))

    assert (found.result, found.observed) == (PASSED, "nothing has to be made any more")


def test_half_a_load_balancer_needs_the_other_half() -> None:
    half = standing(a_quota("FORWARDING_RULES", 3, 2), **{annotations.HTTPS_FORWARDING_RULE: None})

    assert "1 more needed; 0 are left then" in one(half).observed


def test_a_metric_that_nobody_knows_is_left_alone() -> None:
    assert list(quotas.checks(fresh(a_quota("SNAPSHOTS", 1, 1)))) == []


def test_quotas_that_cannot_be_read_are_skipped_with_the_reason() -> None:
    facts = some_facts(cloud=Cloud("project-1", unread={"quotas": "HTTP 403"}))

    assert (one(facts).result, one(facts).observed) == (SKIPPED, "HTTP 403")


def test_a_certificate_that_google_has_made_already_needs_no_place() -> None:
    live = an_object("ManagedCertificate", f"{NAME}-tls", status={"certificateName": "mcrt-1"})
    config = {"certificate_mode": "google-managed"}

    without = fresh(a_quota("SSL_CERTIFICATES", 1, 1), config=config)
    having = without.having(live)

    assert one(without).ends_the_run
    assert list(quotas.checks(having)) == []
