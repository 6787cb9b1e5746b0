"""The ManagedCertificate controller: Google-managed certificates, and their names into Ingresses.

It makes a Compute certificate as soon as a ManagedCertificate appears, copies its status back, and hands its name to
the Ingress controller in an annotation. Nothing here can make a certificate active. Source: gke-managed-certs
pkg/controller (sync/sync.go, controller.go), pkg/clients (ssl, event), pkg/utils/ingress.
"""

import logging
from typing import Any

from sandbox.compute_client import ComputeClient, GoogleApiError, OperationError
from sandbox.faults import Faults
from sandbox.gke import annotations
from sandbox.gke.cluster import INGRESSES, MANAGED_CERTIFICATES, ClusterView
from sandbox.gke.events import Component, Recorder
from sandbox.gke.managed_certificate_state import Entry, State
from sandbox.gke.managed_certificate_status import same_domains, status_of
from sandbox.kube_client import KubeClient, key_of
from sandbox.kube_paths import path_of
from sandbox.workqueue import WorkQueue

logger = logging.getLogger(__name__)

Json = dict[str, Any]

COMPONENT = "managed-certificate-controller"
_CERTIFICATES = "global/sslCertificates"
_OPERATION_SECONDS = 60.0
"""How long one sync waits for an operation (pkg/clients/ssl: a one-minute context)."""


class CertificateError(Exception):
    """A ManagedCertificate or an Ingress could not be brought up to date; an event has said why."""


