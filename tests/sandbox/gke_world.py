"""A cluster with GKE's controllers: built-in API server, Compute API, name server, no workload and no data plane."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sandbox.ca import CertificateAuthority
from sandbox.compute.server import ComputeApi
from sandbox.compute_client import ComputeClient
from sandbox.dns.server import DnsServer, Zones
from sandbox.faults import Faults
from sandbox.gke.controllers import Controllers
from sandbox.gke.install import install
from sandbox.kube.server import KubernetesApi
from sandbox.kube_client import KubeClient
from sandbox.kube_paths import path_of
from sandbox.latency import PROFILES, Latency
from sandbox.network import AddressPool
from tests import waiting

Json = dict[str, Any]
T = TypeVar("T")

SERVICES = "/api/v1/services"
INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
BACKEND_CONFIGS = "/apis/cloud.google.com/v1/backendconfigs"
MANAGED_CERTIFICATES = "/apis/networking.gke.io/v1/managedcertificates"


@dataclass
class World:
    """What a test can see and touch."""

    kube: KubeClient
    compute: ComputeClient
    compute_api: ComputeApi
    faults: Faults
    authority: CertificateAuthority
    zones: Zones

    def create(self, collection: str, body: Json) -> Json:
        group, plural = collection.rsplit("/", 1)
        body["metadata"].setdefault("namespace", "default")
        return self.kube.create(f"{group}/namespaces/{body['metadata']['namespace']}/{plural}", body)

    def ingress(self, name: str = "milvus") -> Json:
        return self.kube.get(path_of(INGRESSES, "default", name))

    def annotate(self, collection: str, name: str, **annotations: str | None) -> None:
        patch = {"metadata": {"annotations": {KEYS[key]: value for key, value in annotations.items()}}}
        self.kube.merge_patch(path_of(collection, "default", name), patch)

    def annotations(self, collection: str = INGRESSES, name: str = "milvus") -> dict[str, str]:
        item = self.kube.get(path_of(collection, "default", name))
        return item["metadata"].get("annotations") or {}

    def shown(self, key: str, name: str = "milvus") -> str:
        """What the Ingress's annotation `ingress.kubernetes.io/KEY` says, once it is there."""
        return eventually(lambda: self.annotations(INGRESSES, name).get(f"ingress.kubernetes.io/{key}"))

    def address(self, name: str = "milvus") -> str:
        """The Ingress's address, once it has one."""

        def found() -> str:
            entries = ((self.ingress(name).get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
            return str(entries[0].get("ip", ""))

        return eventually(found)

    def events(self, kind: str, name: str) -> list[tuple[str, str, str]]:
        """Type, reason and message of an object's events, in the order of their creation."""
        items = self.kube.list("/api/v1/namespaces/default/events")["items"]
        items.sort(key=lambda event: int(event["metadata"]["name"].rsplit(".", 1)[-1], 16))
        return [
            (event["type"], event["reason"], event["message"])
            for event in items
            if (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == (kind, name)
        ]

    def event(self, kind: str, name: str, reason: str, text: str) -> str:
        """The message of the first event of that reason with that text in it, once it is there."""

        def found() -> str:
            return next((m for _, r, m in self.events(kind, name) if r == reason and text in m), "")

        return eventually(found)

    def names(self, collection: str) -> list[str]:
        return [item["name"] for item in self.compute.list(collection)]


KEYS = {
    "class_name": "kubernetes.io/ingress.class",
    "allow_http": "kubernetes.io/ingress.allow-http",
    "static_ip": "kubernetes.io/ingress.global-static-ip-name",
    "managed": "networking.gke.io/managed-certificates",
    "pre_shared": "ingress.gcp.kubernetes.io/pre-shared-cert",
    "frontend": "networking.gke.io/v1beta1.FrontendConfig",
    "protocols": "cloud.google.com/app-protocols",
    "config": "cloud.google.com/backend-config",
    "neg": "cloud.google.com/neg",
}


def eventually(look: Callable[[], T | None], *, seconds: float = 400) -> T:
    """What `look` returns, as soon as that is true; what cannot be looked at yet counts as not yet."""
    return waiting.eventually(look, seconds=seconds, despite=Exception)


@contextmanager
def running_world(directory: Path, *, latency: Latency = PROFILES["zero"]) -> Iterator[World]:
    with ExitStack() as stack:
        faults, authority, zones = Faults(), CertificateAuthority(), Zones()
        addresses = AddressPool(directory)
        stack.callback(addresses.close)
        dns = DnsServer(zones, faults)
        dns.start()
        stack.callback(dns.stop)
        compute_api = ComputeApi(directory, faults, latency, ca=authority, addresses=addresses, dns=zones)
        compute_api.start()
        stack.callback(compute_api.stop)
        kube_api = KubernetesApi(directory, authority, faults)
        kube_api.start()
        stack.callback(kube_api.stop)
        kube = KubeClient.from_kubeconfig(kube_api.kubeconfig(), user_agent="test")
        stack.callback(kube.close)
        install(kube)
        compute = ComputeClient(compute_api.url, compute_api.access_token("tester"), compute_api.project)
        stack.callback(compute.close)
        controllers = Controllers(
            kube_api.kubeconfig("ingress-controller"),
            compute_api.url,
            compute_api.access_token("controller"),
            compute_api.project,
            latency,
            faults,
        )
        stack.callback(controllers.stop)
        controllers.start()
        yield World(kube, compute, compute_api, faults, authority, zones)


def a_service(name: str = "milvus", **annotations: str) -> Json:
    values = {"neg": '{"ingress":true}', "protocols": '{"milvus":"HTTP2"}'} | annotations
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": {KEYS[key]: value for key, value in values.items() if value}},
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": name},
            "ports": [{"name": "milvus", "port": 19530, "targetPort": "milvus"}],
        },
    }


def a_backend_config(name: str = "milvus-bc", **spec: Any) -> Json:
    health_check = {"type": "HTTP", "port": 9091, "requestPath": "/healthz", "checkIntervalSec": 15, "timeoutSec": 5}
    spec = {"timeoutSec": 3600, "connectionDraining": {"drainingTimeoutSec": 60}, "healthCheck": health_check} | spec
    return {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {"name": name},
        "spec": spec,
    }


def an_ingress(name: str = "milvus", *, secret: str = "", service: str = "milvus", **annotations: str) -> Json:
    values = {"class_name": "gce"} | annotations
    backend = {"service": {"name": service, "port": {"number": 19530}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": {KEYS[key]: value for key, value in values.items() if value}},
        "spec": {"rules": [{"host": "milvus.example.com", "http": {"paths": paths}}]}
        | ({"tls": [{"secretName": secret}]} if secret else {}),
    }


def a_managed_certificate(*domains: str, name: str = "milvus-cert") -> Json:
    return {
        "apiVersion": "networking.gke.io/v1",
        "kind": "ManagedCertificate",
        "metadata": {"name": name},
        "spec": {"domains": list(domains) or ["milvus.example.com"]},
    }


def a_pod(name: str = "milvus-0", *, app: str = "milvus") -> Json:
    ports = [{"name": "milvus", "containerPort": 19530}, {"name": "metrics", "containerPort": 9091}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"containers": [{"name": "milvus", "image": "milvus", "ports": ports}]},
    }


def an_endpoint_slice(*addresses: str, service: str = "milvus", pod: str = "milvus-0", port: int = 19530) -> Json:
    target = {"kind": "Pod", "name": pod, "namespace": "default"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-abcde", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}, "targetRef": target} for address in addresses
        ],
        "ports": [{"name": "milvus", "port": port, "protocol": "TCP"}],
    }
