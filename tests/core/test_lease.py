"""A Lease read, judged and written, without a cluster and without waiting."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.core import lease
from tasks.core.lease import Lease, Run, Watch

Json = dict[str, Any]

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
A = Run(id="a", flow="provision", name="milvus.example-self-managed", holder="a/1f")
A_AGAIN = Run(id="a", flow="provision", name="milvus.example-self-managed", holder="a/2f")
B = Run(id="b", flow="provision", name="", holder="b/1f")


def stored(document: Json, version: str = "7") -> Json:
    """As the server gives it back."""
    kept = deepcopy(document)
    kept["metadata"] |= {"uid": "u", "resourceVersion": version, "managedFields": [{"manager": "x"}]}
    return kept


def held_by(run: Run, *, turn: int = 5, now: datetime = NOW) -> Json:
    return stored(lease.taken(lease.made("ns", "r-l7"), run, turn, 30, now))


def test_a_lease_as_it_is_taken_is_written_out() -> None:
    assert lease.taken(lease.made("ns", "r-l7"), A, 5, 30, NOW) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "namespace": "ns",
            "name": "r-l7",
            "labels": {"app.kubernetes.io/managed-by": "milvus-gke-l7"},
            "annotations": {
                "milvus-gke-l7/run": "a",
                "milvus-gke-l7/flow": "provision",
                "milvus-gke-l7/run-name": "milvus.example-self-managed",
                "milvus-gke-l7/turn": "5",
            },
        },
        "spec": {
            "holderIdentity": "a/1f",
            "leaseDurationSeconds": 30,
            "acquireTime": "2026-03-01T12:00:00.250000Z",
            "renewTime": "2026-03-01T12:00:00.250000Z",
            "leaseTransitions": 1,
        },
    }


def test_what_is_written_over_a_lease_keeps_its_version_and_what_others_put_there() -> None:
    found = held_by(A)
    found["metadata"]["annotations"]["note"] = "hands off"
    before = deepcopy(found)

    taken = lease.taken(found, B, 6, 30, NOW)

    assert taken["metadata"]["resourceVersion"] == "7"
    assert taken["metadata"]["annotations"]["note"] == "hands off"
    assert taken["spec"]["leaseTransitions"] == 2
    assert "managedFields" not in taken["metadata"]
    assert found == before


def test_a_renewal_moves_the_renew_time_alone() -> None:
    found = held_by(A)
    later = NOW + timedelta(seconds=10)

    assert lease.renewed(found, later)["spec"] == found["spec"] | {"renewTime": "2026-03-01T12:00:10.250000Z"}


def test_a_lease_that_is_given_back_has_no_holder_and_keeps_who_it_was() -> None:
    given = lease.read(stored(lease.released(held_by(A), NOW)))

    assert (given.holder, given.run, given.turn, given.transitions) == ("", "a", 5, 1)
    assert given.who == "provision milvus.example-self-managed (flow run a)"


def test_what_was_written_is_read_back() -> None:
    found = lease.read(held_by(A))

    assert (found.uid, found.version, found.holder, found.flow_run) == ("u", "7", "a/1f", "a")
    assert (found.run, found.flow, found.turn, found.seconds) == ("a", "provision", 5, 30)
    assert (found.acquired, found.renewed, found.since) == (NOW, NOW, "2026-03-01 12:00:00 UTC")


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="empty"),
        pytest.param({"holderIdentity": None, "renewTime": None, "leaseDurationSeconds": None}, id="nulls"),
        pytest.param({"renewTime": "yesterday", "leaseDurationSeconds": -3}, id="nonsense"),
    ],
)
def test_a_lease_that_somebody_else_made_is_read_all_the_same(spec: Json) -> None:
    metadata = {"name": "r-l7", "uid": "u", "annotations": {lease.TURN: "many"}}

    found = lease.read({"metadata": metadata, "spec": spec})

    assert (found.holder, found.turn, found.transitions, found.seconds, found.renewed) == ("", 0, 0, 1, None)


def test_nobody_waits_for_a_duration_without_end() -> None:
    found = held_by(A)
    found["spec"]["leaseDurationSeconds"] = 2**31 - 1

    assert lease.read(found).seconds == 600


# --- turns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "turn"),
    [
        pytest.param(A, 5, id="the same run"),
        pytest.param(A_AGAIN, 5, id="another attempt of it"),
        pytest.param(B, 6, id="another run"),
        pytest.param(Run("a", "teardown", "", "x/1"), 6, id="another flow of the same root run"),
    ],
)
def test_the_turn_is_another_one_for_another_run_only(run: Run, turn: int) -> None:
    assert lease.turn_of(run, lease.read(held_by(A)), NOW) == turn


def test_a_lease_made_anew_repeats_no_turn_of_the_one_that_was_deleted() -> None:
    first = lease.turn_of(A, None, NOW)
    last = lease.turn_of(B, lease.read(held_by(A, turn=first)), NOW)

    assert lease.turn_of(A, None, NOW + timedelta(minutes=1)) > last


# --- is the holder dead? ---------------------------------------------------------------------------------------------


def found(*, renewed: datetime = NOW, run: Run = A) -> Lease:
    return lease.read(held_by(run, now=renewed))


def test_no_lease_and_a_lease_without_a_holder_are_free_at_once() -> None:
    assert Watch().is_free(None, 0, NOW)
    assert Watch().is_free(lease.read(stored(lease.released(held_by(A), NOW))), 0, NOW)


@pytest.mark.parametrize("skew", [-3600, -60, 0, 60, 600], ids=lambda seconds: f"{seconds} s")
def test_a_silent_holder_is_dead_after_its_duration_on_our_clock_whatever_its_clock_says(skew: int) -> None:
    """The wall clock moves with ours, from a wrong start."""
    watch, start = Watch(), NOW + timedelta(seconds=skew)

    looks = [watch.is_free(found(), 100 + passed, start + timedelta(seconds=passed)) for passed in (0, 15, 29.9, 30)]

    assert looks == [False, False, False, True]


def test_each_sign_of_life_begins_the_wait_anew() -> None:
    watch = Watch()

    for passed in range(0, 100, 10):
        assert not watch.is_free(found(renewed=NOW + timedelta(seconds=passed)), passed, NOW)
    assert watch.renewals == 9
    assert not watch.is_free(found(renewed=NOW + timedelta(seconds=90)), 119, NOW)
    assert watch.is_free(found(renewed=NOW + timedelta(seconds=90)), 120, NOW)


def test_another_holder_is_given_its_own_time() -> None:
    watch = Watch()
    watch.is_free(found(), 0, NOW)

    assert not watch.is_free(found(run=B), 29, NOW)
    assert not watch.is_free(found(run=B), 58, NOW)
    assert watch.is_free(found(run=B), 59, NOW)


def test_an_annotation_is_no_sign_of_life() -> None:
    watch, annotated = Watch(), held_by(A)
    annotated["metadata"] |= {"resourceVersion": "8"}
    watch.is_free(found(), 0, NOW)

    assert watch.is_free(lease.read(annotated), 30, NOW)


@pytest.mark.parametrize(("minutes", "free"), [(15, False), (16, True)])
def test_a_holder_that_was_silent_for_a_quarter_of_an_hour_is_not_waited_for(minutes: int, free: bool) -> None:
    assert Watch().is_free(found(), 0, NOW + timedelta(minutes=minutes)) is free


@pytest.mark.parametrize(("seconds", "alive"), [(-31, False), (-30, True), (0, True), (30, True), (31, False)])
def test_a_holder_looks_alive_within_its_duration(seconds: int, alive: bool) -> None:
    assert found().looks_alive(NOW + timedelta(seconds=seconds)) is alive
