"""The cluster as the controllers see it: one informer per kind, shared by all of them.

Secrets are read when needed, never watched, as in ingress-gce.
"""

import threading
from typing import Any

from sandbox.gke.namer import ClusterNamer
from sandbox.gke.translator import ServicePort
from sandbox.kube_client import ApiError, Informer, KubeClient
from sandbox.kube_paths import path_of

Json = dict[str, Any]

INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
SERVICES = "/api/v1/services"
PODS = "/api/v1/pods"
ENDPOINT_SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
BACKEND_CONFIGS = "/apis/cloud.google.com/v1/backendconfigs"
FRONTEND_CONFIGS = "/apis/networking.gke.io/v1beta1/frontendconfigs"
MANAGED_CERTIFICATES = "/apis/networking.gke.io/v1/managedcertificates"


class ClusterView:
    """What is in the cluster now, as far as the watches have told."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client
        self.ingresses = Informer(client, INGRESSES)
        self.services = Informer(client, SERVICES)
        self.pods = Informer(client, PODS)
        self.endpoint_slices = Informer(client, ENDPOINT_SLICES)
        self.backend_configs = Informer(client, BACKEND_CONFIGS)
        self.frontend_configs = Informer(client, FRONTEND_CONFIGS)
        self.managed_certificates = Informer(client, MANAGED_CERTIFICATES)

    @property
    def _informers(self) -> list[Informer]:
        return [
            self.services,
            self.backend_configs,
            self.frontend_configs,
            self.pods,
            self.endpoint_slices,
            self.managed_certificates,
            self.ingresses,
        ]

    def start(self) -> None:
        for informer in self._informers:
            informer.start()

    def stop(self) -> None:
        stops = [threading.Thread(target=informer.stop) for informer in self._informers]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    def is_synced(self) -> bool:
        return all(informer.synced.is_set() for informer in self._informers)

    def service(self, namespace: str, name: str) -> Json | None:
        return self.services.get(f"{namespace}/{name}")

    def backend_config(self, namespace: str, name: str) -> Json | None:
        return self.backend_configs.get(f"{namespace}/{name}")

    def secret(self, namespace: str, name: str) -> Json:
        """The Secret, read from the API server.

        Raises:
            LookupError: there is none, with the API server's text.
            KubeError: it could not be read.
        """
        try:
            return self.client.get(path_of("/api/v1/secrets", namespace, name))
        except ApiError as error:
            if error.status == 404:
                raise LookupError(error.message) from error
            raise

    def pods_of(self, service: Json) -> list[Json]:
        """The pods that a Service selects; none for a Service without selector."""
        namespace, selector = service["metadata"]["namespace"], service["spec"].get("selector") or {}
        if not selector:
            return []
        return [
            pod
            for pod in self.pods.items()
            if pod["metadata"]["namespace"] == namespace
            and selector.items() <= (pod["metadata"].get("labels") or {}).items()
        ]

    def slices_of(self, namespace: str, service: str) -> list[Json]:
        """The EndpointSlices of a Service."""
        return [
            each
            for each in self.endpoint_slices.items()
            if each["metadata"]["namespace"] == namespace
            and (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service
        ]

    def endpoint_ports(self, port: ServicePort) -> set[int]:
        """The pod ports behind a Service port: its target port, or what the EndpointSlices say if that is a name."""
        if isinstance(port.target_port, int):
            return {port.target_port}
        return {
            int(each["port"])
            for slice_ in self.slices_of(port.namespace, port.service)
            for each in slice_.get("ports") or []
            if (each.get("name") or "") == port.port_name and each.get("port")
        }


def read_namer(client: KubeClient) -> ClusterNamer:
    """The names of this cluster's Compute resources.

    Source: ingress-gce cmd/glbc/app/namer.go; the ConfigMap must be there (see install.py).
    """
    uids = client.get("/api/v1/namespaces/kube-system/configmaps/ingress-uid").get("data") or {}
    kube_system = client.get("/api/v1/namespaces/kube-system")
    return ClusterNamer(uids["uid"], kube_system["metadata"]["uid"], uids.get("provider-uid", ""))
