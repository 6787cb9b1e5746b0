"""One function per Kind: configuration in, plain dict out, ready for server-side apply.

A manifest holds our fields only. What the controller writes (its annotations, `pre-shared-cert`, the status) and what
others add stays theirs, since server-side apply leaves alone what a manifest does not name.
"""

import base64
from typing import Any

from tasks.core import annotations, names
from tasks.core.config import CertificateMode, HttpMode, LoadBalancerConfig, SecurityPolicyAction

Manifest = dict[str, Any]

HEALTH_CHECK = {
    "type": "HTTP",
    "port": 9091,
    "requestPath": "/healthz",
    "checkIntervalSec": 10,
    "timeoutSec": 5,
    "healthyThreshold": 1,
    "unhealthyThreshold": 3,
}
"""Probe of Milvus' HTTP health endpoint on the metrics port, by name in every field.

Left out, GKE would probe with the Service's protocol (TLS on a plaintext port) and a 15 s time-out above a 10 s
interval is refused by Compute. Source: published guide step 3; ingress-gce pkg/translator/healthchecks.go."""


def backend_config(config: LoadBalancerConfig) -> Manifest:
    """BackendConfig: health check, timeout of a call, draining, log, and the Cloud Armor policy when it is ours to say.

    Logging is named, though on is GKE's default: left out, a change by hand would stay (ingress-gce
    pkg/backends/features/logging.go).
    """
    spec: Manifest = {
        "healthCheck": dict(HEALTH_CHECK),
        "timeoutSec": config.backend_timeout_seconds,
        "connectionDraining": {"drainingTimeoutSec": config.draining_seconds},
        "logging": logging(config),
    }
    match config.security_policy:
        case SecurityPolicyAction.SET:
            spec["securityPolicy"] = {"name": config.security_policy_name}
        case SecurityPolicyAction.REMOVE:
            # An empty name removes, a missing field keeps the policy (ingress-gce features/securitypolicy.go).
            spec["securityPolicy"] = {"name": ""}
        case SecurityPolicyAction.KEEP:
            pass
    return _object("cloud.google.com/v1", "BackendConfig", config, names.backend_config(config.release), spec=spec)


def logging(config: LoadBalancerConfig) -> Manifest:
    """What the BackendConfig says of logging; a share of 0 switches it off."""
    if not config.log_sample_rate:
        return {"enable": False}
    return {"enable": True, "sampleRate": config.log_sample_rate}


def frontend_config(config: LoadBalancerConfig) -> Manifest:
    """FrontendConfig: redirect of port 80 to HTTPS, and the SSL policy when one is named."""
    spec: Manifest = {"redirectToHttps": {"enabled": config.http is HttpMode.REDIRECT}}
    if config.http is HttpMode.REDIRECT:
        spec["redirectToHttps"]["responseCodeName"] = "MOVED_PERMANENTLY_DEFAULT"
    if config.ssl_policy:
        spec["sslPolicy"] = config.ssl_policy
    name = names.frontend_config(config.release)
    return _object("networking.gke.io/v1beta1", "FrontendConfig", config, name, spec=spec)


def tls_secret(config: LoadBalancerConfig, certificate_pem: bytes, key_pem: bytes) -> Manifest:
    """Secret of type kubernetes.io/tls, the form the Ingress controller reads."""
    data = {
        "tls.crt": base64.b64encode(certificate_pem).decode(),
        "tls.key": base64.b64encode(key_pem).decode(),
    }
    return _object("v1", "Secret", config, config.tls_secret, type="kubernetes.io/tls", data=data)


def managed_certificate(config: LoadBalancerConfig) -> Manifest:
    """ManagedCertificate for every domain."""
    name = names.certificate(config.release)
    spec = {"domains": list(config.domains)}
    return _object("networking.gke.io/v1", "ManagedCertificate", config, name, spec=spec)


