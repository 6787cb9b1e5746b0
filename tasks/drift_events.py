"""Events on a Prefect server for what is other than asked for, so that automations can act on it.

One event per deviation and per failed check, and one for the whole run, whose payload has the parameters of a run of
`provision` that brings it back. None of them has a secret: neither has a configuration.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE

from tasks import steps
from tasks.core import progress
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig, WhenBusy
from tasks.core.drift import Deviation

FIELD, CHECK, FOUND = "milvus-l7.drift.field", "milvus-l7.check.failed", "milvus-l7.drift.found"

Event = dict[str, Any]


@task(name="emit-drift-events", cache_policy=NO_CACHE, persist_result=False)
def emit_drift_events(config: LoadBalancerConfig) -> int:
    """Send the events of what this run has found and return how many; 0 when all is well, or no server took them.

    They are sent by one request that is answered, not by Prefect's background thread: a short run would end before it.
    A server's trouble does not fail the run, whose report says the same.
    """
    journal = progress.current()
    found = list(events(config, journal.deviations, journal.checks, str(runtime.flow_run.id or "")))
    if not found:
        return 0
    try:
        _send(found)
    except Exception as error:  # whatever the server's trouble is, the finding stands in the report
        steps.logger().warning("%d events were not sent: %s", len(found), type(error).__name__)
        return 0
    return len(found)


def _send(found: list[Event]) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=found).raise_for_status()


def events(
    config: LoadBalancerConfig, deviations: Sequence[Deviation], checks: Sequence[Check], flow_run_id: str
) -> Iterator[Event]:
    """The events as Prefect's API takes them; none when nothing is wrong.

    Args:
        config: the intent.
        deviations: of the three-way comparison.
        checks: of which the failed ones are told.
        flow_run_id: of the run; "" outside of one.
    """
    for deviation in deviations:
        yield _event(config, FIELD, deviation.model_dump(mode="json"), flow_run_id)
    for check in checks:
        if check.result is Result.FAILED:
            payload = check.model_dump(mode="json") | {"cause": check.cause}
            yield _event(config, CHECK, payload, flow_run_id)
    if deviations:
        payload = {
            "parameters": repair(config),
            "deviations": len(deviations),
            "resources": sorted({deviation.resource for deviation in deviations}),
        }
        yield _event(config, FOUND, payload, flow_run_id)


def repair(config: LoadBalancerConfig) -> dict[str, Any]:
    """Parameters of the run of `provision` that brings the configuration back.

    Only what differs from the defaults, so that the form shows what was meant; beside another run it ends at once.
    """
    wanted = set(LoadBalancerConfig.model_fields)
    found = config.model_dump(mode="json", exclude_defaults=True, include=wanted)
    return found | {"domain": config.domain, "when_busy": WhenBusy.FAIL.value}


def _event(config: LoadBalancerConfig, name: str, payload: dict[str, Any], flow_run_id: str) -> Event:
    related = [{"prefect.resource.id": f"prefect.flow-run.{flow_run_id}", "prefect.resource.role": "flow-run"}]
    return {
        "id": str(uuid.uuid4()),
        "occurred": dt.datetime.now(dt.UTC).isoformat(),
        "event": name,
        "resource": {
            "prefect.resource.id": f"milvus-l7.release.{config.namespace}.{config.release}",
            "prefect.resource.name": config.domain,
        },
        "related": related if flow_run_id else [],
        "payload": payload,
    }
