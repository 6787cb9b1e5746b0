"""How to reach a cluster: kubeconfig, the service account inside a Pod, or GKE by its name."""

import base64
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.clients import google, settings
from tasks.core.errors import AccessRefused, ProvisioningError, ResourceFailed, Unreachable

if TYPE_CHECKING:
    from kubernetes.client import Configuration


@dataclass(frozen=True)
class Access:
    """A way to a cluster, whose credentials stay fresh."""

    configuration: "Configuration"
    """Its hook looks at the token before every request."""

    renew: Callable[[str], None]
    """Get a new token into `configuration`, if the given one, which a server did not accept, is still in it.

    Empty: in any case one that is as young as can be had, for somebody who cannot renew it."""

    mend: str
    """What to do when the credentials are refused for good."""


def load(context: str) -> Access:
    """Return the way of a kubeconfig context (empty: the current one), or of the Pod we run in.

    Raises:
        ProvisioningError: there is no kubeconfig, no such context, or it cannot be read.
        AccessRefused: the program that should give credentials (`exec`) gives none.
    """
    configuration, lock = _load(context), threading.Lock()

    def renew(refused: str) -> None:
        with lock:
            if refused and refused != _bearer(configuration):
                return  # another thread was faster
            # All of it anew: kubectl, gcloud or the kubelet may have written another token, and a plugin runs again.
            fresh = _load(context)
            configuration.refresh_api_key_hook = fresh.refresh_api_key_hook
            configuration.api_key = fresh.api_key

    return Access(configuration, renew, _GET_CREDENTIALS)


def _bearer(configuration: "Configuration") -> str:
    """The Authorization header as it stands, without asking for a fresh one."""
    return str(configuration.api_key.get("BearerToken") or "")


def _load(context: str) -> "Configuration":
    import yaml
    from kubernetes import client, config

    configuration = client.Configuration()
    files = os.environ.get("KUBECONFIG", "")
    default = Path.home() / ".kube" / "config"
    try:
        if not files and not context and not default.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            configuration.refresh_api_key_hook = _rereading()  # type: ignore[assignment]
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=files or str(default),
                context=context or None,
                client_configuration=configuration,
                persist_config=False,
            )
            configuration.refresh_api_key_hook = _paced(configuration.refresh_api_key_hook)  # type: ignore[assignment]
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ProvisioningError(
            resource=f"kubeconfig context {context}" if context else "kubeconfig",
            observed=str(error)[:300],
            mend="Name an existing one (kubectl config get-contexts), or set gke_cluster and gke_location.",
        ) from error
    _check_plugin(files or str(default), context, configuration)
    return configuration


def _check_plugin(files: str, context: str, configuration: "Configuration") -> None:
    """Refuse a user who logs in by a program that gave nothing; the client library would go on as nobody."""
    from kubernetes.config.kube_config import KubeConfigMerger

    if configuration.api_key or configuration.cert_file:
        return
    config = KubeConfigMerger(files).config  # type: ignore[no-untyped-call]
    chosen = config["contexts"].get_with_name(context or config["current-context"])["context"]
    user = config["users"].get_with_name(chosen["user"], safe=True) if chosen.safe_get("user") else None
    plugin = user["user"].safe_get("exec") if user and user.safe_get("user") else None
    if plugin:
        command = plugin["command"]
        observed = f"its program {command} gives no credentials"
        mend = f"Run it and see why: {command}; then log in again, such as by gcloud auth login."
        raise AccessRefused(f"user {chosen['user']} of the kubeconfig", observed, mend)


def _rereading() -> Callable[["Configuration"], None]:
    """A hook that reads the Pod's token before every request; the library's own looks once a minute.

    The kubelet replaces the file long before the token dies, but a token can also be revoked with its Pod's account.
    """
    from kubernetes.config import incluster_config

    file = Path(incluster_config.SERVICE_TOKEN_FILENAME)

    def reread(target: "Configuration") -> None:
        if content := file.read_text().strip():
            target.api_key["BearerToken"] = f"bearer {content}"

    return reread


