"""The whole ladder through Envoy to Milvus, and what it says when something is really broken."""

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from flows.provision import provision
from sandbox.stack import Stack
from tasks import backend_facts, exposure, milvus_connection, proof
from tasks.clients import kubernetes
from tasks.clients.kubernetes import Kind
from tasks.core import annotations, names, progress, status
from tasks.core.checks import Check, Result
from tasks.core.errors import ProofFailed
from tasks.core.ladder import RUNGS, Fault
from tasks.core.progress import Journal
from tasks.proof import Proof, Target
from tests.conftest import DOMAIN, a_config
from tests.flows.running import run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

CONFIG = a_config()
SERVICE, BACKEND_CONFIG = names.service(CONFIG.release), names.backend_config(CONFIG.release)


@pytest.fixture
def journal() -> Journal:
    """Of a step that is run by itself."""
    fresh = Journal()
    progress.use(fresh)
    return fresh


@pytest.fixture
def target(stack: Stack) -> Callable[..., Target]:
    """What is to be proved, of a release that was provisioned."""
    run(provision)

    def build(**changes: Any) -> Target:
        secret = read(kubernetes.SECRET, CONFIG.tls_secret)
        usual = {
            "trust": base64.b64decode(secret["data"]["tls.crt"]),
            "dns_servers": (os.environ["MILVUS_L7_DNS_SERVERS"],),
            "look_at_backends": backend_facts.reader(CONFIG),
        }
        address = status.ingress_address(read(kubernetes.INGRESS, SERVICE))
        port = int(os.environ["MILVUS_L7_HTTPS_PORT"])
        return Target(DOMAIN, address, port=port, **{**usual, **changes})

    return build


def read(kind: Kind, name: str) -> dict[str, Any]:
    found = kubernetes.cluster(CONFIG).read(kind, CONFIG.namespace, name)
    assert found is not None, f"{kind.name} {name}"
    return found


@pytest.fixture(scope="module")
def running_stack(own_stack: Stack) -> Stack:
    """A sandbox of these tests alone: a field that was edited by hand has an owner from then on."""
    return own_stack


@contextmanager
def patched(kind: Kind, name: str, change: dict[str, Any], back: dict[str, Any]) -> Iterator[None]:
    """A merge patch as a user makes it, taken back afterwards."""
    cluster = kubernetes.cluster(CONFIG)
    cluster.merge_patch(kind, CONFIG.namespace, name, change)
    try:
        yield
    finally:
        cluster.merge_patch(kind, CONFIG.namespace, name, back)


def broken_in_the_end(target: Target, rung: str, cause: str = "", *, seconds: float = 120) -> tuple[Fault, Proof]:
    """The fault of this rung, as soon as what was broken has reached the data path.

    With a `cause`, another one is looked at again, as the step does: Milvus may have a moment of its own.
    """
    deadline = time.monotonic() + seconds
    while True:
        climbed = proof.prove(target)
        broken = climbed.verdict.broken
        if broken is not None and broken.name == rung:
            assert broken.fault is not None
            if cause in ("", broken.fault.cause):
                return broken.fault, climbed
        assert time.monotonic() < deadline, climbed.rungs


def test_every_rung_holds_through_the_load_balancer(target: Callable[..., Target]) -> None:
    climbed = proof.prove(target(long_call_seconds=3.0, idle_seconds=2.0))

    outcomes = {rung.name: rung.outcome.value for rung in climbed.rungs}
    outcomes.pop("dns")  # whether there is a record is another test's doing
    assert outcomes == dict.fromkeys(RUNGS[1:], "passed"), climbed.rungs
    told = {rung.name: rung.detail for rung in climbed.rungs}
    assert told["backends"].endswith(": 1 HEALTHY")
    assert told["version"].startswith("Milvus v2.3.5")
    assert told["long-call"].startswith("one call lasted 3.")
    assert climbed.async_call == climbed.call.replace("MilvusClient(", "AsyncMilvusClient(") != ""


