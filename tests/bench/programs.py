"""Programs as children of the benchmark, timed by the clock on the wall, and what they are compared with."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_PREFECT = (sys.executable, "-c", "import prefect")


class ProgramFailed(Exception):
    """A program that is to be measured did not do its work."""


def seconds(command: Sequence[str], environment: Mapping[str, str] | None = None, *, text: str | None = None) -> float:
    """How long a program takes from its start to its end.

    Args:
        command: program and arguments.
        environment: variables on top of ours.
        text: its standard input.

    Raises:
        ProgramFailed: it ended with another code than 0.
    """
    begun = time.monotonic()
    done = subprocess.run(
        list(command),
        check=False,
        capture_output=True,
        text=True,
        input=text,
        cwd=ROOT,
        env=clean_environment() | dict(environment or {}),
    )
    took = time.monotonic() - begun
    if done.returncode:
        raise ProgramFailed(
            f"{' '.join(command)[:200]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )
    return took


def clean_environment() -> dict[str, str]:
    """Ours, without what points at somebody's own Prefect server, cluster or project."""
    strange = ("PREFECT_", "MILVUS_L7_", "CLOUDSDK_", "KUBECONFIG", "GOOGLE_APPLICATION_CREDENTIALS")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)} | {"DO_NOT_TRACK": "1"}


def say(text: str) -> None:
    """Tell how far we are."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
