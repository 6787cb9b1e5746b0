"""The firewall rule that lets Google's front ends and health checks reach the pods.

In a Shared VPC it is not the controller's to make: an event then prints the command for whoever may. Source:
ingress-gce pkg/firewalls (controller.go, firewalls.go), cloud-provider-gcp providers/gce/gce_util.go.
"""

from typing import Any

from sandbox.compute_client import ComputeClient
from sandbox.gke.backends import delete_quietly

Json = dict[str, Any]

SOURCE_RANGES = ["130.211.0.0/22", "35.191.0.0/16"]
NODE_PORTS = "30000-32767"
_DESCRIPTION = "GCE L7 firewall rule"
_COLLECTION = "global/firewalls"


class SharedVpc(Exception):
    """The rule lies in another project; the text is the event's."""


class Firewall:
    """The one rule of a cluster."""

    def __init__(self, compute: ComputeClient, name: str, node_tag: str) -> None:
        self._compute, self._name, self._node_tag = compute, name, node_tag

    def sync(self, ports: list[str], *, shared_vpc: bool) -> None:
        """Open `ports`; with none, delete the rule.

        Raises:
            SharedVpc: the change is up to a security admin.
            GoogleApiError: Compute refused.
        """
        path = f"{_COLLECTION}/{self._name}"
        current = self._compute.find(path)
        if not ports:
            if current is not None and shared_vpc:
                raise SharedVpc(_message(f"gcloud compute firewall-rules delete {self._name}", self._compute.project))
            if current is not None:
                delete_quietly(self._compute, path)
            return
        wanted = self._rule(ports)
        if current is not None and _openings(current) == _openings(wanted):
            return
        if shared_vpc:
            raise SharedVpc(self._command("create" if current is None else "update", ports))
        if current is None:
            self._compute.insert(_COLLECTION, wanted)
        else:
            self._compute.update(path, wanted)

    def _rule(self, ports: list[str]) -> Json:
        return {
            "name": self._name,
            "description": _DESCRIPTION,
            "network": "global/networks/default",
            "direction": "INGRESS",
            "sourceRanges": SOURCE_RANGES,
            "targetTags": [self._node_tag],
            "allowed": [{"IPProtocol": "tcp", "ports": ports}],
        }

    def _command(self, verb: str, ports: list[str]) -> str:
        network = " --network default" if verb == "create" else ""
        allow = ",".join(f"tcp:{port}" for port in ports)
        return _message(
            f'gcloud compute firewall-rules {verb} {self._name}{network} --description "{_DESCRIPTION}" '
            f"--allow {allow} --source-ranges {','.join(SOURCE_RANGES)} --target-tags {self._node_tag}",
            self._compute.project,
        )


def _message(command: str, project: str) -> str:
    return f"Firewall change required by security admin: `{command} --project {project}`"


def _openings(rule: Json) -> tuple[Any, ...]:
    allowed = {(each.get("IPProtocol"), *sorted(each.get("ports") or [])) for each in rule.get("allowed") or []}
    return allowed, set(rule.get("sourceRanges") or []), set(rule.get("targetTags") or [])
