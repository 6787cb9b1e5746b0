"""The sandbox's command: python -m sandbox up | status | down | env | fault | dns."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from sandbox.faults import CATALOGUE

app = typer.Typer(
    help="A local GKE for Milvus behind a Layer-7 load balancer: APIs, controllers, DNS, a real Envoy and Milvus.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
fault_app = typer.Typer(help="Make things go wrong as they do on Google Cloud.", no_args_is_help=True)
dns_app = typer.Typer(help="Records of the sandbox's name server, by its Cloud DNS API.", no_args_is_help=True)
app.add_typer(fault_app, name="fault")
app.add_typer(dns_app, name="dns")
out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)

_DEFAULT_DIRECTORY = Path(".run/sandbox")
_START_SECONDS, _STOP_SECONDS = 240.0, 30.0

Directory = Annotated[
    Path, typer.Option("--dir", "-d", envvar="MILVUS_L7_SANDBOX", help="Folder of the sandbox: all its state is there.")
]


class LatencyName(StrEnum):
    """How long things take."""

    ZERO = "zero"
    FAST = "fast"
    REAL = "real"


class Format(StrEnum):
    """How variables are printed."""

    SHELL = "shell"
    JSON = "json"


@app.command()
def up(
    directory: Directory = _DEFAULT_DIRECTORY,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Use this cluster instead of the built-in API server."),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(exists=True, help="Milvus chart to install, folder or .tgz; default: a small own one."),
    ] = None,
    values: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Values file for the Milvus release.")
    ] = None,
    latency: Annotated[
        LatencyName, typer.Option(help="zero: as fast as it goes; fast: seconds; real: as on Google Cloud.")
    ] = LatencyName.FAST,
    release: Annotated[str, typer.Option(help="Name of the Milvus release.")] = "my-release",
    namespace: Annotated[str, typer.Option(help="Its namespace.")] = "default",
    *,
    milvus_release: Annotated[
        bool, typer.Option("--milvus-release/--no-milvus-release", help="Install Milvus, behind a Layer-4 balancer.")
    ] = True,
    detach: Annotated[bool, typer.Option(help="Return once it is ready, and leave it running.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what the parts do, to standard error.")] = False,
) -> None:
    """Start a sandbox and keep it running until Ctrl-C or `down`.

    Exit code 0: stopped as asked (with --detach: ready). 1: it did not start. 3: one is running in that folder already.
    """
    if detach:
        raise typer.Exit(_detach(directory))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings: dict[str, Any] = {
        "latency": latency.value,
        "milvus": milvus_release,
        "kubeconfig": kubeconfig,
        "chart": chart,
        "values": yaml.safe_load(values.read_text()) if values else None,
        "release": release,
        "namespace": namespace,
    }
    raise typer.Exit(_run(directory, settings))


def _run(directory: Path, settings: dict[str, Any]) -> int:
    """Be the sandbox; returns the exit code."""
    from sandbox.control_server import ControlServer
    from sandbox.stack import AlreadyRunning, Stack

    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _interrupt(asked))
    started = time.monotonic()
    stack = Stack(directory, progress=lambda part, seconds: out.print(f"  {part:<28}{seconds:6.1f} s"), **settings)
    try:
        stack.start()
        control = ControlServer(stack)
        control.start()
        _READY.set()
        out.print(f"ready in {time.monotonic() - started:.1f} s")
        out.print(f'try: eval "$({Path(sys.executable).name} -m sandbox env --dir {directory})"; kubectl get svc')
        while not (asked.is_set() or control.stop_requested.wait(0.2)):
            pass
        out.print("stopping")
        control.stop()
    except AlreadyRunning as error:
        err.print(f"[red]{error}[/]: see `python -m sandbox status`, stop it with `python -m sandbox down`")
        return 3
    except KeyboardInterrupt:
        out.print("interrupted, stopping")
    except Exception as error:
        logging.getLogger(__name__).debug("start failed", exc_info=True)
        err.print("the sandbox did not start:", style="red")
        err.print(str(error), markup=False)
        return 1
    finally:
        stack.stop()
    return 0


def _interrupt(asked: threading.Event) -> None:
    """First: stop in good order; while starting, or again: at once."""
    if asked.is_set():
        return
    asked.set()
    if threading.current_thread() is threading.main_thread() and not _READY.is_set():
        raise KeyboardInterrupt


_READY = threading.Event()


def _detach(directory: Path) -> int:
    """Start the same command as a process of its own and wait until it is ready, showing what it says."""
    from sandbox.control import is_running

    if is_running(directory):
        err.print(f"a sandbox is running in {directory}: see `python -m sandbox status`", style="red")
        return 3
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = directory / "sandbox.log"
    arguments = [each for each in sys.argv[1:] if each != "--detach"]
    with log.open("w") as sink:
        child = subprocess.Popen(
            [sys.executable, "-u", "-m", "sandbox", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _follow(child, log)
    except BaseException:  # interrupted: what nobody waits for must not stay
        child.terminate()
        raise


def _follow(child: subprocess.Popen[bytes], log: Path) -> int:
    """Show what a starting sandbox says until it is ready; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    shown, deadline = 0, time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        ended = child.poll()
        text = log.read_text()
        sys.stdout.write(text[shown:])
        sys.stdout.flush()
        shown = len(text)
        if ended is not None:
            return ended or 1
        if "\ntry: " in text:
            return 0
        time.sleep(0.05)
    err.print(f"not ready after {_START_SECONDS:g} s; see {log}", style="red")
    child.terminate()
    return 1


