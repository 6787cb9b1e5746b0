"""Measure and print; exit code 0 also when a goal is missed, 1 when something could not be measured."""

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.bench import faults, fleet, notice, provisioning, runs, startup
from tests.bench.figures import Figure, table
from tests.bench.programs import say


class Part(StrEnum):
    """What can be measured by itself."""

    STARTUP = "startup"
    PROVISION = "provision"
    NOTICE = "notice"
    RUNS = "runs"
    FLEET = "fleet"
    FAULTS = "faults"


_MEASURES: dict[Part, Callable[[Path], list[Figure]]] = {
    Part.STARTUP: startup.measure,
    Part.PROVISION: provisioning.measure,
    Part.NOTICE: notice.measure,
    Part.RUNS: runs.measure,
    Part.FAULTS: faults.measure,
}


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file, too.")] = None,
    only: Annotated[list[Part] | None, typer.Option(help="Measure this part alone; may be repeated.")] = None,
    sizes: Annotated[
        str,
        typer.Option(
            help="Targets of the fleets; one of 100 takes some 20 minutes on two cores, for each number of workers."
        ),
    ] = "1,10",
) -> None:
    """Measure the project's figures, side by side with what they are compared to."""
    logging.disable(logging.WARNING)  # the parts' own chatter; what fails is raised
    begun = time.monotonic()
    of_fleet = [int(size) for size in sizes.split(",")]
    measures = _MEASURES | {Part.FLEET: lambda folder: fleet.measure(folder, of_fleet)}
    figures: list[Figure] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="milvus-l7-bench-") as directory:
        for part in only or list(Part):
            try:
                figures += measures[part](Path(directory) / part)
            except Exception as error:  # the other parts are worth measuring all the same
                failed = True
                say(f"{part} could not be measured: {type(error).__name__}: {error}")
    Console(width=max(140, Console().width)).print(table(figures))
    if json_file is not None:
        json_file.write_text(json.dumps([figure.as_dict() for figure in figures], indent=2) + "\n")
    say(f"done after {time.monotonic() - begun:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
