"""The API server through other people's clients: the official Python client, kubectl in several versions, Helm."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config, dynamic, watch

from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube.server import KubernetesApi
from tests.sandbox.kube_objects import WIDGETS, deployment, ingress, service, widget

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def _binaries() -> list[str]:
    """Every kubectl of this machine: the one on the path, and what the Google Cloud SDK has beside its own."""
    found = {path for path in (shutil.which("kubectl"),) if path}
    for path in list(found):
        found |= {str(each) for each in Path(path).resolve().parent.glob("kubectl.1.*")}
    return sorted(found)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubernetesApi]:
    with KubernetesApi(tmp_path / "kube", CertificateAuthority(), Faults()) as server:
        yield server


@pytest.fixture
def kubeconfig(api: KubernetesApi, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(api.kubeconfig()))
    return path


@pytest.fixture
def python_client(kubeconfig: Path) -> Iterator[client.ApiClient]:
    load: Any = config.new_client_from_config
    with load(str(kubeconfig)) as api_client:
        yield api_client


@pytest.fixture(params=_binaries(), ids=lambda path: Path(path).name)
def kubectl(request: pytest.FixtureRequest, kubeconfig: Path, tmp_path: Path) -> Kubectl:
    environment = {"HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"]}

    def run(*arguments: str, document: Any = None) -> subprocess.CompletedProcess[str]:
        text = None if document is None else yaml.safe_dump(document)
        command = [request.param, *arguments]
        return subprocess.run(
            command, input=text, capture_output=True, text=True, env=environment, timeout=60, check=False
        )

    return run


def test_the_python_client_writes_reads_watches_and_deletes(python_client: client.ApiClient) -> None:
    core: Any = client.CoreV1Api(python_client)  # its annotations know neither dicts as bodies nor filled-in replies
    stream: Any = watch
    core.create_namespaced_service("default", service())

    found = core.read_namespaced_service("milvus", "default")
    core.patch_namespaced_service("milvus", "default", {"metadata": {"annotations": {"a": "b"}}})
    since = {"resource_version": found.metadata.resource_version, "timeout_seconds": 5}
    event = next(iter(stream.Watch().stream(core.list_namespaced_service, "default", **since)))
    core.delete_namespaced_service("milvus", "default")

    assert found.spec.cluster_ip.startswith("10.96.")
    assert (event["type"], event["object"].metadata.annotations) == ("MODIFIED", {"a": "b"})
    with pytest.raises(client.ApiException) as missing:
        core.read_namespaced_service("milvus", "default")
    assert missing.value.status == 404


def test_the_dynamic_client_applies_custom_resources(python_client: client.ApiClient) -> None:
    definitions: Any = client.ApiextensionsV1Api(python_client)
    make_client: Any = dynamic.DynamicClient
    definitions.create_custom_resource_definition(WIDGETS)
    widgets = make_client(python_client).resources.get(api_version="example.com/v1", kind="Widget")

    first = widgets.server_side_apply(body=widget(), namespace="default", field_manager="flow")
    second = widgets.server_side_apply(body=widget(), namespace="default", field_manager="flow")

    assert first.spec.size == 3
    assert second.metadata.resourceVersion == first.metadata.resourceVersion


def test_kubectl_follows_the_guide(kubectl: Kubectl, tmp_path: Path) -> None:
    leaf = CertificateAuthority().issue("milvus.example")
    (tmp_path / "tls.crt").write_bytes(leaf.certificate_pem)
    (tmp_path / "tls.key").write_bytes(leaf.key_pem)
    pair = (f"--cert={tmp_path / 'tls.crt'}", f"--key={tmp_path / 'tls.key'}")

    for arguments, document in (
        (("apply", "-f", "-"), service()),
        (("apply", "-f", "-"), WIDGETS),
        (("apply", "-f", "-"), widget()),
        (("annotate", "service", "milvus", 'cloud.google.com/neg={"ingress": true}'), None),
        (("create", "secret", "tls", "milvus-tls", *pair), None),
        (("apply", "-f", "-"), ingress()),
    ):
        done = kubectl(*arguments, document=document)
        assert done.returncode == 0, done.stderr

    assert kubectl("get", "ingress", "--no-headers").stdout.split()[:3] == ["milvus", "<none>", "milvus.example"]
    assert "kubernetes.io/tls" in kubectl("get", "secret").stdout
    assert kubectl("describe", "ingress", "milvus").returncode == 0
    assert "unchanged" in kubectl("apply", "-f", "-", document=ingress()).stdout
    assert kubectl("explain", "widget.spec").returncode == 0


def test_kubectl_apply_is_checked_by_the_server(kubectl: Kubectl) -> None:
    body = ingress()
    body["spec"]["rulez"] = []

    refused = kubectl("apply", "-f", "-", document=body)

    assert refused.returncode == 1
    assert 'unknown field "spec.rulez"' in refused.stderr


def test_kubectl_server_side_apply_meets_a_conflict(kubectl: Kubectl) -> None:
    annotated = service()
    annotated["metadata"]["annotations"] = {"note": "1"}
    kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", document=annotated)
    kubectl("annotate", "service", "milvus", "--overwrite", "note=2")

    refused = kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", document=annotated)
    forced = kubectl(
        "apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", "-", document=annotated
    )

    conflict = 'Apply failed with 1 conflict: conflict with "kubectl-annotate" using v1: .metadata.annotations.note'
    assert conflict in refused.stderr
    assert forced.returncode == 0, forced.stderr


def test_kubectl_patches_scales_waits_and_deletes(kubectl: Kubectl) -> None:
    change = '{"spec":{"template":{"spec":{"containers":[{"name":"standalone","image":"new"}]}}}}'

    for arguments, document in (
        (("create", "-f", "-"), deployment()),
        (("patch", "deployment", "milvus", "-p", change), None),
        (("scale", "deployment", "milvus", "--replicas=3"), None),
        (("wait", "deployment/milvus", "--for=jsonpath={.spec.replicas}=3", "--timeout=5s"), None),
        (("auth", "can-i", "create", "ingresses"), None),
        (("create", "deployment", "second", "--image=x"), None),
        (("create", "namespace", "other"), None),
        (("delete", "namespace", "other", "--wait", "--timeout=10s"), None),
    ):
        done = kubectl(*arguments, document=document)
        assert done.returncode == 0, (arguments, done.stderr)

    path = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}"
    assert kubectl("get", "deployment", "milvus", "-o", path).stdout == "3 new"
    assert kubectl("delete", "deployment", "milvus", "--wait", "--timeout=10s").returncode == 0


CHART = """\
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}-milvus
  annotations: {{ toYaml .Values.annotations | nindent 4 }}
