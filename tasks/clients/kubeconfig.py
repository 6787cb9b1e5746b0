"""How to reach a cluster: kubeconfig, the service account inside a Pod, or GKE by its name."""

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.clients import google, settings
from tasks.core.errors import AccessRefused, ProvisioningError, ResourceFailed, Unreachable

if TYPE_CHECKING:
    from kubernetes.client import Configuration


def load(context: str) -> "Configuration":
    """Return the configuration of a kubeconfig context (empty: the current one), or of the Pod we run in.

    Raises:
        ProvisioningError: there is no kubeconfig, no such context, or it cannot be read.
    """
    import yaml
    from kubernetes import client, config

    configuration = client.Configuration()
    files = os.environ.get("KUBECONFIG", "")
    default = Path.home() / ".kube" / "config"
    try:
        if not files and not context and not default.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=files or str(default),
                context=context or None,
                client_configuration=configuration,
                persist_config=False,
            )
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ProvisioningError(
            resource=f"kubeconfig context {context}" if context else "kubeconfig",
            observed=str(error)[:300],
            mend="Name an existing one (kubectl config get-contexts), or set gke_cluster and gke_location.",
        ) from error
    return configuration


def from_gke(project: str, location: str, cluster: str) -> "Configuration":
    """Return the configuration of a GKE cluster, with Application Default Credentials fresh on every request.

    Source: GKE API v1 projects.locations.clusters.get (fields endpoint, masterAuth.clusterCaCertificate).

    Raises:
        ResourceFailed: no such cluster, or one that has no address yet.
        AccessRefused: it may not be read.
        Unreachable: the GKE API does not answer.
    """
    from kubernetes import client

    facts = _describe(project or google.project(), location, cluster)
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
    return configuration


def _describe(project: str, location: str, cluster: str) -> dict[str, Any]:
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
