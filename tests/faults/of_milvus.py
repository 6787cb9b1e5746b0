"""Faults of Milvus itself, and of who may reach it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.clients import kubernetes
from tests.faults.fault import fault
from tests.faults.site import Site


@fault("Milvus does not start any more", "§14 all Pods crash", layer="milvus", cause="CrashLoop", mend="logs")
@contextmanager
def milvus_crashes(site: Site) -> Iterator[None]:
    with site.armed("milvus-crash"):
        site.restart("waiting")
        yield
    site.restart("running")


@fault("a pod stays behind its readiness gate", "§14 rolling restart stalls; §8.5",
       layer="milvus", cause="RollingOut", mend="kubectl")  # fmt: skip
@contextmanager
def readiness_gate(site: Site) -> Iterator[None]:
    """It stalls because the load balancer never calls the Pod healthy; a gate alone keeps no client out."""
    with site.armed("never-healthy"), site.armed("readiness-gate-stall"):
        site.restart("running")
        yield
    site.restart("running")


@fault("Milvus asks for no password", "A10; §4.4", where="world",
       layer="milvus", cause="AnonymousAccess", mend="authorizationEnabled", open_milvus_reason="")  # fmt: skip
@contextmanager
def open_to_everybody(_site: Site) -> Iterator[None]:
    yield


@fault("Milvus, published, asks for no password", "A10; §4.4",
       layer="milvus", cause="AnonymousAccess", mend="authorizationEnabled", open_milvus_reason="")  # fmt: skip
@contextmanager
def published_and_open(_site: Site) -> Iterator[None]:
    yield


@fault("the Secret with Milvus' password is not there", "A10", layer="client", cause="CredentialsSecret",
       mend="kubectl -n default create secret generic", milvus_credentials_secret="not-there")  # fmt: skip
@contextmanager
def no_credentials(_site: Site) -> Iterator[None]:
    yield


@fault("a NetworkPolicy shuts the load balancer out", "§8.2; B1", layer="network", cause="NetworkPolicy",
       mend="kubectl -n default patch networkpolicy deny")  # fmt: skip
@contextmanager
def network_policy(site: Site) -> Iterator[None]:
    deny = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": []}
    document = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"}}
    site.write(document | {"spec": deny})
    yield
    site.cluster.delete(kubernetes.NETWORK_POLICY, site.namespace, "deny")


@fault("Milvus asks for no password, and a group was late a while ago", "A10; §6.2",
       layer="milvus", cause="AnonymousAccess", mend="authorizationEnabled", open_milvus_reason="")  # fmt: skip
@contextmanager
def open_after_a_complaint(site: Site) -> Iterator[None]:
    group = "projects/p/zones/z/networkEndpointGroups/k8s1-kube-system-default-http-backend"
    with site.complained(f"Error syncing to GCP: googleapi: Error 404: The resource '{group}' was not found, notFound"):
        yield


@fault("the backend timeout was edited, and a Service was missing an hour ago", "B7; §6.3",
       layer="compute", cause="Drifted", mend="kubectl", seen="timeoutSec")  # fmt: skip
@contextmanager
def edited_after_a_complaint(site: Site) -> Iterator[None]:
    gone = f'Translation failed: invalid ingress spec: could not find service "default/{site.service}"'
    with (
        site.armed("controller-off"),
        site.complained(gone, minutes_ago=50),
        site.patched(f"global/backendServices/{site.backend_service}", {"timeoutSec": 30}),
    ):
        yield
