"""What points kubectl, gcloud, pymilvus and the flows at a sandbox: files below its folder, environment variables."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import certifi
import yaml

from sandbox.files import write_secret


def write_files(
    directory: Path, *, kubeconfig: dict[str, Any] | None, credentials: dict[str, str], token: str, authority_pem: bytes
) -> None:
    """Write kubeconfig (None: somebody else's is used), service-account key, gcloud's token and the trust bundle."""
    if kubeconfig is not None:
        write_secret(directory / "kubeconfig", yaml.safe_dump(kubeconfig))
    write_secret(directory / "credentials.json", json.dumps(credentials))
    write_secret(directory / "access-token", token)
    (directory / "ca.pem").write_bytes(authority_pem)
    # Both, so that the same client reaches the sandbox and the world.
    bundle = Path(certifi.where()).read_bytes() + b"\n" + authority_pem
    (directory / "trust.pem").write_bytes(bundle)
    (directory / "gcloud").mkdir(exist_ok=True, mode=0o700)


def variables(
    directory: Path,
    *,
    kubeconfig: Path,
    project: str,
    compute_url: str,
    dns_port: int,
    ports: Mapping[int, int],
    chart: Path,
) -> dict[str, str]:
    """The environment of a client of this sandbox."""
    trust = str(directory / "trust.pem")
    return {
        "KUBECONFIG": str(kubeconfig),
        "MILVUS_L7_PROJECT": project,
        "MILVUS_L7_COMPUTE_ENDPOINT": compute_url,
        "MILVUS_L7_DNS_ENDPOINT": compute_url,
        "MILVUS_L7_CONTAINER_ENDPOINT": compute_url,
        "MILVUS_L7_RESOURCE_MANAGER_ENDPOINT": compute_url,
        "MILVUS_L7_DNS_SERVERS": f"127.0.0.1:{dns_port}",
        "MILVUS_L7_HTTPS_PORT": str(ports.get(443, 443)),
        "MILVUS_L7_HTTP_PORT": str(ports.get(80, 80)),
        "MILVUS_L7_CHART": str(chart),
        "GOOGLE_APPLICATION_CREDENTIALS": str(directory / "credentials.json"),
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": trust,
        "SSL_CERT_FILE": trust,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{compute_url}/compute/v1/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_DNS": f"{compute_url}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER": f"{compute_url}/",
        "CLOUDSDK_CORE_PROJECT": project,
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(directory / "access-token"),
        "CLOUDSDK_CONFIG": str(directory / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }


def export_lines(environment: Mapping[str, str]) -> str:
    """Lines for `eval` in a POSIX shell.

    >>> export_lines({"A": "b c"})
    "export A='b c'"
    """
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
