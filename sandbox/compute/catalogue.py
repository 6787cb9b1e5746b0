"""The collections of the Compute API as one table: paths, kinds, permissions, quotas, references, defaults.

Source: the Compute v1 discovery document; `defaults` are what a GET shows for fields the insert left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Missing = Literal["invalid", "notFound"]


@dataclass(frozen=True)
class Reference:
    """A field that names other resources; `missing` is the error for a well-formed name of nothing."""

    field: str
    collections: tuple[str, ...]
    missing: Missing = "invalid"


@dataclass(frozen=True)
class Action:
    """An extra verb, a POST (or `method`) to `…/{name}/{verb}`; `odd` ones live without `global/` in their path."""

    permission: str
    odd: bool = False
    reads: bool = False
    method: str = "POST"


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One collection and what is particular about its resources."""

    name: str
    kind: str
    noun: str
    permissions: str
    zonal: bool = False
    quotas: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    fingerprint: bool = False
    """The resource has a fingerprint, which PUT must and PATCH may carry."""
    labels: bool = False
    references: tuple[Reference, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    output_only: tuple[str, ...] = ()
    immutable: tuple[str, ...] = ()
    """Fields that PUT and PATCH cannot change."""
    actions: Mapping[str, Action] = field(default_factory=dict)

    @property
    def method_prefix(self) -> str:
        """The collection's name in method ids: `compute.globalAddresses.insert`."""
        return self.permissions


_BACKEND_SERVICES = ("backendServices",)
_TEST = Action("list", reads=True)

_ALL = (
    Collection(
        name="addresses",
        kind="compute#address",
        noun="address",
        permissions="compute.globalAddresses",
        quotas=("STATIC_ADDRESSES",),
        labels=True,
        defaults={"description": "", "addressType": "EXTERNAL", "ipVersion": "IPV4", "networkTier": "PREMIUM"},
        output_only=("status", "users"),
        actions={"setLabels": Action("setLabels"), "testIamPermissions": _TEST},
    ),
    Collection(
        name="forwardingRules",
        kind="compute#forwardingRule",
        noun="forwarding_rule",
        permissions="compute.globalForwardingRules",
        quotas=("FORWARDING_RULES",),
        updates=("PATCH",),
        fingerprint=True,
        labels=True,
        references=(Reference("target", ("targetHttpProxies", "targetHttpsProxies")),),
        defaults={
            "description": "",
            "IPProtocol": "TCP",
            "loadBalancingScheme": "EXTERNAL",
            "networkTier": "PREMIUM",
        },
        immutable=("IPAddress", "IPProtocol", "loadBalancingScheme", "portRange", "target"),
        actions={"setTarget": Action("setTarget"), "setLabels": Action("setLabels")},
    ),
    Collection(
        name="targetHttpProxies",
        kind="compute#targetHttpProxy",
        noun="target_http_proxy",
        permissions="compute.targetHttpProxies",
        quotas=("TARGET_HTTP_PROXIES",),
        updates=("PATCH",),
        fingerprint=True,
        references=(Reference("urlMap", ("urlMaps",)),),
        actions={"setUrlMap": Action("setUrlMap", odd=True)},
    ),
    Collection(
        name="targetHttpsProxies",
        kind="compute#targetHttpsProxy",
        noun="target_https_proxy",
        permissions="compute.targetHttpsProxies",
        quotas=("TARGET_HTTPS_PROXIES",),
        updates=("PATCH",),
        fingerprint=True,
        references=(
            Reference("urlMap", ("urlMaps",)),
            # ingress-gce users report a 404 for a pre-shared certificate that does not exist.
            Reference("sslCertificates[]", ("sslCertificates",), "notFound"),
            Reference("sslPolicy", ("sslPolicies",), "notFound"),
        ),
        defaults={"quicOverride": "NONE"},
        actions={
            "setUrlMap": Action("setUrlMap", odd=True),
            "setSslCertificates": Action("setSslCertificates", odd=True),
            "setCertificateMap": Action("setCertificateMap", odd=True),
            "setSslPolicy": Action("setSslPolicy"),
            "setQuicOverride": Action("setQuicOverride"),
        },
    ),
    Collection(
        name="urlMaps",
        kind="compute#urlMap",
        noun="url_map",
        permissions="compute.urlMaps",
        quotas=("URL_MAPS",),
        updates=("PUT", "PATCH"),
        fingerprint=True,
        references=(
            Reference("defaultService", _BACKEND_SERVICES),
            Reference("pathMatchers[].defaultService", _BACKEND_SERVICES),
            Reference("pathMatchers[].pathRules[].service", _BACKEND_SERVICES),
            Reference("pathMatchers[].routeRules[].service", _BACKEND_SERVICES),
            Reference("tests[].service", _BACKEND_SERVICES),
        ),
        actions={
            "validate": Action("validate", reads=True),
            "invalidateCache": Action("invalidateCache"),
            "testIamPermissions": _TEST,
        },
    ),
    Collection(
        name="backendServices",
        kind="compute#backendService",
        noun="backend_service",
        permissions="compute.backendServices",
        quotas=("BACKEND_SERVICES", "GLOBAL_EXTERNAL_PROXY_LB_BACKEND_SERVICES"),
        updates=("PUT", "PATCH"),
        fingerprint=True,
        references=(
            Reference("backends[].group", ("networkEndpointGroups", "instanceGroups")),
            Reference("healthChecks[]", ("healthChecks",)),
            Reference("securityPolicy", ("securityPolicies",)),
        ),
        defaults={
            "description": "",
            "protocol": "HTTP",
            "port": 80,
            "portName": "http",
            "timeoutSec": 30,
            "loadBalancingScheme": "EXTERNAL",
            "sessionAffinity": "NONE",
            "affinityCookieTtlSec": 0,
            "enableCDN": False,
            "connectionDraining": {"drainingTimeoutSec": 0},
        },
        actions={
            "getHealth": Action("get", reads=True),
            "setSecurityPolicy": Action("setSecurityPolicy"),
            "testIamPermissions": _TEST,
        },
    ),
    Collection(
        name="healthChecks",
        kind="compute#healthCheck",
        noun="health_check",
        permissions="compute.healthChecks",
        quotas=("HEALTH_CHECKS",),
        updates=("PUT", "PATCH"),
        defaults={
            "description": "",
            "checkIntervalSec": 5,
            "timeoutSec": 5,
            "healthyThreshold": 2,
            "unhealthyThreshold": 2,
        },
        actions={"testIamPermissions": _TEST},
    ),
    Collection(
        name="sslCertificates",
        kind="compute#sslCertificate",
        noun="ssl_certificate",
        permissions="compute.sslCertificates",
        quotas=("SSL_CERTIFICATES",),
        output_only=("expireTime", "subjectAlternativeNames"),
    ),
    Collection(
        name="sslPolicies",
        kind="compute#sslPolicy",
        noun="ssl_policy",
        permissions="compute.sslPolicies",
        quotas=("SSL_POLICIES",),
        updates=("PATCH",),
        fingerprint=True,
        defaults={"profile": "COMPATIBLE", "minTlsVersion": "TLS_1_0"},
        output_only=("enabledFeatures", "warnings"),
    ),
    Collection(
        name="securityPolicies",
        kind="compute#securityPolicy",
        noun="security_policy",
        permissions="compute.securityPolicies",
        quotas=("SECURITY_POLICIES",),
        updates=("PATCH",),
        fingerprint=True,
        labels=True,
        defaults={"description": "", "type": "CLOUD_ARMOR"},
        # "This cannot be used to be update the rules in the policy" (securityPolicies.patch).
        immutable=("type", "rules"),
        actions={
            "setLabels": Action("setLabels"),
            "addRule": Action("update"),
            "patchRule": Action("update"),
            "removeRule": Action("update"),
            "getRule": Action("get", reads=True, method="GET"),
        },
    ),
    Collection(
        name="firewalls",
        kind="compute#firewall",
        noun="firewall",
        permissions="compute.firewalls",
        quotas=("FIREWALLS",),
        updates=("PUT", "PATCH"),
        defaults={
            "description": "",
            "direction": "INGRESS",
            "priority": 1000,
            "disabled": False,
            "network": "global/networks/default",
            "logConfig": {"enable": False},
        },
        actions={"testIamPermissions": _TEST},
    ),
    Collection(
        name="networkEndpointGroups",
        kind="compute#networkEndpointGroup",
        noun="network_endpoint_group",
        permissions="compute.networkEndpointGroups",
        zonal=True,
        quotas=("NETWORK_ENDPOINT_GROUPS",),
        defaults={"networkEndpointType": "GCE_VM_IP_PORT", "network": "global/networks/default"},
        output_only=("size", "zone"),
        actions={
            "attachNetworkEndpoints": Action("attachNetworkEndpoints"),
            "detachNetworkEndpoints": Action("detachNetworkEndpoints"),
            "listNetworkEndpoints": Action("get", reads=True),
            "testIamPermissions": _TEST,
        },
    ),
    Collection(
        name="instanceGroups",
        kind="compute#instanceGroup",
        noun="instance_group",
        permissions="compute.instanceGroups",
        zonal=True,
        quotas=("INSTANCE_GROUPS",),
        defaults={"network": "global/networks/default"},
        output_only=("size", "zone"),
    ),
)

COLLECTIONS: Mapping[str, Collection] = {each.name: each for each in _ALL}

LIMITS: Mapping[str, float] = {
    # The order of magnitude of a young project. Source: `quotas[]` of compute.projects.get, 2026.
    "BACKEND_SERVICES": 50.0,
    "FIREWALLS": 100.0,
    "FORWARDING_RULES": 50.0,
    "GLOBAL_EXTERNAL_PROXY_LB_BACKEND_SERVICES": 50.0,
    "HEALTH_CHECKS": 75.0,
    "INSTANCE_GROUPS": 100.0,
    "IN_USE_ADDRESSES": 23.0,
    "NETWORK_ENDPOINT_GROUPS": 100.0,
    "SECURITY_POLICIES": 10.0,
    "SSL_CERTIFICATES": 30.0,
    "SSL_POLICIES": 10.0,
    "STATIC_ADDRESSES": 21.0,
    "TARGET_HTTPS_PROXIES": 30.0,
    "TARGET_HTTP_PROXIES": 30.0,
    "URL_MAPS": 30.0,
}
