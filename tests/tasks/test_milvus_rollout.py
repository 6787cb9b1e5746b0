"""The rollout of Milvus is waited for, and a crash whose cause is known ends the wait at once."""

import pytest

from tasks.core.errors import NotReadyInTime, ResourceFailed
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tests.tasks.world import World


def test_the_rollout_is_over_when_every_deployment_runs_its_newest_template(world: World) -> None:
    world.install()
    apply_milvus_release.fn(world.config())

    assert wait_for_rollout.fn(world.config()) == 1


@pytest.mark.parametrize(
    ("message", "observed"),
    [
        pytest.param(
            "panic: proxy server(grpc) and metric server(http) share the same port, tls mode must be 0",
            "REST and gRPC share a port while TLS is on",
            id="rest beside tls",
        ),
        pytest.param(
            "open configs/cert/server.pem: no such file or directory",
            "a file of its own TLS certificate is missing",
            id="no certificate",
        ),
    ],
)
def test_a_crash_whose_cause_is_known_ends_the_wait_at_once(world: World, message: str, observed: str) -> None:
    world.faults.arm("milvus-crash", message=message)
    world.install(image={"all": {"repository": "milvusdb/milvus"}})

    with pytest.raises(ResourceFailed) as caught:
        wait_for_rollout.fn(world.config(rollout_timeout_seconds=20))

    assert observed in caught.value.observed
    assert message in caught.value.observed
    assert f"kubectl -n {world.namespace} logs" in caught.value.mend


def test_a_rollout_that_does_not_come_ends_at_its_deadline_with_what_was_seen(world: World) -> None:
    world.faults.arm("milvus-crash", message="panic: etcd does not answer")
    world.install(image={"all": {"repository": "milvusdb/milvus"}})

    with pytest.raises(NotReadyInTime) as caught:
        wait_for_rollout.fn(world.config(rollout_timeout_seconds=1))

    assert caught.value.observed.startswith("not ready after 1 s; last seen: ")
    assert caught.value.layer == "milvus"
