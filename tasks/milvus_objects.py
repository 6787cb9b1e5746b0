"""What of Milvus stands in the cluster: its Service, its Deployments, the ConfigMap of its settings. Read only."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tasks.clients import kubernetes
from tasks.clients.readers import ClusterReader
from tasks.core import annotations, names, release_values, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed
from tasks.core.release_values import Version

Json = dict[str, Any]

_SETTINGS = ("user.yaml", "milvus.yaml")
"""Keys of the ConfigMap that settings may stand in: the chart's, and those of the published manifests."""


def read_service(cluster: ClusterReader, config: LoadBalancerConfig) -> Json:
    """The Milvus Service.

    Raises:
        ResourceFailed: there is none.
    """
    name = names.service(config.release)
    service = cluster.read(kubernetes.SERVICE, config.namespace, name)
    if service is None:
        raise ResourceFailed(
            f"service {config.namespace}/{name}",
            "does not exist",
            f"See the releases there are: helm -n {config.namespace} list",
            "milvus",
        )
    return service


def wanted_annotations(service: Json, config: LoadBalancerConfig) -> dict[str, str]:
    """What the Service must say, for GKE to speak HTTP/2 to its Milvus port.

    Raises:
        ResourceFailed: it has no Milvus port, or one without a name.
    """
    port = status.milvus_port(service)
    if port is None or not port.name:
        raise ResourceFailed(
            f"service {config.namespace}/{service['metadata']['name']}",
            "has no named Milvus port (milvus, 19530)" if port is None else f"port {port.number} has no name",
            "GKE finds the protocol by the port's name: name it milvus in the chart (service.portName).",
            "milvus",
        )
    return annotations.on_service(port.name, names.backend_config(config.release))


def annotations_of_ours(service: Json, config: LoadBalancerConfig) -> dict[str, str]:
    """What we say in annotations of the Service, whether it says so or not; of any Service, to take it off again."""
    port = status.milvus_port(service)
    return annotations.on_service(port.name if port else "milvus", names.backend_config(config.release))


def service_fits(service: Json, wanted: Mapping[str, str]) -> bool:
    """Whether the live Service is as the load balancer needs it."""
    live = status.marks(service)
    return service["spec"].get("type") == "ClusterIP" and all(
        annotations.same(key, live.get(key), value) for key, value in wanted.items()
    )


def read_deployments(cluster: ClusterReader, config: LoadBalancerConfig, service: Json) -> list[Json]:
    """The Deployments that a change of Milvus' settings restarts: those of the release, and those the Service selects.

    etcd, MinIO and Pulsar belong to the same release but not to the same name; they are not restarted by it.
    """
    return deployments_among(cluster.list_objects(kubernetes.DEPLOYMENT, config.namespace), config, service)


def deployments_among(found: list[Json], config: LoadBalancerConfig, service: Json) -> list[Json]:
    """Those of these Deployments; see `read_deployments`."""
    selector = service["spec"].get("selector") or {}
    product = selector.get("app.kubernetes.io/name", "milvus")

    def belongs(deployment: Json) -> bool:
        labels = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
        selected = bool(selector) and all(labels.get(key) == value for key, value in selector.items())
        instance = labels.get("app.kubernetes.io/instance") == config.release
        return selected or (instance and labels.get("app.kubernetes.io/name") == product)

    return [deployment for deployment in found if belongs(deployment)]


def version_of(deployments: Iterable[Json], app_version: str = "") -> Version | None:
    """Version of Milvus, by the image that its Deployments name, else by its chart's appVersion; None if neither tells.

    Args:
        deployments: those of Milvus.
        app_version: as the Helm release has it; empty without one.
    """
    images = [
        container.get("image", "")
        for deployment in deployments
        for container in deployment["spec"]["template"]["spec"].get("containers") or []
    ]
    image = next((image for image in images if "milvus" in image.rpartition("@")[0] or "milvus" in image), "")
    return release_values.milvus_version(image, app_version)


def config_maps_of(deployments: Iterable[Json]) -> list[str]:
    """Names of the ConfigMaps that the Deployments mount."""
    volumes = [volume for each in deployments for volume in each["spec"]["template"]["spec"].get("volumes") or []]
    return [name for volume in volumes if (name := (volume.get("configMap") or {}).get("name"))]


def settings_among(deployments: Iterable[Json], read: Callable[[str], Json | None]) -> tuple[Json, str] | None:
    """The ConfigMap that Milvus reads its settings from, and the key in it (milvus-helm templates).

    Args:
        deployments: those of Milvus.
        read: gives a ConfigMap by its name.
    """
    for name in config_maps_of(deployments):
        found = read(name)
        for key in _SETTINGS:
            if found and key in (found.get("data") or {}):
                return found, key
    return None


def read_settings(cluster: ClusterReader, config: LoadBalancerConfig, deployments: Iterable[Json]) -> tuple[Json, str]:
    """The ConfigMap that Milvus reads its settings from, and the key in it.

    Raises:
        ResourceFailed: no Deployment mounts one.
    """
    found = settings_among(deployments, lambda name: cluster.read(kubernetes.CONFIG_MAP, config.namespace, name))
    if found is None:
        raise ResourceFailed(
            f"release {config.namespace}/{config.release}",
            "no Deployment of it mounts a ConfigMap with user.yaml or milvus.yaml, so TLS cannot be turned on",
            "Turn it on where Milvus is configured: common.security.tlsMode: 1, and proxy.http.port: 8080.",
            "milvus",
        )
    return found


def text_of(settings: tuple[Json, str]) -> str:
    """The settings in their ConfigMap."""
    config_map, key = settings
    return str((config_map.get("data") or {}).get(key) or "")
