"""Who keeps an object, and the one place where a setting of it belongs.

Source: Helm (annotation meta.helm.sh/release-name), Argo CD (argocd.argoproj.io/tracking-id), Flux
(kustomize.toolkit.fluxcd.io, helm.toolkit.fluxcd.io), milvus-operator apis/milvus.io/v1beta1 (gke.md §10.7).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tasks.core import annotations, names, release_values, status
from tasks.core.checks.check import Check, failed, passed
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, kubectl, named
from tasks.core.checks.references import backends
from tasks.core.config import ReleaseManager
from tasks.core.errors import ResourceFailed

_NAME = "OwnershipCheck"
_HANDS = ("kubectl", "k9s", "Mozilla", "GoogleCloudConsole")
"""Beginnings of the field managers of programs that a person types into."""


@dataclass(frozen=True)
class Owner:
    """Who keeps an object.

    Attributes:
        kind: "us"; a tool that brings its own state back ("git", "operator"); "helm"; anybody else ("other"); or
            "person" where nobody but people wrote it.
        name: in words, such as "Helm release shop"; "" of us.
    """

    kind: Literal["us", "git", "operator", "helm", "other", "person"]
    name: str = ""


def owner(live: Object) -> Owner:
    """Read it off labels, annotations, owner references and field managers."""
    metadata = live.get("metadata") or {}
    labels, marks = metadata.get("labels") or {}, status.marks(live)
    if application := marks.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]:
        return Owner("git", f"Argo CD application {application}")
    for kind, noun in (("kustomize", "kustomization"), ("helm", "HelmRelease")):
        if flux := labels.get(f"{kind}.toolkit.fluxcd.io/name"):
            return Owner("git", f"Flux {noun} {flux}")
    for reference in metadata.get("ownerReferences") or []:
        of_milvus = str(reference.get("apiVersion", "")).startswith("milvus.io/")
        return Owner("operator" if of_milvus else "other", f"{reference['kind']} {reference['name']}")
    if release := marks.get("meta.helm.sh/release-name"):
        return Owner("helm", f"Helm release {release}")
    manager = labels.get("app.kubernetes.io/managed-by")
    if manager == names.FIELD_MANAGER:
        return Owner("us")
    if manager:
        return Owner("other", manager)
    people = sorted({str(each.get("manager", "")) for each in metadata.get("managedFields") or [] if by_hand(each)})
    return Owner("person", f"whoever used {', '.join(people)}" if people else "nobody that it names")


def by_hand(entry: Object) -> bool:
    """Whether an entry of managedFields is of a program that people type into."""
    return str(entry.get("manager", "")).startswith(_HANDS)


def foreign_owner(live: Object) -> str:
    """Name the tool or object that an object belongs to; empty for ours and for what a person made by hand."""
    found = owner(live)
    return "" if found.kind in ("us", "person") else found.name


def checks(facts: Facts) -> Iterator[Check]:
    """Every object in our places that exists; what somebody else keeps there is never overwritten."""
    release = facts.config.release
    yield from _ingress(facts)
    for kind, name in (
        ("BackendConfig", names.backend_config(release)),
        ("FrontendConfig", names.frontend_config(release)),
        ("ManagedCertificate", names.certificate(release)),
        ("ConfigMap", names.receipt(release)),
    ):
        if live := facts.objects.get(kind, facts.namespace, name):
            yield _config(live)
    yield from _milvus(facts)


def foreign(found: list[Check]) -> frozenset[str]:
    """The resources that these checks found in somebody else's hands."""
    return frozenset(check.resource for check in found if check.name == _NAME and check.ends_the_run)


def _ingress(facts: Facts) -> Iterator[Check]:
    live = facts.objects.get("Ingress", facts.namespace, names.ingress(facts.config.release))
    if live is None:
        return
    keeper, look = owner(live), kubectl("get", live, "-o yaml")
    if keeper.kind not in ("us", "person"):
        mend = f"Choose another release, or remove it there{_in_git(keeper)}: {look}"
        if keeper.name == f"Helm release {facts.config.release}":
            mend = "The chart makes one of its own: set ingress.enabled=false in the release's values."
        if keeper.kind == "operator":
            mend = f"Take spec.components.{_component(facts)}.ingress out of the CR, then remove it: {look}"
        yield failed(_NAME, named(live), f"belongs to {keeper.name}", mend, layer="ingress")
        return
    others = _other_backends(live, names.service(facts.config.release))
    if keeper.kind == "person" and others:
        seen = f"was made by somebody else: it leads to {', '.join(others)}"
        yield failed(_NAME, named(live), seen, f"Rename or remove it: {look}", layer="ingress")
        return
    yield passed(_NAME, named(live), _kept(keeper), layer="ingress")


def _config(live: Object) -> Check:
    keeper, place = owner(live), named(live)
    look = kubectl("get", live, "-o yaml")
    if live["kind"] == "ConfigMap" and keeper.kind != "us":
        seen = f"belongs to {keeper.name}, and our notes on this release go there"
        return failed(_NAME, place, seen, f"Rename or remove it: {look}")
    if keeper.kind in ("us", "person"):
        return passed(_NAME, place, _kept(keeper))
    mend = f"Choose another release, or remove it there{_in_git(keeper)}: {look}"
    return failed(_NAME, place, f"belongs to {keeper.name}", mend, layer="ingress")


