"""The address and the Compute API behind it: adopted or reserved, and every refusal told with its cause."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.compute_client import ComputeClient
from tasks.clients import compute
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import AccessRefused, NotReadyInTime, ProvisioningError, ResourceFailed, Unreachable
from tasks.core.progress import Journal
from tasks.global_address import Address, reserve_address
from tests.tasks.world import World


def reserve(config: LoadBalancerConfig) -> Address:
    return reserve_address.fn(config)


def free(world: World) -> None:
    """Addresses of the project are few."""
    compute.api(world.config()).delete("addresses", world.service)


@pytest.fixture
def somebody(world: World) -> Iterator[ComputeClient]:
    api = world.stack.compute
    somebody = ComputeClient(api.url, api.access_token("somebody"), api.project)
    yield somebody
    somebody.close()


def test_an_address_is_reserved_and_then_found(world: World, journal: Journal) -> None:
    made = reserve(world.config())
    before = world.writes()

    found = reserve(world.config())

    assert (made.change.action, found.change.action) == ("created", "unchanged")
    assert made.address == found.address
    assert made.address.count(".") == 3
    assert world.writes() == before
    assert [change.resource for change in journal.writes] == [
        f"configmap {world.namespace}/{world.service}-l7",
        f"addresses/{world.service}",
    ]
    free(world)


def test_an_address_that_somebody_reserved_is_adopted(world: World, somebody: ComputeClient) -> None:
    somebody.insert("global/addresses", {"name": "shop-ip"})
    before = world.writes()

    found = reserve(world.config(address_name="shop-ip"))

    assert found.address == somebody.get("global/addresses/shop-ip")["address"]
    assert world.writes() == before


def test_runs_at_the_same_moment_reserve_one_address(world: World) -> None:
    """The loser of the race is told to try again, and then finds it."""

    def run(_number: int) -> str:
        try:
            return reserve(world.config()).address
        except Unreachable:
            return reserve(world.config()).address

    with ThreadPoolExecutor(3) as pool:
        addresses = set(pool.map(run, range(3)))

    assert len(addresses) == 1
    free(world)


@pytest.mark.parametrize("where", ["sync", "operation"])
def test_a_quota_is_told_with_metric_limit_and_where_to_raise_it(world: World, where: str) -> None:
    """Compute refuses at once, or accepts and lets the operation fail: DONE alone is no success."""
    world.faults.arm("quota-exceeded", metric="STATIC_ADDRESSES", where=where)

    with pytest.raises(ResourceFailed) as caught:
        reserve(world.config())

    error = caught.value
    assert error.resource == f"addresses/{world.service}"
    assert "Quota 'STATIC_ADDRESSES' exceeded" in error.observed
    assert "Free or raise the quota STATIC_ADDRESSES: gcloud compute project-info describe" in error.mend
    assert error.layer == "compute"


@pytest.mark.parametrize("permission", ["compute.globalAddresses.get", "compute.globalAddresses.create"])
def test_a_missing_permission_is_told_with_a_role_that_has_it(world: World, permission: str) -> None:
    world.faults.arm("compute-forbidden", permission=permission)

    with pytest.raises(AccessRefused) as caught:
        reserve(world.config())

    assert permission in caught.value.observed
    assert f"Grant {permission} to the caller" in caught.value.mend


@pytest.mark.parametrize("fault", ["rate-limited", "compute-unavailable"])
def test_what_may_pass_by_itself_is_for_the_step_to_try_again(world: World, fault: str) -> None:
    world.faults.arm(fault)

    with pytest.raises(Unreachable):
        reserve(world.config())


def test_an_api_that_is_not_there_is_unreachable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve(world.config())
    free(world)
    monkeypatch.setenv("MILVUS_L7_COMPUTE_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(Unreachable, match="did not answer"):
        reserve(world.config())


def test_an_operation_that_does_not_end_is_told_by_its_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.compute._OPERATION_TIMEOUT_SECONDS", 0.3)
    world.faults.arm("slow-operations", seconds=2.0)

    with pytest.raises(NotReadyInTime) as caught:
        reserve(world.config())

    assert "operation operation-" in caught.value.observed
    assert "gcloud compute operations describe operation-" in caught.value.mend


def test_a_project_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.clients.google.project", lambda: "")
    monkeypatch.delenv("MILVUS_L7_PROJECT", raising=False)

    with pytest.raises(ProvisioningError) as caught:
        compute.project(LoadBalancerConfig.parse({"domain": "milvus.example"}))

    assert (caught.value.layer, caught.value.mend) == ("configuration", "Set project.")


def test_no_credentials_at_all_are_told_with_how_to_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))

    with pytest.raises(AccessRefused) as caught:
        compute.project(LoadBalancerConfig.parse({"domain": "milvus.example"}))

    assert "gcloud auth application-default login" in caught.value.mend
    assert caught.value.resource == "Application Default Credentials"
