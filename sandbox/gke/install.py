"""Installs into a cluster what GKE brings along for its load balancers, as far as it is missing.

That is: the custom resource definitions (crds/*.yaml), ConfigMap kube-system/ingress-uid with the cluster's UID
(ingress-gce pkg/storage), and Service kube-system/default-http-backend (ingress-gce deploy/glbc). Nothing is ever
overwritten.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sandbox.gke.namer import compact
from sandbox.kube_client import ApiError, KubeClient, KubeError

Json = dict[str, Any]

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_CRD_FILES = Path(__file__).parent / "crds"
_SYSTEM = "/api/v1/namespaces/kube-system"
_ESTABLISH_SECONDS = 30.0


class NotInstalled(Exception):
    """The cluster did not take what GKE brings along."""


def install(client: KubeClient) -> list[str]:
    """Install what is missing and wait until it is served; returns what was made, as kubectl would name it.

    Raises:
        KubeError: the API server refuses.
        NotInstalled: a definition was taken but is not served in time.
    """
    made = []
    definitions = [yaml.safe_load(path.read_text()) for path in sorted(_CRD_FILES.glob("*.yaml"))]
    for definition in definitions:
        made += _create(client, _CRDS, definition)
    made += _create(client, "/api/v1/namespaces", _named("Namespace", "kube-system", namespaced=False))
    made += _create(client, f"{_SYSTEM}/configmaps", _ingress_uid)
    made += _create(client, f"{_SYSTEM}/services", _default_http_backend())
    for definition in definitions:
        _wait_until_served(client, definition)
    return made


def _create(client: KubeClient, collection: str, body: Json | Callable[[], Json]) -> list[str]:
    body = body() if callable(body) else body
    name = body["metadata"]["name"]
    if client.find(f"{collection}/{name}") is not None:
        return []
    try:
        client.create(collection, body)
    except ApiError as error:
        if error.reason == "AlreadyExists":
            return []
        raise
    return [f"{body['kind'].lower()}/{name}"]


def _wait_until_served(client: KubeClient, definition: Json) -> None:
    spec = definition["spec"]
    version = next(each["name"] for each in spec["versions"] if each["storage"])
    path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
    deadline = time.monotonic() + _ESTABLISH_SECONDS
    while True:
        try:
            client.list(path, limit="1")
        except KubeError as error:
            if time.monotonic() > deadline:
                raise NotInstalled(f"{path} is not served: {error}") from error
            time.sleep(0.05)
        else:
            return


def _ingress_uid() -> Json:
    uid = secrets.token_hex(8)
    return _named("ConfigMap", "ingress-uid") | {"data": {"uid": uid, "provider-uid": uid}}


def _default_http_backend() -> Json:
    service = _named("Service", "default-http-backend")
    service["metadata"]["labels"] = {
        "k8s-app": "glbc",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "GLBCDefaultBackend",
    }
    # In VPC-native clusters, where NEGs are the default, GKE's default backend has one too.
    service["metadata"]["annotations"] = {"cloud.google.com/neg": compact({"ingress": True})}
    service["spec"] = {
        "type": "NodePort",
        "selector": {"k8s-app": "glbc"},
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
    }
    return service


def _named(kind: str, name: str, *, namespaced: bool = True) -> Json:
    metadata = {"name": name} | ({"namespace": "kube-system"} if namespaced else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
