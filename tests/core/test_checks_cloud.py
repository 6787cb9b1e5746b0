"""What the objects name in Compute, and the cluster by the GKE API."""

from typing import Any

import pytest

from tasks.core import annotations
from tasks.core.checks import Check, cloud, gke_cluster
from tasks.core.checks.facts import Cloud
from tests.core.check_objects import (
    FAILED,
    NAME,
    PASSED,
    SKIPPED,
    Json,
    a_backend_config,
    a_frontend_config,
    an_address,
    an_ingress,
    result,
    some_facts,
)

ADDRESS = f"addresses/{NAME}"


def named(*documents: Json, resources: Json | None = None, planned: bool = False, **more: Any) -> list[Check]:
    known = {ADDRESS: an_address()} | (resources or {})
    mine = {key: more.pop(key) for key in ("made", "address_name") if key in more}
    facts = some_facts(list(documents), cloud=Cloud("project-1", known, **more), planned=planned, **mine)
    return list(cloud.checks(facts))


def test_an_address_of_our_own_passes() -> None:
    assert {check.result for check in named()} == {PASSED}


@pytest.mark.parametrize(
    ("rule", "place", "document"),
    [
        pytest.param(
            "PreSharedCertificateCheck", "sslCertificates/own",
            an_ingress({annotations.PRE_SHARED_CERT: "mcrt-1,own"}),
            id="a pre-shared certificate",
        ),
        pytest.param(
            "SecurityPolicyExistenceCheck", "securityPolicies/own", a_backend_config(securityPolicy={"name": "own"}),
            id="a Cloud Armor policy",
        ),
        pytest.param(
            "SslPolicyExistenceCheck", "sslPolicies/own", a_frontend_config(sslPolicy="own"), id="an SSL policy",
        ),
    ],
)  # fmt: skip
def test_what_an_object_names_must_exist_in_the_project(rule: str, place: str, document: Json) -> None:
    missing = result(named(document, resources={place: None}), rule, place)

    assert missing.ends_the_run
    assert missing.observed == "does not exist in project project-1"
    assert "list --project project-1" in missing.mend
    assert result(named(document, resources={place: {"name": "own"}}), rule, place).result is PASSED
    assert result(named(document, unread={place: "403"}), rule, place).observed == "403"


@pytest.mark.parametrize("document", [a_backend_config(securityPolicy={"name": ""}), a_frontend_config(sslPolicy="")])
def test_an_empty_name_takes_a_policy_away_and_names_none(document: Json) -> None:
    assert not {check.name for check in named(document)} & {"SecurityPolicyExistenceCheck", "SslPolicyExistenceCheck"}


def test_an_address_that_is_missing_is_told_unless_this_run_reserves_it() -> None:
    live = result(named(resources={ADDRESS: None}), "StaticAddressCheck")
    planned = result(named(resources={ADDRESS: None}, made=frozenset({ADDRESS})), "StaticAddressCheck")

    assert f"gcloud compute addresses create {NAME} --global" in live.mend
    assert planned.observed == "is reserved by this run"


def test_a_reservation_that_is_gone_is_made_of_the_address_that_is_served() -> None:
    served = an_ingress() | {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}

    found = result(named(served, resources={ADDRESS: None}), "StaticAddressCheck")

    assert f"gcloud compute addresses create {NAME} --global --addresses=203.0.113.7" in found.mend


def test_a_name_of_nobodys_address_is_set_back() -> None:
    ingress = an_ingress({annotations.STATIC_IP_NAME: "mistyped"})

    found = result(
        named(ingress, resources={"addresses/mistyped": None}, address_name="mistyped"), "StaticAddressCheck"
    )

    assert f"annotate --overwrite ingress {NAME} '{annotations.STATIC_IP_NAME}={NAME}'" in found.mend


