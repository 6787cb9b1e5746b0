"""Tasks on the Ingress, which GKE turns into the load balancer itself."""

import dataclasses
import threading
import time
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import applying, deleting, events, global_address, leftovers, receipt, steps, waiting
from tasks.clients import compute, kubernetes
from tasks.clients.kubernetes import Cluster
from tasks.core import inventory, manifests, names, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Change
from tasks.core.teardown_request import TeardownRequest
from tasks.polling import Ready

_WATCHED_SECONDS = 1.0
"""Pause between two looks at an Ingress that is watched: they are for events, and for a watch that broke."""

_IN_USE_SECONDS = 30.0
"""How long the controller may be refused a deletion because of use: for seconds, a proxy's own deletion does that."""


class Deletion(BaseModel):
    """What became of the Ingress, and what has to go with it."""

    model_config = ConfigDict(frozen=True)

    change: Change
    parts: tuple[str, ...]
    """References of the Compute resources that GKE made of it; see `tasks.core.inventory`."""


@steps.writing
def apply_ingress(config: LoadBalancerConfig) -> Change:
    """Bring the Ingress to the configured spec; what the controller wrote into it survives, and so does its address.

    Raises:
        ResourceFailed: the Milvus Service is gone or has no Milvus port.
    """
    cluster = kubernetes.cluster(config)
    service = cluster.read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    port = status.milvus_port(service or {})
    if port is None:
        raise ResourceFailed(
            f"service {config.namespace}/{names.service(config.release)}",
            "has no Milvus port" if service else "does not exist",
            f"See the release: helm -n {config.namespace} status {config.release}",
            "milvus",
        )
    live = cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    chosen = global_address.choose(compute.api(config), config, live)
    manifest = manifests.ingress(config, port.number, chosen.name if chosen.named else "")
    return applying.apply(cluster, kubernetes.INGRESS, manifest)


@steps.observing
def wait_for_address(config: LoadBalancerConfig, reserved: str) -> str:
    """Return the load balancer's IPv4 address once GKE has assigned it.

    Args:
        config: the configuration.
        reserved: the static address the Ingress asks for; an older one is waited out.

    Raises:
        ResourceFailed: the controller reported a permanent cause.
        NotReadyInTime: not within `config.address_timeout_seconds`.
    """
    cluster = kubernetes.cluster(config)
    namespace, name = config.namespace, names.ingress(config.release)
    resource = f"ingress {namespace}/{name}"

    def look() -> Ready[str] | Finding:
        live = cluster.read(kubernetes.INGRESS, namespace, name)
        if live is None:
            return Finding(Outlook.STOP, "ingress", "IngressGone", "was deleted while we waited", "Run again.")
        address = status.ingress_address(live)
        if address and address == reserved:
            return Ready(address)
        if found := events.worst(cluster, config, (name, names.service(config.release))):
            return found
        if found := events.silence(cluster, live):
            return found
        seen = f"has address {address}, not yet {reserved}" if address else "has no address yet"
        return Finding(Outlook.WAIT, "ingress", "NoAddress", seen, _describe(namespace, name))

    wake = threading.Event()
    with cluster.wake_on_change(kubernetes.INGRESS, namespace, name, wake):
        address = waiting.until(
            look,
            step="wait-for-address",
            resource=resource,
            timeout_seconds=config.address_timeout_seconds,
            wake=wake,
            shortest_seconds=_WATCHED_SECONDS,
        )
    steps.logger().info("%s has address %s", resource, address)
    return address


def _describe(namespace: str, name: str) -> str:
    return (
        f"See why: kubectl -n {namespace} describe ingress {name}. No events at all mean that no controller feels "
        "responsible: is the HttpLoadBalancing add-on on?"
    )


@steps.writing
def delete_ingress(config: TeardownRequest) -> Deletion:
    """Ask for the deletion of the Ingress, after noting on the receipt what GKE made of it.

    Without an Ingress the parts are those noted by an earlier run and those that say of themselves that they are its.
    """
    cluster, api = kubernetes.cluster(config), compute.api(config)
    live = cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    found = [*receipt.read(cluster, config).load_balancer, *_certificate_in_compute(cluster, config)]
    found += leftovers.search(api, cluster, config)
    if live is not None and status.ours(live):
        found += leftovers.parts_of(api, config, live)
    parts = tuple(inventory.in_order(found))
    if live is not None and status.ours(live) and not live["metadata"].get("deletionTimestamp"):
        # What hangs below annotations is found no more once the Ingress is gone.
        receipt.note(cluster, config, load_balancer=parts)
    change = deleting.delete(cluster, kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    return Deletion(change=change, parts=parts)


def _certificate_in_compute(cluster: Cluster, config: TeardownRequest) -> list[str]:
    """The certificate that Google's controller made of our ManagedCertificate and deletes with it."""
    live = cluster.read(kubernetes.MANAGED_CERTIFICATE, config.namespace, names.certificate(config.release))
    if live is None or not status.ours(live):
        return []
    name = status.managed_certificate(live).compute_name
    return [f"sslCertificates/{name}"] if name else []


@steps.observing
def wait_for_ingress_deletion(config: TeardownRequest) -> None:
    """Return once the Ingress is gone, that is, the controller has taken its finalizer away.

    Raises:
        ResourceFailed: the controller is refused a deletion for good; or somebody made the Ingress again.
        NotReadyInTime: not within `config.delete_timeout_seconds`; what holds it is named.
    """
    cluster = kubernetes.cluster(config)
    namespace, name = config.namespace, names.ingress(config.release)
    refused_since: float | None = None

    def look() -> Ready[None] | Finding:
        nonlocal refused_since
        live = cluster.read(kubernetes.INGRESS, namespace, name)
        if live is None:
            return Ready(None)
        if not live["metadata"].get("deletionTimestamp"):
            return Finding(Outlook.STOP, "ingress", "IngressIsBack", "was made again by somebody", "Run again.")
        found = events.worst(cluster, config, (name,), reason="GarbageCollection")
        if found is None:
            refused_since = None
            return _held(live, namespace, name)
        refused_since = refused_since or time.monotonic()
        if found.cause == "ResourceInUse" and time.monotonic() - refused_since > _IN_USE_SECONDS:
            return dataclasses.replace(found, outlook=Outlook.STOP)
        return found

    wake = threading.Event()
    with cluster.wake_on_change(kubernetes.INGRESS, namespace, name, wake):
        waiting.until(
            look,
            step="wait-for-ingress-deletion",
            resource=f"ingress {namespace}/{name}",
            timeout_seconds=config.delete_timeout_seconds,
            wake=wake,
            shortest_seconds=_WATCHED_SECONDS,
        )


def _held(live: dict[str, Any], namespace: str, name: str) -> Finding:
    holders = ", ".join(live["metadata"].get("finalizers") or []) or "nothing"
    mend = (
        f"See why: kubectl -n {namespace} describe ingress {name}. No events at all mean that no controller is at "
        "work: is the HttpLoadBalancing add-on on? Taking the finalizer away by hand leaves the load balancer behind."
    )
    return Finding(Outlook.WAIT, "ingress", "NotGoneYet", f"is being deleted, held by {holders}", mend)
