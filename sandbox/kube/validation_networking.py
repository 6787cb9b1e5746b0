"""Validation of Services and Ingresses (`pkg/apis/core/validation`, `pkg/apis/networking/validation`)."""

import ipaddress
from typing import Any

from sandbox.kube import names
from sandbox.kube.errors import Cause
from sandbox.kube.names import duplicate, invalid, required, unsupported

Object = dict[str, Any]

_HIGHEST_PORT = 65535
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def service(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    found: list[Cause] = []
    if spec.get("type") not in _SERVICE_TYPES:
        return [unsupported("spec.type", spec.get("type"), *_SERVICE_TYPES)]
    ports = spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and spec["type"] != "ExternalName":
        found.append(required("spec.ports"))
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        found.append(required("spec.externalName"))
    if headless and spec["type"] in ("NodePort", "LoadBalancer"):
        text = f"may not be set to 'None' for {spec['type']} services"
        found.append(invalid("spec.clusterIPs[0]", ["None"], text))
    for index, port in enumerate(ports):
        found += _service_port(port, f"spec.ports[{index}]", named=len(ports) > 1)
    found += _repeated_ports(ports)
    for name in spec.get("selector") or {}:
        if fault := names.qualified(name):
            found.append(invalid("spec.selector", name, fault))
    return found


def _service_port(port: Object, path: str, *, named: bool) -> list[Cause]:
    found: list[Cause] = []
    name = port.get("name") or ""
    if named and not name:
        found.append(required(f"{path}.name"))
    elif name and (fault := names.label(name)):
        found.append(invalid(f"{path}.name", name, fault))
    found += _port_number(port.get("port", 0), f"{path}.port")
    if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
        found.append(unsupported(f"{path}.protocol", port.get("protocol"), "SCTP", "TCP", "UDP"))
    target = port.get("targetPort")
    if isinstance(target, int):
        found += _port_number(target, f"{path}.targetPort")
    return found


def _repeated_ports(ports: list[Object]) -> list[Cause]:
    found: list[Cause] = []
    seen_names: set[str] = set()
    seen: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        name, key = port.get("name") or "", (port.get("port", 0), port.get("protocol", ""))
        if name and name in seen_names:
            found.append(duplicate(f"spec.ports[{index}].name", name))
        if key in seen:
            found.append(duplicate(f"spec.ports[{index}]", {"protocol": key[1], "port": key[0]}))
        seen_names.add(name)
        seen.add(key)
    return found


def _port_number(number: int, path: str) -> list[Cause]:
    if 1 <= number <= _HIGHEST_PORT:
        return []
    return [invalid(path, number, "must be between 1 and 65535, inclusive")]


def service_update(new: Object, old: Object) -> list[Cause]:
    spec, before = new["spec"], old["spec"]
    if "ExternalName" in (spec.get("type"), before.get("type")) or not before.get("clusterIP"):
        return []
    if spec.get("clusterIP") == before["clusterIP"]:
        return []
    return [invalid("spec.clusterIPs[0]", [spec.get("clusterIP") or ""], "may not change once set")]


def ingress(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    found: list[Cause] = []
    if not spec.get("rules") and not spec.get("defaultBackend"):
        found.append(invalid("spec", [], "either `defaultBackend` or `rules` must be specified"))
    if backend := spec.get("defaultBackend"):
        found += _backend(backend, "spec.defaultBackend")
    for index, tls in enumerate(spec.get("tls") or []):
        for position, host in enumerate(tls.get("hosts") or []):
            if fault := _host_rule(host):
                found.append(invalid(f"spec.tls[{index}].hosts[{position}]", host, fault))
    for index, rule in enumerate(spec.get("rules") or []):
        found += _rule(rule, f"spec.rules[{index}]")
    if (name := spec.get("ingressClassName")) is not None and (fault := names.subdomain(name)):
        found.append(invalid("spec.ingressClassName", name, fault))
    legacy = (obj["metadata"].get("annotations") or {}).get("kubernetes.io/ingress.class")
    if legacy and spec.get("ingressClassName") and not obj["metadata"].get("uid"):
        text = "can not be set when the class field is also set"
        path = "annotations.kubernetes.io/ingress.class"
        found.append(invalid(path, legacy, text))
    return found


def _rule(rule: Object, path: str) -> list[Cause]:
    found: list[Cause] = []
    host = rule.get("host") or ""
    if host and _is_address(host):
        found.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
    elif host and (fault := _host_rule(host)):
        found.append(invalid(f"{path}.host", host, fault))
    if "http" not in rule:
        return found
    paths = (rule["http"] or {}).get("paths") or []
    if not paths:
        found.append(required(f"{path}.http.paths"))
    for index, each in enumerate(paths):
        found += _path(each, f"{path}.http.paths[{index}]")
    return found


def _path(each: Object, path: str) -> list[Cause]:
    kind, value = each.get("pathType"), each.get("path") or ""
    found: list[Cause] = []
    if kind is None:
        found.append(required(f"{path}.pathType", "pathType must be specified"))
    elif kind not in _PATH_TYPES:
        found.append(unsupported(f"{path}.pathType", kind, *_PATH_TYPES))
    elif kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            found.append(invalid(f"{path}.path", value, "must be an absolute path"))
    elif not value.startswith("/"):
        found.append(invalid(f"{path}.path", value, "must be an absolute path"))
    else:
        wrong = [part for part in ("//", "/./", "/../", "%2f", "%2F") if part in value]
        found += [invalid(f"{path}.path", value, f"must not contain '{part}'") for part in wrong]
    return found + _backend(each.get("backend") or {}, f"{path}.backend")


def _backend(backend: Object, path: str) -> list[Cause]:
    target, resource = backend.get("service"), backend.get("resource")
    if target and resource:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource:
        return []
    if not target:
        return [required(path, "must specify a service or resource backend")] if not backend else []
    found: list[Cause] = []
    name, port = target.get("name") or "", target.get("port") or {}
    if not name:
        found.append(required(f"{path}.service.name"))
    elif fault := names.label_1035(name):
        found.append(invalid(f"{path}.service.name", name, fault))
    if port.get("name") and port.get("number"):
        found.append(invalid(path, "", "cannot set both port name & port number"))
    elif port.get("number"):
        found += _port_number(port["number"], f"{path}.service.port.number")
    elif not port.get("name"):
        found.append(required(path, "port name or number is required"))
    return found


def _host_rule(host: str) -> str | None:
    return names.wildcard_subdomain(host) if "*" in host else names.subdomain(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
