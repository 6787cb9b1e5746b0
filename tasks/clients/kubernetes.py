"""The Kubernetes API by plain objects: read, list, apply, create, delete, watch.

The official client does connection, credentials and TLS; objects stay the dicts that manifests are, so that a field
this project does not know survives. Every call has its own time limits, since the client has none by itself.
"""

import base64
import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tasks.clients import imports, settings
from tasks.core import diagnosis, fencing, names
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Outlook
from tasks.core.diagnosis.api_server import ACCESS_REFUSED
from tasks.core.errors import AccessRefused, FieldConflict, ProvisioningError, ResourceFailed, Unreachable

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from tasks.clients.kubeconfig import Access

_TIMEOUT = (5.0, 30.0)
"""Connect and read limit of one call, in seconds."""

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind by its address in the API."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """Path of the collection, or of one object in it; an empty namespace means cluster scope."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        scope = f"/namespaces/{quote(namespace)}" if namespace else ""
        return f"{root}{scope}/{self.plural}" + (f"/{quote(name)}" if name else "")


SERVICE = Kind("v1", "Service", "services")
SECRET = Kind("v1", "Secret", "secrets")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
POD = Kind("v1", "Pod", "pods")
EVENT = Kind("v1", "Event", "events")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
BACKEND_CONFIG = Kind("cloud.google.com/v1", "BackendConfig", "backendconfigs")
FRONTEND_CONFIG = Kind("networking.gke.io/v1beta1", "FrontendConfig", "frontendconfigs")
MANAGED_CERTIFICATE = Kind("networking.gke.io/v1", "ManagedCertificate", "managedcertificates")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")


