"""A pymilvus client for a proof: one connection of its own, bounded in time, quiet, and with its call as code.

Read in pymilvus 3.0.2: shared connections are keyed by address and token alone, so one made with another certificate
would be reused (`dedicated=True` makes none of that); errors are printed with their traceback.
"""

import contextlib
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tasks.clients import imports, proof_collection
from tasks.clients.proof_collection import Found

T = TypeVar("T")

# Read once, when grpc is imported for the first time, whoever does that; it writes handshake failures to stderr.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

_LOGICAL_BITS = 18
"""Of a Milvus timestamp; above them are Unix milliseconds (milvus pkg/util/tsoutil)."""

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


class Timeout(Exception):
    """pymilvus took longer than it was given."""


def load() -> Any:
    """Import pymilvus, which costs about as much as Prefect, without letting it set up logging.

    Its import calls `logging.config.dictConfig`, and that throws away every handler of the process: Prefect's run logs
    end there, or, since the old handlers are flushed under logging's own lock, the whole flow does (seen with pymilvus
    3.0.2 and Prefect 3.8.8). Only that one call is left out; its loggers then behave as any library's.
    """
    import logging.config

    real = logging.config.dictConfig

    def spare_ours(config: Any) -> None:
        if "pymilvus" not in config.get("loggers", {}):
            real(config)

    with imports.LOCK:
        logging.config.dictConfig = spare_ours
        try:
            import pymilvus
        finally:
            logging.config.dictConfig = real
    return pymilvus


class Client:
    """One MilvusClient, not connected yet; every method raises what pymilvus raises, or `Timeout`.

    Args:
        uri: with https.
        pem: file of what to trust, "" for gRPC's roots.
        server_name: name to verify and to send as :authority when the address is dialled, "" when the name is.
        credentials: user name and password, never shown.
    """

    def __init__(self, uri: str, *, pem: str, server_name: str, credentials: tuple[str, str] | None) -> None:
        self.arguments: dict[str, Any] = {"uri": uri}
        """Of MilvusClient and AsyncMilvusClient alike; the token among them is a secret."""
        if pem:
            self.arguments["server_pem_path"] = pem
        if server_name:
            self.arguments["server_name"] = server_name
        if credentials is not None:
            self.arguments["token"] = ":".join(credentials)
        if any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
            # The lower rungs dialled the load balancer itself; so does this one.
            self.arguments["grpc_options"] = {"grpc.enable_http_proxy": 0}
        self._client: Any = None
        self._clock_ahead_seconds = 0.0

    def code(self, *, credentials_source: str, trust_source: str, kind: str = "MilvusClient") -> str:
        """The call as a person would write it: the PEM under its usual name, no secret."""
        shown = dict(self.arguments)
        if "server_pem_path" in shown:
            shown["server_pem_path"] = "tls.crt"
        if "token" in shown:
            shown["token"] = f"<username:password of {credentials_source}>"
        inner = ", ".join(f"{key}={value!r}" for key, value in shown.items()).replace("'", '"')
        comment = f"# tls.crt: {trust_source}\n" if trust_source and "server_pem_path" in shown else ""
        return f"{comment}{kind}({inner})"

    def connect(self, seconds: float) -> None:
        """Open the connection and say hello."""
        self._bounded(self._connect, seconds)

    def version(self, seconds: float) -> str:
        """Version of Milvus, as it says."""
        return str(self._bounded(lambda client, left: client.get_server_version(timeout=left), seconds))

    def write_and_search(self, collection: str, seconds: float) -> Found:
        """Create a collection, fill it, and search for one of its rows.

        The vectors stand at right angles to each other, so the nearest neighbour of each is itself alone.

        Raises:
            WrongAnswer: another row came back, or none.
        """
        write_and_search = proof_collection.write_and_search
        found = self._bounded(lambda client, left: write_and_search(client, collection, max(1, int(left))), seconds)
        self._clock_ahead_seconds = self._read_clock(collection, found.inserted_at) - found.inserted_at
        return found

    def collections(self, seconds: float) -> list[str]:
        """Names of all collections that the user may see."""
        return list(self._bounded(lambda client, left: client.list_collections(timeout=left), seconds))

    def search_for(self, lasting_seconds: float, collection: str, seconds: float) -> None:
        """One search that Milvus answers only after `lasting_seconds`, never repeated when it is cut.

        Milvus holds a search until it has seen everything up to its guarantee timestamp, here one that lies ahead
        (2.3.5 does, measured to 40 s). It is reckoned by Milvus' clock as of the last insert here, not by ours.
        """
        at = time.time() + self._clock_ahead_seconds + lasting_seconds
        self._bounded(
            lambda client, _left: client.search(
                collection,
                [proof_collection.basis_vector(0)],
                limit=1,
                consistency_level="Customized",
                guarantee_timestamp=math.ceil(at * 1000 + 1) << _LOGICAL_BITS,  # both stamps are cut to milliseconds
                # Given a time-out, pymilvus tries again within it, and a call that was cut would be hidden.
                retry_times=0,
            ),
            seconds,
        )

    def drop(self, collection: str, seconds: float) -> None:
        """Drop a collection, on a new connection if the first was given up; one that does not exist is no error."""
        until = time.monotonic() + seconds
        if self._client is None:
            self._bounded(self._connect, seconds / 2)
        left = max(1.0, until - time.monotonic())
        self._bounded(lambda client, seconds: client.drop_collection(collection, timeout=max(1, int(seconds))), left)

    def close(self) -> None:
        """End the connection, and with it every call under way."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _read_clock(self, collection: str, ours: float) -> float:
        """Milvus' clock when it took the last insert, as Unix time; `ours` when it did not tell."""
        from pymilvus.client import ts_utils

        stamp = ts_utils.get_collection_ts(collection, urlsplit(str(self.arguments["uri"])).netloc)
        return float((stamp >> _LOGICAL_BITS) / 1000) if stamp else ours

    def _connect(self, _client: Any, seconds: float) -> None:
        self._client = load().MilvusClient(**self.arguments, timeout=seconds, dedicated=True)

    def _bounded(self, work: Callable[[Any, float], T], seconds: float) -> T:
        """Run `work(client, seconds)` for no longer than that; a client that took longer is closed."""
        client = self._client  # the thread keeps to this one, even when it is given up and replaced
        return in_time(lambda: work(client, seconds), seconds, give_up=self.close)