def test_a_regional_address_of_the_name_is_told_as_such() -> None:
    region = "https://www.googleapis.com/compute/v1/projects/project-1/regions/europe-west1"
    regional = (an_address(region=region, address="203.0.113.9"),)

    live = result(named(resources={ADDRESS: None}, regional_addresses=regional), "StaticAddressScopeCheck")
    planned = result(
        named(resources={ADDRESS: None}, regional_addresses=regional, planned=True), "StaticAddressScopeCheck"
    )

    assert live.observed.startswith("is an address of region europe-west1 (203.0.113.9)")
    assert (live.ends_the_run, planned.result, planned.blocks) == (True, FAILED, False)


def test_regions_that_cannot_be_read_are_not_guessed() -> None:
    found = named(resources={ADDRESS: None}, unread={"regional addresses": "403"})

    assert result(found, "StaticAddressScopeCheck").result is SKIPPED


@pytest.mark.parametrize(
    ("change", "observed"),
    [({"addressType": "INTERNAL"}, "INTERNAL IPV4"), ({"ipVersion": "IPV6"}, "EXTERNAL IPV6")],
)
def test_an_address_of_another_kind_is_told(change: Json, observed: str) -> None:
    found = result(named(resources={ADDRESS: an_address(**change)}), "StaticAddressTypeCheck")

    assert observed in found.observed


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        pytest.param({"description": '{"kubernetes.io/ingress-name": "other/shop"}'}, FAILED, id="another Ingress"),
        pytest.param({"description": f'{{"kubernetes.io/ingress-name": "default/{NAME}"}}'}, PASSED, id="ours"),
        pytest.param({}, FAILED, id="a rule made by hand"),
        pytest.param(None, PASSED, id="gone by now"),
    ],
)
def test_an_address_serves_one_load_balancer(rule: Json | None, wanted: str) -> None:
    address = an_address(users=["projects/project-1/global/forwardingRules/fr"])

    found = named(resources={ADDRESS: address, "forwardingRules/fr": rule})

    assert result(found, "StaticAddressUseCheck").result is wanted


def test_an_address_that_could_not_be_read_is_skipped_with_the_reason() -> None:
    facts = some_facts(cloud=Cloud("project-1", unread={ADDRESS: "HTTP 403"}))

    (found,) = cloud.checks(facts)

    assert (found.result, found.observed) == (SKIPPED, "HTTP 403")


CLUSTER = {"ipAllocationPolicy": {"useIpAliases": True}, "addonsConfig": {"httpLoadBalancing": {}}}
ASKED = {"gke_cluster": "prod", "gke_location": "europe-west1"}


@pytest.mark.parametrize(
    ("cluster", "vpc", "add_on"),
    [
        pytest.param(CLUSTER, PASSED, PASSED, id="as it should be"),
        pytest.param(CLUSTER | {"ipAllocationPolicy": {}}, FAILED, PASSED, id="routes"),
        pytest.param(
            CLUSTER | {"addonsConfig": {"httpLoadBalancing": {"disabled": True}}}, PASSED, FAILED, id="add-on off"
        ),
        pytest.param(None, SKIPPED, SKIPPED, id="not asked"),
    ],
)
def test_the_cluster_must_be_able_to_have_the_load_balancer(cluster: Json | None, vpc: str, add_on: str) -> None:
    found = list(gke_cluster.checks(some_facts(config=ASKED, cloud=Cloud("project-1", cluster=cluster))))

    assert result(found, "VpcNativeCheck").result is vpc
    assert result(found, "HttpLoadBalancingCheck").result is add_on


def test_the_add_on_is_switched_on_by_a_whole_command() -> None:
    off = CLUSTER | {"addonsConfig": {"httpLoadBalancing": {"disabled": True}}}
    found = list(gke_cluster.checks(some_facts(config=ASKED, cloud=Cloud("project-1", cluster=off))))

    assert result(found, "HttpLoadBalancingCheck").mend == (
        "Switch it on: gcloud container clusters update prod --location europe-west1 --project project-1 "
        "--update-addons=HttpLoadBalancing=ENABLED"
    )
