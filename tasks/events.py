"""Events of this run: what the controllers say about our objects, and nothing they said before.

A permanent cause that was reported last night is no reason to stop tonight: it may have been mended. So the events
that stood there when the run began are remembered, and only new ones, or old ones that were reported again, count.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks import looking, steps
from tasks.clients import kubernetes
from tasks.clients.readers import ClusterReader
from tasks.core import diagnosis, names, progress, status
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.diagnosis import Finding, Outlook

Event = Mapping[str, Any]

_BASELINE = "events"


@steps.observing
def remember_events(config: LoadBalancerConfig) -> None:
    """Remember the events that stand there now, before the first write of this attempt."""
    release = config.release
    remember(
        looking.cluster(config),
        config.namespace,
        (names.ingress(release), names.service(release), names.certificate(release)),
    )


def remember(cluster: ClusterReader, namespace: str, objects: Iterable[str]) -> None:
    """Remember the events that these objects have now; for the journal's run only."""
    baseline = progress.current().facts.setdefault(_BASELINE, {})
    for name in dict.fromkeys(objects):
        baseline |= {_identity(event): _occurrence(event) for event in _of(cluster, namespace, name)}


def worst(
    cluster: ClusterReader, config: LoadBalancerConfig, objects: Iterable[str], *, reason: str = "", kind: str = ""
) -> Finding | None:
    """Return the gravest finding among this run's events: one to stop, else the newest one, else None.

    With a `reason` or a `kind` of object, only events that carry it count.
    """
    found = [each for _, each in _judged(cluster, config, objects, reason=reason, kind=kind)]
    stops = [finding for finding in found if finding.outlook is Outlook.STOP]
    return next(iter(stops or found), None)


def complaints(cluster: ClusterReader, config: LoadBalancerConfig, name: str, kind: str) -> list[Finding]:
    """Return what is said of an object that runs, the newest first.

    What the controller may have moved on from does not stop.
    """
    heard = _of(cluster, config.namespace, name)
    return [
        dataclasses.replace(found, outlook=Outlook.RETRY)
        if found.outlook is Outlook.STOP and diagnosis.is_overtaken(event, heard)
        else found
        for event, found in _judged(cluster, config, (name,), kind=kind)
    ]


def _judged(
    cluster: ClusterReader, config: LoadBalancerConfig, objects: Iterable[str], *, reason: str = "", kind: str = ""
) -> Iterator[tuple[Event, Finding]]:
    """This run's events that are no mere progress, judged, the newest first.

    What one object is told under one reason is judged by its newest event: a controller that has since said something
    milder has moved on.
    """
    baseline: dict[str, tuple[str, str]] = progress.current().facts.get(_BASELINE, {})
    now = dt.datetime.now(dt.UTC)
    fresh = [
        event
        for name in dict.fromkeys(objects)
        for event in _of(cluster, config.namespace, name)
        if not diagnosis.is_over(event, now)
        and baseline.get(_identity(event)) != _occurrence(event)
        and reason in ("", event.get("reason"))
        and kind.lower() in ("", _kind(event).lower())
    ]
    newest: dict[tuple[str, ...], Event] = {}
    for event in status.newest_first(fresh):
        newest.setdefault(_topic(event), event)
    for event in newest.values():
        found = diagnosis.of_event(
            event,
            google_managed=config.certificate_mode is CertificateMode.GOOGLE_MANAGED,
            age_seconds=_age_seconds(event, baseline.get(_identity(event), ("", ""))[1]),
        )
        if found is not None:
            yield event, found


def _of(cluster: ClusterReader, namespace: str, name: str) -> list[dict[str, Any]]:
    return cluster.list_objects(kubernetes.EVENT, namespace, fields=f"involvedObject.name={name}")


def _identity(event: Event) -> str:
    return str(event["metadata"].get("uid") or event["metadata"]["name"])


def _occurrence(event: Event) -> tuple[str, str]:
    return str(event.get("count")), status.event_time(event)


def silence(cluster: ClusterReader, ingress: Mapping[str, Any]) -> Finding | None:
    """That an Ingress has neither an address nor a single event within the hour that events live.

    It waits: a controller writes its first event within seconds, but one that has just been started, later.
    """
    namespace, name = str(ingress["metadata"]["namespace"]), str(ingress["metadata"]["name"])
    if status.ingress_address(ingress) or any(_is_about(each, ingress) for each in _of(cluster, namespace, name)):
        return None
    return diagnosis.of_silence(namespace, name)


def _is_about(event: Event, ingress: Mapping[str, Any]) -> bool:
    """Whether it is about this Ingress, and not about one of its name that somebody has deleted since."""
    uid = str((event.get("involvedObject") or {}).get("uid") or "")
    return _kind(event) == "Ingress" and uid in ("", str(ingress["metadata"].get("uid") or ""))


def _kind(event: Event) -> str:
    return str((event.get("involvedObject") or {}).get("kind"))


def _topic(event: Event) -> tuple[str, ...]:
    about = event.get("involvedObject") or {}
    return _kind(event), str(about.get("name")), str(event.get("type")), str(event.get("reason"))


def _age_seconds(event: Event, heard_before: str) -> float:
    """How long this run has heard the complaint, by the API's own clock.

    It counts from the event's first time, or, of one that is older than the run, from its last time before the run.
    """
    first = max(filter(None, (str(event.get("firstTimestamp") or ""), heard_before)), default="")
    try:
        return (dt.datetime.fromisoformat(status.event_time(event)) - dt.datetime.fromisoformat(first)).total_seconds()
    except ValueError:
        return 0.0
