"""How long the sandbox takes until it is ready, and how much memory it has then."""

import json
import sys
from collections import Counter
from pathlib import Path

import psutil

from sandbox.milvus import package
from tests.bench.figures import Figure, median
from tests.bench.programs import IMPORT_PREFECT, say, seconds

_STARTS, _IMPORTS = 3, 5
_MIB = 2**20


def measure(directory: Path) -> list[Figure]:
    """Start the sandbox as a person does, several times, each beside the import of Prefect."""
    say("unpacking Milvus, if that was never done here")
    package.unpacked()
    starts: list[float] = []
    imports = [seconds(IMPORT_PREFECT) for _ in range(_IMPORTS - _STARTS)]
    memory: Counter[str] = Counter()
    for number in range(_STARTS):
        say(f"starting the sandbox, {number + 1} of {_STARTS}")
        try:
            starts.append(seconds(_sandbox(directory, "up", "--detach", "--latency", "zero")))
            memory = _resident_mib(directory)
        finally:
            seconds(_sandbox(directory, "down"))
        imports.append(seconds(IMPORT_PREFECT))
    bare = median(imports)
    parts = ", ".join(f"{name} {mib:.0f}" for name, mib in sorted(memory.items()))
    return [
        Figure("import prefect, bare interpreter", bare, "s", 1.0, note=f"median of {_IMPORTS}"),
        Figure("sandbox up until ready", median(starts), "s", median(starts) / bare, goal=15, note=f"of {_STARTS}"),
        Figure("sandbox, resident memory in all", float(memory.total()), "MiB", goal=600, note=parts),
    ]


def _sandbox(directory: Path, command: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "sandbox", command, "--dir", str(directory), *arguments]


def _resident_mib(directory: Path) -> Counter[str]:
    """Resident memory by the name of the program; pages that two share count twice."""
    process = psutil.Process(int(json.loads((directory / "control.json").read_text())["pid"]))
    memory = Counter({"sandbox": round(process.memory_info().rss / _MIB)})
    for child in process.children(recursive=True):
        memory[child.name()] += round(child.memory_info().rss / _MIB)
    return memory
