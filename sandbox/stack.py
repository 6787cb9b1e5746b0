"""The whole sandbox: starts every part in order, knows where each is, stops all of it.

    with Stack(directory, latency="zero") as stack:
        os.environ.update(stack.env)

What was in `directory` before is thrown away: a sandbox keeps nothing between runs.
"""

import json
import logging
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from sandbox import chart_install, environment
from sandbox.ca import CertificateAuthority
from sandbox.compute.server import ComputeApi
from sandbox.dataplane.plane import DataPlane
from sandbox.dns.server import DnsServer, Zones
from sandbox.faults import Faults
from sandbox.files import lock_of
from sandbox.gke.controllers import Controllers
from sandbox.gke.install import install
from sandbox.kube import discovery
from sandbox.kube.server import KubernetesApi
from sandbox.kube_client import KubeClient, key_of
from sandbox.latency import PROFILES, Latency, ProfileName
from sandbox.milvus import package
from sandbox.milvus.configuration import merged
from sandbox.network import AddressPool
from sandbox.workload import objects
from sandbox.workload.container import milvus_container
from sandbox.workload.runner import Runner

_log = logging.getLogger(__name__)
Json = dict[str, Any]
Progress = Callable[[str, float], None]

PROJECT = "sandbox-project"
ZONE = "sandbox-zone-a"
LOCATION, CLUSTER = "europe-west1", "sandbox"
"""Where the GKE API has the built-in API server; with a location of the genuine shape, which clients may insist on."""
DNS_ZONE, DNS_NAME = "sandbox-zone", "milvus.example."
_READY_SECONDS = 120.0
_HIGH_PORTS = {443: 8443, 80: 8080}


class AlreadyRunning(Exception):
    """Another process runs a sandbox in that folder."""


class NotReady(Exception):
    """The Milvus release did not become ready."""