class Cluster:
    """One cluster, as one set of credentials sees it."""

    def __init__(self, api: "ApiClient", access: "Access") -> None:
        self._api, self._access = api, access

    @property
    def host(self) -> str:
        """URL of the API server."""
        return str(self._api.configuration.host)

    def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return the object, or None if there is none of that name.

        Raises:
            AccessRefused, Unreachable: see `tasks.core.errors`.
        """
        with _translated(f"{kind.name.lower()} {namespace}/{name}"):
            status, body = self._call("GET", kind.path(namespace, name))
            return None if status == 404 else _checked(status, body)

    def list_objects(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> list[Object]:
        """Return the objects that fit both selectors; a kind the cluster does not serve has none."""
        query = [("labelSelector", labels), ("fieldSelector", fields)]
        with _translated(f"{kind.plural} in {namespace}"):
            status, body = self._call("GET", kind.path(namespace), [pair for pair in query if pair[1]])
            return [] if status == 404 else list(_checked(status, body).get("items") or [])

    def first_objects(self, kind: Kind, limit: int) -> list[Object]:
        """Return the objects of every namespace, so many at most.

        Raises:
            AccessRefused, Unreachable: see `tasks.core.errors`.
        """
        with _translated(f"{kind.plural} of every namespace"):
            status, body = self._call("GET", kind.path(""), [("limit", str(limit))])
            return [] if status == 404 else list(_checked(status, body).get("items") or [])

    def apply(self, manifest: Object, kind: Kind, *, force: bool = False) -> Object:
        """Server-side apply under our field manager.

        Raises:
            FieldConflict: another manager owns one of the fields with another value, and not `force`.
        """
        metadata = manifest["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        query = [("fieldManager", names.FIELD_MANAGER), ("fieldValidation", "Strict"), ("force", str(force).lower())]
        with _writing(f"{kind.name.lower()} {namespace}/{name}"):
            path = kind.path(namespace, name)
            status, body = self._call("PATCH", path, query, manifest, "application/apply-patch+yaml")
            return _checked(status, body)

    def create(self, manifest: Object, kind: Kind) -> Object | None:
        """Create the object; None if one of that name exists already."""
        metadata = manifest["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        with _writing(f"{kind.name.lower()} {namespace}/{name}"):
            query = [("fieldManager", names.FIELD_MANAGER), ("fieldValidation", "Strict")]
            status, body = self._call("POST", kind.path(namespace), query, manifest)
            if status == 409 and body.get("reason") == "AlreadyExists":
                return None
            return _checked(status, body)

    def merge_patch(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object | None:
        """Patch by JSON merge, as `kubectl patch --type merge`.

        None if the patch names a resourceVersion and the object has another one by now.
        """
        with _writing(f"{kind.name.lower()} {namespace}/{name}"):
            query = [("fieldManager", names.FIELD_MANAGER)]
            status, body = self._call("PATCH", kind.path(namespace, name), query, patch, "application/merge-patch+json")
            return None if status == 409 else _checked(status, body)

    def replace(self, manifest: Object, kind: Kind, *, seconds: float = _TIMEOUT[1]) -> Object | None:
        """Write the whole object over the one whose resourceVersion it names.

        None if that has another one by now, or is gone. `seconds` bound the wait for an answer.
        """
        metadata = manifest["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        with _writing(f"{kind.name.lower()} {namespace}/{name}"):
            query = [("fieldManager", names.FIELD_MANAGER), ("fieldValidation", "Strict")]
            timeout = (min(seconds, _TIMEOUT[0]), seconds)
            status, body = self._call("PUT", kind.path(namespace, name), query, manifest, timeout=timeout)
            return None if status in (404, 409) else _checked(status, body)

    def delete(self, kind: Kind, namespace: str, name: str, *, version: str = "") -> bool:
        """Ask for deletion; False if there was nothing to delete.

        With a resourceVersion, only of that version: Unreachable if it has another one by now.
        """
        options = {"preconditions": {"resourceVersion": version}} if version else None
        with _writing(f"{kind.name.lower()} {namespace}/{name}"):
            status, body = self._call("DELETE", kind.path(namespace, name), (), options)
            if status == 404:
                return False
            _checked(status, body)
            return True

    def pod_log(self, namespace: str, name: str, container: str, *, previous: bool, lines: int = 30) -> str:
        """Last lines of a container's log; empty when it has none."""
        query = [("container", container), ("tailLines", str(lines)), ("previous", str(previous).lower())]
        with _translated(f"pod {namespace}/{name}"):
            response = self._request("GET", POD.path(namespace, name) + "/log", query)
            text = response.data.decode("utf-8", "replace")
            return text if response.status == 200 else ""

    def serves(self, kind: Kind) -> bool:
        """Whether the cluster knows the kind, that is, its CRD is installed."""
        group, _, version = kind.api_version.rpartition("/")
        with _translated(f"API group {kind.api_version}"):
            status, body = self._call("GET", f"/apis/{group}/{version}" if group else f"/api/{version}")
            if status == 404:
                return False
            return any(resource["name"] == kind.plural for resource in _checked(status, body).get("resources", []))

    def may(self, verb: str, kind: Kind, namespace: str) -> bool:
        """Whether we may do this, asked by SelfSubjectAccessReview."""
        group = kind.api_version.rpartition("/")[0]
        attributes = {"verb": verb, "group": group, "resource": kind.plural, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        with _translated(f"access review of {verb} {kind.plural}"):
            status, body = self._call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", (), review)
            return bool(_checked(status, body)["status"]["allowed"])

    def version(self) -> str:
        """Version of the API server, such as v1.33.1."""
        with _translated(f"API server {self.host}"):
            return str(_checked(*self._call("GET", "/version"))["gitVersion"])

    def kubeconfig(self, namespace: str) -> Object:
        """A kubeconfig with our credentials of this moment, for a program that takes nothing else.

        Whether the API server takes them is not asked here; see `prove_access`.
        """
        configuration = self._api.configuration
        user = _user(self._authorization())
        if configuration.cert_file:
            user |= {"client-certificate": configuration.cert_file, "client-key": configuration.key_file}
        server: Object = {"server": configuration.host}
        if not configuration.verify_ssl:
            server["insecure-skip-tls-verify"] = True
        elif configuration.ca_cert_data:
            server["certificate-authority-data"] = base64.b64encode(configuration.ca_cert_data.encode()).decode()
        elif configuration.ssl_ca_cert:
            server["certificate-authority"] = configuration.ssl_ca_cert
        if configuration.proxy:
            server["proxy-url"] = configuration.proxy
        if configuration.tls_server_name:
            server["tls-server-name"] = configuration.tls_server_name
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": server}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "here", "context": {"cluster": "cluster", "user": "user", "namespace": namespace}}],
            "current-context": "here",
        }

    def prove_access(self) -> None:
        """Renew our credentials, and ask the API server whether it takes them: a program we call cannot renew them.

        Raises:
            AccessRefused, Unreachable: it does not, or does not answer.
        """
        self._access.renew("")
        self.version()

    def wake_on_change(self, kind: Kind, namespace: str, name: str, wake: threading.Event) -> "Watching":
        """Set `wake` whenever the object changes, until the returned context ends."""
        return Watching(self, kind, namespace, name, wake)

    def stream(self, kind: Kind, namespace: str, name: str, seconds: int) -> Any:
        """Open a watch on one object; the caller reads lines and closes."""
        query = [("watch", "true"), ("fieldSelector", f"metadata.name={name}"), ("timeoutSeconds", str(seconds))]
        return self._request("GET", kind.path(namespace), query, timeout=(5.0, seconds + 5.0))

    def _call(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | tuple[()] = (),
        body: Object | None = None,
        content_type: str = "application/json",
        timeout: tuple[float, float] = _TIMEOUT,
    ) -> tuple[int, Object]:
        response = self._request(method, path, query, body, content_type, timeout)
        text = response.data
        try:
            answer = json.loads(text) if text else {}
        except ValueError:
            answer = {"message": text[:200].decode("utf-8", "replace")}
        if response.status == 401:
            told = str(answer.get("message") or "HTTP 401")[:600]
            raise AccessRefused("", f"the API server does not accept our credentials ({told})", self._access.mend)
        return response.status, answer

    def _request(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | tuple[()] = (),
        body: Object | None = None,
        content_type: str = "application/json",
        timeout: tuple[float, float] = _TIMEOUT,
    ) -> Any:
        """Send one request through the client's own pool, with fresh credentials, and return urllib3's response.

        Credentials that are refused are renewed, and the request sent once more: a server that answers 401 has done
        nothing yet.
        """
        sent, response = self._send(method, path, query, body, content_type, timeout)
        if response.status == 401:
            self._access.renew(sent)
            again = self._authorization()
            if again != sent:
                response.drain_conn()
                _, response = self._send(method, path, query, body, content_type, timeout)
        return response

    def _authorization(self) -> str:
        return str((self._api.configuration.auth_settings().get("BearerToken") or {}).get("value") or "")

    def _send(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]] | tuple[()],
        body: Object | None,
        content_type: str,
        timeout: tuple[float, float],
    ) -> tuple[str, Any]:
        """The Authorization header that was sent, and the response."""
        import urllib3

        headers = {"Accept": "application/json", "Content-Type": content_type}
        _, url, headers, *_ = self._api.param_serialize(
            method, path, query_params=list(query), header_params=headers, auth_settings=["BearerToken"]
        )
        response = self._api.rest_client.pool_manager.request(
            method,
            url,
            body=None if body is None else json.dumps(body),
            headers=headers,
            timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
            retries=False,
            preload_content="watch=true" not in url,
        )
        return headers.get("authorization", ""), response


