"""What a pod's spec says about Milvus (pure)."""

import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

GRPC_PORT, METRICS_PORT = 19530, 9091
USER_YAML = "/milvus/configs/user.yaml"
_DATA = "/var/lib/milvus"
_COMPONENTS = {"standalone", "proxy"}


def milvus_container(pod: Json) -> Json | None:
    """The container that needs a Milvus process: its image is Milvus' and clients can call it.

    That is the standalone container, or each proxy of a cluster; a proxy gets a whole standalone server of its own,
    since the sandbox runs no other component.
    """
    labels = pod["metadata"].get("labels") or {}
    component = labels.get("component") or labels.get("app.kubernetes.io/component")
    for container in pod["spec"]["containers"]:
        ports = {port.get("containerPort") for port in container.get("ports") or []}
        is_milvus = "milvus" in image_name(container.get("image", "")) and "tool" not in container.get("image", "")
        if is_milvus and GRPC_PORT in ports and (component in _COMPONENTS or container["name"] in _COMPONENTS):
            found: Json = container
            return found
    return None


def image_name(image: str) -> str:
    """The last part of an image's name, without tag and digest.

    >>> image_name("docker.io/milvusdb/milvus:v2.3.5")
    'milvus'
    """
    return re.split(r"[:@]", image.rsplit("/", 1)[-1])[0]


def port_number(container: Json, port: int | str) -> int | None:
    """A probe's or Service's target port as a number; None when the container has no port of that name."""
    if isinstance(port, int):
        return port
    for each in container.get("ports") or []:
        if each.get("name") == port:
            return int(each["containerPort"])
    return int(port) if port.isdigit() else None


def data_claim(pod: Json, container: Json) -> str | None:
    """The PersistentVolumeClaim with Milvus' data; None when they live and die with the pod."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        claim = volumes.get(mount["name"], {}).get("persistentVolumeClaim")
        if claim and mount["mountPath"].startswith(_DATA):
            return str(claim["claimName"])
    return None


@dataclass(frozen=True)
class FileMount:
    """Files of one ConfigMap or Secret in a container: `sub_path` None means all of them, below `path`.

    `items` says which key becomes which file; empty: each key is a file of its name.
    """

    kind: str
    name: str
    path: str
    sub_path: str | None
    optional: bool
    items: tuple[tuple[str, str], ...] = ()


def file_mounts(pod: Json, container: Json) -> list[FileMount]:
    """What the container sees of ConfigMaps and Secrets."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    result = []
    for mount in container.get("volumeMounts") or []:
        volume = volumes.get(mount["name"], {})
        for kind, field in (("configMap", "name"), ("secret", "secretName")):
            if source := volume.get(kind):
                optional = bool(source.get("optional"))
                items = tuple((item["key"], item["path"]) for item in source.get("items") or [])
                mounted = mount["mountPath"], mount.get("subPath") or None
                result.append(FileMount(kind, source[field], *mounted, optional, items))
    return result


def waits_seconds(probe: Json, pace: float) -> tuple[float, float]:
    """Initial delay and period of a probe at the sandbox's pace; 1 is as configured, 0 as fast as it goes."""
    period = float(probe.get("periodSeconds") or 10)
    return float(probe.get("initialDelaySeconds") or 0) * pace, max(0.1, period * pace)
