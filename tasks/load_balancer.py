"""Tasks on the Compute side of the load balancer, which GKE's controller owns: read only.

The chain is walked from the Ingress' own annotations, never from names computed anew: forwarding rule, target proxy,
URL map, backend service, groups, health.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import events, steps, waiting
from tasks.clients import compute, kubernetes
from tasks.clients.readers import ComputeReader
from tasks.core import annotations, armor, diagnosis, names, status
from tasks.core.armor import Policy, Unread
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import ProvisioningError, ResourceFailed, Unreachable
from tasks.polling import Ready


class LoadBalancer(BaseModel):
    """The parts of a load balancer, by the names Compute knows them under."""

    model_config = ConfigDict(frozen=True)

    forwarding_rule: str = ""
    target_proxy: str = ""
    url_map: str = ""
    backend_services: tuple[str, ...] = ()
    ssl_certificates: tuple[str, ...] = ()
    healthy_endpoints: int = 0

    def resources(self) -> list[str]:
        """Every part as the tail of its self-link."""
        parts = [
            ("forwardingRules", (self.forwarding_rule,)),
            ("targetHttpsProxies", (self.target_proxy,)),
            ("urlMaps", (self.url_map,)),
            ("backendServices", self.backend_services),
            ("sslCertificates", self.ssl_certificates),
        ]
        return [f"{collection}/{name}" for collection, found in parts for name in found if name]


@steps.observing
def wait_for_backends(config: LoadBalancerConfig) -> LoadBalancer:
    """Return the load balancer once every zone that has endpoints has a healthy one.

    Health is asked of Compute itself: the Ingress' own `backends` annotation is written only on syncs and goes stale.

    Raises:
        ResourceFailed: the controller reported a permanent cause.
        NotReadyInTime: not within `config.backends_timeout_seconds`.
    """
    cluster, api = kubernetes.cluster(config), compute.api(config)
    namespace, name = config.namespace, names.ingress(config.release)
    resource = f"backends of ingress {namespace}/{name}"
    walked: list[LoadBalancer] = []

    @functools.cache
    def health_check() -> dict[str, Any]:
        # Once is enough: it only explains what is seen.
        return read_health_check(api, walked[0].backend_services)

    def told() -> Finding | None:
        return events.worst(cluster, config, (name, names.service(config.release)))

    def silence(live: dict[str, Any]) -> Finding | None:
        return events.silence(cluster, live) if live else None

    def look() -> Ready[LoadBalancer] | Finding:
        if not walked:
            live = cluster.read(kubernetes.INGRESS, namespace, name) or {}
            chain = walk(api, status.marks(live))
            if isinstance(chain, Finding):
                heard = told()
                if heard and heard.outlook is Outlook.STOP:
                    return heard
                # Complaints on the way are many; what is missing for good explains them.
                return silence(live) or _without_certificate(config, status.marks(live)) or heard or chain
            walked.append(chain)
        health = read_health(api, walked[0].backend_services)
        if health.ready:
            return Ready(walked[0].model_copy(update={"healthy_endpoints": health.healthy}))
        heard = told()
        if heard and (not health.groups or heard.outlook is Outlook.STOP or heard.layer == "network"):
            # Endpoints nobody can reach are unhealthy, too; who must open the firewall stands in an event.
            return heard
        return diagnosis.of_health(health.groups, health_check(), namespace=namespace, service=name)

    found = waiting.until(
        look,
        step="wait-for-backends",
        resource=resource,
        timeout_seconds=config.backends_timeout_seconds,
    )
    steps.logger().info("%s: %d endpoints are healthy", resource, found.healthy_endpoints)
    return found


def _without_certificate(config: LoadBalancerConfig, marks: dict[str, str]) -> Finding | None:
    """Whether there is no HTTPS front end because Google's certificate is not on the Ingress (gke.md §5.4)."""
    if config.certificate_mode is not CertificateMode.GOOGLE_MANAGED or marks.get(annotations.PRE_SHARED_CERT):
        return None
    return Finding(
        Outlook.WAIT,
        "certificate",
        "NoCertificateAttached",
        "the ManagedCertificate is not on the Ingress yet, in annotation " + annotations.PRE_SHARED_CERT,
        "Google's controller puts it there once it has made the certificate; see why not: "
        f"kubectl -n {config.namespace} describe managedcertificate {names.certificate(config.release)}",
    )


