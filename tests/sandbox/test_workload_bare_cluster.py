"""The workload runner where there is nothing but an API server: no controller manager cleans up behind anybody."""

import base64
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube.server import KubernetesApi
from sandbox.kube_client import KubeClient
from sandbox.latency import PROFILES
from sandbox.network import AddressPool
from sandbox.workload import node
from sandbox.workload.container import file_mounts
from sandbox.workload.runner import Runner
from sandbox.workload.volumes import Volumes
from tests.sandbox.test_workload_runner import a_deployment, a_milvus
from tests.waiting import eventually

Json = dict[str, Any]
APPS, CORE = "/apis/apps/v1/namespaces/default", "/api/v1/namespaces/default"
NODE = f"/api/v1/nodes/{node.NAME}"


class BareCluster:
    """A bare API server, and runners one after the other, as `up` and `down` make them."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.faults = directory, Faults()
        self.authority = CertificateAuthority()
        self.api = KubernetesApi(directory / "kube", self.authority, self.faults, bare=True)
        self.api.start()
        self.client = KubeClient.from_kubeconfig(self.api.kubeconfig(), user_agent="test")
        self.start()

    def start(self) -> None:
        self.addresses = AddressPool(self.directory)
        self.runner = Runner(
            self.api.kubeconfig("workload-runner"),
            self.directory / "workload",
            addresses=self.addresses,
            latency=PROFILES["zero"],
            faults=self.faults,
            project="p",
            zone="z",
            log_authority=self.authority,
        )
        self.runner.start()

    def stop_runner(self) -> None:
        self.runner.stop()
        self.addresses.close()

    def names(self, path: str) -> set[str]:
        return {item["metadata"]["name"] for item in self.client.list(path)["items"]}

    def is_ready(self, name: str, replicas: int = 1) -> bool:
        status = self.client.get(f"{APPS}/deployments/{name}").get("status") or {}
        return bool(status.get("readyReplicas") == replicas)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[BareCluster]:
    cluster = BareCluster(tmp_path)
    yield cluster
    cluster.stop_runner()
    cluster.client.close()
    cluster.api.stop()


def test_pods_run_though_no_service_account_was_there(cluster: BareCluster) -> None:
    cluster.client.create(f"{APPS}/deployments", a_deployment())

    eventually(lambda: cluster.is_ready("web"))

    assert "default" in cluster.names(f"{CORE}/serviceaccounts")


def test_the_node_loses_the_taint_that_every_new_node_gets(cluster: BareCluster) -> None:
    assert "taints" not in eventually(lambda: cluster.client.find(NODE))["spec"]


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
def test_a_deployment_is_deleted_as_kubectl_asks(cluster: BareCluster, policy: str) -> None:
    """--cascade=background, foreground and orphan."""
    cluster.client.create(f"{APPS}/deployments", a_deployment(replicas=2))
    eventually(lambda: cluster.is_ready("web", 2))
    pods = cluster.names(f"{CORE}/pods")

    cluster.client.delete(f"{APPS}/deployments/web?propagationPolicy={policy}")

    eventually(lambda: cluster.client.find(f"{APPS}/deployments/web") is None)
    if policy == "Orphan":
        assert cluster.names(f"{CORE}/pods") == pods
        assert not cluster.client.list(f"{APPS}/replicasets")["items"][0]["metadata"].get("ownerReferences")
    else:
        eventually(lambda: not cluster.names(f"{APPS}/replicasets") and not cluster.names(f"{CORE}/pods"))


def test_a_claim_is_bound_to_a_volume_and_both_can_be_deleted(cluster: BareCluster) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim}
    path = f"{CORE}/persistentvolumeclaims/data"
    cluster.client.create(path.rpartition("/")[0], body)

    eventually(lambda: cluster.client.get(path).get("status", {}).get("phase") == "Bound")
    bound = cluster.client.get(path)
    assert cluster.names("/api/v1/persistentvolumes") == {bound["spec"]["volumeName"]}
    cluster.client.delete(path)

    eventually(lambda: cluster.client.find(path) is None)
    eventually(lambda: not cluster.names("/api/v1/persistentvolumes"))


def test_a_claim_stays_as_long_as_a_pod_uses_it(cluster: BareCluster) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec}
    cluster.client.create(f"{CORE}/persistentvolumeclaims", claim)
    deployment = a_deployment()
    deployment["spec"]["template"]["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    cluster.client.create(f"{APPS}/deployments", deployment)
    eventually(lambda: cluster.is_ready("web"))

    cluster.client.delete(f"{CORE}/persistentvolumeclaims/data")
    cluster.client.create(f"{APPS}/deployments", a_deployment("later"))
    eventually(lambda: cluster.is_ready("later"))
    assert cluster.client.get(f"{CORE}/persistentvolumeclaims/data")["metadata"]["deletionTimestamp"]
    cluster.client.delete(f"{APPS}/deployments/web")

    eventually(lambda: cluster.client.find(f"{CORE}/persistentvolumeclaims/data") is None)


def test_what_an_earlier_sandbox_left_is_taken_over_with_new_addresses(cluster: BareCluster) -> None:
    cluster.client.create(f"{APPS}/deployments", a_deployment())
    cluster.client.create(f"{APPS}/deployments", a_deployment("gone"))
    eventually(lambda: cluster.is_ready("web") and cluster.is_ready("gone"))
    cluster.stop_runner()
    # While nobody looks, a Deployment goes with its ReplicaSet, and the range of addresses to somebody else.
    replica_set = next(name for name in cluster.names(f"{APPS}/replicasets") if name.startswith("gone"))
    cluster.client.delete(f"{APPS}/deployments/gone")
    cluster.client.delete(f"{APPS}/replicasets/{replica_set}")
    (cluster.directory / "network.json").unlink()

    cluster.start()

    def addresses() -> list[list[str]]:
        pods = cluster.client.list(f"{CORE}/pods")["items"]
        return [[each["ip"] for each in pod["status"].get("podIPs") or []] for pod in pods]

    shown = cluster.addresses.pod_range.rsplit(".", 1)[0].replace("127.", "240.", 1)
    eventually(lambda: len(addresses()) == 1 and addresses()[0][0].startswith(shown))
    assert len(addresses()[0]) == 1, "an API server refuses two addresses of one family"


def test_logs_come_from_the_address_that_the_node_tells(cluster: BareCluster) -> None:
    """What an API server does for `kubectl logs`: it calls the node's kubelet over TLS, whoever signed it."""
    cluster.faults.arm("milvus-crash", message="panic: nobody home")
    cluster.client.create(f"{APPS}/deployments", a_milvus())

    def crashed() -> str | None:
        pods = cluster.client.list(f"{CORE}/pods")["items"]
        statuses = (pods[0].get("status") or {}).get("containerStatuses") or [{}] if pods else [{}]
        return pods[0]["metadata"]["name"] if statuses[0].get("restartCount", 0) >= 1 else None

    pod = eventually(crashed)

    assert "panic: nobody home" in node_log(cluster, pod, "standalone?tailLines=1")
    assert "panic: nobody home" in node_log(cluster, pod, "standalone?previous=true")


