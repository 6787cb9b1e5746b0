"""The Compute API through google-cloud-compute, whose import costs more than Prefect's and so comes late.

Operations are awaited here and their nested errors unpacked: DONE alone is no success.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from tasks.clients import google, imports, settings
from tasks.core import diagnosis, fencing
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Outlook
from tasks.core.errors import AccessRefused, NotReadyInTime, ProvisioningError, ResourceFailed, Unreachable

_TIMEOUT_SECONDS = 30.0
_OPERATION_TIMEOUT_SECONDS = 300.0


def warm_up() -> None:
    """Import what the first call needs; several seconds, better spent while something else is waited for."""
    imports.load("google.cloud.compute_v1")


class Compute:
    """The Compute API of one project: global resources, and the network endpoint groups of its zones."""

    def __init__(self, project: str, endpoint: str) -> None:
        self.project = project
        self._endpoint = endpoint

    def get(self, collection: str, name: str) -> dict[str, Any] | None:
        """Return a global resource as the REST API writes it, or None if there is none of that name.

        Args:
            collection: as in a self-link: "addresses", "forwardingRules", "sslCertificates", …
            name: name of the resource.
        """
        from google.api_core.exceptions import NotFound

        client, argument = self._client(collection)
        with _translated(f"{collection}/{name}"):
            try:
                found = client.get(
                    request={"project": self.project, argument: name}, retry=None, timeout=_TIMEOUT_SECONDS
                )
            except NotFound as error:
                if diagnosis.of_compute_error(404, "", error.message).outlook is Outlook.STOP:
                    raise  # the project itself is not there
                return None
        return _as_dict(found)

    def list_resources(self, collection: str) -> list[dict[str, Any]]:
        """Return every global resource of a collection; of network endpoint groups those of every zone."""
        client, _ = self._client(collection)
        with _translated(collection):
            request = {"project": self.project}
            if collection != _ZONAL:
                return [_as_dict(found) for found in client.list(request=request, retry=None, timeout=_TIMEOUT_SECONDS)]
            scopes = client.aggregated_list(request=request, retry=None, timeout=_TIMEOUT_SECONDS)
            return [_as_dict(found) for _, scope in scopes for found in scope.network_endpoint_groups]

    def quotas(self) -> list[dict[str, Any]]:
        """Return the project's own quotas: metric, limit, usage."""
        client, _ = self._client("projects")
        with _translated("quotas"):
            found = client.get(request={"project": self.project}, retry=None, timeout=_TIMEOUT_SECONDS)
        return list(_as_dict(found).get("quotas") or [])

    def regional_addresses(self, name: str) -> list[dict[str, Any]]:
        """Return the addresses of this name in every region."""
        client, _ = self._client("regionalAddresses")
        with _translated("regional addresses"):
            request = {"project": self.project, "filter": f"name={name}"}
            scopes = client.aggregated_list(request=request, retry=None, timeout=_TIMEOUT_SECONDS)
            return [
                _as_dict(found)
                for scope, scoped in scopes
                if scope.startswith("regions/")
                for found in scoped.addresses
            ]

    def exists(self, reference: str) -> bool:
        """Whether there is a resource `COLLECTION/NAME`, or `zones/ZONE/networkEndpointGroups/NAME`."""
        from google.api_core.exceptions import NotFound

        *place, collection, name = reference.split("/")
        if not place:
            return self.get(collection, name) is not None
        client, argument = self._client(collection)
        request = {"project": self.project, "zone": place[-1], argument: name}
        with _translated(reference):
            try:
                client.get(request=request, retry=None, timeout=_TIMEOUT_SECONDS)
            except NotFound:
                return False
        return True

    def insert(self, collection: str, body: dict[str, Any]) -> None:
        """Create a global resource and wait until it exists.

        Raises:
            ResourceFailed, AccessRefused: by what the API or the operation says.
        """
        from google.cloud import compute_v1

        client, argument = self._client(collection)
        resource = f"{collection}/{body['name']}"
        kind = {"addresses": compute_v1.Address}[collection]
        with fencing.writing(resource), _translated(resource):
            message = kind.from_json(json.dumps(body))
            operation = client.insert(
                request={"project": self.project, f"{argument}_resource": message},
                retry=None,
                timeout=_TIMEOUT_SECONDS,
            )
        self._finish(operation, resource)

    def delete(self, collection: str, name: str) -> None:
        """Delete a global resource and wait until it is gone."""
        client, argument = self._client(collection)
        resource = f"{collection}/{name}"
        with fencing.writing(resource), _translated(resource):
            operation = client.delete(
                request={"project": self.project, argument: name}, retry=None, timeout=_TIMEOUT_SECONDS
            )
        self._finish(operation, resource)

    def health(self, backend_service: str, group: str) -> list[dict[str, Any]]:
        """Return healthStatus of one group of a backend service; empty while Compute does not know yet."""
        client, _ = self._client("backendServices")
        with _translated(f"backendServices/{backend_service}"):
            answer = client.get_health(
                request={
                    "project": self.project,
                    "backend_service": backend_service,
                    "resource_group_reference_resource": {"group": group},
                },
                retry=None,
                timeout=_TIMEOUT_SECONDS,
            )
        return list(_as_dict(answer).get("healthStatus") or [])

    def _client(self, collection: str) -> tuple[Any, str]:
        return _client(collection, self._endpoint), _ARGUMENTS[collection]

    def _finish(self, operation: Any, resource: str) -> None:
        """Poll the operation to DONE and raise what it reports."""
        deadline = time.monotonic() + _OPERATION_TIMEOUT_SECONDS
        pause = 0.05
        while True:
            with _translated(resource):
                state = _client("operations", self._endpoint).get(
                    request={"project": self.project, "operation": operation.name},
                    retry=None,
                    timeout=_TIMEOUT_SECONDS,
                )
            facts = _as_dict(state)
            if facts.get("status") == "DONE":
                break
            if time.monotonic() > deadline:
                raise NotReadyInTime(
                    resource,
                    f"operation {operation.name} is {facts.get('status')} after {_OPERATION_TIMEOUT_SECONDS:.0f} s",
                    f"See it: gcloud compute operations describe {operation.name} --global",
                    "compute",
                )
            # Also when the run is being given up: what was asked for must be known to have happened.
            time.sleep(pause)
            pause = min(pause * 1.5, 2.0)
        errors = (facts.get("error") or {}).get("errors") or []
        if errors:
            status = int(facts.get("httpErrorStatusCode") or 0)
            text = "; ".join(str(error.get("message") or error.get("code")) for error in errors)
            raise _error(resource, status, str(errors[0].get("code", "")), text)


