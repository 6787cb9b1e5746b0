"""Everything on one machine: the sandbox, a Prefect server with its UI, a worker with the deployments.

`demo` provisions both certificate modes through the Prefect API and stops everything; `up` leaves it running for a
person to play with; `down` ends that. The sandbox is started as the program it is: nothing of it is imported here.
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments import prefect_server

POOL = "milvus-l7"
DOMAIN = "milvus.example"
_RUN_SECONDS = 600.0
Process = subprocess.Popen[bytes]
_FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Folder = Annotated[Path, typer.Option("--dir", help="Folder for all state: sandbox, Prefect server, logs.")]
Latency = Annotated[str, typer.Option(help="How fast the sandbox's Google Cloud is: zero, fast or real.")]


@app.callback()
def _orderly() -> None:
    """End on SIGTERM as on Ctrl-C: everything that was started is stopped first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@app.command()
def demo(directory: Folder = Path(".run/demo"), latency: Latency = "fast") -> None:
    """Provision a self-managed and a Google-managed load balancer end to end; exit 0 only if both were proved."""
    directory = directory.resolve()
    with contextlib.ExitStack() as undo:
        undo.callback(_sandbox, directory, "down")
        cloud = start_sandbox(directory, latency)
        server, url = start_server(directory)
        undo.callback(prefect_server.stop, server)
        variables = {**cloud, **prefect_server.environment(directory / "prefect", url)}
        prepare(variables)
        undo.callback(prefect_server.stop, start_worker(directory, variables))
        verdicts = [_provision_and_show(variables, mode) for mode in ("self-managed", "google-managed")]
    if not all(verdicts):
        raise typer.Exit(1)
    _say("Both modes are verified; everything is stopped.")


@app.command()
def up(directory: Folder = Path(".run/local"), latency: Latency = "fast") -> None:
    """Start everything and leave it running; ends what it started when it cannot start all."""
    directory = directory.resolve()
    with contextlib.ExitStack() as undo:
        undo.callback(stop_all, directory)
        cloud = start_sandbox(directory, latency)
        _, url = start_server(directory, port=4200 if _free(4200) else 0, outlive=True)
        variables = {**cloud, **prefect_server.environment(directory / "prefect", url)}
        prepare(variables)
        start_worker(directory, variables, outlive=True)
        _write_exports(directory / "env.sh", variables)
        undo.pop_all()
    here = _shown(directory)
    _say(
        f"\nPrefect UI:  {url.removesuffix('/api')}\n\nTry next:\n"
        f"  . {here}/env.sh                    # kubectl, gcloud, prefect and milvus-l7 now see the sandbox\n"
        f"  milvus-l7 provision --set domain={DOMAIN} --set open_milvus_reason='the sandbox'\n"
        f"  prefect deployment run provision/provision -p domain={DOMAIN} -p open_milvus_reason='the sandbox' --watch\n"
        "  kubectl get ingress,service,pods\n"
        "  python -m sandbox fault list        # what can go wrong\n"
        "  make down                           # stop everything"
    )


@app.command()
def down(directory: Folder = Path(".run/local")) -> None:
    """Stop what `up` started; nothing happens when nothing runs."""
    stop_all(directory.resolve())


def stop_all(directory: Path) -> None:
    """Stop worker, server and sandbox, as far as they run."""
    for name in ("worker", "server"):
        file = directory / f"{name}.json"
        if file.exists():
            _end(json.loads(file.read_text()))
            file.unlink()
            _say(f"{name} stopped")
    _sandbox(directory, "down")


def start_sandbox(directory: Path, latency: str) -> dict[str, str]:
    """Start a sandbox and return the variables that point programs at it."""
    begun = time.monotonic()
    _sandbox(directory, "up", "--detach", "--latency", latency)
    _say(f"sandbox: ready after {time.monotonic() - begun:.1f} s")
    return dict(json.loads(_sandbox(directory, "env", "--format", "json", capture=True)))


def start_server(directory: Path, port: int = 0, *, outlive: bool = False) -> tuple[Process, str]:
    """Start a Prefect server with its UI and return its process and API URL."""
    begun = time.monotonic()
    process, url = prefect_server.start(directory / "prefect", port, outlive=outlive)
    _remember(directory / "server.json", process.pid)
    _say(f"prefect server: {url} after {time.monotonic() - begun:.1f} s")
    return process, url


