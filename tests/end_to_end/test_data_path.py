"""The guide's objects by the official Kubernetes client, then pymilvus through the Layer-7 load balancer.

No code of the product takes part: this is the sandbox as a stranger meets it.
"""

import base64
import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from kubernetes import client, config
from pymilvus import MilvusClient, MilvusException

from sandbox import chart_install
from sandbox.stack import Stack
from tests.waiting import eventually

pytestmark = pytest.mark.slow

HOST = "my-release.milvus.io"
SERVICE, NAMESPACE = "my-release-milvus", "default"
ANNOTATIONS = {
    "cloud.google.com/app-protocols": '{"milvus":"HTTP2"}',
    "cloud.google.com/backend-config": '{"default": "my-release-backendconfig"}',
    "cloud.google.com/neg": '{"ingress": true}',
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("data-path"), latency="zero") as running:
        yield running


@pytest.fixture(scope="module")
def kubernetes(stack: Stack) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(stack.kubeconfig)) as api:  # type: ignore[no-untyped-call]
        yield api


def test_milvus_is_reached_over_the_layer_4_balancer_first(stack: Stack, kubernetes: client.ApiClient) -> None:
    """The guide's starting point: plaintext, type LoadBalancer."""
    address = service_address(kubernetes)

    milvus = MilvusClient(f"http://{address}:19530", timeout=60)

    assert milvus.list_collections() == []
    milvus.close()


def test_the_guide_leads_to_a_search_through_the_layer_7_balancer(
    stack: Stack, kubernetes: client.ApiClient, tmp_path: Path
) -> None:
    layer_4 = service_address(kubernetes)
    certificate = follow_the_guide(kubernetes)
    address = eventually(lambda: ingress_address(kubernetes), explain=stack.dataplane.envoy.process.log_tail)
    trusted = tmp_path / "tls.crt"
    trusted.write_bytes(certificate)

    milvus = eventually(lambda: connected(stack, address, trusted), explain=stack.dataplane.envoy.process.log_tail)

    milvus.create_collection("demo", dimension=4, consistency_level="Strong")
    milvus.insert("demo", [{"id": number, "vector": [1.0, float(number), 0.0, 0.0]} for number in range(100)])
    found = milvus.search("demo", [[1.0, 7.0, 0.0, 0.0]], limit=1, output_fields=["id"])
    milvus.drop_collection("demo")
    milvus.close()
    assert len(found[0]) == 1
    # What the guide takes away is gone: the Layer-4 address answers no more.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((layer_4, 19530), timeout=2)


def follow_the_guide(kubernetes: client.ApiClient) -> bytes:
    """Steps 1 to 6a; returns the certificate, PEM."""
    # kubectl has no part in steps 1 and 2: here they are one patch each instead of a Helm upgrade.
    core, apps, custom = client.CoreV1Api(kubernetes), client.AppsV1Api(kubernetes), client.CustomObjectsApi(kubernetes)
    service = {"metadata": {"annotations": ANNOTATIONS}, "spec": {"type": "ClusterIP"}}
    core.patch_namespaced_service(SERVICE, NAMESPACE, service)
    user_yaml = {"data": {"user.yaml": "common:\n  security:\n    tlsMode: 1\n"}}
    core.patch_namespaced_config_map(SERVICE, NAMESPACE, user_yaml)
    template = {"metadata": {"annotations": {"checksum/config": "changed"}}}
    apps.patch_namespaced_deployment(f"{SERVICE}-standalone", NAMESPACE, {"spec": {"template": template}})
    backend_config = {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {"name": "my-release-backendconfig"},
        "spec": {"healthCheck": {"port": 9091, "requestPath": "/healthz", "type": "HTTP"}},
    }
    custom.create_namespaced_custom_object("cloud.google.com", "v1", NAMESPACE, "backendconfigs", backend_config)
    certificate, key = self_signed(HOST)
    core.create_namespaced_secret(
        NAMESPACE,
        client.V1Secret(
            metadata=client.V1ObjectMeta(name="my-release-milvus-tls"),
            type="kubernetes.io/tls",
            data={"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()},
        ),
    )
    path = {
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": SERVICE, "port": {"number": 19530}}},
    }
    ingress: Any = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": SERVICE},
        "spec": {
            "tls": [{"hosts": [HOST], "secretName": "my-release-milvus-tls"}],
            "rules": [{"host": HOST, "http": {"paths": [path]}}],
        },
    }
    client.NetworkingV1Api(kubernetes).create_namespaced_ingress(NAMESPACE, ingress)
    return certificate


def self_signed(host: str) -> tuple[bytes, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=9)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def connected(stack: Stack, address: str, trusted: Path) -> MilvusClient | None:
    try:
        return MilvusClient(
            f"https://{address}:{stack.env['MILVUS_L7_HTTPS_PORT']}",
            secure=True,
            server_pem_path=str(trusted),
            server_name=HOST,
            timeout=2,
        )
    except MilvusException:
        return None


def service_address(kubernetes: client.ApiClient) -> str:
    service: Any = client.CoreV1Api(kubernetes).read_namespaced_service(SERVICE, NAMESPACE)
    return str(service.status.load_balancer.ingress[0].ip)


def ingress_address(kubernetes: client.ApiClient) -> str | None:
    ingress: Any = client.NetworkingV1Api(kubernetes).read_namespaced_ingress(SERVICE, NAMESPACE)
    found = ingress.status.load_balancer.ingress if ingress.status and ingress.status.load_balancer else None
    return found[0].ip if found else None


def test_the_release_is_helms_own(stack: Stack, kubernetes: client.ApiClient) -> None:
    """Helm owns the fields as `helm`, as if a person had installed the release."""
    secrets: Any = client.CoreV1Api(kubernetes).list_namespaced_secret(NAMESPACE, label_selector="owner=helm")
    service: Any = client.CoreV1Api(kubernetes).read_namespaced_service(SERVICE, NAMESPACE)

    assert [secret.metadata.name for secret in secrets.items] == ["sh.helm.release.v1.my-release.v1"]
    assert "helm" in {entry.manager for entry in service.metadata.managed_fields}
    assert stack.chart == chart_install.CHART
