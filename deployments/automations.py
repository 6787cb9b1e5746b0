"""Automations of this project on a Prefect server: applied from `deployments/automations/*.yaml`, listed, removed.

And what no automation can find: runs that died before it was there.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
import yaml

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore

FOLDER = Path(__file__).with_name("automations")
_HEARTBEAT = "prefect.flow-run.heartbeat"
_PAGE = 200

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Silent:
    """A run that the server takes for Running and that has not been heard of."""

    id: UUID
    name: str
    heard: datetime
    """Its last heartbeat, or when it began to run if there is none; aware UTC."""

    def seconds(self, now: datetime) -> float:
        """How long it is silent."""
        return (now - self.heard).total_seconds()


class NoDeployment(Exception):
    """An automation names a deployment that the server does not have."""


def shipped(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The automations of a folder as they are written, in order of their names."""
    return [yaml.safe_load(file.read_text("utf-8")) for file in sorted(folder.glob("*.yaml"))]


def wanted(written: dict[str, Any], client: "SyncPrefectClient") -> "AutomationCore":
    """The automation as this server is to have it, with the ids of the deployments that it names.

    Raises:
        NoDeployment: the server does not have one of them.
        pydantic.ValidationError: it is no automation.
    """
    from prefect.events.schemas.automations import AutomationCore

    actions = [_by_id(action, client) for action in written.get("actions", [])]
    return AutomationCore.model_validate({**written, "actions": actions})


def _by_id(action: dict[str, Any], client: "SyncPrefectClient") -> dict[str, Any]:
    from prefect.exceptions import ObjectNotFound

    if "deployment" not in action:
        return action
    rest = {key: value for key, value in action.items() if key != "deployment"}
    try:
        found = client.read_deployment_by_name(action["deployment"])
    except ObjectNotFound:
        raise NoDeployment(action["deployment"]) from None
    return {**rest, "source": "selected", "deployment_id": str(found.id)}


def apply_all(client: "SyncPrefectClient", folder: Path = FOLDER) -> list[str]:
    """Create or update every automation by its name; one line each says which.

    One that is shipped switched off stays switched on where somebody has done that.
    """
    said = []
    for written in shipped(folder):
        try:
            automation = wanted(written, client)
        except NoDeployment as missing:
            said.append(f"{written['name']}: left out, there is no deployment {missing}; deploy, then apply again")
            continue
        found = client.read_automations_by_name(automation.name)
        if found and not automation.enabled:
            automation = automation.model_copy(update={"enabled": found[0].enabled})
        if not found:
            client.create_automation(automation)
            said.append(f"{automation.name}: created{'' if automation.enabled else ', switched off'}")
        elif _content(found[0]) == _content(automation):
            said.append(f"{automation.name}: unchanged")
        else:
            client.update_automation(found[0].id, automation)
            said.append(f"{automation.name}: updated")
        # Two of one name would act twice.
        for twin in found[1:]:
            client.delete_automation(twin.id)
            said.append(f"{automation.name}: a second one of that name removed")
    return said


def remove_all(client: "SyncPrefectClient", folder: Path = FOLDER) -> list[str]:
    """Delete the automations of the folder, as far as they are there."""
    said = []
    for written in shipped(folder):
        found = client.read_automations_by_name(written["name"])
        for one in found:
            client.delete_automation(one.id)
        said.append(f"{written['name']}: {'removed' if found else 'was not there'}")
    return said


def switch(client: "SyncPrefectClient", name: str, *, on: bool) -> bool:
    """Switch an automation on or off; whether the server has it."""
    found = client.read_automations_by_name(name)
    for one in found:
        (client.resume_automation if on else client.pause_automation)(one.id)
    return bool(found)


def stale(client: "SyncPrefectClient", silent_seconds: float, now: datetime | None = None) -> list[Silent]:
    """Runs in state Running that the server has not heard of for so long, longest silence first."""
    now = now or datetime.now(UTC)
    found = [Silent(run.id, run.name, _heard(client, run)) for run in _running(client)]
    return sorted((run for run in found if run.seconds(now) > silent_seconds), key=lambda run: run.heard)


