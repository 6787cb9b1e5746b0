"""testIamPermissions of a project: which permissions we have, asked before anything is written.

The project-level call is the simple way, since several of the load balancer's resources have none of their own in
Compute v1 (gke.md §9.6). It needs no permission itself, but the Cloud Resource Manager API enabled.
"""

from collections.abc import Iterable

from tasks.clients import google, settings
from tasks.core.errors import AccessRefused, ResourceFailed, Unreachable

_TIMEOUT_SECONDS = 15.0
_MOST = 100


def granted(project: str, permissions: Iterable[str]) -> set[str]:
    """Those of the permissions that we have in the project.

    Raises:
        AccessRefused, ResourceFailed: the API refuses to say, or is not enabled.
        Unreachable: it does not answer.
    """
    asked = list(dict.fromkeys(permissions))
    return {each for start in range(0, len(asked), _MOST) for each in _granted(project, asked[start : start + _MOST])}


def _granted(project: str, permissions: list[str]) -> list[str]:
    import requests
    from google.auth.exceptions import GoogleAuthError, TransportError

    resource = f"permissions in project {project}"
    url = f"{settings.resource_manager_endpoint()}/v1/projects/{project}:testIamPermissions"
    try:
        response = google.session().post(url, json={"permissions": permissions}, timeout=_TIMEOUT_SECONDS)
    except (requests.RequestException, TransportError) as error:
        observed = f"the Cloud Resource Manager API did not answer ({str(error)[:200]})"
        raise Unreachable(resource, observed, "Check the network to cloudresourcemanager.googleapis.com.") from error
    except GoogleAuthError as error:
        raise AccessRefused(resource, str(error)[:300], google.LOGIN, "compute") from error
    if response.status_code == requests.codes.OK:
        return list(response.json().get("permissions") or [])
    observed = f"the Cloud Resource Manager API answered {response.status_code}"
    mend = f"Enable it: gcloud services enable cloudresourcemanager.googleapis.com --project {project}"
    if response.status_code == 429 or response.status_code >= 500:
        raise Unreachable(resource, observed, "It may pass by itself; run again.", "compute")
    raise ResourceFailed(resource, observed, mend, "compute")
