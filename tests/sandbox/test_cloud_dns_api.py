"""The Cloud DNS API, through google-cloud-dns and by hand."""

from collections.abc import Iterator

import dns.resolver
import google.cloud.dns as cloud_dns
import httpx
import pytest
from google.api_core import exceptions
from google.oauth2 import service_account

from sandbox.compute.server import ComputeApi
from sandbox.dns.server import DnsServer, Zones
from sandbox.faults import Faults


@pytest.fixture
def client(compute: ComputeApi) -> cloud_dns.Client:
    credentials = service_account.Credentials.from_service_account_info(compute.credentials())  # type: ignore[no-untyped-call]
    return cloud_dns.Client(compute.project, credentials, client_options={"api_endpoint": compute.url})


@pytest.fixture
def records(compute: ComputeApi, zones: Zones) -> Iterator[httpx.Client]:
    zones.create("example", "example.com.")
    headers = {"Authorization": f"Bearer {compute.access_token('tester')}"}
    base = f"{compute.url}/dns/v1/projects/{compute.project}/managedZones/example/"
    with httpx.Client(base_url=base, headers=headers, trust_env=False) as rest:
        yield rest


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["errors"][0]["reason"], error["message"]


def test_a_record_made_by_the_official_client_is_served(client: cloud_dns.Client, name_server: DnsServer) -> None:
    zone = client.zone("example", dns_name="example.com.", description="made in a test")
    zone.create()
    record = zone.resource_record_set("milvus.example.com.", "A", 60, ["127.1.1.1"])

    changes = zone.changes()
    changes.add_record_set(record)
    changes.create()

    assert changes.status == "done"
    assert [each.name for each in client.list_zones()] == ["example"]
    listed = {(each.name, each.record_type): each.rrdatas for each in zone.list_resource_record_sets()}
    assert listed["milvus.example.com.", "A"] == ["127.1.1.1"]
    assert {kind for _, kind in listed} == {"A", "NS", "SOA"}
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], name_server.port
    assert [str(each) for each in resolver.resolve("milvus.example.com", "A")] == ["127.1.1.1"]

    with pytest.raises(exceptions.BadRequest, match="cannot be deleted because it contains"):
        zone.delete()
    removal = zone.changes()
    removal.delete_record_set(record)
    removal.create()
    zone.delete()
    assert not zone.exists()


def test_a_change_is_all_or_nothing(client: cloud_dns.Client) -> None:
    zone = client.zone("example", dns_name="example.com.", description="x")
    zone.create()
    changes = zone.changes()
    changes.add_record_set(zone.resource_record_set("a.example.com.", "A", 60, ["127.1.1.1"]))
    changes.delete_record_set(zone.resource_record_set("b.example.com.", "A", 60, ["127.1.1.1"]))

    with pytest.raises(exceptions.NotFound, match=r"'entity\.change\.deletions"):
        changes.create()

    assert {each.record_type for each in zone.list_resource_record_sets()} == {"NS", "SOA"}


def test_record_sets_can_be_made_changed_and_deleted_one_by_one(records: httpx.Client) -> None:
    body = {"name": "m.example.com.", "type": "A", "ttl": 60, "rrdatas": ["127.1.1.1"]}
    assert records.post("rrsets", json=body).json()["kind"] == "dns#resourceRecordSet"

    changed = records.patch("rrsets/m.example.com./A", json={"ttl": 30, "rrdatas": ["127.1.1.2"]})
    assert (changed.json()["ttl"], changed.json()["rrdatas"]) == (30, ["127.1.1.2"])
    assert records.get("rrsets/m.example.com./A").json()["rrdatas"] == ["127.1.1.2"]
    listed = records.get("rrsets", params={"name": "m.example.com.", "type": "A"}).json()
    assert [each["ttl"] for each in listed["rrsets"]] == [30]

    assert records.delete("rrsets/m.example.com./A").status_code == 200
    assert refusal(records.get("rrsets/m.example.com./A"))[:2] == (404, "notFound")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"additions": [{"name": "example.com.", "type": "NS", "ttl": 1, "rrdatas": ["ns.example.com."]}]},
            (
                409,
                "alreadyExists",
                "The resource 'entity.change.additions[0]' named 'example.com. (NS)' already exists",
            ),
        ),
        (
            {"additions": [{"name": "m.example.com.", "type": "A", "ttl": 1, "rrdatas": ["x"]}]},
            (400, "invalid", "Invalid value for 'entity.change.additions[0].rrdata[0]': 'x'"),
        ),
        (
            {"additions": [{"name": "m.example.net.", "type": "A", "ttl": 1, "rrdatas": ["127.1.1.1"]}]},
            (400, "invalid", "Invalid value for 'entity.change.additions[0].name': 'm.example.net.'"),
        ),
        (
            {"deletions": [{"name": "example.com.", "type": "NS", "ttl": 1, "rrdatas": ["ns.example.com."]}]},
            (412, "conditionNotMet", "Precondition not met for 'entity.change.deletions[0]'"),
        ),
    ],
)
def test_refusals_in_googles_words(records: httpx.Client, body: object, expected: tuple[int, str, str]) -> None:
    assert refusal(records.post("changes", json=body)) == expected


def test_a_zone_that_does_not_exist_is_named(records: httpx.Client) -> None:
    assert refusal(records.get("../nope")) == (
        404,
        "notFound",
        "The 'parameters.managedZone' resource named 'nope' does not exist.",
    )


def test_a_permission_can_be_taken_away(records: httpx.Client, compute_faults: Faults) -> None:
    compute_faults.arm("compute-forbidden", permission="dns.changes.create")

    body = {"additions": [{"name": "m.example.com.", "type": "A", "ttl": 1, "rrdatas": ["127.1.1.1"]}]}

    assert refusal(records.post("changes", json=body))[:2] == (403, "forbidden")
    assert records.get("rrsets").status_code == 200
