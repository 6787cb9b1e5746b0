"""Events that GKE's controllers write on an Ingress, its Service, a ManagedCertificate and the Pods behind them.

The texts we know stand in `event_rows`. Events live for an hour and are aggregated: whoever reads them leaves out those
whose last time is before their own last write, or an old complaint about something mended meanwhile ends a run.
"""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.core import status
from tasks.core.diagnosis.compute import of_googleapi_text
from tasks.core.diagnosis.event_rows import DESCRIBE, NORMAL, ROWS, Row
from tasks.core.diagnosis.finding import Finding, Outlook

_STOP, _WAIT, _RETRY = Outlook.STOP, Outlook.WAIT, Outlook.RETRY

# The second is the same in older versions (kubernetes/ingress-gce#1478).
_NO_TLS_YET = re.compile(
    r"invalid configuration: both HTTP and HTTPS are disabled|invalid ingress frontend configuration.*allow-http"
)
_NO_TLS_GRACE_SECONDS = 900.0


def of_event(
    event: Mapping[str, Any], *, google_managed: bool = True, age_seconds: float | None = None
) -> Finding | None:
    """Judge an event of either API (core/v1 or events.k8s.io/v1); None for normal progress.

    Args:
        event: as the API has it, parsed.
        google_managed: whether a Google-managed certificate is awaited; without TLS on the Ingress "both HTTP and
            HTTPS are disabled" is then a step on the way, otherwise it stays so.
        age_seconds: since the caller's last write. What may be only a matter of order (a BackendConfig made a moment
            ago) is permanent after a while; None: never.
    """
    about = event.get("involvedObject") or event.get("regarding") or {}
    reason = str(event.get("reason") or "")
    message = _text(event)
    names = {
        "kind": str(about.get("kind") or "").lower(),
        "namespace": str(about.get("namespace") or "default"),
        "name": str(about.get("name") or ""),
    }
    kind = str(about.get("kind") or "")
    if event.get("type", "Warning") == "Normal":
        return _by_table(NORMAL, reason, message, names, age_seconds)
    if kind == "Ingress" and _NO_TLS_YET.search(message):
        return _without_tls(message, names, google_managed=google_managed, age_seconds=age_seconds)
    return (
        _by_table(ROWS.get(kind, ()), reason, message, names, age_seconds, only_texts=True)
        or _of_google(message, names)
        or _by_table(ROWS.get(kind, ()), reason, message, names, age_seconds)
        or Finding(_WAIT, _layer(kind), "UnknownWarning", f"{reason}: {message}", DESCRIBE.format_map(names))
    )


def is_over(event: Mapping[str, Any], now: dt.datetime) -> bool:
    """Whether a complaint is so old that its cause must be gone: a controller repeats one that still holds.

    It tries again after 1000 s at most (client-go's default rate limiter), and syncs anew every 10 minutes (gke.md
    §6.1, §5.3).
    """
    try:
        return (now - dt.datetime.fromisoformat(status.event_time(event))).total_seconds() > _LONGEST_SILENCE_SECONDS
    except (ValueError, TypeError):  # no time, or one without a zone
        return False


_LONGEST_SILENCE_SECONDS = 20 * 60


def is_overtaken(event: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the Ingress controller has begun another sync since, and has not complained again.

    It may be about to, so that this makes a complaint doubtful, and no more.
    """
    said = status.event_time(event)
    return any(
        other.get("type") == "Normal" and _text(other) == "Scheduled for sync" and status.event_time(other) > said
        for other in others
        if _about(other) == _about(event)
    )


def _about(event: Mapping[str, Any]) -> tuple[str, str]:
    about = event.get("involvedObject") or event.get("regarding") or {}
    return str(about.get("kind") or ""), str(about.get("name") or "")


def _text(event: Mapping[str, Any]) -> str:
    return str(event.get("message") or event.get("note") or "")


def of_silence(namespace: str, name: str) -> Finding:
    """An Ingress without an address and without a single event: no controller feels responsible (gke.md §2.3, §14)."""
    return Finding(
        _WAIT,
        "ingress",
        "NoController",
        "has no address and nobody has written an event on it",
        "Is the HttpLoadBalancing add-on on? gcloud container clusters describe CLUSTER --format='value(addonsConfig."
        f"httpLoadBalancing)'; does it have annotation kubernetes.io/ingress.class: gce? kubectl -n {namespace} get "
        f"ingress {name} -o yaml",
    )


def _by_table(
    rows: tuple[Row, ...],
    reason: str,
    message: str,
    names: Mapping[str, str],
    age_seconds: float | None,
    *,
    only_texts: bool = False,
) -> Finding | None:
    """First row that fits; `only_texts` leaves out those that look at the reason alone."""
    for row in rows:
        if only_texts and not row.pattern:
            continue
        found = row.match(reason, message)
        if found is None:
            continue
        over = row.grace_seconds is not None and age_seconds is not None and age_seconds > row.grace_seconds
        said = {key: value.strip() for key, value in found.groupdict().items() if value}
        mend = row.mend.format_map(_Names(names, said))
        return Finding(_STOP if over else row.outlook, row.layer, row.cause, message, mend)
    return None


class _Names(dict[str, str]):
    """Names for a mend; one the text did not give is written as a placeholder."""

    def __init__(self, *sources: Mapping[str, str]) -> None:
        super().__init__()
        for source in sources:
            self.update(source)

    def __missing__(self, key: str) -> str:
        return key.upper()


def _without_tls(message: str, names: Mapping[str, str], *, google_managed: bool, age_seconds: float | None) -> Finding:
    # kubernetes/ingress-gce#738, #1001: transient until gke-managed-certs has written pre-shared-cert.
    on_its_way = google_managed and (age_seconds is None or age_seconds <= _NO_TLS_GRACE_SECONDS)
    mend = (
        "The certificate's name is not on the Ingress yet: kubectl -n {namespace} get managedcertificate"
        if google_managed
        else "Give the Ingress a certificate, or allow HTTP: kubectl -n {namespace} get ingress {name} -o yaml"
    )
    outlook = _RETRY if on_its_way else _STOP
    return Finding(outlook, "certificate", "NoCertificateAttached", message, mend.format_map(names))


def _of_google(message: str, names: Mapping[str, str]) -> Finding | None:
    """A Compute error that a controller quotes: what the caller lacks there, GKE lacks, and not we."""
    found = of_googleapi_text(message)
    if found is None or found.cause not in ("PermissionDenied", "Unauthenticated"):
        return found
    if found.cause == "Unauthenticated":
        mend = f"GKE's own credentials are refused, so its service agent may be disabled. {DESCRIBE.format_map(names)}"
        return dataclasses.replace(found, mend=mend)
    project = re.search(r"\bprojects/([\w.:-]+)", message)
    grant = f"gcloud projects add-iam-policy-binding {project[1] if project else 'PROJECT'} --member={_SERVICE_AGENT}"
    mend = f"GKE's own service agent has lost its role; give it back: {grant} --role=roles/container.serviceAgent"
    return dataclasses.replace(found, mend=mend)


_SERVICE_AGENT = "serviceAccount:service-PROJECT_NUMBER@container-engine-robot.iam.gserviceaccount.com"  # gke.md §6.4


def _layer(kind: str) -> str:
    return {"Ingress": "ingress", "ManagedCertificate": "certificate", "Pod": "milvus"}.get(kind, "kubernetes")
