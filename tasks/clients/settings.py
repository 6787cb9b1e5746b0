"""The environment: where things are that a user does not say in the configuration.

On Google Cloud nothing needs to be set. The sandbox's `env` sets all of it.
"""

import os
from typing import Final

from tasks.core.config import LoadBalancerConfig

PREFIX: Final = "MILVUS_L7_"


def _variable(name: str, default: str = "") -> str:
    return os.environ.get(PREFIX + name, default)


def project(config: LoadBalancerConfig) -> str:
    """Project ID: the configuration's, else MILVUS_L7_PROJECT, else empty (the credentials know)."""
    return config.project or _variable("PROJECT")


def compute_endpoint() -> str:
    """Base URL of the Compute API, without path; empty: Google's."""
    return _variable("COMPUTE_ENDPOINT")


def dns_endpoint() -> str:
    """Base URL of the Cloud DNS API, without path; empty: Google's."""
    return _variable("DNS_ENDPOINT")


def container_endpoint() -> str:
    """Base URL of the GKE API."""
    return _variable("CONTAINER_ENDPOINT", "https://container.googleapis.com")


def resource_manager_endpoint() -> str:
    """Base URL of the Cloud Resource Manager API."""
    return _variable("RESOURCE_MANAGER_ENDPOINT", "https://cloudresourcemanager.googleapis.com")


def dns_servers() -> tuple[str, ...]:
    """Name servers to ask, `ip:port` each; empty: those of the system."""
    return tuple(server.strip() for server in _variable("DNS_SERVERS").split(",") if server.strip())


def chart(config: LoadBalancerConfig) -> str:
    """Chart of the upgrade: the configuration's, else MILVUS_L7_CHART, else empty."""
    return config.chart or _variable("CHART")


def lease_seconds() -> int:
    """How long the Lease of a run that has died keeps others out, in seconds; it is renewed every third of it."""
    return int(_variable("LEASE_SECONDS", "30"))


def https_port() -> int:
    """Port that clients dial for HTTPS: 443, except in a sandbox that may not bind it."""
    return int(_variable("HTTPS_PORT", "443"))


def http_port() -> int:
    """Port of plain HTTP: 80, except in a sandbox that may not bind it."""
    return int(_variable("HTTP_PORT", "80"))


def callback_hosts() -> tuple[str, ...]:
    """Hosts that may be told an outcome, `host` or `host:port` each, `*` for any; empty: none."""
    return tuple(host.strip().lower() for host in _variable("CALLBACK_HOSTS").split(",") if host.strip())


def callback_secret_file() -> str:
    """File with the secrets that outcomes are signed with; empty: they are not signed."""
    return _variable("CALLBACK_SECRET_FILE")
