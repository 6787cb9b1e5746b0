"""The ten rules of check-gke-ingress, Google's offline linter, under their own names and with their own conditions.

Source: ingress-gce cmd/check-gke-ingress/app/ingress (rule.go, ingress.go); gke.md §7. What the rules do not see stands
in the modules beside this one.
"""

from collections.abc import Iterable, Iterator

from tasks.core import annotations, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.objects import Object, Objects, annotate, kubectl, named, resource
from tasks.core.checks.references import (
    PROTOCOLS,
    InvalidAnnotation,
    app_protocols,
    backend_configs,
    neg_for_ingress,
    service_names,
)

RULES = (
    "IngressRuleCheck",
    "L7ILBFrontendConfigCheck",
    "RuleHostOverwriteCheck",
    "FrontendConfigExistenceCheck",
    "ServiceExistenceCheck",
    "BackendConfigAnnotationCheck",
    "AppProtocolAnnotationCheck",
    "L7ILBNegAnnotationCheck",
    "BackendConfigExistenceCheck",
    "HealthCheckTimeoutCheck",
)
"""Their names, in the order in which the program runs them."""

_INTERNAL = "gce-internal"


def lint(documents: Iterable[Object]) -> list[Check]:
    """What the program says of every Ingress among these objects, each of which has its kind."""
    objects = Objects.of(documents)
    return [check for ingress in objects.all("Ingress") for check in of_ingress(ingress, objects)]


def of_ingress(ingress: Object, objects: Objects) -> Iterator[Check]:
    """The ten rules for one Ingress and all that it leads to."""
    yield _ingress_rule(ingress)
    yield _internal_frontend_config(ingress)
    yield _rule_host_overwrite(ingress)
    if annotations.FRONTEND_CONFIG in status.marks(ingress):
        yield _frontend_config_existence(ingress, objects)
    for name in service_names(ingress):
        yield from _of_service(ingress, name, objects)


def _of_service(ingress: Object, name: str, objects: Objects) -> Iterator[Check]:
    namespace = ingress["metadata"].get("namespace", "")
    place = resource("Service", namespace, name)
    service = objects.get("Service", namespace, name)
    if service is None:
        mend = f"Lead the Ingress to one that is there: {_list(namespace, 'services')}; {kubectl('edit', ingress)}"
        yield failed("ServiceExistenceCheck", place, _absence("Service", objects), mend)
        for rule in ("BackendConfigAnnotationCheck", "AppProtocolAnnotationCheck", "L7ILBNegAnnotationCheck"):
            yield skipped(rule, place, "the Service does not exist")
        return
    yield passed("ServiceExistenceCheck", place, "exists")
    yield _backend_config_annotation(service)
    yield _app_protocol_annotation(service)
    yield _internal_neg_annotation(ingress, service)
    try:
        configs = backend_configs(service)
    except InvalidAnnotation:
        return
    for config in configs.all if configs else []:
        yield from _of_backend_config(namespace, config, name, objects)


def _ingress_rule(ingress: Object) -> Check:
    name, place = "IngressRuleCheck", named(ingress)
    without = [rule.get("host") or "*" for rule in _rules(ingress) if rule.get("http") is None]
    if not without:
        return passed(name, place, "every rule has the field http", layer="ingress")
    seen = f"the rule of host {', '.join(without)} has no field http"
    return failed(name, place, seen, f"Give it its paths: {kubectl('edit', ingress)}", layer="ingress")


def _internal_frontend_config(ingress: Object) -> Check:
    name, place = "L7ILBFrontendConfigCheck", named(ingress)
    if not _is_internal(ingress):
        return skipped(name, place, "the Ingress is not for an internal load balancer", layer="ingress")
    if annotations.FRONTEND_CONFIG not in status.marks(ingress):
        return passed(name, place, "names no FrontendConfig", layer="ingress")
    mend = f"Take it away: {annotate(ingress, annotations.FRONTEND_CONFIG, None)}"
    return failed(name, place, "an internal load balancer takes no FrontendConfig", mend, layer="ingress")


def _rule_host_overwrite(ingress: Object) -> Check:
    name, place = "RuleHostOverwriteCheck", named(ingress)
    hosts = [rule.get("host") or "*" for rule in _rules(ingress)]
    twice = sorted({host for host in hosts if hosts.count(host) > 1})
    if not twice:
        return passed(name, place, "every host has one rule", layer="ingress")
    seen = f"has more than one rule for {', '.join(twice)}: the later one replaces the earlier"
    return failed(name, place, seen, f"Make one rule of them: {kubectl('edit', ingress)}", layer="ingress")


def _frontend_config_existence(ingress: Object, objects: Objects) -> Check:
    name, namespace = "FrontendConfigExistenceCheck", ingress["metadata"].get("namespace", "")
    wanted = status.marks(ingress)[annotations.FRONTEND_CONFIG]
    place = resource("FrontendConfig", namespace, wanted)
    if objects.get("FrontendConfig", namespace, wanted) is not None:
        return passed(name, place, "exists", layer="ingress")
    mend = f"Make it, or name another: {_list(namespace, 'frontendconfigs')}"
    seen = f"{_absence('FrontendConfig', objects)}; {named(ingress)} names it"
    return failed(name, place, seen, mend, layer="ingress")


