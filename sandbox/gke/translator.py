"""From an Ingress, its Services and BackendConfigs to the URL map it means. Pure: objects come from a lookup.

All errors of all rules are collected; one of them is enough to stop the sync. Source: ingress-gce
pkg/controller/translator/translator.go, pkg/controller/errors/errors.go, pkg/utils (GCEURLMap, ServicePortID).
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.gke import annotations
from sandbox.gke.annotations import InvalidAnnotation
from sandbox.gke.backend_config import InvalidBackendConfig, checked_spec
from sandbox.gke.namer import ClusterNamer

Json = dict[str, Any]

SYSTEM_DEFAULT_BACKEND = ("kube-system", "default-http-backend", "http")
"""Namespace, Service and port name of what answers 404 when an Ingress names no default backend."""


class Cluster(Protocol):
    """The objects of a cluster, by namespace and name."""

    def service(self, namespace: str, name: str) -> Json | None: ...

    def backend_config(self, namespace: str, name: str) -> Json | None: ...

    def secret(self, namespace: str, name: str) -> Json:
        """Raises LookupError with the API server's text when there is none."""


class TranslationError(Exception):
    """One thing wrong with an Ingress; `port` is what is known of the Service port in spite of it."""

    def __init__(self, message: str, port: "ServicePort | None" = None) -> None:
        super().__init__(message)
        self.port = port


@dataclass(frozen=True)
class PortReference:
    """A backend's port as the Ingress names it."""

    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        # Go's own print of networking/v1 ServiceBackendPort, which is what users get to see.
        return f"&ServiceBackendPort{{Name:{self.name},Number:{self.number},}}"


@dataclass(frozen=True)
class ServicePort:
    """A Service port as load balancer backend: one backend service, shared by all Ingresses that use it."""

    namespace: str
    service: str
    port: int
    port_name: str = ""
    target_port: int | str = 0
    node_port: int = 0
    neg_enabled: bool = False
    protocol: str = "HTTP"
    backend_config: Json | None = field(default=None, hash=False)
    """The spec of its BackendConfig, checked."""

    def backend_name(self, namer: ClusterNamer) -> str:
        """Name of the backend service, of the health check and, with NEGs, of the NEG."""
        if self.neg_enabled:
            return namer.neg(self.namespace, self.service, self.port)
        return namer.instance_group_backend(self.node_port)

    @property
    def is_system_default(self) -> bool:
        return (self.namespace, self.service) == SYSTEM_DEFAULT_BACKEND[:2]

    @property
    def features(self) -> list[str]:
        """What pkg/backends/features calls the features of a port, in its order."""
        return [name for name, on in (("HTTP2", self.protocol == "HTTP2"), ("NEG", self.neg_enabled)) if on]


@dataclass
class UrlMap:
    """Hosts to paths to Service ports."""

    default_backend: ServicePort | None = None
    hosts: dict[str, list[tuple[str, ServicePort]]] = field(default_factory=dict)

    def put(self, host: str, rules: list[tuple[str, ServicePort]]) -> None:
        """A host given twice keeps only its later rules, and a path given twice its later backend."""
        self.hosts.pop(host, None)
        self.hosts[host] = list(dict(rules).items())

    def service_ports(self) -> list[ServicePort]:
        """Every port once, the default backend's first."""
        ports = {(p.namespace, p.service, p.port): p for rules in self.hosts.values() for _, p in rules}
        if self.default_backend is not None:
            default = self.default_backend
            ports = {(default.namespace, default.service, default.port): default} | ports
        return list(ports.values())


def translate(ingress: Json, cluster: Cluster) -> tuple[UrlMap, list[str]]:
    """The URL map as far as it can be made, and everything that is wrong."""
    url_map, errors = UrlMap(), list[str]()
    namespace, spec = ingress["metadata"]["namespace"], ingress.get("spec") or {}
    for rule in spec.get("rules") or []:
        if rule.get("http") is None:
            continue
        rules: list[tuple[str, ServicePort]] = []
        for path in rule["http"].get("paths") or []:
            port = _collect(path["backend"], namespace, cluster, errors)
            if port is not None:
                rules += _paths(path, port, errors)
        url_map.put(rule.get("host") or "*", rules)
    if spec.get("defaultBackend"):
        before = len(errors)
        port = _collect(spec["defaultBackend"], namespace, cluster, errors)
        url_map.default_backend = port if len(errors) == before else None
    else:
        url_map.default_backend = _system_default(cluster, errors)
    return url_map, errors


def _collect(backend: Json, namespace: str, cluster: Cluster, errors: list[str]) -> ServicePort | None:
    reference = backend.get("service")
    if not reference:
        errors.append("Ingress Backend is not a Service")
        return None
    port = reference.get("port") or {}
    try:
        wanted = PortReference(port.get("name") or "", port.get("number") or 0)
        return service_port(namespace, reference["name"], wanted, cluster)
    except TranslationError as error:
        errors.append(str(error))
        return error.port


