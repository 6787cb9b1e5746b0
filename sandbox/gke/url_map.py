"""URL maps as Compute resources: from the translated Ingress, compared with what is there. Pure.

Source: ingress-gce pkg/translator/translator.go (ToCompositeURLMap, ToRedirectUrlMap), pkg/loadbalancers/url_maps.go.
"""

import hashlib
from typing import Any

from sandbox.compute_client import name_of, resource_path
from sandbox.gke.namer import ClusterNamer
from sandbox.gke.translator import ServicePort, UrlMap

Json = dict[str, Any]

DEFAULT_REDIRECT = "MOVED_PERMANENTLY_DEFAULT"


def to_compute(url_map: UrlMap, name: str, namer: ClusterNamer) -> Json:
    """The URL map under `name`; it needs a default backend."""

    def link(port: ServicePort | None) -> str:
        assert port is not None
        return f"global/backendServices/{port.backend_name(namer)}"

    default = link(url_map.default_backend)
    resource: Json = {"name": name, "defaultService": default}
    matchers = [
        {
            "name": path_matcher_name(host),
            "defaultService": default,
            "pathRules": [{"paths": [path], "service": link(port)} for path, port in rules],
        }
        for host, rules in url_map.hosts.items()
    ]
    if matchers:
        resource["hostRules"] = [{"hosts": [h], "pathMatcher": path_matcher_name(h)} for h in url_map.hosts]
        resource["pathMatchers"] = matchers
    return resource


def path_matcher_name(host: str) -> str:
    """A name for a host, which may hold characters that names may not."""
    return "host" + hashlib.md5(host.encode(), usedforsecurity=False).hexdigest()


def redirect(name: str, frontend_config: Json | None) -> Json | None:
    """The URL map that only redirects to HTTPS; None unless the FrontendConfig asks for it."""
    settings = ((frontend_config or {}).get("spec") or {}).get("redirectToHttps") or {}
    if not settings.get("enabled"):
        return None
    code = settings.get("responseCodeName") or DEFAULT_REDIRECT
    # The controller leaves the query alone, which Compute wants said.
    return {
        "name": name,
        "defaultUrlRedirect": {"httpsRedirect": True, "redirectResponseCode": code, "stripQuery": False},
    }


def equal(one: Json, other: Json) -> bool:
    """Whether two URL maps route alike, however their links are written."""
    return _routing(one) == _routing(other)


def redirects_equal(one: Json, other: Json) -> bool:
    first, second = one.get("defaultUrlRedirect") or {}, other.get("defaultUrlRedirect") or {}
    return all(first.get(field) == second.get(field) for field in ("httpsRedirect", "redirectResponseCode"))


def _routing(url_map: Json) -> tuple[Any, ...]:
    return (
        resource_path(url_map.get("defaultService") or ""),
        [(rule["hosts"], rule["pathMatcher"]) for rule in url_map.get("hostRules") or []],
        [
            (
                matcher["name"],
                resource_path(matcher.get("defaultService") or ""),
                [(rule["paths"], resource_path(rule["service"])) for rule in matcher.get("pathRules") or []],
            )
            for matcher in url_map.get("pathMatchers") or []
        ],
    )


def backend_names(url_map: Json) -> list[str]:
    """Every backend service that a URL map may send requests to, sorted."""
    names = {name_of(url_map["defaultService"])}
    for matcher in url_map.get("pathMatchers") or []:
        names.add(name_of(matcher["defaultService"]))
        names |= {name_of(rule["service"]) for rule in matcher.get("pathRules") or []}
    return sorted(names)
