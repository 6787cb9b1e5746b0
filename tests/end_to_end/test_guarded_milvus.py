"""A Milvus that asks for passwords, from its Layer-4 address at first to the load balancer it is published by."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pymilvus import MilvusClient

from flows.provision import provision
from sandbox.stack import Stack
from tasks import exposure
from tasks.clients import kubernetes
from tasks.core import names
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ExposureRefused
from tests.conftest import a_config
from tests.flows.running import fail, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

STRANGER, LAST = "127.0.66.1", 2147483647


def rule(priority: int, action: str, *ranges: str) -> dict[str, Any]:
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}}
    return {"priority": priority, "action": action, "match": match}


RULES = [rule(1000, "allow", "127.0.0.1/32")]
SECRET, PASSWORD = "milvus-login", "an0ther-horse"
CLOSED = {"open_milvus_reason": "", "milvus_credentials_secret": SECRET}
AUTHORIZATION = {"extraConfigFiles": {"user.yaml": "common:\n  security:\n    authorizationEnabled: true\n"}}


@pytest.fixture(scope="module")
def guarded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox of this module's own: its root password is changed."""
    with Stack(tmp_path_factory.mktemp("guarded"), latency="zero", values=AUTHORIZATION) as stack:
        yield stack


@pytest.fixture
def guarded(guarded_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The same, with this process pointed at it."""
    for name, value in guarded_stack.env.items():
        monkeypatch.setenv(name, value)
    return guarded_stack


class Google:
    """Compute, as whoever owns the allow-list uses it."""

    def __init__(self, stack: Stack) -> None:
        self._base = f"{stack.compute.url}/compute/v1/projects/{stack.compute.project}/global/"
        self._headers = {"Authorization": f"Bearer {stack.compute.access_token('somebody')}"}

    def call(self, method: str, path: str, body: dict[str, Any]) -> None:
        answer = httpx.request(method, self._base + path, json=body, headers=self._headers, trust_env=False)
        assert answer.is_success, answer.text


def before_publishing(config: LoadBalancerConfig) -> dict[str, Check]:
    found = exposure.before_publishing(config, kubernetes.cluster(config))
    return {check.name: check for check in found}


def login(config: LoadBalancerConfig, password: str) -> None:
    """The Secret that the proof takes user and password from."""
    data = {"username": "root", "password": password}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "data": encoded}
    secret["metadata"] = {"name": SECRET, "namespace": config.namespace}
    kubernetes.cluster(config).apply(secret, kubernetes.SECRET, force=True)


def test_a_milvus_is_published_once_nobody_gets_in_but_its_own(guarded: Stack) -> None:
    """The default password at the Layer-4 address, then another one, then the load balancer."""
    config = a_config(**CLOSED)
    service = kubernetes.cluster(config).read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    assert service is not None
    layer_4 = f"{service['status']['loadBalancer']['ingress'][0]['ip']}:19530"

    as_it_comes = before_publishing(config)
    client = MilvusClient(f"http://{layer_4}", token="root:Milvus")
    client.update_password("root", "Milvus", PASSWORD)
    client.close()
    changed = before_publishing(config)
    login(config, PASSWORD)
    report = run(provision, **CLOSED)
    published = {check.name: check for check in exposure.guard_exposure.fn(config, report.address)}

    assert as_it_comes["AnonymousAccessCheck"].result is Result.PASSED
    assert as_it_comes["DefaultPasswordCheck"].ends_the_run
    assert layer_4 in as_it_comes["DefaultPasswordCheck"].observed
    assert {check.result for check in changed.values()} == {Result.PASSED}
    told = {rung.name: rung.detail for rung in report.verification.rungs}
    assert told["authentication"] == f"the user of secret default/{SECRET} is taken; one is needed"
    assert {check.result for check in published.values()} == {Result.PASSED}, published
    assert PASSWORD not in f"{report} {published} {as_it_comes}"


def test_a_stranger_is_refused_until_the_policy_lets_him_in(guarded: Stack) -> None:
    """The whole way: the policy is made, set by the run, tried from another address, and then opened by somebody."""
    google = Google(guarded)
    google.call("POST", "securityPolicies", {"name": "office", "rules": [*RULES, rule(LAST, "deny(403)", "*")]})
    login(a_config(**CLOSED), PASSWORD)
    asked = {**CLOSED, "security_policy": "set", "security_policy_name": "office", "refused_sources": [STRANGER]}
    config = a_config(**asked)

    report = run(provision, **asked)
    refused = {check.name: check for check in exposure.guard_exposure.fn(config, report.address)}
    google.call("POST", f"securityPolicies/office/patchRule?priority={LAST}", {"action": "allow"})
    with pytest.raises(ExposureRefused) as caught:
        eventually_let_in(config, report.address)
    run(provision, **CLOSED, security_policy="remove")

    assert refused["AllowListEnforcementCheck"].observed == f"{STRANGER} is refused with HTTP 403"
    assert {check.result for check in refused.values()} == {Result.PASSED}, refused
    assert (caught.value.layer, caught.value.cause) == ("compute", "AllowListEnforcement")
    assert f"{STRANGER} is let in (Milvus answers)" in caught.value.observed
    assert f"--src-ip-ranges {STRANGER} --action deny-403" in caught.value.mend


def eventually_let_in(config: LoadBalancerConfig, address: str) -> None:
    """Envoy takes over a change a moment after Compute has it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        exposure.guard_exposure.fn(config, address, once=True)


def test_a_wrong_password_breaks_the_rung_of_its_own(guarded: Stack) -> None:
    config = a_config(**CLOSED)
    login(config, PASSWORD)
    run(provision, **CLOSED)
    login(config, "wr0ng-horse")

    error, report = fail(provision, **CLOSED)
    login(config, PASSWORD)

    assert (error.layer, error.cause) == ("client", "CredentialsRefused")
    broken = next(rung for rung in report.verification.rungs if rung.outcome == "failed")
    assert broken.name == "authentication"
    assert "wr0ng-horse" not in f"{error} {report}"
