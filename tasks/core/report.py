"""The evidence of one run: the same content as Markdown for people and as JSON for machines. Never a secret."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.core.adoption import Gap
from tasks.core.checks import Check, Result
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.diagnosis.troubles import Trouble
from tasks.core.drift import Deviation
from tasks.core.errors import ProvisioningError
from tasks.core.progress import Change, Journal

VerificationOutcome = Literal["passed", "failed", "not run"]


class Certificate(BaseModel):
    """The certificate clients see."""

    model_config = ConfigDict(frozen=True)

    mode: CertificateMode
    name: str = ""
    """Secret or ManagedCertificate, as kubectl writes it."""
    compute_name: str = ""
    """Name of the sslCertificates resource; empty until the load balancer has it."""
    fingerprint: str = ""
    """SHA-256 of the leaf, lower-case hex; empty when it was not seen."""
    domains: tuple[str, ...] = ()
    expires: str = ""
    """RFC 3339; empty when it is not known."""
    status: str = ""


class RungRecord(BaseModel):
    """One rung of the proof ladder."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: str
    seconds: float


class Verification(BaseModel):
    """The proof ladder, rung by rung."""

    model_config = ConfigDict(frozen=True)

    outcome: VerificationOutcome = "not run"
    rungs: tuple[RungRecord, ...] = ()
    call: str = ""
    """The pymilvus call that was just executed."""
    async_call: str = ""
    """The same of the asynchronous client; empty when that was not reached."""
    server_version: str = ""
    """Of Milvus, as it says; empty when it was not reached."""