def _backend_config_annotation(service: Object) -> Check:
    name, place = "BackendConfigAnnotationCheck", named(service)
    mend = f"""Set it: {annotate(service, annotations.BACKEND_CONFIG, '{"default":"NAME"}')}"""
    try:
        configs = backend_configs(service)
    except InvalidAnnotation as error:
        return failed(name, place, str(error), mend)
    if configs is None:
        return skipped(name, place, f"has no annotation {annotations.BACKEND_CONFIG}")
    if not configs.default and configs.ports is None:
        return failed(name, place, f"{annotations.BACKEND_CONFIG} has neither default nor ports", mend)
    return passed(name, place, f"names {', '.join(configs.all) or 'none'}")


def _app_protocol_annotation(service: Object) -> Check:
    name, place = "AppProtocolAnnotationCheck", named(service)
    mend = f"""Set it: {annotate(service, annotations.APP_PROTOCOLS, '{"milvus":"HTTP2"}')}"""
    try:
        found = app_protocols(service)
    except InvalidAnnotation as error:
        return failed(name, place, str(error), mend)
    if found is None:
        return skipped(name, place, f"has no annotation {annotations.APP_PROTOCOLS}")
    key, protocols = found
    if unknown := sorted({value for value in protocols.values() if value not in PROTOCOLS}):
        return failed(name, place, f"{key} says {', '.join(unknown)}, which is none of {', '.join(PROTOCOLS)}", mend)
    return passed(name, place, ", ".join(f"{port} {protocol}" for port, protocol in protocols.items()) or "is empty")


def _internal_neg_annotation(ingress: Object, service: Object) -> Check:
    name, place = "L7ILBNegAnnotationCheck", named(service)
    if not _is_internal(ingress):
        return skipped(name, place, f"{named(ingress)} is not for an internal load balancer")
    mend = f"""Set it: {annotate(service, annotations.NEG, '{"ingress":true}')}"""
    try:
        on = neg_for_ingress(service)
    except InvalidAnnotation as error:
        return failed(name, place, str(error), mend)
    if on:
        return passed(name, place, f"{annotations.NEG} is on")
    seen = f"has no annotation {annotations.NEG}" if on is None else f"{annotations.NEG} does not say ingress: true"
    return failed(name, place, seen, mend)


def _of_backend_config(namespace: str, name: str, service: str, objects: Objects) -> Iterator[Check]:
    place = resource("BackendConfig", namespace, name)
    config = objects.get("BackendConfig", namespace, name)
    if config is None:
        seen = f"{_absence('BackendConfig', objects)}; {resource('Service', namespace, service)} names it"
        mend = _name_another(namespace, service, objects)
        yield failed("BackendConfigExistenceCheck", place, seen, mend)
        yield skipped("HealthCheckTimeoutCheck", place, "the BackendConfig does not exist")
        return
    yield passed("BackendConfigExistenceCheck", place, "exists")
    yield _health_check_timeout(config)


def _name_another(namespace: str, service: str, objects: Objects) -> str:
    """How to name one that is there; with its name where there is but one."""
    there = [str(each["metadata"]["name"]) for each in objects.all("BackendConfig") if _in(namespace, each)]
    found = objects.get("Service", namespace, service)
    if not there or found is None:
        return f"Make it: milvus-l7 provision, or by hand; see what there is: {_list(namespace, 'backendconfigs')}"
    value = f'{{"default":"{there[0] if len(there) == 1 else "NAME"}"}}'
    command = annotate(found, annotations.BACKEND_CONFIG, value)
    return f"Make it, or name one that is there ({', '.join(there)}): {command}"


def _in(namespace: str, document: Object) -> bool:
    return str((document.get("metadata") or {}).get("namespace", "")) == namespace


def _health_check_timeout(config: Object) -> Check:
    name, place = "HealthCheckTimeoutCheck", named(config)
    check = (config.get("spec") or {}).get("healthCheck")
    if check is None:
        return skipped(name, place, "has no healthCheck")
    timeout, interval = check.get("timeoutSec"), check.get("checkIntervalSec")
    if timeout is None or interval is None:
        return skipped(name, place, "does not say both timeoutSec and checkIntervalSec")
    if timeout <= interval:
        return passed(name, place, f"timeoutSec {timeout} is within checkIntervalSec {interval}")
    patch = f"""--type merge -p '{{"spec":{{"healthCheck":{{"timeoutSec":{interval}}}}}}}'"""
    seen = f"healthCheck.timeoutSec {timeout} is above checkIntervalSec {interval}, which Compute refuses"
    return failed(name, place, seen, f"Lower it: {kubectl('patch', config, patch)}")


def _rules(ingress: Object) -> list[Object]:
    return list((ingress.get("spec") or {}).get("rules") or [])


def _is_internal(ingress: Object) -> bool:
    return status.marks(ingress).get(annotations.INGRESS_CLASS) == _INTERNAL


def _absence(kind: str, objects: Objects) -> str:
    why = objects.unread.get(kind)
    return f"cannot be read: {why}" if why else "does not exist"


def _list(namespace: str, plural: str) -> str:
    return f"kubectl -n {namespace} get {plural}"
