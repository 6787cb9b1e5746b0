"""What Helm stored about a release, read without Helm.

Helm keeps a release revision as Secret `sh.helm.release.v1.NAME.vN`: JSON, gzipped, base64, and base64 again as any
Secret. Source: helm pkg/storage/driver/secrets.go and util.go.
"""

import base64
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Release:
    """One stored revision of a release."""

    name: str
    namespace: str
    revision: int
    status: str
    description: str
    chart: str
    chart_version: str
    app_version: str
    values: dict[str, Any] = field(repr=False)
    """The user's own values, without the chart's defaults. May hold secrets: never shown."""
    kinds: tuple[tuple[str, str], ...] = ()
    """API version and kind of everything in its manifest, each once."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the record: Helm's own, and those given with an upgrade, which the revisions after it inherit."""

    @property
    def pending(self) -> bool:
        """Whether an operation on it has begun and not ended; Helm then refuses the next one."""
        return self.status.startswith("pending")


def selector(release: str) -> str:
    """Label selector of all revisions of a release."""
    return f"name={release},owner=helm"


def decode(secret: Mapping[str, Any]) -> Release:
    """Read one revision.

    Raises:
        ValueError: the Secret is no Helm release.
    """
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        record = json.loads(text)
        metadata = record["chart"]["metadata"]
        info = record["info"]
    except (KeyError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"secret {secret.get('metadata', {}).get('name')} holds no Helm release") from error
    return Release(
        name=record["name"],
        namespace=record.get("namespace", ""),
        revision=int(record["version"]),
        status=str(info["status"]),
        description=str(info.get("description", "")),
        chart=metadata["name"],
        chart_version=metadata["version"],
        app_version=str(metadata.get("appVersion", "")),
        values=record.get("config") or {},
        kinds=tuple(dict.fromkeys(_kinds(str(record.get("manifest") or "")))),
        labels=secret["metadata"].get("labels") or {},
    )


def _kinds(manifest: str) -> Iterator[tuple[str, str]]:
    """What stands at the beginning of a line in each document; a whole parse of a large chart takes a second."""
    for document in re.split(r"^---.*$", manifest, flags=re.MULTILINE):
        api_version, kind = (re.search(rf"^{key}:\s*[\"']?([\w./-]+)", document, re.MULTILINE) for key in _TYPE)
        if api_version and kind:
            yield api_version[1], kind[1]


_TYPE = ("apiVersion", "kind")


def latest(secrets: Iterable[Mapping[str, Any]]) -> Release | None:
    """The newest revision, whatever its status; None if there is no release."""
    newest = max(secrets, key=lambda secret: int(secret["metadata"]["labels"].get("version", 0)), default=None)
    return decode(newest) if newest else None


def deployed(secrets: Iterable[Mapping[str, Any]]) -> Release | None:
    """The newest revision that was deployed: what the cluster runs when the newest one failed."""
    good = [secret for secret in secrets if secret["metadata"]["labels"].get("status") in ("deployed", "superseded")]
    return latest(good)
