"""ServiceNetworkEndpointGroup: the cluster's own record of a NEG.

Source: ingress-gce pkg/neg/manager.go (ensureSvcNegCR), pkg/apis/svcneg/v1beta1/types.go.
"""

import datetime as dt
from typing import Any

from sandbox.gke.neg_endpoints import NegPort
from sandbox.kube_client import ApiError, KubeClient
from sandbox.kube_paths import path_of

Json = dict[str, Any]

COLLECTION = "/apis/networking.gke.io/v1beta1/servicenetworkendpointgroups"
FINALIZER = "networking.gke.io/neg-finalizer"
_MANAGED_BY = "networking.gke.io/managed-by"


def ensure(client: KubeClient, port: NegPort, service: Json, negs: list[Json]) -> None:
    """Write down that a port's NEGs, one a zone, exist."""
    path = path_of(COLLECTION, port.namespace, port.neg_name)
    present = client.find(path)
    if present is None:
        collection = path_of(COLLECTION, port.namespace, "").rstrip("/")
        present = client.create(collection, _record(port, service))
    references = [
        {
            "id": str(neg["id"]),
            "selfLink": neg["selfLink"],
            "networkEndpointType": neg["networkEndpointType"],
            "state": "ACTIVE",
        }
        for neg in negs
    ]
    if (present.get("status") or {}).get("networkEndpointGroups") == references:
        return
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": "",
            "lastTransitionTime": now,
        }
        for kind, reason in (("Initialized", "NegInitializationSuccessful"), ("Synced", "NegSyncSuccessful"))
    ]
    status = {"networkEndpointGroups": references, "conditions": conditions, "lastSyncTime": now}
    client.merge_patch(path, {"status": status})


def release(client: KubeClient, record: Json) -> None:
    """Delete a record whose NEGs are gone."""
    path = path_of(COLLECTION, record["metadata"]["namespace"], record["metadata"]["name"])
    others = [each for each in record["metadata"].get("finalizers") or [] if each != FINALIZER]
    try:
        client.merge_patch(path, {"metadata": {"finalizers": others}})
        if not record["metadata"].get("deletionTimestamp"):
            client.delete(path)
    except ApiError as error:
        if error.status != 404:
            raise


def _record(port: NegPort, service: Json) -> Json:
    return {
        "apiVersion": "networking.gke.io/v1beta1",
        "kind": "ServiceNetworkEndpointGroup",
        "metadata": {
            "name": port.neg_name,
            "namespace": port.namespace,
            "labels": {
                _MANAGED_BY: "neg-controller",
                "networking.gke.io/service-name": port.service,
                "networking.gke.io/service-port": str(port.port),
            },
            "finalizers": [FINALIZER],
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": port.service,
                    "uid": service["metadata"]["uid"],
                    "blockOwnerDeletion": False,
                    "controller": True,
                }
            ],
        },
        "spec": {},
    }
