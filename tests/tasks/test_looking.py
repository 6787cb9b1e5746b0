"""Steps that share a look ask for each thing once, and none of them can write; the next look asks anew."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks import looking
from tasks.adoption import discover
from tasks.checks import check_live_objects
from tasks.clients import kubernetes
from tasks.core.errors import AccessRefused, ProvisioningError, Unreachable
from tasks.events import remember_events
from tasks.inspection import compare_three_ways, read_address, read_certificate, read_load_balancer
from tasks.looking import Look
from tasks.preflight import preflight
from tasks.symptoms import read_symptoms
from tests.requests_log import reads_made, twice
from tests.tasks.test_live_checks import stand
from tests.tasks.world import World

OF_VERIFY = (compare_three_ways, check_live_objects, read_symptoms, read_address, read_certificate, read_load_balancer)
OF_PREFLIGHT = (preflight, discover, remember_events)


class Server:
    """Gives its answers one after the other."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers: Iterator[str | Exception] = iter(answers)

    def read(self, name: str) -> str:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return f"{name} {answer}"


def test_what_was_asked_once_is_remembered_and_another_question_is_another_one() -> None:
    look, server = Look(), Server("first", "second")

    answers = [look.ask("here", server.read, name) for name in ("a", "a", "b", "a")]

    assert answers == ["a first", "a first", "b second", "a first"]


def test_who_asks_while_the_first_one_waits_gets_the_same_answer() -> None:
    look, begun, answered = Look(), threading.Event(), threading.Event()
    calls: list[str] = []

    def slow() -> list[str]:
        calls.append("asked")
        begun.set()
        answered.wait(30)
        return calls

    with ThreadPoolExecutor(max_workers=4) as pool:
        first = pool.submit(look.ask, "here", slow)
        assert begun.wait(30)
        others = [pool.submit(look.ask, "here", slow) for _ in range(3)]
        answered.set()

    assert all(other.result() is first.result() for other in others)
    assert calls == ["asked"]


def test_one_refusal_is_one_refusal() -> None:
    refusal = AccessRefused("secrets", "forbidden", "Ask for a Role.")
    look, server = Look(), Server(refusal)

    for _ in range(2):
        with pytest.raises(AccessRefused) as caught:
            look.ask("here", server.read, "a")
        assert caught.value is refusal


@pytest.mark.parametrize("blip", [Unreachable("a", "no answer", "Run again."), ValueError("of our own making")])
def test_a_server_that_did_not_answer_is_asked_again(blip: Exception) -> None:
    look, server = Look(), Server(blip, "first")

    with pytest.raises(type(blip)):
        look.ask("here", server.read, "a")

    assert look.ask("here", server.read, "a") == "a first"


def test_nothing_can_be_written_through_a_look(world: World) -> None:
    with looking.one_look():
        cluster, api = looking.cluster(world.config()), looking.api(world.config())

    for writing in ("apply", "create", "merge_patch", "replace", "delete", "kubeconfig"):
        assert not hasattr(cluster, writing)
    for writing in ("insert", "delete"):
        assert not hasattr(api, writing)


def test_outside_of_a_look_the_world_itself_is_asked(world: World) -> None:
    assert looking.cluster(world.config()) is world.cluster


def test_a_look_ends_with_its_block(world: World) -> None:
    world.install()

    def mark() -> str:
        found = looking.cluster(world.config()).read(kubernetes.SERVICE, world.namespace, world.service)
        return str(((found or {})["metadata"].get("annotations") or {}).get("mark", ""))

    with looking.one_look():
        seen = [mark()]
        world.annotate(kubernetes.SERVICE, {"mark": "new"})
        seen.append(mark())
    with looking.one_look():
        seen.append(mark())

    assert seen == ["", "", "new"]


@pytest.mark.parametrize(
    "steps", [pytest.param(OF_VERIFY, id="verify"), pytest.param(OF_PREFLIGHT, id="provision before its first write")]
)
@pytest.mark.parametrize("mode", ["self-managed", "google-managed"])
def test_the_observing_steps_of_one_stage_ask_for_nothing_twice(
    world: World, steps: tuple[Callable[..., object], ...], mode: str
) -> None:
    world.install()
    config = world.config(certificate_mode=mode)
    stand(config)

    def stage() -> list[str]:
        with looking.one_look(), reads_made() as made:
            for step in steps:
                _tolerantly(step, config)
        return made

    first, second = stage(), stage()

    assert not twice(first)
    assert not twice(second)
    ours = {kind.path(world.namespace, world.service) for kind in (kubernetes.SERVICE, kubernetes.INGRESS)}
    assert ours <= set(first) & set(second)


def _tolerantly(step: object, config: object) -> None:
    """A certificate that Google has not issued yet ends one step or another; what was asked for is what counts."""
    try:
        step.fn(config)  # type: ignore[attr-defined]
    except ProvisioningError:
        return
