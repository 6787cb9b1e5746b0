"""Events of this run: what the controllers say about our objects, and nothing they said before.

A permanent cause that was reported last night is no reason to stop tonight: it may have been mended. So the events
that stood there when the run began are remembered, and only new ones, or old ones that were reported again, count.
"""

from collections.abc import Iterable
from typing import Any

from tasks.clients import kubernetes
from tasks.clients.kubernetes import Cluster
from tasks.core import diagnosis, progress, status
from tasks.core.diagnosis import Finding, Outlook

_BASELINE = "events"


def remember(cluster: Cluster, namespace: str, names: Iterable[str]) -> None:
    """Remember the events that these objects have now; for the journal's run only."""
    baseline = progress.current().facts.setdefault(_BASELINE, {})
    for name in dict.fromkeys(names):
        baseline |= {_identity(event): _occurrence(event) for event in _of(cluster, namespace, name)}


def worst(cluster: Cluster, namespace: str, names: Iterable[str]) -> Finding | None:
    """Return the gravest finding among this run's events: one to stop, else the newest one, else None.

    A reason is judged by its newest event: a controller that has since said something milder has moved on.
    """
    baseline = progress.current().facts.get(_BASELINE, {})
    fresh = [
        event
        for name in dict.fromkeys(names)
        for event in _of(cluster, namespace, name)
        if baseline.get(_identity(event)) != _occurrence(event)
    ]
    findings = [found for event in status.newest_first(fresh) if (found := diagnosis.of_event(event))]
    stops = [finding for finding in findings if finding.outlook is Outlook.STOP]
    return next(iter(stops or findings), None)


def _of(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    return cluster.list_objects(kubernetes.EVENT, namespace, fields=f"involvedObject.name={name}")


def _identity(event: dict[str, Any]) -> str:
    return str(event["metadata"].get("uid") or event["metadata"]["name"])


def _occurrence(event: dict[str, Any]) -> str:
    return f"{event.get('count')} {status.event_time(event)}"
