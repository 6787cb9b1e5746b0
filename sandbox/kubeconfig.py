"""What a kubeconfig says about one cluster and one user.

Understood: certificate authority, client certificate and key (each as file or inline data), token and tokenFile,
tls-server-name, insecure-skip-tls-verify. Not: exec plugins, auth providers, proxies, basic authentication.
Source: client-go tools/clientcmd, rest/config.go.
"""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class BadKubeconfig(Exception):
    """The kubeconfig names no usable cluster or user."""


@dataclass(frozen=True)
class Access:
    """Where an API server is and how to be let in."""

    server: str
    tls: ssl.SSLContext | bool
    server_name: str | None
    token: str | None
    namespace: str


def read(source: Path | str | dict[str, Any]) -> Access:
    """Access to the current context of a kubeconfig, given as a file or as its parsed content.

    Raises:
        BadKubeconfig: the context, cluster or user is missing, or logs in by a program.
    """
    if isinstance(source, dict):
        return _access(source, Path())
    path = Path(source)
    return _access(yaml.safe_load(path.read_text()), path.parent)


def _access(config: dict[str, Any], folder: Path) -> Access:
    context = _named(config, "contexts", "context", config.get("current-context") or "")
    cluster = _named(config, "clusters", "cluster", context.get("cluster") or "")
    user = _named(config, "users", "user", context.get("user") or "")
    if unknown := user.keys() & {"exec", "auth-provider"}:
        way = ", ".join(sorted(unknown))
        raise BadKubeconfig(f"the user logs in by {way}: give a kubeconfig with a client certificate or a token")
    token = user.get("token")
    if not token and user.get("tokenFile"):
        token = (folder / user["tokenFile"]).read_text().strip()
    server = str(cluster["server"]).rstrip("/")
    return Access(
        server=server,
        tls=_tls(cluster, user, folder) if server.startswith("https") else False,
        server_name=cluster.get("tls-server-name"),
        token=token,
        namespace=context.get("namespace") or "default",
    )


def _named(config: dict[str, Any], listing: str, field: str, name: str) -> dict[str, Any]:
    for entry in config.get(listing) or []:
        if entry.get("name") == name:
            found: dict[str, Any] = entry.get(field) or {}
            return found
    raise BadKubeconfig(f"{listing} of the kubeconfig have no {name!r}")


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _material(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    # As Go's crypto/x509, and so kubectl: the given certificate is trusted even if it is the server's own, and an
    # authority made by hand need not have every extension of RFC 5280 (Python 3.13 insists on them).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _material(user, "client-certificate", folder), _material(user, "client-key", folder)
    if certificate and key:
        # Python's ssl module reads a client certificate from files only; these live for the length of the call.
        with tempfile.TemporaryDirectory() as private:
            chain = Path(private) / "client.pem"
            chain.touch(mode=0o600)
            chain.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(chain)
    return context


def _material(section: dict[str, Any], field: str, folder: Path) -> bytes | None:
    if inline := section.get(f"{field}-data"):
        return base64.b64decode(inline)
    path: str | None = section.get(field)
    return (folder / path).read_bytes() if path else None
