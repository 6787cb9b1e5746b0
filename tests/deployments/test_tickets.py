"""From a ticket to a run by what the README says: curl, events, retry, and the outcome found by the ticket."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.core import report, tickets
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Journal
from tests.deployments.ticket_world import Prefect, recipe, shell
from tests.waiting import eventually

pytestmark = pytest.mark.slow
Json = dict[str, Any]


@pytest.fixture(scope="module")
def prefect(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    ready = Prefect(prefect_api, tmp_path_factory.mktemp("ticket-client"))
    ready.deploy()
    yield ready
    ready.close()


def create(prefect: Prefect, folder: Path, ticket: str, parameters: Json) -> tuple[str, Json]:
    """Run the README's recipe for this ticket; what is not in it stays as it stands there."""
    lines = recipe("create").splitlines()
    assert lines[0].startswith("TICKET=")
    assert lines[1].startswith("PARAMETERS=")
    lines[:2] = [f"TICKET={ticket}", f"PARAMETERS='{tickets.canonical(parameters)}'"]
    printed = shell("\n".join(lines), folder, PREFECT_API_URL=prefect.url)
    body, status = printed.strip().rsplit("\n", 1)
    return status, json.loads(body)


def test_the_recipe_as_it_stands_makes_a_run(prefect: Prefect, tmp_path: Path) -> None:
    printed = shell(recipe("create"), tmp_path, PREFECT_API_URL=prefect.url)

    body, status = printed.strip().rsplit("\n", 1)
    run = json.loads(body)
    assert status == "201"
    assert run["parameters"] == {"domain": "milvus.example", "ticket": "OPS-1"}
    assert "ticket:OPS-1" in run["tags"]


def test_the_helper_gives_the_key_and_the_body_of_the_recipe(prefect: Prefect, tmp_path: Path) -> None:
    """Whoever begins with curl and goes on with Python gets the same run."""
    first = json.loads(shell(recipe("create"), tmp_path, PREFECT_API_URL=prefect.url).strip().rsplit("\n", 1)[0])

    key, body = shell(recipe("helper"), tmp_path).strip().splitlines()

    assert key == first["idempotency_key"]
    assert json.loads(body) == {
        "parameters": first["parameters"],
        "tags": ["ticket:OPS-1"],
        "idempotency_key": first["idempotency_key"],
    }


def test_the_same_ticket_twice_is_the_same_run(prefect: Prefect, tmp_path: Path) -> None:
    wanted = {"domain": "twice.example", "ticket": "T-twice"}

    first, again = (create(prefect, tmp_path, "T-twice", wanted) for _ in range(2))

    assert (first[0], again[0]) == ("201", "200")
    assert first[1]["id"] == again[1]["id"]
    assert len(prefect.runs("T-twice")) == 1


