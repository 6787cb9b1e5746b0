"""Wrong input is answered at once, with every fault and exit code 2, before Prefect is even imported."""

import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REFUSED = 2

# Runs the command as its console script does, and fails when an answer cost the import of a framework or a client.
_SCRIPT = """
import atexit, os, sys
def judge():
    heavy = {"prefect", "kubernetes", "pymilvus", "google.cloud.compute_v1", "helm_python"} & sys.modules.keys()
    if heavy:
        print(f"imported: {sorted(heavy)}", file=sys.stderr, flush=True)
        os._exit(99)
atexit.register(judge)
from deployments.cli import main
sys.argv[0] = "milvus-l7"
main()
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


def command(*arguments: str) -> Answer:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, timeout=200, check=False
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def provision(*pairs: str) -> Answer:
    return command("provision", *(part for pair in pairs for part in ("--set", pair)))


@pytest.mark.parametrize(
    ("pairs", "texts"),
    [
        pytest.param([], ["domain: is missing"], id="nothing at all"),
        pytest.param(["domian=a.example"], ["domian: unknown key, did you mean domain?"], id="unknown key"),
        pytest.param(["domain=a.example", "colour=blue"], ["colour: unknown key"], id="key like no other"),
        pytest.param(["domain=*.example.com"], ["domain '*.example.com': is a wildcard"], id="wildcard"),
        pytest.param(["domain=Milvus.Example"], ["has upper-case letters: write milvus.example"], id="upper case"),
        pytest.param(["domain=192.0.2.1"], ["is an IP address"], id="ip address"),
        pytest.param(["domain=milvus"], ["is no domain name"], id="one label"),
        pytest.param(["domain=a.example."], ["ends with a dot: write a.example"], id="trailing dot"),
        pytest.param(
            [f"domain={'a' * 56}.example", "certificate_mode=google-managed"],
            ["has 64 characters, a Google-managed certificate takes 63 at most"],
            id="too long for google",
        ),
        pytest.param(["domain=a.example", "certificate_mode=magic"], ["certificate_mode 'magic'"], id="unknown mode"),
        pytest.param(
            ["domain=a.example", "certificate_mode=existing-secret"],
            ["certificate_secret: name the Secret to use"],
            id="no secret named",
        ),
        pytest.param(["domain=a.example", "release=My_Release"], ["is no Helm release name"], id="release"),
        pytest.param(["domain=a.example", "gke_cluster=prod"], ["gke_cluster and gke_location"], id="half a cluster"),
        pytest.param(["domain=a.example", "backend_timeout_seconds=0"], ["backend_timeout_seconds '0'"], id="number"),
        pytest.param(["domain"], ["--set domain: has no '='"], id="no value"),
        pytest.param(
            ["domain=*.example", "releas=a", "certificate_validity_days=9999"],
            ["is a wildcard", "did you mean release?", "certificate_validity_days '9999'"],
            id="every fault at once",
        ),
    ],
)
def test_wrong_input_is_refused_with_what_to_write_instead(pairs: list[str], texts: list[str]) -> None:
    answer = provision(*pairs)

    assert answer.code == REFUSED, answer.err
    assert answer.err.startswith("milvus-l7: ")
    for text in texts:
        assert text in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_a_value_that_may_be_a_secret_is_not_repeated() -> None:
    answer = provision("domain=a.example", "certificate_secret=-----BEGIN PRIVATE KEY-----")

    assert answer.code == REFUSED
    assert "PRIVATE" not in answer.err


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("domain: [", "cannot be read", id="no yaml"),
        pytest.param("- domain\n", "is no mapping of keys to values", id="a list"),
        pytest.param("milvus.example", "is no mapping of keys to values", id="a word"),
        pytest.param("\x00", "cannot be read", id="no text"),
        pytest.param("", "domain: is missing", id="empty"),
        pytest.param("1: a\n", "Keys should be strings", id="key that is no text"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_by_its_name(tmp_path: Path, content: str, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)

    answer = command("provision", "--config", str(file))

    assert answer.code == REFUSED, answer.err
    assert text in answer.err
    assert "Traceback" not in answer.err


def test_a_file_that_is_binary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00")

    answer = command("provision", "--config", str(tmp_path / "config.yaml"))

    assert (answer.code, "cannot be read" in answer.err) == (REFUSED, True)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    answer = command("provision", "--config", str(tmp_path / "nowhere.yaml"))

    assert answer.code == REFUSED
    assert "does not exist" in " ".join(answer.err.split())


def test_a_report_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    answer = command("provision", "--set", "domain=a.example", "--report", str(tmp_path / "nowhere" / "report.json"))

    assert answer.code == REFUSED
    assert "is no folder" in answer.err


def test_a_set_overrides_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("domain: a.example\nrelease: UPPER\n")

    answer = command("provision", "--config", str(tmp_path / "config.yaml"), "--set", "release=lower", "--set", "x=1")

    assert "x: unknown key" in answer.err
    assert "release" not in answer.err


@pytest.mark.parametrize("arguments", [["--help"], ["provision", "--help"], ["-h"]])
def test_help_stands_alone(arguments: list[str]) -> None:
    answer = command(*arguments)

    assert (answer.code, answer.err) == (0, "")
    assert "load balancer" in answer.out


def test_every_key_is_listed_with_its_default_and_meaning() -> None:
    answer = command("provision", "--keys")

    assert answer.code == 0
    assert "domain (required)\n" in answer.out
    assert "certificate_validity_days (default 365)\n" in answer.out
    assert "DNS is only checked" in answer.out


def test_a_teardown_without_a_terminal_is_refused_unless_it_is_told_not_to_ask() -> None:
    answer = command("teardown", "--set", "domain=a.example", "--set", "release=prod")

    assert answer.code == REFUSED
    assert "nothing was touched" in answer.err
    assert "--yes to take down a.example, release default/prod" in answer.err


@pytest.mark.parametrize("said", ["n\n", "\n"])
def test_a_teardown_asks_and_no_is_the_answer_unless_yes_is_said(said: str) -> None:
    ours, theirs = pty.openpty()
    arguments = ["teardown", "--set", "domain=a.example", "--set", "release_address=true"]
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, *arguments],
        stdin=theirs,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.write(ours, said.encode())
    _, asked = process.communicate(timeout=200)
    os.close(ours)
    os.close(theirs)

    assert process.returncode == REFUSED
    assert (
        "Take down the load balancer of a.example, release default/my-release and release its static address?" in asked
    )
    assert "nothing was touched" in asked


def test_a_teardown_lists_its_own_keys_and_none_it_has_no_use_for() -> None:
    answer = command("teardown", "--keys")

    assert answer.code == 0
    assert "restore_layer4 (default" in answer.out
    assert "backend_timeout_seconds" not in answer.out
