"""The environment of the bridge."""

import os
from dataclasses import dataclass
from typing import Final, Self

from deployments.tickets.requests import CONFIGS
from tasks.core.errors import ConfigurationError

SECRET_FILE: Final = "MILVUS_L7_TICKETS_SECRET_FILE"  # noqa: S105  # the name of a setting
FLOWS: Final = "MILVUS_L7_TICKETS_FLOWS"


@dataclass(frozen=True)
class Settings:
    """Where Prefect is, what may be asked for, and which file has the secrets."""

    api_url: str
    api_auth: str
    ui_url: str
    secret_file: str
    flows: tuple[str, ...]

    @classmethod
    def of_environment(cls) -> Self:
        """Read and check all of it; the file itself is read at every request.

        Raises:
            ConfigurationError: with every fault.
        """
        api_url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
        flows = tuple(name.strip() for name in os.environ.get(FLOWS, "provision").split(",") if name.strip())
        secret_file = os.environ.get(SECRET_FILE, "")
        faults = []
        if not api_url.startswith(("http://", "https://")):
            faults.append("PREFECT_API_URL: must be the URL of Prefect's API, such as http://127.0.0.1:4200/api")
        if not secret_file:
            faults.append(f"{SECRET_FILE}: must name a file; make one: python -m deployments.tickets new-secret FILE")
        if unknown := sorted(set(flows) - set(CONFIGS)):
            faults.append(f"{FLOWS}: has {', '.join(unknown)}, there are {', '.join(CONFIGS)}")
        if not flows:
            faults.append(f"{FLOWS}: must name a flow at least")
        if faults:
            raise ConfigurationError("environment", "; ".join(faults), "Nothing was started.")
        ui_url = os.environ.get("PREFECT_UI_URL", "").rstrip("/") or api_url.removesuffix("/api")
        return cls(api_url, os.environ.get("PREFECT_API_AUTH_STRING", ""), ui_url, secret_file, flows)
