"""The rollout of Milvus is waited for, and a crash whose cause is known ends the wait at once."""

import datetime as dt
from typing import Any

import pytest

from tasks.clients import kubernetes
from tasks.core.errors import NotReadyInTime, ResourceFailed
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]


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


def test_a_volume_that_is_not_there_ends_the_wait_at_once(world: World) -> None:
    """Its Pod only waits; the kubelet says why in an event."""
    world.faults.arm("milvus-crash")
    world.install(image={"all": {"repository": "milvusdb/milvus"}})
    world.cluster.delete(kubernetes.CONFIG_MAP, world.namespace, world.service)
    for pod in world.cluster.list_objects(kubernetes.POD, world.namespace):
        world.cluster.delete(kubernetes.POD, world.namespace, pod["metadata"]["name"])
    pod = eventually(lambda: next(iter(creating(world)), None))
    world.write(failed_mount(pod["metadata"]["name"], f'configmap "{world.service}" not found'))

    with pytest.raises(ResourceFailed) as caught:
        wait_for_rollout.fn(world.config(rollout_timeout_seconds=20))

    assert (caught.value.layer, caught.value.cause) == ("kubernetes", "VolumeSourceMissing")
    assert f"needs {world.service}" in caught.value.mend


def creating(world: World) -> list[Json]:
    """Pods whose container waits for what it mounts."""
    pods = world.cluster.list_objects(kubernetes.POD, world.namespace)
    return [pod for pod in pods if "ContainerCreating" in str(pod.get("status")) and not _going(pod)]


def _going(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def failed_mount(pod: str, why: str) -> Json:
    """The event of a kubelet (pkg/kubelet/volumemanager)."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{pod}.1"},
        "involvedObject": {"kind": "Pod", "name": pod},
        "type": "Warning",
        "reason": "FailedMount",
        "message": f'MountVolume.SetUp failed for volume "milvus-config" : {why}',
        "firstTimestamp": now,
        "lastTimestamp": now,
    }
