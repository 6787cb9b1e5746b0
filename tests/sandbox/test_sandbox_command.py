"""`python -m sandbox`, as a person uses it; without Milvus, which other tests start."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import eventually

pytestmark = pytest.mark.slow


def sandbox(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "run"
    sandbox("down", "--dir", tmp_path / "run")


def up(directory: Path) -> subprocess.CompletedProcess[str]:
    return sandbox("up", "--dir", directory, "--detach", "--latency", "zero", "--no-milvus-release")


def processes_of(directory: Path) -> list[psutil.Process]:
    """Every process whose command line names the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(directory) in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_up_status_env_and_down(directory: Path) -> None:
    started = up(directory)
    assert started.returncode == 0, started.stdout + started.stderr
    assert "ready in" in started.stdout

    status = json.loads(sandbox("status", "--dir", directory, "--json").stdout)
    assert (status["envoy"], status["workload_runner"]) == ("running", "active")

    variables = json.loads(sandbox("env", "--dir", directory, "--format", "json").stdout)
    assert Path(variables["KUBECONFIG"]).is_file()
    assert f"export KUBECONFIG={variables['KUBECONFIG']}" in sandbox("env", "--dir", directory).stdout

    again = sandbox("up", "--dir", directory)
    assert again.returncode == 3
    assert "is running" in again.stderr

    assert sandbox("down", "--dir", directory).returncode == 0
    assert processes_of(directory) == []
    assert sandbox("status", "--dir", directory).returncode == 1
    assert sandbox("down", "--dir", directory).returncode == 0


def test_a_killed_sandbox_leaves_no_process_and_can_be_started_again(directory: Path) -> None:
    assert up(directory).returncode == 0
    parents = [process for process in processes_of(directory) if "sandbox" in process.cmdline()]
    assert len(processes_of(directory)) > len(parents), "Envoy belongs to it"

    for process in parents:
        process.send_signal(signal.SIGKILL)

    eventually(lambda: processes_of(directory) == [])
    assert sandbox("status", "--dir", directory).returncode == 1
    assert up(directory).returncode == 0


def test_ctrl_c_stops_a_sandbox_in_the_foreground(directory: Path) -> None:
    command = [sys.executable, "-u", "-m", "sandbox", "up", "--dir", str(directory), "--no-milvus-release"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith("ready"):
                child.send_signal(signal.SIGINT)
        assert child.wait(timeout=120) == 0
    eventually(lambda: processes_of(directory) == [])


def test_ctrl_c_while_starting_leaves_nothing(directory: Path) -> None:
    command = [sys.executable, "-u", "-m", "sandbox", "up", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        child.stdout.read()
        child.wait(timeout=120)
    eventually(lambda: processes_of(directory) == [])


def test_faults_are_switched_from_outside(directory: Path) -> None:
    assert up(directory).returncode == 0

    armed = sandbox("fault", "on", "quota-exceeded", "metric=URL_MAPS", "limit=3", "--times", "2", "--dir", directory)

    assert armed.returncode == 0, armed.stderr
    assert sandbox("fault", "show", "--dir", directory).stdout.split() == [
        "quota-exceeded",
        "metric=URL_MAPS",
        "limit=3.0",
        "where=sync",
    ]
    assert sandbox("fault", "off", "--dir", directory).returncode == 0
    assert sandbox("fault", "show", "--dir", directory).stdout == "none\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["no-such-fault"], "no fault 'no-such-fault'"),
        (["quota-exceeded", "colour=blue"], "no parameter colour"),
        (["quota-exceeded", "metric"], "is not KEY=VALUE"),
        (["quota-exceeded", "limit=many"], "could not convert"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(directory: Path, arguments: list[str], text: str) -> None:
    assert up(directory).returncode == 0

    refused = sandbox("fault", "on", *arguments, "--dir", directory)

    assert refused.returncode == 2
    assert text in refused.stderr


def test_secrets_are_the_owners_alone(directory: Path) -> None:
    assert up(directory).returncode == 0

    assert directory.stat().st_mode & 0o777 == 0o700
    for name in ("kubeconfig", "credentials.json", "access-token", "control.json"):
        assert (directory / name).stat().st_mode & 0o777 == 0o600, name


def test_dns_records_are_set_by_name(directory: Path) -> None:
    assert up(directory).returncode == 0

    for address in ("127.0.0.7", "127.0.0.9"):
        changed = sandbox("dns", "set", "my-release.milvus.io", "A", address, "--dir", directory)
        assert changed.returncode == 0, changed.stderr

    lines = [line.split() for line in sandbox("dns", "list", "--dir", directory).stdout.splitlines()]
    assert ["milvus-io", "my-release.milvus.io.", "A", "127.0.0.9"] in lines
    assert not any("127.0.0.7" in line for line in lines)


@pytest.mark.parametrize(
    "command", [[], ["up"], ["down"], ["status"], ["env"], ["fault"], ["fault", "on"], ["dns", "set"]]
)
def test_every_command_explains_itself(command: list[str]) -> None:
    shown = sandbox(*command, "--help")

    assert shown.returncode == 0
    assert "Usage: python -m sandbox" in shown.stdout


def test_a_detached_start_that_is_interrupted_leaves_nothing(directory: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "up", "--dir", str(directory), "--detach"]
    with subprocess.Popen([*command, "--no-milvus-release"], stdout=subprocess.PIPE, text=True) as starting:
        eventually(lambda: len(processes_of(directory)) > 1)
        starting.send_signal(signal.SIGTERM)

        assert starting.wait(timeout=60) == 1

    eventually(lambda: not processes_of(directory))
