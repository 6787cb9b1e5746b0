"""What an insert or update of each collection must satisfy, beyond names and references (pure).

Each rule reads the resource with its defaults filled in and raises the API's own error. Source: Compute v1 reference;
texts are Google's where an issue report shows them, otherwise in their style.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.compute import fields, security_policies
from sandbox.compute.errors import GoogleError, invalid, required

Resource = dict[str, Any]

_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_CHECKS = {
    # The block of each health check type, and its default port.
    "HTTP": ("httpHealthCheck", 80),
    "HTTPS": ("httpsHealthCheck", 443),
    "HTTP2": ("http2HealthCheck", 443),
    "TCP": ("tcpHealthCheck", 80),
    "SSL": ("sslHealthCheck", 443),
    "GRPC": ("grpcHealthCheck", 0),
}
_PROTOCOLS = ("HTTP", "HTTPS", "HTTP2", "TCP", "SSL", "GRPC", "H2C", "UDP", "UNSPECIFIED")
_ENDPOINT_TYPES = ("GCE_VM_IP_PORT", "NON_GCP_PRIVATE_IP_PORT", "GCE_VM_IP", "INTERNET_FQDN_PORT", "SERVERLESS")
_MOST_CERTIFICATES = 15


def check_name(name: object) -> str:
    if not name:
        raise required("resource.name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        why = "Must be a match of regex '[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?'"
        raise invalid("name", name, why)
    return name


def check(collection: str, resource: Resource) -> None:
    """Apply the collection's rule; it may normalise fields in place, as the API does."""
    rule = _RULES.get(collection)
    if rule:
        rule(resource)


def _within(resource: Resource, field: str, low: int, high: int) -> None:
    value = resource.get(field)
    if value is not None and not (isinstance(value, int) and low <= value <= high):
        raise invalid(field, value, f"Must be between {low} and {high}, inclusive.")


def _one_of(resource: Resource, field: str, choices: tuple[str, ...]) -> None:
    value = resource.get(field)
    if value is not None and value not in choices:
        raise invalid(field, value, f"Must be one of [{', '.join(choices)}].")


def _health_check(resource: Resource) -> None:
    kinds = [kind for kind, (block, _) in _CHECKS.items() if resource.get(block) is not None]
    if not resource.get("type"):
        if len(kinds) != 1:
            raise required("resource.type")
        resource["type"] = kinds[0]
    _one_of(resource, "type", tuple(_CHECKS))
    block, port = _CHECKS[resource["type"]]
    for other in kinds:
        if other != resource["type"]:
            why = f"Health check of type {resource['type']} cannot have it."
            raise invalid(_CHECKS[other][0], resource[_CHECKS[other][0]], why)
    for field in ("checkIntervalSec", "timeoutSec"):
        _within(resource, field, 1, 300)
    for field in ("healthyThreshold", "unhealthyThreshold"):
        _within(resource, field, 1, 10)
    if resource["timeoutSec"] > resource["checkIntervalSec"]:
        why = "TimeoutSec should be less than or equal to checkIntervalSec."
        raise invalid("timeoutSec", resource["timeoutSec"], why)
    resource[block] = _probe(block, dict(resource.get(block) or {}), port)


def _probe(block: str, probe: Resource, port: int) -> Resource:
    specification = probe.get("portSpecification")
    _one_of(probe, "portSpecification", ("USE_FIXED_PORT", "USE_NAMED_PORT", "USE_SERVING_PORT"))
    if specification == "USE_SERVING_PORT" and probe.get("port"):
        raise invalid(f"{block}.port", probe["port"], "Must be unspecified with portSpecification USE_SERVING_PORT.")
    if specification in (None, "USE_FIXED_PORT") and not probe.get("portName") and port:
        probe.setdefault("port", port)
    _within(probe, "port", 1, 65535)
    if block.startswith("http"):
        probe.setdefault("requestPath", "/")
        if not str(probe["requestPath"]).startswith("/"):
            raise invalid(f"{block}.requestPath", probe["requestPath"], "Must start with '/'.")
    if block != "grpcHealthCheck":
        probe.setdefault("proxyHeader", "NONE")
    return probe


def _backend_service(resource: Resource) -> None:
    _one_of(resource, "protocol", _PROTOCOLS)
    _within(resource, "timeoutSec", 1, 2_147_483_647)
    _within(resource.get("connectionDraining") or {}, "drainingTimeoutSec", 0, 3600)
    if resource.get("backends") and not resource.get("healthChecks"):
        raise required("resource.healthChecks")
    if len(resource.get("healthChecks") or []) > 1:
        raise invalid("healthChecks", resource["healthChecks"], "Only one health check may be specified.")
    for index, backend in enumerate(resource.get("backends") or []):
        _backend(f"backends[{index}]", backend)
    if resource.get("port") == 0:
        del resource["port"]


def _backend(field: str, backend: Resource) -> None:
    if not backend.get("group"):
        raise required(f"resource.{field}.group")
    negs = "/networkEndpointGroups/" in backend["group"]
    mode = backend.setdefault("balancingMode", "RATE" if negs else "UTILIZATION")
    if negs and mode not in ("RATE", "CONNECTION"):
        why = "Balancing mode UTILIZATION is not supported for network endpoint groups."
        raise invalid(f"{field}.balancingMode", mode, why)
    if mode == "RATE" and not any(backend.get(key) for key in ("maxRate", "maxRatePerInstance", "maxRatePerEndpoint")):
        why = "One of maxRate, maxRatePerInstance or maxRatePerEndpoint must be specified with RATE."
        raise invalid(f"{field}.balancingMode", mode, why)
    backend.setdefault("capacityScaler", 1.0)
    if not 0.0 <= float(backend["capacityScaler"]) <= 1.0:
        raise invalid(f"{field}.capacityScaler", backend["capacityScaler"], "Must be between 0.0 and 1.0.")


