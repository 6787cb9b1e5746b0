"""The pure parts of the Compute emulator, by table."""

import datetime as dt
from typing import Any

import pytest

from sandbox.compute import certificates, fields, filters, links, rules
from sandbox.compute.certificates import Lookup, Situation
from sandbox.compute.errors import GoogleError
from sandbox.compute.links import Ref

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DOMAIN, FRONT_END = "m.example.com", "127.1.1.1"


@pytest.mark.parametrize(
    ("link", "ref"),
    [
        ("https://www.googleapis.com/compute/v1/projects/p/global/urlMaps/m", Ref("urlMaps", "m")),
        ("https://compute.googleapis.com/compute/beta/projects/p/global/urlMaps/m", Ref("urlMaps", "m")),
        ("http://127.0.0.1:4711/compute/v1/projects/p/global/urlMaps/m", Ref("urlMaps", "m")),
        ("projects/p/zones/z/networkEndpointGroups/n", Ref("networkEndpointGroups", "n", "z")),
        ("global/urlMaps/m", Ref("urlMaps", "m")),
        pytest.param("projects/other/global/urlMaps/m", None, id="another project"),
        pytest.param("m", None, id="a bare name"),
        pytest.param(7, None, id="no text"),
    ],
)
def test_a_reference_is_read_whatever_host_version_and_prefix_it_has(link: object, ref: Ref | None) -> None:
    assert links.parse(link, "p") == ref


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("name = a1", ["a1"]),
        ("name = a*", ["a1", "a2"]),
        ('name eq "a.*"', ["a1", "a2"]),
        ("name ne a1", ["a2", "b1"]),
        ("status != IN_USE", ["a2"]),
        ("(status = IN_USE) AND (name = a1)", ["a1"]),
        ("(status = IN_USE) (name = a1)", ["a1"]),
        ("name = a2 OR name = b1", ["a2", "b1"]),
        ("labels.team : pay*", ["b1"]),
        ("NOT status = IN_USE", ["a2"]),
        ("size > 9", ["b1"]),
    ],
)
def test_list_filters(expression: str, names: list[str]) -> None:
    resources: list[dict[str, Any]] = [
        {"name": "a1", "status": "IN_USE", "size": 2},
        {"name": "a2", "status": "RESERVED"},
        {"name": "b1", "status": "IN_USE", "size": 10, "labels": {"team": "payments"}},
    ]

    assert [each["name"] for each in resources if filters.parse(expression)(each)] == names


@pytest.mark.parametrize("expression", ["name", "name =", "= x", "(name = x", "name ~ x", 'name eq "(" extra'])
def test_a_malformed_filter_is_refused(expression: str) -> None:
    with pytest.raises(GoogleError) as refused:
        filters.parse(expression)({"name": "x"})

    assert (refused.value.status, refused.value.reason) == (400, "invalid")


def test_merging_a_patch_replaces_lists_and_removes_nulls() -> None:
    resource = {"a": [1, 2], "b": {"c": 1, "d": 2}, "e": 1}

    assert fields.merged(resource, {"a": [3], "b": {"c": None}, "e": None}) == {"a": [3], "b": {"d": 2}}


@pytest.mark.parametrize(
    ("collection", "resource", "field"),
    [
        pytest.param(
            "healthChecks",
            {"type": "HTTP", "checkIntervalSec": 5, "timeoutSec": 6, "healthyThreshold": 2, "unhealthyThreshold": 2},
            "timeoutSec",
            id="timeout longer than interval",
        ),
        pytest.param("urlMaps", {}, "defaultService", id="map without a default"),
        pytest.param(
            "urlMaps",
            {"defaultService": "s", "hostRules": [{"hosts": ["h"], "pathMatcher": "x"}]},
            "pathMatcher",
            id="host rule without its matcher",
        ),
        pytest.param(
            "backendServices",
            {"healthChecks": ["h"], "backends": [{"group": "zones/z/networkEndpointGroups/n"}]},
            "balancingMode",
            id="rate without a rate",
        ),
        pytest.param(
            "backendServices",
            {"backends": [{"group": "g", "balancingMode": "UTILIZATION"}]},
            "healthChecks",
            id="backends without a health check",
        ),
        pytest.param("targetHttpsProxies", {"urlMap": "u"}, "SSL certificate", id="no certificate"),
        pytest.param("targetHttpsProxies", {"urlMap": "u", "sslCertificates": ["c"] * 16}, "sslCertificates", id="16"),
        pytest.param(
            "forwardingRules", {"target": "t", "portRange": "80-90", "IPProtocol": "TCP"}, "portRange", id="range"
        ),
        pytest.param("firewalls", {"direction": "INGRESS"}, "allowed", id="firewall that says nothing"),
    ],
)
def test_what_a_resource_must_satisfy(collection: str, resource: dict[str, Any], field: str) -> None:
    with pytest.raises(GoogleError) as refused:
        rules.check(collection, resource)

    assert refused.value.status == 400
    assert field in refused.value.message


