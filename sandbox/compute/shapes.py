"""Types of the fields of a request body (pure).

The genuine API parses JSON into a protocol buffer first and refuses what does not fit; here the fields that the sandbox
reads are checked by name, at every depth. Source: Google's JSON parsing errors, `Invalid value at '…' (TYPE_…)`.
"""

from typing import Any

from sandbox.compute.errors import GoogleError

_LISTS = {
    "allowed",
    "backends",
    "denied",
    "domains",
    "healthChecks",
    "hostRules",
    "hosts",
    "networkEndpoints",
    "pathMatchers",
    "pathRules",
    "paths",
    "permissions",
    "ports",
    "rules",
    "sourceRanges",
    "srcIpRanges",
    "sslCertificates",
}
_OBJECTS = {
    "config",
    "connectionDraining",
    "defaultUrlRedirect",
    "expr",
    "grpcHealthCheck",
    "http2HealthCheck",
    "httpHealthCheck",
    "httpsHealthCheck",
    "labels",
    "logConfig",
    "managed",
    "match",
    "rateLimitOptions",
    "resource",
    "selfManaged",
    "sslHealthCheck",
    "tcpHealthCheck",
}
_NUMBERS = {
    "affinityCookieTtlSec",
    "capacityScaler",
    "checkIntervalSec",
    "defaultPort",
    "drainingTimeoutSec",
    "healthyThreshold",
    "maxRatePerEndpoint",
    "port",
    "priority",
    "timeoutSec",
    "unhealthyThreshold",
}
_TEXTS = {
    "IPAddress",
    "action",
    "address",
    "certificate",
    "description",
    "expression",
    "fingerprint",
    "group",
    "ipAddress",
    "name",
    "pathMatcher",
    "portRange",
    "privateKey",
    "target",
    "urlMap",
    "versionedExpr",
}
_ITEMS_ARE_OBJECTS = {
    "allowed",
    "backends",
    "denied",
    "hostRules",
    "networkEndpoints",
    "pathMatchers",
    "pathRules",
    "rules",
}


def check(body: dict[str, Any], at: str = "resource") -> None:
    """Refuse a body whose known fields have values of another type; null stands for absent.

    Raises:
        GoogleError: 400, naming the field.
    """
    for key, value in body.items():
        field = f"{at}.{key}"
        if value is None:
            continue
        if key in _LISTS:
            _expect(field, value, list, "TYPE_MESSAGE" if key in _ITEMS_ARE_OBJECTS else "TYPE_STRING")
        elif key in _OBJECTS:
            _expect(field, value, dict, "TYPE_MESSAGE")
        elif key in _NUMBERS:
            _expect(field, value, (int, float), "TYPE_INT32")
        elif key in _TEXTS:
            _expect(field, value, str, "TYPE_STRING")
        elif key == "preview" and not isinstance(value, bool):
            raise GoogleError(400, "badRequest", f"Invalid value at '{field}' (TYPE_BOOL), {value!r}")
        _below(key, field, value)


def _below(key: str, field: str, value: Any) -> None:
    if isinstance(value, dict):
        check(value, field)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if key in _ITEMS_ARE_OBJECTS:
                _expect(f"{field}[{index}]", item, dict, "TYPE_MESSAGE")
            elif key in _LISTS:
                _expect(f"{field}[{index}]", item, str, "TYPE_STRING")
            if isinstance(item, dict):
                check(item, f"{field}[{index}]")


def _expect(field: str, value: Any, kind: type | tuple[type, ...], name: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise GoogleError(400, "badRequest", f"Invalid value at '{field}' ({name}), {value!r}")
