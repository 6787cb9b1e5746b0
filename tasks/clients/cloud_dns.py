"""Cloud DNS through google-cloud-dns: one zone, its A records."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tasks.clients import compute, google, imports, settings
from tasks.core import diagnosis, fencing
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import AccessRefused, NotReadyInTime, ProvisioningError, ResourceFailed, Unreachable
from tasks.core.progress import Change

_CHANGE_TIMEOUT_SECONDS = 120.0


class Zone:
    """A managed zone."""

    def __init__(self, zone: Any, project: str) -> None:
        self._zone, self.project = zone, project

    @property
    def name(self) -> str:
        """Name of the zone."""
        return str(self._zone.name)

    def set_address(
        self, domain: str, address: str, ttl_seconds: int, *, before_writing: Callable[[], object] = lambda: None
    ) -> Change:
        """Make the A record of `domain` say `address` alone.

        Args:
            domain: without a dot at its end.
            address: IPv4, dotted.
            ttl_seconds: of the record.
            before_writing: called once, and only if something has to be written.

        Raises:
            ResourceFailed: the domain is not in the zone, or is a CNAME there.
        """
        name = f"{domain}."
        resource = self._resource(name)
        if not name.endswith(f".{self._zone.dns_name}") and name != self._zone.dns_name:
            raise ResourceFailed(
                resource, f"{domain} is not in the zone {self._zone.dns_name}", "Name the zone of the domain.", "dns"
            )
        sets = self._sets(name, resource)
        if any(found.record_type == "CNAME" for found in sets):
            raise ResourceFailed(
                resource,
                f"{domain} is a CNAME",
                f"Remove it: gcloud dns record-sets delete {name} --type=CNAME --zone={self._zone.name}",
                "dns",
            )
        live = next((found for found in sets if found.record_type == "A"), None)
        if live is not None and list(live.rrdatas) == [address]:
            return Change(resource=resource, action="unchanged", detail=address)
        before_writing()
        wanted = self._zone.resource_record_set(name, "A", ttl_seconds, [address])
        changes = self._zone.changes()
        if live is not None:
            changes.delete_record_set(live)
        changes.add_record_set(wanted)
        with fencing.writing(resource), _translated(resource):
            changes.create()
            self._finish(changes, resource)
        was = f" (was {', '.join(live.rrdatas)})" if live is not None else ""
        return Change(resource=resource, action="updated" if live else "created", detail=f"{address}{was}")

    def answers(self, domain: str) -> list[str]:
        """Addresses of the A record of `domain` in the zone; empty when there is none."""
        name = f"{domain}."
        found = [each for each in self._sets(name, self._resource(name)) if each.record_type == "A"]
        return [str(data) for each in found for data in each.rrdatas]

    def remove_address(self, domain: str, address: str) -> Change:
        """Remove the A record of `domain` if it says `address` alone; one that says otherwise stays.

        A record that somebody changes at the same moment stays too: Cloud DNS deletes only what is named in full.
        """
        name = f"{domain}."
        resource = self._resource(name)
        live = next((each for each in self._sets(name, resource) if each.record_type == "A"), None)
        if live is None:
            return Change(resource=resource, action="unchanged", detail="there is none")
        if list(live.rrdatas) != [address]:
            return Change(resource=resource, action="unchanged", detail=f"says {', '.join(live.rrdatas)}")
        changes = self._zone.changes()
        changes.delete_record_set(live)
        with fencing.writing(resource), _translated(resource):
            changes.create()
            self._finish(changes, resource)
        return Change(resource=resource, action="deleted", detail=f"was {address}")

    def _resource(self, name: str) -> str:
        return f"managedZones/{self._zone.name}/rrsets/{name}/A"

    def _sets(self, name: str, resource: str) -> list[Any]:
        with _translated(resource):
            return [found for found in self._zone.list_resource_record_sets() if found.name == name]

    def _finish(self, changes: Any, resource: str) -> None:
        deadline = time.monotonic() + _CHANGE_TIMEOUT_SECONDS
        while changes.status != "done":
            if time.monotonic() > deadline:
                see = f"gcloud dns record-sets changes list --zone={self._zone.name} --project={self.project}"
                raise NotReadyInTime(resource, f"change {changes.name} is {changes.status}", f"See it: {see}", "dns")
            time.sleep(0.2)
            changes.reload()


def zone(config: LoadBalancerConfig) -> Zone:
    """Return the zone the configuration names.

    Raises:
        ResourceFailed: there is none of that name.
    """
    project = config.dns_project or compute.project(config)
    found = find(project, config.dns_managed_zone)
    if found is None:
        raise ResourceFailed(
            f"managedZones/{config.dns_managed_zone}",
            f"does not exist in project {project}",
            f"See which there are: gcloud dns managed-zones list --project={project}",
            "dns",
        )
    return found


def find(project: str, name: str) -> Zone | None:
    """Return the zone of that name, or None if there is none."""
    dns = imports.load("google.cloud.dns")
    endpoint = settings.dns_endpoint()
    options = {"api_endpoint": endpoint} if endpoint else None
    client = dns.Client(project=project, credentials=google.credentials(), client_options=options)
    found = client.zone(name)
    with _translated(f"managedZones/{name}"):
        if not found.exists():
            return None
        found.reload()
    return Zone(found, project)


@contextmanager
def _translated(resource: str) -> Iterator[None]:
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        yield
    except (requests.RequestException, TransportError) as error:
        raise Unreachable(resource, f"Cloud DNS did not answer ({str(error)[:200]})", "Run again.", "dns") from error
    except GoogleAuthError as error:
        raise AccessRefused(resource, str(error)[:300], "Log in again.", "dns") from error
    except GoogleAPICallError as error:
        raise _error(resource, error) from error


def _error(resource: str, error: Any) -> ProvisioningError:
    reasons = [detail.get("reason", "") for detail in error.errors or () if isinstance(detail, dict)]
    finding = diagnosis.of_compute_error(int(error.code or 0), reasons[0] if reasons else "", error.message)
    if finding.outlook is diagnosis.Outlook.STOP:
        kind = AccessRefused if error.code in (401, 403) else ResourceFailed
        return kind(resource, finding.observed, finding.mend, "dns")
    return Unreachable(resource, finding.observed, finding.mend, "dns")
