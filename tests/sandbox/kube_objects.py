"""Manifests the tests of the API server share."""

from typing import Any

Object = dict[str, Any]

WIDGETS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Status", "type": "string", "jsonPath": ".status.state"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["domains"],
                                "properties": {
                                    "domains": {
                                        "type": "array",
                                        "maxItems": 2,
                                        "items": {"type": "string", "maxLength": 63, "pattern": "^[a-z.]+$"},
                                    },
                                    "size": {"type": "integer", "minimum": 1, "default": 3},
                                    "mode": {"type": "string", "enum": ["fast", "slow"]},
                                    "port": {"x-kubernetes-int-or-string": True},
                                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                },
                            },
                            "status": {"type": "object", "properties": {"state": {"type": "string"}}},
                        },
                    }
                },
            }
        ],
    },
}


def widget(name: str = "w", **spec: Any) -> Object:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"domains": ["a.b"]} | spec,
    }


def service(name: str = "milvus", **spec: Any) -> Object:
    ports = [{"name": "milvus", "port": 19530, "targetPort": "milvus"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": ports, "selector": {"app": "milvus"}} | spec,
    }


def deployment(name: str = "milvus") -> Object:
    labels = {"app": name}
    container = {"name": "standalone", "image": "milvusdb/milvus:v2.3.5", "ports": [{"containerPort": 19530}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def ingress(name: str = "milvus", host: str = "milvus.example") -> Object:
    backend = {"service": {"name": "milvus", "port": {"number": 19530}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]},
    }