@pytest.mark.parametrize("name", ["", "Upper", "1digit", "dash-", "a" * 64, "under_score"])
def test_names_that_compute_refuses(name: str) -> None:
    with pytest.raises(GoogleError):
        rules.check_name(name)


def situation(**changes: Any) -> Situation:
    values: dict[str, Any] = {
        "domains": (DOMAIN,),
        "front_ends": frozenset({FRONT_END}),
        "lookups": {DOMAIN: Lookup(frozenset({FRONT_END}))},
        "forced": {},
    }
    return Situation(**values | changes)


def judged(
    case: Situation, *, ready_at: dt.datetime | None = None, age: float = 100, first_look: float = 0, delay: float = 60
) -> tuple[str, str, dt.datetime | None]:
    verdict = certificates.judge(
        case,
        created=NOW - dt.timedelta(seconds=age),
        ready_at=ready_at,
        now=NOW,
        first_look=dt.timedelta(seconds=first_look),
        delay=lambda: dt.timedelta(seconds=delay),
    )
    return verdict.status, verdict.domains[DOMAIN], verdict.ready_at


@pytest.mark.parametrize(
    ("case", "status", "domain_status"),
    [
        pytest.param(situation(), "PROVISIONING", "PROVISIONING", id="everything holds, it takes its time"),
        pytest.param(situation(front_ends=frozenset()), "PROVISIONING", "FAILED_NOT_VISIBLE", id="attached nowhere"),
        pytest.param(situation(lookups={}), "PROVISIONING", "FAILED_NOT_VISIBLE", id="no such domain"),
        pytest.param(
            situation(lookups={DOMAIN: Lookup(frozenset({FRONT_END, "::1"}))}),
            "PROVISIONING",
            "FAILED_NOT_VISIBLE",
            id="resolves to something else too",
        ),
        pytest.param(
            situation(lookups={DOMAIN: Lookup(frozenset({FRONT_END}), "forbidden")}),
            "PROVISIONING_FAILED",
            "FAILED_CAA_FORBIDDEN",
            id="caa names another authority",
        ),
        pytest.param(
            situation(lookups={DOMAIN: Lookup(frozenset({FRONT_END}), "unknown")}),
            "PROVISIONING_FAILED",
            "FAILED_CAA_CHECKING",
            id="caa cannot be looked up",
        ),
        pytest.param(
            situation(forced={DOMAIN: "FAILED_RATE_LIMITED"}),
            "PROVISIONING_FAILED",
            "FAILED_RATE_LIMITED",
            id="fault",
        ),
        pytest.param(situation(stuck=True), "PROVISIONING", "PROVISIONING", id="stuck"),
    ],
)
def test_status_of_a_certificate_that_is_not_issued(case: Situation, status: str, domain_status: str) -> None:
    assert judged(case)[:2] == (status, domain_status)


def test_a_certificate_becomes_active_once_the_time_drawn_when_conditions_held_is_over() -> None:
    _, _, ready_at = judged(situation(), delay=60)
    assert ready_at == NOW + dt.timedelta(seconds=60)

    assert judged(situation(), ready_at=NOW)[:2] == ("ACTIVE", "ACTIVE")


def test_lost_conditions_start_the_time_anew() -> None:
    assert judged(situation(lookups={}), ready_at=NOW)[2] is None


def test_a_young_certificate_does_not_fail_before_the_first_look() -> None:
    unattached = situation(front_ends=frozenset())

    assert judged(unattached, age=5, first_look=10)[1] == "PROVISIONING"
    assert judged(unattached, age=15, first_look=10)[1] == "FAILED_NOT_VISIBLE"


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        ([], "allowed"),
        ([("iodef", "mailto:x@example.com")], "allowed"),
        ([("issue", "pki.goog")], "allowed"),
        ([("issue", "letsencrypt.org; validationmethods=http-01")], "allowed"),
        ([("issue", "ca.example.net")], "forbidden"),
        ([("issue", ";")], "forbidden"),
    ],
)
def test_caa_records(records: list[tuple[str, str]], verdict: str) -> None:
    assert certificates.caa_verdict(records) == verdict
