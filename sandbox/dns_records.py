"""Sets and lists DNS records by the sandbox's Cloud DNS API, for the command line."""

from collections.abc import Iterator
from typing import Any

import httpx

Json = dict[str, Any]
_TTL_SECONDS = 60


class DnsRecords:
    """The records of one project."""

    def __init__(self, base_url: str, token: str, project: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{base_url}/dns/v1/projects/{project}"
        self._http = httpx.Client(base_url=url, headers=headers, timeout=10, trust_env=False)

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def all(self) -> Iterator[tuple[str, Json]]:
        """Every record set, with the name of its zone."""
        for zone in self._get("/managedZones").get("managedZones") or []:
            for record in self._get(f"/managedZones/{zone['name']}/rrsets").get("rrsets") or []:
                yield zone["name"], record

    def set(self, name: str, kind: str, values: list[str]) -> None:
        """Put a record set in place of the one of that name and type; its zone is made if none fits."""
        full, kind = f"{name.rstrip('.')}.", kind.upper()
        zone = self._zone(full)
        record = {"name": full, "type": kind, "ttl": _TTL_SECONDS, "rrdatas": values}
        found = self._get(f"/managedZones/{zone}/rrsets").get("rrsets") or []
        old = [each for each in found if (each["name"], each["type"]) == (full, kind)]
        self._post(f"/managedZones/{zone}/changes", {"additions": [record], "deletions": old})

    def _zone(self, full_name: str) -> str:
        zones = self._get("/managedZones").get("managedZones") or []
        fitting = [zone for zone in zones if f".{full_name}".endswith(f".{zone['dnsName']}")]
        if fitting:
            return str(max(fitting, key=lambda zone: len(zone["dnsName"]))["name"])
        parent = full_name.partition(".")[2] if full_name.count(".") > 2 else full_name
        name = parent.rstrip(".").replace(".", "-")
        self._post("/managedZones", {"name": name, "dnsName": parent, "description": "made by python -m sandbox dns"})
        return name

    def _get(self, path: str) -> Json:
        response = self._http.get(path)
        response.raise_for_status()
        answer: Json = response.json()
        return answer

    def _post(self, path: str, body: Json) -> None:
        self._http.post(path, json=body).raise_for_status()
