"""Backend services that lead to Milvus, their health checks, and their network endpoint groups."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core import annotations, manifests, names, status
from tasks.core.config import SecurityPolicyAction
from tasks.core.three_ways.rows import NOTHING, Row
from tasks.core.three_ways.sides import Resource, Sides

_HEALTH_CHECK_FLAGS = {
    "port": "port",
    "requestPath": "request-path",
    "checkIntervalSec": "check-interval",
    "timeoutSec": "timeout",
    "healthyThreshold": "healthy-threshold",
    "unhealthyThreshold": "unhealthy-threshold",
}
"""Options of `gcloud compute health-checks update`."""


def rows(sides: Sides) -> Iterator[Row]:
    """Every row of every backend service that leads to Milvus."""
    services = sides.milvus_services()
    for service in services:
        yield from _settings(sides, service)
        yield from _health_check(sides, service)
        yield from _groups(sides, service)
    if not services:
        yield Row("service", sides.service, part="backendServices", compute=None, object=sides.ingress)


def _settings(sides: Sides, service: Resource) -> Iterator[Row]:
    config, name = sides.config, str(service["name"])
    update = f"gcloud compute backend-services update {name} --global"
    yield Row(
        "protocol",
        "HTTP2",
        object=f"service {sides.service}",
        cluster=_protocol(sides),
        part=f"backendServices/{name}",
        compute=service.get("protocol"),
        command=f"{update} --protocol=HTTP2",
    )
    # Defaults of the Compute API, where it leaves a field out.
    logged = manifests.logging(config)
    wanted: list[tuple[str, Any, Any, Any, str]] = [
        (
            "timeoutSec",
            config.backend_timeout_seconds,
            "timeoutSec",
            service.get("timeoutSec", 30),
            f"--timeout={config.backend_timeout_seconds}s",
        ),
        (
            "connectionDraining.drainingTimeoutSec",
            config.draining_seconds,
            "connectionDraining.drainingTimeoutSec",
            _at(service, "connectionDraining.drainingTimeoutSec") or 0,
            f"--connection-draining-timeout={config.draining_seconds}s",
        ),
        (
            "logConfig.enable",
            logged["enable"],
            "logging.enable",
            bool(_at(service, "logConfig.enable")),
            "--enable-logging" if logged["enable"] else "--no-enable-logging",
        ),
    ]
    if logged["enable"] and _at(service, "logConfig.enable"):
        rate = _at(service, "logConfig.sampleRate")
        flag = f"--enable-logging --logging-sample-rate={config.log_sample_rate}"
        seen = 1.0 if rate is None else rate
        wanted.append(("logConfig.sampleRate", config.log_sample_rate, "logging.sampleRate", seen, flag))
    if config.security_policy is not SecurityPolicyAction.KEEP:
        policy = config.security_policy_name
        seen = status.tail(str(service.get("securityPolicy") or ""))
        wanted.append(("securityPolicy", policy, "securityPolicy.name", seen, f"--security-policy='{policy}'"))
    yield Row(
        "iap.enabled",
        intent=False,
        part=f"backendServices/{name}",
        compute=bool(_at(service, "iap.enabled")),
        # What the BackendConfig leaves out, GKE leaves alone (ingress-gce pkg/backends/features/iap.go).
        mend=f"No gRPC client can log in there: {update} --iap=disabled --project={sides.compute.project}",
    )
    for field, intent, path, seen, flag in wanted:
        yield _of_backend_config(sides, field, intent, path, f"backendServices/{name}", seen, f"{update} {flag}")


def _of_backend_config(sides: Sides, field: str, intent: Any, path: str, part: str, compute: Any, command: str) -> Row:
    live = sides.cluster.backend_config
    return Row(
        field,
        intent,
        object=f"backendconfig {sides.config.namespace}/{names.backend_config(sides.config.release)}",
        # That it is missing is said once, in a row of its own.
        cluster=NOTHING if live is None else _at(live, f"spec.{path}"),
        part=part,
        compute=compute,
        command=command,
    )


def _protocol(sides: Sides) -> Any:
    """What the Service's annotations make of the Milvus port; their text where that is not HTTP2."""
    service = sides.cluster.service
    port = status.milvus_port(service or {})
    if service is None or port is None:
        return NOTHING
    marks = status.marks(service)
    said = marks.get(annotations.ALPHA_APP_PROTOCOLS, marks.get(annotations.APP_PROTOCOLS))
    wanted = annotations.on_service(port.name, "")[annotations.APP_PROTOCOLS]
    return "HTTP2" if annotations.same(annotations.APP_PROTOCOLS, said, wanted) else said


def _health_check(sides: Sides, service: Resource) -> Iterator[Row]:
    wanted = manifests.HEALTH_CHECK
    links = service.get("healthChecks") or []
    name = status.tail(str(links[0])) if links else ""
    found = sides.compute.get("healthChecks", name)
    part = f"healthChecks/{name or service['name']}"
    if found is None:
        yield Row("healthChecks", name or "one", part=part, compute=None, object=sides.ingress)
        return
    probe = found.get(f"{str(found.get('type', '')).lower()}HealthCheck") or {}
    update = f"gcloud compute health-checks update http {name} --global"
    for field, intent in wanted.items():
        seen = probe.get(field) if field in ("port", "requestPath") else found.get(field)
        flag = f" --{_HEALTH_CHECK_FLAGS[field]}={intent}" if field in _HEALTH_CHECK_FLAGS else ""
        command = f"{update}{flag}" if flag and found.get("type") == "HTTP" else ""
        yield _of_backend_config(sides, f"healthCheck.{field}", intent, f"healthCheck.{field}", part, seen, command)


def _groups(sides: Sides, service: Resource) -> Iterator[Row]:
    """A group in every zone that the NEG controller names, and as many endpoints as there are ready Pods."""
    name, noted = _neg_status(sides)
    if not name:
        yield Row(
            "backends",
            "a network endpoint group per zone",
            object=f"service {sides.service}",
            cluster=f"annotation {annotations.NEG_STATUS} is missing",
            mend=f"See why: kubectl -n {sides.config.namespace} describe service {sides.service.partition('/')[2]}",
        )
        return
    groups = {_zone(str(each["group"])): status.tail(str(each["group"])) for each in service.get("backends") or []}
    attached = sorted(zone if group == name else f"{zone}: {group}" for zone, group in groups.items())
    part = f"backendServices/{service['name']}"
    yield Row("backends", noted, object=f"service {sides.service}", cluster=noted, part=part, compute=attached)
    if sides.cluster.ready_pods is not None:
        sizes = [int(each.get("size") or 0) for each in sides.compute.groups if each.get("name") == name]
        ready = sides.cluster.ready_pods
        part, object_ = f"networkEndpointGroups/{name}", f"service {sides.service}"
        yield Row("size", ready, object=object_, cluster=ready, part=part, compute=sum(sizes))


def _neg_status(sides: Sides) -> tuple[str, list[str]]:
    """Name of the Milvus port's groups and their zones, as the NEG controller noted; "" and none before it has."""
    service = sides.cluster.service or {}
    port = status.milvus_port(service)
    try:
        noted = json.loads(status.marks(service).get(annotations.NEG_STATUS, "{}"))
        name = noted["network_endpoint_groups"][str(port.number if port else "")]
        return str(name), sorted(map(str, noted["zones"]))
    except (ValueError, TypeError, KeyError):
        return "", []


def _zone(link: str) -> str:
    return link.partition("/zones/")[2].partition("/")[0]


def _at(facts: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    found: Any = facts
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
