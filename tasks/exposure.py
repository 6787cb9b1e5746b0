"""The exposure guard: what strangers find at a Milvus that is published, or is about to be."""

from typing import Any

from tasks import allow_list, milvus_objects, polling, steps, waiting
from tasks.clients import doors, kubernetes, settings
from tasks.clients.readers import ClusterReader
from tasks.core import exposure, names, progress, status
from tasks.core.checks.check import Check, skipped
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import ExposureRefused, ProvisioningError
from tasks.polling import Ready

_MANAGEMENT_PORT = 9091
_MOST_SECONDS = 60.0


@steps.observing
def guard_exposure(config: LoadBalancerConfig, address: str, *, once: bool = False) -> list[Check]:
    """Return how Milvus looks from outside, through the load balancer.

    Args:
        config: the configuration.
        address: IPv4 of the load balancer.
        once: whether something is known to be wrong, so that what GKE may still bring is not waited for.

    Raises:
        ExposureRefused: it lets in or shows what nobody asked for.
    """
    ends: list[Check] = []

    def look() -> Ready[list[Check]] | Finding:
        found = judge(config, address)
        progress.current().judge(found)
        ends[:] = [check for check in found if check.ends_the_run]
        if not ends:
            return Ready(found)
        may_come = not once and all(check.may_pass for check in ends)
        outlook = Outlook.WAIT if may_come else Outlook.STOP
        seen = "; ".join(f"{check.resource}: {check.observed}" for check in ends)
        return Finding(outlook, ends[0].layer, ends[0].cause, seen, ends[0].mend)

    try:
        return waiting.until(
            look,
            step="guard-exposure",
            resource=f"load balancer {config.domain} at {address}",
            timeout_seconds=min(_MOST_SECONDS, config.proof_timeout_seconds),
        )
    except polling.Stopped:
        raise
    except ProvisioningError as error:
        if not ends:
            raise
        raise ExposureRefused(error.resource, error.observed, error.mend, error.layer, error.cause) from error


def judge(config: LoadBalancerConfig, address: str) -> list[Check]:
    """Every check from outside, once.

    Raises:
        Unreachable: Compute did not answer.
    """
    through_443: list[str] = []
    where = f"https://{config.domain}"
    try:
        port = settings.https_port()
        anonymous, root = doors.knock(address, port, config.domain, secure=True)
        with doors.connection(address, port, config.domain, secure=True) as held:
            through_443 = doors.management_over(held, config.domain)
    except doors.Unreachable as error:
        anonymous = root = exposure.Door(exposure.Received.UNKNOWN, str(error))
    http_port = settings.http_port()
    return [
        exposure.anonymous_access(config, anonymous, where),
        exposure.default_password(config, root, where, anonymous=anonymous),
        exposure.management_port(config, address, doors.management_at(address, _MANAGEMENT_PORT), through_443),
        exposure.plain_http(config, f"{address}:{http_port}", doors.plain_get(address, http_port, config.domain)),
        *allow_list.judge(config, address, milvus_answers=anonymous.received is not exposure.Received.UNKNOWN),
    ]


def before_publishing(config: LoadBalancerConfig, cluster: ClusterReader) -> list[Check]:
    """Who is let in by the Milvus that is about to be published.

    Asked at its Layer-4 address, if it has one that answers; else by the settings that it has, which are no proof.
    """
    service = cluster.read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    if service is None:
        why = f"there is no service {config.namespace}/{names.service(config.release)}"
        resource = f"service {config.namespace}/{names.service(config.release)}"
        return [
            skipped(name, resource, why, layer="milvus") for name in ("AnonymousAccessCheck", "DefaultPasswordCheck")
        ]
    address, port = _layer_4(service)
    if not address:
        return exposure.by_settings(config, _settings(cluster, config, service), "it has no Layer-4 address to ask at")
    where = f"{address}:{port}"
    try:
        anonymous, root = doors.knock_either_way(address, port)
    except doors.Unreachable as error:
        return exposure.by_settings(config, _settings(cluster, config, service), f"nobody answers at {error}")
    if anonymous.received is exposure.Received.UNKNOWN:
        return exposure.by_settings(config, _settings(cluster, config, service), f"{where} gave {anonymous.seen}")
    return [
        exposure.anonymous_access(config, anonymous, where),
        exposure.default_password(config, root, where, anonymous=anonymous),
    ]


def _layer_4(service: dict[str, Any]) -> tuple[str, int]:
    entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    port = status.milvus_port(service)
    return str(entries[0].get("ip") or entries[0].get("hostname") or "") if port else "", port.number if port else 0


def _settings(cluster: ClusterReader, config: LoadBalancerConfig, service: dict[str, Any]) -> list[str]:
    """Texts of Milvus' YAML files in the order in which they win, as its Deployments mount them."""
    deployments = milvus_objects.read_deployments(cluster, config, service)
    texts = []
    for name in dict.fromkeys(milvus_objects.config_maps_of(deployments)):
        data = (cluster.read(kubernetes.CONFIG_MAP, config.namespace, name) or {}).get("data") or {}
        texts += [str(data[key]) for key in ("default.yaml", "milvus.yaml", "user.yaml") if key in data]
    return texts