@app.command()
def down(directory: Directory = _DEFAULT_DIRECTORY) -> None:
    """Stop the sandbox and wait until it has stopped. Exit code 0 also when none was running."""
    from sandbox.control import NotRunning

    try:
        sandbox = _client(directory)
        sandbox.stop()
    except NotRunning as error:
        out.print(str(error))
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while not sandbox.has_ended():
        if time.monotonic() > deadline:
            err.print(f"it has not stopped after {_STOP_SECONDS:g} s", style="red")
            raise typer.Exit(1)
        time.sleep(0.05)
    out.print("stopped")


@app.command()
def status(
    directory: Directory = _DEFAULT_DIRECTORY,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what runs where. Exit code 1 when no sandbox runs."""
    state = _ask(directory).status()
    if as_json:
        out.print_json(json.dumps(state))
        return
    for name, value in state.items():
        out.print(
            f"{name.replace('_', ' '):<18}{value if isinstance(value, str | int) else json.dumps(value)}", markup=False
        )


@app.command()
def env(
    directory: Directory = _DEFAULT_DIRECTORY,
    *,
    form: Annotated[Format, typer.Option("--format", "-o", help="Lines to `eval`, or one JSON object.")] = Format.SHELL,
) -> None:
    """Print the variables that point kubectl, gcloud, the CLI and the flows at the sandbox.

    Use: eval "$(python -m sandbox env)"
    """
    from sandbox.environment import export_lines

    _ask(directory)
    variables: dict[str, str] = json.loads((directory / "environment.json").read_text())
    print_ = sys.stdout.write
    print_((json.dumps(variables, indent=2) if form is Format.JSON else export_lines(variables)) + "\n")


@fault_app.command("list")
def fault_list() -> None:
    """Show every fault there is, with its parameters and their defaults."""
    for name, kind in CATALOGUE.items():
        out.print(" ".join([name, *(f"{key}={value}" for key, value in kind.parameters.items())]), markup=False)
        out.print(f"    {kind.summary}", markup=False)


@fault_app.command("on")
def fault_on(
    name: Annotated[str, typer.Argument(help="As `fault list` names it.")],
    parameters: Annotated[list[str] | None, typer.Argument(help="key=value …", metavar="[KEY=VALUE]...")] = None,
    times: Annotated[
        int | None, typer.Option(min=1, help="Strike so often, then stop; default: until switched off.")
    ] = None,
    directory: Directory = _DEFAULT_DIRECTORY,
) -> None:
    """Switch a fault on. Exit code 2 when there is no such fault or parameter."""
    from sandbox.control import Refused

    try:
        values = dict(_parameter(name, each) for each in parameters or [])
        _ask(directory).arm(name, values, times)
    except (Refused, ValueError) as error:
        err.print(str(error), style="red")
        raise typer.Exit(2) from None
    out.print(f"{name} is on")


@fault_app.command("off")
def fault_off(
    name: Annotated[str | None, typer.Argument(help="Default: all of them.")] = None,
    directory: Directory = _DEFAULT_DIRECTORY,
) -> None:
    """Switch a fault off, or all."""
    _ask(directory).clear(name)
    out.print(f"{name or 'everything'} is off")


@fault_app.command("show")
def fault_show(directory: Directory = _DEFAULT_DIRECTORY) -> None:
    """Show the faults that are on."""
    armed = _ask(directory).faults()
    for name, parameters in armed.items():
        out.print(" ".join([name, *(f"{key}={value}" for key, value in parameters.items())]), markup=False)
    if not armed:
        out.print("none")


@dns_app.command("set")
def dns_set(
    name: Annotated[str, typer.Argument(help="Domain; its zone is made if there is none.")],
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="A, AAAA, CNAME, CAA, TXT …")],
    values: Annotated[list[str], typer.Argument(help="One or more values.")],
    directory: Directory = _DEFAULT_DIRECTORY,
) -> None:
    """Set a record, in place of the one of that name and type."""
    records = _records(directory)
    records.set(name, kind, values)
    out.print(f"{name} {kind} {' '.join(values)}")


@dns_app.command("list")
def dns_list(directory: Directory = _DEFAULT_DIRECTORY) -> None:
    """Show every record of every zone."""
    for zone, record in _records(directory).all():
        out.print(f"{zone:<20}{record['name']:<40}{record['type']:<8}{' '.join(record['rrdatas'])}", markup=False)


def _records(directory: Path) -> Any:
    from sandbox.dns_records import DnsRecords

    _ask(directory)
    variables = json.loads((directory / "environment.json").read_text())
    token = (directory / "access-token").read_text()
    return DnsRecords(variables["MILVUS_L7_DNS_ENDPOINT"], token, variables["MILVUS_L7_PROJECT"])


def _parameter(fault: str, text: str) -> tuple[str, Any]:
    """`key=value`, the value as a number where the fault's default is one."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not KEY=VALUE")
    kind = CATALOGUE.get(fault)
    default = kind.parameters.get(key) if kind else None
    return key, type(default)(value) if isinstance(default, int | float) else value


def _client(directory: Path) -> Any:
    from sandbox.control import ControlClient

    return ControlClient(directory)


def _ask(directory: Path) -> Any:
    """A client of the running sandbox; ends the command when there is none."""
    from sandbox.control import NotRunning

    try:
        return _client(directory)
    except NotRunning as error:
        err.print(str(error), style="red")
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app(prog_name="python -m sandbox")
