"""What Helm stored about a release, read without Helm.

Helm keeps a release revision as Secret `sh.helm.release.v1.NAME.vN`: JSON, gzipped, base64, and base64 again as any
Secret. Source: helm pkg/storage/driver/secrets.go and util.go.
"""

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
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
        labels=secret["metadata"].get("labels") or {},
    )


def latest(secrets: Iterable[Mapping[str, Any]]) -> Release | None:
    """The newest revision, whatever its status; None if there is no release."""
    newest = max(secrets, key=lambda secret: int(secret["metadata"]["labels"].get("version", 0)), default=None)
    return decode(newest) if newest else None


def deployed(secrets: Iterable[Mapping[str, Any]]) -> Release | None:
    """The newest revision that was deployed: what the cluster runs when the newest one failed."""
    good = [secret for secret in secrets if secret["metadata"]["labels"].get("status") in ("deployed", "superseded")]
    return latest(good)
