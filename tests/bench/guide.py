"""The published guide's steps 3, 4, 5a and 6a as the commands a person types: kubectl and openssl."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.bench.programs import seconds

TOOLS = ("kubectl", "openssl")

_BACKEND_CONFIG = """\
apiVersion: cloud.google.com/v1
kind: BackendConfig
metadata: {name: my-release-backendconfig, namespace: default}
spec: {healthCheck: {port: 9091, requestPath: /healthz, type: HTTP}}
"""

_INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: my-release-milvus, namespace: default}
spec:
  tls: [{hosts: [milvus.example], secretName: my-release-milvus-tls}]
  rules:
    - host: milvus.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: my-release-milvus, port: {number: 19530}}}
"""

_ANNOTATIONS = (
    'cloud.google.com/app-protocols={"milvus":"HTTP2"}',
    'cloud.google.com/backend-config={"default": "my-release-backendconfig"}',
    'cloud.google.com/neg={"ingress": true}',
)


def missing_tools() -> list[str]:
    """What this machine lacks."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def follow(directory: Path, environment: Mapping[str, str]) -> float:
    """Do the steps one after the other and return their seconds together; nothing is waited for, nothing proved."""
    key, certificate = directory / "tls.key", directory / "tls.crt"
    openssl = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-days",
        "99999",
        "-newkey",
        "rsa:2048",
        "-subj",
        "/CN=milvus.example",
    ]
    return sum(
        [
            seconds(["kubectl", "apply", "-f", "-"], environment, text=_BACKEND_CONFIG),
            *(
                seconds(["kubectl", "annotate", "service", "my-release-milvus", annotation], environment)
                for annotation in _ANNOTATIONS
            ),
            seconds([*openssl, "-keyout", str(key), "-out", str(certificate)], environment),
            seconds(
                [
                    "kubectl",
                    "create",
                    "secret",
                    "tls",
                    "my-release-milvus-tls",
                    f"--cert={certificate}",
                    f"--key={key}",
                ],
                environment,
            ),
            seconds(["kubectl", "apply", "-f", "-"], environment, text=_INGRESS),
        ]
    )
