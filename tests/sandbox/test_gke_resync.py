"""Which objects a resync looks at: all of them on GKE; in a hurry, what is as it was is left alone for a while."""

from sandbox.gke.resync import Resync


def looks(resync: Resync, *, states: dict[int, str], seconds: int) -> list[int]:
    """The seconds at which an object was looked at, by a resync each second; `states` has when it changed."""
    state, looked = "", []
    for now in range(seconds):
        state = states.get(now, state)
        if resync.due({"default/milvus": state}, float(now)):
            looked.append(now)
    return looked


def test_without_calm_every_object_is_looked_at_each_time() -> None:
    assert looks(Resync(0), states={}, seconds=30) == list(range(30))


def test_an_object_that_is_as_it_was_is_looked_at_less_often() -> None:
    assert looks(Resync(5), states={}, seconds=20) == [0, 1, 2, 3, 4, 9, 14, 19]


def test_an_object_that_has_changed_is_looked_at_each_time_again() -> None:
    assert looks(Resync(5), states={12: "changed"}, seconds=20) == [0, 1, 2, 3, 4, 9, 12, 13, 14, 15, 16]


def test_one_that_changes_leaves_the_others_in_calm() -> None:
    resync = Resync(5)
    for now in range(8):
        resync.due({"a": "same", "b": "same"}, float(now))

    assert resync.due({"a": "same", "b": "changed"}, 8.0) == ["b"]


def test_what_is_gone_is_forgotten() -> None:
    resync = Resync(5)
    for now in range(8):
        resync.due({"a": "same"}, float(now))
    resync.due({}, 8.0)

    assert resync.due({"a": "same"}, 8.0) == ["a"]
