"""milvus.yaml of one server: the package's template, the pod's user.yaml, and what the sandbox must decide itself.

Three layers, later ones win, merged key by key as the chart's `merge` tool does:

1. the package's defaults, with a few made smaller for a laptop (`LAPTOP`);
2. `user.yaml` from the pod's ConfigMap: any key of Milvus, as on a real cluster;
3. what must fit this machine: ports, folders, the embedded etcd, RocksMQ and local storage instead of the chart's etcd,
   Pulsar and MinIO, which the sandbox does not run.

The chart's `default.yaml` is left out on purpose: it says where those three services are and little else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.milvus import package

PORTS = (
    "etcd_port",
    "etcd_peer_port",
    "root_coord_port",
    "proxy_port",
    "proxy_internal_port",
    "query_coord_port",
    "query_node_port",
    "index_coord_port",
    "index_node_port",
    "data_coord_port",
    "data_node_port",
    "metrics_port",
    "rest_port",
)

GRPC_PORT = 19530

LAPTOP: dict[str, Any] = {
    "rootCoord": {"dmlChannelNum": 4},  # 16 channels, each with its own consumers, serve nobody here
    "log": {"level": "warn"},
    "etcd": {"log": {"level": "warn"}},
    "common": {"gracefulStopTimeout": 3},
}

_COMPONENTS = ("rootCoord", "proxy", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode")
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)(?:\(\w+\))?\s*(?::\s*(.*?))?\s*\}\}")


class BadConfiguration(Exception):
    """user.yaml is no YAML mapping; Milvus' own start would fail on it too."""


@dataclass(frozen=True)
class Layout:
    """Where one server lives: `home` for its data (kept over restarts), `ports` by the template's names."""

    home: Path
    ports: Mapping[str, int]


def milvus_yaml(template: str, user_yaml: str, layout: Layout) -> dict[str, Any]:
    """The whole configuration of one server.

    Raises:
        BadConfiguration: `user_yaml` cannot be parsed, or is not a mapping.
    """
    defaults = yaml.safe_load(_PLACEHOLDER.sub(lambda match: _value(match, layout), template))
    wanted = parsed(user_yaml)
    tree = merged(merged(merged(defaults, LAPTOP), wanted), machine(layout))
    tree["proxy"]["http"].pop("port", None)  # none: REST shares the gRPC port
    if rest_port(wanted) is not None:
        tree["proxy"]["http"]["port"] = layout.ports["rest_port"]
    return tree


def rest_port(user_yaml: Mapping[str, Any]) -> int | None:
    """The port of its own that user.yaml gives to REST; None when REST shares the gRPC port.

    Like all its ports Milvus binds this one on every address, so on this machine it must be another number.

    >>> rest_port({"proxy": {"http": {"port": 8080}}}), rest_port({"proxy": {"http": {"enabled": False}}})
    (8080, None)
    """
    proxy = user_yaml.get("proxy") or {}
    port = str((proxy.get("http") or {}).get("port") or "")
    return int(port) if port.isdigit() and port != str(proxy.get("port", GRPC_PORT)) else None


def parsed(user_yaml: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(user_yaml)
    except yaml.YAMLError as error:
        raise BadConfiguration(f"user.yaml is not YAML: {error}") from error
    if tree is None:  # the chart's default user.yaml is nothing but comments
        return {}
    if not isinstance(tree, dict):
        raise BadConfiguration(f"user.yaml must be a mapping, not {type(tree).__name__}")
    return tree


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A deep merge of mappings; anything else in `over` replaces.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
    {'a': {'b': 1, 'c': 3}}
    """
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


def machine(layout: Layout) -> dict[str, Any]:
    """The keys that the sandbox sets whatever user.yaml says."""
    home, ports = layout.home, layout.ports
    tree: dict[str, Any] = {component: {"ip": "127.0.0.1"} for component in _COMPONENTS}
    for component, port in {
        "rootCoord": "root_coord_port",
        "proxy": "proxy_port",
        "queryCoord": "query_coord_port",
        "queryNode": "query_node_port",
        "indexNode": "index_node_port",
        "dataCoord": "data_coord_port",
        "dataNode": "data_node_port",
    }.items():
        tree[component]["port"] = ports[port]
    tree["proxy"]["internalPort"] = ports["proxy_internal_port"]
    return tree | {
        "etcd": {
            "endpoints": f"127.0.0.1:{ports['etcd_port']}",
            "use": {"embed": True},
            "data": {"dir": str(home / "data" / "etcd")},
            "config": {"path": str(home / "configs" / "etcd.yaml")},
            "log": {"path": str(home / "logs" / "etcd.log")},
        },
        "metastore": {"type": "etcd"},
        "mq": {"type": "rocksmq"},
        "rocksmq": {"path": str(home / "data" / "rocksmq")},
        "localStorage": {"path": str(home / "data")},
        "common": {"storageType": "local"},
        "log": {"file": {"rootPath": ""}, "stdout": True},
    }


def etcd_yaml(layout: Layout) -> dict[str, Any]:
    """Ports of the embedded etcd; without this file it takes 2379 and 2380, so that no two servers can run."""
    client = f"http://127.0.0.1:{layout.ports['etcd_port']}"
    peer = f"http://127.0.0.1:{layout.ports['etcd_peer_port']}"
    return {
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "unsafe-no-fsync": True,
        # It elects itself; a tenth of the usual second saves that second at every start.
        "heartbeat-interval": 10,
        "election-timeout": 100,
        "enable-grpc-gateway": True,  # JSON over HTTP, for sessions.py
    }


def template() -> str:
    """The pip package's milvus.yaml with placeholders such as `{{ proxy_port(int): 19530 }}`."""
    return (package.data_directory() / "config.yaml.template").read_text(encoding="utf-8")


def glog_conf() -> str:
    return (package.data_directory() / "glog.conf").read_text(encoding="utf-8")


def _value(match: re.Match[str], layout: Layout) -> str:
    name, default = match.group(1), match.group(2) or ""
    # Where the image of Milvus keeps the certificate it is shipped with.
    shipped = {
        f"{part}_path": f"configs/cert/{part.replace('_', '.')}" for part in ("server_pem", "server_key", "ca_pem")
    }
    if name in layout.ports:
        return str(layout.ports[name])
    return shipped.get(name, default)
