"""Tasks on the ManagedCertificate: Google issues it once the load balancer serves and DNS points at it."""

import threading
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import applying, deleting, dns_record, events, steps, waiting
from tasks.clients import compute, kubernetes
from tasks.clients.readers import ClusterReader, ComputeReader
from tasks.core import diagnosis, manifests, names, progress, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.progress import Change
from tasks.polling import Ready


class ManagedCertificate(BaseModel):
    """An issued certificate, as Compute has it."""

    model_config = ConfigDict(frozen=True)

    name: str
    compute_name: str
    domains: tuple[str, ...]
    state: str
    expires: str
    """RFC 3339; empty if Compute does not say."""


@steps.writing
def apply_managed_certificate(config: LoadBalancerConfig) -> Change:
    """Bring the ManagedCertificate to the configured domains; a second run changes nothing."""
    manifest = manifests.managed_certificate(config)
    return applying.apply(kubernetes.cluster(config), kubernetes.MANAGED_CERTIFICATE, manifest)


@steps.writing
def delete_unused_managed_certificate(config: LoadBalancerConfig) -> Change:
    """Delete a ManagedCertificate of ours that the Ingress no longer names, after a change of certificate mode.

    Without that the load balancer goes on serving it: taking the annotation away detaches nothing, and Google's
    certificates stand before those of Secrets (gke-managed-certs pkg/controller/sync; ingress-gce
    pkg/translator/translator.go). One that somebody else made stays.
    """
    cluster, name = kubernetes.cluster(config), names.certificate(config.release)
    resource = f"managedcertificate {config.namespace}/{name}"
    live = cluster.read(kubernetes.MANAGED_CERTIFICATE, config.namespace, name)
    if live is None or not status.ours(live):
        return Change(resource=resource, action="unchanged", detail="there is none of ours")
    cluster.delete(kubernetes.MANAGED_CERTIFICATE, config.namespace, name)
    change = Change(resource=resource, action="deleted", detail=f"certificate_mode is {config.certificate_mode.value}")
    return progress.record(change)


@steps.writing
def delete_managed_certificate(config: LoadBalancerConfig) -> Change:
    """Delete the ManagedCertificate if it is ours; its controller then deletes the certificate in Compute.

    After the Ingress: a certificate that is attached cannot be deleted.
    """
    name = names.certificate(config.release)
    return deleting.delete(kubernetes.cluster(config), kubernetes.MANAGED_CERTIFICATE, config.namespace, name)


@steps.observing
def wait_for_certificate(config: LoadBalancerConfig, address: str) -> ManagedCertificate:
    """Return the certificate once Compute says ACTIVE.

    Compute is asked itself, since the ManagedCertificate's status lags it by up to ten minutes. While a domain has no
    record the wait goes on, for somebody may be creating it; one that points elsewhere ends it.

    Raises:
        ResourceFailed: a permanent cause, such as a CAA record that forbids Google, or a record that points elsewhere.
        NotReadyInTime: not within `config.certificate_timeout_seconds`.
    """
    cluster, api = kubernetes.cluster(config), compute.api(config)
    namespace, name = config.namespace, names.certificate(config.release)
    resource = f"managedcertificate {namespace}/{name}"

    wake = threading.Event()
    with cluster.wake_on_change(kubernetes.MANAGED_CERTIFICATE, namespace, name, wake):
        found = waiting.until(
            lambda: judge(cluster, api, config, address),
            step="wait-for-certificate",
            resource=resource,
            timeout_seconds=config.certificate_timeout_seconds,
            wake=wake,
        )
    steps.logger().info("%s is ACTIVE as sslCertificates/%s", resource, found.compute_name)
    return found


def judge(
    cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig, address: str
) -> Ready[ManagedCertificate] | Finding:
    """Look once: the certificate when Compute says ACTIVE, else why not."""
    namespace, name = config.namespace, names.certificate(config.release)
    live = cluster.read(kubernetes.MANAGED_CERTIFICATE, namespace, name)
    if live is None:
        mend = f"Run again; see what there is: kubectl -n {namespace} get managedcertificate"
        return Finding(Outlook.STOP, "certificate", "CertificateGone", "was deleted", mend)
    seen = status.managed_certificate(live)
    if not seen.compute_name:
        return _event_or_wait(cluster, config, name)
    certificate = api.get("sslCertificates", seen.compute_name) or {}
    managed = certificate.get("managed") or {}
    state = str(managed.get("status") or "")
    if state == "ACTIVE":
        return Ready(_described(name, seen.compute_name, certificate))
    domains = {str(domain): str(value) for domain, value in (managed.get("domainStatus") or {}).items()}
    answers = {
        domain: dns_record.read_record(config, domain, address).answers
        for domain, value in domains.items()
        if value == "FAILED_NOT_VISIBLE"
    }
    return diagnosis.of_certificate(
        state or seen.state,
        domains or seen.domains,
        namespace=namespace,
        name=name,
        address=address,
        answers=answers,
        stop_when_dns_points_elsewhere=not config.dns_managed_zone,
    )


def read(cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig) -> ManagedCertificate | None:
    """The certificate as Compute has it, in whatever state; None if there is no ManagedCertificate.

    Its state is empty while the controller has not made the Compute certificate.
    """
    name = names.certificate(config.release)
    live = cluster.read(kubernetes.MANAGED_CERTIFICATE, config.namespace, name)
    if live is None:
        return None
    compute_name = status.managed_certificate(live).compute_name
    certificate = (api.get("sslCertificates", compute_name) if compute_name else None) or {}
    return _described(name, compute_name, certificate)


def _described(name: str, compute_name: str, certificate: dict[str, Any]) -> ManagedCertificate:
    managed = certificate.get("managed") or {}
    return ManagedCertificate(
        name=name,
        compute_name=compute_name,
        domains=tuple(managed.get("domains") or ()),
        state=str(managed.get("status") or ""),
        expires=str(certificate.get("expireTime") or ""),
    )


def _event_or_wait(cluster: ClusterReader, config: LoadBalancerConfig, name: str) -> Finding:
    if found := events.worst(cluster, config, (name,)):
        return found
    see = f"kubectl -n {config.namespace} describe managedcertificate {name}"
    return Finding(Outlook.WAIT, "certificate", "NotCreatedYet", "has no Compute certificate yet", f"See why: {see}")