CUT_SECONDS = 6
"""A backend timeout that the calls of a proof keep to, on a busy machine, too."""


def cut_calls() -> AbstractContextManager[None]:
    change, back = ({"spec": {"timeoutSec": seconds}} for seconds in (CUT_SECONDS, 3600))
    return patched(kubernetes.BACKEND_CONFIG, BACKEND_CONFIG, change, back)


def test_a_long_call_is_cut_by_the_backend_timeout(target: Callable[..., Target]) -> None:
    with cut_calls():
        fault, climbed = broken_in_the_end(
            target(long_call_seconds=9.0, idle_seconds=60.0), "long-call", "CallCutByTimeout"
        )

    assert (fault.owner, fault.cause) == ("ingress", "CallCutByTimeout"), fault
    assert fault.detail.startswith(f"a call of 9 s was cut after {CUT_SECONDS}.")
    assert f"timeoutSec is {CUT_SECONDS} s" in fault.detail
    assert climbed.rungs[-1].detail == "not reached: long-call broke"
    assert sum(rung.seconds for rung in climbed.rungs) < 60, "the silence was not waited for"


def test_no_long_call_is_proved_where_it_is_to_be_cut(target: Callable[..., Target], journal: Journal) -> None:
    config = a_config(long_call_seconds=35, backend_timeout_seconds=30)

    seen = milvus_connection.prove.fn(config, target().address, "")

    (rung,) = (rung for rung in seen.rungs if rung.name == "long-call")
    assert rung.outcome == "skipped"
    assert "backend_timeout_seconds=30" in rung.detail


def test_a_long_call_that_is_cut_again_and_again_is_not_waited_for(
    target: Callable[..., Target], journal: Journal
) -> None:
    """Each climb takes as long as it does, and the deadline of a first proof is 20 minutes."""
    config = a_config(long_call_seconds=8)
    address = target().address
    with cut_calls():
        broken_in_the_end(target(long_call_seconds=8.0), "long-call")
        begun = time.monotonic()
        with pytest.raises(ProofFailed) as caught:
            milvus_connection.prove.fn(config, address, "")

    assert (caught.value.layer, caught.value.cause) == ("ingress", "CallCutByTimeout")
    assert isinstance(caught.value.last_climb, milvus_connection.Proof)
    assert (time.monotonic() - begun) // CUT_SECONDS >= 3, "each climb lasts until the call is cut"
    assert time.monotonic() - begun < 200


def test_a_host_that_the_ingress_does_not_know(target: Callable[..., Target]) -> None:
    rules = read(kubernetes.INGRESS, SERVICE)["spec"]["rules"]
    other = [{**rule, "host": "other.example"} for rule in rules]
    with patched(kubernetes.INGRESS, SERVICE, {"spec": {"rules": other}}, {"spec": {"rules": rules}}):
        fault, _ = broken_in_the_end(target(), "url-map")

    assert (fault.owner, fault.cause) == ("ingress", "HostRuleMissing")
    assert "there are host rules for other.example" in fault.detail


def test_a_path_that_takes_no_call(target: Callable[..., Target]) -> None:
    """`/` with pathType ImplementationSpecific is that one path (ingress-gce pkg/translator)."""
    rules = read(kubernetes.INGRESS, SERVICE)["spec"]["rules"]
    paths = [{**path, "pathType": "ImplementationSpecific"} for path in rules[0]["http"]["paths"]]
    narrow = [{**rules[0], "http": {"paths": paths}}]
    with patched(kubernetes.INGRESS, SERVICE, {"spec": {"rules": narrow}}, {"spec": {"rules": rules}}):
        fault, _ = broken_in_the_end(target(), "url-map")

    assert fault.cause == "PathRuleMissing"


