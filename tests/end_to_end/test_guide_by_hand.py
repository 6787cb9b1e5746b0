"""The published guide, followed literally: helm, kubectl and openssl type what it says, pymilvus proves it.

Source: Milvus documentation, gcp_layer7.md (v2.4), steps 1 to 8a. Helm is its Go library, in a process of that name.
Where kubectl is missing the official Python client does the same steps, and where openssl is missing the cryptography
package: the steps are what is tried here, not the programs.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from kubernetes import client, config
from pymilvus import MilvusClient, MilvusException

from sandbox import chart_install
from sandbox.stack import Stack
from tests.end_to_end.test_data_path import ANNOTATIONS, HOST, NAMESPACE, SERVICE, self_signed

pytestmark = pytest.mark.slow

TLS_YAML = """\
extraConfigFiles:
  user.yaml: |+
    common:
      security:
        tlsMode: 1
"""
BACKEND_CONFIG = """\
apiVersion: cloud.google.com/v1
kind: BackendConfig
metadata:
  name: my-release-backendconfig
  namespace: default
spec:
  healthCheck:
    port: 9091
    requestPath: /healthz
    type: HTTP
"""
INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: my-release-milvus
  namespace: default
spec:
  tls:
  - hosts:
    - my-release.milvus.io
    secretName: my-release-milvus-tls
  rules:
  - host: my-release.milvus.io
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: my-release-milvus
            port:
              number: 19530
"""
SECRET = "my-release-milvus-tls"


class Hands(Protocol):
    """What the guide has a person type, but for helm and openssl."""

    def apply(self, manifest: str) -> None:
        """Run kubectl apply -f."""

    def annotate(self, annotations: dict[str, str]) -> None:
        """Run kubectl annotate service."""

    def create_tls_secret(self, certificate: Path, key: Path) -> None:
        """Run kubectl create secret tls."""

    def watch_for_address(self) -> str:
        """Run kubectl get ingress -w until ADDRESS shows one."""