def _paced(hook: Any) -> Callable[["Configuration"], None]:
    """The library's hook, by one thread at a time and at most once a second.

    In the last five minutes of a token it runs the kubeconfig's program, a process, at every request. Meanwhile the
    others go on with the token there is; should it be dead, they hear it from the server and renew.
    """
    lock, last = threading.Lock(), time.monotonic()

    def paced(target: "Configuration") -> None:
        nonlocal last
        if hook is None or time.monotonic() - last < _PLUGIN_SECONDS or not lock.acquire(blocking=False):
            return
        try:
            hook(target)
        finally:
            target.refresh_api_key_hook = paced  # type: ignore[assignment]  # the library puts its own there each time
            last = time.monotonic()
            lock.release()

    return paced


_PLUGIN_SECONDS = 1.0

_GET_CREDENTIALS = "Get new credentials: gcloud container clusters get-credentials CLUSTER --location LOCATION"

_HANDED_ON_SECONDS = 300.0
"""A token that is handed on should last as long as the longest Helm upgrade, which cannot renew it."""


def from_gke(project: str, location: str, cluster: str) -> Access:
    """Return the way to a GKE cluster, with Application Default Credentials fresh on every request.

    Source: GKE API v1 projects.locations.clusters.get (fields endpoint, masterAuth.clusterCaCertificate).

    Raises:
        ResourceFailed: no such cluster, or one that has no address yet.
        AccessRefused: it may not be read.
        Unreachable: the GKE API does not answer.
    """
    from kubernetes import client

    facts = describe(project or google.project(), location, cluster)
    configuration = client.Configuration()
    configuration.host = f"https://{facts['endpoint']}"
    # Held in memory: a file would outlive us.
    configuration.ca_cert_data = base64.b64decode(facts["masterAuth"]["clusterCaCertificate"]).decode()
    configuration.api_key_prefix["authorization"] = "Bearer"

    def refresh(target: "Configuration") -> None:
        # Called by the client before every request, so a token that dies during a wait is renewed unseen.
        target.api_key["authorization"] = google.token()

    configuration.refresh_api_key_hook = refresh  # type: ignore[assignment]
    refresh(configuration)

    def renew(refused: str) -> None:
        if refused:
            google.token(refused=refused.removeprefix("Bearer "))
        else:
            google.token(seconds=_HANDED_ON_SECONDS)

    return Access(configuration, renew, google.LOGIN)


def describe(project: str, location: str, cluster: str) -> dict[str, Any]:
    """The cluster as the GKE API has it.

    Raises:
        ResourceFailed, AccessRefused, Unreachable: as of `from_gke`.
    """
    import requests
    from google.auth.exceptions import GoogleAuthError, TransportError

    resource = f"cluster {project}/{location}/{cluster}"
    url = f"{settings.container_endpoint()}/v1/projects/{project}/locations/{location}/clusters/{cluster}"
    try:
        response = google.session().get(url, timeout=30)
    except (requests.RequestException, TransportError) as error:
        mend = "Check the network to container.googleapis.com and run again."
        raise Unreachable(resource, f"the GKE API did not answer ({str(error)[:200]})", mend) from error
    except GoogleAuthError as error:
        mend = "Log in again: gcloud auth application-default login"
        raise AccessRefused(resource, str(error)[:300], mend) from error
    if response.status_code != requests.codes.OK:
        raise _refusal(resource, project, response.status_code, _message(response.text))
    facts: dict[str, Any] = response.json()
    if not facts.get("endpoint"):
        mend = f"Wait for it: gcloud container clusters describe {cluster} --location {location} --project {project}"
        raise ResourceFailed(resource, f"has no endpoint, its status is {facts.get('status')}", mend)
    return facts


def _refusal(resource: str, project: str, status: int, message: str) -> ProvisioningError:
    observed = f"the GKE API answered {status}: {message}"
    if status in (401, 403):
        return AccessRefused(resource, observed, "Ask for roles/container.clusterViewer, or more, on the project.")
    if status == 429 or status >= 500:
        return Unreachable(resource, observed, "It may pass by itself; run again.")
    return ResourceFailed(
        resource, observed, f"See which there are: gcloud container clusters list --project {project}"
    )


def _message(text: str) -> str:
    """The API's own sentence out of its error body."""
    try:
        return str(json.loads(text)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return text[:200]
