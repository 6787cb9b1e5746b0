"""Tasks with a real Milvus client, through the load balancer."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import backend_facts, polling, proof, steps, tls_secret, waiting
from tasks.clients import kubernetes, milvus, settings
from tasks.core import ladder, names
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import Missing, ProofFailed, ProvisioningError, ResourceFailed
from tasks.core.ladder import Rung
from tasks.core.report import RungRecord
from tasks.polling import Ready


class Proof(BaseModel):
    """The proof ladder as it was climbed last."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    rungs: tuple[RungRecord, ...]
    fingerprint: str
    """SHA-256 of the certificate the load balancer showed; empty if none was seen."""
    call: str
    """The pymilvus call that was executed."""
    async_call: str = ""
    """The same of the asynchronous client; empty when that was not reached."""
    server_version: str = ""
    """Of Milvus; empty when it was not reached."""


def warm_up() -> None:
    """Import the client, which takes about as long as Prefect itself, while something else is waited for."""
    milvus.load()


@steps.observing
def prove(config: LoadBalancerConfig, address: str, fingerprint: str, *, once: bool = False) -> Proof:
    """Climb the ladder until every rung holds, or for `config.proof_timeout_seconds`.

    A load balancer that is being programmed answers wrongly for minutes: resets, failed handshakes, 404, 502. So a
    rung that breaks is waited for, unless it cannot mend itself.

    Args:
        config: the configuration.
        address: IPv4 of the load balancer.
        fingerprint: of the certificate it must show; empty when Google chose it.
        once: whether something is known to be wrong, so that a rung that breaks is not waited for.

    Raises:
        ProofFailed: a rung broke for good, or until the deadline; it carries the last climb.
    """
    target = _target(config, address, fingerprint)
    resource = f"load balancer {config.domain} at {address}"
    climbs: list[Proof] = []
    breaks: list[Rung] = []

    def look() -> Ready[Proof] | Finding:
        climb = proof.prove(target)
        climbs.append(_record(climb))
        broken = climb.verdict.broken
        if broken is None:
            return Ready(climbs[-1])
        assert broken.fault is not None
        breaks.append(broken)
        fault = broken.fault.at(config.namespace, names.ingress(config.release))
        outlook = Outlook.STOP if once or ladder.breaks_too_often(breaks) else fault.outlook
        return Finding(outlook, fault.owner, fault.cause, f"rung {broken.name}: {fault.detail}", fault.mend)

    try:
        found = waiting.until(
            look,
            step="prove",
            resource=resource,
            timeout_seconds=config.proof_timeout_seconds,
        )
    except polling.Stopped:
        raise
    except ProvisioningError as error:
        failure = ProofFailed(error.resource, error.observed, error.mend, error.layer, error.cause)
        failure.last_climb = climbs[-1] if climbs else None
        last = breaks[-1].fault if breaks else None
        failure.for_good = last is not None and last.outlook is Outlook.STOP
        raise failure from error
    return found


def _target(config: LoadBalancerConfig, address: str, fingerprint: str) -> proof.Target:
    allowed = config.long_call_seconds < config.backend_timeout_seconds
    return proof.Target(
        domain=config.domain,
        address=address,
        port=settings.https_port(),
        certificate_mode=config.certificate_mode,
        trust=_trust(config),
        trust_source=f"kubectl -n {config.namespace} get secret {config.tls_secret} "
        "-o jsonpath='{.data.tls\\.crt}' | base64 -d > tls.crt",
        expected_fingerprints=frozenset([fingerprint] if fingerprint else []),
        dns_servers=settings.dns_servers(),
        dns_required=config.certificate_mode is CertificateMode.GOOGLE_MANAGED,
        credentials=credentials(config),
        credentials_source=f"secret {config.namespace}/{config.milvus_credentials_secret}",
        proof_writes=config.proof_writes,
        long_call_seconds=config.long_call_seconds if allowed else 0,
        no_long_call="long_call_seconds is 0"
        if allowed
        else f"backend_timeout_seconds={config.backend_timeout_seconds} asks for calls to be cut before",
        idle_seconds=config.idle_seconds,
        look_at_backends=backend_facts.reader(config),
    )


def _trust(config: LoadBalancerConfig) -> bytes | None:
    """What the client trusts: the Secret's own certificate where it has no public authority behind it."""
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        return None
    return tls_secret.trust_root(_secret(config))


def credentials(config: LoadBalancerConfig) -> tuple[str, str] | None:
    """User and password of the named Secret; they go to the client and nowhere else.

    Raises:
        Missing: there is no such Secret, or it has not both.
    """
    name = config.milvus_credentials_secret
    if not name:
        return None
    resource = f"secret {config.namespace}/{name}"
    make = (
        f"kubectl -n {config.namespace} create secret generic {name} --from-literal=username=… "
        f"--from-file=password=FILE --dry-run=client -o yaml | kubectl -n {config.namespace} apply -f -"
    )
    live = kubernetes.cluster(config).read(kubernetes.SECRET, config.namespace, name)
    if live is None:
        raise Missing(
            resource, "milvus_credentials_secret names it, and it does not exist", make, "client", "CredentialsSecret"
        )
    user, password = tls_secret.pem(live, "username").decode(), tls_secret.pem(live, "password").decode()
    if not user or not password:
        raise Missing(resource, "has no keys username and password", make, "client", "CredentialsSecret")
    return user, password


def _secret(config: LoadBalancerConfig) -> dict[str, Any]:
    live = kubernetes.cluster(config).read(kubernetes.SECRET, config.namespace, config.tls_secret)
    if live is None:
        resource = f"secret {config.namespace}/{config.tls_secret}"
        raise ResourceFailed(resource, "does not exist", "Run again from the start; it is made there.", "certificate")
    return live


def _record(climb: proof.Proof) -> Proof:
    return Proof(
        passed=climb.verdict.broken is None,
        rungs=tuple(RungRecord.model_validate(rung.as_dict()) for rung in climb.verdict.rungs),
        fingerprint=climb.certificate.fingerprint if climb.certificate else "",
        call=climb.call,
        async_call=climb.async_call,
        server_version=climb.server_version,
    )
