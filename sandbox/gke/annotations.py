"""The annotations that the controllers read, and what they mean.

Source: ingress-gce pkg/annotations (service.go, ingress.go), pkg/utils (IsGCEIngress); gke-managed-certs pkg/config.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.gke.gojson import unmarshal_error

INGRESS_CLASS = "kubernetes.io/ingress.class"
ALLOW_HTTP = "kubernetes.io/ingress.allow-http"
GLOBAL_STATIC_IP = "kubernetes.io/ingress.global-static-ip-name"
REGIONAL_STATIC_IP = "kubernetes.io/ingress.regional-static-ip-name"
PRE_SHARED_CERT = "ingress.gcp.kubernetes.io/pre-shared-cert"
FRONTEND_CONFIG = "networking.gke.io/v1beta1.FrontendConfig"
SUPPRESS_XPN = "networking.gke.io/suppress-firewall-xpn-error"
MANAGED_CERTIFICATES = "networking.gke.io/managed-certificates"

APP_PROTOCOLS_ALPHA = "service.alpha.kubernetes.io/app-protocols"
APP_PROTOCOLS = "cloud.google.com/app-protocols"
BACKEND_CONFIG = "cloud.google.com/backend-config"
BACKEND_CONFIG_BETA = "beta.cloud.google.com/backend-config"
NEG = "cloud.google.com/neg"
NEG_STATUS = "cloud.google.com/neg-status"

STATUS_PREFIX = "ingress.kubernetes.io/"
FINALIZER = "networking.gke.io/ingress-finalizer-V2"

PROTOCOLS = ("HTTP", "HTTPS", "HTTP2")

_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_FALSE = {"0", "f", "F", "FALSE", "false", "False"}

Json = dict[str, Any]


class InvalidAnnotation(Exception):
    """An annotation that cannot be understood; the text is the controller's."""


def of(item: Json) -> dict[str, str]:
    """An object's annotations; empty when it has none."""
    return item["metadata"].get("annotations") or {}


def is_gce_ingress(ingress: Json) -> bool:
    """Whether the external GCE controller is responsible for an Ingress.

    `spec.ingressClassName` counts only by its absence: GKE registers no IngressClass, so naming one, even gce, hands
    the Ingress to nobody.
    """
    class_name = of(ingress).get(INGRESS_CLASS, "")
    if class_name == "":
        return (ingress.get("spec") or {}).get("ingressClassName") is None
    return class_name == "gce"


def is_internal_ingress(ingress: Json) -> bool:
    return of(ingress).get(INGRESS_CLASS) == "gce-internal"


def allow_http(ingress: Json) -> bool:
    """Go's strconv.ParseBool; what it does not understand counts as true."""
    return of(ingress).get(ALLOW_HTTP, "") not in _FALSE


def suppresses_xpn(ingress: Json) -> bool:
    return of(ingress).get(SUPPRESS_XPN, "") in _TRUE


def split_names(value: str) -> list[str]:
    """A comma-separated list, trimmed, without empty entries.

    >>> split_names("zeta, alpha,")
    ['zeta', 'alpha']
    """
    return [name for part in value.split(",") if (name := part.strip())]


def app_protocols(service: Json) -> dict[str, str]:
    """Service port name to protocol; the alpha key wins.

    Raises:
        InvalidAnnotation: no JSON, or a protocol that is not HTTP, HTTPS or HTTP2.
    """
    annotations = of(service)
    text = annotations.get(APP_PROTOCOLS_ALPHA, annotations.get(APP_PROTOCOLS))
    if text is None:
        return {}
    problem = unmarshal_error(text, "map[string]annotations.AppProtocol")
    if problem:
        raise InvalidAnnotation(problem)
    protocols = json.loads(text) or {}
    for protocol in protocols.values():
        if not isinstance(protocol, str):
            raise InvalidAnnotation(unmarshal_error(json.dumps(protocol), "annotations.AppProtocol", wants=str) or "")
        if protocol not in PROTOCOLS:
            raise InvalidAnnotation(f"invalid port application protocol: {protocol}")
    return protocols


def backend_config_name(service: Json, port_name: str, port_number: int) -> str:
    """The BackendConfig for a Service port; empty if the annotation does not name one.

    Raises:
        InvalidAnnotation: no JSON, or nothing in it.
    """
    annotations = of(service)
    text = annotations.get(BACKEND_CONFIG, annotations.get(BACKEND_CONFIG_BETA))
    if text is None:
        return ""
    try:
        configs = _object(text)
        default, ports = configs.get("default") or "", configs.get("ports") or {}
        valid = isinstance(default, str) and all(isinstance(name, str) for name in ports.values())
    except (ValueError, AttributeError):
        valid = False
    if not valid:
        raise InvalidAnnotation("BackendConfig annotation is invalid json")
    if not default and not ports:
        raise InvalidAnnotation("no BackendConfig's found in annotation")
    name: str = ports.get(port_name) or ports.get(str(port_number)) or default
    return name


@dataclass(frozen=True)
class NegAnnotation:
    """`cloud.google.com/neg`: NEGs for ports that Ingresses use, and stand-alone ones."""

    ingress: bool = False
    exposed_ports: dict[int, str] = field(default_factory=dict)
    """Service port to the NEG's own name, empty for a generated one."""


def neg(service: Json) -> NegAnnotation | None:
    """The Service's NEG annotation; None without one.

    Raises:
        InvalidAnnotation: not of the expected form.
    """
    text = of(service).get(NEG)
    if text is None:
        return None
    try:
        parsed = _object(text)
        ingress = parsed.get("ingress") or False
        ports = {int(port): (attributes or {}).get("name") or "" for port, attributes in _exposed(parsed).items()}
    except (ValueError, AttributeError):
        ingress = None
    if not isinstance(ingress, bool):
        raise InvalidAnnotation("NEG annotation is invalid.")
    return NegAnnotation(ingress=ingress, exposed_ports=ports)


def _object(text: str) -> Json:
    """The content of a JSON object; null counts as an empty one."""
    parsed = json.loads(text)
    if parsed is None:
        return {}
    # A list, string or number has no keys to ask for, so callers meet an AttributeError.
    return parsed  # type: ignore[no-any-return]


def _exposed(parsed: Json) -> Json:
    exposed: Json = parsed.get("exposed_ports") or {}
    return exposed


def neg_for_ingress(service: Json) -> bool:
    """Whether Ingresses reach the Service through NEGs; not if the annotation is malformed."""
    try:
        annotation = neg(service)
    except InvalidAnnotation:
        return False
    return annotation is not None and annotation.ingress