class Kubectl:
    """The program."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._folder = folder
        self._environment = {"HOME": str(folder), "KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"]}

    def apply(self, manifest: str) -> None:
        file = self._folder / "manifest.yaml"
        file.write_text(manifest)
        assert self.run("apply", "-f", str(file)).endswith(" created\n")

    def annotate(self, annotations: dict[str, str]) -> None:
        for key, value in annotations.items():
            shown = self.run("annotate", "service", SERVICE, "--overwrite", f"{key}={value}")
            assert shown.startswith(f"service/{SERVICE} annotate")  # kubectl 1.27 leaves the d out

    def create_tls_secret(self, certificate: Path, key: Path) -> None:
        self.run("create", "secret", "tls", SECRET, f"--cert={certificate}", f"--key={key}")

    def watch_for_address(self) -> str:
        command = ["kubectl", "get", "ingress", SERVICE, "-w", "--request-timeout=60s"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self._environment) as watch:
            assert watch.stdout is not None
            header = watch.stdout.readline().split()
            assert header == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
            # Without an address the column is empty, and its line has one word fewer.
            found = next(line.split() for line in watch.stdout if len(line.split()) == len(header) + 1)
            watch.terminate()
        name, _, hosts, address, *ports, _ = found
        assert (name, hosts, " ".join(ports)) == (SERVICE, HOST, "80, 443")
        return address

    def run(self, *arguments: str) -> str:
        result = subprocess.run(
            ["kubectl", *arguments], capture_output=True, text=True, env=self._environment, timeout=60, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


class OfficialClient:
    """The same by the Python client, for machines without kubectl."""

    def __init__(self, kubeconfig: Path) -> None:
        load: Any = config.new_client_from_config
        self._api = load(str(kubeconfig))

    def apply(self, manifest: str) -> None:
        body = yaml.safe_load(manifest)
        if body["kind"] == "Ingress":
            client.NetworkingV1Api(self._api).create_namespaced_ingress(NAMESPACE, body)
            return
        group, version = body["apiVersion"].split("/")
        plural = f"{body['kind'].lower()}s"
        client.CustomObjectsApi(self._api).create_namespaced_custom_object(group, version, NAMESPACE, plural, body)

    def annotate(self, annotations: dict[str, str]) -> None:
        patch = {"metadata": {"annotations": annotations}}
        client.CoreV1Api(self._api).patch_namespaced_service(SERVICE, NAMESPACE, patch)

    def create_tls_secret(self, certificate: Path, key: Path) -> None:
        data: dict[str, bytes | str] = {"tls.crt": _encoded(certificate), "tls.key": _encoded(key)}
        metadata = client.V1ObjectMeta(name=SECRET)
        secret = client.V1Secret(metadata=metadata, type="kubernetes.io/tls", data=data)
        client.CoreV1Api(self._api).create_namespaced_secret(NAMESPACE, secret)

    def watch_for_address(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            ingress: Any = client.NetworkingV1Api(self._api).read_namespaced_ingress(SERVICE, NAMESPACE)
            if found := ingress.status.load_balancer.ingress:
                return str(found[0].ip)
            time.sleep(0.1)
        raise AssertionError("no address")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "sandbox", latency="zero") as running:
        yield running


@pytest.fixture(params=["kubectl", "official client"])
def hands(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> Hands:
    if request.param == "kubectl" and shutil.which("kubectl"):
        return Kubectl(stack.kubeconfig, tmp_path)
    return OfficialClient(stack.kubeconfig)


def test_the_guide_followed_by_hand_ends_in_a_search(stack: Stack, hands: Hands, tmp_path: Path) -> None:
    helm_upgrade(stack, {"service": {"type": "ClusterIP"}})  # --set service.type=ClusterIP
    helm_upgrade(stack, yaml.safe_load(TLS_YAML))  # -f tls.yaml
    hands.apply(BACKEND_CONFIG)
    hands.annotate(ANNOTATIONS)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    make_certificate(certificate, key)
    hands.create_tls_secret(certificate, key)
    hands.apply(INGRESS)
    address = hands.watch_for_address()

    milvus = connected(stack, address, certificate)

    milvus.create_collection("guide", dimension=4, consistency_level="Strong")
    milvus.insert("guide", [{"id": number, "vector": [1.0, float(number), 0.0, 0.0]} for number in range(10)])
    assert len(milvus.search("guide", [[1.0, 7.0, 0.0, 0.0]], limit=3)[0]) == 3
    milvus.close()
    if isinstance(hands, Kubectl):
        looks_as_on_gke(hands, address)


def looks_as_on_gke(kubectl: Kubectl, address: str) -> None:
    """What a person reads when something is not yet right."""
    described = kubectl.run("describe", "ingress", SERVICE)
    assert address in described
    assert f"{SECRET} terminates {HOST}" in described
    assert "loadbalancer-controller" in described
    for reason in ("Sync", "IPChanged"):
        assert reason in described
    annotations = kubectl.run("get", "ingress", SERVICE, "-o", r"jsonpath={.metadata.annotations}")
    assert set(json.loads(json.loads(annotations)["ingress.kubernetes.io/backends"]).values()) <= {"HEALTHY", "Unknown"}
    assert "19530/TCP" in kubectl.run("get", "svc", SERVICE)


HELM = """\
import json, sys, helm_python
kubeconfig, chart, values = json.load(sys.stdin)
configuration = helm_python.Config(kubeconfig_path=kubeconfig, namespace="default")
configuration.upgrade(helm_python.Chart.load(chart), "my-release", values)
configuration.close()
"""


def helm_upgrade(stack: Stack, values: dict[str, Any]) -> None:
    """`helm upgrade my-release milvus/milvus` with these values and no other flag.

    A process of its own, since Helm 4 owns fields under the name of its process.
    """
    result = subprocess.run(
        ["helm", "-c", HELM],
        executable=sys.executable,
        input=json.dumps([str(stack.kubeconfig), str(chart_install.CHART), values]),
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def make_certificate(certificate: Path, key: Path) -> None:
    if shutil.which("openssl"):
        command = ["openssl", "req", "-x509", "-nodes", "-days", "99999", "-newkey", "rsa:2048"]
        subject = ["-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={HOST}"]
        subprocess.run([*command, *subject], check=True, capture_output=True, timeout=60)
        return
    chain, private = self_signed(HOST)
    certificate.write_bytes(chain)
    key.write_bytes(private)


def connected(stack: Stack, address: str, certificate: Path) -> MilvusClient:
    """Step 8a; a load balancer and its health checks take a moment after the address shows."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return MilvusClient(
                f"https://{address}:{stack.env['MILVUS_L7_HTTPS_PORT']}",
                secure=True,
                server_pem_path=str(certificate),
                server_name=HOST,
                timeout=2,
            )
        except MilvusException:
            assert time.monotonic() < deadline, stack.dataplane.envoy.process.log_tail()
            time.sleep(0.1)


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
