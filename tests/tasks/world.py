"""A small GKE for tests of steps: both APIs, DNS and the controllers, a Milvus release without a Milvus process.

Every test has a namespace, a release and an address name of its own, so that none sees another's.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import yaml
from kubernetes import config

from sandbox import chart_install
from sandbox.faults import Faults
from sandbox.stack import DNS_ZONE, Stack
from tasks.clients import kubernetes
from tasks.clients.kubernetes import Cluster, Kind
from tasks.core.config import LoadBalancerConfig
from tests.conftest import QUICK
from tests.waiting import eventually

Json = dict[str, Any]
T = TypeVar("T")

DOMAIN = "milvus.example"
_WRITES = ("create", "update", "patch", "delete")
_numbers = itertools.count(1)


@dataclass
class World:
    """What one test can see and touch, and where it is at home."""

    stack: Stack
    number: int = field(default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        self._api: Any = config.new_client_from_config(str(self.stack.kubeconfig))  # type: ignore[no-untyped-call]
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self._call("POST", kubernetes.NAMESPACE.path(""), namespace, "kubectl-create")

    def __hash__(self) -> int:
        return self.number

    @property
    def namespace(self) -> str:
        return f"team-{self.number}"

    @property
    def release(self) -> str:
        return f"r{self.number}"

    @property
    def service(self) -> str:
        return f"{self.release}-milvus"

    @property
    def domain(self) -> str:
        return f"{self.release}.{DOMAIN}"

    @property
    def faults(self) -> Faults:
        return self.stack.faults

    def config(self, **changes: Any) -> LoadBalancerConfig:
        """The configuration of this test's release."""
        mine = {"domain": self.domain, "release": self.release, "namespace": self.namespace}
        return LoadBalancerConfig.parse(mine | QUICK | changes)

    @property
    def cluster(self) -> Cluster:
        return kubernetes.cluster(self.config())

    def read(self, kind: Kind, name: str = "") -> Json:
        """An object of this test that must be there."""
        found = self.cluster.read(kind, self.namespace, name or self.service)
        assert found is not None, f"no {kind.name} {name or self.service}"
        return found

    def install(self, **values: Any) -> None:
        """The release by Helm, with an image that starts no process, behind a Layer-4 load balancer."""
        chosen: Json = {"image": {"all": {"repository": "registry.example/db"}}, "service": {"type": "LoadBalancer"}}
        chart_install.install(self.stack.kubeconfig, self.stack.chart, self.release, self.namespace, chosen | values)

    def write(self, document: Json, *, manager: str = "kubectl-client-side-apply") -> Json:
        """Create an object as `kubectl apply` or another tool does."""
        document = {**document, "metadata": {"namespace": self.namespace, **document["metadata"]}}
        kind = _KINDS[document["kind"]]
        return self._call("POST", kind.path(self.namespace), document, manager)

    def patch(self, kind: Kind, change: Json, *, name: str = "", manager: str = "kubectl-edit") -> Json:
        """Merge a change into an object as somebody else."""
        path = kind.path(self.namespace, name or self.service)
        return self._call("PATCH", path, change, manager, "application/merge-patch+json")

    def annotate(self, kind: Kind, marks: dict[str, str | None], *, name: str = "") -> Json:
        """`kubectl annotate --overwrite`; None takes an annotation away."""
        change = {"metadata": {"annotations": marks}}
        return self.patch(kind, change, name=name, manager="kubectl-annotate")

    def run(self, command: str) -> None:
        """Do what a mend says: `kubectl -n NAMESPACE annotate KIND NAME KEY- …`, as kubectl does it."""
        program, flag, namespace, verb, kind, name, *keys = command.split()
        assert (program, flag, namespace, verb) == ("kubectl", "-n", self.namespace, "annotate")
        assert all(key.endswith("-") for key in keys)
        self.annotate(_KINDS[kind.capitalize()], {key.removesuffix("-"): None for key in keys}, name=name)

    def record(self, kind: str, value: str, domain: str = "") -> None:
        """Add a record to the zone as its owner."""
        self.change_zone({"additions": [self.a_record(kind, value, domain)]})

    def a_record(self, kind: str, value: str, domain: str = "") -> Json:
        """A record as Cloud DNS has it."""
        return {"name": f"{domain or self.domain}.", "type": kind, "ttl": 60, "rrdatas": [value]}

    def change_zone(self, change: Json) -> None:
        """Change the zone as its owner."""
        api = self.stack.compute
        answer = httpx.post(
            f"{api.url}/dns/v1/projects/{api.project}/managedZones/{DNS_ZONE}/changes",
            json=change,
            headers={"Authorization": f"Bearer {api.access_token('zone-owner')}"},
            trust_env=False,
        )
        assert answer.is_success, answer.text

    @contextmanager
    def armed(self, fault: str, **parameters: Any) -> Iterator[None]:
        """A switch of the sandbox."""
        self.faults.arm(fault, **parameters)
        try:
            yield
        finally:
            self.faults.clear(fault)

    @contextmanager
    def recorded(self, kind: str, value: str, domain: str = "") -> Iterator[None]:
        """A record that somebody adds to the zone."""
        self.record(kind, value, domain)
        try:
            yield
        finally:
            self.unrecord(kind, value, domain)

    def unrecord(self, kind: str, value: str, domain: str = "") -> None:
        """Take a record away again."""
        self.change_zone({"deletions": [self.a_record(kind, value, domain)]})

    def writes(self) -> tuple[int, int]:
        """Writing requests so far: ours at the API server (Helm's among them), ours at Compute and Cloud DNS."""
        assert self.stack.kube is not None
        kube = self.stack.kube.request_counts("admin")
        google = self.stack.compute.request_counts(self.stack.compute.credentials()["client_email"])
        return sum(kube.get(verb, 0) for verb in _WRITES), sum(google.get(verb, 0) for verb in _WRITES)

    def reviews(self) -> int:
        assert self.stack.kube is not None
        return self.stack.kube.request_counts("admin").get("review", 0)

    def close(self) -> None:
        """Take everything of this test away: first the Ingress, as whoever wants to leak nothing does."""
        self.faults.clear()
        self.cluster.delete(kubernetes.NAMESPACE, "", self.namespace)
        eventually(lambda: self.cluster.read(kubernetes.NAMESPACE, "", self.namespace) is None)
        self._release_address()

    def _release_address(self) -> None:
        """The quota for addresses is small; one that a test left in use stays."""
        api = self.stack.compute
        httpx.delete(
            f"{api.url}/compute/v1/projects/{api.project}/global/addresses/{self.service}",
            headers={"Authorization": f"Bearer {api.access_token('zone-owner')}"},
            trust_env=False,
        )

    def _call(self, method: str, path: str, body: Json, manager: str, content_type: str = "application/json") -> Json:
        api = self._api
        answer = api.call_api(
            *api.param_serialize(
                method,
                path,
                query_params=[("fieldManager", manager)],
                header_params={"Content-Type": content_type, "Accept": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
            )
        )
        answer.read()
        assert answer.status < 300, answer.data
        loaded: Json = yaml.safe_load(answer.data)
        return loaded


_KINDS = {
    kind.name: kind
    for kind in (
        kubernetes.SERVICE,
        kubernetes.SECRET,
        kubernetes.CONFIG_MAP,
        kubernetes.EVENT,
        kubernetes.POD,
        kubernetes.DEPLOYMENT,
        kubernetes.INGRESS,
        kubernetes.NETWORK_POLICY,
        kubernetes.BACKEND_CONFIG,
        kubernetes.FRONTEND_CONFIG,
        kubernetes.MANAGED_CERTIFICATE,
    )
}
