"""`up --kubeconfig`: the sandbox's controllers around an API server that is another process and nobody else's helper.

What can be had only over the wire is had over the wire here, or not at all.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.kube_client import KubeClient
from tests.conftest import QUICK
from tests.waiting import eventually

pytestmark = pytest.mark.slow

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVICE, DOMAIN = "my-release-milvus", "my-release.milvus.io"


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of an API server in its own process."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-m", "tests.sandbox.bare_api_server", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT) as server:
        eventually((folder / "kubeconfig").exists)
        yield folder / "kubeconfig"
        server.terminate()


@pytest.fixture(scope="module")
def client(kubeconfig: Path) -> Iterator[KubeClient]:
    client = KubeClient.from_kubeconfig(kubeconfig, user_agent="test")
    yield client
    client.close()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The sandbox's folder; what runs in it at the end is stopped."""
    folder = tmp_path_factory.mktemp("sandbox")
    yield folder
    sandbox("down", folder)


def test_the_product_provisions_in_a_cluster_that_is_given(
    kubeconfig: Path, client: KubeClient, directory: Path, tmp_path: Path
) -> None:
    environment = up(directory, kubeconfig)
    assert environment["KUBECONFIG"] == str(kubeconfig)
    assert not (directory / "kubeconfig").exists()

    report = provision(environment, tmp_path)

    assert report["verdict"] == "verified"
    ingress = client.get(f"/apis/networking.k8s.io/v1/namespaces/default/ingresses/{SERVICE}")
    assert ingress["status"]["loadBalancer"]["ingress"][0]["ip"] in json.dumps(report)
    assert client.get(f"/api/v1/namespaces/default/services/{SERVICE}")["spec"]["type"] == "ClusterIP"


def test_down_leaves_the_cluster_as_it_is_and_no_process(kubeconfig: Path, client: KubeClient, directory: Path) -> None:
    up(directory, kubeconfig)
    assert processes(directory)

    sandbox("down", directory)

    assert not processes(directory)
    assert client.find(f"/apis/apps/v1/namespaces/default/deployments/{SERVICE}-standalone")
    assert client.list(DEFINITIONS)["items"]


def test_the_next_sandbox_installs_nothing_again_and_waits_for_its_own_milvus(
    kubeconfig: Path, client: KubeClient, directory: Path
) -> None:
    """The cluster still says that all is ready, at addresses where nobody listens any more."""
    up(directory, kubeconfig)
    sandbox("down", directory)
    definitions = revisions(client, DEFINITIONS)
    charts = revisions(client, "/api/v1/namespaces/default/secrets?labelSelector=owner=helm")

    up(directory, kubeconfig)

    assert revisions(client, DEFINITIONS) == definitions
    assert revisions(client, "/api/v1/namespaces/default/secrets?labelSelector=owner=helm") == charts
    status = json.loads(sandbox("status", directory, "--json"))
    assert [pod["ready"] for pod in status["milvus"].values()] == [True]


def up(directory: Path, kubeconfig: Path) -> dict[str, str]:
    """Start a sandbox unless it runs; returns its variables."""
    if not (directory / "control.json").exists():
        sandbox("up", directory, "--kubeconfig", str(kubeconfig), "--latency", "zero", "--detach")
    variables: dict[str, str] = json.loads(sandbox("env", directory, "--format", "json"))
    return variables


def sandbox(verb: str, directory: Path, *more: str) -> str:
    command = [sys.executable, "-m", "sandbox", verb, "--dir", str(directory), *more]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=400, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def provision(variables: dict[str, str], folder: Path) -> Json:
    """Run the command with a Prefect server of its own; returns its report."""
    command = [str(Path(sys.executable).with_name("milvus-l7")), "provision", "--set", f"domain={DOMAIN}"]
    command += [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    environment |= variables | {"PREFECT_HOME": str(folder / "prefect"), "XDG_STATE_HOME": str(folder / "state")}
    result = subprocess.run(
        [*command, "--report", str(folder / "report.json")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-3000:]
    report: Json = json.loads((folder / "report.json").read_text())
    return report


def processes(directory: Path) -> list[psutil.Process]:
    """Everything that was started for that folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        told = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        if any(str(directory) in each for each in told):
            found.append(process)
    return found


def revisions(client: KubeClient, path: str) -> dict[str, str]:
    path, _, query = path.partition("?")
    items = client.list(path, **dict([query.split("=", 1)] if query else []))["items"]
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in items}