def start_worker(directory: Path, variables: Mapping[str, str], *, outlive: bool = False) -> Process:
    """Start a worker of the local pool; its flow runs see the sandbox, since they inherit its environment."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--install-policy", "never"]
    with prefect_server.private(directory / "worker.log").open("ab") as output:
        process = prefect_server.detached(
            command,
            environment={**variables, "PREFECT_WORKER_QUERY_SECONDS": "2"},
            output=output,
            outlive=outlive,
        )
    _remember(directory / "worker.json", process.pid)
    return process


def prepare(variables: Mapping[str, str]) -> None:
    """Work pool, deployments and automations; may be done again at any time."""
    command = [sys.executable, "-m", "deployments.deploy", "--pool", POOL]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **variables})
    if done.returncode:
        _say(f"{shlex.join(['python', *command[1:]])} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        raise typer.Exit(1)


def _provision_and_show(variables: Mapping[str, str], mode: str) -> bool:
    """Start a run by the API, as a ticket system would, wait for its end, print its report."""
    import httpx

    parameters = {
        "domain": DOMAIN,
        "certificate_mode": mode,
        "ticket": f"DEMO-{mode}",
        "open_milvus_reason": "an empty Milvus in the sandbox",
    }
    if mode == "google-managed":
        parameters |= {"dns_managed_zone": "sandbox-zone"}
    begun = time.monotonic()
    with httpx.Client(base_url=variables["PREFECT_API_URL"] + "/", timeout=30) as api:
        deployment = _call(api, "GET", "deployments/name/provision/provision")["id"]
        run = _call(
            api,
            "POST",
            f"deployments/{deployment}/create_flow_run",
            {"parameters": parameters, "idempotency_key": f"{parameters['ticket']}-{time.time_ns()}"},
        )
        state = _await(api, run["id"])
        _say(f"\n{mode}: flow run {run['name']} is {state['name']} after {time.monotonic() - begun:.1f} s\n")
        filters = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}, "key": {"like_": "milvus-l7-report-"}}}
        artifacts = _call(api, "POST", "artifacts/filter", filters)
    reports = {artifact["key"]: artifact["data"] for artifact in artifacts}
    machine = next((data for key, data in reports.items() if "report-json" in key), "")
    for key, data in reports.items():
        if "report-json" not in key:
            sys.stdout.write(data + "\n")
            sys.stdout.flush()
    verdict = json.loads(machine.strip().removeprefix("```json").removesuffix("```") or "{}").get("verdict")
    if state["type"] != "COMPLETED":
        _say(f"the run did not complete: {state.get('message')}")
    return bool(state["type"] == "COMPLETED" and verdict == "verified")


def _await(api: Any, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + _RUN_SECONDS
    while True:
        state: dict[str, Any] = _call(api, "GET", f"flow_runs/{run_id}")["state"]
        if state["type"] in _FINAL or time.monotonic() > deadline:
            return state
        time.sleep(0.5)


def _call(api: Any, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One call; 503 is SQLite being busy, which Prefect's own client repeats as well."""
    for pause in (0.2, 0.5, 1, 2, 4, None):
        response = api.request(method, path, json=body)
        if response.status_code != 503 or pause is None:
            break
        time.sleep(pause)
    response.raise_for_status()
    return response.json()


def _sandbox(directory: Path, *arguments: str, capture: bool = False) -> str:
    command = [sys.executable, "-m", "sandbox", arguments[0], "--dir", str(directory / "sandbox"), *arguments[1:]]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE if capture else sys.stderr, text=True)
    if done.returncode:
        _say(f"{shlex.join(['python', *command[1:]])} ended with {done.returncode}")
        raise typer.Exit(1)
    return done.stdout or ""


def _remember(file: Path, pid: int) -> None:
    prefect_server.private(file).write_text(json.dumps({"pid": pid, "started": _start_time(pid)}))


def _end(process: Mapping[str, Any]) -> None:
    """End a process group we started earlier, unless its number belongs to somebody else by now."""
    pid = int(process["pid"])
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 15
        if not process["started"] or _start_time(pid) != process["started"]:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, sign)
        while _start_time(pid) == process["started"] and time.monotonic() < deadline:
            time.sleep(0.1)


def _start_time(pid: int) -> str:
    """When a process started, as the kernel counts; empty when there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return ""


def _write_exports(file: Path, variables: Mapping[str, str]) -> None:
    bin_ = Path(sys.executable).parent
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    file.touch(mode=0o600)
    file.write_text("\n".join([*lines, f"export PATH={shlex.quote(str(bin_))}:$PATH", ""]))


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    app()
