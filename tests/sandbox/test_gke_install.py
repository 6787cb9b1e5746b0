"""What GKE brings along is installed once, and never over something that is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.gke.cluster import read_namer
from sandbox.gke.install import install
from sandbox.kube.server import KubernetesApi
from sandbox.kube_client import KubeClient

Json = dict[str, Any]
SYSTEM = "/api/v1/namespaces/kube-system"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BACKEND_CONFIGS = "/apis/cloud.google.com/v1/namespaces/default/backendconfigs"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[KubeClient]:
    api = KubernetesApi(tmp_path, CertificateAuthority(), Faults())
    api.start()
    client = KubeClient.from_kubeconfig(api.kubeconfig(), user_agent="test")
    yield client
    client.close()
    api.stop()


def test_everything_is_served_when_it_returns(client: KubeClient) -> None:
    made = install(client)

    assert "customresourcedefinition/managedcertificates.networking.gke.io" in made
    assert {"configmap/ingress-uid", "service/default-http-backend"} <= set(made)
    assert client.list("/apis/networking.gke.io/v1/managedcertificates")["items"] == []
    assert client.list("/apis/cloud.google.com/v1beta1/backendconfigs")["items"] == []


def test_a_second_time_nothing_is_made(client: KubeClient) -> None:
    install(client)
    uid = read_namer(client).cluster_uid

    assert install(client) == []
    assert read_namer(client).cluster_uid == uid


def test_what_is_there_stays_as_it_is(client: KubeClient) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ingress-uid"}, "data": {"uid": "mine"}}
    client.create(f"{SYSTEM}/configmaps", body)

    install(client)

    assert read_namer(client).cluster_uid == "mine"


def test_a_backend_config_loses_unknown_fields_and_keeps_odd_values(client: KubeClient) -> None:
    """As the genuine definition: no enums, no ranges, silent pruning."""
    install(client)
    spec = {"healthcheck": {"port": 9091}, "timeoutSec": -1, "healthCheck": {"type": "GRPC"}}

    body = {"apiVersion": "cloud.google.com/v1", "kind": "BackendConfig", "metadata": {"name": "bc"}, "spec": spec}
    client.create(BACKEND_CONFIGS, body)

    found = client.get(f"{BACKEND_CONFIGS.replace('/v1/', '/v1beta1/')}/bc")
    assert found["spec"] == {"timeoutSec": -1, "healthCheck": {"type": "GRPC"}}


def test_no_definition_has_a_status_subresource(client: KubeClient) -> None:
    install(client)

    for definition in client.list(CRDS)["items"]:
        if definition["spec"]["group"] in ("networking.gke.io", "cloud.google.com"):
            assert all("subresources" not in version for version in definition["spec"]["versions"])
