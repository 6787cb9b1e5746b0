"""The allow-list as it is in force: what Compute has of it, and what an address meets that must be refused."""

from dataclasses import dataclass, field

from tasks import load_balancer
from tasks.clients import compute, doors, kubernetes, settings
from tasks.core import allow_list, exposure, names, status
from tasks.core.armor import Policy, Unread
from tasks.core.checks.check import Check, skipped
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding
from tasks.core.errors import ProvisioningError, Unreachable


@dataclass(frozen=True)
class _Seen:
    """What Compute has.

    Attributes:
        attached: name of the policy by backend service that the URL map can lead to, "" for none.
        routed: the backend services among them that a domain leads to.
        policies: those that are attached and the one that is asked for, by name.
    """

    attached: dict[str, str] = field(default_factory=dict)
    routed: tuple[str, ...] = ()
    policies: dict[str, Policy | Unread | None] = field(default_factory=dict)

    def in_the_way(self) -> tuple[Policy, ...]:
        """Policies that a call to Milvus meets, without rules where they cannot be read."""
        attached = [name for service in self.routed if (name := self.attached.get(service))]
        found = [(name, self.policies.get(name)) for name in dict.fromkeys(attached)]
        return tuple(policy if isinstance(policy, Policy) else Policy(name) for name, policy in found)


def judge(config: LoadBalancerConfig, address: str, *, milvus_answers: bool) -> list[Check]:
    """Every check of the allow-list, once; skipped ones where Compute does not tell.

    Args:
        config: the configuration.
        address: IPv4 of the load balancer.
        milvus_answers: whether this machine's usual address reaches Milvus.

    Raises:
        Unreachable: Compute did not answer.
    """
    try:
        seen = _look(config)
        found = [*allow_list.of_policies(config, seen.policies), *exposure.allow_lists(config, seen.attached)]
    except Unreachable:
        raise
    except ProvisioningError as error:
        resource = f"ingress {config.namespace}/{names.ingress(config.release)}"
        seen = _Seen()
        found = [skipped("AllowListCheck", resource, f"{error.resource}: {error.observed}", layer="compute")]
    found += allow_list.none_to_knock_from(config)
    for source in dict.fromkeys(config.refused_sources):
        knock = doors.knock_from(source, address, settings.https_port(), config.domain)
        policies = seen.in_the_way()
        found.append(allow_list.enforcement(config, knock, policies, address, milvus_answers=milvus_answers))
    return found


def _look(config: LoadBalancerConfig) -> _Seen:
    live = kubernetes.cluster(config).read(kubernetes.INGRESS, config.namespace, names.ingress(config.release)) or {}
    api = compute.api(config)
    chain = load_balancer.walk(api, status.marks(live))
    if isinstance(chain, Finding):
        resource = f"ingress {config.namespace}/{names.ingress(config.release)}"
        raise ProvisioningError(resource, chain.observed, chain.mend, chain.layer, chain.cause)
    services = exposure.every_service(api.get("urlMaps", chain.url_map) or {})
    found = {name: api.get("backendServices", name) or {} for name in services}
    attached = {name: status.tail(str(service.get("securityPolicy") or "")) for name, service in found.items()}
    wanted = [name for name in dict.fromkeys([config.security_policy_name, *attached.values()]) if name]
    policies = {name: load_balancer.read_policy(api, name) for name in wanted}
    return _Seen(attached, chain.backend_services, policies)
