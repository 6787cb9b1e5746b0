"""The API server as a whole: store, controllers of its own, users, TLS."""

import datetime as dt
import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube import bootstrap
from sandbox.kube.api import Application, PodLogs
from sandbox.kube.deletion import Deletion
from sandbox.kube.kinds import Registry
from sandbox.kube.lifecycle import Lifecycle
from sandbox.kube.resources import Resources
from sandbox.kube.store import Store
from sandbox.kube.users import Users
from sandbox.kube.writes import Writes
from sandbox.servers import Server

Clock = Callable[[], dt.datetime]


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class KubernetesApi:
    """A Kubernetes API server on a loopback port, its objects in memory.

    Args:
        directory: where its certificate and key are written; made if missing.
        ca: signs the certificate.
        faults: switches `kube-forbidden`, `kube-unauthorized`, `kube-unavailable`.
        port: 0 takes a free one.
        clock: the time in creationTimestamp and the like.
        outside: whose token it is that this server did not make, asked at every request; empty: nobody's.
        pod_logs: what `kubectl logs` shows of a namespace, pod and container.
        bare: without the work of a kube-controller-manager, see `bare`.
    """

    def __init__(
        self,
        directory: Path,
        ca: CertificateAuthority,
        faults: Faults,
        *,
        port: int = 0,
        clock: Clock = _utc_now,
        outside: Callable[[str], str] = lambda _token: "",
        pod_logs: PodLogs | None = None,
        bare: bool = False,
    ) -> None:
        self._ca = ca
        self.store, self.registry, self._users = Store(), Registry(), Users(faults, outside)
        deletion = Deletion(self.store, clock)
        writes = Writes(self.store, deletion, clock, bare_cluster=bare)
        authority = ca.certificate_pem.decode()
        lifecycle = Lifecycle(self.store, self.registry, writes, deletion, clock, authority, bare=bare)
        resources = Resources(self.store, self.registry, writes, deletion)
        self._application = Application(self.store, self.registry, resources, lifecycle, self._users, faults, pod_logs)
        certificate, key = self._certificate(directory)
        self._server = Server(self._application, name="kube-api", port=port, certificate=certificate, key=key)
        bootstrap.fill(writes, self.registry, self._server.port)
        lifecycle.settle()

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        """Serve; returns at once."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving; watches end at once."""
        loop = self._application.loop
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(self._application.end_watches)
        self._server.stop()

    def kubeconfig(self, user: str = "admin") -> dict[str, Any]:
        """A kubeconfig with this server's CA and that user's token; any name is a user."""
        cluster = {"server": self.url, "certificate-authority-data": b64encode(self._ca.certificate_pem).decode()}
        name = "sandbox"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self._users.token(user)}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": "default"}}],
            "current-context": name,
            "preferences": {},
        }

    def request_counts(self, user: str | None = None) -> dict[str, int]:
        """Accepted requests by verb, of one user or of all (None).

        Reviews count as "review" and dry-run writes as "dry-run", since neither leaves a trace.
        """
        counts: Counter[str] = Counter()
        for (name, verb), number in tuple(self._application.counts.items()):
            if user in (None, name):
                counts[verb] += number
        return dict(counts)

    def _certificate(self, directory: Path) -> tuple[Path, Path]:
        directory.mkdir(parents=True, exist_ok=True)
        leaf = self._ca.issue("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        certificate, key = directory / "kube-api.crt", directory / "kube-api.key"
        certificate.write_bytes(leaf.certificate_pem)
        key.unlink(missing_ok=True)
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(leaf.key_pem)
        return certificate, key

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
