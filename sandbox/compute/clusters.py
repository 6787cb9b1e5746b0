"""The GKE API, as far as a client needs it to find a cluster: clusters.get and clusters.list.

Source: container v1 discovery document, projects.locations.clusters; errors are google.rpc.Status.
"""

from typing import Any

from sandbox.compute import errors
from sandbox.compute.messages import Reply, Request
from sandbox.faults import Faults

_STATUS = {403: "PERMISSION_DENIED", 404: "NOT_FOUND"}


class Clusters:
    """The clusters of one project, by location and name."""

    def __init__(self, project: str, faults: Faults) -> None:
        self._project, self._faults = project, faults
        self._clusters: dict[tuple[str, str], dict[str, Any]] = {}

    def add(self, location: str, name: str, *, endpoint: str, ca_certificate: str, version: str) -> None:
        """Make a cluster known.

        Args:
            location: region or zone.
            name: its name.
            endpoint: host of its API server; with a port here, since it cannot be 443.
            ca_certificate: base64 of PEM.
            version: of the API server, without the `v`.
        """
        self._clusters[location, name] = {
            "name": name,
            "location": location,
            "zone": location,
            "selfLink": f"https://container.googleapis.com/v1/projects/{self._project}/locations/{location}/clusters/{name}",
            "status": "RUNNING",
            "endpoint": endpoint,
            "masterAuth": {"clusterCaCertificate": ca_certificate},
            "currentMasterVersion": version,
            "network": "default",
            "subnetwork": "default",
            "networkConfig": {"network": f"projects/{self._project}/global/networks/default"},
            "ipAllocationPolicy": {"useIpAliases": True},
            "addonsConfig": {"httpLoadBalancing": {}},
        }

    def answer(self, request: Request, segments: list[str]) -> Reply:
        """Answer a request whose path after `v1/projects/` is `segments`."""
        match segments:
            case [project, "locations", location, "clusters"] if request.method == "GET":
                if refused := self._refused("list", project):
                    return refused
                found = [each for (where, _), each in self._clusters.items() if location in ("-", where)]
                return Reply({"clusters": found} if found else {}, verb="list")
            case [project, "locations", location, "clusters", name] if request.method == "GET":
                if refused := self._refused("get", project):
                    return refused
                if (cluster := self._clusters.get((location, name))) is None:
                    return _refusal(404, f"Not found: projects/{project}/locations/{location}/clusters/{name}.")
                return Reply(cluster, verb="get")
        raise errors.no_such_url()

    def _refused(self, verb: str, project: str) -> Reply | None:
        permission = f"container.clusters.{verb}"
        if project == self._project and not self._faults.strike("compute-forbidden", permission=permission):
            return None
        return _refusal(403, f'Required "{permission}" permission(s) for "projects/{project}".')


def _refusal(status: int, message: str) -> Reply:
    return Reply({"error": {"code": status, "message": message, "status": _STATUS[status]}}, status)
