"""The sandbox as a whole in its several modes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from sandbox import chart_install
from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.files import lock_of
from sandbox.kube.server import KubernetesApi
from sandbox.kube_client import KubeClient
from sandbox.stack import AlreadyRunning, NotReady, Stack
from tests.waiting import eventually

pytestmark = pytest.mark.slow

Json = dict[str, Any]
LIMIT_MIB = 600
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/my-release-milvus-standalone"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


def test_all_of_it_together_stays_below_600_mib(stack: Stack) -> None:
    envoy, milvus = stack.dataplane.envoy.process.pid, stack.runner.kubelet.processes()
    # Other sandboxes of the test session have such children, too.
    children = [
        process
        for process in psutil.Process().children()
        if process.name() in ("envoy", "milvus")
        and str(stack.directory) in " ".join([process.cwd(), *process.cmdline()])
    ]
    assert envoy in {child.pid for child in children}
    assert len(milvus) == 1
    assert len(children) == 2

    assert sum(child.memory_info().rss for child in children) < (LIMIT_MIB - 200) * 2**20


def test_kubectl_shows_the_release(stack: Stack) -> None:
    """The commands that a person types first."""
    shown = {}
    for command in ("get pods", "get svc", "logs deploy/my-release-milvus-standalone", "get nodes"):
        result = subprocess.run(
            ["kubectl", "--kubeconfig", str(stack.kubeconfig), *command.split()],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert result.returncode == 0, result.stderr
        shown[command] = result.stdout
    assert "1/1     Running" in shown["get pods"]
    assert "LoadBalancer" in shown["get svc"]
    assert "Milvus" in shown["logs deploy/my-release-milvus-standalone"]
    assert "Ready" in shown["get nodes"]


def test_a_second_sandbox_in_the_same_folder_is_refused(stack: Stack) -> None:
    with pytest.raises(AlreadyRunning):
        Stack(stack.directory).start()


def test_two_sandboxes_run_side_by_side(stack: Stack, tmp_path: Path) -> None:
    with Stack(tmp_path) as other:
        assert other.env["MILVUS_L7_COMPUTE_ENDPOINT"] != stack.env["MILVUS_L7_COMPUTE_ENDPOINT"]
        assert all(pod.state.ready for pod in other.runner.kubelet.processes().values())


def test_a_given_cluster_is_used_instead_of_the_built_in_one(tmp_path: Path) -> None:
    with KubernetesApi(tmp_path / "elsewhere", CertificateAuthority(), Faults()) as elsewhere:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(elsewhere.kubeconfig("somebody")))
        client = KubeClient.from_kubeconfig(kubeconfig, user_agent="test")

        with Stack(tmp_path / "sandbox", milvus=False, kubeconfig=kubeconfig) as stack:
            assert stack.kube is None
            assert stack.env["KUBECONFIG"] == str(kubeconfig)
            definitions = client.list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
            assert "managedcertificates.networking.gke.io" in {each["metadata"]["name"] for each in definitions}
            # Installed twice, kept as it is the second time.
            for expected in (True, False):
                made = chart_install.install(kubeconfig, chart_install.CHART, "my-release", "default", {})
                assert made is expected
            eventually(lambda: (client.get(DEPLOYMENT).get("status") or {}).get("readyReplicas") == 1)
        client.close()


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("not: a chart\n")
    before = {child.pid for child in psutil.Process().children()}

    with pytest.raises(chart_install.InstallFailed, match="helm cannot install my-release"):
        Stack(tmp_path / "sandbox", chart=chart).start()

    assert {child.pid for child in psutil.Process().children()} <= before
    lock = lock_of(tmp_path / "sandbox")
    assert lock is not None
    lock.close()


def test_a_milvus_that_does_not_come_up_is_named_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REST on the gRPC port with TLS, on a version that refuses it: the trap of the guide."""
    monkeypatch.setattr("sandbox.stack._READY_SECONDS", 20.0)
    values = {
        "image": {"all": {"tag": "v2.6.15"}},
        "extraConfigFiles": {"user.yaml": "common: {security: {tlsMode: 1}}\n"},
    }

    with pytest.raises(NotReady, match="tls mode must be 0"):
        Stack(tmp_path, values=values).start()
