"""GKE's annotation keys and the JSON they hold.

Source: ingress-gce pkg/annotations (service.go, ingress.go) and gke-managed-certs pkg/config.
"""

import json
from collections.abc import Mapping

APP_PROTOCOLS = "cloud.google.com/app-protocols"
ALPHA_APP_PROTOCOLS = "service.alpha.kubernetes.io/app-protocols"
BACKEND_CONFIG = "cloud.google.com/backend-config"
BETA_BACKEND_CONFIG = "beta.cloud.google.com/backend-config"
NEG = "cloud.google.com/neg"
NEG_STATUS = "cloud.google.com/neg-status"

INGRESS_CLASS = "kubernetes.io/ingress.class"
ALLOW_HTTP = "kubernetes.io/ingress.allow-http"
STATIC_IP_NAME = "kubernetes.io/ingress.global-static-ip-name"
REGIONAL_STATIC_IP_NAME = "kubernetes.io/ingress.regional-static-ip-name"
MANAGED_CERTIFICATES = "networking.gke.io/managed-certificates"
PRE_SHARED_CERT = "ingress.gcp.kubernetes.io/pre-shared-cert"
FRONTEND_CONFIG = "networking.gke.io/v1beta1.FrontendConfig"

# Written by the controller after a sync.
URL_MAP = "ingress.kubernetes.io/url-map"
REDIRECT_URL_MAP = "ingress.kubernetes.io/redirect-url-map"
HTTPS_FORWARDING_RULE = "ingress.kubernetes.io/https-forwarding-rule"
HTTPS_TARGET_PROXY = "ingress.kubernetes.io/https-target-proxy"
FORWARDING_RULE = "ingress.kubernetes.io/forwarding-rule"
TARGET_PROXY = "ingress.kubernetes.io/target-proxy"
STATIC_IP = "ingress.kubernetes.io/static-ip"
BACKENDS = "ingress.kubernetes.io/backends"
SSL_CERT = "ingress.kubernetes.io/ssl-cert"


def on_service(port_name: str, backend_config: str) -> dict[str, str]:
    """The three annotations the Milvus Service needs.

    The protocol is keyed by the port's *name*: a key that is no port name is silently ignored, and the load balancer
    then speaks HTTP/1.1 to a gRPC server. The values are spelled as in the published guide, so that a Service
    annotated by hand needs no change.
    """
    return {
        APP_PROTOCOLS: json.dumps({port_name: "HTTP2"}, separators=(",", ":")),
        BACKEND_CONFIG: json.dumps({"default": backend_config}),
        NEG: json.dumps({"ingress": True}),
    }


def spelled_as(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The wanted annotations, in the spelling of those present where that means the same.

    Server-side apply compares letters: `{"ingress":true}` set by hand conflicts with `{"ingress": true}`.
    """
    return {key: present[key] if same(key, present.get(key), value) else value for key, value in wanted.items()}


def same(key: str, live: str | None, wanted: str) -> bool:
    """Whether two annotation values mean the same: JSON by content, text by letter.

    >>> same(NEG, '{"ingress":true}', '{"ingress": true}')
    True
    """
    if live is None:
        return False
    if key in (APP_PROTOCOLS, BACKEND_CONFIG, NEG):
        try:
            return bool(json.loads(live) == json.loads(wanted))
        except ValueError:
            return False
    return live == wanted