def _milvus(facts: Facts) -> Iterator[Check]:
    service = facts.service
    if service is None:
        return
    keeper, place = owner(service), named(service)
    if keeper.kind in ("git", "operator") and (lacks := _lacking(facts, service)):
        seen = f"belongs to {keeper.name}, which undoes what others write, and lacks {', '.join(lacks)}"
        # Whoever says how the release is to be written has been told.
        blocks = facts.config.release_manager is ReleaseManager.AUTO
        yield failed(_NAME, place, seen, _place_of_settings(facts, keeper), layer="milvus", blocks=blocks)
    else:
        yield passed(_NAME, place, _kept(keeper), layer="milvus")
    for deployment in facts.deployments:
        yield passed(_NAME, named(deployment), _kept(owner(deployment)), layer="milvus")
    yield from _annotations(facts, service, keeper)


def _annotations(facts: Facts, service: Object, keeper: Owner) -> Iterator[Check]:
    """Annotations by hand beside a Helm release: lost when it is installed anew, and in the way of its next upgrade."""
    if keeper.kind != "helm" or facts.port is None:
        return
    name, place, marks = "AnnotationOwnerCheck", named(service), status.marks(service)
    wanted = annotations.on_service(facts.port.name, names.backend_config(facts.config.release))
    entries = (service.get("metadata") or {}).get("managedFields") or []
    hands = {key for key in wanted for entry in entries if by_hand(entry) and _owns(entry, key)}
    wrong = sorted(key for key in hands if not annotations.same(key, marks.get(key), wanted[key]))
    if wrong:
        seen = f"{', '.join(wrong)} was set by hand to another value, and {keeper.name} cannot set it while that stands"
        give_up = kubectl("annotate", service, *(f"{key}-" for key in wrong))
        mend = f"Give it up, the next run sets it in the values: {give_up}"
        yield failed(name, place, seen, mend, layer="milvus", blocks=False)
    elif hands:
        seen = f"{', '.join(sorted(hands))} was set by hand; this run puts it into the values of {keeper.name}"
        yield passed(name, place, seen, layer="milvus")


def _owns(entry: Object, key: str) -> bool:
    fields = entry.get("fieldsV1") or {}
    return f"f:{key}" in ((fields.get("f:metadata") or {}).get("f:annotations") or {})


def _lacking(facts: Facts, service: Object) -> list[str]:
    """What of the Service and of Milvus' settings is not as the load balancer needs it."""
    marks, found = status.marks(service), []
    if facts.port is not None:
        wanted = annotations.on_service(facts.port.name, names.backend_config(facts.config.release))
        found = [key for key, value in wanted.items() if not annotations.same(key, marks.get(key), value)]
    if (service.get("spec") or {}).get("type", "ClusterIP") != "ClusterIP":
        found.append("type ClusterIP")
    if facts.user_yaml is not None and not _speaks_tls(facts.user_yaml):
        found.append("common.security.tlsMode 1")
    return found


def _speaks_tls(text: str) -> bool:
    try:
        return release_values.settings_of(text).tls_mode == "1"
    except ResourceFailed:
        return False  # MilvusTlsCheck says why


def _place_of_settings(facts: Facts, keeper: Owner) -> str:
    """Where the settings belong, ready to be pasted: JSON is YAML too."""
    port = facts.port.name if facts.port else "milvus"
    marks = annotations.on_service(port, names.backend_config(facts.config.release))
    rest = {"http": {"port": release_values.REST_PORT}}
    config: dict[str, Any] = {"common": {"security": {"tlsMode": 1}}, "proxy": rest}
    if keeper.kind == "operator":
        component = _component(facts)
        spec = {"config": config, "components": {component: {"serviceType": "ClusterIP", "serviceAnnotations": marks}}}
        patch = f"--type merge -p '{json.dumps({'spec': spec})}'"
        return f"Set it in the CR: kubectl -n {facts.namespace} patch milvus {keeper.name.partition(' ')[2]} {patch}"
    values = {
        "service": {"type": "ClusterIP", "annotations": marks},
        "extraConfigFiles": {release_values.USER_YAML: json.dumps(config)},
    }
    past = "To write past it all the same: release_manager=manifest."
    return f"Put these values of the chart into Git, and let {keeper.name} apply them: {json.dumps(values)}. {past}"


def _component(facts: Facts) -> str:
    """The operator's name for what serves clients: the proxies of a cluster, else standalone."""
    selector = ((facts.service or {}).get("spec") or {}).get("selector") or {}
    return "proxy" if "proxy" in selector.values() else "standalone"


def _other_backends(ingress: Object, service: str) -> list[str]:
    return sorted({f"service {each.service}" for each in backends(ingress) if each.service != service})


def _in_git(keeper: Owner) -> str:
    return ", in Git" if keeper.kind == "git" else ""


def _kept(keeper: Owner) -> str:
    match keeper.kind:
        case "us":
            return "is ours"
        case "person":
            return f"is kept by {keeper.name}, and fit to be taken over"
        case "helm":
            return f"belongs to {keeper.name}; its values are the place of a setting"
        case "operator":
            return f"belongs to {keeper.name}; its CR is the place of a setting"
        case "git":
            return f"belongs to {keeper.name}; Git is the place of a setting"
    return f"belongs to {keeper.name}"
