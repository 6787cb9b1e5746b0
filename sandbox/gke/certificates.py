"""Certificates of an Ingress's HTTPS proxy: named ones of the project, then those made from Secrets.

The first one serves clients that name no host. A Secret's certificate is a resource named by its content: new content
means a new resource, and the old one goes once the proxy has let it go. Source: ingress-gce
pkg/translator/translator.go (NewEnv, ToTLSCerts), pkg/loadbalancers/certificates.go. Simpler: no legacy names.
"""

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.compute_client import ComputeClient, GoogleApiError
from sandbox.gke import annotations
from sandbox.gke.namer import FrontendNamer

logger = logging.getLogger(__name__)

Json = dict[str, Any]
COLLECTION = "global/sslCertificates"


class TlsError(Exception):
    """The Ingress's TLS section cannot be followed; the text is the controller's."""


@dataclass(frozen=True)
class SecretCertificate:
    """A certificate with its key, out of a Secret."""

    certificate: str
    key: str


def from_secrets(ingress: Json, secret: Callable[[str, str], Json]) -> list[SecretCertificate]:
    """The certificates of `spec.tls`, in its order; hosts do not matter.

    `secret` raises LookupError with the API server's text when there is none of that name.

    Raises:
        TlsError: a Secret is not named, not there, or lacks certificate or key.
    """
    namespace = ingress["metadata"]["namespace"]
    names = [tls.get("secretName") or "" for tls in (ingress.get("spec") or {}).get("tls") or []]
    secrets: dict[str, Json] = {}
    for name in names:
        if name and name not in secrets:
            try:
                secrets[name] = secret(namespace, name)
            except LookupError as error:
                raise TlsError(f"error initializing translator env: {error.args[0]}") from error
    return [_certificate(name, secrets.get(name)) for name in names]


def _certificate(name: str, secret: Json | None) -> SecretCertificate:
    if secret is None:
        raise TlsError(f'secret "{name}" does not exist')
    data = secret.get("data") or {}
    if "tls.crt" not in data:
        raise TlsError(f'secret "{name}" does not specify cert as string data')
    if "tls.key" not in data:
        raise TlsError(f'secret "{name}" does not specify private key as string data')
    return SecretCertificate(*(base64.b64decode(data[key]).decode(errors="replace") for key in ("tls.crt", "tls.key")))


def pre_shared(ingress: Json) -> list[str]:
    """Names of certificates that exist apart from this Ingress, in the annotation's order."""
    return annotations.split_names(annotations.of(ingress).get(annotations.PRE_SHARED_CERT, ""))


class ProxyCertificates:
    """Brings the certificates of one Ingress to the Compute side."""

    def __init__(self, compute: ComputeClient, namer: FrontendNamer) -> None:
        self._compute, self._namer = compute, namer

    def ensure(self, named: list[str], secrets: list[SecretCertificate]) -> list[str]:
        """Names of all certificates for the proxy, in order; those out of Secrets are made if need be.

        Raises:
            TlsError: some could not be made.
            GoogleApiError: the existing ones could not be read.
        """
        existing = {certificate["name"] for certificate in self.own()}
        names, failures = list(dict.fromkeys(named)), list[str]()
        for secret in secrets:
            name = self._namer.certificate(secret.certificate)
            if name in names:
                continue
            if name not in existing:
                try:
                    self._insert(name, secret)
                except GoogleApiError as error:
                    failures.append(f"{name} Error:{error}")
                    continue
            names.append(name)
        if failures:
            raise TlsError(f"Cert creation failures - {','.join(failures)}")
        return names

    def _insert(self, name: str, secret: SecretCertificate) -> None:
        self._compute.insert(COLLECTION, {"name": name, "certificate": secret.certificate, "privateKey": secret.key})

    def own(self) -> list[Json]:
        """Certificates that were made from this Ingress's Secrets, now or earlier."""
        prefix = self._namer.certificate_prefix + "-"
        return [each for each in self._compute.list(COLLECTION) if each["name"].startswith(prefix)]

    def delete_unused(self, used: list[str]) -> None:
        """Delete own certificates that are not among `used`; what cannot be deleted now is tried at the next sync."""
        for certificate in self.own():
            if certificate["name"] not in used:
                try:
                    self._compute.delete(f"{COLLECTION}/{certificate['name']}")
                except GoogleApiError as error:
                    logger.info("old certificate %s stays: %s", certificate["name"], error)
