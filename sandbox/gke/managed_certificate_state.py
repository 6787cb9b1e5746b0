"""Which Compute certificate belongs to which ManagedCertificate, kept in a ConfigMap.

Source: gke-managed-certs pkg/controller/state (state.go).
"""

import json
import threading
import uuid
from dataclasses import dataclass
from typing import Any

from sandbox.gke.namer import compact
from sandbox.kube_client import ApiError, KubeClient
from sandbox.kube_paths import path_of

Json = dict[str, Any]

_CONFIG_MAPS = "/api/v1/configmaps"
_NAMESPACE, _NAME = "kube-system", "managed-certificate-config"


@dataclass
class Entry:
    """What the controller knows of one ManagedCertificate."""

    certificate_name: str
    soft_deleted: bool = False
    creation_reported: bool = False

    def to_json(self) -> Json:
        return {
            "ExcludedFromSLO": False,
            "SoftDeleted": self.soft_deleted,
            "SslCertificateName": self.certificate_name,
            "SslCertificateBindingReported": False,
            "SslCertificateCreationReported": self.creation_reported,
        }


class State:
    """The entries by `namespace/name`; every change is written at once. Safe to use from both workers."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}

    def load(self) -> None:
        """Take over what an earlier run has left."""
        found = self._client.find(path_of(_CONFIG_MAPS, _NAMESPACE, _NAME)) or {}
        with self._lock:
            self._entries = dict(_entry(text) for text in (found.get("data") or {}).values())

    def get(self, key: str) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def keys(self) -> list[str]:
        with self._lock:
            return list(self._entries)

    def soft_deleted_names(self) -> set[str]:
        with self._lock:
            return {entry.certificate_name for entry in self._entries.values() if entry.soft_deleted}

    def ensure(self, key: str) -> Entry:
        """The entry, made with a random certificate name if there is none."""
        with self._lock:
            if key not in self._entries:
                self._entries[key] = Entry(f"mcrt-{uuid.uuid4()}")
                self._write()
            return self._entries[key]

    def mark_soft_deleted(self, key: str, *, deleted: bool) -> None:
        """From now on its certificate is kept out of Ingresses, or no longer."""
        with self._lock:
            if self._entries[key].soft_deleted != deleted:
                self._entries[key].soft_deleted = deleted
                self._write()

    def mark_created(self, key: str) -> None:
        with self._lock:
            self._entries[key].creation_reported = True
            self._write()

    def drop(self, key: str) -> None:
        with self._lock:
            if self._entries.pop(key, None) is not None:
                self._write()

    def _write(self) -> None:
        data = {}
        for number, (key, entry) in enumerate(self._entries.items(), start=1):
            namespace, name = key.split("/")
            data[str(number)] = compact({"Key": {"Namespace": namespace, "Name": name}, "Value": entry.to_json()})
        path = path_of(_CONFIG_MAPS, _NAMESPACE, _NAME)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _NAME, "namespace": _NAMESPACE},
            "data": data,
        }
        try:
            self._client.replace(path, body)
        except ApiError as error:
            if error.status != 404:
                raise
            self._client.create(path.removesuffix(f"/{_NAME}"), body)


def _entry(text: str) -> tuple[str, Entry]:
    parsed = json.loads(text)
    key, value = parsed["Key"], parsed["Value"]
    entry = Entry(
        value["SslCertificateName"],
        soft_deleted=value.get("SoftDeleted", False),
        creation_reported=value.get("SslCertificateCreationReported", False),
    )
    return f"{key['Namespace']}/{key['Name']}", entry
