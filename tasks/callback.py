"""The outcome of a run, told to the URL that its ticket named.

A URL out of a ticket is dialled from inside our network, so only hosts are called that the operator of the worker has
named, redirects are not followed, and what the host answers goes nowhere but for its status. Telling is best effort:
the run has ended as it has ended, and the report says so whether anybody listens or not.
"""

import datetime as dt
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

import tenacity
from prefect import runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks import steps
from tasks.clients import secret_file, settings
from tasks.core import names, outcome, webhooks
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ConfigurationError, ProvisioningError, ResourceFailed, Unreachable
from tasks.core.report import Report

_ATTEMPTS = 4
_CALL_SECONDS = 10.0
_PORTS = {"http": 80, "https": 443}
_HOSTS, _SECRET = f"{settings.PREFIX}CALLBACK_HOSTS", f"{settings.PREFIX}CALLBACK_SECRET_FILE"


def fault(config: LoadBalancerConfig) -> ConfigurationError | None:
    """Why the callback could not be made, as far as that can be known before anything is; None when all is well."""
    try:
        _keys(config)
    except ConfigurationError as error:
        return error
    return None


def tell(
    config: LoadBalancerConfig, finished: Report, *, flow: str, flow_run_id: str, pause_seconds: float = 1.0
) -> int:
    """Send the outcome and return the HTTP status, which is one of success.

    Args:
        config: says whom to tell.
        finished: what to tell.
        flow: name of the flow.
        flow_run_id: of the run.
        pause_seconds: before the second of four tries, when the receiver does not answer or cannot now; then doubled.

    Raises:
        ConfigurationError: the host is not allowed, or the secret is unfit; nothing was sent.
        Unreachable: no answer, 429 or 5xx, to the last try.
        ResourceFailed: it refused, or wanted us to go elsewhere.
    """
    keys = _keys(config)
    moment = dt.datetime.now(dt.UTC)
    body = json.dumps(outcome.of(finished, flow=flow, flow_run_id=flow_run_id, moment=moment)).encode()
    # One id for all tries, so that the receiver can tell a repetition.
    message_id = f"msg_{secrets.token_urlsafe(16)}"
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unreachable),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential_jitter(multiplier=pause_seconds, max=10, jitter=pause_seconds / 2),
        reraise=True,
    )
    return retrying(_post, config.callback_url, keys, message_id, body)


@task(name="tell-ticket", persist_result=False, cache_policy=NO_CACHE)
def send_outcome(config: LoadBalancerConfig, finished: Report) -> State[Any]:
    """Tell the outcome if somebody wants to know it; a failure is a warning and a note beside the report, no more."""
    if not config.callback_url:
        return Completed(name="Skipped", message="no callback_url is named")
    host = _place(config.callback_url)
    state: State[Any]
    try:
        status = tell(config, finished, flow=str(runtime.flow_run.flow_name), flow_run_id=str(runtime.flow_run.id))
    except Exception as error:  # whatever it is, the run does not fail by it
        reason = str(error) if isinstance(error, ProvisioningError) else f"an unexpected {type(error).__name__}"
        steps.logger().warning("The outcome was not sent to %s: %s", host, reason)
        state, note = Completed(name="NotTold", message=reason), f"**Not sent** to {host}: {reason}"
    else:
        state, note = Completed(message=f"{host} answered {status}"), f"Sent to {host}, which answered {status}."
    _note(config, note)
    return state


def _note(config: LoadBalancerConfig, text: str) -> None:
    """Leave beside the report what became of the callback."""
    try:
        key = names.artifact("callback", config.release, config.namespace)
        create_markdown_artifact(text, key=key, description=f"Callback of ticket {config.ticket or 'nobody'}")
    except Exception as error:  # Prefect's own trouble; the log has the news already
        steps.logger().warning("The note on the callback was not published: %s", type(error).__name__)


def _keys(config: LoadBalancerConfig) -> list[bytes]:
    """Check that the host may be called, and return the keys to sign with; none when nothing is to be signed."""
    if not config.callback_url:
        return []
    allowed = settings.callback_hosts()
    if not _is_allowed(config.callback_url, allowed):
        raise ConfigurationError(
            f"callback_url of host {_place(config.callback_url)}",
            f"is not among the hosts that {_HOSTS} allows ({', '.join(allowed) or 'it is empty'})",
            f"Name an allowed host, none at all, or have the worker's operator add it to {_HOSTS}.",
        )
    file = settings.callback_secret_file()
    return secret_file.keys(file, _SECRET) if file else []


def _is_allowed(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether a host is named: without a port it stands for the usual port of the scheme only."""
    host, port = _dialled(url)
    usual = port == _PORTS.get(urlsplit(url).scheme)
    return bool(host) and ("*" in allowed or f"{host}:{port}" in allowed or (usual and host in allowed))


def _place(url: str) -> str:
    """Host and port, without path and query, which may hold a token."""
    host, port = _dialled(url)
    return f"{host}:{port}" if host else "that cannot be dialled"


def _dialled(url: str) -> tuple[str, int]:
    """Host and port as the one who dials reads them, since two readers of one odd URL differ; empty: it cannot."""
    import httpx

    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return "", 0
    host = parsed.raw_host.decode("ascii").rstrip(".").lower()
    port = parsed.port or _PORTS.get(parsed.scheme, 0)
    if parsed.userinfo or not 0 < port < 65536:
        return "", 0
    return f"[{host}]" if ":" in host else host, port


def _post(url: str, keys: list[bytes], message_id: str, body: bytes) -> int:
    import httpx

    # Signed at each try: a retried message must not be too old.
    signature = webhooks.sign(keys, message_id, dt.datetime.now(dt.UTC), body) if keys else {}
    headers = {"content-type": "application/json", "user-agent": "milvus-gke-l7", **signature}
    resource = f"callback to {_place(url)}"
    try:
        # Streamed and left unread: what it says, and how much, is no matter of ours.
        with (
            httpx.Client(timeout=_CALL_SECONDS, follow_redirects=False) as client,
            client.stream("POST", url, content=body, headers=headers) as response,
        ):
            status = response.status_code
    except httpx.InvalidURL:
        raise ResourceFailed(resource, "is no URL that can be dialled", "Mend callback_url.", "network") from None
    except httpx.HTTPError as error:
        # The text of some errors has the whole URL in it.
        observed = f"no answer ({type(error).__name__})"
        raise Unreachable(resource, observed, "Look up the outcome in the report's artifact.") from None
    if httpx.codes.is_success(status):
        return status
    observed, mend = f"answered {status}", "Look up the outcome in the report's artifact, and mend the receiver."
    if status == httpx.codes.TOO_MANY_REQUESTS or httpx.codes.is_server_error(status):
        raise Unreachable(resource, observed, mend)
    raise ResourceFailed(resource, observed, mend, "network")
