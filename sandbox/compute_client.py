"""A thin client of the Compute Engine REST API: JSON in, JSON out, operations waited for.

Errors read as Google's own Go client prints them, since controllers put that text into their events. Sources:
google-api-go-client googleapi/googleapi.go (Error.Error), k8s-cloud-provider pkg/cloud/op.go (operation errors).
Simpler than there: operations are waited for by `wait`, where ingress-gce polls once a second.

    GoogleApiError        the API's refusal, as `code`, `reason`, `message`
    └── OperationError    the request was taken, then its operation failed; `operation` has it
"""

import json
import time
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote, urlencode

import httpx

Json = dict[str, Any]
Version = Literal["v1", "beta"]

_TIMEOUT = httpx.Timeout(150.0, connect=5.0)
"""Longer than the two minutes for which `wait` may block."""
_PAGE_SIZE = 500


class GoogleApiError(Exception):
    """What the API answered instead of a result; `code` is the HTTP status, 0 when nothing came back."""

    def __init__(self, code: int, message: str, errors: list[Json], body: str = "") -> None:
        super().__init__(code, message, errors, body)
        self.code, self.message, self.errors, self.body = code, message, errors, body

    @property
    def reason(self) -> str:
        """The first error's reason, such as quotaExceeded; empty if there is none."""
        return str(self.errors[0].get("reason", "")) if self.errors else ""

    @property
    def is_in_use(self) -> bool:
        """Something else still uses the resource (ingress-gce utils.IsInUsedByError)."""
        return self.code == httpx.codes.BAD_REQUEST and "being used by" in self.message

    def __str__(self) -> str:
        if not self.errors and not self.message:
            return f"googleapi: got HTTP response code {self.code} with body: {self.body}"
        text = f"googleapi: Error {self.code}: {self.message}"
        if not self.errors:
            return text.strip()
        if len(self.errors) == 1 and self.errors[0].get("message") == self.message:
            return f"{text}, {self.reason}"
        details = "".join(f"Reason: {e.get('reason', '')}, Message: {e.get('message', '')}\n" for e in self.errors)
        return f"{text}\nMore details:\n{details}"


class OperationError(GoogleApiError):
    """An operation that ended with an error."""

    def __init__(self, operation: Json) -> None:
        first: Json = (operation.get("error") or {}).get("errors", [{}])[0]
        message = f"{first.get('code', '')} - {first.get('message', '')}"
        super().__init__(int(operation.get("httpErrorStatusCode") or 0), message, [])
        self.operation = operation


class ComputeClient:
    """One project's resources; paths are relative to the project, as in `global/urlMaps/x`."""

    def __init__(self, base_url: str, token: str | Callable[[], str], project: str, *, user_agent: str = "") -> None:
        self.project = project
        self._token = token
        self._http = httpx.Client(
            base_url=base_url,
            headers={"User-Agent": user_agent} if user_agent else None,
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=4, keepalive_expiry=60.0),
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, *, version: Version = "v1") -> Json:
        return self._request("GET", path, version=version)

    def find(self, path: str, *, version: Version = "v1") -> Json | None:
        """Like `get`, but None when there is no such resource."""
        try:
            return self.get(path, version=version)
        except GoogleApiError as error:
            if error.code == httpx.codes.NOT_FOUND:
                return None
            raise

    def list(self, path: str, *, version: Version = "v1") -> list[Json]:
        """Every resource of a collection."""
        items: list[Json] = []
        query: dict[str, str | int] = {"maxResults": _PAGE_SIZE}
        while True:
            page = self._request("GET", f"{path}?{urlencode(query)}", version=version)
            items += page.get("items") or []
            if not page.get("nextPageToken"):
                return items
            query["pageToken"] = page["nextPageToken"]

    def insert(self, path: str, body: Json, *, version: Version = "v1") -> Json:
        return self._change("POST", path, body, version)

    def call(self, path: str, body: Json, *, version: Version = "v1") -> Json:
        """A custom method that changes something, such as `targetHttpsProxies/x/setUrlMap`."""
        return self._change("POST", path, body, version)

    def ask(self, path: str, body: Json, *, version: Version = "v1") -> Json:
        """A custom method that only reads, such as `global/backendServices/x/getHealth`."""
        return self._request("POST", path, body, version=version)

    def update(self, path: str, body: Json, *, version: Version = "v1") -> Json:
        return self._change("PUT", path, body, version)

    def patch(self, path: str, body: Json, *, version: Version = "v1") -> Json:
        return self._change("PATCH", path, body, version)

    def delete(self, path: str, *, version: Version = "v1") -> Json:
        return self._change("DELETE", path, None, version)

    def start(self, method: str, path: str, body: Json | None = None, *, version: Version = "v1") -> Json:
        """Begin a change and return its operation without waiting."""
        return self._request(method, path, body, version=version)

    def wait(self, operation: Json, *, timeout_seconds: float | None = None, version: Version = "v1") -> Json:
        """The operation once it is done, or as it is at the deadline; its own error is not raised."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        zone = operation.get("zone")
        scope = f"zones/{zone.rsplit('/', 1)[-1]}" if zone else "global"
        path = f"{scope}/operations/{operation['name']}/wait"
        while operation.get("status") != "DONE":
            if deadline is not None and time.monotonic() >= deadline:
                return operation
            operation = self._request("POST", path, version=version)
        return operation

    def _change(self, method: str, path: str, body: Json | None, version: Version) -> Json:
        operation = self.wait(self._request(method, path, body, version=version), version=version)
        if operation.get("error"):
            raise OperationError(operation)
        return operation

    def _request(self, method: str, path: str, body: Json | None = None, *, version: Version) -> Json:
        token = self._token if isinstance(self._token, str) else self._token()
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if body else {})
        url = f"/compute/{version}/projects/{quote(self.project, safe=':.')}/{path}"
        try:
            content = json.dumps(body) if body is not None else None
            response = self._http.request(method, url, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise GoogleApiError(0, f"{method} {url}: {error or type(error).__name__}", []) from error
        if response.is_error:
            raise _error(response)
        answer: Json = response.json()
        return answer


def _error(response: httpx.Response) -> GoogleApiError:
    try:
        error = response.json()["error"]
        return GoogleApiError(
            int(error.get("code") or response.status_code), error["message"], error.get("errors") or []
        )
    except (ValueError, KeyError, TypeError):
        return GoogleApiError(response.status_code, "", [], response.text[:500])


def resource_path(url: str) -> str:
    """The part of a self-link that two hosts and two API versions have in common, without the project.

    >>> resource_path("https://www.googleapis.com/compute/v1/projects/p/global/urlMaps/x")
    'global/urlMaps/x'
    >>> resource_path("global/urlMaps/x")
    'global/urlMaps/x'
    """
    _, found, rest = url.partition("projects/")
    return rest.partition("/")[2] if found else url


def name_of(url: str) -> str:
    """The name at the end of a self-link."""
    return url.rsplit("/", 1)[-1]
