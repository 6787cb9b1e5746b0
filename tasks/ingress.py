"""Tasks on the Ingress, which GKE turns into the load balancer itself."""

import threading

from tasks import applying, events, steps, waiting
from tasks.clients import kubernetes
from tasks.core import manifests, names, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import ResourceFailed
from tasks.core.progress import Change
from tasks.polling import Ready

_WATCHED_SECONDS = 1.0
"""Pause between two looks at an Ingress that is watched: they are for events, and for a watch that broke."""


@steps.writing
def apply_ingress(config: LoadBalancerConfig) -> Change:
    """Bring the Ingress to the configured spec; what the controller wrote into it survives.

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
    return applying.apply(cluster, kubernetes.INGRESS, manifests.ingress(config, port.number))


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