_ZONAL = "networkEndpointGroups"

_ARGUMENTS = {
    "addresses": "address",
    "forwardingRules": "forwarding_rule",
    "targetHttpsProxies": "target_https_proxy",
    "targetHttpProxies": "target_http_proxy",
    "urlMaps": "url_map",
    "backendServices": "backend_service",
    "healthChecks": "health_check",
    "sslCertificates": "ssl_certificate",
    "sslPolicies": "ssl_policy",
    "securityPolicies": "security_policy",
    "networkEndpointGroups": "network_endpoint_group",
    "firewalls": "firewall",
    "projects": "project",
    "regionalAddresses": "address",
}

_CLIENTS = {
    "addresses": "GlobalAddressesClient",
    "forwardingRules": "GlobalForwardingRulesClient",
    "targetHttpsProxies": "TargetHttpsProxiesClient",
    "targetHttpProxies": "TargetHttpProxiesClient",
    "urlMaps": "UrlMapsClient",
    "backendServices": "BackendServicesClient",
    "healthChecks": "HealthChecksClient",
    "sslCertificates": "SslCertificatesClient",
    "sslPolicies": "SslPoliciesClient",
    "securityPolicies": "SecurityPoliciesClient",
    "networkEndpointGroups": "NetworkEndpointGroupsClient",
    "firewalls": "FirewallsClient",
    "operations": "GlobalOperationsClient",
    "projects": "ProjectsClient",
    "regionalAddresses": "AddressesClient",
}


@lru_cache(maxsize=64)
def _client(collection: str, endpoint: str) -> Any:
    from google.cloud import compute_v1

    options = {"api_endpoint": endpoint} if endpoint else None
    return getattr(compute_v1, _CLIENTS[collection])(credentials=google.credentials(), client_options=options)


def project(config: LoadBalancerConfig) -> str:
    """Project of the load balancer.

    Raises:
        ProvisioningError: neither the configuration nor the credentials name one.
    """
    found = settings.project(config) or google.project()
    if not found:
        raise ProvisioningError(
            "project", "neither the configuration nor the credentials name one", "Set project.", "configuration"
        )
    return found


def api(config: LoadBalancerConfig) -> Compute:
    """Return the Compute API of the configuration's project."""
    warm_up()
    return Compute(project(config), settings.compute_endpoint())


def _as_dict(message: Any) -> dict[str, Any]:
    """The REST form of a proto-plus message: camelCase, absent fields absent."""
    facts: dict[str, Any] = type(message).to_dict(
        message,
        preserving_proto_field_name=False,
        use_integers_for_enums=False,
        always_print_fields_with_no_presence=False,
    )
    return facts


@contextmanager
def _translated(resource: str) -> Iterator[None]:
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        yield
    except (requests.RequestException, TransportError) as error:
        mend = "Check the network to the Compute API and run again."
        raise Unreachable(resource, f"the Compute API did not answer ({str(error)[:200]})", mend) from error
    except GoogleAuthError as error:
        mend = "Log in again: gcloud auth application-default login"
        raise AccessRefused(resource, str(error)[:300], mend, "compute") from error
    except GoogleAPICallError as error:
        reasons = [detail.get("reason", "") for detail in error.errors or () if isinstance(detail, dict)]
        raise _error(resource, int(error.code or 0), reasons[0] if reasons else "", error.message) from error


def _error(resource: str, status: int, reason: str, message: str) -> ProvisioningError:
    finding = diagnosis.of_compute_error(status, reason, message)
    if finding.outlook is Outlook.STOP:
        kind = AccessRefused if status in (401, 403) and finding.cause in _ACCESS else ResourceFailed
        return kind(resource, finding.observed, finding.mend, finding.layer, finding.cause)
    return Unreachable(resource, finding.observed, finding.mend, finding.layer, finding.cause)


_ACCESS = {"PermissionDenied", "Forbidden", "Unauthenticated", "ApiDisabled"}
