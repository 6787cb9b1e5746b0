"""The A record: written where a zone is named, shown where none is, and always checked by asking."""

import logging

import pytest

from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import AccessRefused, ResourceFailed, Unreachable
from tasks.core.progress import Change
from tasks.dns_record import DnsRecord, apply_dns_record, check_dns_record
from tests.tasks.world import World

ADDRESS = "203.0.113.7"


@pytest.fixture
def zone() -> str:
    """The sandbox's zone milvus.example.; every test has a name of its own in it."""
    return "sandbox-zone"


def apply(config: LoadBalancerConfig) -> Change:
    (change,) = apply_dns_record.fn(config, ADDRESS)
    return change


def check(world: World, zone: str = "") -> DnsRecord:
    (record,) = check_dns_record.fn(world.config(dns_managed_zone=zone), ADDRESS)
    return record


def test_a_record_is_written_then_resolves_and_is_left_alone(world: World, zone: str) -> None:
    config = world.config(dns_managed_zone=zone)

    made = apply(config)

    before = world.writes()
    again = apply(config)
    assert (made.action, again.action) == ("created", "unchanged")
    assert world.writes() == before
    assert check(world, zone).right


def test_a_record_that_points_elsewhere_is_updated_and_the_old_address_told(world: World, zone: str) -> None:
    world.record("A", "192.0.2.1")

    change = apply(world.config(dns_managed_zone=zone))

    assert (change.action, change.detail) == ("updated", f"{ADDRESS} (was 192.0.2.1)")
    assert check(world, zone).answers == (ADDRESS,)


def test_every_domain_gets_its_record(world: World, zone: str) -> None:
    config = world.config(dns_managed_zone=zone, additional_domains=f"b.{world.domain}")

    changes = apply_dns_record.fn(config, ADDRESS)

    assert [change.action for change in changes] == ["created", "created"]
    assert all(record.right for record in check_dns_record.fn(config, ADDRESS))


def test_a_cname_in_the_way_is_told_with_the_command_that_removes_it(world: World, zone: str) -> None:
    world.record("CNAME", "elsewhere.example.")
    before = world.writes()

    with pytest.raises(ResourceFailed) as caught:
        apply(world.config(dns_managed_zone=zone))

    assert "is a CNAME" in caught.value.observed
    assert caught.value.mend == (
        f"Remove it: gcloud dns record-sets delete {world.domain}. --type=CNAME --zone=sandbox-zone"
    )
    assert world.writes() == before


@pytest.mark.parametrize("domain", ["milvus.example.com", "notmilvus.example"])
def test_a_domain_outside_of_the_zone_is_told(world: World, zone: str, domain: str) -> None:
    with pytest.raises(ResourceFailed, match=r"is not in the zone milvus\.example\.") as caught:
        apply(world.config(dns_managed_zone=zone, domain=domain))

    assert caught.value.layer == "dns"


def test_a_zone_that_is_not_there_is_told_with_how_to_see_them(world: World) -> None:
    with pytest.raises(ResourceFailed) as caught:
        apply(world.config(dns_managed_zone="nowhere"))

    assert str(caught.value).startswith("managedZones/nowhere: does not exist in project sandbox-project")
    assert "gcloud dns managed-zones list --project=sandbox-project" in caught.value.mend


def test_a_zone_of_another_project_that_we_may_not_see_is_told(world: World) -> None:
    with pytest.raises((AccessRefused, ResourceFailed)) as caught:
        apply(world.config(dns_managed_zone="sandbox-zone", dns_project="somebody-elses"))

    assert caught.value.layer == "dns"


def test_a_cloud_dns_that_is_not_there_is_unreachable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_L7_DNS_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(Unreachable, match="Cloud DNS did not answer"):
        apply(world.config(dns_managed_zone="sandbox-zone"))


def test_without_a_zone_the_record_to_create_is_shown(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        record = check(world)

    assert not record.right
    assert record.answers == ()
    assert f"create this record: {world.domain}. 300 IN A {ADDRESS}" in caplog.text


def test_a_stray_ipv6_record_is_told_since_it_breaks_a_google_managed_certificate(
    world: World, zone: str, caplog: pytest.LogCaptureFixture
) -> None:
    apply(world.config(dns_managed_zone=zone))
    world.record("AAAA", "2001:db8::1")

    with caplog.at_level(logging.WARNING):
        record = check(world, zone)

    assert set(record.answers) == {ADDRESS, "2001:db8::1"}
    assert f"remove every record of it but {ADDRESS}, that is, 2001:db8::1" in caplog.text


def test_a_name_server_that_fails_is_not_mistaken_for_a_missing_record(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.faults.arm("dns-servfail")

    with caplog.at_level(logging.WARNING):
        record = check(world)

    assert not record.right
    assert "does not answer" in record.error
    assert "is not answered" in caplog.text
    assert "resolves to nothing" not in caplog.text


def test_a_record_that_is_right_says_nothing(world: World, zone: str, caplog: pytest.LogCaptureFixture) -> None:
    apply(world.config(dns_managed_zone=zone))

    with caplog.at_level(logging.WARNING):
        assert check(world, zone).right

    assert not caplog.records
