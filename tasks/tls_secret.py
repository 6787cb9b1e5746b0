"""Tasks on the TLS Secret: a self-managed certificate is made straight into it, an existing one is checked.

The private key is made in memory, goes to the API server, and is nowhere else: not in a result, a log or a file.
"""

import base64
import binascii
import datetime as dt
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import deleting, receipt, steps
from tasks.clients import kubernetes
from tasks.clients.kubernetes import Cluster
from tasks.clients.readers import ClusterReader
from tasks.core import certificates, manifests, names, progress, status
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.errors import ResourceFailed, Unreachable
from tasks.core.progress import Change

_ATTEMPTS = 5

_LONGEST_DAYS = 825
"""Of the limit the CA/Browser forum set in 2018, which several TLS libraries hold to since."""


class TlsCertificate(BaseModel):
    """The public facts of the certificate in a Secret."""

    model_config = ConfigDict(frozen=True)

    secret: str
    fingerprint: str
    """SHA-256 of the leaf, lower-case hex."""
    domains: tuple[str, ...]
    expires: str
    """RFC 3339."""
    change: Change


@steps.writing
def make_tls_secret(config: LoadBalancerConfig) -> TlsCertificate:
    """Return the self-managed certificate, made now unless the Secret holds one that still serves.

    Two runs at once make one key pair: the Secret is created, not overwritten, and replaced only in the version that
    was judged.

    Raises:
        ResourceFailed: the Secret holds a certificate of somebody else's that does not fit.
    """
    cluster = kubernetes.cluster(config)
    for _ in range(_ATTEMPTS):
        if (made := _make(cluster, config)) is not None:
            return made
    raise Unreachable(
        f"secret {config.namespace}/{config.tls_secret}",
        "is being written by somebody else all the time",
        f"See who: kubectl -n {config.namespace} get secret {config.tls_secret} -o yaml --show-managed-fields",
        "certificate",
    )


