"""Faults of certificates that somebody brings along, and of Google's that do not come."""

import base64
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasks.clients import kubernetes
from tasks.core import certificates, names
from tests.faults.fault import fault
from tests.faults.site import Site
from tests.tasks.world import World

BROUGHT: dict[str, Any] = {"certificate_mode": "existing-secret", "certificate_secret": "brought-along"}


def bring(world: World, certificate: bytes, key: bytes) -> None:
    """A TLS Secret by kubectl."""
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    name = BROUGHT["certificate_secret"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "data": data,
    }
    world.write(secret, manager="kubectl-create")


def made(domain: str, days_ago: int = 1) -> tuple[bytes, bytes]:
    """A certificate for 30 days and its key."""
    pair = certificates.self_signed([domain], 30, dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago))
    return pair.certificate_pem, pair.key_pem


@fault("the certificate is for another name", "§14 CERTIFICATE_VERIFY_FAILED; A4",
       where="world", layer="certificate", cause="CertificateDomains", mend="kubectl", **BROUGHT)  # fmt: skip
@contextmanager
def for_another_name(world: World) -> Iterator[None]:
    bring(world, *made("other.milvus.example"))
    yield


@fault("the certificate has expired", "§14 CERTIFICATE_VERIFY_FAILED; A4",
       where="world", layer="certificate", cause="CertificateExpiry", mend="kubectl", **BROUGHT)  # fmt: skip
@contextmanager
def expired(world: World) -> Iterator[None]:
    bring(world, *made(world.domain, days_ago=40))
    yield


@fault("the key does not belong to the certificate", "§6.7; B4",
       where="world", layer="certificate", cause="CertificateChain", mend="kubectl", **BROUGHT)  # fmt: skip
@contextmanager
def key_of_another(world: World) -> Iterator[None]:
    bring(world, made(world.domain)[0], made(world.domain)[1])
    yield


@fault("Google's certificate stays in the making", "§14 TLS handshake fails on 443; C1",
       where="world", waits=True, layer="certificate", cause="CertificateProvisioning", mend="", seen="PROVISIONING",
       backends_timeout_seconds=30, certificate_mode="google-managed", dns_managed_zone="sandbox-zone")  # fmt: skip
@contextmanager
def stuck(world: World) -> Iterator[None]:
    with world.armed("certificate-stuck"):
        yield


@fault("the Secret was renewed and is not served yet", "C6; §6.7", layer="compute", cause="Drifted", mend="touched=",
       seen="sslCertificates")  # fmt: skip
@contextmanager
def renewed(site: Site) -> Iterator[None]:
    certificate, key = made(site.domain)
    with site.armed("controller-off"), in_secret(site, **{"tls.crt": certificate, "tls.key": key}):
        yield


@fault("the key alone was replaced", "§6.7; C6", layer="certificate", cause="CertificateChain", mend="apply -f -")
@contextmanager
def another_key(site: Site) -> Iterator[None]:
    with in_secret(site, **{"tls.key": made(site.domain)[1]}):
        yield


@contextmanager
def in_secret(site: Site, **data: bytes) -> Iterator[None]:
    change = {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}
    with site.edited(kubernetes.SECRET, change, name=names.certificate(site.release)):
        yield
