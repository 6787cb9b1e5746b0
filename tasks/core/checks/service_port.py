"""From the Ingress to the port of Milvus: what decides the protocol, the NEG and the BackendConfig of the backend.

Source: ingress-gce pkg/annotations/service.go, pkg/controller/translator/translator.go; gke.md §2.1, §2.5, §6.4.
"""

import json
from collections.abc import Iterator

from tasks.core import annotations, names, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, annotate, kubectl, named
from tasks.core.checks.references import (
    InvalidAnnotation,
    app_protocols,
    backend_configs,
    backends,
    find_port,
    neg_for_ingress,
)
from tasks.core.status import ServicePort


def checks(facts: Facts) -> Iterator[Check]:
    """Every check of the Service's port; none where the Service or its port is missing, which is told elsewhere."""
    service, port = facts.service, facts.port
    yield from _ingress_ports(facts)
    if service is None or port is None:
        return
    yield from _protocol(service, port)
    yield _neg(service)
    yield _backend_config_of_port(service, port, names.backend_config(facts.config.release))


def _ingress_ports(facts: Facts) -> Iterator[Check]:
    ingress = facts.ingress
    if ingress is None:
        return
    name, place, leads = "IngressPortCheck", named(ingress), []
    for backend in backends(ingress):
        service = facts.objects.get("Service", facts.namespace, backend.service)
        if service is None:
            continue  # ServiceExistenceCheck says so
        if find_port(service, backend) is None:
            seen = f"names port {backend.port} of service {backend.service}, which has {_ports(service)}"
            mend = "Name the Service's own port, not its targetPort: " + kubectl("edit", ingress)
            if service is facts.service and facts.port is None:
                apply = f"get manifest {facts.config.release} | kubectl -n {facts.namespace} apply -f -"
                mend = f"The Service has lost it; as the release has it: helm -n {facts.namespace} {apply}"
            yield failed(name, place, seen, mend, layer="ingress")
            return
        leads.append(f"{backend.service}:{backend.port}")
    if leads:
        yield passed(name, place, f"leads to {', '.join(dict.fromkeys(leads))}", layer="ingress")


def _protocol(service: Object, port: ServicePort) -> Iterator[Check]:
    place, marks = named(service), status.marks(service)
    keyed, http2 = "AppProtocolPortNameCheck", "AppProtocolHttp2Check"
    right = f'{{"{port.name}":"HTTP2"}}'
    mend = f"Set it: {annotate(service, annotations.APP_PROTOCOLS, right)}"
    yield (shadow := _shadow(service, port))
    if shadow.mend:
        yield skipped(keyed, place, f"{annotations.ALPHA_APP_PROTOCOLS} decides")
        return
    try:
        found = app_protocols(service)
    except InvalidAnnotation as error:
        yield failed(keyed, place, str(error), mend)
        return
    if found is None:
        seen = f"has no annotation {annotations.APP_PROTOCOLS}: the load balancer would speak HTTP/1.1 to a gRPC server"
        yield failed(keyed, place, seen, mend)
        return
    key, protocols = found
    if port.name not in protocols:
        seen = (
            f"{key} names {', '.join(protocols) or 'no port'}, and the Milvus port is {port.name}: "
            f"GKE ignores it without a word and speaks HTTP/1.1 ({marks[key]})"
        )
        yield failed(keyed, place, seen, mend)
        return
    yield passed(keyed, place, f"{key} names port {port.name}")
    protocol = protocols[port.name]
    if protocol == "HTTP2":
        yield passed(http2, place, f"port {port.name} is {protocol}")
    else:
        yield failed(http2, place, f"port {port.name} is {protocol}, and gRPC needs HTTP2 on both hops", mend)


def _shadow(service: Object, port: ServicePort) -> Check:
    """The alpha key is looked at first, so that it hides what the newer one says (pkg/annotations/service.go)."""
    name, place, marks = "AppProtocolShadowCheck", named(service), status.marks(service)
    if annotations.ALPHA_APP_PROTOCOLS not in marks:
        return passed(name, place, f"has no annotation {annotations.ALPHA_APP_PROTOCOLS}")
    try:
        found = app_protocols(service)
        if found and found[1].get(port.name) == "HTTP2":
            return passed(name, place, f"{annotations.ALPHA_APP_PROTOCOLS} says HTTP2 for {port.name}, too")
        seen = f"{annotations.ALPHA_APP_PROTOCOLS} is {marks[annotations.ALPHA_APP_PROTOCOLS]}"
    except InvalidAnnotation as error:
        seen = str(error)
    mend = f"Take it away: {annotate(service, annotations.ALPHA_APP_PROTOCOLS, None)}"
    return failed(name, place, f"{seen}; it comes first, and hides {annotations.APP_PROTOCOLS}", mend)


def _neg(service: Object) -> Check:
    name, place = "NegAnnotationCheck", named(service)
    kind = (service.get("spec") or {}).get("type", "ClusterIP")
    mend = f"""Set it: {annotate(service, annotations.NEG, '{"ingress":true}')}"""
    try:
        on = neg_for_ingress(service)
    except InvalidAnnotation as error:
        return failed(name, place, f"{error}; GKE takes it for off", mend)
    if on:
        return passed(name, place, f"{annotations.NEG} is on")
    seen = f"has no annotation {annotations.NEG}" if on is None else f"{annotations.NEG} does not say ingress: true"
    if kind == "ClusterIP":
        return failed(name, place, f"is of type ClusterIP and {seen}: the Ingress is refused", mend)
    return failed(name, place, f"{seen}: calls would go by the nodes, where port 9091 cannot be asked", mend)


def _backend_config_of_port(service: Object, port: ServicePort, ours: str) -> Check:
    name, place = "BackendConfigPortCheck", named(service)
    try:
        found = backend_configs(service)
    except InvalidAnnotation:
        return skipped(name, place, "the annotation cannot be read, see BackendConfigAnnotationCheck")
    config = found.of_port(port.name, port.number) if found else ""
    if config:
        return passed(name, place, f"backendconfig {config} serves port {port.name}")
    named_ports = ", ".join((found.ports or {}) if found else {}) or "no port"
    seen = f"{annotations.BACKEND_CONFIG} names a BackendConfig for {named_ports}, none for {port.name}"
    if found is None:
        seen = f"has no annotation {annotations.BACKEND_CONFIG}"
    mend = f"Set it: {annotate(service, annotations.BACKEND_CONFIG, json.dumps({'default': ours}))}"
    return failed(name, place, f"{seen}: calls are cut at 30 s and the health check asks the wrong port", mend)


def _ports(service: Object) -> str:
    ports = (service.get("spec") or {}).get("ports") or []
    return ", ".join(f"{port.get('name', '')}:{port['port']}".lstrip(":") for port in ports) or "none"
