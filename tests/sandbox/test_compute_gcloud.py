"""gcloud against the emulator, where the machine has gcloud."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from sandbox.compute.server import ComputeApi

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not on this machine"),
]

Gcloud = Callable[..., str]


@pytest.fixture
def gcloud(compute: ComputeApi, tmp_path: Path) -> Gcloud:
    token = tmp_path / "token"
    token.write_text(compute.access_token("gcloud"))
    environment = os.environ | {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{compute.url}/compute/v1/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_DNS": f"{compute.url}/dns/v1/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_PROJECT": compute.project,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }

    def run(*arguments: str, batch: bool = False, fails: bool = False) -> str:
        more = {"CLOUDSDK_COMPUTE_FORCE_BATCH_REQUEST": "true"} if batch else {}
        done = subprocess.run(
            ["gcloud", *arguments], env=environment | more, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    return run


def test_addresses_are_made_described_filtered_and_deleted(gcloud: Gcloud) -> None:
    gcloud("compute", "addresses", "create", "milvus-ip", "second-ip", "--global", batch=True)

    address = gcloud("compute", "addresses", "describe", "milvus-ip", "--global", "--format=value(address)").strip()
    assert address.startswith("127.")
    listed = gcloud("compute", "addresses", "list", "--global", "--filter=name=milvus-ip", "--format=value(address)")
    assert listed.strip() == address
    gcloud("compute", "addresses", "delete", "milvus-ip", "--global", "--quiet")
    refused = gcloud("compute", "addresses", "describe", "milvus-ip", "--global", fails=True)
    assert "The resource 'projects/sandbox-project/global/addresses/milvus-ip' was not found" in refused


def test_backend_health_and_certificates_are_shown(
    gcloud: Gcloud, rest: httpx.Client, finish: Callable[[httpx.Response], dict[str, object]], compute: ComputeApi
) -> None:
    group = "zones/sandbox-zone-a/networkEndpointGroups/neg"
    endpoint = {"networkEndpoints": [{"ipAddress": "10.0.0.5", "port": 19530, "instance": "node"}]}
    backend = {"group": group, "balancingMode": "RATE", "maxRatePerEndpoint": 1}
    finish(rest.post("global/healthChecks", json={"name": "hc", "type": "HTTP"}))
    finish(rest.post("zones/sandbox-zone-a/networkEndpointGroups", json={"name": "neg"}))
    finish(rest.post(f"{group}/attachNetworkEndpoints", json=endpoint))
    service = {"name": "bs", "healthChecks": ["global/healthChecks/hc"], "backends": [backend]}
    finish(rest.post("global/backendServices", json=service))
    headers = {"Authorization": f"Bearer {compute.access_token('dataplane')}"}
    report = {"sandbox-zone-a/neg": {"10.0.0.5:19530": "HEALTHY"}}
    rest.put(f"{compute.url}/sandbox/v1/health", json=report, headers=headers)

    assert "healthState: HEALTHY" in gcloud("compute", "backend-services", "get-health", "bs", "--global")
    assert "sandbox-zone-a/networkEndpointGroups/neg" in gcloud("compute", "backend-services", "list")
    gcloud("compute", "ssl-certificates", "create", "mcrt", "--domains=m.example.com", "--global")
    listed = gcloud("compute", "ssl-certificates", "list", "--format=value(name,type,managed.status)")
    assert listed.split() == ["mcrt", "MANAGED", "PROVISIONING"]


def test_an_allow_list_is_made_changed_attached_and_deleted(gcloud: Gcloud) -> None:
    policies, rules = ("compute", "security-policies"), ("compute", "security-policies", "rules")
    gcloud(*policies, "create", "office", "--description=who may come in")
    ranges = "--src-ip-ranges=10.0.0.0/8,192.0.2.7"
    gcloud(*rules, "create", "1000", "--security-policy=office", ranges, "--action=allow")
    gcloud(*rules, "update", "2147483647", "--security-policy=office", "--action=deny-403")
    gcloud(*rules, "create", "900", "--security-policy=office", "--src-ip-ranges=*", "--action=deny-404", "--preview")
    gcloud("compute", "backend-services", "create", "bs", "--global", "--protocol=HTTP2")
    gcloud("compute", "backend-services", "update", "bs", "--global", "--security-policy=office")

    listed = gcloud(*policies, "describe", "office", "--format=csv[no-heading](rules.priority,rules.action)")
    assert listed.split() == ["900;1000;2147483647,deny(404);allow;deny(403)"]
    shown = gcloud(*rules, "describe", "1000", "--security-policy=office")
    assert "- 192.0.2.7" in shown
    in_use = gcloud(*policies, "delete", "office", "--quiet", fails=True)
    assert "is already being used by" in in_use
    gcloud(*rules, "delete", "900", "--security-policy=office", "--quiet")
    gcloud(*policies, "update", "office", "--description=changed")
    gcloud("compute", "backend-services", "update", "bs", "--global", "--security-policy=")
    gcloud(*policies, "delete", "office", "--quiet")
    assert gcloud(*policies, "list", "--format=value(name)").split() == []


def test_dns_records_are_written(gcloud: Gcloud) -> None:
    gcloud("dns", "managed-zones", "create", "z", "--dns-name=example.com.", "--description=x")
    record = ("m.example.com.", "--zone=z", "--type=A")
    gcloud("dns", "record-sets", "create", *record, "--ttl=60", "--rrdatas=127.1.1.1")
    gcloud("dns", "record-sets", "update", *record, "--ttl=60", "--rrdatas=127.1.1.2")

    shown = gcloud("dns", "record-sets", "list", "--zone=z", "--name=m.example.com.", "--format=value(type,rrdatas[0])")

    assert shown.split() == ["A", "127.1.1.2"]