class Watching:
    """A watch in a thread of its own; it only wakes, the awakened one reads the object anew."""

    def __init__(self, cluster: Cluster, kind: Kind, namespace: str, name: str, wake: threading.Event) -> None:
        self._cluster, self._kind, self._namespace, self._name = cluster, kind, namespace, name
        self._wake, self._stop = wake, threading.Event()
        self._lock = threading.Lock()
        self._response: Any = None
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.plural}-{name}", daemon=True)

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stop.set()
            if self._response is not None:
                # Only closing the socket frees a thread that waits in recv for the next event.
                _shut_down(self._response)
        self._thread.join(timeout=2)

    def _run(self) -> None:
        import urllib3

        while not self._stop.is_set():
            refused = False
            # A watch is a convenience: the poll beside it notices everything, a little later.
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
                refused = not self._follow()
            self._stop.wait(_REFUSED_SECONDS if refused else 1)

    def _follow(self) -> bool:
        """Wake for every line of one watch until it ends; False if the server does not give us one."""
        response = self._cluster.stream(self._kind, self._namespace, self._name, 240)
        try:
            with self._lock:
                if self._stop.is_set():
                    return True
                self._response = response
            if response.status != 200:
                return False
            for _ in response.stream(65_536):
                if self._stop.is_set():
                    break
                self._wake.set()
            return True
        finally:
            with self._lock:
                self._response = None
            response.close()


