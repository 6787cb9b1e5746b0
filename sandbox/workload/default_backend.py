"""GKE's default backend: what answers requests that no host rule wants.

On GKE it is Deployment kube-system/l7-default-backend, whose container answers 200 to `/healthz` and 404 to everything
else (ingress-gce cmd/404-server). Here the kubelet serves that container out of this process.
"""

import http.server
import threading
from typing import Any

from sandbox.kube_client import ApiError, KubeClient
from sandbox.kube_paths import path_of
from sandbox.workload.deployments import DEPLOYMENTS

Json = dict[str, Any]
PORT = 8080
BODY = b"default backend - 404"
_IMAGE = "k8s.gcr.io/ingress-gce-404-server-with-metrics-amd64:v1.6.0"


def is_default_backend(pod: Json) -> bool:
    return any(container.get("image") == _IMAGE for container in pod["spec"]["containers"])


def install(client: KubeClient) -> None:
    """Make the Deployment if it is missing.

    Raises:
        KubeError: the API server refuses.
    """
    if client.find(path_of(DEPLOYMENTS, "kube-system", "l7-default-backend")) is None:
        try:
            client.create("/apis/apps/v1/namespaces/kube-system/deployments", deployment())
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


def deployment() -> Json:
    labels = {"k8s-app": "glbc", "name": "glbc"}
    container = {
        "name": "default-http-backend",
        "image": _IMAGE,
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "initialDelaySeconds": 30},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "l7-default-backend", "namespace": "kube-system", "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


class DefaultBackend:
    """The container's server, on a pod's address."""

    def __init__(self, address: str) -> None:
        self._server = http.server.ThreadingHTTPServer((address, PORT), _Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="default backend", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def _answer(self) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while length := int(self.rfile.readline().partition(b";")[0], 16):
                self.rfile.read(length + 2)
            while self.rfile.readline().strip():
                pass
        else:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = (200, b"ok") if self.path == "/healthz" else (404, BODY)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""
