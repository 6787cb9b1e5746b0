"""Cluster and Compute side of a load balancer; nothing is changed."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from tasks import global_address, looking, milvus_objects, milvus_rollout, tls_secret
from tasks.clients import kubernetes
from tasks.clients.readers import ClusterReader, ComputeReader
from tasks.core import annotations, certificates, names, status
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.three_ways import ClusterSide, ComputeSide, Sides

Json = dict[str, Any]


def read(config: LoadBalancerConfig) -> Sides:
    """Intent, cluster and Compute at one look; what is missing is None, and no error."""
    cluster, api = looking.cluster(config), looking.api(config)
    objects = _objects(cluster, config)
    ingress = cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    address = global_address.choose(api, config, ingress)
    return Sides(
        config=config,
        address=address,
        cluster=ClusterSide(ingress=ingress, **objects),
        compute=_resources(api, status.marks(ingress or {}), address.name),
        now=dt.datetime.now(dt.UTC),
    )


def _objects(cluster: ClusterReader, config: LoadBalancerConfig) -> Json:
    namespace, release = config.namespace, config.release
    service = cluster.read(kubernetes.SERVICE, namespace, names.service(release))
    found: Json = {
        "service": service,
        "backend_config": cluster.read(kubernetes.BACKEND_CONFIG, namespace, names.backend_config(release)),
        "frontend_config": cluster.read(kubernetes.FRONTEND_CONFIG, namespace, names.frontend_config(release)),
        "ready_pods": _ready_pods(cluster, config, service) if service else None,
    }
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        name = names.certificate(release)
        return found | {"managed_certificate": cluster.read(kubernetes.MANAGED_CERTIFICATE, namespace, name)}
    secret = cluster.read(kubernetes.SECRET, namespace, config.tls_secret)
    return found | _certificate(config, secret or {})


def _certificate(config: LoadBalancerConfig, secret: Json) -> Json:
    try:
        fingerprint = certificates.read(tls_secret.pem(secret, "tls.crt")).fingerprint
    except ValueError:
        return {}
    return {"fingerprint": fingerprint, "secret_faults": tuple(tls_secret.faults(config, secret))}


def _ready_pods(cluster: ClusterReader, config: LoadBalancerConfig, service: Json) -> int | None:
    """Pods behind the Service; None while Milvus is rolled out, and the groups follow it."""
    selector = service["spec"].get("selector") or {}
    deployments = milvus_objects.read_deployments(cluster, config, service)
    if not selector or not all(milvus_rollout.rolled_out(each) for each in deployments):
        return None
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    return sum(_ready(pod) for pod in cluster.list_objects(kubernetes.POD, config.namespace, labels=labels))


def _ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return not pod["metadata"].get("deletionTimestamp") and any(
        each.get("type") == "Ready" and each.get("status") == "True" for each in conditions
    )


def _resources(api: ComputeReader, marks: dict[str, str], address: str) -> ComputeSide:
    """Follow the chain from the Ingress' own annotations, as far as it goes."""
    found = _Found(api)
    found.look("addresses", address)
    secure = found.look("forwardingRules", marks.get(annotations.HTTPS_FORWARDING_RULE, ""))
    proxy = found.look("targetHttpsProxies", status.tail(str(secure.get("target", ""))))
    url_map = found.look("urlMaps", status.tail(str(proxy.get("urlMap", ""))))
    for link in proxy.get("sslCertificates") or []:
        found.look("sslCertificates", status.tail(str(link)))
    plain = found.look("forwardingRules", marks.get(annotations.FORWARDING_RULE, ""))
    plain_proxy = found.look("targetHttpProxies", status.tail(str(plain.get("target", ""))))
    found.look("urlMaps", status.tail(str(plain_proxy.get("urlMap", ""))))
    for name in _services_of(url_map):
        service = found.look("backendServices", name)
        for link in service.get("healthChecks") or []:
            found.look("healthChecks", status.tail(str(link)))
    return ComputeSide(
        project=api.project,
        resources=found.resources,
        rules=tuple(api.list_resources("forwardingRules")),
        groups=tuple(api.list_resources("networkEndpointGroups")),
    )


def _services_of(url_map: Json) -> Iterator[str]:
    yield from dict.fromkeys([*status.routed_services(url_map), status.default_backend_service(url_map)])


class _Found:
    """Resources by reference, those that are not there among them."""

    def __init__(self, api: ComputeReader) -> None:
        self._api, self.resources = api, dict[str, Json | None]()

    def look(self, collection: str, name: str) -> Json:
        """The resource; empty if there is none, or no name."""
        reference = f"{collection}/{name}"
        if name and reference not in self.resources:
            self.resources[reference] = self._api.get(collection, name)
        return self.resources.get(reference) or {}
