"""The workload runner as a client of the API server; no Milvus is started here."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import pod_network
from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube.server import KubernetesApi
from sandbox.kube_client import KubeClient
from sandbox.latency import PROFILES
from sandbox.network import AddressPool
from sandbox.workload import default_backend
from sandbox.workload.runner import Runner
from tests.waiting import eventually

Json = dict[str, Any]
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"


class Cluster:
    """An API server with a runner."""

    def __init__(self, directory: Path) -> None:
        self.faults = Faults()
        self.addresses = AddressPool(directory)
        self.api = KubernetesApi(directory / "kube", CertificateAuthority(), self.faults)
        self.api.start()
        self.client = KubeClient.from_kubeconfig(self.api.kubeconfig(), user_agent="test")
        self.directory = directory
        self.runner = self.new_runner()

    def new_runner(self) -> Runner:
        return Runner(
            self.api.kubeconfig("workload-runner"),
            self.directory / "workload",
            addresses=self.addresses,
            latency=PROFILES["zero"],
            faults=self.faults,
            project="p",
            zone="z",
        )

    def pods(self) -> list[Json]:
        items: list[Json] = self.client.list(PODS)["items"]
        return items

    def is_rolled_out(self, name: str) -> bool:
        deployment = self.client.get(f"{DEPLOYMENTS}/{name}")
        status, replicas = deployment.get("status") or {}, deployment["spec"]["replicas"]
        counts = [status.get(key) for key in ("replicas", "updatedReplicas", "readyReplicas")]
        return status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == [replicas] * 3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    cluster.runner.start()
    yield cluster
    cluster.runner.stop()
    cluster.client.close()
    cluster.api.stop()
    cluster.addresses.close()


def a_deployment(name: str = "web", image: str = "nginx", **spec: Any) -> Json:
    container = {"name": name, "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
            **spec,
        },
    }


def a_milvus(**spec: Any) -> Json:
    deployment = a_deployment("standalone", "milvusdb/milvus:v2.3.5", strategy={"type": "Recreate"}, **spec)
    pod = deployment["spec"]["template"]
    pod["metadata"]["labels"]["component"] = "standalone"
    ports = [{"name": "milvus", "containerPort": 19530}, {"name": "metrics", "containerPort": 9091}]
    pod["spec"]["containers"][0]["ports"] = ports
    return deployment


def test_a_deployment_gets_ready_pods_with_addresses(cluster: Cluster) -> None:
    cluster.client.create(DEPLOYMENTS, a_deployment(replicas=2))

    eventually(lambda: cluster.is_rolled_out("web"))

    pods = cluster.pods()
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    assert all(pod["spec"]["nodeName"] == "gke-sandbox-default-pool-0001" for pod in pods)
    assert all(pod["status"]["phase"] == "Running" for pod in pods)


def test_a_new_template_is_rolled_out_and_counted_as_a_revision(cluster: Cluster) -> None:
    cluster.client.create(DEPLOYMENTS, a_deployment())
    eventually(lambda: cluster.is_rolled_out("web"))
    old = cluster.pods()[0]["metadata"]["name"]

    annotations = {"spec": {"template": {"metadata": {"annotations": {"checksum/config": "new"}}}}}
    cluster.client.merge_patch(f"{DEPLOYMENTS}/web", annotations)

    eventually(lambda: cluster.is_rolled_out("web") and len(cluster.pods()) == 1)
    assert cluster.pods()[0]["metadata"]["name"] != old
    deployment = cluster.client.get(f"{DEPLOYMENTS}/web")
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


def test_a_deleted_deployment_takes_its_replica_sets_and_pods_with_it(cluster: Cluster) -> None:
    cluster.client.create(DEPLOYMENTS, a_deployment(replicas=2))
    eventually(lambda: cluster.is_rolled_out("web"))

    cluster.client.delete(f"{DEPLOYMENTS}/web")

    eventually(lambda: not cluster.pods())
    assert not cluster.client.list("/apis/apps/v1/namespaces/default/replicasets")["items"]


def test_a_deleted_pod_is_replaced(cluster: Cluster) -> None:
    cluster.client.create(DEPLOYMENTS, a_deployment())
    eventually(lambda: cluster.is_rolled_out("web"))
    name = cluster.pods()[0]["metadata"]["name"]

    cluster.client.delete(f"{PODS}/{name}")

    eventually(lambda: [pod for pod in cluster.pods() if pod["metadata"]["name"] != name])
    eventually(lambda: cluster.is_rolled_out("web"))


def test_endpoint_slices_name_the_target_port_of_ready_pods(cluster: Cluster) -> None:
    cluster.client.create(DEPLOYMENTS, a_deployment())
    service = {"ports": [{"name": "web", "port": 80, "targetPort": "http"}], "selector": {"app": "web"}}
    cluster.client.create(
        SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service}
    )

    def ready_slice() -> Json | None:
        slices = cluster.client.list("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")["items"]
        mine = [each for each in slices if each["metadata"]["labels"]["kubernetes.io/service-name"] == "web"]
        ready = [each for each in mine if any(e["conditions"]["ready"] for e in each.get("endpoints") or [])]
        return ready[0] if ready else None

    found = eventually(ready_slice)

    assert found["ports"] == [{"name": "web", "port": 8080, "protocol": "TCP"}]
    assert found["endpoints"][0]["addresses"] == [cluster.pods()[0]["status"]["podIP"]]


def test_a_layer_4_balancer_comes_with_its_type_and_goes_with_it(cluster: Cluster) -> None:
    """Here in front of GKE's default backend, the one container besides Milvus that really answers."""
    path = "/api/v1/namespaces/kube-system/services"
    spec = {"type": "LoadBalancer", "selector": {"k8s-app": "glbc"}, "ports": [{"port": 8080}]}
    cluster.client.create(path, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lb"}, "spec": spec})

    def address() -> str:
        status = cluster.client.get(f"{path}/lb")["status"]["loadBalancer"]
        return str((status.get("ingress") or [{}])[0].get("ip", ""))

    found = eventually(address)
    eventually(lambda: answer(found) == (404, default_backend.BODY))

    cluster.client.merge_patch(f"{path}/lb", {"spec": {"type": "ClusterIP"}})

    eventually(lambda: not address())
    eventually(lambda: answer(found) is None)


def answer(address: str) -> tuple[int, bytes] | None:
    connection = http.client.HTTPConnection(address, 8080, timeout=5)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def test_a_pod_is_reachable_at_what_its_shown_address_stands_for(cluster: Cluster) -> None:
    def backend_pod() -> Json | None:
        items: list[Json] = cluster.client.list("/api/v1/namespaces/kube-system/pods")["items"]
        return next((pod for pod in items if pod.get("status", {}).get("podIP")), None)

    shown = eventually(backend_pod)["status"]["podIP"]

    assert shown.startswith("240.")
    assert answer(pod_network.dialled(shown)) == (404, default_backend.BODY)


def test_a_crashing_milvus_shows_as_a_crash_loop_with_its_log(cluster: Cluster) -> None:
    cluster.faults.arm("milvus-crash", message="panic: nobody home")
    cluster.client.create(DEPLOYMENTS, a_milvus())

    def crash_loop() -> Json | None:
        for pod in cluster.pods():
            status = ((pod.get("status") or {}).get("containerStatuses") or [{}])[0]
            waiting = status.get("state", {}).get("waiting", {})
            if waiting.get("reason") == "CrashLoopBackOff" and status["restartCount"] >= 2:
                return {**status, "pod": pod["metadata"]["name"]}
        return None

    status = eventually(crash_loop)

    assert status["lastState"]["terminated"]["exitCode"] == 2
    assert status["lastState"]["terminated"]["message"] == "panic: nobody home"
    assert not status["ready"]
    assert "panic: nobody home" in (cluster.runner.pod_logs("default", status["pod"], "standalone") or "")
    assert not cluster.is_rolled_out("standalone")


def test_milvus_waits_for_the_config_map_it_mounts(cluster: Cluster) -> None:
    cluster.faults.arm("milvus-crash")
    deployment = a_milvus()
    pod = deployment["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "config", "configMap": {"name": "late"}}]
    mount = {"name": "config", "mountPath": "/milvus/configs/user.yaml", "subPath": "user.yaml"}
    pod["containers"][0]["volumeMounts"] = [mount]
    cluster.client.create(DEPLOYMENTS, deployment)

    def state() -> Json:
        statuses = [pod["status"].get("containerStatuses") or [{}] for pod in cluster.pods() if pod.get("status")]
        return statuses[0][0] if statuses else {}

    assert eventually(state)["state"]["waiting"]["reason"] == "ContainerCreating"

    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}, "data": {"user.yaml": "a: 1"}}
    cluster.client.create("/api/v1/namespaces/default/configmaps", body)

    eventually(lambda: state().get("restartCount"))  # it got as far as crashing


