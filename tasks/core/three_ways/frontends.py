"""Address, forwarding rules, proxies and URL maps: everything in front of the backend services."""

import json
from collections.abc import Iterator
from typing import Any

from tasks.core import annotations, names, status
from tasks.core.config import HttpMode, SecurityPolicyAction
from tasks.core.three_ways.rows import NOTHING, PROVISION, Row
from tasks.core.three_ways.sides import SYSTEM_DEFAULT, Resource, Sides

_REDIRECT_CODE = "MOVED_PERMANENTLY_DEFAULT"


def rows(sides: Sides) -> Iterator[Row]:
    """Every row in front of the backend services."""
    yield _reserved(sides)
    yield from _https(sides)
    if sides.config.http is HttpMode.REDIRECT:
        yield from _redirect(sides)
    else:
        yield from _nothing_on_port_80(sides)
    if sides.url_map is not None:
        yield from _routes(sides, sides.url_map)


def _reserved(sides: Sides) -> Row:
    part = f"addresses/{sides.address.name}"
    return Row("address", "reserved", part=part, compute="reserved" if sides.ip else None, mend=PROVISION)


def _https(sides: Sides) -> Iterator[Row]:
    yield from _rule(sides, sides.https_rule, "443-443", annotations.HTTPS_FORWARDING_RULE)
    if sides.https_rule is None:
        return
    yield from _leads_to(sides, sides.https_rule, "target", annotations.HTTPS_TARGET_PROXY, "targetHttpsProxies")
    proxy = sides.https_proxy
    if proxy is None:
        return
    yield from _leads_to(sides, proxy, "urlMap", annotations.URL_MAP, "urlMaps")
    if policy := sides.config.ssl_policy:
        live = sides.cluster.frontend_config
        yield Row(
            "sslPolicy",
            policy,
            object=_frontend_config(sides),
            cluster=NOTHING if live is None else (live.get("spec") or {}).get("sslPolicy"),
            part=f"targetHttpsProxies/{proxy['name']}",
            compute=status.tail(str(proxy.get("sslPolicy") or "")),
            command=f"gcloud compute target-https-proxies update {proxy['name']} --global --ssl-policy={policy}",
        )


def _redirect(sides: Sides) -> Iterator[Row]:
    rule = sides.http_rule
    yield from _rule(sides, rule, "80-80", annotations.FORWARDING_RULE)
    if rule is None:
        return
    yield from _leads_to(sides, rule, "target", annotations.TARGET_PROXY, "targetHttpProxies")
    proxy = sides.http_proxy
    if proxy is None:
        return
    yield from _leads_to(sides, proxy, "urlMap", annotations.REDIRECT_URL_MAP, "urlMaps")
    name = status.tail(str(proxy.get("urlMap", "")))
    found = (sides.compute.get("urlMaps", name) or {}).get("defaultUrlRedirect") or {}
    live = sides.cluster.frontend_config
    said = ((live or {}).get("spec") or {}).get("redirectToHttps") or {}
    for field, intent, key, seen in (
        ("httpsRedirect", True, "enabled", bool(found.get("httpsRedirect"))),
        ("redirectResponseCode", _REDIRECT_CODE, "responseCodeName", found.get("redirectResponseCode")),
    ):
        yield Row(
            f"defaultUrlRedirect.{field}",
            intent,
            object=_frontend_config(sides),
            cluster=NOTHING if live is None else said.get(key),
            part=f"urlMaps/{name}",
            compute=seen,
        )


def _nothing_on_port_80(sides: Sides) -> Iterator[Row]:
    for rule in sides.compute.rules:
        if sides.ip and rule.get("IPAddress") == sides.ip and rule.get("portRange") == "80-80":
            name = str(rule["name"])
            yield Row(
                "portRange",
                None,
                part=f"forwardingRules/{name}",
                compute="80-80",
                command=f"gcloud compute forwarding-rules delete {name} --global",
            )


def _rule(sides: Sides, rule: Resource | None, ports: str, annotation: str) -> Iterator[Row]:
    """The rule is there, on its port, at the reserved address, which is the Ingress' too."""
    if rule is None:
        name = sides.marks.get(annotation)
        yield Row(
            "portRange",
            ports,
            # Without the annotation no controller has got so far; with it, somebody has taken the rule away.
            object=sides.ingress,
            cluster=ports if name else None,
            part=f"forwardingRules/{name or ports}",
            compute=None,
            mend="" if name else _not_built(sides),
        )
        return
    part = f"forwardingRules/{rule['name']}"
    yield Row("portRange", ports, part=part, compute=rule.get("portRange"), object=sides.ingress)
    if sides.ip:
        yield Row(
            "IPAddress",
            sides.ip,
            object=sides.ingress,
            cluster=status.ingress_address(sides.cluster.ingress or {}) or None,
            part=part,
            compute=rule.get("IPAddress"),
        )