def parts(api: ComputeReader, config: LoadBalancerConfig, ingress: Mapping[str, Any] | None) -> LoadBalancer:
    """The parts of the load balancer that GKE made of the Ingress.

    Raises:
        ResourceFailed: one of them is not there.
    """
    found = walk(api, status.marks(ingress or {}))
    if isinstance(found, Finding):
        resource = f"ingress {config.namespace}/{names.ingress(config.release)}"
        raise ResourceFailed(resource, found.observed, found.mend, found.layer, found.cause)
    return found


def walk(api: ComputeReader, marks: dict[str, str]) -> LoadBalancer | Finding:
    """Follow the chain from the Ingress' annotations; a link that is not there yet is a finding to wait for."""
    rule_name = marks.get(annotations.HTTPS_FORWARDING_RULE, "")
    if not rule_name:
        return _missing("the Ingress has no annotation https-forwarding-rule yet")
    rule = api.get("forwardingRules", rule_name)
    if rule is None:
        return _missing(f"forwardingRules/{rule_name} does not exist yet")
    proxy = api.get("targetHttpsProxies", status.tail(rule.get("target", "")))
    if proxy is None:
        return _missing(f"targetHttpsProxies/{status.tail(rule.get('target', ''))} does not exist yet")
    url_map = api.get("urlMaps", status.tail(proxy.get("urlMap", "")))
    if url_map is None:
        return _missing(f"urlMaps/{status.tail(proxy.get('urlMap', ''))} does not exist yet")
    return LoadBalancer(
        forwarding_rule=rule_name,
        target_proxy=proxy["name"],
        url_map=url_map["name"],
        backend_services=tuple(status.routed_services(url_map)),
        ssl_certificates=tuple(status.tail(link) for link in proxy.get("sslCertificates", [])),
    )


@dataclass(frozen=True)
class Health:
    """Health of all routed backend services at one look."""

    groups: dict[str, list[str]]
    """Group name (one NEG per zone) to the states of its endpoints; an empty list while Compute knows nothing."""

    @property
    def healthy(self) -> int:
        """Number of healthy endpoints."""
        return sum(state == "HEALTHY" for states in self.groups.values() for state in states)

    @property
    def ready(self) -> bool:
        """Every group that has endpoints has a healthy one, and at least one exists."""
        return self.healthy > 0 and all("HEALTHY" in states for states in self.groups.values() if states)


def read_health(api: ComputeReader, backend_services: tuple[str, ...]) -> Health:
    """Ask Compute for the health of every group of these backend services."""
    groups: dict[str, list[str]] = {}
    for name in backend_services:
        service = api.get("backendServices", name) or {}
        for backend in service.get("backends", []):
            link = backend["group"]
            zone = link.split("/zones/")[-1].split("/")[0]
            groups[f"{zone}/{status.tail(link)}"] = [
                str(entry.get("healthState", "")) for entry in api.health(name, link)
            ]
    return Health(groups)


def read_health_check(api: ComputeReader, backend_services: tuple[str, ...]) -> dict[str, Any]:
    """Return the first health check of these backend services, empty if they have none yet."""
    for name in backend_services:
        service = api.get("backendServices", name) or {}
        for link in service.get("healthChecks", []):
            return api.get("healthChecks", status.tail(link)) or {}
    return {}


def attached_policies(api: ComputeReader, backend_services: Iterable[dict[str, Any]]) -> Iterator[Policy]:
    """The Cloud Armor policies of these backend services, without rules where we may not read them."""
    links = (str(service.get("securityPolicy") or "") for service in backend_services)
    for name in dict.fromkeys(status.tail(link) for link in links if link):
        found = read_policy(api, name)
        yield found if isinstance(found, Policy) else Policy(name)


def read_policy(api: ComputeReader, name: str) -> Policy | Unread | None:
    """A Cloud Armor policy, None if there is none of this name.

    Raises:
        Unreachable: Compute did not answer.
    """
    try:
        found = api.get("securityPolicies", name)
    except Unreachable:
        raise
    except ProvisioningError as error:
        return Unread(error.observed)
    return None if found is None else armor.of(found)


def _missing(observed: str) -> Finding:
    return Finding(Outlook.WAIT, "compute", "NotProgrammedYet", observed, "GKE builds it; wait.")
