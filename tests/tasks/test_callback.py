"""The outcome reaches the host it may reach, once, signed; every failure is a warning and never the run's."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks import callback
from tasks.core import report, webhooks
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ConfigurationError, ResourceFailed, Unreachable
from tasks.core.progress import Journal
from tasks.core.report import Report
from tests.tasks.receiver import Receiver, receiving

KEY = b"k" * 32


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as ready:
        monkeypatch.setenv("MILVUS_L7_CALLBACK_HOSTS", f"tickets.example.com, {ready.place}")
        yield ready


@pytest.fixture
def secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "callback.secret"
    file.write_text(webhooks.shown(KEY) + "\n")
    file.chmod(0o600)
    monkeypatch.setenv("MILVUS_L7_CALLBACK_SECRET_FILE", str(file))
    return file


def config_for(url: str) -> LoadBalancerConfig:
    return LoadBalancerConfig.parse({"domain": "milvus.example", "ticket": "OPS-1", "callback_url": url})


def a_report(config: LoadBalancerConfig) -> Report:
    return report.build(config, Journal(), address="203.0.113.7")


def tell(url: str) -> int:
    config = config_for(url)
    return callback.tell(config, a_report(config), flow="provision", flow_run_id="7d0c", pause_seconds=0.01)


def test_the_outcome_arrives_as_json(receiver: Receiver) -> None:
    assert tell(receiver.url) == 204

    ((path, headers, body),) = receiver.got
    assert path == "/outcomes?token=secret-in-the-path"
    assert headers["content-type"] == "application/json"
    assert "webhook-signature" not in headers
    told = json.loads(body)
    assert (told["ticket"], told["flow"], told["verdict"]) == ("OPS-1", "provision", "verified")
    assert (told["address"], told["flow_run_id"]) == ("203.0.113.7", "7d0c")


def test_it_is_signed_when_there_is_a_secret(receiver: Receiver, secret_file: Path) -> None:
    tell(receiver.url)

    ((_, headers, body),) = receiver.got
    assert webhooks.verify([KEY], headers, body, dt.datetime.now(dt.UTC))


def test_while_the_secret_is_replaced_either_one_verifies(receiver: Receiver, secret_file: Path) -> None:
    new = b"n" * 24
    secret_file.write_text(f"# new\n{webhooks.shown(new)}\n\n# old\n{webhooks.shown(KEY)}\n")

    tell(receiver.url)

    ((_, headers, body),) = receiver.got
    for key in (new, KEY):
        assert webhooks.verify([key], headers, body, dt.datetime.now(dt.UTC))


def test_a_receiver_that_cannot_now_is_asked_again_with_the_same_id(receiver: Receiver, secret_file: Path) -> None:
    receiver.statuses = [503, 429, 200]

    assert tell(receiver.url) == 200

    assert len(receiver.got) == 3
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1


def test_a_receiver_that_never_can_is_given_up(receiver: Receiver) -> None:
    receiver.statuses = [500] * 10

    with pytest.raises(Unreachable, match="answered 500"):
        tell(receiver.url)

    assert len(receiver.got) == 4


def test_a_refusal_is_not_repeated(receiver: Receiver) -> None:
    receiver.statuses = [404]

    with pytest.raises(ResourceFailed, match="answered 404") as caught:
        tell(receiver.url)

    assert len(receiver.got) == 1
    assert "secret-in-the-path" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    """An allowed host could send us anywhere, to the metadata server say."""
    receiver.statuses = [status]

    with pytest.raises(ResourceFailed, match=f"answered {status}"):
        tell(receiver.url)

    assert len(receiver.got) == 1


def test_a_receiver_that_is_not_there_is_unreachable(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, unused_place: str
) -> None:
    monkeypatch.setenv("MILVUS_L7_CALLBACK_HOSTS", "*")

    with pytest.raises(Unreachable, match="no answer") as caught:
        tell(f"http://{unused_place}/?token=secret-in-the-path")

    assert "secret-in-the-path" not in str(caught.value)


@pytest.fixture
def unused_place() -> str:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        pytest.param("https://tickets.example.com/x", "tickets.example.com", True, id="the host"),
        pytest.param("https://TICKETS.example.com/x", "Tickets.Example.com", True, id="in any case"),
        pytest.param("https://tickets.example.com./x", "tickets.example.com", True, id="as an absolute name"),
        pytest.param("https://tickets.example.com:443/x", "tickets.example.com", True, id="its usual port"),
        pytest.param("http://tickets.example.com/x", "tickets.example.com", True, id="without TLS"),
        pytest.param("https://tickets.example.com:8443/x", "tickets.example.com:8443", True, id="its port"),
        pytest.param("https://[2001:db8::1]:8443/x", "a.example,[2001:db8::1]:8443", True, id="IPv6"),
        pytest.param("https://anything.example/x", "*", True, id="any"),
        pytest.param("https://tickets.example.com/x", "", False, id="none is named"),
        pytest.param("https://tickets.example.com:6443/x", "tickets.example.com", False, id="another port"),
        pytest.param("http://tickets.example.com:443/x", "tickets.example.com", False, id="the port of another scheme"),
        pytest.param("https://169.254.169.254/x", "tickets.example.com", False, id="the metadata server"),
        pytest.param("https://tickets.example.com.evil.example/", "tickets.example.com", False, id="a longer name"),
        pytest.param("https://evil.example/tickets.example.com", "tickets.example.com", False, id="in the path"),
        pytest.param("https://evil.example#@tickets.example.com/", "tickets.example.com", False, id="a fragment"),
        pytest.param("https://tickets.example.com:99999/", "*", False, id="no port at all"),
    ],
)
def test_only_named_hosts_are_allowed(url: str, hosts: str, allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_L7_CALLBACK_HOSTS", hosts)

    found = callback.fault(config_for(url))

    assert (found is None) is allowed
    if found:
        assert "MILVUS_L7_CALLBACK_HOSTS" in found.mend


def test_nobody_to_tell_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_L7_CALLBACK_SECRET_FILE", "/nonexistent")

    assert callback.fault(LoadBalancerConfig.parse({"domain": "milvus.example"})) is None


def test_a_host_that_is_not_allowed_is_not_called(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_L7_CALLBACK_HOSTS", "tickets.example.com")

    with pytest.raises(ConfigurationError, match="not among the hosts"):
        tell(receiver.url)

    assert receiver.got == []


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        pytest.param(None, 0o600, "cannot be read", id="missing"),
        pytest.param(webhooks.shown(KEY), 0o644, "mode 0644: others can read", id="open to all"),
        pytest.param(webhooks.shown(KEY), 0o620, "mode 0620", id="writable by the group"),
        pytest.param("", 0o600, "holds no secret", id="empty"),
        pytest.param("whsec_c2hvcnQ=", 0o600, "line 1 has 5 bytes", id="short"),
        pytest.param(f"{webhooks.shown(KEY)}\nnot-a-key", 0o600, "line 2 is not whsec_", id="one of two is wrong"),
    ],
)
def test_an_unfit_secret_file_is_a_fault_before_anything_is_done(
    receiver: Receiver, secret_file: Path, text: str | None, mode: int, why: str
) -> None:
    secret_file.unlink()
    if text is not None:
        secret_file.write_text(text)
        secret_file.chmod(mode)

    found = callback.fault(config_for(receiver.url))

    assert found is not None
    assert why in found.observed
    assert str(secret_file) in found.resource
    assert "whsec_c2" not in str(found)
    assert "not-a-key" not in str(found)
    with pytest.raises(ConfigurationError):
        tell(receiver.url)
    assert receiver.got == []


def test_a_secret_that_a_pod_s_group_may_read_is_fit(receiver: Receiver, secret_file: Path) -> None:
    secret_file.chmod(0o440)

    assert callback.fault(config_for(receiver.url)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statuses", "allowed", "state", "note"),
    [
        pytest.param([204], True, "Completed", "Sent to 127.0.0.1:{port}, which answered 204.", id="told"),
        pytest.param([410], True, "NotTold", "answered 410", id="refused"),
        pytest.param([], False, "NotTold", "not among the hosts", id="not allowed"),
    ],
)
def test_the_run_s_state_does_not_depend_on_the_callback(
    receiver: Receiver,
    prefect_api: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    statuses: list[int],
    allowed: bool,
    state: str,
    note: str,
) -> None:
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    receiver.statuses = list(statuses)
    if not allowed:
        monkeypatch.setenv("MILVUS_L7_CALLBACK_HOSTS", "tickets.example.com")
    config = config_for(receiver.url)
    seen: dict[str, Any] = {}

    @flow(name="provision")
    def run() -> str:
        from prefect import runtime

        seen["run"] = runtime.flow_run.id
        seen["state"] = callback.send_outcome(config, a_report(config), return_state=True)
        return "done"

    with caplog.at_level(logging.WARNING):
        assert run() == "done"

    assert seen["state"].name == state
    assert len(receiver.got) == len(statuses)
    if receiver.got:
        assert json.loads(receiver.got[0][2])["flow_run_id"] == seen["run"]
        assert json.loads(receiver.got[0][2])["flow"] == "provision"
    assert ("was not sent" in caplog.text) is (state == "NotTold")
    assert "secret-in-the-path" not in caplog.text
    with get_client(sync_client=True) as client:
        filters = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[seen["run"]]))
        (artifact,) = client.read_artifacts(artifact_filter=filters)
    assert note.format(port=receiver.port) in str(artifact.data)
    assert artifact.key == "milvus-l7-callback-default-my-release"