def _not_built(sides: Sides) -> str:
    namespace, name = sides.config.namespace, names.ingress(sides.config.release)
    if sides.cluster.ingress is None:
        return PROVISION
    return f"GKE has not built it. See why: kubectl -n {namespace} describe ingress {name}"


def _leads_to(sides: Sides, resource: Resource, field: str, annotation: str, collection: str) -> Iterator[Row]:
    """A link of the chain leads where the controller says, and that is there."""
    noted = sides.marks.get(annotation)
    seen = status.tail(str(resource.get(field) or ""))
    there = sides.compute.get(collection, seen) is not None
    kind = str(resource.get("kind", "")).rpartition("#")[2]
    part = f"{_COLLECTIONS.get(kind, kind)}/{resource['name']}"
    if noted is None:
        yield Row(field, "one", object=sides.ingress, cluster=None, part=part, compute=seen, mend=_not_built(sides))
        return
    compute: Any = seen if there else f"{seen} (missing)"
    yield Row(field, noted, object=sides.ingress, cluster=noted, part=part, compute=compute)


_COLLECTIONS = {
    "forwardingRule": "forwardingRules",
    "targetHttpProxy": "targetHttpProxies",
    "targetHttpsProxy": "targetHttpsProxies",
}


def _routes(sides: Sides, url_map: Resource) -> Iterator[Row]:
    """Each domain leads to Milvus whole, nothing else does, and other hosts end where they should."""
    part, port = f"urlMaps/{url_map['name']}", status.milvus_port(sides.cluster.service or {})
    if port is not None:
        wanted = sorted(f"{host}/* → {sides.service}:{port.number}" for host in sides.config.domains)
        yield Row(
            "pathMatchers",
            wanted,
            object=sides.ingress,
            cluster=NOTHING if sides.cluster.ingress is None else _of_ingress(sides, sides.cluster.ingress),
            part=part,
            compute=_of_url_map(sides, url_map),
        )
    covered = sides.config.security_policy is SecurityPolicyAction.SET
    live = sides.cluster.ingress
    named = ((live or {}).get("spec") or {}).get("defaultBackend")
    backend = _backend(sides, named).rpartition(":")[0] if named else SYSTEM_DEFAULT
    yield Row(
        "defaultService",
        sides.service if covered else SYSTEM_DEFAULT,
        object=sides.ingress,
        cluster=NOTHING if live is None else backend,
        part=part,
        compute=sides.service_behind(status.default_backend_service(url_map))[0],
        # What somebody added to our Ingress is not ours to take away.
        mend="" if covered or not named else _without_default(sides),
    )


def _without_default(sides: Sides) -> str:
    remove = json.dumps([{"op": "remove", "path": "/spec/defaultBackend"}])
    name = names.ingress(sides.config.release)
    return f"Take it away: kubectl -n {sides.config.namespace} patch ingress {name} --type=json -p '{remove}'"


def _of_ingress(sides: Sides, ingress: Resource) -> list[str]:
    return sorted(
        f"{rule.get('host') or '*'}{_path(path)} → {_backend(sides, path.get('backend') or {})}"
        for rule in ingress["spec"].get("rules") or []
        for path in (rule.get("http") or {}).get("paths") or []
    )


def _path(path: Resource) -> str:
    """The path as a URL map has it; of a kind that we do not write, as it is (ingress-gce pkg/translator)."""
    written, kind = str(path.get("path") or ""), path.get("pathType")
    if written == "/" and kind == "Prefix":
        return "/*"
    return written if kind == "ImplementationSpecific" else f"{written} ({kind})"


def _backend(sides: Sides, backend: Resource) -> str:
    service = backend.get("service") or {}
    port = service.get("port") or {}
    milvus = status.milvus_port(sides.cluster.service or {})
    number = milvus.number if milvus and port.get("name") == milvus.name else port.get("number", port.get("name"))
    return f"{sides.config.namespace}/{service.get('name', '')}:{number}"


def _of_url_map(sides: Sides, url_map: Resource) -> list[str]:
    matchers = {matcher["name"]: matcher for matcher in url_map.get("pathMatchers") or []}
    found = []
    for rule in url_map.get("hostRules") or []:
        for path_rule in (matchers.get(rule.get("pathMatcher")) or {}).get("pathRules") or []:
            name, port = sides.service_behind(status.tail(str(path_rule.get("service", ""))))
            target = f"{name}:{port}" if port else name
            found += [f"{host}{path} → {target}" for host in rule["hosts"] for path in path_rule["paths"]]
    return sorted(found)


def _frontend_config(sides: Sides) -> str:
    return f"frontendconfig {sides.config.namespace}/{names.frontend_config(sides.config.release)}"