def in_time(work: Callable[[], T], seconds: float, give_up: Callable[[], None] = lambda: None) -> T:
    """What `work` returns or raises, in a thread of its own that may be left behind.

    Raises:
        Timeout: it took longer; `give_up` was called.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, name="milvus-proof", daemon=True)
    thread.start()
    thread.join(seconds + 0.5)  # pymilvus' own time-out tells more, so it goes first
    if thread.is_alive():
        give_up()
        raise Timeout(f"no answer within {seconds:.0f} s")
    if errors:
        raise errors[0]
    return results[0]


@contextlib.contextmanager
def client(uri: str, *, trust: bytes | None, server_name: str, credentials: tuple[str, str] | None) -> Iterator[Client]:
    """A client that is closed afterwards, with its trust in a file that only we may read, removed afterwards."""
    with contextlib.ExitStack() as stack:
        pem = ""
        if trust is not None:
            handle, pem = tempfile.mkstemp(suffix=".pem")  # 0600; pymilvus reads it again when it reconnects
            stack.callback(Path(pem).unlink, missing_ok=True)
            with os.fdopen(handle, "wb") as file:
                file.write(trust)
        stack.enter_context(_quiet())
        made = Client(uri, pem=pem, server_name=server_name, credentials=credentials)
        stack.callback(made.close)
        yield made


def rpc_error(error: BaseException) -> tuple[str, str]:
    """Status and text of the gRPC error under what pymilvus raised; status "" when Milvus itself refused."""
    import grpc

    for cause in _chain(error):
        if isinstance(cause, grpc.RpcError) and hasattr(cause, "code"):
            return str(cause.code().name), str(cause.details() or "")
    if isinstance(error, Timeout):
        return "DEADLINE_EXCEEDED", str(error)
    return "", str(getattr(error, "message", "") or error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came of, each once: pymilvus raises some from themselves.

    When it cannot reconnect after a failed call, the call's error is but the context of what it raises.
    """
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ if cause.__cause__ not in (None, cause) else cause.__context__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep pymilvus' tracebacks off the terminal; what they have to say is in the error."""
    logger = logging.getLogger("pymilvus")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
