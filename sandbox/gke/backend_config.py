"""Finds and checks the BackendConfig of a Service port.

Source: ingress-gce pkg/backendconfig (backendconfig.go, validation.go).
"""

import base64
import copy
from collections.abc import Callable
from typing import Any

from sandbox.gke.annotations import InvalidAnnotation

Json = dict[str, Any]
SecretReader = Callable[[str, str], Json]
"""Namespace and name to the Secret; raises LookupError with the API server's text when there is none."""

_AFFINITIES = ("", "NONE", "CLIENT_IP", "GENERATED_COOKIE")
_HEALTH_CHECK_TYPES = ("HTTP", "HTTPS", "HTTP2")


class InvalidBackendConfig(Exception):
    """A BackendConfig that contradicts itself or names what does not exist."""


def checked_spec(config: Json, secret: SecretReader) -> Json:
    """The spec with its Secrets' values filled in.

    Raises:
        InvalidBackendConfig: with the controller's text.
    """
    spec: Json = copy.deepcopy(config.get("spec") or {})
    namespace = config["metadata"]["namespace"]
    _check_iap(spec, namespace, secret)
    _check_session_affinity(spec.get("sessionAffinity") or {})
    _check_cdn(spec.get("cdn") or {}, namespace, secret)
    _check_logging(spec.get("logging") or {})
    return spec


def _check_iap(spec: Json, namespace: str, secret: SecretReader) -> None:
    iap = spec.get("iap") or {}
    if not iap.get("enabled"):
        return
    credentials = iap.get("oauthclientCredentials") or {}
    if name := credentials.get("secretName"):
        data = _secret_data(namespace, name, secret)
        credentials["clientID"] = _value(data, name, "client_id")
        credentials["clientSecret"] = _value(data, name, "client_secret", stray="'")
    if (spec.get("cdn") or {}).get("enabled"):
        raise InvalidBackendConfig("iap and cdn cannot be enabled at the same time")


def _check_session_affinity(affinity: Json) -> None:
    kind = affinity.get("affinityType") or ""
    if kind not in _AFFINITIES:
        raise InvalidBackendConfig(
            f"unsupported AffinityType: {kind}, should be one of NONE, CLIENT_IP, or GENERATED_COOKIE"
        )
    ttl = affinity.get("affinityCookieTtlSec")
    if ttl is not None and not 0 <= ttl <= 86400:
        raise InvalidBackendConfig(f"unsupported AffinityCookieTtlSec: {ttl}, should be between 0 and 86400")


def _check_cdn(cdn: Json, namespace: str, secret: SecretReader) -> None:
    if not cdn.get("enabled"):
        return
    for key in cdn.get("signedUrlKeys") or []:
        if name := key.get("secretName"):
            key["keyValue"] = _value(_secret_data(namespace, name, secret), name, "key_value")


def _check_logging(logging: Json) -> None:
    rate = logging.get("sampleRate")
    if rate is not None and not 0.0 <= rate <= 1.0:
        raise InvalidBackendConfig(f"unsupported SampleRate: {rate:f}, should be between 0.0 and 1.0")


def _secret_data(namespace: str, name: str, secret: SecretReader) -> Json:
    try:
        data: Json = secret(namespace, name).get("data") or {}
    except LookupError as error:
        raise InvalidBackendConfig(f"error retrieving secret {name}: {error.args[0]}") from error
    return data


def _value(data: Json, secret: str, key: str, *, stray: str = "") -> str:
    if key not in data:
        # The stray quote after client_secret stands in the original text.
        raise InvalidBackendConfig(f"secret {secret} missing {key} data{stray}")
    return base64.b64decode(data[key]).decode()


def checked_health_check_type(spec: Json) -> str | None:
    """The health check type that a BackendConfig asks for (pkg/translator/healthchecks.go).

    Raises:
        InvalidAnnotation: a type that no BackendConfig can express.
    """
    kind: str | None = (spec.get("healthCheck") or {}).get("type")
    if kind is not None and kind not in _HEALTH_CHECK_TYPES:
        raise InvalidAnnotation(f'Protocol "{kind}" is not valid, must be one of ["HTTP","HTTPS","HTTP2"]')
    return kind
