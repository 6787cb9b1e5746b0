"""A pod with a process tells of its end when it has ended: whoever is told looks once, and nobody comes back."""

from contextlib import closing
from pathlib import Path
from typing import Any

from sandbox.faults import Faults
from sandbox.kube_client import KubeClient
from sandbox.workload.forwarder import Forwarder
from sandbox.workload.milvus_pod import MilvusPod
from sandbox.workload.volumes import Volumes
from tests.waiting import eventually

POD = {"metadata": {"name": "milvus-0", "namespace": "default"}, "spec": {}}
NOBODY: dict[str, Any] = {  # whom this pod, which mounts nothing, need not ask
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {}}],
}
CONTAINER = {"name": "milvus", "image": "milvusdb/milvus:v2.3.5"}


def test_a_pod_that_was_stopped_has_ended_when_it_says_so_the_last_time(tmp_path: Path) -> None:
    faults, told = Faults(), list[bool]()
    faults.arm("milvus-crash")
    with closing(KubeClient.from_kubeconfig(NOBODY, user_agent="test")) as client:
        pod = MilvusPod(
            POD,
            CONTAINER,
            address="127.0.0.1",
            directory=tmp_path / "pod",
            volumes=Volumes(tmp_path / "volumes", client),
            forwarder=Forwarder(),
            faults=faults,
            pace=0,
            changed=lambda: told.append(pod.finished),
        )
        pod.start()
        eventually(lambda: pod.state.restarts)
        assert not any(told)

        pod.stop()
        pod.join()

        assert told[-1]