_REFUSED_SECONDS = 30.0
"""Pause after a watch was refused, such as for want of the verb."""


def _user(authorization: str) -> Object:
    """The user of a kubeconfig who would send this Authorization header."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":  # "bearer" inside a Pod, "Bearer" elsewhere
        return {"token": value}
    if scheme.lower() == "basic":
        name, _, password = base64.b64decode(value).decode().partition(":")
        return {"username": name, "password": password}
    return {}


def _shut_down(response: Any) -> None:
    connection = getattr(response, "_connection", None) or getattr(response, "connection", None)
    sock: socket.socket | None = getattr(connection, "sock", None)
    with contextlib.suppress(OSError):
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)


def warm_up() -> None:
    """Import the client library."""
    imports.load("kubernetes.client")


def cluster(config: LoadBalancerConfig) -> Cluster:
    """Return the cluster of the configuration; clients are kept, one per way to reach it.

    Raises:
        ProvisioningError: there is no usable kubeconfig, context, or GKE cluster of that name.
    """
    kubeconfig = os.environ.get("KUBECONFIG", "")
    project = settings.project(config)
    return _cluster(kubeconfig, config.kube_context, config.gke_cluster, config.gke_location, project)


@lru_cache(maxsize=32)
def _cluster(_kubeconfig: str, context: str, gke_cluster: str, gke_location: str, project: str) -> Cluster:
    from tasks.clients import kubeconfig

    client = imports.load("kubernetes.client")

    access = kubeconfig.from_gke(project, gke_location, gke_cluster) if gke_cluster else kubeconfig.load(context)
    access.configuration.connection_pool_maxsize = 16
    return Cluster(client.ApiClient(access.configuration), access)


@contextmanager
def _writing(resource: str) -> Iterator[None]:
    """A request that changes something: admitted by the fence, whose errors keep their own resource."""
    with fencing.writing(resource), _translated(resource):
        yield


@contextmanager
def _translated(resource: str) -> Iterator[None]:
    import urllib3

    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        raise Unreachable(
            resource,
            f"the API server did not answer ({_short(error)})",
            "Check the cluster and your kubeconfig: kubectl cluster-info",
        ) from error
    except ProvisioningError as error:
        raise type(error)(resource, error.observed, error.mend, error.layer, error.cause) from error.__cause__


def _checked(status: int, body: Object) -> Object:
    """Return the body of a good answer; the resource of the raised error is filled in by `_translated`."""
    if status < 300:
        return body
    found = diagnosis.of_refusal(status, body)
    causes = (body.get("details") or {}).get("causes") or []
    if status == 409 and any(cause.get("reason") == "FieldManagerConflict" for cause in causes):
        said = str(body.get("message") or "")[:600]
        raise FieldConflict("", said, "See who owns the field: kubectl get … -o yaml --show-managed-fields")
    kind: type[ProvisioningError] = Unreachable if found.outlook is Outlook.RETRY else ResourceFailed
    if found.cause == ACCESS_REFUSED:
        kind = AccessRefused
    raise kind("", found.observed, found.mend, found.layer, found.cause)


def _short(error: BaseException) -> str:
    cause = getattr(error, "reason", None) or error
    return str(cause)[:200]
