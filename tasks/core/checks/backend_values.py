"""Values of a BackendConfig that GKE or Compute refuses, so that no later change of the Ingress is applied any more.

What runs goes on as it was, so that nothing else shows it. Source: ingress-gce pkg/backendconfig/validation.go,
pkg/apis/backendconfig/v1/types.go; gke.md §4.1. Those of the health check stand in `health_check`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core.checks.check import Check, failed, passed
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import kubectl, named

_AFFINITIES = ("NONE", "CLIENT_IP", "GENERATED_COOKIE")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:.*")
_RANGES = (
    ("timeoutSec", 1, 2**31 - 1),
    ("connectionDraining.drainingTimeoutSec", 0, 3600),
    ("sessionAffinity.affinityCookieTtlSec", 0, 86400),
    ("logging.sampleRate", 0.0, 1.0),
)


def checks(facts: Facts) -> Iterator[Check]:
    """The check of the BackendConfig that serves the Milvus port; none without one."""
    config = facts.backend_config
    if config is None:
        return
    name, place = "BackendConfigValuesCheck", named(config)
    if faults := list(_faults(config.get("spec") or {})):
        seen = f"{'; '.join(faults)}: GKE applies no change any more"
        yield failed(name, place, seen, f"Mend it: {kubectl('edit', config)}")
    else:
        yield passed(name, place, "has values that GKE takes")


def _faults(spec: Mapping[str, Any]) -> Iterator[str]:
    for path, least, most in _RANGES:
        value = _at(spec, path)
        if isinstance(value, int | float) and not least <= value <= most:
            yield f"{path} is {value}, not from {least} to {most}"
    affinity = _at(spec, "sessionAffinity.affinityType")
    if affinity not in (None, "", *_AFFINITIES):
        yield f"sessionAffinity.affinityType is {affinity}, none of {', '.join(_AFFINITIES)}"
    if _at(spec, "iap.enabled") and _at(spec, "cdn.enabled"):
        yield "iap and cdn are both enabled"
    for field in ("customRequestHeaders", "customResponseHeaders"):
        if wrong := [each for each in _at(spec, f"{field}.headers") or [] if not _HEADER.fullmatch(str(each))]:
            yield f"{field} has {', '.join(map(repr, wrong))}, not of the form Name:value"


def _at(spec: Mapping[str, Any], path: str) -> Any:
    found: Any = spec
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
