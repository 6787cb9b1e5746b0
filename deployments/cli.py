"""The command `milvus-l7`: runs a flow here, shows how it goes, prints its report. One command per flow.

Help and wrong input are answered before Prefect is imported, which costs more than all the rest of this module.
"""

import gc
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ConfigurationError, PreflightFailed
from tasks.core.progress import Journal
from tasks.core.provision_request import ProvisionRequest
from tasks.core.teardown_request import TeardownRequest
from tasks.core.verify_request import VerifyRequest

Model = TypeVar("Model", bound=LoadBalancerConfig)

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="milvus-l7",
    help="Put a Milvus release on GKE behind a Google Cloud Layer-7 load balancer, and prove that a client works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_EXIT_CODES = (
    "Exit codes: 0 done and verified, or done without the proof if only_steps leaves it out; "
    "1 failed, the report says which layer and what to do; "
    "2 refused, nothing was touched; 130 interrupted, run again to go on."
)

# The options that every flow's command has.
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML or JSON file with the configuration.", exists=True, dir_okay=False)
]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set or override one key; may be repeated."),
]
ReportFile = Annotated[Path | None, typer.Option("--report", help="Write the report's JSON twin to this file.")]
Keys = Annotated[bool, typer.Option("--keys", help="List every key with its default and meaning, and end.")]


@app.command(epilog=_EXIT_CODES)
def provision(
    config: ConfigFile = None,
    set_: Pairs = None,
    report: ReportFile = None,
    keys: Keys = False,  # noqa: FBT002
) -> None:
    """Provision the load balancer, or bring an existing one to the configuration, and prove it.

    Needs a kubeconfig (or gke_cluster and gke_location) and Application Default Credentials. Uses the Prefect server
    of PREFECT_API_URL, or starts one of its own for as long as it runs. A second run changes nothing.

    Example: milvus-l7 provision --set domain=milvus.example.com --set project=my-project
    """
    wanted = _wanted(ProvisionRequest, config, set_, report, keys=keys)
    raise typer.Exit(_run("provision", wanted, report))


@app.command(epilog=_EXIT_CODES)
def verify(
    config: ConfigFile = None,
    set_: Pairs = None,
    report: ReportFile = None,
    keys: Keys = False,  # noqa: FBT002
) -> None:
    """Read a provisioned load balancer, compare it with the configuration, and prove it; nothing is changed.

    Give it the configuration it was provisioned with. The proof creates and drops a small collection in Milvus, unless
    proof_writes=false.

    Example: milvus-l7 verify --config load-balancer.yaml
    """
    wanted = _wanted(VerifyRequest, config, set_, report, keys=keys)
    raise typer.Exit(_run("verify", wanted, report))


@app.command(epilog=_EXIT_CODES)
def teardown(
    config: ConfigFile = None,
    set_: Pairs = None,
    report: ReportFile = None,
    keys: Keys = False,  # noqa: FBT002
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,  # noqa: FBT002
) -> None:
    """Take the load balancer down, and prove that nothing of it is left.

    The configuration of provision serves as it is. The static address is kept unless release_address=true; Milvus stays
    as it is, with TLS and a ClusterIP Service, unless restore_layer4=true. What is not ours is left and listed.

    Example: milvus-l7 teardown --set domain=milvus.example.com --set project=my-project
    """
    wanted = _wanted(TeardownRequest, config, set_, report, keys=keys, without=TeardownRequest.UNUSED)
    if not yes:
        _confirm(wanted)
    raise typer.Exit(_run("teardown", wanted, report))


def _confirm(wanted: TeardownRequest) -> None:
    """Ask before anything is touched; without a terminal nobody can be asked."""
    what = f"{wanted.domain}, release {wanted.namespace}/{wanted.release}"
    if not sys.stdin.isatty():
        _say(f"milvus-l7: nothing was touched. Say --yes to take down {what} without being asked.")
        raise typer.Exit(REFUSED)
    extra = [
        *(["release its static address"] if wanted.release_address else []),
        *(["restart Milvus without TLS behind its former Service"] if wanted.restore_layer4 else []),
    ]
    more = f" and {' and '.join(extra)}" if extra else ""
    if not typer.confirm(f"Take down the load balancer of {what}{more}?", err=True):
        _say("milvus-l7: nothing was touched.")
        raise typer.Exit(REFUSED)


