"""Everything that can be known before the first write, all findings at once.

A check is a function that gives findings; a list runs them. What only Compute or a controller can say later is not
guessed here.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import callback, milvus_release, polling, steps, tls_secret
from tasks.clients import compute, kubernetes
from tasks.clients.kubernetes import Cluster, Kind
from tasks.core import annotations, manifests, names, release_values, status
from tasks.core.config import CertificateMode, LoadBalancerConfig, ReleaseManager
from tasks.core.errors import AccessRefused, PreflightFailed, ProvisioningError, ResourceFailed

Findings = Iterator[ProvisioningError]
Check = Callable[[Cluster, LoadBalancerConfig], Findings]


class Found(BaseModel):
    """What preflight learnt, for the report."""

    model_config = ConfigDict(frozen=True)

    cluster: str
    cluster_version: str
    service_port: int
    manager: ReleaseManager
    checks: tuple[str, ...]
    """Names of the checks that passed."""


@steps.lasting
def preflight(config: LoadBalancerConfig) -> Found:
    """Check cluster, release, objects in our places and access; write nothing.

    Raises:
        PreflightFailed: with every finding; with only one when the cluster cannot be reached at all.
    """
    cluster, version = first_contact(config)
    checks: list[Check] = [
        service_and_release,
        kinds,
        ingress_is_ours,
        configs_are_ours,
        certificate,
        access,
        project_and_address,
        callback_is_allowed,
    ]
    examine(cluster, config, checks)
    service = milvus_release.read_service(cluster, config)
    port = status.milvus_port(service)
    assert port is not None
    helm = milvus_release.read_release(cluster, config)
    return Found(
        cluster=cluster.host,
        cluster_version=version,
        service_port=port.number,
        manager=ReleaseManager.HELM if helm else ReleaseManager.MANIFEST,
        checks=tuple(check.__name__.replace("_", " ") for check in checks),
    )


def examine(cluster: Cluster, config: LoadBalancerConfig, checks: Sequence[Check]) -> None:
    """Run every check, and end if one found something.

    Raises:
        PreflightFailed: with the findings of all.
    """
    failures: list[ProvisioningError] = []
    for check in checks:
        try:
            failures += polling.patiently(partial(_all_of, check, cluster, config))
        except ProvisioningError as error:
            failures.append(error)
    if failures:
        raise PreflightFailed.of(list({str(failure): failure for failure in failures}.values()))


def first_contact(config: LoadBalancerConfig) -> tuple[Cluster, str]:
    """The cluster and its version; a blip is forgiven, a cluster that is not there is told within seconds."""
    try:
        cluster = kubernetes.cluster(config)
        return cluster, polling.patiently(cluster.version)
    except ProvisioningError as error:
        raise PreflightFailed.of([error]) from error


def _all_of(check: Check, cluster: Cluster, config: LoadBalancerConfig) -> list[ProvisioningError]:
    return list(check(cluster, config))


def service_and_release(cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """The Milvus Service, its port and its release exist and can be worked with."""
    service_name = names.service(config.release)
    resource = f"service {config.namespace}/{service_name}"
    service = cluster.read(kubernetes.SERVICE, config.namespace, service_name)
    release = milvus_release.read_release(cluster, config)
    look = f"See what there is: helm -n {config.namespace} list; kubectl -n {config.namespace} get services"
    if release is None and config.release_manager is ReleaseManager.HELM:
        yield ResourceFailed(
            f"release {config.namespace}/{config.release}",
            "does not exist, and release_manager is helm",
            look,
            "milvus",
        )
    if service is None:
        what = f"does not exist{'' if release else f', nor does a Helm release {config.release}'}"
        yield ResourceFailed(resource, what, look, "milvus")
        return
    port = status.milvus_port(service)
    if port is None:
        ports = ", ".join(f"{p.get('name', '')}:{p['port']}" for p in service["spec"].get("ports", []))
        yield ResourceFailed(
            resource, f"has no Milvus port (named milvus, or 19530) among {ports}", f"Is it Milvus? {look}", "milvus"
        )
    elif not port.name:
        yield ResourceFailed(
            resource,
            f"port {port.number} has no name, and GKE finds the protocol by the name",
            "Name it milvus in the chart: service.portName.",
            "milvus",
        )
    if release is not None:
        if busy := milvus_release.pending_fault(config, release):
            yield busy
        try:
            release_values.desired_values(release.values, annotations={}, milvus_version=None)
        except ProvisioningError as error:
            yield error


def kinds(cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """The cluster is a GKE cluster: it serves the kinds that GKE brings."""
    needed = [kubernetes.BACKEND_CONFIG, kubernetes.FRONTEND_CONFIG]
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        needed.append(kubernetes.MANAGED_CERTIFICATE)
    for kind in needed:
        if not cluster.serves(kind):
            yield ResourceFailed(
                f"customresourcedefinition {kind.plural}.{kind.api_version.split('/')[0]}",
                f"the cluster at {cluster.host} does not serve {kind.api_version}",
                "Is this a GKE cluster, with the HttpLoadBalancing add-on on? kubectl api-resources | grep gke",
            )


def ingress_is_ours(cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """The place of the Ingress is free, ours, or held by one like the published guide makes."""
    name = names.ingress(config.release)
    live = cluster.read(kubernetes.INGRESS, config.namespace, name)
    if live is None:
        return
    resource = f"ingress {config.namespace}/{name}"
    class_ = status.marks(live).get(annotations.INGRESS_CLASS, "")
    field = live["spec"].get("ingressClassName") or ""
    if owner := foreign_owner(live):
        remove = f"Choose another release, or remove it there: kubectl -n {config.namespace} get ingress {name} -o yaml"
        if owner == _helm_release(config.release):
            remove = "The chart makes one of its own: set ingress.enabled=false in the release's values."
        yield ResourceFailed(resource, f"belongs to {owner}", remove, "ingress")
    elif not status.ours(live) and (others := _other_backends(live, names.service(config.release))):
        yield ResourceFailed(
            resource,
            f"was made by somebody else: it leads to {', '.join(others)}",
            f"Rename or remove it: kubectl -n {config.namespace} get ingress {name} -o yaml",
            "ingress",
        )
    if class_ not in ("", "gce"):
        yield ResourceFailed(
            resource,
            f"has class {class_}, so another controller serves it",
            f"Remove it, or its annotation: kubectl -n {config.namespace} annotate ingress {name} "
            f"{annotations.INGRESS_CLASS}-",
            "ingress",
        )
    if field and class_ != "gce":
        yield ResourceFailed(
            resource,
            f"has spec.ingressClassName {field}, which makes GKE ignore it without a word",
            f"Remove the field: kubectl -n {config.namespace} patch ingress {name} --type=json "
            '-p \'[{"op":"remove","path":"/spec/ingressClassName"}]\'',
            "ingress",
        )


def configs_are_ours(cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """BackendConfig, FrontendConfig and ManagedCertificate of our names belong to no other tool."""
    places: list[tuple[Kind, str]] = [
        (kubernetes.BACKEND_CONFIG, names.backend_config(config.release)),
        (kubernetes.FRONTEND_CONFIG, names.frontend_config(config.release)),
    ]
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        places.append((kubernetes.MANAGED_CERTIFICATE, names.certificate(config.release)))
    for kind, name in places:
        live = cluster.read(kind, config.namespace, name)
        if live is not None and (owner := foreign_owner(live)):
            yield ResourceFailed(
                f"{kind.name.lower()} {config.namespace}/{name}",
                f"belongs to {owner}",
                f"Choose another release, or remove it there: kubectl -n {config.namespace} get {kind.plural} {name} "
                "-o yaml",
                "ingress",
            )


def certificate(cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """The TLS Secret can be used as it is, or made in its place."""
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        return
    live = cluster.read(kubernetes.SECRET, config.namespace, config.tls_secret)
    if config.certificate_mode is CertificateMode.EXISTING_SECRET:
        fault = tls_secret.existing_fault(config, live)
    else:
        fault = tls_secret.unfit_to_replace(config, live) if live else None
    if fault:
        yield fault


def access(cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """We may write what has to be written; nothing is asked when nothing has to be."""
    needed: list[tuple[Kind, tuple[str, ...]]] = []
    for kind, manifest in _manifests(config):
        live = cluster.read(kind, config.namespace, manifest["metadata"]["name"])
        if live is not None and not manifests.differences(live, manifest):
            continue
        # An apply that makes an object needs both.
        needed.append((kind, ("patch",) if live is not None else ("create", "patch")))
    if config.certificate_mode is CertificateMode.SELF_MANAGED:
        live = cluster.read(kubernetes.SECRET, config.namespace, config.tls_secret)
        if live is None:
            needed.append((kubernetes.SECRET, ("create",)))
    if needed:
        # Whoever writes takes the Lease first, and renews it.
        needed.append((kubernetes.LEASE, ("create", "update")))
    for kind, verbs in needed:
        yield from refused(cluster, config, kind, verbs)


def refused(cluster: Cluster, config: LoadBalancerConfig, kind: Kind, verbs: tuple[str, ...]) -> Findings:
    """Those of the verbs that we may not use on objects of the kind."""
    for verb in verbs:
        if not cluster.may(verb, kind, config.namespace):
            yield AccessRefused(
                f"{kind.plural} in {config.namespace}",
                f"we may not {verb} them",
                f"Ask for a Role with it; check: kubectl -n {config.namespace} auth can-i {verb} {kind.plural}",
            )


def project_and_address(_cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """The Compute API answers, and the static address, if there is one, is global, external and free for us."""
    api = compute.api(config)
    found = api.get("addresses", config.address)
    if found is None:
        return
    resource = f"addresses/{config.address}"
    if found.get("addressType", "EXTERNAL") != "EXTERNAL" or found.get("ipVersion", "IPV4") != "IPV4":
        yield ResourceFailed(
            resource,
            f"is {found.get('addressType')} {found.get('ipVersion', '')}, not an external IPv4 address",
            "Name another address with address_name.",
            "compute",
        )
    strangers = [rule for rule in map(status.tail, found.get("users") or []) if not rule_is_of(api, rule, config)]
    if strangers:
        yield ResourceFailed(
            resource,
            f"is used by forwardingRules/{', forwardingRules/'.join(strangers)}",
            "Two load balancers cannot share it: name another with address_name.",
            "compute",
        )


def callback_is_allowed(_cluster: Cluster, config: LoadBalancerConfig) -> Findings:
    """Whoever wants to be told the outcome can be told it."""
    if fault := callback.fault(config):
        yield fault


def foreign_owner(live: dict[str, Any]) -> str:
    """Name the tool or object that an object belongs to; empty for ours and for what a person made by hand."""
    metadata = live.get("metadata", {})
    labels, marks = metadata.get("labels") or {}, status.marks(live)
    if release := marks.get("meta.helm.sh/release-name"):
        return _helm_release(release)
    if application := marks.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]:
        return f"Argo CD application {application}"
    if flux := labels.get("kustomize.toolkit.fluxcd.io/name"):
        return f"Flux kustomization {flux}"
    for owner in metadata.get("ownerReferences") or []:
        return f"{owner['kind']} {owner['name']}"
    manager = labels.get("app.kubernetes.io/managed-by", names.FIELD_MANAGER)
    return "" if manager == names.FIELD_MANAGER else manager


def _helm_release(name: str) -> str:
    return f"Helm release {name}"


def _other_backends(ingress: dict[str, Any], service: str) -> list[str]:
    backends = [
        path.get("backend", {}).get("service", {}).get("name", "")
        for rule in ingress["spec"].get("rules") or []
        for path in (rule.get("http") or {}).get("paths") or []
    ]
    backends.append(((ingress["spec"].get("defaultBackend") or {}).get("service") or {}).get("name", service))
    return sorted({f"service {name}" for name in backends if name != service})


def _manifests(config: LoadBalancerConfig) -> list[tuple[Kind, manifests.Manifest]]:
    found = [
        (kubernetes.BACKEND_CONFIG, manifests.backend_config(config)),
        (kubernetes.FRONTEND_CONFIG, manifests.frontend_config(config)),
        (kubernetes.INGRESS, manifests.ingress(config, 0)),
    ]
    # The port is the Service's, which may not exist; for asking whether we may write, the rules do not matter.
    del found[-1][1]["spec"]["rules"]
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        found.append((kubernetes.MANAGED_CERTIFICATE, manifests.managed_certificate(config)))
    return found


def rule_is_of(api: compute.Compute, rule: str, config: LoadBalancerConfig) -> bool:
    """Whether a forwarding rule is our Ingress', or gone by now; GKE writes the Ingress into its description."""
    facts = api.get("forwardingRules", rule)
    return facts is None or f"{config.namespace}/{names.ingress(config.release)}" in str(facts.get("description", ""))
