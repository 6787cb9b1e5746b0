"""How to reach a cluster: kubeconfig, the service account inside a Pod, or GKE by its name."""

import base64
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.clients import google, settings
from tasks.core.errors import ProvisioningError, ResourceFailed

if TYPE_CHECKING:
    from kubernetes.client import Configuration


def load(context: str) -> "Configuration":
    """Return the configuration of a kubeconfig context (empty: the current one), or of the Pod we run in.

    Raises:
        ProvisioningError: there is no kubeconfig, no such context, or it cannot be read.
    """
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
    except (config.ConfigException, OSError, ValueError, TypeError) as error:
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
        ResourceFailed: no such cluster, or it may not be read.
    """
    from kubernetes import client

    session = google.session()
    project = project or google.project()
    url = f"{settings.container_endpoint()}/v1/projects/{project}/locations/{location}/clusters/{cluster}"
    response = session.get(url, timeout=30)
    if response.status_code != 200:
        raise ResourceFailed(
            resource=f"cluster {project}/{location}/{cluster}",
            observed=f"the GKE API answered {response.status_code}: {response.text[:200]}",
            mend=f"See which there are: gcloud container clusters list --project {project}",
        )
    facts: dict[str, Any] = response.json()
    authority = Path(tempfile.mkdtemp(prefix="milvus-l7-")) / "cluster-ca.pem"
    authority.write_bytes(base64.b64decode(facts["masterAuth"]["clusterCaCertificate"]))
    configuration = client.Configuration()
    endpoint = str(facts["endpoint"])
    configuration.host = endpoint if endpoint.startswith("https://") else f"https://{endpoint}"
    configuration.ssl_ca_cert = str(authority)
    configuration.api_key_prefix["authorization"] = "Bearer"

    def refresh(target: "Configuration") -> None:
        # Called by the client before every request, so a token that dies during a wait is renewed unseen.
        target.api_key["authorization"] = google.token()

    configuration.refresh_api_key_hook = refresh  # type: ignore[assignment]
    refresh(configuration)
    return configuration
