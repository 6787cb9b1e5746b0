"""What a step is: tried again only for what may pass by itself, kept for a retry of its run, noted in the journal."""

import logging
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from tasks import steps, waiting
from tasks.core import progress
from tasks.core.errors import AccessRefused, FieldConflict, NotReadyInTime, ResourceFailed, Unreachable
from tasks.core.progress import Journal


def nothing() -> None:
    """A step's body that does nothing."""


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Unreachable("a", "did not answer", "Wait."), True),
        (ResourceFailed("a", "no", "Mend."), False),
        (AccessRefused("a", "no", "Ask."), False),
        (FieldConflict("a", "no", "Give up."), False),
        (NotReadyInTime("a", "no", "Wait."), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_a_server_that_did_not_answer_is_tried_again(error: Exception, again: bool) -> None:
    state: State[object] = Failed(data=error)

    assert steps.is_transient(steps.observing(nothing), None, state) is again


def test_a_step_that_succeeded_is_not_tried_again() -> None:
    assert not steps.is_transient(steps.observing(nothing), None, Completed(data=1))


def test_a_step_notes_when_it_ran_and_how_it_ended(journal: Journal) -> None:
    @steps.observing
    def look_around() -> int:
        assert journal.steps["look-around"].state == "running"
        return 3

    assert look_around.fn() == 3
    assert journal.steps["look-around"].state == "done"


def test_a_step_that_fails_notes_why(journal: Journal) -> None:
    @steps.writing
    def write_it() -> None:
        raise ResourceFailed("ingress a/b", "is gone", "Run again.")

    with pytest.raises(ResourceFailed):
        write_it.fn()

    step = journal.steps["write-it"]
    assert (step.state, step.observed) == ("failed", "ingress a/b: is gone. Run again.")


def test_observing_steps_are_never_kept_and_writing_ones_are() -> None:
    observing, writing = steps.observing(nothing), steps.writing(nothing)

    assert (observing.persist_result, writing.persist_result) == (False, True)


def test_a_wait_outside_of_a_run_is_seen_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    shown = waiting.Waiting("wait-for-address", "ingress a/b", 60)

    with caplog.at_level(logging.INFO, "milvus_l7"):
        shown("has no address yet", 3.2)
        shown.over()

    assert "ingress a/b: has no address yet (3 s)" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_api")
def test_a_retry_of_the_run_repeats_what_looked_and_not_what_was_written(tmp_path: Path) -> None:
    """Steps of one run with equal inputs do not share a result either."""
    calls: list[str] = []

    @steps.writing
    def write_one(name: str) -> str:
        calls.append(f"write-one {name}")
        return f"one {name}"

    @steps.writing
    def write_other(name: str) -> str:
        calls.append(f"write-other {name}")
        return f"other {name}"

    @steps.observing
    def look(name: str) -> int:
        calls.append("look")
        return len(calls)

    @flow(name="twice", retries=1, persist_result=False)
    def twice() -> tuple[str, str]:
        progress.use(Journal())
        written = write_one("a"), write_other("a")
        if look("a") < 4:
            raise ResourceFailed("a", "failed the first time", "Run again.")
        return written

    assert twice() == ("one a", "other a")
    assert calls == ["write-one a", "write-other a", "look", "look"]
