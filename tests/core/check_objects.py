"""Objects of a healthy release, as one reads them, with what a test changes."""

import copy
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from tasks.core import annotations
from tasks.core.checks.check import Check, Result
from tasks.core.checks.facts import Cloud, Facts
from tasks.core.checks.objects import Objects
from tasks.core.config import LoadBalancerConfig

Json = dict[str, Any]

DOMAIN = "milvus.example.com"
NAMESPACE = "default"
NAME = "my-release-milvus"
SERVICE = f"service {NAMESPACE}/{NAME}"
INGRESS = f"ingress {NAMESPACE}/{NAME}"
BACKEND_CONFIG = f"backendconfig {NAMESPACE}/my-release-backendconfig"

PASSED, FAILED, SKIPPED = Result.PASSED, Result.FAILED, Result.SKIPPED


def an_object(kind: str, name: str, *, marks: Mapping[str, str | None] | None = None, **fields: Any) -> Json:
    """Any object; an annotation that is None is left out."""
    kept = {key: value for key, value in (marks or {}).items() if value is not None}
    return {"kind": kind, "metadata": {"name": name, "namespace": NAMESPACE, "annotations": kept}, **fields}


def a_service(marks: Mapping[str, str | None] | None = None, **spec: Any) -> Json:
    """The Milvus Service behind a load balancer."""
    said: dict[str, str | None] = {**annotations.on_service("milvus", "my-release-backendconfig")}
    ports = [
        {"name": "milvus", "port": 19530, "targetPort": "milvus"},
        {"name": "metrics", "port": 9091, "targetPort": "metrics"},
    ]
    selector = {"app.kubernetes.io/instance": "my-release", "component": "standalone"}
    wanted = {"type": "ClusterIP", "ports": ports, "selector": selector} | spec
    return an_object("Service", NAME, marks=said | dict(marks or {}), spec=wanted)


def a_path(service: str = NAME, path: str = "/", path_type: str | None = "Prefix", **port: Any) -> Json:
    found: Json = {"path": path, "backend": {"service": {"name": service, "port": port or {"number": 19530}}}}
    return found | ({"pathType": path_type} if path_type else {})


def a_rule(*paths: Json, host: str = DOMAIN) -> Json:
    return {"host": host, "http": {"paths": list(paths or [a_path()])}}


def an_ingress(marks: Mapping[str, str | None] | None = None, **spec: Any) -> Json:
    """The Ingress of a self-managed certificate."""
    said: dict[str, str | None] = {
        annotations.INGRESS_CLASS: "gce",
        annotations.STATIC_IP_NAME: NAME,
        annotations.FRONTEND_CONFIG: "my-release-frontendconfig",
        annotations.ALLOW_HTTP: "true",
    }
    wanted = {"tls": [{"hosts": [DOMAIN], "secretName": f"{NAME}-tls"}], "rules": [a_rule()]} | spec
    return an_object("Ingress", NAME, marks=said | dict(marks or {}), spec=wanted)


def a_backend_config(name: str = "my-release-backendconfig", **spec: Any) -> Json:
    check = {"type": "HTTP", "port": 9091, "requestPath": "/healthz", "checkIntervalSec": 10, "timeoutSec": 5}
    return an_object("BackendConfig", name, spec={"healthCheck": check, "timeoutSec": 3600} | spec)


def a_frontend_config(**spec: Any) -> Json:
    wanted = {"redirectToHttps": {"enabled": True, "responseCodeName": "MOVED_PERMANENTLY_DEFAULT"}} | spec
    return an_object("FrontendConfig", "my-release-frontendconfig", spec=wanted)


def objects(**changed: Json | None) -> list[Json]:
    """All of them; `service=…` puts another one in its place, None takes it away."""
    whole = {
        "service": a_service(),
        "ingress": an_ingress(),
        "backend_config": a_backend_config(),
        "frontend_config": a_frontend_config(),
    }
    assert changed.keys() <= whole.keys()
    return [copy.deepcopy(found) for found in (whole | changed).values() if found is not None]


def result(checks: list[Check], name: str, resource: str = "") -> Check:
    """The one check of this name (and resource)."""
    found = [check for check in checks if check.name == name and resource in ("", check.resource)]
    assert len(found) == 1, f"{name} {resource} among {[(check.name, check.resource) for check in checks]}"
    return found[0]


def js(value: object) -> str:
    return json.dumps(value)


def a_deployment(*, replicas: int = 1, ready: int = 1, container: Json | None = None, **template: Any) -> Json:
    labels = {"app.kubernetes.io/instance": "my-release", "app.kubernetes.io/name": "milvus", "component": "standalone"}
    milvus: Json = {
        "name": "standalone",
        "image": "milvusdb/milvus:v2.5.4",
        "ports": [{"name": "milvus", "containerPort": 19530}, {"name": "metrics", "containerPort": 9091}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "metrics"}},
    } | (container or {})
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [milvus]} | template}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return an_object("Deployment", f"{NAME}-standalone", spec=spec, status={"readyReplicas": ready})


def a_config(**changes: Any) -> LoadBalancerConfig:
    return LoadBalancerConfig.parse({"domain": DOMAIN} | changes)


GOOD_SETTINGS = "common:\n  security:\n    tlsMode: 1\nproxy:\n  http:\n    port: 8080\n"
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


def some_facts(documents: list[Json] | None = None, *, config: Json | None = None, **more: Any) -> Facts:
    """The facts of a healthy release; `documents` are added to its objects, or replace those of their names."""
    deployment = a_deployment()
    found = Objects.of([*objects(), deployment]).replacing(*(documents or []))
    known: Json = {
        "cloud": Cloud("project-1", {f"addresses/{NAME}": an_address()}),
        "now": NOW,
        "deployments": tuple(found.all("Deployment")),
        "user_yaml": GOOD_SETTINGS,
        "settings_from": f"configmap {NAMESPACE}/{NAME}",
        "version": (2, 5),
    }
    return Facts(a_config(**(config or {})), found, **(known | more))


def an_address(**changes: Any) -> Json:
    return {"name": NAME, "address": "203.0.113.7", "addressType": "EXTERNAL", "ipVersion": "IPV4"} | changes
