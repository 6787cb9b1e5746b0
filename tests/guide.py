"""The published guide, followed by hand with all its faults, for tests of what is made of the result.

Steps 1 to 6 of the Milvus documentation's gcp_layer7.md (v2.4), in the names and under the field managers that helm,
kubectl and openssl leave behind.
"""

import base64
import datetime as dt
import json
import os
import subprocess
import sys
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sandbox import chart_install
from tasks import milvus_rollout
from tasks.clients import kubernetes
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]

_HELM = """\
import json, sys, helm_python
kubeconfig, namespace, chart, release, values = json.load(sys.stdin)
configuration = helm_python.Config(kubeconfig_path=kubeconfig, namespace=namespace)
configuration.upgrade(helm_python.Chart.load(chart), release, values)
configuration.close()
"""
TLS = {"extraConfigFiles": {"user.yaml": "common:\n  security:\n    tlsMode: 1\n"}}


def follow(world: World, mode: str = "self-managed") -> str:
    """All steps on a release that is installed, and the address that they end with."""
    turn_on_tls(world)
    world.write(backend_config(world))
    annotate(world)
    make_certificate(world, mode)
    world.write(ingress(world, mode))
    return address(world)


def turn_on_tls(world: World) -> None:
    """Steps 1 and 2: neither upgrade keeps the values of the one before."""
    for values in ({"service": {"type": "ClusterIP"}}, TLS):
        # A Milvus that is stopped while it starts keeps its place in etcd for a minute, and the next one waits.
        wait_until_ready(world)
        helm_upgrade(world, values)
    wait_until_ready(world)


def wait_until_ready(world: World) -> None:
    """`kubectl rollout status`."""
    name = f"{world.service}-standalone"
    eventually(lambda: milvus_rollout.rolled_out(world.read(kubernetes.DEPLOYMENT, name)))


def helm_upgrade(world: World, values: Json) -> None:
    """`helm upgrade RELEASE CHART` with these values and no other flag, by a process of Helm's name."""
    request = [str(world.stack.kubeconfig), world.namespace, str(chart_install.CHART), world.release, values]
    done = subprocess.run(
        ["helm", "-c", _HELM],
        executable=sys.executable,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def backend_config(world: World) -> Json:
    """Step 3, `kubectl apply`."""
    return {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {"name": f"{world.release}-backendconfig"},
        "spec": {"healthCheck": {"port": 9091, "requestPath": "/healthz", "type": "HTTP"}},
    }


def annotate(world: World) -> None:
    """Step 4, `kubectl annotate service`, in the guide's spelling."""
    marks: dict[str, str | None] = {
        "cloud.google.com/app-protocols": '{"milvus":"HTTP2"}',
        "cloud.google.com/backend-config": json.dumps({"default": f"{world.release}-backendconfig"}),
        "cloud.google.com/neg": '{"ingress": true}',
    }
    world.annotate(kubernetes.SERVICE, marks)


def make_certificate(world: World, mode: str) -> None:
    """Step 5a, openssl and `kubectl create secret tls`; or 5b, a ManagedCertificate."""
    name = f"{world.service}-tls"
    if mode == "google-managed":
        managed = {"apiVersion": "networking.gke.io/v1", "kind": "ManagedCertificate", "metadata": {"name": name}}
        world.write(managed | {"spec": {"domains": [world.domain]}})
        return
    certificate, key = common_name_only(world.domain)
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls"}
    world.write(secret | {"data": data}, manager="kubectl-create")


def common_name_only(domain: str, *, days: int = 99_999, sans: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
    """`openssl req -x509 -nodes -days 99999 -newkey rsa:2048 -subj /CN=…`, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=days)
    )
    if sans:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(san) for san in sans]), critical=False
        )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate, key.private_bytes(serialization.Encoding.PEM, form, nothing)


def ingress(world: World, mode: str = "self-managed", **marks: str) -> Json:
    """Step 6a or 6b."""
    name = f"{world.service}-tls"
    backend = {"service": {"name": world.service, "port": {"number": 19530}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec: Json = {"rules": [{"host": world.domain, "http": {"paths": paths}}]}
    if mode == "google-managed":
        marks = {"networking.gke.io/managed-certificates": name} | marks
    elif mode == "self-managed":
        spec["tls"] = [{"hosts": [world.domain], "secretName": name}]
    metadata = {"name": world.service, "annotations": marks}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def address(world: World) -> str:
    """Step 7, `kubectl get ingress -w`."""

    def shown() -> str:
        entries = world.read(kubernetes.INGRESS).get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
        return str(entries[0].get("ip", ""))

    return eventually(shown)
