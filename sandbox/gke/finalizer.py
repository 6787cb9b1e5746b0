"""Adds and removes the finalizer that keeps an Ingress until its load balancer is gone.

Source: ingress-gce pkg/utils/common/finalizer.go.
"""

from typing import Any

from sandbox.gke.annotations import FINALIZER
from sandbox.gke.cluster import INGRESSES
from sandbox.kube_client import ApiError, KubeClient
from sandbox.kube_paths import path_of

Json = dict[str, Any]
_ATTEMPTS = 5


def is_set(ingress: Json) -> bool:
    return FINALIZER in (ingress["metadata"].get("finalizers") or [])


def is_deletion_candidate(ingress: Json) -> bool:
    """Whether the Ingress is being deleted and waits for us."""
    return bool(ingress["metadata"].get("deletionTimestamp")) and is_set(ingress)


def add(client: KubeClient, ingress: Json) -> None:
    if not is_set(ingress):
        _change(client, ingress, present=True)


def remove(client: KubeClient, ingress: Json) -> None:
    """Remove it; an Ingress that is gone already is fine."""
    try:
        _change(client, ingress, present=False)
    except ApiError as error:
        if error.status != 404:
            raise


def _change(client: KubeClient, ingress: Json, *, present: bool) -> None:
    path = path_of(INGRESSES, ingress["metadata"]["namespace"], ingress["metadata"]["name"])
    for attempt in range(_ATTEMPTS):
        metadata = client.get(path)["metadata"]
        others = [each for each in metadata.get("finalizers") or [] if each != FINALIZER]
        wanted = [*others, FINALIZER] if present else others
        if sorted(wanted) == sorted(metadata.get("finalizers") or []):
            return
        patch = {"metadata": {"finalizers": wanted, "resourceVersion": metadata["resourceVersion"]}}
        try:
            client.merge_patch(path, patch)
        except ApiError as error:
            # Somebody else wrote in between: the list must be read anew.
            if error.status != 409 or attempt == _ATTEMPTS - 1:
                raise
        else:
            return
