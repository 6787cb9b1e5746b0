"""What is left of the load balancer in Compute, which GKE's controllers take down: read, waited for, never deleted."""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks import steps, waiting
from tasks.clients import compute, kubernetes
from tasks.clients.compute import Compute
from tasks.clients.kubernetes import Cluster
from tasks.core import inventory, names, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook
from tasks.core.errors import AccessRefused
from tasks.core.inventory import Marker
from tasks.core.teardown_request import TeardownRequest
from tasks.polling import Ready


def parts_of(api: Compute, config: LoadBalancerConfig, ingress: Mapping[str, Any]) -> list[str]:
    """References of all that GKE made of this Ingress alone, by its annotations and by what hangs below them.

    The default backend's service is shared by every Ingress of the cluster and is not among them.
    """
    found: list[str] = []
    marker = Marker(ingress_of(config), service_of(config))
    for reference in inventory.of_ingress(ingress):
        collection, name = reference.rsplit("/", 1)
        if collection != "backendServices":
            found.append(reference)
        elif (service := api.get(collection, name)) and marker.owns(collection, service):
            found += inventory.of_backend_service(service)
    return inventory.in_order(found)


def search(api: Compute, cluster: Cluster, config: LoadBalancerConfig) -> list[str]:
    """References of all that says of itself that it belongs to our Ingress, whether the Ingress exists or not."""
    marker = Marker(ingress_of(config), service_of(config), _prefixes(cluster))
    found: list[str] = []
    url_maps: set[str] = set()
    for collection in ("forwardingRules", "targetHttpProxies", "targetHttpsProxies"):
        for resource in api.list_resources(collection):
            if not marker.owns(collection, resource):
                continue
            found.append(f"{collection}/{resource['name']}")
            url_maps.add(status.tail(str(resource.get("urlMap", ""))))
            certificates = (status.tail(link) for link in resource.get("sslCertificates", []))
            found += [f"sslCertificates/{name}" for name in certificates if name.startswith("k8s")]
    services = [each for each in api.list_resources("backendServices") if marker.owns("backendServices", each)]
    ours = {str(service["name"]) for service in services}
    for service in services:
        found += inventory.of_backend_service(service)
    for url_map in api.list_resources("urlMaps"):
        name = str(url_map["name"])
        if name in url_maps or (name.startswith("k8s") and inventory.url_map_services(url_map) & ours):
            found.append(f"urlMaps/{name}")
    for group in api.list_resources("networkEndpointGroups"):
        if marker.owns("networkEndpointGroups", group):
            found.append(inventory.reference(str(group["selfLink"])))
            # The one name of group, backend service and health check.
            found.append(f"healthChecks/{group['name']}")
    return inventory.in_order(each for each in found if api.exists(each))


@steps.observing
def wait_for_load_balancer_deletion(config: TeardownRequest, parts: list[str]) -> None:
    """Return once none of these parts exists in Compute any more.

    Network endpoint groups go last, with a sweep every two minutes.

    Args:
        config: the request.
        parts: references, noted before the Ingress was deleted.

    Raises:
        ResourceFailed: something of somebody else's uses a part, so that GKE leaves it.
        NotReadyInTime: not within `config.delete_timeout_seconds`; names what is left and how to remove it.
    """
    if not parts:
        return
    api = compute.api(config)
    left = list(parts)

    def look() -> Ready[None] | Finding:
        left[:] = [part for part in left if api.exists(part)]
        if not left:
            return Ready(None)
        if users := _strangers(api, left, parts):
            seen = "; ".join(f"{part} is used by {', '.join(found)}" for part, found in users.items())
            mend = "GKE leaves what is in use. Take it out there, then remove it: " + _commands(api, users)
            return Finding(Outlook.STOP, "compute", "InUse", seen, mend)
        seen = f"{len(left)} of {len(parts)} parts are left: {', '.join(left)}"
        mend = f"GKE has left them; remove them in this order: {_commands(api, left)}"
        return Finding(Outlook.WAIT, "compute", "NotGoneYet", seen, mend)

    waiting.until(
        look,
        step="wait-for-load-balancer-deletion",
        resource=f"load balancer of ingress {ingress_of(config)}",
        timeout_seconds=config.delete_timeout_seconds,
    )


def _commands(api: Compute, references: Iterable[str]) -> str:
    return "; ".join(inventory.delete_command(each, api.project) for each in inventory.in_order(references))


def _strangers(api: Compute, left: list[str], parts: list[str]) -> dict[str, list[str]]:
    """Who, apart from the load balancer itself, uses what is left of it."""
    found: dict[str, list[str]] = {}
    for part in left:
        collection, name = part.split("/")[-2:]
        if collection not in _USERS:
            continue
        users = [
            f"{kind}/{resource['name']}"
            for kind, field in _USERS[collection]
            for resource in api.list_resources(kind)
            if f"{kind}/{resource['name']}" not in parts and _names(resource, field, name)
        ]
        if users:
            found[part] = users
    return found


_USERS = {
    "urlMaps": (("targetHttpProxies", "urlMap"), ("targetHttpsProxies", "urlMap")),
    "backendServices": (("urlMaps", ""),),
    "healthChecks": (("backendServices", "healthChecks"),),
    "networkEndpointGroups": (("backendServices", "backends"),),
    "sslCertificates": (("targetHttpsProxies", "sslCertificates"),),
}
"""Who may use what, and in which field it then stands; in a URL map it may stand anywhere."""


def _names(resource: Mapping[str, Any], field: str, name: str) -> bool:
    if not field:
        return name in inventory.url_map_services(resource)
    value = resource.get(field) or []
    links = [value] if isinstance(value, str) else [each["group"] if isinstance(each, dict) else each for each in value]
    return any(status.tail(str(link)) == name for link in links)


def _prefixes(cluster: Cluster) -> tuple[str, ...]:
    """How names of this cluster begin; empty when we may not look, and names of every cluster then count."""
    try:
        namespace = cluster.read(kubernetes.NAMESPACE, "", "kube-system") or {}
        noted = cluster.read(kubernetes.CONFIG_MAP, "kube-system", "ingress-uid") or {}
    except AccessRefused:
        return ()
    uid = str((namespace.get("metadata") or {}).get("uid") or "")
    return inventory.cluster_prefixes(uid, str((noted.get("data") or {}).get("uid") or ""))


def ingress_of(config: LoadBalancerConfig) -> str:
    """namespace/name of our Ingress."""
    return f"{config.namespace}/{names.ingress(config.release)}"


def service_of(config: LoadBalancerConfig) -> str:
    """namespace/name of the Milvus Service."""
    return f"{config.namespace}/{names.service(config.release)}"
