"""What a body may say: every fault is told at once, and no value that may be a secret is."""

import json
from typing import Any

import pytest

from deployments.tickets import requests
from deployments.tickets.prefect_api import Run, creation, may_begin_again
from deployments.tickets.requests import Malformed
from tasks.core.errors import ConfigurationError

FLOWS = ("provision", "verify")


def read(body: Any) -> requests.Request:
    return requests.read(body if isinstance(body, bytes) else json.dumps(body).encode(), FLOWS)


def test_a_plain_request_is_for_a_first_attempt_to_provision() -> None:
    wanted = read({"ticket": "OPS-1", "parameters": {"domain": "milvus.example", "additional_domains": "a.example"}})

    assert (wanted.flow, wanted.attempt) == ("provision", 1)
    assert wanted.config.ticket == "OPS-1"
    assert wanted.config.additional_domains == ("a.example",)


def test_the_ticket_may_stand_among_the_parameters_too() -> None:
    assert read({"ticket": "OPS-1", "parameters": {"domain": "a.example", "ticket": "OPS-1"}}).config.ticket == "OPS-1"


def test_the_flow_s_own_parameters_are_known() -> None:
    wanted = read({"ticket": "OPS-1", "parameters": {"domain": "a.example", "from_step": "apply-ingress"}})

    assert wanted.config.model_dump()["from_step"] == "apply-ingress"


def test_a_teardown_s_run_gets_only_what_its_flow_takes() -> None:
    """The parameters of the provisioning ticket serve as they are."""
    parameters = {"domain": "a.example", "http": "disabled", "release_address": True}
    body = json.dumps({"ticket": "OPS-1", "flow": "teardown", "parameters": parameters}).encode()

    made = creation(requests.read(body, ["teardown"]))

    assert made["parameters"] == {"domain": "a.example", "release_address": True, "ticket": "OPS-1"}


def test_every_flow_s_model_is_that_of_its_signature() -> None:
    """What passes here must be what the deployment takes."""
    from flows.provision import provision
    from flows.teardown import teardown
    from flows.verify import verify

    for flow in (provision, verify, teardown):
        model = requests.CONFIGS[flow.name]
        assert set(flow.parameters.properties) == set(model.model_fields) - set(getattr(model, "UNUSED", ()))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "no JSON", id="empty"),
        pytest.param(b"\xff\xfe", "no JSON in UTF-8", id="not UTF-8"),
        pytest.param(b"{", "no JSON", id="cut off"),
        pytest.param(b"[]", "no JSON object", id="a list"),
        pytest.param(b'"x"', "no JSON object", id="a text"),
        pytest.param(b'{"ticket":"a","ticket":"b"}', "stands twice", id="a key twice"),
        pytest.param(b'{"parameters":{"domain":"a","domain":"b"}}', "stands twice", id="a parameter twice"),
        pytest.param(b'{"attempt":NaN}', "NaN is no JSON", id="NaN"),
        pytest.param(b'{"ticket":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "too deeply", id="a deep nest"),
    ],
)
def test_what_is_no_json_object_is_malformed(body: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(body)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"ticket": ""}, "ticket: must be", id="no ticket"),
        pytest.param({"ticket": "  "}, "ticket: must be", id="a blank ticket"),
        pytest.param({"ticket": 7}, "ticket: must be", id="a number"),
        pytest.param({"ticket": "a\nb"}, "ticket", id="a ticket of two lines"),
        pytest.param({"flow": "teardown"}, "flow: must be one of provision, verify", id="a flow that is not allowed"),
        pytest.param({"flow": ["provision"]}, "flow: must be one of", id="a flow in a list"),
        pytest.param({"attempt": 0}, "attempt: must be", id="no attempt"),
        pytest.param({"attempt": True}, "attempt: must be", id="a boolean attempt"),
        pytest.param({"attempt": 10**9}, "attempt: must be", id="attempts for ever"),
        pytest.param({"parameters": []}, "parameters: must be an object", id="parameters in a list"),
        pytest.param({"parameters": {}}, "domain: is missing", id="no domain"),
        pytest.param({"parameters": {"domain": "a.example", "ticket": "X"}}, "parameters.ticket", id="two tickets"),
        pytest.param({"parameters": {"domain": {"__prefect_kind": "jinja"}}}, "domain", id="a template for Prefect"),
        pytest.param({"priority": "high"}, "priority: unknown key", id="an unknown key"),
    ],
)
def test_a_faulty_request_is_refused_by_the_name_of_its_fault(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read({"ticket": "OPS-1", "parameters": {"domain": "a.example"}} | change)

    assert named in caught.value.observed


def test_all_faults_are_told_at_once_and_no_unknown_value() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(
            {
                "ticket": "OPS-1",
                "flow": "destroy",
                "password": "hunter2",
                "parameters": {
                    "domain": "UPPER.example",
                    "draining_seconds": -1,
                    "token": "hunter3",
                    "certificate_secret": "hunter4!",
                    "callback_url": "https://me:hunter5@tickets.example/",
                },
            }
        )

    for named in ("flow:", "password:", "domain", "draining_seconds", "token", "certificate_secret", "callback_url"):
        assert named in caught.value.observed
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("state", "begun", "attempt", "again"),
    [
        pytest.param("FAILED", 1, 1, False, id="the first attempt, received again"),
        pytest.param("FAILED", 1, 2, True, id="a second attempt is asked for"),
        pytest.param("FAILED", 2, 2, False, id="the second attempt, received again"),
        pytest.param("CRASHED", 1, 2, True, id="after a crash"),
        pytest.param("CANCELLED", 1, 2, True, id="after it was cancelled"),
        pytest.param("COMPLETED", 1, 2, False, id="it went well"),
        pytest.param("RUNNING", 1, 2, False, id="it is under way"),
        pytest.param("SCHEDULED", 1, 2, False, id="it is about to begin"),
    ],
)
def test_a_run_is_begun_again_only_when_it_failed_and_more_attempts_are_asked_for(
    state: str, begun: int, attempt: int, again: bool
) -> None:
    assert may_begin_again(Run("id", state, state, "provision", begun), attempt) is again