def main() -> None:
    """Entry point of the console script."""
    # A closed terminal would kill us without a word, and Prefect would show the run as Running for ever.
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    # Nearly all that is ever allocated here are imported modules, and they stay. To look through them for garbage after
    # every 700 objects, and once more at the end, took 1.7 s of 10.
    gc.set_threshold(50_000)
    try:
        app()
    finally:
        gc.freeze()


def _wanted(
    model: type[Model],
    file: Path | None,
    pairs: list[str] | None,
    report: Path | None,
    *,
    keys: bool,
    without: Collection[str] = (),
) -> Model:
    """The configuration the options say; wrong ones end the command, every fault told, and so does --keys."""
    if keys:
        _print_keys(model, without)
        raise typer.Exit(DONE)
    try:
        wanted = model.parse(_parameters(file, pairs or []))
        _check_report_path(report)
    except ConfigurationError as error:
        _say(f"milvus-l7: {error}")
        raise typer.Exit(REFUSED) from None
    return wanted


def _run(flow: str, config: LoadBalancerConfig, report: Path | None) -> int:
    """Run the flow of that name, which lives in the module of that name; print its report, return the exit code."""
    from deployments import prefect_server
    from tasks.core.report import Report, markdown

    os.umask(0o077)
    # Before Prefect is imported: a clean terminal, and full logs in the UI all the same.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    journal = Journal()
    code = FAILED
    try:
        with prefect_server.for_command_line():
            try:
                code = _perform(flow, config, journal)
            finally:
                _send_logs()
    except prefect_server.ServerDidNotStart as error:
        _say(f"milvus-l7: {error}")
        return FAILED
    except KeyboardInterrupt:
        _say("milvus-l7: interrupted; what was made stays. Run again to go on where this run stopped.")
        code = INTERRUPTED
    finished = journal.facts.get("report")
    if isinstance(finished, Report):
        if report is not None:
            report.write_text(finished.as_json() + "\n")
        sys.stdout.write(markdown(finished))
    return code


def _perform(name: str, config: LoadBalancerConfig, journal: Journal) -> int:
    from deployments.live import View
    from tasks.core import progress

    progress.use(journal)
    with View(journal):
        flow = getattr(importlib.import_module(f"flows.{name.replace('-', '_')}"), name.replace("-", "_"))
        # A flow that asks for less has no parameter for the rest.
        asked = set(inspect.signature(flow).parameters)
        try:
            flow(**config.model_dump(exclude_defaults=True, include=asked))
        except PreflightFailed as error:
            _say(f"milvus-l7: nothing was written. {error}")
            return REFUSED
        except Exception as error:  # the report has it; here only the code matters
            _say(f"milvus-l7: {error}")
            return FAILED
    return DONE


def _send_logs() -> None:
    """Hand the last log lines to the server, which may be ours and about to stop."""
    from prefect.logging.handlers import APILogHandler

    APILogHandler().flush()


def _parameters(file: Path | None, pairs: list[str]) -> dict[str, Any]:
    """The file's mapping, overridden by each `key=value`."""
    import yaml

    found: dict[str, Any] = {}
    if file is not None:
        try:
            found = yaml.safe_load(file.read_text()) or {}
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise ConfigurationError(str(file), f"cannot be read: {error}", "Make it YAML or JSON.") from None
        if not isinstance(found, dict):
            raise ConfigurationError(str(file), "is no mapping of keys to values", "Write one `key: value` per line.")
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise ConfigurationError(f"--set {pair}", "has no '='", "Write --set key=value.")
        found[key.strip()] = value
    return found


def _check_report_path(report: Path | None) -> None:
    if report is not None and not report.parent.is_dir():
        raise ConfigurationError(f"--report {report}", f"{report.parent} is no folder", "Make it, or choose another.")


def _print_keys(model: type[LoadBalancerConfig], without: Collection[str]) -> None:
    for name, field in model.model_fields.items():
        if name in without:
            continue
        default = (
            "required" if field.is_required() else f"default {field.default!s}" if field.default else "default empty"
        )
        text = " ".join((field.description or "").split())
        sys.stdout.write(f"{name} ({default})\n    {text}\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
