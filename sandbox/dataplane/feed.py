"""Reads the project from the Compute API: the change feed, the resources, the private keys of certificates."""

import logging
from typing import Any

import httpx

from sandbox.compute_client import ComputeClient, GoogleApiError, name_of
from sandbox.dataplane.snapshot import Certificate, Endpoint, Json, Snapshot, by_name

_log = logging.getLogger(__name__)


class Feed:
    """A reader of one project; not for several threads at once, apart from `report`."""

    def __init__(self, base_url: str, token: str, project: str) -> None:
        self._compute = ComputeClient(base_url, token, project, user_agent="sandbox-dataplane")
        self._private = httpx.Client(
            base_url=f"{base_url}/sandbox/v1", headers={"Authorization": f"Bearer {token}"}, timeout=70, trust_env=False
        )
        self._certificates: dict[str, Certificate] = {}

    def close(self) -> None:
        self._compute.close()
        self._private.close()

    def wait_for_change(self, after: int, wait_seconds: float) -> int:
        """Return the store's generation, as soon as it exceeds `after` or when the time is over."""
        parameters = {"after": after, "wait_seconds": wait_seconds}
        response = self._private.get("/generation", params=parameters)
        response.raise_for_status()
        return int(response.json()["generation"])

    def report(self, health: dict[str, dict[str, str]]) -> None:
        """Say which endpoints are healthy: by `zone/name` of the group, then by `ip:port`."""
        self._private.put("/health", json=health).raise_for_status()

    def snapshot(self) -> Snapshot:
        """All that the data plane looks at."""
        lists = {kind: self._list(f"global/{kind}") for kind in _KINDS}
        certificates = {name: each for name in lists["sslCertificates"] if (each := self._certificate(lists, name))}
        return Snapshot(
            forwarding_rules=lists["forwardingRules"],
            https_proxies=lists["targetHttpsProxies"],
            http_proxies=lists["targetHttpProxies"],
            url_maps=lists["urlMaps"],
            backend_services=lists["backendServices"],
            health_checks=lists["healthChecks"],
            ssl_policies=lists["sslPolicies"],
            security_policies=lists["securityPolicies"],
            firewalls=lists["firewalls"],
            certificates=certificates,
            endpoints=self._endpoints(lists["backendServices"]),
        )

    def _list(self, path: str) -> dict[str, Json]:
        try:
            return by_name(self._compute.list(path))
        except GoogleApiError as error:
            if error.code == httpx.codes.NOT_FOUND:
                return {}
            raise

    def _endpoints(self, services: dict[str, Json]) -> dict[str, tuple[Endpoint, ...]]:
        groups = {backend["group"] for service in services.values() for backend in service.get("backends") or []}
        result = {}
        for url in groups:
            if "/networkEndpointGroups/" not in url:
                continue  # an instance group: a node port, which this laptop does not have
            zone, name = url.split("/")[-3], name_of(url)
            path = f"zones/{zone}/networkEndpointGroups/{name}/listNetworkEndpoints"
            try:
                items = self._compute.ask(path, {"healthStatus": "SKIP"}).get("items") or []
            except GoogleApiError as error:
                if error.code != httpx.codes.NOT_FOUND:
                    raise
                items = []
            result[f"{zone}/{name}"] = tuple(sorted(_endpoint(item["networkEndpoint"]) for item in items))
        return result

    def _certificate(self, lists: dict[str, dict[str, Json]], name: str) -> Certificate | None:
        """The certificate with its key if it can be presented; asked for once, since certificates are immutable."""
        resource = lists["sslCertificates"][name]
        key = f"{name}/{resource.get('id')}/{resource.get('expireTime')}"
        if key not in self._certificates:
            response = self._private.get(f"/sslCertificates/{name}")
            body: dict[str, Any] = response.json() if response.is_success else {}
            if not body.get("certificate") or not body.get("privateKey"):
                return None
            self._certificates[key] = Certificate(body["certificate"], body["privateKey"])
        return self._certificates[key]


_KINDS = (
    "forwardingRules",
    "targetHttpsProxies",
    "targetHttpProxies",
    "urlMaps",
    "backendServices",
    "healthChecks",
    "sslCertificates",
    "sslPolicies",
    "securityPolicies",
    "firewalls",
)


def _endpoint(endpoint: Json) -> Endpoint:
    return endpoint["ipAddress"], int(endpoint["port"])