def crash(client: "SyncPrefectClient", run: Silent, now: datetime) -> str:
    """Set a run to Crashed, so that it can be retried; what the server answers."""
    from prefect.states import Crashed

    message = f"No heartbeat for {run.seconds(now):.0f} seconds: set to Crashed by hand."
    return str(client.set_flow_run_state(run.id, Crashed(message=message)).status.value)


@app.command("apply")
def apply_command() -> None:
    """Create or update this project's automations; safe to repeat."""
    with _client() as client:
        _say(apply_all(client))


@app.command("remove")
def remove_command() -> None:
    """Delete this project's automations from the server."""
    with _client() as client:
        _say(remove_all(client))


@app.command("list")
def list_command() -> None:
    """Show this project's automations and whether the server has them."""
    with _client() as client:
        for written in shipped():
            found = client.read_automations_by_name(written["name"])
            state = "not on the server" if not found else "enabled" if found[0].enabled else "disabled"
            _say([f"{written['name']}: {state}. {written['description']}"])


@app.command("enable")
def enable_command(name: Annotated[str, typer.Argument(help="Name of an automation, such as drift.")]) -> None:
    """Switch an automation on; it stays so when they are applied again."""
    _switch(name, on=True)


@app.command("disable")
def disable_command(name: Annotated[str, typer.Argument(help="Name of an automation, such as drift.")]) -> None:
    """Switch an automation off; one that is shipped switched on is on again when they are applied."""
    _switch(name, on=False)


def _switch(name: str, *, on: bool) -> None:
    with _client() as client:
        there = switch(client, name, on=on)
    if not there:
        _say([f"{name}: not on the server. See which there are: python -m deployments.automations list"])
        raise typer.Exit(1)
    _say([f"{name}: {'enabled' if on else 'disabled'}"])


@app.command("stale")
def stale_command(
    *,
    seconds: Annotated[float, typer.Option(help="How long a run may be silent.", min=60)] = 400,
    crash_them: Annotated[bool, typer.Option("--crash", help="Set them to Crashed: they can be retried.")] = False,
) -> None:
    """List runs that are Running without a heartbeat; exit 1 if there are any left.

    The default fits runs with Prefect's own heartbeat of 180 s; those of this project's deployments have one of 30 s.
    """
    now = datetime.now(UTC)
    with _client() as client:
        found = stale(client, seconds, now)
        for run in found:
            answer = f": {crash(client, run, now)}" if crash_them else ""
            _say([f"{run.id}  {run.name}  silent for {run.seconds(now):.0f} s{answer}"])
    if not found:
        _say(["No run is silent."])
    elif not crash_them:
        _say(["Look whether their processes are gone, then: python -m deployments.automations stale --crash"])
        raise typer.Exit(1)


def _content(automation: "AutomationCore") -> dict[str, Any]:
    return automation.model_dump(mode="json", include={"name", "description", "enabled", "trigger", "actions"}) | {
        "trigger": automation.trigger.model_dump(mode="json", exclude={"id"})
    }


def _running(client: "SyncPrefectClient") -> Iterator[Any]:
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import StateType

    only = FlowRunFilter.model_validate({"state": {"type": {"any_": [StateType.RUNNING]}}})
    offset = 0
    while page := client.read_flow_runs(flow_run_filter=only, limit=_PAGE, offset=offset):
        yield from page
        offset += len(page)


def _heard(client: "SyncPrefectClient", run: Any) -> datetime:
    """When a run last said that it lives: its newest heartbeat, or the beginning of its state."""
    # Asked by HTTP, as the client has no method for it that is not asynchronous.
    since = datetime.now(UTC) - timedelta(days=7)
    filters = {
        "event": {"name": [_HEARTBEAT]},
        "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        "occurred": {"since": since.isoformat()},
        "order": "DESC",
    }
    answer = client.request("POST", "/events/filter", json={"filter": filters, "limit": 1})
    times = [datetime.fromisoformat(event["occurred"]) for event in answer.json()["events"]]
    began: datetime = run.state.timestamp
    return max([began, *times])


def _client() -> "SyncPrefectClient":
    from prefect.client.orchestration import get_client

    return get_client(sync_client=True)


def _say(lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    app()
