"""The checks over a running system, and the facts they are made of: reads, and nothing else."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tasks import cloud_facts, looking, snapshot, steps
from tasks.clients import dns_records, settings
from tasks.clients.readers import ClusterReader, ComputeReader
from tasks.core import annotations, names, progress, status
from tasks.core.checks import (
    Check,
    backend_values,
    cloud,
    dns,
    failed,
    firewall,
    gke_cluster,
    health_check,
    ingress_shape,
    linter,
    managed_certificate,
    network_policy,
    ownership,
    pod_template,
    service_port,
    tls_secret,
)
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import resource
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ProvisioningError
from tasks.snapshot import Snapshot


@steps.observing
def check_live_objects(config: LoadBalancerConfig) -> list[Check]:
    """Return every check over what stands there now, with nothing laid over it."""
    return look(config)


def look(config: LoadBalancerConfig) -> list[Check]:
    """Every check over what stands there now; the run's journal has them, too."""
    found = live(looking.cluster(config), looking.api(config), config)
    progress.current().judge(found)
    return found


def live(cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig) -> list[Check]:
    """Every check over what stands there now; what could not be read comes first."""
    facts, _, problems = read(cluster, api, config)
    owned = list(ownership.checks(facts))
    unread = map(of_problem, problems)
    return once([*unread, *_service_exists(facts), *_ingress_exists(facts), *judged(facts), *of_domains(facts), *owned])


def read(
    cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig
) -> tuple[Facts, Snapshot, list[ProvisioningError]]:
    """The facts as they are now, the snapshot they were taken from, and what could not be read."""
    with ThreadPoolExecutor(max_workers=len(config.domains), thread_name_prefix="dns") as pool:
        # Slow where a name server is silent, so meanwhile the rest is read.
        lookups = {domain: pool.submit(_look_up, domain) for domain in config.domains[:_MOST_DOMAINS]}
        seen = snapshot.read(cluster, api, config)
        in_cloud, problems = cloud_facts.read(api, config, seen)
    settings = resource("ConfigMap", config.namespace, seen.settings[0]["metadata"]["name"]) if seen.settings else ""
    ingress = seen.objects.get("Ingress", config.namespace, names.ingress(config.release))
    facts = Facts(
        config=config,
        objects=seen.objects,
        cloud=in_cloud,
        now=dt.datetime.now(dt.UTC),
        address_name=status.marks(ingress or {}).get(annotations.STATIC_IP_NAME) or seen.address.name,
        deployments=seen.deployments,
        user_yaml=seen.user_yaml,
        settings_from=settings,
        version=seen.version,
        domains={domain: tuple(lookup.result()) for domain, lookup in lookups.items()},
    )
    return facts, seen, [*seen.problems, *problems]


def of_domains(facts: Facts) -> list[Check]:
    """What DNS says of every domain."""
    return [
        check
        for domain, said in facts.domains.items()
        for check in dns.checks(facts.config, domain, said, facts.address)
    ]


def _look_up(domain: str) -> list[dns.Said]:
    return dns_records.look_up(domain, settings.dns_servers(), _LOOKUP_SECONDS)


_LOOKUP_SECONDS = 3.0
_MOST_DOMAINS = 20
"""Of a long list the first ones are looked at: name servers limit how often they are asked."""


def judged(facts: Facts) -> list[Check]:
    """What the facts say, causes before what follows from them."""
    return once(check for checks in _ALL for check in checks(facts))


def of_problem(error: ProvisioningError) -> Check:
    """What could not be read, as a failed check under the error's own cause."""
    return failed(f"{error.cause}Check", error.resource, error.observed, error.mend, layer=error.layer)


def once(checks: Iterable[Check]) -> list[Check]:
    """Each check of each resource once: the first counts."""
    found: dict[tuple[str, str], Check] = {}
    for check in checks:
        found.setdefault((check.name, check.resource), check)
    return list(found.values())


def _service_exists(facts: Facts) -> Iterator[Check]:
    """The release's own Service; those that an Ingress leads to are the linter's."""
    if facts.service is None and "Service" not in facts.objects.unread:
        namespace, release = facts.namespace, facts.config.release
        place = resource("Service", namespace, names.service(release))
        apply = f"helm -n {namespace} get manifest {release} | kubectl -n {namespace} apply -f -"
        yield failed("ServiceExistenceCheck", place, "does not exist", f"Make it again, as the release has it: {apply}")


def _ingress_exists(facts: Facts) -> Iterator[Check]:
    name = names.ingress(facts.config.release)
    if facts.objects.get("Ingress", facts.namespace, name) is None and "Ingress" not in facts.objects.unread:
        mend = "Make it: milvus-l7 provision with the same configuration, with all steps."
        place = resource("Ingress", facts.namespace, name)
        yield failed("IngressExistenceCheck", place, "does not exist", mend, layer="ingress")


def _lint(facts: Facts) -> Iterator[Check]:
    if facts.ingress is not None:
        yield from linter.of_ingress(facts.ingress, facts.objects)


_ALL: tuple[Callable[[Facts], Iterator[Check]], ...] = (
    ingress_shape.of_all,
    _lint,
    service_port.checks,
    ingress_shape.checks,
    health_check.checks,
    backend_values.checks,
    tls_secret.checks,
    managed_certificate.checks,
    cloud.checks,
    pod_template.checks,
    network_policy.checks,
    firewall.checks,
    gke_cluster.checks,
)