class Stack:
    """One sandbox; a context manager."""

    def __init__(
        self,
        directory: Path,
        *,
        latency: ProfileName | Latency = "zero",
        milvus: bool = True,
        kubeconfig: Path | None = None,
        chart: Path | None = None,
        values: Json | None = None,
        release: str = "my-release",
        namespace: str = "default",
        quotas: Mapping[str, float] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Nothing starts yet.

        Args:
            directory: for everything that is written; made with mode 0700.
            latency: how long things take.
            milvus: whether the Milvus release is installed, and waited for.
            kubeconfig: of a cluster to use; None: the built-in API server.
            chart: folder or archive to install instead of the built-in chart.
            values: of the release, on top of `service.type: LoadBalancer`.
            release: its name.
            namespace: its namespace.
            quotas: limits by metric, such as URL_MAPS, that are other than a young project's.
            progress: told each part and how many seconds it took.
        """
        self.directory = directory.absolute()
        self.latency = latency if isinstance(latency, Latency) else PROFILES[latency]
        self.release, self.namespace = release, namespace
        self.chart = (chart or chart_install.CHART).absolute()
        self._values: Json = merged({"service": {"type": "LoadBalancer"}}, values or {})
        self._milvus, self._given_kubeconfig = milvus, kubeconfig
        self._quotas = dict(quotas or {})
        self._progress = progress or (lambda *_: None)
        self.faults = Faults()
        self.env: dict[str, str] = {}
        self.kubeconfig = kubeconfig or self.directory / "kubeconfig"
        self.compute: ComputeApi
        self.dns: DnsServer
        self.kube: KubernetesApi | None = None
        self.runner: Runner
        self.dataplane: DataPlane
        self._running = ExitStack()
        self._lock: TextIO | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until the release is ready; what has started is stopped when the rest does not.

        Raises:
            AlreadyRunning: there is a sandbox in that folder.
            NotReady: Milvus did not come up.
        """
        self._take_directory()
        try:
            self._start_parts()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, newest first; nothing is left running."""
        self._running.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory.chmod(0o700)
        self._lock = lock_of(self.directory)
        if self._lock is None:
            raise AlreadyRunning(f"a sandbox is running in {self.directory}")
        for name in ("kube", "compute", "workload", "dataplane", "gcloud"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for name in ("environment.json", "control.json"):
            (self.directory / name).unlink(missing_ok=True)

    def _start_parts(self) -> None:
        pool = self._running.enter_context(ThreadPoolExecutor(4, thread_name_prefix="start"))
        unpacking = pool.submit(self._timed, "Milvus unpacked", package.unpacked) if self._milvus else None
        authority = CertificateAuthority()
        addresses = AddressPool(self.directory)
        self._running.callback(addresses.close)
        ports = listening_ports(addresses)
        self._timed("Compute and DNS", lambda: self._start_google(authority, addresses))
        self._timed("Kubernetes API", lambda: self._start_kubernetes(authority))
        self._write_environment(authority, ports)
        releasing = pool.submit(self._timed, "Helm release", self._install_release) if self._milvus else None
        serving = pool.submit(self._timed, "Envoy", lambda: self._start_dataplane(ports))
        self._timed("GKE controllers and nodes", lambda: self._start_controllers(authority, addresses))
        for part in (serving, releasing, unpacking):
            if part is not None:
                part.result()
        if self._milvus:
            self._timed("Milvus", self._wait_for_release)

    def _timed(self, part: str, action: Callable[[], Any]) -> None:
        started = time.monotonic()
        action()
        self._progress(part, time.monotonic() - started)

    def _start_google(self, authority: CertificateAuthority, addresses: AddressPool) -> None:
        zones = Zones()
        zones.create(DNS_ZONE, DNS_NAME, description="The sandbox's own zone")
        self.dns = DnsServer(zones, self.faults)
        self._begin(self.dns)
        self.compute = ComputeApi(
            self.directory / "compute",
            self.faults,
            self.latency,
            project=PROJECT,
            ca=authority,
            addresses=addresses,
            dns=zones,
            limits=self._quotas,
        )
        self._begin(self.compute)

    def _start_kubernetes(self, authority: CertificateAuthority) -> None:
        if self._given_kubeconfig is None:
            self.kube = KubernetesApi(
                self.directory / "kube",
                authority,
                self.faults,
                outside=self.compute.user_of,
                pod_logs=self._pod_logs,
            )
            self._begin(self.kube)
            self._register(self.kube)

    def _register(self, kube: KubernetesApi) -> None:
        """Make the cluster known to the GKE API, so that `gke_cluster` and `gke_location` find it."""
        facts = kube.kubeconfig()["clusters"][0]["cluster"]
        self.compute.clusters.add(
            LOCATION,
            CLUSTER,
            endpoint=facts["server"].removeprefix("https://"),
            ca_certificate=facts["certificate-authority-data"],
            version=discovery.VERSION["gitVersion"].removeprefix("v"),
        )

    def _start_dataplane(self, ports: dict[int, int]) -> None:
        self.dataplane = DataPlane(
            self.directory / "dataplane",
            self.compute.url,
            self.compute.access_token("dataplane"),
            PROJECT,
            self.latency,
            self.faults,
            ports=ports,
        )
        self._begin(self.dataplane)

    def _start_controllers(self, authority: CertificateAuthority, addresses: AddressPool) -> None:
        client = KubeClient.from_kubeconfig(self._user("gke-installer"), user_agent="sandbox-installer")
        install(client)
        client.close()
        self.runner = Runner(
            self._user("workload-runner"),
            self.directory / "workload",
            addresses=addresses,
            latency=self.latency,
            faults=self.faults,
            project=PROJECT,
            zone=ZONE,
            log_authority=None if self.kube else authority,
        )
        self._begin(self.runner)
        token = self.compute.access_token("ingress-controller")
        self._begin(
            Controllers(
                self._user("ingress-controller"),
                self.compute.url,
                token,
                PROJECT,
                self.latency,
                self.faults,
                zones=(ZONE,),
            )
        )

    def _begin(self, part: Any) -> None:
        """Start a part and note that it must be stopped, even when its start fails half-way."""
        self._running.callback(part.stop)
        part.start()

    def _user(self, name: str) -> Json | Path:
        """A kubeconfig for one of the sandbox's own users; with a given cluster all are the given one."""
        return self.kubeconfig if self.kube is None else self.kube.kubeconfig(name)

    def _write_environment(self, authority: CertificateAuthority, ports: dict[int, int]) -> None:
        environment.write_files(
            self.directory,
            kubeconfig=self.kube.kubeconfig("admin") if self.kube else None,
            credentials=self.compute.credentials(),
            token=self.compute.access_token("admin"),
            authority_pem=authority.certificate_pem,
        )
        self.env = environment.variables(
            self.directory,
            kubeconfig=self.kubeconfig.absolute(),
            project=PROJECT,
            compute_url=self.compute.url,
            dns_port=self.dns.port,
            ports=ports,
            chart=self.chart,
        )
        (self.directory / "environment.json").write_text(json.dumps(self.env, indent=1))

    def _install_release(self) -> None:
        chart_install.install(self.kubeconfig.absolute(), self.chart, self.release, self.namespace, self._values)

    def _wait_for_release(self) -> None:
        client = KubeClient.from_kubeconfig(self._user("gke-installer"), user_agent="sandbox-installer")
        deadline = time.monotonic() + _READY_SECONDS + self.latency.address_seconds * 3
        try:
            while missing := self.missing(client):
                if time.monotonic() > deadline:
                    raise NotReady(f"release {self.release}: {missing}\n{self._pod_output()}")
                time.sleep(0.05)
        finally:
            client.close()

    def missing(self, client: KubeClient) -> str:
        """What the release still lacks, empty when it is ready."""
        selector = f"app.kubernetes.io/instance={self.release}"
        for kind in ("deployments", "statefulsets"):
            path = f"/apis/apps/v1/namespaces/{self.namespace}/{kind}"
            for item in client.list(path, labelSelector=selector)["items"]:
                if int((item.get("status") or {}).get("readyReplicas") or 0) < int(item["spec"].get("replicas", 1)):
                    return f"{kind[:-1]} {item['metadata']['name']} is not ready"
                if objects.condition(item, "Available").get("status", "True") != "True":
                    return f"{kind[:-1]} {item['metadata']['name']} is not available"
        return self._missing_here(client, selector) if self.runner.active else ""

    def _missing_here(self, client: KubeClient, selector: str) -> str:
        """What this sandbox has not done yet, whatever an earlier one left in a given cluster's statuses."""
        running = self.runner.kubelet.processes()
        for pod in client.list(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=selector)["items"]:
            process = running.get(key_of(pod))
            if milvus_container(pod) and (process is None or not process.state.ready):
                return f"pod {pod['metadata']['name']} is not ready"
        for service in client.list(f"/api/v1/namespaces/{self.namespace}/services", labelSelector=selector)["items"]:
            shown = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
            is_balanced = service["spec"]["type"] == "LoadBalancer"
            if is_balanced and shown[0].get("ip") != (self.runner.load_balancers.address(key_of(service)) or "none"):
                return f"service {service['metadata']['name']} has no address"
        return ""

    def _pod_logs(self, namespace: str, pod: str, container: str, previous: bool) -> list[bytes] | None:  # noqa: FBT001
        text = self.runner.pod_logs(namespace, pod, container, previous=previous)
        return None if text is None else [text.encode()]

    def _pod_output(self) -> str:
        tails = [f"{key}: {(pod.log() or '')[-1500:]}" for key, pod in self.runner.kubelet.processes().items()]
        return "\n".join(tails)


def listening_ports(addresses: AddressPool) -> dict[int, int]:
    """Where load balancers' ports really listen: empty when 443 and 80 can be bound, else high ports for both."""
    probe_address = addresses.load_balancer_range.rsplit(".", 1)[0] + ".255"
    for port in _HIGH_PORTS:
        with socket.socket() as probe:
            try:
                probe.bind((probe_address, port))
            except OSError:
                return dict(_HIGH_PORTS)
    return {}
