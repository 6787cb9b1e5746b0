"""The runs of a fleet's targets on the Prefect server: started, looked at, tried again, cancelled, their reports read.

They are children of the fleet's run: Prefect shows them in its graph. What is known of a target lives in its run, found
again by its idempotency key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import Task, runtime
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkPoolStatus
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelling, Scheduled

from tasks.core import fleet_report, names, tickets
from tasks.core.errors import ConfigurationError
from tasks.core.fleet import Entry, FleetRequest

_PAGE = 200  # the most runs one answer holds (PREFECT_SERVER_API_DEFAULT_LIMIT)
_FINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})


@dataclass(frozen=True)
class Child:
    """What one look shows of a target's run."""

    id: UUID
    key: str
    type: StateType
    state: str
    message: str
    seconds: float

    @classmethod
    def of(cls, run: FlowRun) -> "Child":
        """Take what is needed, and let the rest go."""
        state = run.state
        return cls(
            id=run.id,
            key=run.idempotency_key or "",
            type=state.type if state else StateType.SCHEDULED,
            state=(state.name if state else None) or "Scheduled",
            message=(state.message if state else None) or "",
            seconds=run.total_run_time.total_seconds(),
        )

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.type in _FINAL


@dataclass
class Runs:
    """The children of one fleet run, on the Prefect server."""

    client: SyncPrefectClient
    fleet_run: UUID
    deployment: UUID
    label: str
    pool: str
    tags: list[str]

    @classmethod
    def of(cls, client: SyncPrefectClient, request: FleetRequest) -> "Runs":
        """Find the deployment that is run for each target.

        Raises:
            ConfigurationError: this server does not have it, or it has no work pool.
        """
        try:
            found = client.read_deployment_by_name(request.deployment)
        except ObjectNotFound:
            mend = "Deploy it: prefect --no-prompt deploy --all"
            raise ConfigurationError(f"deployment {request.deployment}", "is not on this server", mend) from None
        if not found.work_pool_name:
            raise ConfigurationError(
                f"deployment {request.deployment}", "has no work pool", "Give it one in prefect.yaml."
            )
        return cls(
            client=client,
            fleet_run=UUID(str(runtime.flow_run.id)),
            deployment=found.id,
            label=request.deployment,
            pool=found.work_pool_name,
            tags=["fleet", f"fleet:{request.fleet}"] + ([tickets.tag(request.ticket)] if request.ticket else []),
        )

    def key(self, entry: Entry) -> str:
        """One run per fleet run and request: the same again after a crash or a retry, another when it was changed."""
        return f"fleet:{self.fleet_run}:{entry.digest}"

    def existing(self) -> dict[str, Child]:
        """Children of an earlier attempt, by key."""
        return {child.key: child for child in _children(self.client, self.fleet_run)}

    def start(self, entry: Entry) -> Child:
        """Hand a target to the work pool; done twice, it gives the same run."""
        place = self.client.create_task_run(
            Task(fn=_nothing, name=self.label.partition("/")[0]),
            flow_run_id=self.fleet_run,
            dynamic_key=f"{entry.name}-{entry.digest}",
            name=entry.name,
        )
        run = self.client.create_flow_run_from_deployment(
            self.deployment,
            parameters=dict(entry.parameters),
            state=Scheduled(),
            name=entry.domain,
            tags=self.tags,
            idempotency_key=self.key(entry),
            parent_task_run_id=place.id,
        )
        return Child.of(run)

    def again(self, child: Child) -> Child:
        """Let a run that failed try again, as the UI's retry does: only its failed steps run."""
        # Without force Prefect refuses a run that was cancelled.
        force = child.type is StateType.CANCELLED
        self.client.set_flow_run_state(child.id, AwaitingRetry(), force=force)
        return Child(child.id, child.key, StateType.SCHEDULED, "AwaitingRetry", "", child.seconds)

    def look(self, ids: Sequence[UUID]) -> dict[UUID, Child]:
        """Return the states of these runs, all in one call; a deleted run is missing."""
        return {run.id: run for run in _read(self.client, FlowRunFilter(id=FlowRunFilterId(any_=list(ids))))}

    def cancel(self, run_id: UUID) -> None:
        """Cancel one run; one that has not started is cancelled at once."""
        self.client.set_flow_run_state(run_id, Cancelling(message="Cancelled by its fleet."))

    def report(self, entry: Entry, run_id: UUID) -> dict[str, Any] | None:
        """Return the newest report that a run has published; None when there is none."""
        key = names.artifact("report-json", entry.release, entry.namespace)
        found = self.client.read_artifacts(
            artifact_filter=ArtifactFilter(
                key=ArtifactFilterKey(any_=[key]), flow_run_id=ArtifactFilterFlowRunId(any_=[run_id])
            ),
            sort=ArtifactSort.CREATED_DESC,
            limit=1,
        )
        return fleet_report.from_artifact(found[0].data) if found else None

    def obstacle(self) -> tuple[str, bool]:
        """Return why no run starts, as far as the work pool shows, and whether only a person can change that."""
        pool = self.client.read_work_pool(self.pool)
        if pool.status is WorkPoolStatus.PAUSED:
            return f"work pool {self.pool} is paused: prefect work-pool resume {self.pool}", True
        if pool.status is WorkPoolStatus.NOT_READY:
            return f"no worker polls work pool {self.pool}: prefect worker start --pool {self.pool}", True
        limit = "" if pool.concurrency_limit is None else f" of {pool.concurrency_limit}"
        return (
            f"the workers of pool {self.pool} have no room: this run takes one place itself, "
            f"so its limit{limit} and the workers' --limit must leave more"
        ), False


def cancel_children(client: SyncPrefectClient, fleet_run: UUID) -> int:
    """Cancel every run of a fleet that has not ended, and return how many there were."""
    going_on: list[StateType] = [kind for kind in StateType if kind not in _FINAL and kind is not StateType.CANCELLING]
    found = _children(client, fleet_run, going_on)
    for child in found:
        client.set_flow_run_state(child.id, Cancelling(message="Its fleet was cancelled."))
    return len(found)


def _children(client: SyncPrefectClient, fleet_run: UUID, types: list[StateType] | None = None) -> list[Child]:
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=types)) if types else None
    parent = FlowRunFilterParentFlowRunId(any_=[fleet_run])
    wanted = (
        FlowRunFilter(parent_flow_run_id=parent, state=state) if state else FlowRunFilter(parent_flow_run_id=parent)
    )
    found: list[Child] = []
    while True:
        page = _read(client, wanted, offset=len(found))
        found += page
        if len(page) < _PAGE:
            return found


def _read(client: SyncPrefectClient, wanted: FlowRunFilter, offset: int = 0) -> list[Child]:
    runs = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=_PAGE, offset=offset)
    return [Child.of(run) for run in runs]


def _nothing() -> None:
    """Stand in the graph where a child hangs; never called."""
