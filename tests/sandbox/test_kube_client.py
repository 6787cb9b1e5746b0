"""The client of the Kubernetes API: kubeconfigs, errors, and informers that survive whatever the server does."""

import base64
import datetime as dt
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from sandbox import kubeconfig
from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube.server import KubernetesApi
from sandbox.kube_client import ApiError, ApiUnreachable, Informer, KubeClient
from tests.sandbox.gke_world import eventually

Json = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
ALL_CONFIG_MAPS = "/api/v1/configmaps"


class Cluster:
    """A running API server with a client of its administrator."""

    def __init__(self, directory: Path) -> None:
        self.faults = Faults()
        self.api = KubernetesApi(directory, CertificateAuthority(), self.faults)
        self.api.start()
        self.config = self.api.kubeconfig()
        self.client = KubeClient.from_kubeconfig(self.config, user_agent="test")

    def stop(self) -> None:
        self.client.close()
        self.api.stop()

    def config_map(self, name: str, **data: str) -> Json:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        return self.client.create(CONFIG_MAPS, body)


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("kube"))
    yield running
    running.stop()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The same server for all, empty of ConfigMaps and without faults."""
    yield shared_cluster
    shared_cluster.faults.clear()
    for item in shared_cluster.client.list(CONFIG_MAPS)["items"]:
        shared_cluster.client.delete(f"{CONFIG_MAPS}/{item['metadata']['name']}")


@pytest.fixture
def informer(cluster: Cluster) -> Iterator[Informer]:
    informer = Informer(cluster.client, CONFIG_MAPS)
    yield informer
    informer.stop()


def test_an_object_is_written_read_patched_and_deleted(cluster: Cluster) -> None:
    client, path = cluster.client, f"{CONFIG_MAPS}/one"
    created = cluster.config_map("one", a="1")

    client.merge_patch(path, {"data": {"b": "2"}})
    client.apply(path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"c": "3"}}, "me")
    assert client.get(path)["data"] == {"a": "1", "b": "2", "c": "3"}
    with pytest.raises(ApiError) as conflict:
        client.replace(path, created)
    client.delete(path)

    assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
    assert client.find(path) is None


def test_a_refusal_carries_the_servers_words(cluster: Cluster) -> None:
    with pytest.raises(ApiError) as error:
        cluster.client.get("/api/v1/namespaces/default/secrets/milvus-tls")

    assert str(error.value) == 'secrets "milvus-tls" not found'
    assert (error.value.status, error.value.reason) == (404, "NotFound")


def test_no_answer_is_an_error_of_its_own(cluster: Cluster) -> None:
    config = cluster.api.kubeconfig()
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    client = KubeClient.from_kubeconfig(config, user_agent="test")

    with pytest.raises(ApiUnreachable):
        client.get("/version")
    client.close()


def test_a_list_comes_whole_however_many_pages_it_has(cluster: Cluster) -> None:
    for number in range(5):
        cluster.config_map(f"page-{number}")

    items = cluster.client.list(CONFIG_MAPS, limit="2")["items"]

    names = {item["metadata"]["name"] for item in items}
    assert {f"page-{number}" for number in range(5)} <= names


def test_a_watch_of_a_version_too_old_is_gone(cluster: Cluster) -> None:
    cluster.config_map("one")
    cluster.api.store.compact(cluster.api.store.revision)

    with pytest.raises(ApiError) as error:
        next(cluster.client.watch(CONFIG_MAPS, "1"))

    assert error.value.status == 410


def test_an_informer_tells_of_every_change_in_order(cluster: Cluster, informer: Informer) -> None:
    told: list[tuple[str, str]] = []
    informer.add_handler(lambda kind, old, new: told.append((kind, (new or old or {})["metadata"]["name"])))
    cluster.config_map("before")
    informer.start()
    assert informer.synced.wait(5)

    cluster.config_map("after")
    cluster.client.merge_patch(f"{CONFIG_MAPS}/after", {"data": {"a": "1"}})
    cluster.client.delete(f"{CONFIG_MAPS}/after")

    eventually(lambda: told[-1] == ("DELETED", "after"))
    changes = [each for each in told if each[1] in ("before", "after")]
    assert changes == [("ADDED", "before"), ("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "after")]
    assert informer.get("default/before") is not None
    assert informer.get("default/after") is None


def test_items_of_a_list_carry_their_type(cluster: Cluster, informer: Informer) -> None:
    cluster.config_map("one")
    informer.start()
    assert informer.synced.wait(5)

    item = informer.get("default/one") or {}

    assert (item["kind"], item["apiVersion"]) == ("ConfigMap", "v1")


@pytest.mark.parametrize("away", [False, True], ids=["the server ends the watch", "the server is away for a while"])
def test_an_informer_misses_nothing_between_two_watches(cluster: Cluster, *, away: bool) -> None:
    """Resumed at its version, or listed anew, with what was deleted meanwhile."""
    informer = Informer(cluster.client, CONFIG_MAPS, watch_seconds=(1, 1))
    cluster.config_map("early")
    informer.start()
    assert informer.synced.wait(5)

    if away:
        cluster.faults.arm("kube-unavailable", verb="watch", times=1)
        eventually(lambda: "kube-unavailable" not in cluster.faults.armed())
    cluster.config_map("late")
    cluster.client.delete(f"{CONFIG_MAPS}/early")

    eventually(lambda: informer.get("default/late"))
    eventually(lambda: informer.get("default/early") is None)
    informer.stop()


def test_an_informer_starts_when_the_server_does(tmp_path: Path) -> None:
    """A collection that is refused at first is tried again."""
    cluster = Cluster(tmp_path)
    cluster.faults.arm("kube-unavailable", times=2)
    informer = Informer(cluster.client, ALL_CONFIG_MAPS)

    informer.start()

    assert informer.synced.wait(5)
    informer.stop()
    cluster.stop()


def test_a_handler_that_fails_does_not_end_the_watch(cluster: Cluster, informer: Informer) -> None:
    def broken(_kind: str, _old: Json | None, _new: Json | None) -> None:
        raise ValueError

    informer.add_handler(broken)
    informer.start()
    assert informer.synced.wait(5)

    cluster.config_map("one")

    eventually(lambda: informer.get("default/one"))


def test_a_kubeconfig_file_names_its_files_relative_to_itself(cluster: Cluster, tmp_path: Path) -> None:
    config = cluster.api.kubeconfig()
    section = config["clusters"][0]["cluster"]
    (tmp_path / "ca.pem").write_bytes(base64.b64decode(section.pop("certificate-authority-data")))
    section["certificate-authority"] = "ca.pem"
    user = config["users"][0]["user"]
    (tmp_path / "token").write_text(user.pop("token") + "\n")
    user["tokenFile"] = "token"
    (tmp_path / "config").write_text(yaml.safe_dump(config))

    client = KubeClient.from_kubeconfig(tmp_path / "config", user_agent="test")

    assert client.get("/version")["major"]
    client.close()


def test_a_server_name_other_than_the_address_can_be_verified(cluster: Cluster) -> None:
    config = cluster.api.kubeconfig()
    section = config["clusters"][0]["cluster"]
    section["tls-server-name"] = "kubernetes.default.svc"

    client = KubeClient.from_kubeconfig(config, user_agent="test")

    assert client.get("/version")["major"]
    client.close()


def test_verification_can_be_switched_off(cluster: Cluster) -> None:
    config = cluster.api.kubeconfig()
    section = config["clusters"][0]["cluster"]
    del section["certificate-authority-data"]
    refused = KubeClient.from_kubeconfig(config, user_agent="test")
    with pytest.raises(ApiUnreachable):
        refused.get("/version")
    section["insecure-skip-tls-verify"] = True

    client = KubeClient.from_kubeconfig(config, user_agent="test")

    assert client.get("/version")["major"]
    client.close()
    refused.close()


def test_a_client_certificate_is_loaded_from_inline_data() -> None:
    leaf = CertificateAuthority().issue("admin")
    user = {"client-certificate-data": leaf.certificate_pem, "client-key-data": leaf.key_pem}
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "milvus"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "u", "user": {key: base64.b64encode(value).decode() for key, value in user.items()}}],
    }

    access = kubeconfig.read(config)

    assert isinstance(access.tls, ssl.SSLContext)
    assert access.namespace == "milvus"
    assert x509.load_pem_x509_certificate(leaf.certificate_pem).not_valid_after_utc > dt.datetime.now(dt.UTC)


def test_a_context_that_does_not_exist_is_named() -> None:
    with pytest.raises(kubeconfig.BadKubeconfig, match="'nowhere'"):
        kubeconfig.read({"current-context": "nowhere"})


class Busy(http.server.BaseHTTPRequestHandler):
    """Puts the first requests off, as API priority and fairness does."""

    refusals = 2

    def do_GET(self) -> None:
        busy, Busy.refusals = Busy.refusals > 0, Busy.refusals - 1
        body = b"Too many requests, please try again later." if busy else b'{"kind": "ConfigMap"}'
        self.send_response(429 if busy else 200)
        if busy:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


def test_a_busy_server_is_asked_again_when_it_says_so() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        client = KubeClient.from_kubeconfig(plain_kubeconfig(server.server_port), user_agent="test")

        assert client.get(f"{CONFIG_MAPS}/one") == {"kind": "ConfigMap"}

        client.close()
        server.shutdown()


def plain_kubeconfig(port: int, **user: Any) -> Json:
    return {
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def test_a_user_that_logs_in_by_a_program_is_refused_with_what_to_give_instead() -> None:
    with pytest.raises(kubeconfig.BadKubeconfig, match="logs in by exec: give a kubeconfig with a client certificate"):
        kubeconfig.read(plain_kubeconfig(1, exec={"command": "gke-gcloud-auth-plugin"}))
