"""The GKE API finds the cluster, Google's tokens let one in, and they die when they should."""

import time
from typing import Any

import httpx
import pytest

from sandbox.compute.server import ComputeApi
from sandbox.faults import Faults

CLUSTERS = "/v1/projects/sandbox-project/locations/europe-west1/clusters"
TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"


@pytest.fixture
def google(compute: ComputeApi) -> Any:
    compute.clusters.add("europe-west1", "prod", endpoint="127.0.0.1:1", ca_certificate="Zm9v", version="1.33.5-gke.1")
    with httpx.Client(base_url=compute.url, trust_env=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def from_metadata(google: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = google.get(TOKEN, headers={"Metadata-Flavor": "Google"}).json()
    return answer


def test_a_cluster_is_described_with_endpoint_and_authority(google: httpx.Client, compute: ComputeApi) -> None:
    found = google.get(f"{CLUSTERS}/prod", headers=bearer(compute.access_token("me"))).json()

    assert (found["endpoint"], found["status"]) == ("127.0.0.1:1", "RUNNING")
    assert found["masterAuth"]["clusterCaCertificate"] == "Zm9v"


@pytest.mark.parametrize("location", ["europe-west1", "-"])
def test_clusters_are_listed_by_location_or_everywhere(
    google: httpx.Client, compute: ComputeApi, location: str
) -> None:
    path = f"/v1/projects/sandbox-project/locations/{location}/clusters"

    found = google.get(path, headers=bearer(compute.access_token("me"))).json()

    assert [each["name"] for each in found["clusters"]] == ["prod"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        pytest.param(
            f"{CLUSTERS}/none",
            404,
            "Not found: projects/sandbox-project/locations/europe-west1/clusters/none.",
            id="no such cluster",
        ),
        pytest.param(
            "/v1/projects/other/locations/europe-west1/clusters/prod",
            403,
            'Required "container.clusters.get" permission(s) for "projects/other".',
            id="somebody else's project",
        ),
    ],
)
def test_a_refusal_is_a_google_rpc_status(
    google: httpx.Client, compute: ComputeApi, path: str, status: int, message: str
) -> None:
    answer = google.get(path, headers=bearer(compute.access_token("me")))

    assert answer.status_code == status
    assert answer.json()["error"]["message"] == message


def test_a_permission_can_be_taken_away(google: httpx.Client, compute: ComputeApi, compute_faults: Faults) -> None:
    compute_faults.arm("compute-forbidden", permission="container.clusters.get")

    assert google.get(f"{CLUSTERS}/prod", headers=bearer(compute.access_token("me"))).status_code == 403


def test_the_metadata_server_answers_only_who_knows_it(google: httpx.Client, compute: ComputeApi) -> None:
    """The header keeps a program from being led there by a URL alone."""
    assert google.get(TOKEN).status_code == 403
    assert compute.user_of(from_metadata(google)["access_token"]) == compute.credentials()["client_email"]


def test_the_metadata_server_gives_the_same_token_until_its_end_is_near(
    google: httpx.Client, compute_faults: Faults
) -> None:
    assert from_metadata(google)["access_token"] == from_metadata(google)["access_token"]

    compute_faults.arm("short-tokens", seconds=0.4)
    short = from_metadata(google)["access_token"]
    again = from_metadata(google)["access_token"]
    time.sleep(0.35)

    assert short == again
    assert from_metadata(google)["access_token"] != short


def test_a_short_token_is_refused_with_401_once_it_is_over(
    google: httpx.Client, compute: ComputeApi, compute_faults: Faults
) -> None:
    compute_faults.arm("short-tokens", seconds=0.3)
    token = from_metadata(google)["access_token"]
    alive = google.get(f"{CLUSTERS}/prod", headers=bearer(token))
    time.sleep(0.35)
    dead = google.get(f"{CLUSTERS}/prod", headers=bearer(token))

    assert (alive.status_code, dead.status_code) == (200, 401)
    assert dead.json()["error"]["errors"][0]["reason"] == "authError"
    assert compute.user_of(token) == ""


def test_a_revoked_token_stays_revoked_and_others_do_not_fall_with_it(
    google: httpx.Client, compute: ComputeApi, compute_faults: Faults
) -> None:
    mine, controllers = from_metadata(google)["access_token"], compute.access_token("ingress-controller")
    compute_faults.arm("token-revoked", times=1)

    own = google.get(f"{CLUSTERS}/prod", headers=bearer(controllers)).status_code
    first = google.get(f"{CLUSTERS}/prod", headers=bearer(mine)).status_code
    second = google.get(f"{CLUSTERS}/prod", headers=bearer(mine)).status_code

    assert (own, first, second) == (200, 401, 401)
    assert "token-revoked" not in compute_faults.armed()
    assert from_metadata(google)["access_token"] != mine


def test_a_refresh_token_is_worth_an_access_token(google: httpx.Client, compute: ComputeApi) -> None:
    facts = compute.authorized_user()
    form = {"grant_type": "refresh_token", "refresh_token": facts["refresh_token"]}

    good = google.post("/token", data=form)
    bad = google.post("/token", data=form | {"refresh_token": "1//stolen"})

    assert compute.user_of(good.json()["access_token"])
    assert (bad.status_code, bad.json()["error"]) == (400, "invalid_grant")
