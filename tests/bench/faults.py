"""Every fault of the table: what we call it, after how long, and what check-gke-ingress' ten rules say of the same."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deployments import prefect_server
from sandbox.stack import Stack
from tasks.clients import kubernetes
from tasks.core.checks import Result, linter
from tests.bench.figures import Figure, median
from tests.bench.programs import say
from tests.faults import table
from tests.faults.fault import Fault
from tests.faults.site import Site
from tests.flows.running import fail, run
from tests.tasks.world import World

_GOAL_SECONDS = 10.0
_KINDS = (kubernetes.INGRESS, kubernetes.SERVICE, kubernetes.BACKEND_CONFIG, kubernetes.FRONTEND_CONFIG)


@dataclass(frozen=True)
class Row:
    """One fault and what both said."""

    fault: Fault
    ours: str
    right: bool
    seconds: float
    theirs: str


def measure(folder: Path) -> list[Figure]:
    """Inject every fault, print the table, and return its sums."""
    with _prefect(folder / "prefect"):
        rows = [*_in_what_runs(folder / "site"), *_on_the_way(folder / "world")]
    Console(width=max(180, Console().width)).print(_drawn(rows))
    final = [row.seconds for row in rows if not row.fault.waits]
    seen = sum(row.theirs.startswith("FAILED") for row in rows)
    return [
        Figure("faults injected", len(rows), ""),
        Figure("not named rightly", len(rows) - sum(row.right for row in rows), "", goal=0),
        Figure("permanent ones: whole run, median", median(final), "s", note=f"{len(final)} faults"),
        Figure("permanent ones: whole run, longest", max(final), "s", goal=_GOAL_SECONDS),
        Figure("of which check-gke-ingress' ten rules fail for", seen, "", note="on the same objects"),
    ]


def _in_what_runs(folder: Path) -> Iterator[Row]:
    from flows.provision import provision
    from flows.verify import verify

    with Stack(folder, latency="zero") as stack, _pointed_at(stack):
        run(provision)
        site = Site(stack)
        healthy = site.picture()
        for fault in (each for each in table.FAULTS if each.where == "site"):
            with fault.inject(site):
                yield _asked(fault, site, verify, fault.parameters)
            site.recover(healthy)


def _on_the_way(folder: Path) -> Iterator[Row]:
    from flows.provision import provision

    with Stack(folder, latency="zero", milvus=False) as stack, _pointed_at(stack):
        for fault in (each for each in table.FAULTS if each.where == "world"):
            world = World(stack)
            world.install()
            with fault.inject(world):
                yield _asked(fault, world, provision, table.parameters_of(world) | fault.parameters)
            world.close()


def _asked(fault: Fault, world: World, flow: Any, parameters: dict[str, Any]) -> Row:
    begun = time.monotonic()
    _, report = fail(flow, **parameters)
    seconds = time.monotonic() - begun
    world.faults.clear("kube-unauthorized")  # or the linter could not look either
    error = report.error or {}
    right = (error.get("layer"), error.get("cause")) == (fault.layer, fault.cause) and fault.mend in error["mend"]
    say(f"{fault.name}: {error.get('cause')} after {seconds:.1f} s{'' if right else ', WRONG'}")
    return Row(fault, f"{error.get('layer')}: {error.get('cause')}", right, seconds, _linted(world))


def _linted(world: World) -> str:
    """What the ten rules say of the objects as they stand."""
    documents = [
        {"kind": kind.name, **each} for kind in _KINDS for each in world.cluster.list_objects(kind, world.namespace)
    ]
    checks = linter.lint(documents)
    if not checks:
        return "no Ingress to look at"
    failed = sorted({check.name for check in checks if check.result is Result.FAILED})
    return f"FAILED {', '.join(failed)}" if failed else "all PASSED or SKIPPED"


def _drawn(rows: list[Row]) -> Table:
    drawn = Table(
        "fault", "where it is told", title="Faults, as we call them and as check-gke-ingress does", title_justify="left"
    )
    for column in ("ours", "right", "s"):
        drawn.add_column(column, no_wrap=True)
    drawn.add_column("check-gke-ingress' ten rules")
    for row in rows:
        right = "[green]yes[/]" if row.right else "[red]no[/]"
        drawn.add_row(row.fault.name, row.fault.row, row.ours, right, f"{row.seconds:.1f}", row.theirs)
    return drawn


@contextmanager
def _prefect(home: Path) -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    home.mkdir(parents=True)
    process, url = prefect_server.start(home)
    try:
        with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home}):
            yield
    finally:
        prefect_server.stop(process)


@contextmanager
def _pointed_at(stack: Stack) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in stack.env}
    os.environ.update(stack.env)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
