"""Backend services with their health checks and groups, as an Ingress sync brings them to the Compute side.

Source: ingress-gce pkg/backends/syncer.go, backends.go, neg_linker.go, pkg/healthchecks/healthchecks.go. Simpler: there
are no nodes in the sandbox, so no instance groups either: a backend service without NEGs gets no backends.
"""

import logging
from collections.abc import Callable
from typing import Any

from sandbox.compute_client import ComputeClient, GoogleApiError, Version, resource_path
from sandbox.gke import backend_features, health_checks
from sandbox.gke.namer import ClusterNamer, service_description
from sandbox.gke.translator import ServicePort

logger = logging.getLogger(__name__)

Json = dict[str, Any]
BACKEND_SERVICES = "global/backendServices"
HEALTH_CHECKS = "global/healthChecks"


class BackendError(Exception):
    """A backend service could not be brought to its wanted state; the text is the controller's."""


class Backends:
    """All backend services of one cluster."""

    def __init__(
        self,
        compute: ComputeClient,
        namer: ClusterNamer,
        zones: tuple[str, ...],
        probe: Callable[[ServicePort], Json | None],
    ) -> None:
        self._compute, self._namer, self._zones, self._probe = compute, namer, zones, probe

    def sync(self, ports: list[ServicePort]) -> None:
        """Health checks and backend services first, for all ports; then their groups.

        Raises:
            BackendError, GoogleApiError, InvalidAnnotation, HealthCheckConflict: at the first port that fails.
        """
        for port in ports:
            self._ensure(port)
        for port in ports:
            if port.neg_enabled:
                self._link(port)

    def _ensure(self, port: ServicePort) -> None:
        name, version = port.backend_name(self._namer), _version(port)
        path = f"{BACKEND_SERVICES}/{name}"
        backend = self._compute.find(path, version=version)
        try:
            health_check = self._ensure_health_check(port, name)
        except (GoogleApiError, health_checks.HealthCheckConflict) as error:
            raise BackendError(f"error ensuring health check: {error}") from error
        if backend is None:
            self._compute.insert(BACKEND_SERVICES, self._new(port, name, health_check), version=version)
            backend = self._compute.get(path, version=version)
        changed = self._ensure_basics(backend, port, health_check)
        if port.backend_config is not None:
            changed = backend_features.apply(backend, port.backend_config) or changed
        if changed:
            self._compute.update(path, backend, version=version)
        if port.backend_config is not None:
            self._ensure_security_policy(path, backend, port)

    def _new(self, port: ServicePort, name: str, health_check: str) -> Json:
        backend: Json = {
            "name": name,
            "description": _description(port),
            "protocol": port.protocol,
            "portName": f"port{port.node_port}",
            "healthChecks": [health_check],
            "logConfig": {"enable": True, "sampleRate": 1.0},
        }
        return backend | ({"port": port.node_port} if port.node_port else {})

    def _ensure_basics(self, backend: Json, port: ServicePort, health_check: str) -> bool:
        changed = False
        if backend.get("protocol") != port.protocol:
            backend["protocol"] = port.protocol
            changed = True
        if [resource_path(link) for link in backend.get("healthChecks") or []] != [resource_path(health_check)]:
            backend["healthChecks"] = [health_check]
            changed = True
        if backend.get("description") != _description(port):
            backend["description"] = _description(port)
            changed = True
        return changed

    def _ensure_health_check(self, port: ServicePort, name: str) -> str:
        """Link to the port's health check, made or updated if need be."""
        version: Version = "beta" if health_checks.version(port) == "beta" else "v1"
        path = f"{HEALTH_CHECKS}/{name}"
        existing = self._compute.find(path, version=version)
        probe = self._probe(port)
        if existing is None:
            self._compute.insert(HEALTH_CHECKS, health_checks.desired(port, name, None, probe), version=version)
            existing = self._compute.get(path, version=version)
        elif health_checks.differs(existing, wanted := health_checks.desired(port, name, existing, probe)):
            self._compute.update(path, wanted, version=version)
        return str(existing["selfLink"])

    def _ensure_security_policy(self, path: str, backend: Json, port: ServicePort) -> None:
        wanted = backend_features.security_policy(port.backend_config or {})
        present = (backend.get("securityPolicy") or "").rsplit("/", 1)[-1]
        if wanted is None or wanted == present:
            return
        body = (
            {"securityPolicy": f"projects/{self._compute.project}/global/securityPolicies/{wanted}"} if wanted else {}
        )
        try:
            self._compute.call(f"{path}/setSecurityPolicy", body)
        except GoogleApiError as error:
            where = f"{backend['name']} ({port.namespace}/{port.service}:{port.port})"
            raise BackendError(
                f'failed to set security policy "{wanted}" for backend service {where}: {error}'
            ) from error

    def _link(self, port: ServicePort) -> None:
        """Make the port's NEGs the backends of its backend service; they must exist."""
        name, version = port.backend_name(self._namer), _version(port)
        groups = [self._compute.get(f"zones/{zone}/networkEndpointGroups/{name}") for zone in self._zones]
        wanted = {resource_path(group["selfLink"]): str(group["selfLink"]) for group in groups}
        path = f"{BACKEND_SERVICES}/{name}"
        backend = self._compute.get(path, version=version)
        if {resource_path(each["group"]) for each in backend.get("backends") or []} == wanted.keys():
            return
        backend["backends"] = [
            {"group": link, "balancingMode": "RATE", "maxRatePerEndpoint": 1.0, "capacityScaler": 1.0}
            for link in wanted.values()
        ]
        self._compute.update(path, backend, version=version)

    def health(self, name: str) -> str:
        """HEALTHY as soon as one endpoint is, else the last state seen, else Unknown."""
        state = "Unknown"
        try:
            backend = self._compute.get(f"{BACKEND_SERVICES}/{name}")
            for each in backend.get("backends") or []:
                answer = self._compute.ask(f"{BACKEND_SERVICES}/{name}/getHealth", {"group": each["group"]})
                for endpoint in answer.get("healthStatus") or []:
                    state = str(endpoint.get("healthState", state))
                    if state == "HEALTHY":
                        return state
        except GoogleApiError as error:
            logger.info("health of %s: %s", name, error)
            return "Unknown"
        return state

    def collect_garbage(self, keep: list[ServicePort]) -> None:
        """Delete this cluster's backend services, and their health checks, that no port needs any more.

        Raises:
            GoogleApiError: one could not be deleted, for another reason than being gone or still in use.
        """
        kept = {port.backend_name(self._namer) for port in keep}
        for backend in self._compute.list(BACKEND_SERVICES):
            name = backend["name"]
            if self._namer.owns(name) and name not in kept:
                delete_quietly(self._compute, f"{BACKEND_SERVICES}/{name}")
                delete_quietly(self._compute, f"{HEALTH_CHECKS}/{name}")


def delete_quietly(compute: ComputeClient, path: str) -> None:
    """Delete a shared resource; one that is gone, or that something else uses, is no error."""
    try:
        compute.delete(path)
    except GoogleApiError as error:
        if error.code != 404 and not error.is_in_use:
            raise


def _version(port: ServicePort) -> Version:
    return "beta" if port.protocol == "HTTP2" else "v1"


def _description(port: ServicePort) -> str:
    return service_description(port.namespace, port.service, str(port.port), port.features)
