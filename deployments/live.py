"""What a person sees while a flow runs: one live line per step on a terminal, plain lines elsewhere.

On standard error, so that standard output holds the report alone.
"""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tasks.core.progress import Journal, Step

_SIGNS = {"done": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", "dim")}


_STEP_WIDTH = 2 + len("delete-unused-managed-certificate")


def _news(step: Step) -> str:
    """What a person wants to read beside a step; what was last seen before it was done is none of it."""
    return "" if step.state == "done" else step.observed


class View:
    """Listens to a journal; a context manager, since a live display must be taken down."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._console = Console(stderr=True)
        self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=8, transient=False)
        self._terminal = self._console.is_terminal
        journal.listeners.append(self._told)

    def __enter__(self) -> Self:
        if self._terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal:
            self._live.stop()

    def _told(self, _journal: Journal, step: Step) -> None:
        if not self._terminal:
            seconds = step.seconds or time.monotonic() - step.started
            said = f": {_news(step)}" if _news(step) else ""
            sys.stderr.write(f"{step.name} {step.state} ({seconds:.1f} s){said}\n")
            sys.stderr.flush()

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True, min_width=_STEP_WIDTH)
        table.add_column(no_wrap=True, min_width=8, justify="right")
        table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
        for step in list(self._journal.steps.values()):
            sign, colour = _SIGNS.get(step.state, ("…", "yellow"))
            running = step.state == "running"
            seconds = time.monotonic() - step.started if running else step.seconds
            table.add_row(
                Text(f"{sign} {step.name}", style=colour),
                Text("" if step.state == "skipped" else f"{seconds:.1f} s", style="dim"),
                Text(_news(step), style="dim"),
            )
        return table
