"""What the Compute API says on the wire: authentication, operations, errors, lists, faults."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import httpx
import pytest
from google.auth import crypt, jwt
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account

from sandbox.compute.server import ComputeApi
from sandbox.faults import Faults
from sandbox.latency import PROFILES, Latency

Finish = Callable[[httpx.Response], dict[str, Any]]
HEALTH_CHECK = {"name": "hc", "type": "HTTP", "httpHealthCheck": {"port": 9091, "requestPath": "/healthz"}}


def error(response: httpx.Response) -> tuple[int, str, str]:
    body = response.json()["error"]
    assert body["code"] == response.status_code
    assert body["errors"][0]["message"] == body["message"]
    return response.status_code, body["errors"][0]["reason"], body["message"]


def test_nobody_gets_in_without_a_token(compute: ComputeApi, rest: httpx.Client) -> None:
    assert error(httpx.get(f"{rest.base_url}global/addresses"))[:2] == (401, "required")
    for token in ("rubbish", compute.access_token("late", lifetime_seconds=-1), "a.b.c"):
        refused = rest.get("global/addresses", headers={"Authorization": f"Bearer {token}"})
        assert error(refused)[:2] == (401, "authError")
        assert refused.json()["error"]["status"] == "UNAUTHENTICATED"


def test_a_self_signed_token_of_the_service_account_is_accepted(compute: ComputeApi, rest: httpx.Client) -> None:
    key = compute.credentials()
    now = int(time.time())
    claims = {"iss": key["client_email"], "sub": key["client_email"], "iat": now, "exp": now + 60, "aud": "https://c/"}

    def status(signing_key: str, claims: dict[str, Any]) -> int:
        token = jwt.encode(crypt.RSASigner.from_string(signing_key), claims).decode()  # type: ignore[no-untyped-call]
        return rest.get("global/addresses", headers={"Authorization": f"Bearer {token}"}).status_code

    assert status(key["private_key"], claims) == 200
    assert status(key["private_key"], claims | {"exp": now - 3600, "iat": now - 7200}) == 401
    assert status(key["private_key"], claims | {"iss": "somebody@else"}) == 401


def test_the_token_endpoint_trades_a_signed_grant_for_a_token(compute: ComputeApi) -> None:
    scopes = ["https://www.googleapis.com/auth/compute"]
    credentials = service_account.Credentials.from_service_account_info(compute.credentials(), scopes=scopes)  # type: ignore[no-untyped-call]

    with AuthorizedSession(credentials) as session:  # type: ignore[no-untyped-call]
        response = session.get(f"{compute.url}/compute/v1/projects/{compute.project}")

    assert response.status_code == 200
    assert response.json()["kind"] == "compute#project"
    refused = httpx.post(f"{compute.url}/token", data={"grant_type": "password"})
    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_grant_type")


def test_an_insert_is_pending_first_and_done_at_the_next_look(rest: httpx.Client) -> None:
    operation = rest.post("global/addresses", json={"name": "a"}).json()
    assert (operation["kind"], operation["status"], operation["operationType"]) == (
        "compute#operation",
        "PENDING",
        "insert",
    )
    assert operation["user"] == "tester"
    assert operation["id"].isdigit()
    assert operation["targetLink"].endswith("/projects/sandbox-project/global/addresses/a")

    seen = rest.get(f"global/operations/{operation['name']}").json()

    assert (seen["status"], seen["progress"]) == ("DONE", 100)
    assert "error" not in seen


class TestWithLatency:
    @pytest.fixture
    def compute_latency(self) -> Latency:
        return PROFILES["fast"]

    def test_what_is_being_made_is_reserved_but_cannot_be_used(
        self, rest: httpx.Client, finish: Finish, compute_faults: Faults
    ) -> None:
        compute_faults.arm("slow-operations", seconds=4.0)
        reply = rest.post("global/addresses", json={"name": "a"})

        assert rest.get("global/addresses/a").json()["status"] == "RESERVING"
        assert error(rest.post("global/addresses", json={"name": "a"}))[:2] == (409, "alreadyExists")
        assert error(rest.delete("global/addresses/a"))[:2] == (400, "resourceNotReady")
        finish(reply)
        assert rest.get("global/addresses/a").json()["status"] == "RESERVED"

    def test_a_slow_operation_passes_through_running(
        self, rest: httpx.Client, finish: Finish, compute_faults: Faults
    ) -> None:
        compute_faults.arm("slow-operations", seconds=4.0)
        reply = rest.post("global/healthChecks", json=HEALTH_CHECK)
        assert rest.get("global/healthChecks/hc").status_code == 404

        seen = {rest.get(f"global/operations/{reply.json()['name']}").json()["status"]}
        while "DONE" not in seen:
            seen.add(rest.get(f"global/operations/{reply.json()['name']}").json()["status"])

        assert seen == {"PENDING", "RUNNING", "DONE"}
        assert rest.get("global/healthChecks/hc").status_code == 200


def test_a_repeated_request_id_acts_once(rest: httpx.Client, finish: Finish) -> None:
    parameters = {"requestId": str(uuid.uuid4())}

    first = rest.post("global/addresses", json={"name": "a"}, params=parameters)
    second = rest.post("global/addresses", json={"name": "a"}, params=parameters)

    assert first.json()["name"] == second.json()["name"]
    assert error(rest.post("global/addresses", json={"name": "a"})) == (
        409,
        "alreadyExists",
        "The resource 'projects/sandbox-project/global/addresses/a' already exists",
    )


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("global/addresses", {}, (400, "required", "Required field 'resource.name' not specified")),
        ("global/addresses", {"name": "Upper"}, (400, "invalid", "Invalid value for field 'resource.name': 'Upper'.")),
        ("global/nonsense", {"name": "a"}, (404, "notFound", "The requested URL")),
        ("zones/mars/networkEndpointGroups", {"name": "a"}, (400, "invalid", "Invalid value for field 'zone': 'mars'")),
        (
            "global/targetHttpProxies",
            {"name": "a", "urlMap": "global/urlMaps/nope"},
            (400, "invalid", "Invalid value for field 'resource.urlMap': 'global/urlMaps/nope'."),
        ),
        (
            "global/targetHttpProxies",
            {"name": "a", "urlMap": "nope"},
            (400, "invalid", "Invalid value for field 'resource.urlMap': 'nope'. The URL is malformed."),
        ),
        (
            "global/healthChecks",
            HEALTH_CHECK | {"timeoutSec": 60, "checkIntervalSec": 10},
            (400, "invalid", "Invalid value for field 'resource.timeoutSec': '60'."),
        ),
    ],
)
def test_refusals_in_googles_words(
    rest: httpx.Client, path: str, body: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    status, reason, message = error(rest.post(path, json=body))

    assert (status, reason) == expected[:2]
    assert message.startswith(expected[2])


def test_what_is_not_there_is_named_from_projects_on(rest: httpx.Client, compute: ComputeApi) -> None:
    assert error(rest.get("global/urlMaps/x")) == (
        404,
        "notFound",
        "The resource 'projects/sandbox-project/global/urlMaps/x' was not found",
    )
    assert (
        error(rest.get(f"{compute.url}/compute/v1/projects/other"))[2] == "The resource 'projects/other' was not found"
    )


def test_a_body_that_is_no_json_object_is_a_parse_error(rest: httpx.Client) -> None:
    assert error(rest.post("global/addresses", content=b"{"))[:2] == (400, "parseError")
    assert error(rest.post("global/addresses", content=b"[]"))[:2] == (400, "parseError")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("global/backendServices", {"name": "x", "backends": "y"}, "resource.backends"),
        ("global/backendServices", {"name": "x", "backends": ["y"]}, "resource.backends[0]"),
        ("global/backendServices", {"name": "x", "timeoutSec": "y"}, "resource.timeoutSec"),
        ("global/healthChecks", {"name": "x", "httpHealthCheck": []}, "resource.httpHealthCheck"),
        ("global/addresses", {"name": 7}, "resource.name"),
        ("global/sslCertificates", {"name": "x", "managed": {"domains": [7]}}, "resource.managed.domains[0]"),
    ],
)
def test_values_of_the_wrong_type_are_refused_by_field(
    rest: httpx.Client, path: str, body: dict[str, Any], field: str
) -> None:
    status, reason, message = error(rest.post(path, json=body))

    assert (status, reason) == (400, "badRequest")
    assert message.startswith(f"Invalid value at '{field}'")


def test_defaults_are_filled_in_as_compute_does(rest: httpx.Client, finish: Finish) -> None:
    finish(rest.post("global/healthChecks", json={"name": "hc", "type": "HTTP"}))
    finish(rest.post("global/backendServices", json={"name": "bs", "healthChecks": ["global/healthChecks/hc"]}))

    check, service = rest.get("global/healthChecks/hc").json(), rest.get("global/backendServices/bs").json()

    thresholds = ("checkIntervalSec", "timeoutSec", "healthyThreshold", "unhealthyThreshold")
    assert [check[key] for key in thresholds] == [5, 5, 2, 2]
    assert check["httpHealthCheck"] == {"port": 80, "requestPath": "/", "proxyHeader": "NONE"}
    assert (service["timeoutSec"], service["protocol"], service["loadBalancingScheme"]) == (30, "HTTP", "EXTERNAL")
    assert service["healthChecks"] == [check["selfLink"]]


def test_both_versions_look_into_one_store(rest: httpx.Client, finish: Finish, compute: ComputeApi) -> None:
    beta = f"{compute.url}/compute/beta/projects/{compute.project}/global/healthChecks"
    reply = rest.post(beta, json=HEALTH_CHECK)
    assert "/compute/beta/" in reply.json()["selfLink"]
    finish(reply)

    assert "/compute/v1/" in rest.get("global/healthChecks/hc").json()["selfLink"]
    assert "/compute/beta/" in rest.get(f"{beta}/hc").json()["selfLink"]


def test_lists_have_pages_filters_and_no_items_when_empty(rest: httpx.Client, finish: Finish) -> None:
    empty = rest.get("global/addresses").json()
    assert empty["kind"] == "compute#addressList"
    assert "items" not in empty
    for name in ("c", "a", "b"):
        finish(rest.post("global/addresses", json={"name": name}))

    def names(**parameters: str) -> tuple[list[str], str]:
        answer = rest.get("global/addresses", params=parameters).json()
        return [item["name"] for item in answer["items"]], answer.get("nextPageToken", "")

    first, token = names(maxResults="2")
    assert first == ["a", "b"]
    assert names(maxResults="2", pageToken=token) == (["c"], "")
    assert names(orderBy="name desc") == (["c", "b", "a"], "")
    assert names(filter='name eq "[ab]"') == (["a", "b"], "")
    assert error(rest.get("global/addresses", params={"maxResults": "501"}))[:2] == (400, "invalid")


def test_an_aggregated_list_has_every_scope(rest: httpx.Client, finish: Finish) -> None:
    finish(rest.post("zones/sandbox-zone-a/networkEndpointGroups", json={"name": "n"}))

    answer = rest.get("aggregated/networkEndpointGroups").json()

    assert answer["kind"] == "compute#networkEndpointGroupAggregatedList"
    assert [each["name"] for each in answer["items"]["zones/sandbox-zone-a"]["networkEndpointGroups"]] == ["n"]
    assert answer["items"]["global"]["warning"]["code"] == "NO_RESULTS_ON_PAGE"


def test_some_verbs_live_without_global_in_their_path(rest: httpx.Client) -> None:
    missing = "The resource 'projects/sandbox-project/global/targetHttpsProxies/p' was not found"
    body = {"urlMap": "global/urlMaps/m"}

    assert error(rest.post("targetHttpsProxies/p/setUrlMap", json=body))[2] == missing
    assert error(rest.post("targetHttpsProxies/p/setSslCertificates", json=body))[2] == missing
    assert error(rest.post("global/targetHttpsProxies/p/setSslPolicy", json=body))[2] == missing
    for wrong in ("global/targetHttpsProxies/p/setUrlMap", "targetHttpsProxies/p/setSslPolicy"):
        assert error(rest.post(wrong, json=body))[2] == "The requested URL was not found on this server."


def test_a_quota_counts_what_exists_and_refuses_one_more(
    rest: httpx.Client, finish: Finish, compute_faults: Faults
) -> None:
    finish(rest.post("global/addresses", json={"name": "a"}))

    def quota() -> dict[str, Any]:
        quotas = rest.get("").json()["quotas"]
        return next(each for each in quotas if each["metric"] == "STATIC_ADDRESSES")

    assert quota() == {"metric": "STATIC_ADDRESSES", "limit": 21.0, "usage": 1.0}

    compute_faults.arm("quota-exceeded", metric="STATIC_ADDRESSES", limit=8.0)
    assert error(rest.post("global/addresses", json={"name": "b"})) == (
        403,
        "quotaExceeded",
        "Quota 'STATIC_ADDRESSES' exceeded.  Limit: 8.0 globally.",
    )
    assert quota()["usage"] == quota()["limit"] == 8.0


def test_a_quota_can_be_found_exceeded_only_by_the_operation(
    rest: httpx.Client, finish: Finish, compute_faults: Faults
) -> None:
    compute_faults.arm("quota-exceeded", where="operation", limit=8.0)

    operation = finish(rest.post("global/addresses", json={"name": "b"}))

    assert operation["httpErrorStatusCode"] == 403
    assert operation["error"]["errors"][0]["code"] == "QUOTA_EXCEEDED"
    assert operation["error"]["errors"][0]["errorDetails"][0]["quotaInfo"]["limit"] == 8.0
    assert rest.get("global/addresses/b").status_code == 404


class TestWithASmallQuota:
    @pytest.fixture
    def compute_limits(self) -> dict[str, float]:
        return {"HEALTH_CHECKS": 1.0}

    def test_the_limit_holds_without_any_fault(self, rest: httpx.Client, finish: Finish) -> None:
        finish(rest.post("global/healthChecks", json=HEALTH_CHECK))

        refused = rest.post("global/healthChecks", json=HEALTH_CHECK | {"name": "hc2"})

        assert error(refused)[:2] == (403, "quotaExceeded")


@pytest.mark.parametrize(
    ("fault", "parameters", "expected"),
    [
        (
            "compute-forbidden",
            {"permission": "compute.globalAddresses.get"},
            (403, "forbidden", "Required 'compute.globalAddresses.get' permission for "
             "'projects/sandbox-project/global/addresses/a'"),
        ),
        ("rate-limited", {}, (403, "rateLimitExceeded", "Rate Limit Exceeded")),
        ("rate-limited", {"method": "globalAddresses.get"}, (403, "rateLimitExceeded", "Rate Limit Exceeded")),
        (
            "compute-unavailable",
            {"method": "GET"},
            (503, "backendError", "The service is currently unavailable. Please try again in 30 seconds."),
        ),
    ],
)  # fmt: skip
def test_faults_of_the_whole_api(
    rest: httpx.Client, compute_faults: Faults, fault: str, parameters: dict[str, str], expected: tuple[int, str, str]
) -> None:
    compute_faults.arm(fault, times=1, **parameters)

    assert error(rest.get("global/addresses/a")) == expected
    assert error(rest.get("global/addresses/a"))[0] == 404


def test_permissions_can_be_tested(rest: httpx.Client, compute: ComputeApi, compute_faults: Faults) -> None:
    url = f"{compute.url}/v1/projects/{compute.project}:testIamPermissions"
    asked = ["compute.globalAddresses.create", "compute.globalAddresses.get"]

    assert rest.post(url, json={"permissions": asked}).json() == {"permissions": asked}

    compute_faults.arm("compute-forbidden", permission="compute.globalAddresses.create")
    assert rest.post(url, json={"permissions": asked}).json() == {"permissions": asked[1:]}
    assert rest.post(url, json={"permissions": asked[:1]}).json() == {}
    assert rest.post(url, json={"permissions": ["compute.*"]}).status_code == 400


def test_a_batch_carries_many_calls(compute: ComputeApi, rest: httpx.Client) -> None:
    path = f"/compute/v1/projects/{compute.project}/global/addresses"
    body = (
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <x+1>\r\n\r\nGET {path} HTTP/1.1\r\n\r\n\r\n"
        f"--b\r\nContent-Type: application/http\r\nContent-ID: <x+2>\r\n\r\nGET {path}/nope HTTP/1.1\r\n\r\n\r\n"
        "--b--\r\n"
    )
    headers = {"Content-Type": 'multipart/mixed; boundary="b"'}

    reply = rest.post(f"{compute.url}/batch/compute/v1", content=body, headers=headers)

    assert reply.headers["content-type"].startswith("multipart/mixed; boundary=")
    assert "Content-ID: <response-x+1>" in reply.text
    assert "HTTP/1.1 200 OK" in reply.text
    assert "HTTP/1.1 404 Not Found" in reply.text


def test_requests_are_counted_by_user_and_verb(rest: httpx.Client, finish: Finish, compute: ComputeApi) -> None:
    finish(rest.post("global/addresses", json={"name": "a"}))
    rest.get("global/addresses")
    rest.get("global/addresses/nope")
    finish(rest.delete("global/addresses/a"))

    counts = compute.request_counts("tester")

    assert {key: counts[key] for key in ("create", "list", "delete", "refused")} == {
        "create": 1,
        "list": 1,
        "delete": 1,
        "refused": 1,
    }
    assert compute.request_counts("somebody else") == {}


def test_the_change_feed_answers_as_soon_as_something_changes(rest: httpx.Client, compute: ComputeApi) -> None:
    feed = f"{compute.url}/sandbox/v1/generation"
    now = rest.get(feed).json()["generation"]
    assert rest.get(feed, params={"after": now, "wait_seconds": 0.05}).json() == {"generation": now}

    with ThreadPoolExecutor(1) as other:
        change = other.submit(rest.get, feed, params={"after": now, "wait_seconds": 20})
        rest.post("global/addresses", json={"name": "a"})

        assert change.result().json()["generation"] > now
        assert change.result().elapsed.total_seconds() < 10


def test_stopping_answers_whoever_waits_for_a_change(rest: httpx.Client, compute: ComputeApi) -> None:
    feed = f"{compute.url}/sandbox/v1/generation"
    now = rest.get(feed).json()["generation"]

    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(rest.get, feed, params={"after": now, "wait_seconds": 50})
        with pytest.raises(FutureTimeout):
            waiting.result(timeout=0.3)
        compute.stop()

        assert waiting.result(timeout=5).json() == {"generation": now}


def test_what_a_page_token_holds_is_nobodys_business_but_rubbish_is_refused(rest: httpx.Client) -> None:
    token = base64.urlsafe_b64encode(json.dumps({"x": 1}).encode()).decode()

    assert error(rest.get("global/addresses", params={"pageToken": token}))[:2] == (400, "invalid")