def _url_map(resource: Resource) -> None:
    if not any(resource.get(key) for key in ("defaultService", "defaultUrlRedirect", "defaultRouteAction")):
        raise required("resource.defaultService")
    if resource.get("defaultService") and resource.get("defaultUrlRedirect"):
        why = "defaultService must not be set with defaultUrlRedirect."
        raise invalid("defaultUrlRedirect", resource["defaultUrlRedirect"], why)
    if redirect := resource.get("defaultUrlRedirect"):
        defaults = {"httpsRedirect": False, "redirectResponseCode": "MOVED_PERMANENTLY_DEFAULT", "stripQuery": False}
        resource["defaultUrlRedirect"] = fields.with_defaults(redirect, defaults)
    matchers = {matcher.get("name") for matcher in resource.get("pathMatchers") or []}
    seen: set[str] = set()
    for index, rule in enumerate(resource.get("hostRules") or []):
        if rule.get("pathMatcher") not in matchers:
            why = "Must name one of the path matchers."
            raise invalid(f"hostRules[{index}].pathMatcher", rule.get("pathMatcher", ""), why)
        for host in rule.get("hosts") or []:
            if host in seen:
                raise invalid(f"hostRules[{index}].hosts", host, "Host is already used by another host rule.")
            seen.add(host)
    for name, path in fields.walk(resource, "pathMatchers[].pathRules[].paths[]"):
        if not str(path).startswith("/") or "*" in str(path).removesuffix("/*"):
            raise invalid(name, path, "Path must start with '/' and may have '*' only as its last segment.")


def _target_https_proxy(resource: Resource) -> None:
    if not resource.get("urlMap"):
        raise required("resource.urlMap")
    certificates = resource.get("sslCertificates") or []
    if not certificates and not resource.get("certificateMap"):
        raise no_certificates()
    if len(certificates) > _MOST_CERTIFICATES:
        raise too_many_certificates(len(certificates))
    _one_of(resource, "quicOverride", ("NONE", "ENABLE", "DISABLE"))


def no_certificates() -> GoogleError:
    message = "At least 1 SSL certificate must be specified for setting SSL certificates in TargetHttpsProxy."
    return GoogleError(400, "invalid", message)


def too_many_certificates(count: int) -> GoogleError:
    return invalid("sslCertificates", count, f"At most {_MOST_CERTIFICATES} SSL certificates may be specified.")


def _target_http_proxy(resource: Resource) -> None:
    if not resource.get("urlMap"):
        raise required("resource.urlMap")


def _forwarding_rule(resource: Resource) -> None:
    if not resource.get("target"):
        raise required("resource.target")
    _one_of(resource, "IPProtocol", ("TCP", "UDP"))
    schemes = ("EXTERNAL", "EXTERNAL_MANAGED", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED")
    _one_of(resource, "loadBalancingScheme", schemes)
    ports = str(resource.get("portRange") or "")
    if not ports:
        raise required("resource.portRange")
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", ports)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= 65535 or first != last:
        raise invalid("portRange", ports, "Target proxies take one port.")
    resource["portRange"] = f"{first}-{last}"


def _network_endpoint_group(resource: Resource) -> None:
    _one_of(resource, "networkEndpointType", _ENDPOINT_TYPES)
    _within(resource, "defaultPort", 0, 65535)


def _firewall(resource: Resource) -> None:
    if not resource.get("allowed") and not resource.get("denied"):
        raise required("resource.allowed")
    if resource["direction"] == "INGRESS" and not resource.get("sourceRanges") and not resource.get("sourceTags"):
        resource["sourceRanges"] = ["0.0.0.0/0"]
    for name, text in fields.walk(resource, "sourceRanges[]"):
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise invalid(name, text, "Must be a valid CIDR range.") from None
    for key in ("allowed", "denied"):
        for index, rule in enumerate(resource.get(key) or []):
            if not rule.get("IPProtocol"):
                raise required(f"resource.{key}[{index}].IPProtocol")


def _ssl_policy(resource: Resource) -> None:
    _one_of(resource, "profile", ("COMPATIBLE", "MODERN", "RESTRICTED", "CUSTOM", "FIPS_202205"))
    _one_of(resource, "minTlsVersion", ("TLS_1_0", "TLS_1_1", "TLS_1_2", "TLS_1_3"))


def _address(resource: Resource) -> None:
    _one_of(resource, "addressType", ("EXTERNAL", "INTERNAL"))
    _one_of(resource, "ipVersion", ("IPV4", "IPV6"))
    if resource["ipVersion"] == "IPV6":
        raise invalid("ipVersion", "IPV6", "The sandbox has IPv4 load balancers only.")


_RULES: Mapping[str, Callable[[Resource], None]] = {
    "addresses": _address,
    "backendServices": _backend_service,
    "firewalls": _firewall,
    "forwardingRules": _forwarding_rule,
    "healthChecks": _health_check,
    "networkEndpointGroups": _network_endpoint_group,
    "securityPolicies": security_policies.check,
    "sslPolicies": _ssl_policy,
    "targetHttpProxies": _target_http_proxy,
    "targetHttpsProxies": _target_https_proxy,
    "urlMaps": _url_map,
}