def node_log(cluster: BareCluster, pod: str, rest: str) -> str:
    status = cluster.client.get(NODE)["status"]
    host = next(each["address"] for each in status["addresses"] if each["type"] == "Hostname")
    port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    context = ssl.create_default_context(cadata=cluster.authority.certificate_pem.decode())
    url = f"https://{host}:{port}/containerLogs/default/{pod}/{rest}"
    with urllib.request.urlopen(url, context=context, timeout=5) as response:
        return str(response.read().decode())


def test_items_of_a_volume_choose_the_files_that_a_container_sees(cluster: BareCluster, tmp_path: Path) -> None:
    """A certificate from a Secret under Milvus' own file names."""
    data = {"tls.crt": base64.b64encode(b"C").decode(), "tls.key": base64.b64encode(b"K").decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "data": data}
    cluster.client.create(f"{CORE}/secrets", secret)
    items = [{"key": "tls.crt", "path": "server.pem"}]
    volumes = [{"name": "certs", "secret": {"secretName": "tls", "items": items}}]
    mounts = [{"name": "certs", "mountPath": "/milvus/certs"}]
    pod: Json = {"spec": {"volumes": volumes, "containers": [{"name": "c", "volumeMounts": mounts}]}}

    found = file_mounts(pod, pod["spec"]["containers"][0])
    Volumes(tmp_path / "volumes", cluster.client).mount("default", tmp_path / "root", found)

    assert [file.name for file in (tmp_path / "root/milvus/certs").iterdir()] == ["server.pem"]
    assert (tmp_path / "root/milvus/certs/server.pem").read_bytes() == b"C"
