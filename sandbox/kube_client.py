"""A thin client of the Kubernetes API: JSON in, JSON out, errors as exceptions, list and watch.

It knows paths, not kinds, and works against any API server. Sources: Kubernetes API concepts (resourceVersion, 410,
bookmarks), client-go tools/cache/reflector.go, client-go rest/request.go and rest/with_retry.go (Retry-After).

    KubeError
    ├── ApiError          the server refused; `status`, `reason`, `message` and the Status body say why
    └── ApiUnreachable    no answer: connection lost, refused or timed out
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from sandbox import kubeconfig
from sandbox.streams import StoppableStream

logger = logging.getLogger(__name__)

Json = dict[str, Any]
Handler = Callable[[str, Json | None, Json | None], None]
"""Called with ADDED, MODIFIED or DELETED, the object before and the object after."""

_REQUEST_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_PAGE_SIZE = 500
_WATCH_SECONDS = (240, 300)
"""The server ends a watch after a time drawn from this range, so that many watches do not restart together."""
_RELIST_SECONDS = (0.2, 10.0)
"""First and longest pause before a failed list is tried again."""
_ATTEMPTS = 10
"""How often a request is sent that the server puts off (client-go rest/request.go, maxRetries)."""
_LONGEST_WAIT_SECONDS = 30.0


class KubeError(Exception):
    """A request to the API server did not succeed."""


class ApiUnreachable(KubeError):
    """No answer came back."""


class ApiError(KubeError):
    """The API server's refusal."""

    def __init__(self, status: int, reason: str, message: str, body: Json) -> None:
        super().__init__(status, reason, message, body)
        self.status, self.reason, self.message, self.body = status, reason, message, body

    def __str__(self) -> str:
        return self.message


