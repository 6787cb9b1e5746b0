"""What prefect.yaml promises: every entrypoint loads, every parameter exists, the form has words for every field."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint

from tasks.core.config import LoadBalancerConfig
from tasks.core.provision_request import ProvisionRequest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
# Prefect ignores an unknown key without a word, so a typo would be a setting that never applies.
KNOWN_KEYS = {
    "name", "entrypoint", "description", "version", "tags", "parameters", "enforce_parameter_schema", "work_pool",
    "concurrency_limit", "schedules", "triggers",
}  # fmt: skip


@pytest.mark.parametrize("deployment", PROJECT["deployments"], ids=lambda deployment: deployment["name"])
def test_every_deployment_loads_and_knows_its_parameters(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    flow: Flow[..., Any] = load_flow_from_entrypoint(deployment["entrypoint"])

    assert set(deployment) <= KNOWN_KEYS
    assert set(deployment.get("parameters", {})) <= set(flow.parameters.properties)


def test_the_form_is_flat_and_has_the_model_s_names_texts_and_defaults() -> None:
    """The model is the single source; a nested form would break `-p domain=…`."""
    from flows.provision import provision

    schema = provision.parameters

    assert set(schema.properties) == set(ProvisionRequest.model_fields)
    assert schema.required == ["domain"]
    for name, field in ProvisionRequest.model_fields.items():
        shown = schema.properties[name]
        assert shown["title"] == field.title
        assert shown["description"].startswith(" ".join((field.description or "").split()))
        assert shown.get("default") is not None or name == "domain"


def test_the_form_begins_with_what_a_newcomer_has_to_look_at() -> None:
    from flows.provision import provision

    assert list(provision.parameters.properties)[:4] == ["domain", "certificate_mode", "release", "namespace"]


def test_no_deployment_has_a_concurrency_limit() -> None:
    """Prefect ends a healthy run whose slot it cannot renew; the lock is a Lease in the cluster."""
    assert not [deployment["name"] for deployment in PROJECT["deployments"] if "concurrency_limit" in deployment]


def test_every_flow_of_the_project_has_a_deployment_of_its_name() -> None:
    flows = {path.stem for path in (ROOT / "flows").glob("*.py") if "@flow" in path.read_text()}

    assert {deployment["name"].replace("-", "_") for deployment in PROJECT["deployments"]} == flows


def test_no_parameter_holds_a_secret() -> None:
    """A password or key is named, never given: parameters are plain text in Prefect's database."""
    for name, field in LoadBalancerConfig.model_fields.items():
        if re.search("password|token|key|credential|secret", name):
            assert "Secret" in (field.description or ""), name


def test_the_lock_has_hashes_for_everything_and_names_no_index() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())

    assert "://" not in text
    assert not re.search(r"^\s*--(extra-)?(index-url|find-links)", text, re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if not entry.startswith("#"))
