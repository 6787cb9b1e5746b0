"""Notes on the receipt: made just before the write they speak of, none when it says so already."""

from typing import Any

from tasks.clients import kubernetes
from tasks.clients.kubernetes import Cluster
from tasks.clients.readers import ClusterReader
from tasks.core import names, progress, receipt, status
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed, Unreachable
from tasks.core.progress import Change
from tasks.core.receipt import Former, Receipt

_ATTEMPTS = 5


def read(cluster: ClusterReader, config: LoadBalancerConfig) -> Receipt:
    """What was noted so far; empty when there is no receipt.

    Raises:
        ResourceFailed: its place is held by a ConfigMap of somebody else's.
    """
    return Receipt.read(_live(cluster, config))


def note(cluster: Cluster, config: LoadBalancerConfig, **notes: Any) -> Change:
    """Put these notes on the receipt; the others stay.

    Args:
        cluster: where the release is.
        config: names the release.
        notes: by the field names of `Receipt`; an empty one takes the note away.

    Raises:
        ResourceFailed: its place is held by a ConfigMap of somebody else's.
        Unreachable: somebody else writes it all the time.
    """
    name = names.receipt(config.release)
    resource = _resource(config)
    for _ in range(_ATTEMPTS):
        live = _live(cluster, config)
        changed = receipt.change(live, Receipt.read(live).model_copy(update=notes))
        if not changed:
            return Change(resource=resource, action="unchanged")
        if live is None:
            manifest = receipt.manifest(config.namespace, config.release, changed)
            if cluster.create(manifest, kubernetes.CONFIG_MAP) is not None:
                return _record(Change(resource=resource, action="created", detail=_kinds(notes)))
        else:
            # A merge of single keys: steps that run side by side do not undo each other's notes.
            if cluster.merge_patch(kubernetes.CONFIG_MAP, config.namespace, name, {"data": changed}) is not None:
                return _record(Change(resource=resource, action="updated", detail=_kinds(notes)))
    raise Unreachable(resource, "is written by somebody else all the time", "Run again.", "kubernetes")


def note_release(
    cluster: Cluster,
    config: LoadBalancerConfig,
    service: dict[str, Any],
    former: dict[str, str | None],
    revision: int = 0,
) -> None:
    """Note what is about to change of the Milvus release; never more of it than our own keys.

    Args:
        cluster: where the release is.
        config: names the release.
        service: as it is before.
        former: what our keys said before, None where they said nothing.
        revision: of Helm that is built upon; 0 without Helm.
    """
    kind = str(service["spec"].get("type") or "")
    found = Former(service_type=kind if kind != "ClusterIP" else "", values=former, revision=revision)
    before = read(cluster, config).release
    note(cluster, config, release=before.noting(found) if before else found)


def _live(cluster: ClusterReader, config: LoadBalancerConfig) -> dict[str, Any] | None:
    live = cluster.read(kubernetes.CONFIG_MAP, config.namespace, names.receipt(config.release))
    if live is not None and not status.ours(live):
        raise ResourceFailed(
            _resource(config),
            "is not ours, and our notes belong there",
            f"Rename or remove it: kubectl -n {config.namespace} get configmap {names.receipt(config.release)} -o yaml",
            "kubernetes",
        )
    return live


def _resource(config: LoadBalancerConfig) -> str:
    return f"configmap {config.namespace}/{names.receipt(config.release)}"


def _kinds(notes: dict[str, Any]) -> str:
    return f"notes on {', '.join(key.replace('_', ' ') for key in notes)}"


def _record(change: Change) -> Change:
    return progress.record(change)
