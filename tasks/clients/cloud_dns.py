"""Cloud DNS through google-cloud-dns: one zone, its A records."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasks.clients import compute, google, imports, settings
from tasks.core import diagnosis
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import AccessRefused, NotReadyInTime, ProvisioningError, ResourceFailed, Unreachable
from tasks.core.progress import Change

_CHANGE_TIMEOUT_SECONDS = 120.0


class Zone:
    """A managed zone."""

    def __init__(self, zone: Any, project: str) -> None:
        self._zone, self._project = zone, project

    def set_address(self, domain: str, address: str, ttl_seconds: int) -> Change:
        """Make the A record of `domain` say `address` alone.

        Raises:
            ResourceFailed: the domain is not in the zone, or is a CNAME there.
        """
        name = f"{domain}."
        resource = f"managedZones/{self._zone.name}/rrsets/{name}/A"
        if not name.endswith(f".{self._zone.dns_name}") and name != self._zone.dns_name:
            raise ResourceFailed(
                resource, f"{domain} is not in the zone {self._zone.dns_name}", "Name the zone of the domain.", "dns"
            )
        with _translated(resource):
            sets = [found for found in self._zone.list_resource_record_sets() if found.name == name]
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
        wanted = self._zone.resource_record_set(name, "A", ttl_seconds, [address])
        changes = self._zone.changes()
        if live is not None:
            changes.delete_record_set(live)
        changes.add_record_set(wanted)
        with _translated(resource):
            changes.create()
            self._finish(changes, resource)
        was = f" (was {', '.join(live.rrdatas)})" if live is not None else ""
        return Change(resource=resource, action="updated" if live else "created", detail=f"{address}{was}")

    def _finish(self, changes: Any, resource: str) -> None:
        deadline = time.monotonic() + _CHANGE_TIMEOUT_SECONDS
        while changes.status != "done":
            if time.monotonic() > deadline:
                see = f"gcloud dns record-sets changes list --zone={self._zone.name} --project={self._project}"
                raise NotReadyInTime(resource, f"change {changes.name} is {changes.status}", f"See it: {see}", "dns")
            time.sleep(0.2)
            changes.reload()


def zone(config: LoadBalancerConfig) -> Zone:
    """Return the zone the configuration names.

    Raises:
        ResourceFailed: there is none of that name.
    """
    dns = imports.load("google.cloud.dns")
    project = config.dns_project or compute.project(config)
    endpoint = settings.dns_endpoint()
    options = {"api_endpoint": endpoint} if endpoint else None
    client = dns.Client(project=project, credentials=google.credentials(), client_options=options)
    found = client.zone(config.dns_managed_zone)
    resource = f"managedZones/{config.dns_managed_zone}"
    with _translated(resource):
        exists = found.exists()
        if exists:
            found.reload()
    if not exists:
        raise ResourceFailed(
            resource,
            f"does not exist in project {project}",
            f"See which there are: gcloud dns managed-zones list --project={project}",
            "dns",
        )
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
