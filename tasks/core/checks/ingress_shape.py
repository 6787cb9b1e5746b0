"""The Ingress itself: who serves it, which hosts and paths lead to Milvus, and what ports 80 and 443 do.

Source: ingress-gce pkg/utils/utils.go (class), pkg/translator and pkg/controller/translator (paths), pkg/annotations;
gke.md §2.3, §4.2, §6.4, §6.6, §6.8.
"""

from collections.abc import Iterator

from tasks.core import annotations, names, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, annotate, kubectl, named
from tasks.core.checks.references import Backend, backends, names_in
from tasks.core.config import HttpMode

_CALL = "/milvus.proto.milvus.MilvusService/Search"
"""Path of a gRPC call, which a rule has to let through."""

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_REDIRECT_CODES = ("MOVED_PERMANENTLY_DEFAULT", "FOUND", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT")


def checks(facts: Facts) -> Iterator[Check]:
    """Every check of our Ingress; none where there is none."""
    ingress = facts.ingress
    if ingress is None:
        return
    yield from of_all(facts)
    yield _hosts(facts, ingress)
    yield _paths(facts, ingress)
    yield _tls_secret_names(ingress)
    yield _tls(ingress)
    yield _allow_http(ingress)
    yield _static_ip(ingress)
    yield _redirect(facts, ingress)


def of_all(facts: Facts) -> Iterator[Check]:
    """What goes before everything else that is wrong with an Ingress: whether it stays, and who serves it."""
    if facts.ingress is not None:
        yield _deletion(facts.ingress)
        yield _class(facts.ingress)


def _deletion(ingress: Object) -> Check:
    """GKE keeps an Ingress that was deleted until its load balancer is gone, by a finalizer."""
    name, place, metadata = "IngressDeletionCheck", named(ingress), ingress["metadata"]
    since = metadata.get("deletionTimestamp")
    if not since:
        return passed(name, place, "nobody has deleted it", layer="ingress")
    held = ", ".join(metadata.get("finalizers") or []) or "nothing"
    seen = f"was deleted at {since} and is held by {held}: its load balancer goes with it"
    mend = (
        f"See what keeps it, then make it again by milvus-l7 provision: {kubectl('describe', ingress)}. No events at "
        "all mean that no controller is at work: is the HttpLoadBalancing add-on on?"
    )
    return failed(name, place, seen, mend, layer="ingress")


def _class(ingress: Object) -> Check:
    name, place = "IngressClassCheck", named(ingress)
    class_ = status.marks(ingress).get(annotations.INGRESS_CLASS, "")
    field = (ingress.get("spec") or {}).get("ingressClassName") or ""
    if class_ not in ("", "gce"):
        seen = f"has class {class_}, so another controller serves it"
        if class_ == "gce-internal":
            seen = f"has class {class_}, for which GKE builds a load balancer inside of the network alone"
        mend = f"Remove it, or give it to GKE: {annotate(ingress, annotations.INGRESS_CLASS, 'gce')}"
        return failed(name, place, seen, mend, layer="ingress")
    if field and class_ != "gce":
        seen = f"has spec.ingressClassName {field}, which makes GKE ignore it without a word"
        patch = """--type=json -p '[{"op":"remove","path":"/spec/ingressClassName"}]'"""
        return failed(name, place, seen, f"Remove the field: {kubectl('patch', ingress, patch)}", layer="ingress")
    return passed(name, place, f"is GKE's by {'its annotation' if class_ else 'having no class'}", layer="ingress")


def _hosts(facts: Facts, ingress: Object) -> Check:
    """A call whose host has no rule is answered 404 by the default backend, which gRPC shows as UNIMPLEMENTED."""
    name, place, service = "IngressHostCheck", named(ingress), names.service(facts.config.release)
    served = {backend.host or "*" for backend in _to(service, ingress)}
    missing = [domain for domain in facts.config.domains if not _host_serves(domain, served)]
    if not missing:
        return passed(name, place, f"serves {', '.join(sorted(served))}", layer="ingress")
    hosts = ", ".join(sorted(served)) or "none"
    seen = f"has no rule that leads {', '.join(missing)} to service {service}; it serves {hosts}"
    return failed(name, place, seen, f"Give it one: {kubectl('edit', ingress)}", layer="ingress")


def _host_serves(domain: str, hosts: set[str]) -> bool:
    return bool(hosts & {"*", domain, f"*.{domain.partition('.')[2]}"})


def _paths(facts: Facts, ingress: Object) -> Check:
    name, place = "IngressPathCheck", named(ingress)
    found = [backend for backend in _to(names.service(facts.config.release), ingress) if not backend.is_default]
    mend = f"Set path / with pathType Prefix: {kubectl('edit', ingress)}"
    if faults := [fault for backend in found if (fault := _path_fault(backend))]:
        return failed(name, place, "; ".join(faults), mend, layer="ingress")
    for host in {backend.host for backend in found}:
        paths = [backend for backend in found if backend.host == host]
        if not any(_matches(backend) for backend in paths):
            told = ", ".join(
                f"{backend.path or '(empty)'} {backend.path_type or 'without a type'}" for backend in paths
            )
            seen = f"no path of host {host or '*'} lets a gRPC call such as {_CALL} through: {told}"
            return failed(name, place, seen, mend, layer="ingress")
    if not found:
        return skipped(name, place, "no rule leads to Milvus", layer="ingress")
    return passed(name, place, "gRPC calls get through", layer="ingress")


def _path_fault(backend: Backend) -> str:
    """Why the controller refuses the path; empty when it does not."""
    kind, path = backend.path_type or "ImplementationSpecific", backend.path
    if kind not in ("Prefix", "Exact", "ImplementationSpecific"):
        return f"pathType {kind} is not supported"
    if kind != "ImplementationSpecific" and not path:
        return f"a path of type {kind} is empty"
    if kind != "ImplementationSpecific" and "*" in path:
        return f"path {path} of type {kind} has a *, which is for ImplementationSpecific alone"
    return ""


def _matches(backend: Backend) -> bool:
    """Whether the URL map's paths, as the controller makes them, take a gRPC call."""
    path = backend.path
    match backend.path_type or "ImplementationSpecific":
        case "Prefix":
            return path == "/" or f"{_CALL}/".startswith(f"{path.rstrip('/')}/")
        case "Exact":
            return path == _CALL
    # Literal, so that "/" is nothing but "/"; empty means all.
    return path in ("", _CALL) or (path.endswith("/*") and _CALL.startswith(path[:-1]))


def _tls_secret_names(ingress: Object) -> Check:
    name, place = "TlsSecretNameCheck", named(ingress)
    entries = (ingress.get("spec") or {}).get("tls") or []
    if not all(entry.get("secretName") for entry in entries):
        seen = "an entry of spec.tls names no Secret; GKE then builds no load balancer at all"
        mend = f"Give it a secretName, or remove it: {kubectl('edit', ingress)}"
        return failed(name, place, seen, mend, layer="certificate")
    return passed(name, place, "every entry of spec.tls names a Secret", layer="certificate")


def _tls(ingress: Object) -> Check:
    name, place = "IngressTlsCheck", named(ingress)
    if certificates := _certificates(ingress):
        return passed(name, place, f"port 443 is served with {', '.join(certificates)}", layer="ingress")
    if not _allows_http(ingress):
        return skipped(name, place, "see AllowHttpCheck", layer="ingress")
    seen = "has no certificate (spec.tls, managed-certificates or pre-shared-cert), so that nothing serves port 443"
    return failed(name, place, seen, f"Name one: {kubectl('edit', ingress)}", layer="ingress")


def _allow_http(ingress: Object) -> Check:
    name, place = "AllowHttpCheck", named(ingress)
    said = status.marks(ingress).get(annotations.ALLOW_HTTP)
    if not _allows_http(ingress) and not _certificates(ingress):
        seen = f"{annotations.ALLOW_HTTP} is {said} and there is no certificate, so that both HTTP and HTTPS are off"
        return failed(name, place, seen, f"Name a certificate: {kubectl('edit', ingress)}", layer="ingress")
    if said is not None and said not in (*_TRUE, *_FALSE):
        mend = f"Say true or false: {annotate(ingress, annotations.ALLOW_HTTP, 'true')}"
        seen = f"{annotations.ALLOW_HTTP} is {said!r}, which GKE takes for true"
        return failed(name, place, seen, mend, layer="ingress", blocks=False)
    return passed(name, place, f"port 80 is {'on' if _allows_http(ingress) else 'off'}", layer="ingress")


def _static_ip(ingress: Object) -> Check:
    name, place, marks = "StaticIpAnnotationCheck", named(ingress), status.marks(ingress)
    regional, global_ = marks.get(annotations.REGIONAL_STATIC_IP_NAME), marks.get(annotations.STATIC_IP_NAME)
    if regional:
        mend = f"Take it away: {annotate(ingress, annotations.REGIONAL_STATIC_IP_NAME, None)}"
        seen = f"names the regional address {regional}, which an external Ingress cannot have"
        if global_:
            seen = f"names a global address, {global_}, and a regional one, {regional}: GKE refuses both together"
        return failed(name, place, seen, mend, layer="ingress")
    if global_:
        return passed(name, place, f"asks for address {global_}", layer="ingress")
    if promoted := marks.get(annotations.STATIC_IP):
        return passed(name, place, f"keeps address {promoted}, which GKE reserved for it", layer="ingress")
    mend = f"Name a reserved one: {annotate(ingress, annotations.STATIC_IP_NAME, 'NAME')}"
    seen = "names no static address; the one it gets is lost when a forwarding rule is made anew"
    return failed(name, place, seen, mend, layer="ingress", blocks=False)


def _redirect(facts: Facts, ingress: Object) -> Check:
    name, place = "RedirectCheck", named(ingress)
    wanted = facts.config.http is HttpMode.REDIRECT
    on, code = _redirects(facts.frontend_config)
    if on and not _allows_http(ingress):
        seen = f"the FrontendConfig redirects port 80, and {annotations.ALLOW_HTTP} switches it off"
        mend = f"Switch it on: {annotate(ingress, annotations.ALLOW_HTTP, 'true')}"
        return failed(name, place, seen, mend, layer="ingress")
    if on and code and code not in _REDIRECT_CODES:
        seen = f"redirectToHttps.responseCodeName is {code}, none of {', '.join(_REDIRECT_CODES)}"
        return failed(name, place, seen, f"Name one of them: {kubectl('edit', facts.frontend_config or ingress)}")
    if not on and _allows_http(ingress):
        seen = "port 80 is open and nothing redirects it to HTTPS"
        mend = "Make a FrontendConfig with redirectToHttps.enabled, or switch port 80 off: " + annotate(
            ingress, annotations.ALLOW_HTTP, "false"
        )
        return failed(name, place, seen, mend, layer="ingress", blocks=False)
    seen = "port 80 redirects to HTTPS" if on else "port 80 is off"
    if wanted and not on:
        mend = f"Switch it on: {annotate(ingress, annotations.ALLOW_HTTP, 'true')}"
        return failed(name, place, f"{seen}, and a redirect was asked for", mend, layer="ingress", blocks=False)
    return passed(name, place, seen, layer="ingress")


def _redirects(frontend_config: Object | None) -> tuple[bool, str]:
    redirect = ((frontend_config or {}).get("spec") or {}).get("redirectToHttps") or {}
    return bool(redirect.get("enabled")), str(redirect.get("responseCodeName") or "")


def _to(service: str, ingress: Object) -> list[Backend]:
    return [backend for backend in backends(ingress) if backend.service == service]


def _allows_http(ingress: Object) -> bool:
    """Go's strconv.ParseBool; what it does not understand counts as true."""
    return status.marks(ingress).get(annotations.ALLOW_HTTP, "") not in _FALSE


def _certificates(ingress: Object) -> list[str]:
    """Every certificate the Ingress names, of whatever kind."""
    marks, entries = status.marks(ingress), (ingress.get("spec") or {}).get("tls") or []
    return [
        *(f"sslCertificates/{name}" for name in names_in(marks.get(annotations.PRE_SHARED_CERT, ""))),
        *(f"managedcertificate {name}" for name in names_in(marks.get(annotations.MANAGED_CERTIFICATES, ""))),
        *(f"secret {entry['secretName']}" for entry in entries if entry.get("secretName")),
    ]
