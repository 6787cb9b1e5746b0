"""A Milvus that asks for passwords, from its Layer-4 address at first to the load balancer it is published by."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from pymilvus import MilvusClient

from flows.provision import provision
from sandbox.stack import Stack
from tasks import exposure
from tasks.clients import kubernetes
from tasks.core import names
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig
from tests.conftest import a_config
from tests.flows.running import fail, run

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

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
