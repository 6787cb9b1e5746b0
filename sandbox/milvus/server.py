"""One Milvus process: a full standalone server with etcd, RocksMQ and storage inside itself.

It binds the wildcard address with its proxy, coordinators and metrics ports (milvus internal/distributed:
`net.Listen("tcp", ":port")`), and no key of milvus.yaml changes that; only its etcd and the addresses it dials can be
held on loopback.
"""

import http.client
import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import yaml

from sandbox.milvus import certificate, configuration, package, sessions
from sandbox.milvus.configuration import Layout
from sandbox.processes import Process

# milvus internal/distributed/proxy/listener_manager.go, since 2.5
SHARED_PORT_PANIC = "panic: proxy server(http) and external grpc server share the same port, tls mode must be 0"


class MilvusServer:
    """A Milvus on random ports; `home` holds its data and is kept when it stops."""

    def __init__(
        self, name: str, home: Path, *, user_yaml: str = "", log: Path | None = None, root: Path | None = None
    ) -> None:
        """Args.

        name: for messages.
        home: the pod's volume.
        user_yaml: text of the mounted /milvus/configs/user.yaml.
        log: where stdout and stderr go; None: `home`/logs/milvus.log.
        root: folder that holds the container's mounted files, so that `tls.serverPemPath: /etc/…` finds them.
        """
        self.name, self._home, self._root = name, home, root
        self._layout = Layout(home=home, ports=free_ports(configuration.PORTS))
        self._user_yaml = user_yaml
        self.grpc_port = self._layout.ports["proxy_port"]
        self.metrics_port = self._layout.ports["metrics_port"]
        self.rest_port = self._layout.ports["rest_port"]
        self._program = package.unpacked()
        self.process = Process(
            name,
            [self._program / "milvus", "run", "standalone"],
            log=log or home / "logs" / "milvus.log",
            cwd=home,
            environment=self._environment(),
        )

    def start(self) -> None:
        """Write the configuration and start; returns at once.

        Raises:
            BadConfiguration: user.yaml cannot be used.
        """
        tree = configuration.milvus_yaml(configuration.template(), self._user_yaml, self._layout)
        if self._root is not None:
            _look_below(self._root, tree["tls"])
        configs = self._home / "configs"
        configs.mkdir(parents=True, exist_ok=True)
        (self._home / "logs").mkdir(exist_ok=True)
        certificate.write_shipped_certificate(configs / "cert")
        (configs / "milvus.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
        (configs / "etcd.yaml").write_text(yaml.safe_dump(configuration.etcd_yaml(self._layout)), encoding="utf-8")
        # Without this file the C++ part ends the process without a word.
        (configs / "glog.conf").write_text(configuration.glog_conf(), encoding="utf-8")
        self.process.start()

    def healthy(self) -> bool:
        """Whether GET /healthz on the metrics port answers 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End it; the data stay. A start with the same `home` finds them and is as quick as the first."""
        if self.process.running:
            sessions.sign_off(self._layout.ports["etcd_port"])
        self.process.stop()
        # Milvus writes this file outside of its data directory (milvus sessionutil, GetServerInfoFilePath).
        Path(f"/tmp/milvus/server_id_{self.process.pid}").unlink(missing_ok=True)  # noqa: S108

    def _environment(self) -> dict[str, str]:
        libraries = f"{self._program}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._home),
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self.metrics_port),
            "MILVUS_RUN_DIR": str(self._home / "run"),
            "LD_LIBRARY_PATH": libraries,
            "DYLD_LIBRARY_PATH": libraries,
        }


def refusal(image: str, user_yaml: str) -> str | None:
    """What a Milvus of the image's version would say when it refuses to start; None when it would start.

    The server here is 2.3.5 whatever the image says. From 2.5 on a proxy with TLS does not start while REST shares the
    gRPC port ( milvus listener_manager.go, milvus-io/milvus#46312); that is imitated, since it is what users run into.

    Raises:
        BadConfiguration: user.yaml cannot be used.
    """
    version = re.search(r":v?(\d+)\.(\d+)", image)
    if version is None or (int(version[1]), int(version[2])) < (2, 5):
        return None
    tree = configuration.parsed(user_yaml)
    http_settings = (tree.get("proxy") or {}).get("http") or {}
    tls_mode = ((tree.get("common") or {}).get("security") or {}).get("tlsMode", 0)
    port = http_settings.get("port")
    grpc_port = (tree.get("proxy") or {}).get("port", 19530)
    shared = port in (None, "") or str(port) == str(grpc_port)
    if str(tls_mode) != "0" and http_settings.get("enabled", True) is not False and shared:
        return SHARED_PORT_PANIC
    return None


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """A free port for each name; all are held until all are found, so that they differ."""
    with ExitStack() as held:
        ports = {}
        for name in names:
            probe = held.enter_context(socket.socket())
            probe.bind(("", 0))  # the wildcard address, as Milvus will
            ports[name] = probe.getsockname()[1]
    return ports


def _look_below(root: Path, tls: dict[str, str]) -> None:
    for key, value in tls.items():
        if key.endswith("Path") and (below := root / str(value).lstrip("/")).is_file():
            tls[key] = str(below)
