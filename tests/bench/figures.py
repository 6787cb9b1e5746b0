"""One figure: what was measured, beside what, and the goal (pure)."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: None when this machine cannot measure it; `note` says why.
        unit: of the value.
        ratio: value divided by the bare import of Prefect, which was measured in between; None where that says nothing.
        goal: the most it should be; None: it is told for understanding only.
        goal_on_ratio: whether the goal is for the ratio.
        note: what a reader must know.
    """

    name: str
    value: float | None
    unit: str
    ratio: float | None = None
    goal: float | None = None
    goal_on_ratio: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached; None without goal or value."""
        judged = self.ratio if self.goal_on_ratio else self.value
        return None if judged is None or self.goal is None else judged <= self.goal

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file."""
        return asdict(self) | {"met": self.met}


def table(figures: Iterable[Figure]) -> Table:
    """All figures for a person."""
    drawn = Table("figure", title="milvus-gke-l7, measured side by side", title_justify="left")
    for column in ("value", "x import prefect", "goal", "met"):
        drawn.add_column(column, justify="right", no_wrap=True)
    drawn.add_column("note")
    for figure in figures:
        met = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[figure.met]
        drawn.add_row(figure.name, _value(figure), _number(figure.ratio), _goal(figure), met, figure.note)
    return drawn


def median(values: Sequence[float]) -> float:
    """The middle one; with an even number the mean of the two."""
    return float(statistics.median(values))


def _value(figure: Figure) -> str:
    return "-" if figure.value is None else f"{_number(figure.value)} {figure.unit}"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"≤ {figure.goal:g}" + (" x" if figure.goal_on_ratio else f" {figure.unit}")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