def _make(cluster: Cluster, config: LoadBalancerConfig) -> TlsCertificate | None:
    """One try; None if somebody else wrote the Secret meanwhile."""
    now = dt.datetime.now(dt.UTC)
    live = cluster.read(kubernetes.SECRET, config.namespace, config.tls_secret)
    if live is None:
        _note(cluster, config)
        pair = certificates.self_signed(config.domains, config.certificate_validity_days, now)
        manifest = manifests.tls_secret(config, pair.certificate_pem, pair.key_pem)
        if cluster.create(manifest, kubernetes.SECRET) is not None:
            return _result(config, pair.certificate_pem, "created", "")
        return None
    reasons = _reasons_to_replace(config, live, now)
    if not reasons:
        return _result(config, pem(live, "tls.crt"), "unchanged", "")
    if refusal := refusal_to_replace(config, live) or _used_elsewhere(cluster, config, live):
        raise refusal
    _note(cluster, config)
    pair = certificates.self_signed(config.domains, config.certificate_validity_days, now)
    patch = manifests.tls_secret(config, pair.certificate_pem, pair.key_pem)
    del patch["type"]  # immutable
    # Made by `kubectl apply` it has the key that goes in there, too.
    patch["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": None}
    patch["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    if cluster.merge_patch(kubernetes.SECRET, config.namespace, config.tls_secret, patch) is None:
        return None
    return _result(config, pair.certificate_pem, "updated", "; ".join(reasons))


def _note(cluster: Cluster, config: LoadBalancerConfig) -> None:
    """Without it a teardown that is not told of `certificate_secret` would leave the private key behind."""
    if config.tls_secret != names.certificate(config.release):
        noted = receipt.read(cluster, config).secrets
        receipt.note(cluster, config, secrets=tuple(dict.fromkeys((*noted, config.tls_secret))))


def _used_elsewhere(cluster: Cluster, config: LoadBalancerConfig, live: dict[str, Any]) -> ResourceFailed | None:
    """Why a Secret that somebody else made must not be overwritten: another Ingress serves it too."""
    users = [name for name in _users(cluster, config, config.tls_secret) if name != names.ingress(config.release)]
    if status.ours(live) or not users:
        return None
    resource = f"secret {config.namespace}/{config.tls_secret}"
    seen = f"is not ours, and ingress {', '.join(users)} uses it too"
    return ResourceFailed(resource, seen, _OTHER_NAME, "certificate")


def _users(cluster: Cluster, config: LoadBalancerConfig, secret: str) -> list[str]:
    """Names of the Ingresses that serve the Secret."""
    return [
        str(ingress["metadata"]["name"])
        for ingress in cluster.list_objects(kubernetes.INGRESS, config.namespace)
        if any(entry.get("secretName") == secret for entry in ingress["spec"].get("tls") or [])
    ]


def places(cluster: ClusterReader, config: LoadBalancerConfig) -> list[str]:
    """Names under which a Secret of ours may be: the configured one, the usual one, and those of the receipt."""
    known = (config.tls_secret, names.certificate(config.release), *receipt.read(cluster, config).secrets)
    return list(dict.fromkeys(known))


@steps.writing
def delete_tls_secret(config: LoadBalancerConfig) -> list[Change]:
    """Delete the Secrets of self-managed certificates; one that somebody else made, filled or uses stays."""
    cluster = kubernetes.cluster(config)
    return [_delete(cluster, config, name) for name in places(cluster, config)]


def _delete(cluster: Cluster, config: LoadBalancerConfig, name: str) -> Change:
    live = cluster.read(kubernetes.SECRET, config.namespace, name)
    if live is not None and (reason := reason_to_keep(cluster, config, live)):
        change = Change(resource=f"secret {config.namespace}/{name}", action="unchanged", detail=reason)
        return progress.record(change)
    return deleting.delete(cluster, kubernetes.SECRET, config.namespace, name)


def reason_to_keep(cluster: Cluster, config: LoadBalancerConfig, live: dict[str, Any]) -> str:
    """Why the Secret is not ours to delete; empty if it is."""
    name = str(live["metadata"]["name"])
    if not status.ours(live):
        return "was not made here"
    if config.certificate_mode is CertificateMode.EXISTING_SECRET and name == config.tls_secret:
        return "certificate_mode is existing-secret"
    try:
        if not certificates.read(pem(live, "tls.crt")).self_signed:
            return "holds a certificate of an authority"
    except ValueError:
        pass  # ours, and no certificate any more: nobody's loss
    users = _users(cluster, config, name)
    return f"ingress {', '.join(users)} uses it" if users else ""


@steps.observing
def check_tls_secret(config: LoadBalancerConfig) -> TlsCertificate:
    """Return the facts of the existing Secret's certificate.

    Raises:
        ResourceFailed: there is none, or Google Cloud or a client would refuse it; every reason at once.
    """
    live = kubernetes.cluster(config).read(kubernetes.SECRET, config.namespace, config.tls_secret)
    if fault := existing_fault(config, live):
        raise fault
    assert live is not None
    return _result(config, pem(live, "tls.crt"), "unchanged", "")


def existing_fault(config: LoadBalancerConfig, live: dict[str, Any] | None) -> ResourceFailed | None:
    """Why the existing Secret cannot be used; None if it can."""
    resource = f"secret {config.namespace}/{config.tls_secret}"
    make = f"kubectl -n {config.namespace} create secret tls {config.tls_secret} --cert=CHAIN.pem --key=KEY.pem"
    if live is None:
        return ResourceFailed(resource, "does not exist", f"Create it: {make}", "certificate")
    now = dt.datetime.now(dt.UTC)
    found = certificates.faults(pem(live, "tls.crt"), pem(live, "tls.key"), config.domains, now)
    if not found:
        return None
    return ResourceFailed(resource, "; ".join(found), f"Replace it: {make}", "certificate")


def read(cluster: ClusterReader, config: LoadBalancerConfig) -> TlsCertificate | None:
    """The facts of the certificate in the Secret, fit or not; None if there is none."""
    live = cluster.read(kubernetes.SECRET, config.namespace, config.tls_secret)
    certificate_pem = pem(live or {}, "tls.crt")
    return _result(config, certificate_pem, "unchanged", "") if certificate_pem else None


def faults(config: LoadBalancerConfig, live: dict[str, Any]) -> list[str]:
    """Why the Secret's certificate does not serve, or soon will not; by the rules of its mode."""
    now = dt.datetime.now(dt.UTC)
    if config.certificate_mode is CertificateMode.SELF_MANAGED:
        return _reasons_to_replace(config, live, now)
    return certificates.faults(pem(live, "tls.crt"), pem(live, "tls.key"), config.domains, now)


def _reasons_to_replace(config: LoadBalancerConfig, live: dict[str, Any], now: dt.datetime) -> list[str]:
    """As `certificates.reasons_to_replace`; and a self-signed one that outlives what clients accept (the guide's)."""
    certificate_pem = pem(live, "tls.crt")
    found = certificates.reasons_to_replace(certificate_pem, pem(live, "tls.key"), config.domains, now)
    if not found:
        facts = certificates.read(certificate_pem)
        days = (facts.not_after - facts.not_before).days
        if facts.self_signed and days > _LONGEST_DAYS:
            found = [f"the certificate lives {days} days; beyond {_LONGEST_DAYS} several TLS libraries refuse it"]
    return found


def unfit_to_replace(config: LoadBalancerConfig, live: dict[str, Any]) -> ResourceFailed | None:
    """Why no self-managed certificate can be had in this Secret; None if its own serves, or may be replaced."""
    now = dt.datetime.now(dt.UTC)
    if not _reasons_to_replace(config, live, now):
        return None
    return refusal_to_replace(config, live)


def refusal_to_replace(config: LoadBalancerConfig, live: dict[str, Any]) -> ResourceFailed | None:
    """Why the Secret in the place of a self-managed certificate must not be overwritten; None if it may be.

    Ours and self-signed ones (the published guide makes such a one) may be; what an authority has issued, or what a
    tool keeps, may not.
    """
    resource = f"secret {config.namespace}/{config.tls_secret}"
    if not live or status.ours(live):
        return None
    if keeper := _keeper(live):
        seen = f"belongs to {keeper}, and its certificate does not serve"
        mend = f"Renew it there and set certificate_mode=existing-secret, or {_OTHER_NAME}"
        return ResourceFailed(resource, seen, mend, "certificate")
    if live.get("type") != "kubernetes.io/tls":
        return ResourceFailed(
            resource, f"is of type {live.get('type')}, made by somebody else", _OTHER_NAME, "certificate"
        )
    try:
        facts = certificates.read(pem(live, "tls.crt"))
    except ValueError as error:
        return ResourceFailed(resource, f"is not ours, and {error}", _OTHER_NAME, "certificate")
    if facts.self_signed:
        return None
    return ResourceFailed(
        resource,
        "holds a certificate of an authority that does not serve these domains any more",
        "Renew it and set certificate_mode=existing-secret, or " + _OTHER_NAME,
        "certificate",
    )


def _keeper(live: dict[str, Any]) -> str:
    """The tool that would write the Secret again; empty when a person made it."""
    metadata, marks = live["metadata"], status.marks(live)
    for owner in metadata.get("ownerReferences") or []:
        return f"{owner['kind']} {owner['name']}"
    if certificate := marks.get("cert-manager.io/certificate-name"):
        return f"cert-manager's Certificate {certificate}"
    if release := marks.get("meta.helm.sh/release-name"):
        return f"Helm release {release}"
    return str((metadata.get("labels") or {}).get("app.kubernetes.io/managed-by") or "")


_OTHER_NAME = "name another Secret with certificate_secret."


def trust_root(live: dict[str, Any]) -> bytes | None:
    """What a client must trust to accept the Secret's certificate; None: the public roots.

    `ca.crt` if the Secret has one (cert-manager writes it), else the chain when it ends in a self-signed certificate.
    """
    if authority := pem(live, "ca.crt"):
        return authority
    chain = pem(live, "tls.crt")
    last = chain[chain.rfind(b"-----BEGIN CERTIFICATE-----") :]
    try:
        return chain if certificates.read(last).self_signed else None
    except ValueError:
        return None  # nothing to trust; whoever judges the Secret says why


def pem(live: dict[str, Any], key: str) -> bytes:
    """One entry of a Secret, decoded; empty when it is missing or no base64."""
    try:
        return base64.b64decode((live.get("data") or {}).get(key) or "", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _result(config: LoadBalancerConfig, certificate_pem: bytes, action: progress.Action, why: str) -> TlsCertificate:
    facts = certificates.read(certificate_pem)
    change = Change(resource=f"secret {config.namespace}/{config.tls_secret}", action=action, detail=why)
    progress.record(change)
    steps.logger().info("%s: %s, expires %s", change.resource, action, facts.not_after.date())
    return TlsCertificate(
        secret=config.tls_secret,
        fingerprint=facts.fingerprint,
        domains=facts.domains,
        expires=facts.not_after.isoformat(),
        change=change,
    )
