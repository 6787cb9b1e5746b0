"""The three ways to a cluster: a kubeconfig, the service account of the Pod we run in, GKE by its name."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.clients import kubeconfig, kubernetes
from tasks.core.errors import AccessRefused, ProvisioningError, ResourceFailed, Unreachable
from tests.conftest import a_config
from tests.tasks.world import World

Json = dict[str, Any]
PATH = "/v1/projects/sandbox-project/locations/europe-west1/clusters/{name}"


@dataclass
class Gke:
    """The GKE API, as far as it is asked: answers by cluster name."""

    answers: dict[str, tuple[int, Json]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def gke(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gke]:
    found = Gke()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.tokens.append(self.headers.get("Authorization", ""))
            name = self.path.rpartition("/")[2]
            known = self.path == PATH.format(name=name) and name in found.answers
            status, body = found.answers[name] if known else (404, refusal(404, f"Not found: {self.path}."))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("MILVUS_L7_CONTAINER_ENDPOINT", found.url)
    kubernetes._cluster.cache_clear()
    yield found
    kubernetes._cluster.cache_clear()
    server.shutdown()
    server.server_close()
    thread.join()


def refusal(status: int, message: str) -> Json:
    return {"error": {"code": status, "message": message, "status": "X"}}


def described(world: World) -> Json:
    """What clusters.get answers for the sandbox's own API server."""
    cluster = yaml.safe_load(world.stack.kubeconfig.read_text())["clusters"][0]["cluster"]
    return {
        "status": "RUNNING",
        "endpoint": cluster["server"].removeprefix("https://"),
        "masterAuth": {"clusterCaCertificate": cluster["certificate-authority-data"]},
    }


def by_name(name: str = "prod", **changes: Any) -> Json:
    return {"gke_cluster": name, "gke_location": "europe-west1"} | changes


# --- GKE by its name -------------------------------------------------------------------------------------------------


def test_a_gke_cluster_is_found_by_name_and_trusted_by_its_own_authority(world: World, gke: Gke) -> None:
    """The TLS handshake with the API server succeeds, and it takes our Google token."""
    gke.answers["prod"] = 200, described(world)

    cluster = kubernetes.cluster(world.config(**by_name()))

    assert cluster.read(kubernetes.SERVICE, world.namespace, "a") is None
    assert cluster.host == described(world)["endpoint"].join(("https://", ""))
    assert gke.tokens[0].startswith("Bearer ya29.")


def test_a_gke_cluster_is_handed_on_with_a_token_of_this_moment(world: World, gke: Gke) -> None:
    gke.answers["prod"] = 200, described(world)

    made = kubernetes.cluster(world.config(**by_name())).kubeconfig("default")

    assert made["users"][0]["user"]["token"].startswith("ya29.")
    authority = base64.b64decode(made["clusters"][0]["cluster"]["certificate-authority-data"])
    assert authority.startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_gke_cluster_that_is_not_there_is_told_with_how_to_see_them(world: World, gke: Gke) -> None:
    with pytest.raises(ResourceFailed) as caught:
        kubernetes.cluster(world.config(**by_name("nowhere")))

    assert caught.value.resource == "cluster sandbox-project/europe-west1/nowhere"
    assert caught.value.observed == f"the GKE API answered 404: Not found: {PATH.format(name='nowhere')}."
    assert "gcloud container clusters list --project sandbox-project" in caught.value.mend


def test_a_gke_cluster_we_may_not_see_is_an_access_refused(world: World, gke: Gke) -> None:
    gke.answers["prod"] = 403, refusal(403, 'Required "container.clusters.get" permission(s) for it.')

    with pytest.raises(AccessRefused, match=r"container\.clusters\.get") as caught:
        kubernetes.cluster(world.config(**by_name()))

    assert "roles/container.clusterViewer" in caught.value.mend


@pytest.mark.parametrize("status", [429, 503])
def test_a_gke_api_that_cannot_now_may_later(world: World, gke: Gke, status: int) -> None:
    gke.answers["prod"] = status, refusal(status, "Try again.")

    with pytest.raises(Unreachable, match="Try again"):
        kubernetes.cluster(world.config(**by_name()))


def test_a_gke_api_that_does_not_answer_is_unreachable(world: World, gke: Gke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_L7_CONTAINER_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(Unreachable, match="the GKE API did not answer"):
        kubernetes.cluster(world.config(**by_name()))


def test_a_gke_cluster_that_is_being_made_is_told_with_its_status(world: World, gke: Gke) -> None:
    gke.answers["prod"] = 200, {"status": "PROVISIONING", "masterAuth": {}}

    with pytest.raises(ResourceFailed, match="has no endpoint, its status is PROVISIONING"):
        kubernetes.cluster(world.config(**by_name()))


# --- a kubeconfig, or a Pod ------------------------------------------------------------------------------------------


def test_a_context_is_chosen_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = [{"name": name, "cluster": {"server": f"https://{name}.example"}} for name in ("a", "b")]
    contexts = [{"name": name, "context": {"cluster": name, "user": "u"}} for name in ("a", "b")]
    document = {"clusters": clusters, "contexts": contexts, "users": [{"name": "u", "user": {}}]}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "a"} | document))
    monkeypatch.setenv("KUBECONFIG", str(file))

    assert kubernetes.cluster(a_config()).host == "https://a.example"
    assert kubernetes.cluster(a_config(kube_context="b")).host == "https://b.example"
    with pytest.raises(ProvisioningError) as caught:
        kubernetes.cluster(a_config(kube_context="c"))
    assert caught.value.resource == "kubeconfig context c"
    assert "kubectl config get-contexts" in caught.value.mend


@pytest.mark.parametrize(
    "text", [pytest.param("a: [", id="no yaml"), pytest.param("", id="empty"), pytest.param("[]", id="a list")]
)
def test_a_kubeconfig_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    with pytest.raises(ProvisioningError) as caught:
        kubeconfig.load("")

    assert caught.value.resource == "kubeconfig"


def test_no_kubeconfig_at_all_is_told_with_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(ProvisioningError) as caught:
        kubeconfig.load("")

    assert caught.value.resource == "kubeconfig"
    assert "gke_cluster and gke_location" in caught.value.mend


def test_inside_a_pod_its_service_account_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, world: World
) -> None:
    """As every client does it: address from the environment, token and authority from the mounted volume."""
    from kubernetes.config import incluster_config

    document = yaml.safe_load(world.stack.kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    (tmp_path / "token").write_text(user["token"])
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    host, _, port = cluster["server"].removeprefix("https://").partition(":")
    # The mount's place is fixed, and no test may write there.
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG")

    found = kubernetes.cluster(world.config())

    assert found.version().startswith("v1.")
    assert found.kubeconfig("default")["users"][0]["user"]["token"] == user["token"]
