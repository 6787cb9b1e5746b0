"""Waiting: three judgements, one deadline, woken early, stopped by a failure elsewhere."""

import threading
from collections.abc import Iterator
from typing import TypeVar

import pytest

from tasks import polling
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import NotReadyInTime, ResourceFailed, Unreachable
from tasks.core.progress import Journal
from tasks.polling import Ready

T = TypeVar("T")
Looks = Iterator[Ready[T] | Finding]

NOT_YET = Finding(Outlook.WAIT, "ingress", "NoAddress", "no address yet", "kubectl describe ingress x")
NEVER = Finding(Outlook.STOP, "compute", "QuotaExceeded", "quota exceeded", "Ask for more.")


def test_the_first_ready_look_ends_the_wait() -> None:
    looks: Looks[str] = iter([NOT_YET, NOT_YET, Ready("203.0.113.7")])

    assert polling.until(lambda: next(looks), step="s", resource="ingress x", timeout_seconds=5) == "203.0.113.7"


def test_a_permanent_cause_ends_it_at_once_and_carries_the_mend() -> None:
    looks: Looks[None] = iter([NOT_YET, NEVER])

    with pytest.raises(ResourceFailed) as caught:
        polling.until(lambda: next(looks), step="s", resource="ingress x", timeout_seconds=60)

    assert caught.value.as_dict() == {
        "layer": "compute",
        "cause": "QuotaExceeded",
        "resource": "ingress x",
        "observed": "quota exceeded",
        "mend": "Ask for more.",
    }


def test_the_deadline_error_has_the_last_observation() -> None:
    with pytest.raises(NotReadyInTime, match="not ready after 0 s; last seen: no address yet") as caught:
        polling.until(lambda: NOT_YET, step="s", resource="ingress x", timeout_seconds=0.3)

    assert caught.value.mend == "kubectl describe ingress x"


def test_a_lost_connection_is_one_more_not_yet() -> None:
    answers: Iterator[Unreachable | Ready[int]] = iter([Unreachable("API server", "refused", "Check."), Ready(1)])

    def look() -> Ready[int] | Finding:
        answer = next(answers)
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    assert polling.until(look, step="s", resource="r", timeout_seconds=5) == 1


def test_any_other_exception_is_not_swallowed() -> None:
    def look() -> Ready[int]:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        polling.until(look, step="s", resource="r", timeout_seconds=5)


def test_a_watch_wakes_a_wait_out_of_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody would live to see the end of this pause.
    monkeypatch.setattr(polling, "SHORTEST_SECONDS", 36_000.0)
    monkeypatch.setattr(polling, "LONGEST_SECONDS", 36_000.0)
    wake = threading.Event()
    looks: Looks[str] = iter([NOT_YET, Ready("woken")])

    def look() -> Ready[str] | Finding:
        threading.Timer(0.1, wake.set).start()
        return next(looks)

    assert polling.until(look, step="s", resource="r", timeout_seconds=360_000, wake=wake) == "woken"


def test_a_failure_elsewhere_stops_the_wait(journal: Journal) -> None:
    threading.Timer(0.1, journal.stop.set).start()

    with pytest.raises(polling.Stopped):
        polling.until(lambda: NOT_YET, step="s", resource="r", timeout_seconds=60)


def test_every_new_observation_is_told_once() -> None:
    other = Finding(Outlook.WAIT, "ingress", "NoAddress", "has address 203.0.113.9, not yet 203.0.113.7", "")
    looks: Looks[None] = iter([NOT_YET, NOT_YET, other, Ready(None)])
    told: list[str] = []

    polling.until(
        lambda: next(looks), step="s", resource="r", timeout_seconds=5, tell=lambda text, _seconds: told.append(text)
    )

    assert told == ["no address yet", "has address 203.0.113.9, not yet 203.0.113.7"]
