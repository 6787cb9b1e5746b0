"""The Kubernetes client: what the API server says becomes an object, a refusal with its mend, or a wake-up."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from tasks.clients import kubernetes
from tasks.core.errors import AccessRefused, FieldConflict, ResourceFailed, Unreachable
from tests.tasks.world import World

Json = dict[str, Any]


def a_config_map(world: World, name: str = "a", **data: str) -> Json:
    metadata = {"name": name, "namespace": world.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


# --- objects ---------------------------------------------------------------------------------------------------------


def test_an_object_that_is_not_there_is_none_and_nothing_to_delete(world: World) -> None:
    assert world.cluster.read(kubernetes.CONFIG_MAP, world.namespace, "a") is None
    assert not world.cluster.delete(kubernetes.CONFIG_MAP, world.namespace, "a")


def test_a_kind_that_the_cluster_does_not_serve_has_no_objects(world: World) -> None:
    unknown = kubernetes.Kind("example.com/v1", "Widget", "widgets")

    assert not world.cluster.serves(unknown)
    assert world.cluster.list_objects(unknown, world.namespace) == []
    assert world.cluster.serves(kubernetes.INGRESS)
    assert world.cluster.serves(kubernetes.SERVICE)


def test_creating_what_is_there_is_none(world: World) -> None:
    manifest = a_config_map(world, key="1")

    assert world.cluster.create(manifest, kubernetes.CONFIG_MAP) is not None
    assert world.cluster.create(a_config_map(world, key="2"), kubernetes.CONFIG_MAP) is None
    assert world.read(kubernetes.CONFIG_MAP, "a")["data"] == {"key": "1"}
    assert world.cluster.delete(kubernetes.CONFIG_MAP, world.namespace, "a")


def test_objects_are_listed_by_both_selectors(world: World) -> None:
    for name in ("a", "b"):
        manifest = a_config_map(world, name)
        manifest["metadata"]["labels"] = {"letter": name}
        world.cluster.create(manifest, kubernetes.CONFIG_MAP)

    def listed(**selectors: str) -> list[str]:
        found = world.cluster.list_objects(kubernetes.CONFIG_MAP, world.namespace, **selectors)
        return [item["metadata"]["name"] for item in found]

    assert listed(labels="letter=a") == ["a"]
    assert listed(fields="metadata.name=b") == ["b"]


def test_a_field_of_another_manager_is_a_conflict_unless_forced(world: World) -> None:
    world.cluster.apply(a_config_map(world, key="1"), kubernetes.CONFIG_MAP)
    world.patch(kubernetes.CONFIG_MAP, {"data": {"key": "2"}}, name="a")

    with pytest.raises(FieldConflict, match=r"\.data\.key"):
        world.cluster.apply(a_config_map(world, key="1"), kubernetes.CONFIG_MAP)

    world.cluster.apply(a_config_map(world, key="1"), kubernetes.CONFIG_MAP, force=True)
    assert world.read(kubernetes.CONFIG_MAP, "a")["data"] == {"key": "1"}


def test_a_patch_of_an_older_version_is_none_and_changes_nothing(world: World) -> None:
    made = world.cluster.create(a_config_map(world, key="1"), kubernetes.CONFIG_MAP)
    assert made is not None
    world.patch(kubernetes.CONFIG_MAP, {"data": {"key": "2"}}, name="a")
    patch = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"key": "3"}}

    assert world.cluster.merge_patch(kubernetes.CONFIG_MAP, world.namespace, "a", patch) is None
    assert world.read(kubernetes.CONFIG_MAP, "a")["data"] == {"key": "2"}


def test_an_unknown_field_is_refused_not_dropped(world: World) -> None:
    manifest = a_config_map(world) | {"dta": {}}

    with pytest.raises(ResourceFailed, match="dta"):
        world.cluster.create(manifest, kubernetes.CONFIG_MAP)


def test_what_we_may_do_is_asked_not_tried(world: World) -> None:
    before = world.writes()
    assert world.cluster.may("create", kubernetes.INGRESS, world.namespace)
    world.faults.arm("kube-forbidden", verb="create", resource="ingresses")

    assert not world.cluster.may("create", kubernetes.INGRESS, world.namespace)
    assert world.cluster.may("create", kubernetes.SECRET, world.namespace)
    assert world.writes() == before


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        pytest.param("kube-forbidden", AccessRefused, 'cannot get resource "configmaps"', id="403"),
        pytest.param("kube-unauthorized", AccessRefused, "does not accept our credentials", id="401"),
        pytest.param("kube-unavailable", Unreachable, "answered 503", id="503"),
    ],
)
def test_a_refusal_names_the_object(world: World, fault: str, error: type[Exception], text: str) -> None:
    cluster = world.cluster
    world.faults.arm(fault)

    with pytest.raises(error, match=text) as caught:
        cluster.read(kubernetes.CONFIG_MAP, world.namespace, "a")

    assert str(caught.value).startswith(f"configmap {world.namespace}/a: ")


# --- a watch ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("watch-")]


@pytest.mark.usefixtures("no_thread_left")
def test_a_change_wakes_the_waiting(world: World) -> None:
    world.cluster.create(a_config_map(world, key="1"), kubernetes.CONFIG_MAP)
    wake = threading.Event()

    with world.cluster.wake_on_change(kubernetes.CONFIG_MAP, world.namespace, "a", wake):
        assert wake.wait(5)
        wake.clear()
        world.patch(kubernetes.CONFIG_MAP, {"data": {"key": "2"}}, name="a")
        assert wake.wait(5)


@pytest.mark.usefixtures("no_thread_left")
def test_a_change_of_another_object_wakes_nobody(world: World) -> None:
    for name in ("a", "b"):
        world.cluster.create(a_config_map(world, name, key="1"), kubernetes.CONFIG_MAP)
    wake, other = threading.Event(), threading.Event()

    with (
        world.cluster.wake_on_change(kubernetes.CONFIG_MAP, world.namespace, "a", wake),
        world.cluster.wake_on_change(kubernetes.CONFIG_MAP, world.namespace, "b", other),
    ):
        assert wake.wait(5)
        assert other.wait(5)
        wake.clear()
        other.clear()
        world.patch(kubernetes.CONFIG_MAP, {"data": {"key": "2"}}, name="b")
        assert other.wait(5)
        assert not wake.is_set()


@pytest.mark.usefixtures("no_thread_left")
def test_an_idle_watch_ends_with_its_context(world: World) -> None:
    """Nothing comes on it for minutes; leaving must not wait for that."""
    import time

    wake = threading.Event()
    world.cluster.create(a_config_map(world, key="1"), kubernetes.CONFIG_MAP)

    with world.cluster.wake_on_change(kubernetes.CONFIG_MAP, world.namespace, "a", wake):
        assert wake.wait(5)
        begun = time.monotonic()
    assert time.monotonic() - begun < 60


@pytest.mark.usefixtures("no_thread_left")
def test_a_watch_that_is_refused_does_not_wake(world: World) -> None:
    """Each wake-up is a read; a missing verb must not turn the wait into a storm."""
    world.faults.arm("kube-forbidden", verb="watch", resource="configmaps")
    assert world.stack.kube is not None
    wake = threading.Event()

    with world.cluster.wake_on_change(kubernetes.CONFIG_MAP, world.namespace, "a", wake):
        assert not wake.wait(0.5)


# --- a kubeconfig for other programs ---------------------------------------------------------------------------------


def test_the_kubeconfig_we_hand_on_reaches_the_same_cluster(world: World, tmp_path: Path) -> None:
    handed = world.cluster.kubeconfig(world.namespace)
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(handed))

    api: Any = client.CoreV1Api(config.new_client_from_config(str(tmp_path / "kubeconfig")))  # type: ignore[no-untyped-call]

    assert api.read_namespace(world.namespace).metadata.name == world.namespace
    assert handed["contexts"][0]["context"]["namespace"] == world.namespace


@pytest.mark.parametrize(
    ("user", "handed"),
    [
        pytest.param({"token": "t"}, {"token": "t"}, id="token"),
        pytest.param({"username": "u", "password": "p"}, {"username": "u", "password": "p"}, id="password"),
        pytest.param(
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": sys.executable,
                    "args": [
                        "-c",
                        'print(\'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
                        '"status":{"token":"from-plugin"}}\')',
                    ],
                    "interactiveMode": "Never",
                }
            },
            {"token": "from-plugin"},
            id="plugin, as gke's",
        ),
    ],
)
def test_credentials_of_every_kind_are_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: Json, handed: Json
) -> None:
    cluster = {"server": "https://10.0.0.1", "insecure-skip-tls-verify": True, "tls-server-name": "kubernetes"}
    write_kubeconfig(tmp_path / "kubeconfig", cluster, user)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    from tests.conftest import a_config

    made = kubernetes.cluster(a_config()).kubeconfig("default")

    assert made["users"][0]["user"] == handed
    assert made["clusters"][0]["cluster"] == cluster


def test_a_client_certificate_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.ca import CertificateAuthority
    from tests.conftest import a_config

    leaf = CertificateAuthority().issue("somebody.example")
    for name, content in (("client.crt", leaf.certificate_pem), ("client.key", leaf.key_pem)):
        (tmp_path / name).write_bytes(content)
    files = {"client-certificate": str(tmp_path / "client.crt"), "client-key": str(tmp_path / "client.key")}
    write_kubeconfig(
        tmp_path / "kubeconfig", {"server": "https://10.0.0.1", "proxy-url": "http://10.0.0.2:3128"}, files
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    made = kubernetes.cluster(a_config()).kubeconfig("default")

    assert made["users"][0]["user"] == files
    assert made["clusters"][0]["cluster"]["proxy-url"] == "http://10.0.0.2:3128"


def write_kubeconfig(path: Path, cluster: Json, user: Json) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(document))


def test_the_client_is_not_imported_before_it_is_needed() -> None:
    """It takes a third of a second, which help and wrong input must not pay for."""
    script = "import sys, tasks.clients.kubernetes; assert 'kubernetes' not in sys.modules, 'imported'"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=200).returncode == 0
