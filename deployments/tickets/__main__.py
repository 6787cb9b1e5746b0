"""Commands around tickets: the bridge, and what somebody needs who calls it, or Prefect, by hand."""

import datetime as dt
import json
import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from deployments.tickets import requests
from deployments.tickets.settings import FLOWS, SECRET_FILE, Settings
from tasks.clients import secret_file
from tasks.core import tickets, webhooks
from tasks.core.errors import ConfigurationError

_REFUSED = 2

app = typer.Typer(
    name="python -m deployments.tickets",
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(
    epilog=f"Environment: PREFECT_API_URL; PREFECT_API_AUTH_STRING if the server asks for it; {SECRET_FILE}, a "
    f"file that only you can read (new-secret makes one); {FLOWS}, the flows that may be asked for, by default "
    "provision; PREFECT_UI_URL for the links, if the UI is not beside the API. Speaks HTTP: put TLS in front of "
    "it. Ends on Ctrl-C and SIGTERM, requests under way are answered first.",
)
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8090,
) -> None:
    """Take signed webhooks and turn them into flow runs: POST /tickets, GET /tickets/TICKET, GET /healthz."""
    try:
        settings = Settings.of_environment()
        secret_file.keys(settings.secret_file, SECRET_FILE)
    except ConfigurationError as error:
        _refuse(error)
    import uvicorn

    from deployments.tickets import bridge

    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # It would log every URL with its query.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    uvicorn.run(
        bridge.app(settings),
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=100,
        timeout_graceful_shutdown=20,
    )


@app.command()
def key(
    ticket: Annotated[str, typer.Option(help="Reference of the request.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter; repeat it.")
    ] = None,
    flow: Annotated[str, typer.Option(help="provision, verify or teardown.")] = "provision",
    body: Annotated[bool, typer.Option("--body", help="Print the whole body for create_flow_run.")] = False,  # noqa: FBT002
    event: Annotated[bool, typer.Option("--event", help="Print the whole body for POST /events.")] = False,  # noqa: FBT002
) -> None:
    """Print the idempotency key of a ticket and what it asks for; the parameters are checked first.

    Example: python -m deployments.tickets key --ticket OPS-1 --set domain=milvus.example.com
    """
    from deployments.tickets.prefect_api import creation

    pairs = dict(pair.partition("=")[::2] for pair in set_ or [])
    text = json.dumps({"ticket": ticket, "flow": flow, "parameters": pairs})
    try:
        wanted = requests.read(text.encode(), requests.CONFIGS)
    except ConfigurationError as error:
        _refuse(error)
    if body:
        _print(json.dumps(creation(wanted)))
    elif event:
        _print(json.dumps([_event(wanted)]))
    else:
        _print(tickets.idempotency_key(wanted.config, wanted.flow))


@app.command()
def sign(
    secret_file_: Annotated[
        Path | None,
        typer.Option("--secret-file", help=f"File with the secrets; each one signs. Default: {SECRET_FILE}."),
    ] = None,
    get: Annotated[str, typer.Option(help="Sign a GET of this path, such as /tickets/OPS-1, and no body.")] = "",
) -> None:
    """Print the three headers for a body on standard input, one per line, as `curl --header @FILE` reads them.

    Example: python -m deployments.tickets sign < body.json > headers
    """
    path = str(secret_file_ or os.environ.get(SECRET_FILE, ""))
    content = f"GET {get}".encode() if get else sys.stdin.buffer.read()
    try:
        keys = secret_file.keys(path, SECRET_FILE)
    except ConfigurationError as error:
        _refuse(error)
    headers = webhooks.sign(keys, f"msg_{secrets.token_urlsafe(16)}", dt.datetime.now(dt.UTC), content)
    for name, value in headers.items():
        _print(f"{name}: {value}")


@app.command("new-secret")
def new_secret(file: Annotated[Path, typer.Argument(help="File to make; it must not be there yet.")]) -> None:
    """Make a secret of 32 random bytes in a new file that only you can read; give its text to the ticket system."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        _refuse(ConfigurationError(str(file), f"cannot be made: {error.strerror}", "Name a new file."))
    with os.fdopen(descriptor, "w") as output:
        output.write(webhooks.shown(secrets.token_bytes(32)) + "\n")
    _print(str(file))


def _event(wanted: requests.Request) -> dict[str, object]:
    return {
        "id": tickets.event_id(wanted.config, wanted.flow),
        "occurred": dt.datetime.now(dt.UTC).isoformat(),
        "event": "ticket.approved",
        "resource": {"prefect.resource.id": f"ticket.{wanted.config.ticket}"},
        "payload": tickets.intent(wanted.config),
    }


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _refuse(error: ConfigurationError) -> NoReturn:
    sys.stderr.write(f"{error}\n")
    raise typer.Exit(_REFUSED)


if __name__ == "__main__":
    app()