class ManagedCertificateController:
    """Two workers: one for ManagedCertificates, one for Ingresses."""

    def __init__(
        self,
        cluster: ClusterView,
        client: KubeClient,
        compute: ComputeClient,
        recorder: Recorder,
        faults: Faults,
        *,
        retry_seconds: tuple[float, float],
    ) -> None:
        self._cluster, self._client, self._compute, self._faults = cluster, client, compute, faults
        self._events = Component(recorder, COMPONENT)
        self._state = State(client)
        self._certificates = WorkQueue(f"{COMPONENT} certificates", self._work_certificate, retry_seconds=retry_seconds)
        self._ingresses = WorkQueue(f"{COMPONENT} ingresses", self._work_ingress, retry_seconds=retry_seconds)
        cluster.managed_certificates.add_handler(self._certificate_changed)
        cluster.ingresses.add_handler(self._ingress_changed)

    def start(self) -> None:
        self._state.load()
        self._certificates.start()
        self._ingresses.start()

    def stop(self) -> None:
        self._certificates.stop()
        self._ingresses.stop()

    def resync(self) -> None:
        """Look at everything anew; the only way in which a certificate's later status is noticed."""
        for key in {key_of(each) for each in self._cluster.managed_certificates.items()} | set(self._state.keys()):
            self._certificates.add(key)
        for ingress in self._cluster.ingresses.items():
            self._ingresses.add(key_of(ingress))

    def _certificate_changed(self, _kind: str, old: Json | None, new: Json | None) -> None:
        self._certificates.add(key_of(new or old or {}))

    def _ingress_changed(self, _kind: str, _old: Json | None, new: Json | None) -> None:
        if new is not None:
            self._ingresses.add(key_of(new))

    def _may_work(self) -> bool:
        if "managed-certificate-controller-off" in self._faults.armed():
            return False
        if not self._cluster.is_synced():
            raise CertificateError("waiting for stores to sync")
        return True

    # ManagedCertificates.

    def _work_certificate(self, key: str) -> None:
        if not self._may_work():
            return
        certificate = self._cluster.managed_certificates.get(key)
        if certificate is None:
            if entry := self._state.get(key):
                self._delete(key, entry, None)
                self._state.drop(key)
            return
        entry = self._state.ensure(key)
        self._copy_status(certificate, self._ensure(key, certificate, entry))

    def _ensure(self, key: str, certificate: Json, entry: Entry) -> Json:
        """The Compute certificate for the domains wanted now, under the name it always had."""
        found = self._find(entry.certificate_name, certificate)
        if found is not None and not same_domains(certificate, found):
            self._delete(key, entry, certificate)
            found = None
        if found is None:
            self._create(key, entry, certificate)
            found = self._find(entry.certificate_name, certificate)
        if found is None:
            raise CertificateError(f"SslCertificate {entry.certificate_name} is gone again")
        self._state.mark_soft_deleted(key, deleted=False)
        return found

    def _find(self, name: str, certificate: Json) -> Json | None:
        try:
            return self._compute.find(f"{_CERTIFICATES}/{name}")
        except GoogleApiError as error:
            self._report(certificate, error)
            raise

    def _create(self, key: str, entry: Entry, certificate: Json) -> None:
        domains = (certificate.get("spec") or {}).get("domains") or []
        body = {"name": entry.certificate_name, "type": "MANAGED", "managed": {"domains": domains}}
        try:
            self._run("POST", _CERTIFICATES, body)
        except GoogleApiError as error:
            self._report(certificate, error)
            raise
        self._events.normal(certificate, "Create", f"Create SslCertificate {entry.certificate_name}")
        self._state.mark_created(key)

    def _delete(self, key: str, entry: Entry, certificate: Json | None) -> None:
        """Delete the Compute certificate; while that fails, it is marked, so that Ingresses let it go."""
        self._state.mark_soft_deleted(key, deleted=True)
        try:
            self._run("DELETE", f"{_CERTIFICATES}/{entry.certificate_name}")
        except GoogleApiError as error:
            if error.code == 404:
                return
            if certificate is not None:
                self._report(certificate, error)
            raise
        if certificate is not None:
            self._events.normal(certificate, "Delete", f"Delete SslCertificate {entry.certificate_name}")

    def _run(self, method: str, path: str, body: Json | None = None) -> None:
        operation = self._compute.start(method, path, body)
        operation = self._compute.wait(operation, timeout_seconds=_OPERATION_SECONDS)
        if operation.get("status") != "DONE":
            raise GoogleApiError(0, f"operation {operation['name']} timed out: context deadline exceeded", [])
        if operation.get("error"):
            raise OperationError(operation)

    def _report(self, certificate: Json, error: GoogleApiError) -> None:
        """Only an operation's quota error is called that; a request refused at once is a backend error."""
        if not isinstance(error, OperationError):
            self._events.warning(certificate, "BackendError", str(error))
            return
        codes = [each.get("code") for each in error.operation["error"]["errors"]]
        reason = "TooManyCertificates" if "QUOTA_EXCEEDED" in codes else "BackendError"
        self._events.warning(certificate, reason, operation_text(error.operation))

    def _copy_status(self, certificate: Json, found: Json) -> None:
        status = status_of(found)
        if {key: (certificate.get("status") or {}).get(key) for key in status} == status:
            return
        metadata = certificate["metadata"]
        # The resource has no status subresource: its status is written with the object itself.
        path = path_of(MANAGED_CERTIFICATES, metadata["namespace"], metadata["name"])
        self._client.merge_patch(path, {"status": status})

    # Ingresses.

    def _work_ingress(self, key: str) -> None:
        if not self._may_work():
            return
        ingress = self._cluster.ingresses.get(key)
        if ingress is None or annotations.of(ingress).get(annotations.INGRESS_CLASS, "") not in ("", "gce"):
            return
        values = annotations.of(ingress)
        names = set(annotations.split_names(values.get(annotations.PRE_SHARED_CERT, "")))
        names |= self._attached(ingress)
        wanted = ",".join(sorted(names - self._state.soft_deleted_names()))
        if wanted != values.get(annotations.PRE_SHARED_CERT, ""):
            metadata = ingress["metadata"]
            patch = {"metadata": {"annotations": {annotations.PRE_SHARED_CERT: wanted}}}
            self._client.merge_patch(path_of(INGRESSES, metadata["namespace"], metadata["name"]), patch)

    def _attached(self, ingress: Json) -> set[str]:
        """Names of the Compute certificates of the ManagedCertificates that an Ingress lists.

        One whose entry is not made yet is left out; the next look at the Ingress finds it.

        Raises:
            CertificateError: one of them does not exist; then none is attached.
        """
        namespace = ingress["metadata"]["namespace"]
        names: set[str] = set()
        for name in annotations.split_names(annotations.of(ingress).get(annotations.MANAGED_CERTIFICATES, "")):
            if self._cluster.managed_certificates.get(f"{namespace}/{name}") is None:
                problem = f"ManagedCertificate {namespace}:{name} missing"
                self._events.warning(ingress, "MissingCertificate", problem)
                raise CertificateError(problem)
            if entry := self._state.get(f"{namespace}/{name}"):
                names.add(entry.certificate_name)
        return names


def operation_text(operation: Json) -> str:
    """A failed operation as the controller's events put it (pkg/clients/ssl/ssl.go)."""
    errors = ", ".join(f"({each.get('code')}: {each.get('message')})" for each in operation["error"]["errors"])
    http = f"{operation.get('httpErrorMessage', '')} ({operation.get('httpErrorStatusCode', 0)})"
    return f"operation {operation['name']} {operation['status']}. Status: {http}, errors: {errors}"
