"""What a running system says of itself at one look: its controllers, its Pods, its certificate, its health.

The looks are those of the waits; nothing is waited for here.
"""

import dataclasses
from collections.abc import Callable, Iterator

from tasks import events, global_address, load_balancer, looking, managed_certificate, milvus_rollout, steps
from tasks.clients import kubernetes, name_servers, settings
from tasks.clients.readers import ClusterReader, ComputeReader
from tasks.core import diagnosis, dns_faults, names, status
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook, troubles
from tasks.core.diagnosis.troubles import Source, Trouble
from tasks.core.errors import ProvisioningError


@steps.observing
def read_symptoms(config: LoadBalancerConfig) -> list[Trouble]:
    """Return what is not well, in no particular order; a look that fails is one of it."""
    cluster, api = looking.cluster(config), looking.api(config)
    looks: list[Callable[[], Iterator[Trouble]]] = [
        lambda: _of_controllers(cluster, config),
        lambda: _of_pods(cluster, config),
        lambda: _of_certificate(cluster, api, config),
        lambda: _of_load_balancer(cluster, api, config),
        lambda: _of_names(cluster, api, config),
    ]
    found: list[Trouble] = []
    for look in looks:
        try:
            found += look()
        except ProvisioningError as error:
            found.append(troubles.of_error(error))
    return found


def _of_controllers(cluster: ClusterReader, config: LoadBalancerConfig) -> Iterator[Trouble]:
    """Events of the last hour, which is as long as they live."""
    places = {
        "ingress": names.ingress(config.release),
        "service": names.service(config.release),
        "managedcertificate": names.certificate(config.release),
    }
    for kind, name in places.items():
        for found in events.complaints(cluster, config, name, kind):
            yield troubles.of_finding(found, f"{kind} {config.namespace}/{name}", Source.CONTROLLER)


def _of_pods(cluster: ClusterReader, config: LoadBalancerConfig) -> Iterator[Trouble]:
    found = milvus_rollout.judge(cluster, config)
    if isinstance(found, Finding):
        yield troubles.of_finding(found, f"milvus of release {config.namespace}/{config.release}", Source.POD)


def _of_certificate(cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig) -> Iterator[Trouble]:
    if config.certificate_mode is not CertificateMode.GOOGLE_MANAGED:
        return
    live = cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release)) or {}
    found = managed_certificate.judge(cluster, api, config, status.ingress_address(live))
    if isinstance(found, Finding):
        resource = f"managedcertificate {config.namespace}/{names.certificate(config.release)}"
        yield troubles.of_finding(found, resource, Source.CERTIFICATE)


def _of_names(cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig) -> Iterator[Trouble]:
    """Names that lead elsewhere; where Google issues the certificate they are a rung of the proof."""
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        return
    live = cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    reserved = str((api.get("addresses", global_address.choose(api, config, live).name) or {}).get("address") or "")
    addresses = [each for each in (reserved, status.ingress_address(live or {})) if each]
    for domain in config.domains[:_MOST_DOMAINS]:
        answers = name_servers.survey(domain, settings.dns_servers(), _DNS_SECONDS)
        written = bool(config.dns_managed_zone)
        if fault := dns_faults.misleading(domain, addresses, answers, written=written):
            yield troubles.of_name(fault, domain)


_DNS_SECONDS = 3.0
_MOST_DOMAINS = 20
"""Of a long list the first ones are asked for: name servers limit how often they are."""


def _of_load_balancer(cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig) -> Iterator[Trouble]:
    """That nobody builds it, or how it fares; a part that is missing is the business of whoever reads the parts."""
    name = names.ingress(config.release)
    resource = f"ingress {config.namespace}/{name}"
    live = cluster.read(kubernetes.INGRESS, config.namespace, name)
    if live is None:
        return
    if found := events.silence(cluster, live):
        # Nobody is at it: no step on the way, as it is while somebody waits.
        yield troubles.of_finding(dataclasses.replace(found, outlook=Outlook.STOP), resource, Source.CONTROLLER)
    chain = load_balancer.walk(api, status.marks(live))
    if isinstance(chain, Finding):
        return
    health = load_balancer.read_health(api, chain.backend_services)
    if not health.ready:
        check = load_balancer.read_health_check(api, chain.backend_services)
        ill = diagnosis.of_health(
            health.groups, check, namespace=config.namespace, service=names.service(config.release)
        )
        yield troubles.of_finding(ill, f"backends of {resource}", Source.HEALTH)