def test_an_annotation_whose_key_is_no_port_name(target: Callable[..., Target]) -> None:
    """The backend service then speaks HTTP/1.1 (gke.md §2.5)."""
    wrong, right = ({annotations.APP_PROTOCOLS: f'{{"{port}":"HTTP2"}}'} for port in ("grpc", "milvus"))
    with patched(
        kubernetes.SERVICE, SERVICE, {"metadata": {"annotations": wrong}}, {"metadata": {"annotations": right}}
    ):
        fault, _ = broken_in_the_end(target(), "backends")

    assert (fault.owner, fault.cause) == ("ingress", "BackendProtocolNotHttp2")
    assert '{"milvus":"HTTP2"}' in fault.mend


def test_backends_that_are_not_healthy(target: Callable[..., Target], stack: Stack) -> None:
    stack.faults.arm("never-healthy")

    fault, _ = broken_in_the_end(target(), "backends")

    assert (fault.owner, fault.cause) == ("compute", "NoHealthyBackend")
    assert "1 UNHEALTHY" in fault.detail


def test_a_milvus_that_speaks_plaintext(target: Callable[..., Target]) -> None:
    """Healthy by its other port, and of no use (gke.md §14)."""
    live = read(kubernetes.CONFIG_MAP, SERVICE)["data"]["user.yaml"]
    with reconfigured(live.replace("tlsMode: 1", "tlsMode: 0"), live):
        fault, _ = broken_in_the_end(target(), "backends")
        while fault.cause == "NoHealthyBackend":  # while it restarts
            fault, _ = broken_in_the_end(target(), "backends")

    assert (fault.owner, fault.cause) == ("milvus", "MilvusSpeaksPlaintext")
    assert "tlsMode: 1" in fault.mend


@contextmanager
def reconfigured(user_yaml: str, back: str) -> Iterator[None]:
    """Milvus' configuration as `kubectl edit` and a restart leave it."""
    restart(user_yaml)
    try:
        yield
    finally:
        restart(back)


def restart(user_yaml: str) -> None:
    cluster, namespace = kubernetes.cluster(CONFIG), CONFIG.namespace
    cluster.merge_patch(kubernetes.CONFIG_MAP, namespace, SERVICE, {"data": {"user.yaml": user_yaml}})
    template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": str(time.time())}}}
    cluster.merge_patch(kubernetes.DEPLOYMENT, namespace, f"{SERVICE}-standalone", {"spec": {"template": template}})


# --- what strangers find ----------------------------------------------------------------------------------------------


def test_an_ingress_that_leads_to_the_management_port_is_found_from_outside(target: Callable[..., Target]) -> None:
    """It takes orders without a password (milvus-io/milvus#50763)."""
    rules = read(kubernetes.INGRESS, SERVICE)["spec"]["rules"]
    metrics = {"service": {"name": SERVICE, "port": {"number": 9091}}}
    extra = {"path": "/metrics", "pathType": "Exact", "backend": metrics}
    open_door = [{**rules[0], "http": {"paths": [extra, *rules[0]["http"]["paths"]]}}]
    address = target().address
    with patched(kubernetes.INGRESS, SERVICE, {"spec": {"rules": open_door}}, {"spec": {"rules": rules}}):
        deadline = time.monotonic() + 60
        while (found := management_port(address)).result is not Result.FAILED:
            assert time.monotonic() < deadline, found

    assert found.ends_the_run
    assert found.observed == f"https://{DOMAIN} serves /metrics of port 9091"


def management_port(address: str) -> Check:
    checks = exposure.judge(a_config(), address)
    return next(check for check in checks if check.name == "ManagementPortCheck")


def test_port_80_leads_to_https(target: Callable[..., Target]) -> None:
    found = {check.name: check for check in exposure.judge(a_config(), target().address)}

    assert found["PlainHttpCheck"].result is Result.PASSED
    assert "sent to HTTPS (301)" in found["PlainHttpCheck"].observed
    assert found["ManagementPortCheck"].result is Result.PASSED
    assert found["AnonymousAccessCheck"].observed.endswith("because: an empty Milvus on a loopback address")
