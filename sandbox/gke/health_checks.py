"""The health check of a Service port: defaults, readiness probe, what is there already, BackendConfig. Pure.

Later sources win, field by field. Source: ingress-gce pkg/translator/healthchecks.go, pkg/healthchecks/healthchecks.go,
pkg/controller/translator/translator.go (getHTTPProbe). Simpler: no transparent health checks (their flag is off).
"""

from typing import Any

from sandbox.gke.backend_config import checked_health_check_type
from sandbox.gke.translator import ServicePort

Json = dict[str, Any]

_NEG_DEFAULTS = {"checkIntervalSec": 15, "timeoutSec": 15, "healthyThreshold": 1, "unhealthyThreshold": 2}
_INSTANCE_GROUP_DEFAULTS = {"checkIntervalSec": 60, "timeoutSec": 60, "healthyThreshold": 1, "unhealthyThreshold": 10}
_TIMING = tuple(_NEG_DEFAULTS)
_INSTANCE_GROUP_PROBE_INTERVAL_SECONDS = 60
"""Added to a probe's period, because every node probes."""
SETTINGS_FIELD = {"HTTP": "httpHealthCheck", "HTTPS": "httpsHealthCheck", "HTTP2": "http2HealthCheck"}


class HealthCheckConflict(Exception):
    """The health check on the Compute side was changed by hand to something that cannot be followed."""


def desired(port: ServicePort, name: str, existing: Json | None, probe: Json | None) -> Json:
    """The health check that a Service port should have, as a Compute resource.

    `probe` is the readiness probe that `simple_probe` found; `existing` what Compute has under that name.

    Raises:
        InvalidAnnotation: the BackendConfig asks for a type that does not exist.
        HealthCheckConflict: `existing` lacks the settings of its own type.
    """
    config: Json = (port.backend_config or {}).get("healthCheck") or {}
    kind = checked_health_check_type(port.backend_config or {}) or port.protocol
    timing, settings = _defaults(port)
    if probe is not None:
        _apply_probe(timing, settings, probe, port)
    if existing is not None:
        _keep_existing(timing, settings, existing)
    _apply_backend_config(timing, settings, config)
    return {
        "name": name,
        "description": _description(port),
        "type": kind,
        **timing,
        SETTINGS_FIELD[kind]: settings,
    }


def differs(existing: Json, wanted: Json) -> bool:
    """Whether Compute's health check must be updated to become the wanted one; its description does not count."""
    kind = wanted["type"]
    if existing.get("type") != kind or any(existing.get(field) != wanted[field] for field in _TIMING):
        return True
    before, after = existing.get(SETTINGS_FIELD[kind]) or {}, wanted[SETTINGS_FIELD[kind]]
    return any(before.get(field) != value for field, value in after.items())


def version(port: ServicePort) -> str:
    """The API version that the controller uses for this port's health check."""
    return "beta" if port.neg_enabled or port.protocol == "HTTP2" else "v1"


def _defaults(port: ServicePort) -> tuple[Json, Json]:
    path = "/healthz" if port.is_system_default else "/"
    settings: Json = {"requestPath": path, "proxyHeader": "NONE"}
    if port.neg_enabled:
        return dict(_NEG_DEFAULTS), settings | {"portSpecification": "USE_SERVING_PORT"}
    return dict(_INSTANCE_GROUP_DEFAULTS), settings | {"port": port.node_port, "portSpecification": "USE_FIXED_PORT"}


def _apply_probe(timing: Json, settings: Json, probe: Json, port: ServicePort) -> None:
    http = probe["httpGet"]
    path = http.get("path") or "/"
    settings["requestPath"] = path if path.startswith("/") else f"/{path}"
    host = next((header["value"] for header in http.get("httpHeaders") or []), None)
    if host:
        settings["host"] = host
    timing["timeoutSec"] = probe.get("timeoutSeconds") or 1
    extra = 0 if port.neg_enabled else _INSTANCE_GROUP_PROBE_INTERVAL_SECONDS
    timing["checkIntervalSec"] = (probe.get("periodSeconds") or 10) + extra


def _keep_existing(timing: Json, settings: Json, existing: Json) -> None:
    """What somebody set by hand survives, except type and port specification."""
    timing.update({field: existing[field] for field in _TIMING if field in existing})
    kind = existing.get("type", "")
    field = SETTINGS_FIELD.get(kind, "")
    if field not in existing:
        raise HealthCheckConflict(
            f"the {kind} health check configuration on the existing health check {existing['name']} is nil"
        )
    kept = ("host", "requestPath", "proxyHeader", "response")
    settings.update({name: value for name, value in existing[field].items() if name in kept})


def _apply_backend_config(timing: Json, settings: Json, config: Json) -> None:
    timing.update({field: config[field] for field in _TIMING if config.get(field) is not None})
    if config.get("requestPath") is not None:
        settings["requestPath"] = config["requestPath"]
    if config.get("port") is not None:
        settings["port"] = config["port"]
        settings["portSpecification"] = "USE_FIXED_PORT"


def _description(port: ServicePort) -> str:
    return (
        "Default kubernetes L7 Loadbalancing health check for NEG."
        if port.neg_enabled
        else "Default kubernetes L7 Loadbalancing health check."
    )


def simple_probe(port: ServicePort, pods: list[Json]) -> Json | None:
    """The readiness probe to derive the health check from, out of the pods that the Service selects.

    It must be an HTTP GET to the very port that the Service targets, without host and without headers except Host,
    with the backend's scheme (HTTP2 counts as HTTPS). The oldest pod wins, then the name.
    """
    scheme = "HTTPS" if port.protocol == "HTTP2" else port.protocol
    for pod in sorted(pods, key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", pod["metadata"]["name"])):
        for container in (pod.get("spec") or {}).get("containers") or []:
            probe = container.get("readinessProbe") or {}
            if _is_simple(probe, scheme) and _probes_target(container, probe["httpGet"].get("port"), port.target_port):
                found: Json = probe
                return found
    return None


def _is_simple(probe: Json, scheme: str) -> bool:
    http = probe.get("httpGet")
    if not http or http.get("host"):
        return False
    headers = http.get("httpHeaders") or []
    if headers and (len(headers) > 1 or headers[0].get("name") != "Host"):
        return False
    return bool((http.get("scheme") or "HTTP") == scheme)


def _probes_target(container: Json, probed: int | str | None, target: int | str) -> bool:
    for port in container.get("ports") or []:
        names = {port.get("containerPort"), port.get("name")} - {None}
        if target in names and probed in names:
            return True
    return False
