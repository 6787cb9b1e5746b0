"""Rollouts of Deployments, as a table: ReplicaSets in, sizes and status out."""

import datetime as dt
from typing import Any

import pytest

from sandbox.workload import objects, rollout
from sandbox.workload.rollout import Scale

Json = dict[str, Any]
NOW = "2026-11-22T12:00:00Z"
NONE = Scale(0, 0, 0)


def a_deployment(**spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "generation": 3},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template, **spec},
    }


RECREATE = {"replicas": 1, "strategy": {"type": "Recreate"}}
ROLLING = {"replicas": 1, "strategy": {"type": "RollingUpdate"}}
THREE = {"replicas": 3, "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


@pytest.mark.parametrize(
    ("spec", "new", "old", "expected"),
    [
        pytest.param(RECREATE, NONE, Scale(1, 1, 1), (0, 0), id="recreate takes the old pod away first"),
        pytest.param(RECREATE, NONE, Scale(0, 1, 0), (0, 0), id="recreate waits for the old pod to be gone"),
        pytest.param(RECREATE, NONE, NONE, (1, 0), id="recreate then starts the new pod"),
        pytest.param(ROLLING, NONE, Scale(1, 1, 1), (1, 1), id="rolling starts the new pod beside the old"),
        pytest.param(ROLLING, Scale(1, 1, 0), Scale(1, 1, 1), (1, 1), id="rolling waits until the new one is ready"),
        pytest.param(ROLLING, Scale(1, 1, 1), Scale(1, 1, 1), (1, 0), id="rolling then ends the old one"),
        pytest.param(ROLLING, Scale(1, 1, 0), Scale(1, 1, 0), (1, 1), id="two broken revisions keep each other"),
        pytest.param(THREE, Scale(1, 1, 1), Scale(3, 3, 3), (1, 2), id="one by one: an old one goes"),
        pytest.param(THREE, Scale(1, 1, 1), Scale(2, 2, 2), (2, 2), id="one by one: a new one comes"),
        pytest.param({"replicas": 0}, Scale(1, 1, 1), NONE, (0, 0), id="scaled to nothing"),
    ],
)
def test_the_sizes_of_the_replica_sets(spec: Json, new: Scale, old: Scale, expected: tuple[int, int]) -> None:
    assert rollout.next_scales(spec, new, old) == expected


def test_a_complete_rollout_says_so() -> None:
    status = rollout.status(a_deployment(), Scale(1, 1, 1), NONE, created=False, now=NOW)

    assert status["observedGeneration"] == 3
    assert (status["replicas"], status["readyReplicas"], status["unavailableReplicas"]) == (1, 1, None)
    assert {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]} == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_a_rollout_that_makes_no_progress_exceeds_its_deadline() -> None:
    deployment = a_deployment(progressDeadlineSeconds=600)
    started = rollout.status(deployment, Scale(1, 1, 0), NONE, created=True, now=NOW)
    deployment["status"] = started
    late = (dt.datetime.fromisoformat(NOW) + dt.timedelta(seconds=601)).strftime("%Y-%m-%dT%H:%M:%SZ")

    before = rollout.status(deployment, Scale(1, 1, 0), NONE, created=False, now="2026-11-22T12:09:59Z")
    after = rollout.status(deployment, Scale(1, 1, 0), NONE, created=False, now=late)

    assert progressing(before) == ("True", "ReplicaSetUpdated")
    assert progressing(after) == ("False", "ProgressDeadlineExceeded")


def progressing(status: Json) -> tuple[str, str]:
    condition = objects.condition({"status": status}, "Progressing")
    return condition["status"], condition["reason"]


def test_a_condition_keeps_its_time_while_it_holds() -> None:
    deployment = a_deployment()
    deployment["status"] = rollout.status(deployment, Scale(1, 1, 1), NONE, created=False, now=NOW)

    again = rollout.status(deployment, Scale(1, 1, 1), NONE, created=False, now="2026-11-22T13:00:00Z")

    assert again["conditions"] == deployment["status"]["conditions"]


def test_another_template_makes_another_replica_set() -> None:
    one, other = a_deployment(), a_deployment()
    other["spec"]["template"]["metadata"]["annotations"] = {"checksum/config": "new"}

    first, second = objects.replica_set(one, 1), objects.replica_set(other, 2)

    assert first["metadata"]["name"] != second["metadata"]["name"]
    label = first["metadata"]["labels"][objects.HASH_LABEL]
    assert first["metadata"]["name"] == f"d-{label}"
    assert first["spec"]["selector"]["matchLabels"] == {"app": "a", objects.HASH_LABEL: label}
    assert second["metadata"]["annotations"] == {objects.REVISION: "2"}
