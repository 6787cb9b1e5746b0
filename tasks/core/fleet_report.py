"""What became of a fleet: one small outcome per target, and all of them as Markdown, table and JSON (pure).

Of each target's own report only what is told here is kept, so that a hundred targets weigh little.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from tasks.core.fleet import Entry, FleetFailed, listed

VERIFIED: Final = "verified"
_LONGEST_TEXT = 500


class Outcome(BaseModel):
    """How one target ended."""

    model_config = ConfigDict(frozen=True)

    number: int
    target: str
    """Namespace and release."""
    domain: str
    verdict: str
    """Of its report; "failed" for a run that did not complete, "not started" for one that never began."""
    state: str
    """Name of its run's last state; empty when there is no run."""
    address: str = ""
    seconds: float = 0.0
    """Time its run was running, over all its attempts."""
    run_id: str = ""
    error: dict[str, str] | None = None
    """layer, resource, observed, mend; None when it did not fail."""

    @property
    def failed(self) -> bool:
        """Whether the fleet fails for it."""
        return self.error is not None

    @property
    def link(self) -> str:
        """The run's page in the Prefect UI that shows this report."""
        return f"/runs/flow-run/{self.run_id}" if self.run_id else ""


def from_artifact(text: object) -> dict[str, Any] | None:
    """Return the report that an artifact holds as a block of JSON; None when it holds none."""
    if not isinstance(text, str):
        return None
    try:
        found = json.loads(text.strip().removeprefix("```json").removesuffix("```"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def completed(entry: Entry, run_id: str, state: str, seconds: float, report: Mapping[str, Any] | None) -> Outcome:
    """Return the outcome of a run that completed.

    One without a report has proved nothing we could repeat here.
    """
    if report is None:
        mend = "See the run; a retry of the fleet leaves it alone, since it completed."
        return failed(entry, run_id, state, seconds, None, "it completed without a report", mend)
    return _outcome(entry, run_id, state, seconds, report, str(report.get("verdict", "")), _error(report))


def failed(
    entry: Entry,
    run_id: str,
    state: str,
    seconds: float,
    report: Mapping[str, Any] | None,
    message: str,
    mend: str = "",
) -> Outcome:
    """Return the outcome of a run that ended in another way; its report, if there is one, knows best why."""
    why = _error(report or {}) or {
        "layer": "client",
        "resource": "its flow run",
        "observed": _cut(message) or f"ended as {state}",
        "mend": mend or f"See its log: prefect flow-run logs {run_id}",
    }
    return _outcome(entry, run_id, state, seconds, report or {}, "failed", why)


def not_started(entry: Entry, observed: str, mend: str) -> Outcome:
    """Return the outcome of a target that was given up before it began."""
    error = {"layer": "client", "resource": "its flow run", "observed": observed, "mend": mend}
    return Outcome(
        number=entry.number, target=entry.name, domain=entry.domain, verdict="not started", state="", error=error
    )


def _outcome(
    entry: Entry,
    run_id: str,
    state: str,
    seconds: float,
    report: Mapping[str, Any],
    verdict: str,
    error: dict[str, str] | None,
) -> Outcome:
    return Outcome(
        number=entry.number,
        target=entry.name,
        domain=entry.domain,
        verdict=verdict,
        state=state,
        address=str(report.get("address") or ""),
        seconds=round(seconds, 1),
        run_id=run_id,
        error=error,
    )


def _error(report: Mapping[str, Any]) -> dict[str, str] | None:
    error = report.get("error")
    if not isinstance(error, Mapping):
        return None
    return {part: _cut(str(error.get(part, ""))) for part in ("layer", "resource", "observed", "mend")}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


class RollUp(BaseModel):
    """The whole fleet."""

    model_config = ConfigDict(frozen=True)

    verdict: Literal["verified", "unproved", "failed"]
    """"unproved": nothing failed, but not every run was asked to take the proof."""
    fleet: str
    ticket: str = ""
    seconds: float
    """From the first look at the targets to the end of the last one, in this attempt."""
    counts: dict[str, int]
    """Targets by verdict, and their `total`."""
    targets: tuple[Outcome, ...]

    def as_json(self) -> str:
        """For machines; `error` is absent where there is none."""
        return self.model_dump_json(indent=2, exclude_none=True)

    @property
    def summary(self) -> str:
        """The fleet in one line."""
        total = self.counts["total"]
        if self.verdict == VERIFIED:
            return f"{total} of {total} verified"
        parts = [f"{number} {verdict}" for verdict, number in self.counts.items() if verdict != "total"]
        return f"{', '.join(parts)}, of {total}"

    @property
    def failures(self) -> list[Outcome]:
        """The targets the fleet fails for."""
        return [outcome for outcome in self.targets if outcome.failed]

    def error(self, report_key: str) -> FleetFailed | None:
        """Return what the flow raises; None when no target failed.

        Args:
            report_key: of the artifact that tells all.
        """
        if not self.failures:
            return None
        return FleetFailed(
            resource=f"fleet {self.fleet}",
            observed=f"{len(self.failures)} of {self.counts['total']} targets failed: "
            + listed([f"{outcome.target} ({_layer(outcome)})" for outcome in self.failures]),
            mend=f"Read artifact {report_key}, mend what it says, and retry this run: only these are taken up again.",
            layer=_layer(self.failures[0]),
        )


def roll_up(fleet: str, ticket: str, seconds: float, outcomes: Sequence[Outcome]) -> RollUp:
    """Put the fleet together; the targets in the order in which they were given."""
    ordered = tuple(sorted(outcomes, key=lambda outcome: outcome.number))
    verdicts = Counter(outcome.verdict for outcome in ordered)
    verdict: Literal["verified", "unproved", "failed"] = (
        "verified" if verdicts[VERIFIED] == len(ordered) else "unproved"
    )
    return RollUp(
        verdict="failed" if any(outcome.failed for outcome in ordered) else verdict,
        fleet=fleet,
        ticket=ticket,
        seconds=round(seconds, 1),
        counts={"total": len(ordered), **dict(sorted(verdicts.items()))},
        targets=ordered,
    )


def markdown(found: RollUp) -> str:
    """The roll-up for people: what failed and how to mend it first, then every target."""
    ticket = f", ticket {found.ticket}" if found.ticket else ""
    sections = [f"# Fleet {found.fleet}: {found.summary}", f"{found.seconds:.0f} s in this attempt{ticket}."]
    if found.failures:
        mends = [(_linked(outcome), *_why(outcome)) for outcome in found.failures]
        sections += ["## To mend", _table(("target", "layer", "seen", "mend"), mends)]
    rows = [
        (
            str(outcome.number),
            _linked(outcome),
            outcome.domain,
            outcome.verdict,
            outcome.address or "none yet",
            f"{outcome.seconds:.0f}",
            outcome.state,
        )
        for outcome in found.targets
    ]
    head = ("#", "target", "domain", "verdict", "address", "seconds", "run ended as")
    return "\n\n".join([*sections, "## Targets", _table(head, rows)]) + "\n"


def table(found: RollUp) -> list[dict[str, Any]]:
    """One row per target, for a table artifact."""
    return [
        {
            "#": outcome.number,
            "target": outcome.target,
            "domain": outcome.domain,
            "verdict": outcome.verdict,
            "address": outcome.address,
            "layer": _layer(outcome),
            "seconds": outcome.seconds,
            "run": outcome.link,
        }
        for outcome in found.targets
    ]


def _layer(outcome: Outcome) -> str:
    return outcome.error["layer"] if outcome.error else ""


def _why(outcome: Outcome) -> tuple[str, str, str]:
    error = outcome.error or {}
    return error.get("layer", ""), f"{error.get('resource', '')}: {error.get('observed', '')}", error.get("mend", "")


def _linked(outcome: Outcome) -> str:
    return f"[{outcome.target}]({outcome.link})" if outcome.link else outcome.target


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