spec:
  type: {{ .Values.type }}
  ports: [{name: milvus, port: 19530, protocol: TCP, targetPort: milvus}]
  selector: {app: milvus}
"""
HELM_RUN = """\
import json, sys
import helm_python

chart, kubeconfig, annotate = sys.argv[1:]
seen = {}
with helm_python.Config(kubeconfig_path=kubeconfig, namespace="default") as helm:
    helm.install(chart, "my-release")
    wanted = {"type": "ClusterIP", "annotations": {"cloud.google.com/neg": "1"}}
    helm.upgrade(chart, "my-release", wanted)
    seen["values"] = helm.get_values("my-release")
    exec(annotate)
    try:
        helm.upgrade(chart, "my-release", wanted)
    except helm_python.HelmError as error:
        seen["conflict"] = str(error)
    seen["history"] = [each["status"] for each in helm.history("my-release")]
    helm.rollback("my-release", version=1)
    helm.uninstall("my-release")
print(json.dumps(seen))
"""


def test_helm_installs_upgrades_and_meets_the_annotation_somebody_else_set(
    kubeconfig: Path, tmp_path: Path, python_client: client.ApiClient
) -> None:
    """Helm 4 applies server-side, reads OpenAPI v3 and sends its Secrets in protobuf."""
    import json
    import sys

    templates = tmp_path / "chart" / "templates"
    templates.mkdir(parents=True)
    (templates / "service.yaml").write_text(CHART)
    (tmp_path / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
    (tmp_path / "chart" / "values.yaml").write_text("type: LoadBalancer\nannotations: {}\n")
    annotate = (
        "from kubernetes import client, config; config.load_kube_config(kubeconfig); "
        "client.CoreV1Api().patch_namespaced_service('my-release-milvus', 'default', "
        "{'metadata': {'annotations': {'cloud.google.com/neg': '2'}}}, field_manager='kubectl-annotate')"
    )

    # A process of its own: the Go runtime in it does not get along with every thread of a test run.
    command = [sys.executable, "-c", HELM_RUN, str(tmp_path / "chart"), str(kubeconfig), annotate]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["values"] == {"type": "ClusterIP", "annotations": {"cloud.google.com/neg": "1"}}
    assert seen["conflict"].endswith(
        'Apply failed with 1 conflict: conflict with "kubectl-annotate" using v1: '
        ".metadata.annotations.cloud.google.com/neg"
    )
    assert seen["history"] == ["superseded", "deployed", "failed"]
    core: Any = client.CoreV1Api(python_client)
    names = [each.metadata.name for each in core.list_namespaced_service("default").items]
    assert names == ["kubernetes"]
