"""A pod's files on this machine: what ConfigMaps and Secrets give it, and its data."""

import base64
import os
import shutil
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from sandbox.kube_client import KubeClient
from sandbox.workload.container import FileMount

Json = dict[str, Any]


class MissingSource(Exception):
    """A ConfigMap or Secret that a pod mounts is not there (yet)."""


class Volumes:
    """Folders below one directory; a claim's folder outlives its pods, and one pod at a time has it."""

    def __init__(self, directory: Path, client: KubeClient) -> None:
        self._directory, self._client = directory, client
        self._locks: dict[Path, threading.Lock] = defaultdict(threading.Lock)

    def mount(self, namespace: str, root: Path, mounts: list[FileMount]) -> None:
        """Write the files below `root`, as a container would see them below `/`.

        Raises:
            MissingSource: a ConfigMap, Secret or key of it is missing and not optional.
        """
        for mount in mounts:
            files = self._files(namespace, mount)
            target = root / mount.path.lstrip("/")
            if mount.sub_path is None:
                for name, content in files.items():
                    _write(target / name, content)
            elif mount.sub_path in files:
                _write(target, files[mount.sub_path])

    def claim(self, namespace: str, name: str) -> Path:
        return self._directory / "claims" / namespace / name

    def hold(self, folder: Path) -> threading.Lock:
        """The lock of a folder, to be held while a process uses it."""
        return self._locks[folder]

    def remove_claim(self, namespace: str, name: str) -> None:
        shutil.rmtree(self.claim(namespace, name), ignore_errors=True)

    def _files(self, namespace: str, mount: FileMount) -> dict[str, bytes]:
        plural = "configmaps" if mount.kind == "configMap" else "secrets"
        item = self._client.find(f"/api/v1/namespaces/{namespace}/{plural}/{mount.name}")
        if item is None:
            if mount.optional:
                return {}
            raise MissingSource(f'{mount.kind.lower()} "{mount.name}" not found')
        data = {key: base64.b64decode(value) for key, value in (item.get("binaryData") or {}).items()}
        for key, value in (item.get("data") or {}).items():
            data[key] = base64.b64decode(value) if mount.kind == "secret" else value.encode()
        return _chosen(mount, data)


def _chosen(mount: FileMount, data: dict[str, bytes]) -> dict[str, bytes]:
    """The files that a volume's `items` make of the keys."""
    if not mount.items:
        return data
    missing = [key for key, _ in mount.items if key not in data]
    if missing and not mount.optional:
        raise MissingSource(f'{mount.kind.lower()} "{mount.name}" has no key {missing[0]}')
    return {path: data[key] for key, path in mount.items if key in data}


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