def test_what_needs_no_process_is_declared_ready(cluster: Cluster) -> None:
    template = {
        "metadata": {"labels": {"app": "etcd"}},
        "spec": {"containers": [{"name": "c", "image": "etcd"}], "restartPolicy": "Always"},
    }
    stateful = {
        "serviceName": "etcd",
        "replicas": 3,
        "selector": {"matchLabels": {"app": "etcd"}},
        "template": template,
    }
    apps, core = "/apis/apps/v1/namespaces/default", "/api/v1/namespaces/default"
    cluster.client.create(
        f"{apps}/statefulsets",
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "etcd"}, "spec": stateful},
    )
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    cluster.client.create(
        f"{core}/persistentvolumeclaims",
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
    )

    eventually(lambda: cluster.client.get(f"{apps}/statefulsets/etcd").get("status", {}).get("readyReplicas") == 3)
    claimed = f"{core}/persistentvolumeclaims/data"
    eventually(lambda: cluster.client.get(claimed).get("status", {}).get("phase") == "Bound")


def test_the_runner_keeps_out_of_a_cluster_with_a_controller_manager(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    try:
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        lease = {"holderIdentity": "control-plane", "leaseDurationSeconds": 15, "renewTime": now}
        cluster.client.create(
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "kube-controller-manager"},
                "spec": lease,
            },
        )
        cluster.runner.start()

        assert not cluster.runner.active
        assert not [
            node for node in cluster.client.list("/api/v1/nodes")["items"] if "sandbox" in node["metadata"]["name"]
        ]
    finally:
        cluster.runner.stop()
        cluster.client.close()
        cluster.api.stop()
        cluster.addresses.close()