def ingress(config: LoadBalancerConfig, service_port: int, static_ip_name: str | None = None) -> Manifest:
    """Ingress: one host rule per domain to the Milvus Service, with the certificate of the mode.

    The class stands in the annotation, since GKE ignores an Ingress that has only `spec.ingressClassName`.

    With a Cloud Armor policy to set, Milvus is the default backend too. Otherwise requests for other hosts go to the
    system's default backend, whose BackendConfig is not ours, so that it would answer whom the policy refuses.

    Args:
        config: the configuration.
        service_port: of the Milvus Service, by number.
        static_ip_name: of the address it asks for; empty: it names none and keeps the one GKE promoted for it; None:
            the configured one.
    """
    address = config.address if static_ip_name is None else static_ip_name
    marks = {
        annotations.INGRESS_CLASS: "gce",
        **({annotations.STATIC_IP_NAME: address} if address else {}),
        annotations.FRONTEND_CONFIG: names.frontend_config(config.release),
        annotations.ALLOW_HTTP: "true" if config.http is HttpMode.REDIRECT else "false",
    }
    spec: Manifest = {}
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        marks[annotations.MANAGED_CERTIFICATES] = names.certificate(config.release)
    else:
        spec["tls"] = [{"hosts": list(config.domains), "secretName": config.tls_secret}]
    service = {"name": names.service(config.release), "port": {"number": service_port}}
    if config.security_policy is SecurityPolicyAction.SET:
        spec["defaultBackend"] = {"service": service}
    spec["rules"] = [
        {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": service}}]}}
        for host in config.domains
    ]
    manifest = _object("networking.k8s.io/v1", "Ingress", config, names.ingress(config.release), spec=spec)
    manifest["metadata"]["annotations"] = marks
    return manifest


def _object(api_version: str, kind: str, config: LoadBalancerConfig, name: str, **fields: Any) -> Manifest:
    metadata = {"name": name, "namespace": config.namespace, "labels": dict(names.LABELS)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def differences(live: Any, wanted: Any) -> list[str]:
    """Paths at which `live` is not as `wanted` says; fields only `live` has do not count.

    >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}, "d": [1]})
    ['a.b', 'd']
    """
    return [path for path, _, _ in changes(live, wanted)]


def changes(live: Any, wanted: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """As `differences`: the path, what `live` has there (None: nothing), and what is wanted.

    Lists are compared whole, since those of our manifests are ours whole.
    """
    if isinstance(wanted, dict) and isinstance(live, dict):
        return [
            found
            for key, value in wanted.items()
            for found in changes(live.get(key), value, f"{path}.{key}" if path else key)
        ]
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [
            found
            for index, (mine, theirs) in enumerate(zip(wanted, live, strict=True))
            for found in changes(theirs, mine, f"{path}[{index}]")
        ]
    return [] if live == wanted else [(path, live, wanted)]


def surplus(live: Manifest, wanted: Manifest, manager: str) -> list[str]:
    """Fields of ours in `live` that `wanted` no longer names, so that an apply would take them away.

    Read from managedFields: what our Apply owns today against what it would own.
    """
    owned: set[str] = set()
    for entry in live.get("metadata", {}).get("managedFields", []):
        if entry.get("manager") == manager and entry.get("operation") == "Apply":
            owned |= _leaves(entry.get("fieldsV1", {}))
    named = _named(wanted)
    return sorted(path for path in owned if not _covered(path, named))


def _leaves(fields: Manifest, path: str = "") -> set[str]:
    found: set[str] = set()
    for key, below in fields.items():
        if not key.startswith("f:"):
            continue
        here = f"{path}/{key[2:]}"
        inner = {name for name in below if name.startswith("f:")}
        found |= _leaves(below, here) if inner else {here}
    return found


def _named(wanted: Any, path: str = "") -> set[str]:
    if not isinstance(wanted, dict) or not wanted:
        return {path}
    return {found for key, value in wanted.items() for found in _named(value, f"{path}/{key}")}


def _covered(path: str, named: set[str]) -> bool:
    return path in named or any(path.startswith(f"{name}/") or name.startswith(f"{path}/") for name in named)
