"""What the README tells people to type exists, with the names it uses."""

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sandbox.faults import CATALOGUE
from tasks.core.config import LoadBalancerConfig
from tasks.core.provision_request import ProvisionRequest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\$ (.+)$", README, re.MULTILINE)
MAKE_TARGETS = set(re.findall(r"`make (\w+)`", README)) | {
    command.split()[1] for command in COMMANDS if command.startswith("make ")
}


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert targets >= MAKE_TARGETS


def test_every_configuration_shown_is_valid() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)

    assert shown
    for text in shown:
        LoadBalancerConfig.parse(yaml.safe_load(text))


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("milvus-l7 ")])
def test_every_key_set_on_the_command_line_exists(command: str) -> None:
    words = shlex.split(command)
    pairs = [word.partition("=") for before, word in itertools.pairwise(words) if before == "--set"]

    assert {key for key, _, _ in pairs} <= set(ProvisionRequest.model_fields)


def test_every_parameter_of_a_deployment_run_exists() -> None:
    given = re.findall(r" -p (\w+)=", "\n".join(COMMANDS))

    assert given
    assert set(given) <= set(LoadBalancerConfig.model_fields)


def test_every_fault_shown_exists_with_its_parameters() -> None:
    shown = [shlex.split(command) for command in COMMANDS if "sandbox fault on" in command]

    assert shown
    for words in shown:
        name, *parameters = words[words.index("on") + 1 :]
        assert {parameter.partition("=")[0] for parameter in parameters} <= set(CATALOGUE[name].parameters)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(["deployments.cli", "provision"], id="milvus-l7 provision"),
        pytest.param(["deployments.cli", "verify"], id="milvus-l7 verify"),
        pytest.param(["deployments.cli", "teardown"], id="milvus-l7 teardown"),
        pytest.param(["sandbox"], id="python -m sandbox"),
        pytest.param(["deployments.deploy"], id="python -m deployments.deploy"),
        pytest.param(["deployments.automations"], id="python -m deployments.automations"),
        pytest.param(["deployments.tickets"], id="python -m deployments.tickets"),
        pytest.param(["deployments.local"], id="make demo, up, down"),
    ],
)
def test_everything_a_person_types_has_help_that_stands_alone(program: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *program, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert "Usage:" in done.stdout
