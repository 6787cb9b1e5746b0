"""URL maps as Envoy routes, by table."""

from typing import Any

import pytest

from sandbox.dataplane.routes import route_configuration
from sandbox.dataplane.snapshot import Snapshot

Json = dict[str, Any]
SERVICES: dict[str, Json] = {
    "be": {"name": "be", "backends": [{"group": "g"}]},
    "slow": {"name": "slow", "backends": [{"group": "g"}], "timeoutSec": 2147483647},
    "default": {"name": "default", "description": '{"kubernetes.io/service-name":"kube-system/default-http-backend"}'},
}


def routes(url_map: Json, host: str) -> list[Json]:
    url_map = {"defaultService": "global/backendServices/default", **url_map}
    table = route_configuration("r", url_map, Snapshot(backend_services=SERVICES), https_port=8443)
    found: list[Json] = next(each["routes"] for each in table["virtual_hosts"] if each["domains"] == [host])
    return found


def a_map(rules: list[Json], host: str = "a.example.com") -> Json:
    matcher = {"name": "m", "defaultService": "global/backendServices/default", "pathRules": rules}
    return {"hostRules": [{"hosts": [host], "pathMatcher": "m"}], "pathMatchers": [matcher]}


def test_the_longest_path_wins_and_an_exact_path_before_a_prefix() -> None:
    paths = ["/*", "/a/*", "/a/b/*", "/a/b", "/a"]
    found = routes(a_map([{"paths": paths, "service": "global/backendServices/be"}]), "a.example.com")

    assert [route["match"] for route in found] == [
        {"path": "/a/b"},
        {"path": "/a"},
        {"prefix": "/a/b/"},
        {"prefix": "/a/"},
        {"prefix": "/"},
    ]


def test_a_path_that_no_rule_wants_goes_to_the_matchers_default() -> None:
    found = routes(a_map([{"paths": ["/"], "service": "global/backendServices/be"}]), "a.example.com")

    assert found[0]["match"] == {"path": "/"}
    assert found[1]["direct_response"]["status"] == 404


@pytest.mark.parametrize(("service", "timeout"), [("be", "30s"), ("slow", "2147483647s")])
def test_the_timeout_bounds_requests_and_streams(service: str, timeout: str) -> None:
    action = routes(a_map([{"paths": ["/*"], "service": f"global/backendServices/{service}"}]), "a.example.com")[0]

    assert action["route"]["timeout"] == timeout
    assert action["route"]["max_stream_duration"] == {"max_stream_duration": timeout}


def test_hosts_are_matched_in_any_case_and_without_their_port() -> None:
    found = routes(
        a_map([{"paths": ["/*"], "service": "global/backendServices/be"}], "A.example.com:443"), "a.example.com"
    )

    assert found[0]["route"]["cluster"] == "be"


def test_a_rule_for_every_host_replaces_the_default() -> None:
    found = routes(a_map([{"paths": ["/*"], "service": "global/backendServices/be"}], "*"), "*")

    assert found[0]["route"]["cluster"] == "be"


def test_a_redirect_leads_to_where_https_really_listens() -> None:
    redirect = {"httpsRedirect": True, "redirectResponseCode": "PERMANENT_REDIRECT"}

    found = routes({"defaultService": "", "defaultUrlRedirect": redirect}, "*")

    assert found[0]["redirect"] == {
        "response_code": "PERMANENT_REDIRECT",
        "https_redirect": True,
        "port_redirect": 8443,
    }


def test_a_backend_service_that_is_gone_is_a_bad_gateway() -> None:
    found = routes(a_map([{"paths": ["/*"], "service": "global/backendServices/gone"}]), "a.example.com")

    assert found[0]["direct_response"]["status"] == 502
