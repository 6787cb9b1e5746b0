"""Everything that can be known before the first write, all findings at once; nothing is written.

What is judged is the state that a whole run would leave. A fault of the live objects that the run mends is told, too,
and stops nobody. What only Compute or a controller can say later is not guessed here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict

from tasks import access, callback, checks, exposure, looking, milvus_connection, planning, polling, steps
from tasks.clients.readers import ClusterReader, ComputeReader
from tasks.core import names, progress, status
from tasks.core.checks import Check, Result, failed, passed, plaintext_clients, quotas
from tasks.core.checks.facts import Facts
from tasks.core.config import LoadBalancerConfig, ReleaseManager
from tasks.core.errors import PreflightFailed, ProvisioningError, ResourceFailed
from tasks.planning import Plan
from tasks.snapshot import Snapshot
from tasks.together import together

Findings = Iterator[ProvisioningError]
Look = Callable[[ClusterReader, LoadBalancerConfig], Findings]


class Found(BaseModel):
    """What preflight learnt, for the report."""

    model_config = ConfigDict(frozen=True)

    cluster: str
    cluster_version: str
    service_port: int
    manager: ReleaseManager
    checks: tuple[Check, ...]
    """Every check: a retry that trusts this result has them in its report."""


@steps.lasting
def preflight(config: LoadBalancerConfig) -> Found:
    """Check cluster, project, release, objects in our places and access; write nothing.

    Raises:
        PreflightFailed: with every finding; with only one when the cluster cannot be reached at all.
    """
    cluster, version = first_contact(config)
    facts, seen, found = judge(cluster, config)
    progress.current().judge(found)
    failures: list[ProvisioningError] = [as_error(check) for check in found if check.ends_the_run]
    if failures:
        raise PreflightFailed.of(failures)
    port = facts.port
    assert port is not None
    return Found(
        cluster=cluster.host,
        cluster_version=version,
        service_port=port.number,
        manager=ReleaseManager.HELM if seen.release else ReleaseManager.MANIFEST,
        checks=tuple(found),
    )


def judge(cluster: ClusterReader, config: LoadBalancerConfig) -> tuple[Facts, Snapshot, list[Check]]:
    """Every check before the first write, with the live facts and what they were taken from.

    Raises:
        PreflightFailed: nothing could be read at all.
    """
    looks, refused = together(
        {
            "facts": partial(checks.read, cluster, _api(config), config),
            # Slow where nobody answers, so meanwhile the rest is read.
            "doors": partial(exposure.before_publishing, config, cluster),
        }
    )
    if "facts" in refused:
        raise PreflightFailed.of([refused["facts"]])
    facts, seen, problems = looks["facts"]
    plan = planning.make(facts, seen)
    rights = access.checks(cluster, plan, seen)
    found = [
        *_unread(problems, rights),
        *_milvus_service(facts, seen),
        *_gke_kinds(cluster, seen),
        *_told(plan),
        *plaintext_clients.checks(facts),
        *quotas.checks(plan.planned),
        *_credentials(config),
        *rights,
        *checks.of_domains(facts),
        *looks.get("doors", ()),
        _callback(config),
    ]
    return facts, seen, checks.once(found)


def _api(config: LoadBalancerConfig) -> ComputeReader:
    try:
        return looking.api(config)
    except ProvisioningError as error:
        raise PreflightFailed.of([error]) from error


def _unread(problems: list[ProvisioningError], rights: list[Check]) -> list[Check]:
    """What could not be read, but for want of a permission that is told by its name."""
    lacking = [
        check.resource.removeprefix("permission ") for check in rights if check.resource.startswith("permission ")
    ]
    return [checks.of_problem(each) for each in problems if not any(name in each.observed for name in lacking)]


def _told(plan: Plan) -> list[Check]:
    """Checks of the plan, and of the live objects those that failed and that the plan mends.

    Where no Ingress of ours stands, there is no load balancer that the live objects could be wrong for.
    """
    planned = [*plan.checks, *checks.judged(plan.planned)]
    fails, passes = (
        {(check.name, check.resource) for check in planned if check.result is result}
        for result in (Result.FAILED, Result.PASSED)
    )
    found: list[Check] = []
    for check in checks.judged(plan.live) if plan.live.ingress is not None else []:
        key = check.name, check.resource
        if check.result is not Result.FAILED or key in fails:
            continue
        if check.name in _KEPT_AS_THEY_ARE:
            found.append(check)
        else:
            found.append(_mended(check, is_well=key in passes or check.resource in plan.planned.made))
    return checks.once([*found, *planned])


_KEPT_AS_THEY_ARE = ("IngressClassCheck", "IngressDeletionCheck")
"""Faults that say whose an object is: a run would win by force, and somebody wanted it so."""


def _mended(check: Check, *, is_well: bool) -> Check:
    """A fault that is not in the plan any more; advice may be about what the plan does not tell."""
    if not check.blocks and not is_well:
        return check
    return check.model_copy(update={"blocks": False, "mend": f"provision mends it. By hand: {check.mend}"})


def first_contact(config: LoadBalancerConfig) -> tuple[ClusterReader, str]:
    """The cluster and its version; a blip is forgiven, a cluster that is not there is told within seconds."""
    try:
        cluster = looking.cluster(config)
        return cluster, polling.patiently(cluster.version)
    except ProvisioningError as error:
        raise PreflightFailed.of([error]) from error


def examine(cluster: ClusterReader, config: LoadBalancerConfig, looks: Sequence[Look]) -> None:
    """Take every look, and end if one found something.

    Raises:
        PreflightFailed: with the findings of all.
    """
    failures: list[ProvisioningError] = []
    for look in looks:
        try:
            failures += polling.patiently(partial(_all_of, look, cluster, config))
        except ProvisioningError as error:
            failures.append(error)
    if failures:
        raise PreflightFailed.of(list({str(failure): failure for failure in failures}.values()))


def _all_of(look: Look, cluster: ClusterReader, config: LoadBalancerConfig) -> list[ProvisioningError]:
    return list(look(cluster, config))


def as_error(check: Check) -> ResourceFailed:
    """A failed check as the error that ends a run."""
    return ResourceFailed(check.resource, check.observed, check.mend, check.layer, check.cause)


def _credentials(config: LoadBalancerConfig) -> Iterator[Check]:
    """The Secret that the proof will need: without it Milvus would restart and the Ingress stand for nothing."""
    if not config.milvus_credentials_secret:
        return
    try:
        milvus_connection.credentials(config)
    except ProvisioningError as error:
        yield checks.of_problem(error)
        return
    place = f"secret {config.namespace}/{config.milvus_credentials_secret}"
    yield passed("CredentialsSecretCheck", place, "has a user name and a password", layer="client")


def _milvus_service(facts: Facts, seen: Snapshot) -> Iterator[Check]:
    """The Milvus Service and its port exist and can be worked with."""
    config, service = facts.config, facts.service
    place = f"service {config.namespace}/{names.service(config.release)}"
    look = f"See what there is: helm -n {config.namespace} list; kubectl -n {config.namespace} get services"
    if service is None:
        if "Service" not in facts.objects.unread:
            what = f"does not exist{'' if seen.release else f', nor does a Helm release {config.release}'}"
            yield failed("ServiceExistenceCheck", place, what, look, layer="milvus")
        return
    yield passed("ServiceExistenceCheck", place, "exists", layer="milvus")
    name, port = "MilvusPortCheck", status.milvus_port(service)
    if port is None:
        ports = ", ".join(f"{p.get('name', '')}:{p['port']}" for p in service["spec"].get("ports", []))
        what = f"has no Milvus port (named milvus, or 19530) among {ports}"
        yield failed(name, place, what, f"Is it Milvus? {look}", layer="milvus")
    elif not port.name:
        what = f"port {port.number} has no name, and GKE finds the protocol by the name"
        yield failed(name, place, what, "Name it milvus in the chart: service.portName.", layer="milvus")
    else:
        yield passed(name, place, f"port {port.number} is named {port.name}", layer="milvus")


def _gke_kinds(cluster: ClusterReader, seen: Snapshot) -> Iterable[Check]:
    """The cluster is a GKE cluster: it serves the kinds that GKE brings."""
    mend = "Is this a GKE cluster, with the HttpLoadBalancing add-on on? kubectl api-resources | grep gke"
    return [
        failed(
            "CustomResourceDefinitionCheck",
            f"customresourcedefinition {kind.plural}.{kind.api_version.split('/')[0]}",
            f"the cluster at {cluster.host} does not serve {kind.api_version}",
            mend,
        )
        for kind in seen.absent_kinds
    ]


def _callback(config: LoadBalancerConfig) -> Check:
    """Whoever wants to be told the outcome can be told it."""
    name = "CallbackCheck"
    if fault := callback.fault(config):
        return planning.of_error(name, fault)
    seen = "can be made" if config.callback_url else "none is asked for"
    return passed(name, "callback", seen, layer="configuration")


def callback_is_allowed(_cluster: ClusterReader, config: LoadBalancerConfig) -> Findings:
    """Whoever wants to be told the outcome can be told it."""
    if fault := callback.fault(config):
        yield fault


def rule_is_of(api: ComputeReader, rule: str, config: LoadBalancerConfig) -> bool:
    """Whether a forwarding rule is our Ingress', or gone by now; GKE writes the Ingress into its description."""
    facts = api.get("forwardingRules", rule)
    return facts is None or f"{config.namespace}/{names.ingress(config.release)}" in str(facts.get("description", ""))