def test_the_same_ticket_with_another_intent_is_another_run(prefect: Prefect, tmp_path: Path) -> None:
    create(prefect, tmp_path, "T-other", {"domain": "one.example", "ticket": "T-other"})

    status, _ = create(prefect, tmp_path, "T-other", {"domain": "two.example", "ticket": "T-other"})

    assert status == "201"
    assert len(prefect.runs("T-other")) == 2


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        pytest.param({"draining_seconds": 99999}, "draining_seconds", id="too large"),
        pytest.param({"certificate_mode": "by-magic"}, "certificate_mode", id="not one of the choices"),
        pytest.param({"domain": "Milvus.Example.com"}, "domain", id="a domain in upper case"),
        pytest.param({"namespace": "no such name"}, "namespace", id="no Kubernetes name"),
        pytest.param({"domain": None}, "domain", id="of another type"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(prefect: Prefect, tmp_path: Path, wrong: Json, named: str) -> None:
    parameters = {"domain": "wrong.example", "ticket": "T-wrong"} | wrong

    status, answer = create(prefect, tmp_path, "T-wrong", parameters)

    assert status == "409"
    assert f"'{named}'" in answer["detail"]
    assert prefect.runs("T-wrong") == []


def test_a_missing_domain_is_refused_by_its_name(prefect: Prefect, tmp_path: Path) -> None:
    status, answer = create(prefect, tmp_path, "T-none", {"ticket": "T-none"})

    assert status == "409"
    assert "'domain' is a required property" in answer["detail"]


def test_a_failed_run_comes_back_under_its_key_and_can_be_begun_again(prefect: Prefect, tmp_path: Path) -> None:
    wanted = {"domain": "failed.example", "ticket": "T-failed"}
    _, run = create(prefect, tmp_path, "T-failed", wanted)
    prefect.fail(run["id"])
    poll = {"PREFECT_API_URL": prefect.url, "FLOW_RUN": run["id"]}
    assert shell(recipe("poll"), tmp_path, **poll).strip() == "FAILED"

    status, found = create(prefect, tmp_path, "T-failed", wanted)
    assert (status, found["id"], found["state_type"]) == ("200", run["id"], "FAILED")

    answer = json.loads(shell(recipe("retry"), tmp_path, **poll))
    assert answer["status"] == "ACCEPT"
    assert shell(recipe("poll"), tmp_path, **poll).strip() == "SCHEDULED"
    assert prefect.call("GET", f"flow_runs/{run['id']}")["state"]["name"] == "AwaitingRetry"


def test_the_report_is_found_by_the_ticket_however_the_run_was_started(prefect: Prefect, tmp_path: Path) -> None:
    """A run that nobody tagged, from the form or an event, tags itself."""
    from prefect import flow

    from tasks.report import publish_report
    from tasks.ticket import mark_run

    config = LoadBalancerConfig.parse({"domain": "milvus.example", "ticket": "T/report 1"})

    @flow(name="provision")
    def run() -> None:
        mark_run(config)
        mark_run(config)
        publish_report(config, report.build(config, Journal(), address="203.0.113.7"))

    run()

    script = recipe("report").replace("OPS-1", "T/report 1")
    (artifact,) = json.loads(shell(script, tmp_path, PREFECT_API_URL=prefect.url))
    found = json.loads(artifact["data"].removeprefix("```json").removesuffix("```"))
    assert (found["verdict"], found["ticket"], found["address"]) == ("verified", "T/report 1", "203.0.113.7")


def emit(prefect: Prefect, folder: Path, ticket: str, payload: Json, event_id: str = "") -> None:
    script = recipe("event")
    assert '\\"payload\\":{' in script
    head, _, rest = script.partition('\\"payload\\":')
    tail = rest[rest.index("}]") :]
    body = json.dumps(payload).replace('"', '\\"')
    script = f'{head.replace("OPS-2", ticket)}\\"payload\\":{body}{tail}'
    if event_id:
        script = "\n".join([f"ID={event_id}", *script.splitlines()[1:]])
    shell(script, folder, PREFECT_API_URL=prefect.url)


def test_the_event_of_the_readme_makes_a_run(prefect: Prefect, tmp_path: Path) -> None:
    shell(recipe("event"), tmp_path, PREFECT_API_URL=prefect.url)

    (run,) = eventually(lambda: prefect.runs("OPS-2"))
    assert run["parameters"] == {"domain": "milvus.example", "draining_seconds": 30, "ticket": "OPS-2"}


def test_an_event_s_payload_becomes_the_parameters_with_their_types(prefect: Prefect, tmp_path: Path) -> None:
    payload = {
        "domain": "event.example",
        "release": "r1",
        "namespace": "vectors",
        "certificate_mode": "google-managed",
        "additional_domains": ["a.example", "b.example"],
        "proof_writes": False,
        "draining_seconds": 5,
        "ticket": "T-event",
    }

    emit(prefect, tmp_path, "T-event", payload)

    (run,) = eventually(lambda: prefect.runs("T-event"))
    assert run["parameters"] == payload


def test_an_event_without_a_ticket_in_it_has_that_of_its_resource(prefect: Prefect, tmp_path: Path) -> None:
    emit(prefect, tmp_path, "T-resource", {"domain": "event.example"})

    (run,) = eventually(lambda: prefect.runs("T-resource"))
    assert run["parameters"] == {"domain": "event.example", "ticket": "T-resource"}


def test_the_same_event_makes_one_run(prefect: Prefect, tmp_path: Path) -> None:
    config = LoadBalancerConfig.parse({"domain": "event.example", "ticket": "T-once"})
    event_id, payload = tickets.event_id(config), tickets.intent(config)

    for _ in range(3):
        emit(prefect, tmp_path, "T-once", payload, event_id)
    emit(prefect, tmp_path, "T-after", {"domain": "event.example", "ticket": "T-after"})

    # The three were received before the last one; runs are made side by side, so either may be there first.
    eventually(lambda: prefect.runs("T-after") and prefect.runs("T-once"))
    assert len(prefect.runs("T-once")) == 1


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        pytest.param({"ticket": "T-refused"}, "'domain' is a required property", id="without a domain"),
        pytest.param(
            {"ticket": "T-refused", "domain": "event.example", "draining_seconds": -7}, "draining_seconds", id="wrong"
        ),
    ],
)
def test_an_event_that_makes_no_run_says_why_in_the_event_log(
    prefect: Prefect, tmp_path: Path, payload: Json, why: str
) -> None:
    emit(prefect, tmp_path, "T-refused", payload)

    eventually(lambda: why in shell(recipe("refused"), tmp_path, PREFECT_API_URL=prefect.url))
    assert prefect.runs("T-refused") == []


def test_the_helper_prints_an_event_that_makes_the_run(prefect: Prefect, tmp_path: Path) -> None:
    script = (
        f"{sys.executable} -m deployments.tickets key --event --ticket T-helper --set domain=event.example "
        "--set draining_seconds=7 | curl -sS --fail -H 'Content-Type: application/json' --data @- "
        '"$PREFECT_API_URL/events"'
    )

    shell(script, tmp_path, PREFECT_API_URL=prefect.url)

    (run,) = eventually(lambda: prefect.runs("T-helper"))
    assert run["parameters"] == {"domain": "event.example", "draining_seconds": 7, "ticket": "T-helper"}