def _paths(path: Json, port: ServicePort, errors: list[str]) -> list[tuple[str, ServicePort]]:
    try:
        return [(each or "/*", port) for each in url_paths(path.get("path") or "", path.get("pathType"))]
    except TranslationError as error:
        errors.append(str(error))
        return []


def _system_default(cluster: Cluster, errors: list[str]) -> ServicePort | None:
    namespace, name, port = SYSTEM_DEFAULT_BACKEND
    reference = PortReference(name=port)
    try:
        return service_port(namespace, name, reference, cluster)
    except TranslationError as error:
        key = f"{namespace}/{name}"
        errors.append(f'failed to retrieve the system default backend service "{key}" with port "{reference}": {error}')
        return None


def url_paths(path: str, path_type: str | None) -> list[str]:
    """The URL map's paths for an Ingress path; an empty one means all paths.

    >>> url_paths("/foo/", "Prefix")
    ['/foo', '/foo/*']
    >>> url_paths("/", "ImplementationSpecific")
    ['/']

    Raises:
        TranslationError: the path does not fit its type.
    """
    if path_type in (None, "", "ImplementationSpecific"):
        return [path]
    if path_type not in ("Exact", "Prefix"):
        raise TranslationError(f"unsupported path type: {path_type}")
    kind = path_type.lower()
    if path == "":
        raise TranslationError(f"failed to validate {kind} path type due to empty path")
    if path_type == "Prefix" and path == "/":
        return ["/*"]
    if "*" in path:
        raise TranslationError(f"failed to validate {kind} path {path} due to invalid wildcard")
    if path_type == "Exact":
        return [path]
    return [path.removesuffix("/"), path.removesuffix("/") + "/*"]


def service_port(namespace: str, name: str, reference: PortReference, cluster: Cluster) -> ServicePort:
    """What a backend reference stands for.

    Raises:
        TranslationError: Service or port missing, unusable type, or an annotation that cannot be followed.
    """
    key = f"{namespace}/{name}"
    service = cluster.service(namespace, name)
    if service is None:
        raise TranslationError(f'could not find service "{key}"')
    spec = service["spec"]
    port = _find_port(spec.get("ports") or [], reference)
    if port is None:
        raise TranslationError(f'could not find port "{reference}" in service "{key}"')
    neg_enabled, kind = annotations.neg_for_ingress(service), spec.get("type", "ClusterIP")
    if not neg_enabled and kind not in ("NodePort", "LoadBalancer"):
        raise TranslationError(
            f'service "{key}" is type "{kind}", expected "NodePort" or "LoadBalancer" when not using NEGs'
        )
    fields: Json = {
        "namespace": namespace,
        "service": name,
        "port": port["port"],
        "port_name": port.get("name") or "",
        "target_port": port.get("targetPort") or port["port"],
        "node_port": port.get("nodePort") or 0,
        "neg_enabled": neg_enabled,
    }
    fields["protocol"] = _protocol(service, ServicePort(**fields))
    fields["backend_config"] = _backend_config(service, reference, ServicePort(**fields), cluster)
    return ServicePort(**fields)


def _find_port(ports: list[Json], reference: PortReference) -> Json | None:
    for port in ports:
        if reference.name and port.get("name") == reference.name:
            return port
        if not reference.name and port["port"] == reference.number:
            return port
    return None


def _protocol(service: Json, port: ServicePort) -> str:
    try:
        return annotations.app_protocols(service).get(port.port_name, "HTTP")
    except InvalidAnnotation as error:
        # The text names the alpha key, also when the other one is at fault.
        raise TranslationError(
            f'could not parse "{annotations.APP_PROTOCOLS_ALPHA}" annotation on service '
            f'"{port.namespace}/{port.service}", err: {error}',
            port,
        ) from error


def _backend_config(service: Json, reference: PortReference, port: ServicePort, cluster: Cluster) -> Json | None:
    try:
        name = annotations.backend_config_name(service, port.port_name, port.port)
        if not name:
            return None
        config = cluster.backend_config(port.namespace, name)
        if config is None:
            raise InvalidAnnotation("no BackendConfig for service port exists.")
    except InvalidAnnotation as error:
        key = f"{port.namespace}/{port.service}"
        raise TranslationError(
            f'error getting BackendConfig for port "{reference}" on service "{key}", err: {error}', port
        ) from error
    try:
        return checked_spec(config, cluster.secret)
    except InvalidBackendConfig as error:
        raise TranslationError(f"BackendConfig {port.namespace}/{name} is not valid: {error}", port) from error
