"""What a run has to be allowed: Kubernetes verbs and IAM permissions, for just what it is going to do.

Source: gke.md §9.6; deployments/kubernetes has the same rights as Roles.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.core import annotations, diagnosis, names, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.config import CertificateMode

# Whoever writes an object by server-side apply needs both, for an apply makes what is missing.
APPLY_NEW, APPLY_OVER = ("create", "patch"), ("patch",)

_HELM_RECORD = ("create", "update")
_HELM_OBJECT = ("get", "patch")
"""An upgrade of ours changes what the chart has made already, and adds nothing to it."""

_CLUSTER_SCOPED = (
    "ClusterRole", "ClusterRoleBinding", "Namespace", "PersistentVolume", "PriorityClass", "StorageClass",
)  # fmt: skip


@dataclass(frozen=True)
class Need:
    """One verb on the objects of a kind; an empty namespace means cluster scope."""

    api_version: str
    plural: str
    verb: str
    namespace: str


def needs(api_version: str, plural: str, verbs: Iterable[str], namespace: str) -> list[Need]:
    """One need for every verb."""
    return [Need(api_version, plural, verb, namespace) for verb in verbs]


def of_helm(kinds: Iterable[tuple[str, str]], namespace: str) -> Iterator[Need]:
    """What Helm's upgrade touches: its records, and every kind of the chart, by API version and kind."""
    yield from needs("v1", "secrets", _HELM_RECORD, namespace)
    for api_version, kind in dict.fromkeys(kinds):
        place = "" if kind in _CLUSTER_SCOPED else namespace
        yield from needs(api_version, plural(kind), _HELM_OBJECT, place)


def plural(kind: str) -> str:
    """Name of a kind's resource, by the rule that Kubernetes' own kinds follow.

    >>> plural("NetworkPolicy"), plural("Ingress"), plural("PodDisruptionBudget"), plural("Endpoints")
    ('networkpolicies', 'ingresses', 'poddisruptionbudgets', 'endpoints')
    """
    name = kind.lower()
    if name.endswith("endpoints"):
        return name
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch")) else f"{name}s"


def verbs(needed: Iterable[Need], allowed: dict[Need, bool | str]) -> Iterator[Check]:
    """One failed check for every verb that is missing, and one for all that are not.

    Args:
        needed: what the run does.
        allowed: what the API server says; a text: why it did not say.
    """
    name, granted = "AccessRefusedCheck", 0
    for need in dict.fromkeys(needed):
        answer = allowed.get(need, "was not asked")
        place = f"{need.plural} in {need.namespace}" if need.namespace else need.plural
        if answer is True:
            granted += 1
        elif answer is False:
            flag = f" -n {need.namespace}" if need.namespace else ""
            mend = f"Ask for a Role with it; check: kubectl{flag} auth can-i {need.verb} {need.plural}"
            yield failed(name, place, f"we may not {need.verb} them", mend)
        else:
            yield skipped(name, f"{need.verb} {place}", f"the API server did not say: {answer}")
    seen = f"{granted} verbs are granted" if granted else "nothing has to be written"
    yield passed("AccessCheck", "access to the cluster", seen)


def permissions(facts: Facts, *, reserves: bool) -> list[str]:
    """IAM permissions on the load balancer's project, of this run and its proof."""
    config = facts.config
    wanted = [
        "compute.globalAddresses.get",
        "compute.globalForwardingRules.get",
        "compute.targetHttpsProxies.get",
        "compute.urlMaps.get",
        "compute.backendServices.get",
        "compute.healthChecks.get",
    ]
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        wanted.append("compute.sslCertificates.get")
    if facts.ingress is not None:
        wanted.append("compute.globalAddresses.list")
    if any(reference.startswith("securityPolicies/") for reference in _asked(facts)):
        wanted.append("compute.securityPolicies.get")
    if any(reference.startswith("sslPolicies/") for reference in _asked(facts)):
        wanted.append("compute.sslPolicies.get")
    if reserves:
        wanted += ["compute.globalAddresses.create", "compute.globalOperations.get"]
    return wanted


def dns_permissions(*, writes: bool) -> list[str]:
    """IAM permissions on the project of the managed zone."""
    reading = ["dns.managedZones.get", "dns.resourceRecordSets.list"]
    writing = ["dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.create"]
    return [*reading, *writing] if writes else reading


def missing(project: str, asked: Iterable[str], granted: set[str] | str) -> Iterator[Check]:
    """One failed check for every permission that testIamPermissions does not give back, and one for all that it does.

    Args:
        project: where they are needed.
        asked: permissions.
        granted: the answer; a text: why there is none.
    """
    place = f"project {project}"
    if isinstance(granted, str):
        yield skipped("PermissionsCheck", place, f"testIamPermissions did not answer: {granted}", layer="compute")
        return
    lacking = [permission for permission in asked if permission not in granted]
    for permission in lacking:
        text = f"Required '{permission}' permission for 'projects/{project}'"
        finding = diagnosis.of_compute_error(403, "forbidden", text)
        seen = f"{permission} is not granted to us in project {project}"
        yield failed(f"{finding.cause}Check", f"permission {permission}", seen, finding.mend, layer="compute")
    if not lacking:
        yield passed("PermissionsCheck", place, f"{len(granted)} permissions are granted", layer="compute")


def writes_records(facts: Facts) -> bool:
    """Whether an A record has to be written into a zone that is named, as far as DNS tells."""
    config = facts.config
    if not config.dns_managed_zone:
        return False
    answers = {domain: {each for said in servers for each in said.a} for domain, servers in facts.domains.items()}
    return not facts.address or any(answers.get(domain) != {facts.address} for domain in config.domains)


def unused_certificate(facts: Facts) -> bool:
    """Whether a ManagedCertificate of ours is deleted, since another certificate took its place."""
    live = facts.objects.get("ManagedCertificate", facts.namespace, names.certificate(facts.config.release))
    by_google = facts.config.certificate_mode is CertificateMode.GOOGLE_MANAGED
    return live is not None and not by_google and status.ours(live)


def service_fits(facts: Facts) -> bool:
    """Whether the live Service is as the load balancer needs it."""
    service, port = facts.service, facts.port
    if service is None or port is None:
        return True
    wanted = annotations.on_service(port.name, names.backend_config(facts.config.release))
    marks = status.marks(service)
    fits = all(annotations.same(key, marks.get(key), value) for key, value in wanted.items())
    return fits and (service.get("spec") or {}).get("type") == "ClusterIP"


def _asked(facts: Facts) -> list[str]:
    return [*facts.cloud.resources, *facts.cloud.unread]
