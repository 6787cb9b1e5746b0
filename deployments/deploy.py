"""Everything a Prefect server needs of this project, in one command that can be repeated at any time.

The work pool if it is missing, what prefect.yaml says, the automations, and one thing prefect.yaml cannot say: that a
parameter nobody knows is refused. Prefect lets it pass, and the run crashes later (3.8.8: the schema it makes of a
signature has no `additionalProperties`, and its model drops one). The server honours it, so it is added there.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from deployments import automations

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

PROJECT = Path(__file__).parents[1]
POOL = "milvus-l7"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    pool: Annotated[str, typer.Option(help="Work pool of all deployments.")] = POOL,
    pool_type: Annotated[str, typer.Option("--type", help="Its type, if it has to be made.")] = "process",
    code: Annotated[str, typer.Option(help="Folder of this project where runs happen. Empty: this one.")] = "",
) -> None:
    """Deploy everything to the server at PREFECT_API_URL."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        make_pool(client, pool, pool_type)
        with project_file(pool, code) as file:
            _prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(file))
            names = [deployment["name"] for deployment in yaml.safe_load(file.read_text("utf-8"))["deployments"]]
        for name in names:
            refuse_unknown_parameters(client, name)
            _say(f"deployment {name}/{name}: ready")
        for line in automations.apply_all(client):
            _say(f"automation {line}")


def make_pool(client: "SyncPrefectClient", name: str, kind: str) -> None:
    """Make the work pool unless there is one of that name, whatever its settings are."""
    from prefect.exceptions import ObjectNotFound

    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        template = PROJECT / "deployments" / kind / "base-job-template.json"
        _prefect(
            "work-pool", "create", name, "--type", kind,
            *(["--base-job-template", str(template)] if template.exists() else []),
        )  # fmt: skip


@contextmanager
def project_file(pool: str, code: str) -> Iterator[Path]:
    """The project's prefect.yaml with another pool or another folder of code, for as long as the block runs."""
    with tempfile.TemporaryDirectory() as directory:
        project: dict[str, Any] = yaml.safe_load((PROJECT / "prefect.yaml").read_text("utf-8"))
        for deployment in project["deployments"]:
            deployment["work_pool"] = {**deployment["work_pool"], "name": pool}
            if pool != POOL:
                # The variables of the local pool mean nothing to another one, but for the environment.
                variables = deployment["work_pool"].get("job_variables", {})
                deployment["work_pool"]["job_variables"] = {"env": variables.get("env", {})}
        if code:
            project["pull"] = [{"prefect.deployments.steps.set_working_directory": {"directory": code}}]
        file = Path(directory) / "prefect.yaml"
        file.write_text(yaml.safe_dump(project, sort_keys=False), "utf-8")
        yield file


def refuse_unknown_parameters(client: "SyncPrefectClient", name: str) -> None:
    """Let the API answer 409 to a parameter that the deployment does not have."""
    from prefect.client.schemas.actions import DeploymentUpdate

    deployment = client.read_deployment_by_name(f"{name}/{name}")
    schema = {**(deployment.parameter_openapi_schema or {}), "additionalProperties": False}
    client.update_deployment(deployment.id, DeploymentUpdate(parameter_openapi_schema=schema))


def _prefect(*arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT, env=dict(os.environ))
    if done.returncode:
        _say(f"prefect {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        raise typer.Exit(1)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    app()
