"""Health of network endpoints: what the data plane's probes found, shown the way Compute shows it.

An endpoint has no entry at all right after its attachment; UNHEALTHY or HEALTHY comes with the first probe, and not
before `latency.health_seconds`, since front ends take that long to learn of it.
"""

from typing import Any

from sandbox.compute import errors, links
from sandbox.compute.links import Ref
from sandbox.compute.store import Endpoint, Store
from sandbox.faults import Faults
from sandbox.latency import Latency

Report = dict[str, dict[str, str]]
"""`{"<zone>/<NEG>": {"<ip>:<port>": "HEALTHY" or "UNHEALTHY"}}`."""


class Health:
    """The latest report of the data plane."""

    def __init__(self, store: Store, faults: Faults, latency: Latency) -> None:
        self._store, self._faults, self._latency = store, faults, latency
        self._reported: Report = {}

    def report(self, report: Report) -> None:
        """Take over the states of all endpoints; what is not in the report is not known any more."""
        self._reported = report

    def state(self, group: Ref, endpoint: Endpoint) -> str | None:
        """HEALTHY, UNHEALTHY, or None while nothing is known."""
        age = (self._store.clock() - endpoint.attached_at).total_seconds()
        if age < self._latency.health_seconds:
            return None
        if self._never_healthy(group):
            return "UNHEALTHY"
        return self._reported.get(f"{group.zone}/{group.name}", {}).get(f"{endpoint.ip_address}:{endpoint.port}")

    def of_backend(self, service: Ref, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of `backendServices.getHealth`."""
        group = links.parse(body.get("group"), self._store.project)
        if not body.get("group"):
            raise errors.required("resource.group")
        backends = (self._store.get(service) or {}).get("backends") or []
        urls = [backend["group"] for backend in backends]
        if group is None or group.url(self._store.project) not in urls:
            why = "The specified instance group is not a backend of the backend service."
            raise errors.invalid("group", body["group"], why)
        answer: dict[str, Any] = {"kind": "compute#backendServiceGroupHealth"}
        if statuses := list(self._statuses(group)):
            answer["healthStatus"] = statuses
        return answer

    def listed(self, group: Ref, *, show: bool) -> list[dict[str, Any]]:
        """The items of `listNetworkEndpoints`, with their health if asked to `SHOW` it."""
        items = []
        for endpoint in self._store.endpoints.get(group, {}).values():
            item: dict[str, Any] = {"networkEndpoint": _json(endpoint)}
            if show:
                item["healths"] = [
                    {
                        "backendService": {"backendService": service.url(self._store.project)},
                        "healthState": self.state(group, endpoint) or "UNKNOWN",
                    }
                    for service in self._store.referrers(group)
                ]
            items.append(item)
        return items

    def _statuses(self, group: Ref) -> list[dict[str, Any]]:
        statuses = []
        for endpoint in self._store.endpoints.get(group, {}).values():
            if state := self.state(group, endpoint):
                status: dict[str, Any] = {"healthState": state, "ipAddress": endpoint.ip_address, "port": endpoint.port}
                if endpoint.instance:
                    status["instance"] = endpoint.instance
                statuses.append(status)
        return statuses

    def _never_healthy(self, group: Ref) -> bool:
        fault = self._faults.armed().get("never-healthy")
        # The switch names a Kubernetes Service; the group's name contains it (ingress-gce pkg/utils/namer).
        return fault is not None and (fault["service"] in ("", "*") or fault["service"] in group.name)


def _json(endpoint: Endpoint) -> dict[str, Any]:
    shown: dict[str, Any] = {"ipAddress": endpoint.ip_address, "port": endpoint.port}
    if endpoint.instance:
        shown["instance"] = endpoint.instance
    if endpoint.annotations:
        shown["annotations"] = endpoint.annotations
    return shown