class StepRecord(BaseModel):
    """One step of the flow."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    seconds: float


class Left(BaseModel):
    """Something that a teardown has left, and whose it is."""

    model_config = ConfigDict(frozen=True)

    resource: str
    """As kubectl writes it, or the tail of a Compute self-link."""
    owner: str
    """"kept" for what is ours and stays on purpose, "left over" for what should be gone, else whose it is."""
    detail: str = ""
    remove: str = ""
    """How to get rid of it, as a command where there is one; empty when it is not ours to say."""


class Report(BaseModel):
    """Everything a person asks after a run, and a machine before it goes on."""

    model_config = ConfigDict(frozen=True)

    verdict: Literal["verified", "failed", "unproved"]
    """unproved: the steps asked for are done, and the proof was not among them."""
    address: str = ""
    certificate: Certificate
    verification: Verification = Verification()
    resources: tuple[Change, ...] = ()
    """Every resource made, changed, adopted or found as it should be, and the parts the controller made."""
    writes: tuple[Change, ...] = ()
    """Every mutating call of this run."""
    checks: tuple[Check, ...] = ()
    """Every check of preflight, verify and the exposure guard: PASSED, FAILED or SKIPPED."""
    deviations: tuple[Deviation, ...] = ()
    """Intent against cluster against Compute: the fields that are not as they were asked for."""
    gaps: tuple[Gap, ...] = ()
    """What was found of an installation made by the published guide, and who repairs it."""
    steps: tuple[StepRecord, ...] = ()
    dns_records: tuple[str, ...] = ()
    """What DNS should say, in zone file form, and what it says now."""
    console: str = ""
    """The load balancer in the Cloud console."""
    intent: dict[str, Any] = Field(default_factory=dict)
    """The configuration, without defaults."""
    ticket: str = ""
    left: tuple[Left, ...] | None = None
    """What a teardown has left; None of every other flow, and of a teardown that ended before it had looked."""
    troubles: tuple[Trouble, ...] = ()
    """What preflight or verify found wrong, causes before what follows from them: then the first is `error`."""
    error: dict[str, str] | None = None
    """layer, cause, resource, observed, mend; None when verified."""

    def as_json(self) -> str:
        """The JSON twin; `error` is absent when there is none."""
        return self.model_dump_json(indent=2, exclude_none=True)


def build(
    config: LoadBalancerConfig,
    journal: Journal,
    *,
    address: str = "",
    certificate: Certificate | None = None,
    verification: Verification | None = None,
    parts: Iterable[str] = (),
    earlier: Iterable[Change] = (),
    dns_records: Sequence[str] = (),
    console: str = "",
    proves: bool = True,
    left: Iterable[Left] | None = None,
    troubles: Iterable[Trouble] = (),
    error: BaseException | None = None,
) -> Report:
    """Put the report together from what the run has noted and learnt.

    Args:
        config: the intent.
        journal: steps and writes of this attempt.
        address: of the load balancer, empty if it has none yet.
        certificate: what is known of it.
        verification: the ladder, if it was climbed.
        parts: Compute resources that the controller made.
        earlier: changes of an earlier attempt of the same run, whose steps were not repeated.
        dns_records: see `Report.dns_records`.
        console: URL.
        proves: whether the proof was asked for.
        left: see `Report.left`.
        troubles: see `Report.troubles`.
        error: why the run failed; None if it did not.
    """
    changes = list(dict.fromkeys([*earlier, *journal.changes]))
    made_by_gke = [Change(resource=part, action="adopted", detail="made by GKE") for part in parts]
    return Report(
        verdict="failed" if error else "verified" if proves else "unproved",
        address=address,
        certificate=certificate or Certificate(mode=config.certificate_mode),
        verification=verification or Verification(),
        resources=tuple(dict.fromkeys([*changes, *made_by_gke])),
        writes=tuple(change for change in changes if change.is_write),
        checks=tuple(journal.checks),
        deviations=tuple(journal.deviations),
        gaps=tuple(journal.gaps),
        steps=tuple(
            StepRecord(name=step.name, state=step.state, seconds=round(step.seconds, 3))
            for step in journal.steps.values()
        ),
        dns_records=tuple(dns_records),
        console=console,
        intent=config.model_dump(mode="json", exclude_defaults=True),
        ticket=config.ticket,
        left=None if left is None else tuple(left),
        troubles=tuple(troubles),
        error=_error(error) if error else None,
    )


def _error(error: BaseException) -> dict[str, str]:
    if isinstance(error, ProvisioningError):
        return error.as_dict()
    # The text of an exception we did not make may hold anything; its kind and place may not.
    return {
        "layer": "client",
        "cause": "Unexpected",
        "resource": "this run",
        "observed": f"an unexpected {type(error).__name__}",
        "mend": "See the log of the run; please report it.",
    }


def markdown(report: Report) -> str:
    """The report for people."""
    sections = [_headline(report)]
    if report.error:
        sections.append(_failure(report.error))
    sections += [
        _facts(report),
        _proof(report.verification),
        *_diagnosis(report),
        _left(report.left),
        _table(
            "Resources",
            ("resource", "what became of it", "detail"),
            [(c.resource, c.action, c.detail) for c in report.resources],
        ),
        _table(
            f"Writes: {len(report.writes)}",
            ("resource", "action", "detail"),
            [(c.resource, c.action, c.detail) for c in report.writes],
        ),
        _table("Steps", ("step", "state", "seconds"), [(s.name, s.state, f"{s.seconds:.2f}") for s in report.steps]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _headline(report: Report) -> str:
    domain = report.intent.get("domain", "")
    if report.left is not None and report.verdict == "verified":
        return f"# Taken down: {domain}\n\nNeither the cluster nor Compute has anything of the load balancer any more."
    if report.verdict == "verified":
        return f"# Verified: {domain}\n\nA real Milvus client works through the Layer-7 load balancer."
    if report.verdict == "unproved":
        return f"# Done, not proved: {domain}\n\nThe steps asked for are done; the proof was not among them."
    return f"# Failed: {domain}"


def _failure(error: Mapping[str, str]) -> str:
    return (
        f"**Layer:** {error['layer']}  \n**Cause:** {error['cause']}  \n**Resource:** {error['resource']}  \n"
        f"**Seen:** {error['observed']}  \n**Mend:** {error['mend']}"
    )


def _facts(report: Report) -> str:
    if report.left is not None:
        rows = [("Ticket", report.ticket), ("Configuration", _intent(report))]
        return _table("", ("what", "value"), [row for row in rows if row[1]])
    certificate = report.certificate
    rows = [
        ("Address", report.address or "none yet"),
        ("Certificate", f"{certificate.mode.value} {certificate.name}".strip()),
        ("Certificate in Compute", certificate.compute_name),
        ("Fingerprint (SHA-256)", certificate.fingerprint),
        ("Names", ", ".join(certificate.domains)),
        ("Expires", certificate.expires),
        ("Status", certificate.status),
        ("DNS", "; ".join(report.dns_records)),
        ("Ticket", report.ticket),
        ("Console", report.console),
        ("Configuration", _intent(report)),
    ]
    return _table("", ("what", "value"), [row for row in rows if row[1]])


def _intent(report: Report) -> str:
    return ", ".join(f"{key}={value}" for key, value in report.intent.items())


def _proof(verification: Verification) -> str:
    if not verification.rungs:
        return ""
    rows = [(rung.name, rung.outcome, rung.detail, f"{rung.seconds:.3f}") for rung in verification.rungs]
    table = _table(f"Proof: {verification.outcome}", ("rung", "outcome", "detail", "seconds"), rows)
    calls = "\n".join(call for call in (verification.call, verification.async_call) if call)
    return f"{table}\n\n```python\n{calls}\n```" if calls else table


def _diagnosis(report: Report) -> Iterator[str]:
    """Troubles, deviations, gaps and checks, for those there are; failed checks first."""
    if len(report.troubles) > 1:
        yield _table(
            "Everything found wrong, causes first",
            ("layer", "cause", "resource", "seen", "mend"),
            [(t.layer, t.cause, t.resource, t.observed, t.mend) for t in report.troubles],
        )
    if report.deviations:
        yield _table(
            "Not as asked for",
            ("resource", "field", "asked for", "cluster", "Compute", "mend"),
            [(d.resource, d.field, d.intent, d.cluster, d.compute, d.mend) for d in report.deviations],
        )
    if report.gaps:
        yield _table(
            "Gaps of the published guide",
            ("number", "seen", "repaired by", "how"),
            [(str(gap.number), gap.seen, gap.by, gap.repair) for gap in report.gaps],
        )
    if report.checks:
        order = [Result.FAILED, Result.PASSED, Result.SKIPPED]
        checks = sorted(report.checks, key=lambda check: order.index(check.result))
        rows = [(_result(c), c.name, c.resource, c.observed, c.mend) for c in checks]
        yield _table("Checks", ("result", "check", "resource", "seen", "mend"), rows)


def _result(check: Check) -> str:
    """With a word for whoever wonders how a run can be verified beside a failed check."""
    advice = check.result is Result.FAILED and not check.ends_the_run
    return f"{check.result.value} (advice)" if advice else check.result.value


def _left(left: Sequence[Left] | None) -> str:
    if left is None:
        return ""
    return _table(
        "Left",
        ("resource", "whose", "why", "how to remove it"),
        [(each.resource, each.owner, each.detail, each.remove) for each in left],
    )


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"## {title}", ""] if title else []
    if not rows:
        return "\n".join([*lines, "None."]) if title else ""
    lines += [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def console_link(project: str, url_map: str) -> str:
    """The load balancer's page in the Cloud console, which lists it by its URL map.

    >>> console_link("my-project", "k8s2-um-abc")
    'https://console.cloud.google.com/net-services/loadbalancing/details/http/k8s2-um-abc?project=my-project'
    """
    if not project or not url_map:
        return ""
    return f"https://console.cloud.google.com/net-services/loadbalancing/details/http/{url_map}?project={project}"