class KubeClient:
    """One user's connections to one API server; safe to share between threads."""

    def __init__(self, access: kubeconfig.Access, *, user_agent: str) -> None:
        headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if access.token:
            headers["Authorization"] = f"Bearer {access.token}"
        self._extensions: Json = {"sni_hostname": access.server_name} if access.server_name else {}
        self._http = httpx.Client(
            base_url=access.server,
            headers=headers,
            verify=access.tls,
            timeout=_REQUEST_TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=60.0),
            trust_env=False,
        )

    @classmethod
    def from_kubeconfig(cls, source: Path | str | Json, *, user_agent: str) -> Self:
        return cls(kubeconfig.read(source), user_agent=user_agent)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Json:
        return self._request("GET", path)

    def find(self, path: str) -> Json | None:
        """Like `get`, but None when there is no such object."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def list(self, path: str, **parameters: str) -> Json:
        """Every page of a list as one."""
        query: dict[str, str | int] = {"limit": _PAGE_SIZE, **parameters}
        whole = self._request("GET", f"{path}?{urlencode(query)}")
        while token := (whole.get("metadata") or {}).get("continue"):
            page = self._request("GET", f"{path}?{urlencode(query | {'continue': token})}")
            whole["items"] = (whole.get("items") or []) + (page.get("items") or [])
            whole["metadata"] = page.get("metadata") or {}
        whole["items"] = whole.get("items") or []
        return whole

    def create(self, path: str, body: Json) -> Json:
        return self._request("POST", path, body, "application/json")

    def replace(self, path: str, body: Json) -> Json:
        return self._request("PUT", path, body, "application/json")

    def merge_patch(self, path: str, body: Json) -> Json:
        return self._request("PATCH", path, body, "application/merge-patch+json")

    def strategic_merge_patch(self, path: str, body: Json) -> Json:
        """Lists with a merge key, such as a pod's conditions, are merged entry by entry; built-in kinds only."""
        return self._request("PATCH", path, body, "application/strategic-merge-patch+json")

    def apply(self, path: str, body: Json, field_manager: str, *, force: bool = True) -> Json:
        query = urlencode({"fieldManager": field_manager, "force": str(force).lower()})
        return self._request("PATCH", f"{path}?{query}", body, "application/apply-patch+yaml")

    def delete(self, path: str) -> Json:
        return self._request("DELETE", path)

    def watch(
        self,
        path: str,
        resource_version: str,
        *,
        seconds: int = _WATCH_SECONDS[1],
        holder: StoppableStream | None = None,
    ) -> Iterator[Json]:
        """Changes after `resource_version` until the server ends the watch after `seconds`; bookmarks included.

        Raises:
            ApiError: 410 when the version is too old; whatever else the server refuses.
            ApiUnreachable: the connection broke.
        """
        query = urlencode(
            {
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": resource_version,
                "timeoutSeconds": seconds,
            }
        )
        timeout = httpx.Timeout(30.0, connect=5.0, read=seconds + 30.0)
        holder = holder or StoppableStream()
        try:
            with self._http.stream("GET", f"{path}?{query}", timeout=timeout, extensions=self._extensions) as response:
                holder.hold(response)
                if response.is_error:
                    response.read()
                    raise _error(response)
                for line in response.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _status_error(event["object"])
                    yield event
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:
            raise ApiUnreachable(f"watch {path}: {error}") from error
        finally:
            holder.release()

    def _request(self, method: str, path: str, body: Json | None = None, content_type: str | None = None) -> Json:
        content = None if body is None else json.dumps(body)
        for attempt in range(1, _ATTEMPTS + 1):
            response = self._send(method, path, content, content_type)
            wait_seconds = _retry_after(response)
            if wait_seconds is None or attempt == _ATTEMPTS:
                break
            time.sleep(wait_seconds)
        if response.is_error:
            raise _error(response)
        answer: Json = response.json()
        return answer

    def _send(self, method: str, path: str, content: str | None, content_type: str | None) -> httpx.Response:
        headers = {"Content-Type": content_type} if content_type else None
        try:
            return self._http.request(method, path, content=content, headers=headers, extensions=self._extensions)
        except httpx.HTTPError as error:
            raise ApiUnreachable(f"{method} {path}: {error or type(error).__name__}") from error


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that a busy or starting server wants us to wait; None when the answer is final."""
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS and not response.is_server_error:
        return None
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_WAIT_SECONDS) if text.isdigit() else None


def _error(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and body.get("kind") == "Status":
        return _status_error(body | {"code": body.get("code") or response.status_code})
    return ApiError(response.status_code, "", response.text[:500] or response.reason_phrase, {})


def _status_error(status: Json) -> ApiError:
    return ApiError(int(status.get("code") or 500), status.get("reason") or "", status.get("message") or "", status)


class Informer:
    """A collection's objects, kept current by list and watch in one thread.

    Handlers run in that thread, in the order of the changes: they should only take note. The store holds the server's
    own objects; whoever wants to change one copies it first.
    """

    def __init__(self, client: KubeClient, path: str, *, watch_seconds: tuple[int, int] = _WATCH_SECONDS) -> None:
        self.path = path
        self._client, self._watch_seconds = client, watch_seconds
        self._handlers: list[Handler] = []
        self._objects: dict[str, Json] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._stream = StoppableStream()
        self.synced = threading.Event()
        """Set after the first complete list has reached store and handlers."""
        self._thread = threading.Thread(target=self._run, name=f"informer {path}", daemon=True)

    def add_handler(self, handler: Handler) -> None:
        """To be called before `start`."""
        self._handlers.append(handler)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._stream.stop()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def get(self, key: str) -> Json | None:
        """The object of that `namespace/name` (`name` alone if cluster-scoped)."""
        with self._lock:
            return self._objects.get(key)

    def items(self) -> list[Json]:
        with self._lock:
            return list(self._objects.values())

    def _run(self) -> None:
        pause = _RELIST_SECONDS[0]
        while not self._stopping.is_set():
            try:
                version = self._list()
                pause = _RELIST_SECONDS[0]
                self._follow(version)
            except KubeError as error:
                if self._stopping.is_set():
                    return
                logger.debug("list and watch of %s: %s", self.path, error)
                self._stopping.wait(pause)
                pause = min(pause * 2, _RELIST_SECONDS[1])
            except Exception:
                logger.exception("informer of %s", self.path)
                self._stopping.wait(_RELIST_SECONDS[1])

    def _list(self) -> str:
        """Bring the store to the server's present state."""
        answer = self._client.list(self.path)
        kind, api_version = str(answer.get("kind", "")).removesuffix("List"), answer.get("apiVersion")
        fresh: dict[str, Json] = {}
        for item in answer["items"]:
            # Items of a list come without their type.
            item.setdefault("kind", kind)
            item.setdefault("apiVersion", api_version)
            fresh[key_of(item)] = item
        for key in self._objects.keys() - fresh.keys():
            self._change("DELETED", key, None)
        for key, item in fresh.items():
            self._change("MODIFIED", key, item)
        self.synced.set()
        return str(answer["metadata"].get("resourceVersion", ""))

    def _follow(self, version: str) -> None:
        """Follow changes until the server wants a new list."""
        while not self._stopping.is_set():
            try:
                seconds = random.randint(*self._watch_seconds)  # noqa: S311 spreads load, protects nothing
                for event in self._client.watch(self.path, version, seconds=seconds, holder=self._stream):
                    item = event["object"]
                    version = item["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._change(event["type"], key_of(item), item)
            except ApiError as error:
                if error.status == httpx.codes.GONE:
                    return
                raise

    def _change(self, kind: str, key: str, item: Json | None) -> None:
        with self._lock:
            old = self._objects.get(key)
            if kind == "DELETED":
                self._objects.pop(key, None)
            elif item is not None:
                if old is not None and _version(old) == _version(item):
                    return
                self._objects[key] = item
        if kind == "DELETED":
            self._notify(kind, item or old, None)
        else:
            self._notify("MODIFIED" if old else "ADDED", old, item)

    def _notify(self, kind: str, old: Json | None, new: Json | None) -> None:
        for handler in self._handlers:
            try:
                handler(kind, old, new)
            except Exception:
                # One handler's mistake must not end the watch for the others.
                logger.exception("handler of %s", self.path)


def key_of(item: Json) -> str:
    """`namespace/name`, or `name` for a cluster-scoped object.

    >>> key_of({"metadata": {"name": "a", "namespace": "b"}})
    'b/a'
    """
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def _version(item: Json) -> tuple[Any, Any]:
    return item["metadata"].get("uid"), item["metadata"].get("resourceVersion")
