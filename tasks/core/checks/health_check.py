"""The health check and the timeout that a BackendConfig leads to, with the controller's own defaults filled in.

Source: ingress-gce pkg/healthchecks, pkg/translator/healthchecks.go; gke.md §4.1, §4.4, §8.1.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core import manifests
from tasks.core.checks.check import Check, failed, passed
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, kubectl, named

_TYPES = ("HTTP", "HTTPS", "HTTP2")
_DEFAULT_SECONDS = 15
"""Interval and timeout of a health check on a NEG."""
_RANGES = {
    "checkIntervalSec": (1, 300),
    "timeoutSec": (1, 300),
    "healthyThreshold": (1, 10),
    "unhealthyThreshold": (1, 10),
}
_DAY_SECONDS = 86_400
_RIGHT = manifests.HEALTH_CHECK


def checks(facts: Facts) -> Iterator[Check]:
    """Every check of the BackendConfig that serves the Milvus port; none where there is none."""
    config = facts.backend_config
    if config is None:
        return
    spec: Mapping[str, Any] = config.get("spec") or {}
    check: Mapping[str, Any] = spec.get("healthCheck") or {}
    yield _type(config, check)
    yield _port(config, check)
    yield _path(config, check, _probed_paths(facts))
    yield _effective_timeout(config, check)
    yield _ranges(config, check)
    yield _backend_timeout(config, spec)
    yield _identity_aware_proxy(config, spec)


def _type(config: Object, check: Mapping[str, Any]) -> Check:
    name, place, kind = "HealthCheckTypeCheck", named(config), check.get("type")
    if kind == "HTTP":
        return passed(name, place, "probes by HTTP")
    if not kind:
        seen = "healthCheck.type is left out, so that GKE probes with the Service's protocol, HTTP2 over TLS"
    elif kind in _TYPES:
        seen = f"healthCheck.type is {kind}, and port {_RIGHT['port']} of Milvus speaks plain HTTP"
    else:
        seen = f"healthCheck.type is {kind}, which is none of {', '.join(_TYPES)}"
    return failed(name, place, seen, f"Set it: {_patch(config, 'type')}")


def _port(config: Object, check: Mapping[str, Any]) -> Check:
    name, place, port = "HealthCheckPortCheck", named(config), check.get("port")
    if port == _RIGHT["port"]:
        return passed(name, place, f"probes port {port}")
    seen = f"healthCheck.port is {port}; Milvus answers at {_RIGHT['port']} (with a NEG it is the container's port)"
    if not port:
        seen = "healthCheck.port is left out, so that GKE probes the serving port, which speaks gRPC"
    return failed(name, place, seen, f"Set it: {_patch(config, 'port')}")


def _path(config: Object, check: Mapping[str, Any], probed: set[str]) -> Check:
    name, place, path = "HealthCheckPathCheck", named(config), check.get("requestPath") or "/"
    if path == _RIGHT["requestPath"] or path in probed:
        return passed(name, place, f"asks for {path}")
    seen = f"healthCheck.requestPath is {path}; Milvus answers at {', '.join(sorted(probed | {'/healthz'}))}"
    return failed(name, place, seen, f"Set it: {_patch(config, 'requestPath')}")


def _effective_timeout(config: Object, check: Mapping[str, Any]) -> Check:
    """What check-gke-ingress does not see: one of the two is left out, and the default does not fit the other."""
    name, place = "HealthCheckEffectiveTimeoutCheck", named(config)
    timeout = _number(check.get("timeoutSec")) or _DEFAULT_SECONDS
    interval = _number(check.get("checkIntervalSec")) or _DEFAULT_SECONDS
    if timeout <= interval:
        return passed(name, place, f"timeout {timeout} s, interval {interval} s")
    which = "timeoutSec" if check.get("timeoutSec") is None else "checkIntervalSec"
    given = check.get("timeoutSec") is not None and check.get("checkIntervalSec") is not None
    why = "" if given else f": {which} is left out and is {_DEFAULT_SECONDS}"
    seen = f"the health check's timeout, {timeout} s, is above its interval, {interval} s{why}; Compute refuses it"
    return failed(name, place, seen, f"Set it: {_patch(config, 'timeoutSec', 'checkIntervalSec')}")


def _ranges(config: Object, check: Mapping[str, Any]) -> Check:
    name, place = "HealthCheckRangeCheck", named(config)
    outside = [
        f"healthCheck.{field} is {check[field]}, and Compute takes {low} to {high}"
        for field, (low, high) in _RANGES.items()
        if check.get(field) is not None and not low <= _number(check[field]) <= high
    ]
    if not outside:
        return passed(name, place, "every number is one that Compute takes")
    return failed(name, place, "; ".join(outside), f"Mend it: {kubectl('edit', config)}")


def _backend_timeout(config: Object, spec: Mapping[str, Any]) -> Check:
    """It bounds a whole call, and every stream; gcpdiag lb/BP/2025_002 warns beyond a day."""
    name, place, seconds = "BackendTimeoutCheck", named(config), spec.get("timeoutSec")
    mend = "Set it: " + kubectl("patch", config, """--type merge -p '{"spec":{"timeoutSec":3600}}'""")
    if seconds is None:
        return failed(name, place, "timeoutSec is left out: Google cuts every call at 30 s", mend, blocks=False)
    if _number(seconds) <= 30 or _number(seconds) > _DAY_SECONDS:
        seen = f"timeoutSec is {seconds}: " + ("calls are cut early" if _number(seconds) <= 30 else "more than a day")
        return failed(name, place, seen, mend, blocks=False)
    return passed(name, place, f"a call may take {seconds} s")


def _identity_aware_proxy(config: Object, spec: Mapping[str, Any]) -> Check:
    name, place = "IapCheck", named(config)
    if not (spec.get("iap") or {}).get("enabled"):
        return passed(name, place, "is not behind Identity-Aware Proxy")
    patch = """--type merge -p '{"spec":{"iap":{"enabled":false}}}'"""
    seen = "iap is enabled, and a gRPC client such as pymilvus cannot log in there"
    return failed(name, place, seen, f"Turn it off: {kubectl('patch', config, patch)}")


def _probed_paths(facts: Facts) -> set[str]:
    """Where the Pods' own readiness probes ask over plain HTTP."""
    return {
        str(probe["path"])
        for deployment in facts.deployments
        for container in deployment["spec"]["template"]["spec"].get("containers") or []
        if (probe := (container.get("readinessProbe") or {}).get("httpGet") or {}).get("path")
        and probe.get("scheme", "HTTP") == "HTTP"
    }


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _patch(config: Object, *fields: str) -> str:
    said = ",".join(f'"{field}":{_json(_RIGHT[field])}' for field in fields)
    return kubectl("patch", config, f"""--type merge -p '{{"spec":{{"healthCheck":{{{said}}}}}}}'""")


def _json(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
