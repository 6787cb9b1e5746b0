"""Google credentials whose tokens may die without anybody noticing.

google-auth by itself renews a token at every request of its last 225 s, in every thread at once, and gives up a token
that is still good when the token endpoint does not answer for a moment. Here one thread renews for all when the last
quarter of the token's life begins, and goes on with the old token while that is good. A token that was refused before
its time is renewed once for all the requests that it failed.

Regional access boundaries are not looked up at iamcredentials.googleapis.com, as google-auth does beside a service
account's requests: an optional hint, and one more host to depend on.

To be imported by `imports.load`: google-auth comes with it.
"""

import datetime as dt
import threading
import time
from typing import Any

from google.auth import credentials
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.requests import Request

_EARLY_SECONDS, _EARLY_SHARE = 225.0, 0.25
"""A token is renewed so long before its end: google-auth's REFRESH_THRESHOLD, but no more than a share of its life.

The metadata servers of Compute Engine and GKE give the same token again until some four minutes before its end."""

_TIMEOUT_SECONDS = 20.0
"""Of one request for a token; google-auth's own 120 s would hold up every wait."""


class Credentials(credentials.Credentials):
    """The tokens of `source`, renewed by another rule; safe to use from every thread."""

    def __init__(self, source: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._source = source
        self._lock = threading.RLock()
        self._renew_at = self._dead_at = 0.0  # of time.monotonic, since the wall clock may be set
        self._thread = threading.local()
        self._transport = _Transport()

    @property
    def universe_domain(self) -> str:
        """That of `source`."""
        return str(self._source.universe_domain)

    @property
    def quota_project_id(self) -> str | None:
        """That of `source`."""
        found: str | None = self._source.quota_project_id
        return found

    def before_request(self, request: Any, method: str, url: str, headers: Any) -> None:
        """Put a token of this moment into the headers, and remember for this thread which one it is."""
        del request, method, url
        with self._lock:
            self.ready()
            self._thread.sent = self.token
            self.apply(headers)

    def apply(self, headers: Any, token: str | None = None) -> None:
        """Write the headers as `source` does, its quota project among them."""
        self._source.apply(headers, token)

    def refresh(self, request: Any) -> None:
        """Renew after a refusal, unless another thread has done so since this one sent its request."""
        del request
        self.replace(getattr(self._thread, "sent", None))

    def replace(self, refused: str | None) -> None:
        """Renew if `refused` is still the token.

        Raises:
            TransportError: the token endpoint does not answer, or says that it cannot now.
            RefreshError: it refuses.
        """
        with self._lock:
            if self.token in (None, refused):
                self._renew()

    def ready(self, seconds: float = 0.0) -> None:
        """Renew if there is no token, its end is near, or nearer than `seconds`.

        Raises:
            TransportError, RefreshError: as `replace`, if there is no token that is still good.
        """
        with self._lock:
            now = time.monotonic()
            if self.token is not None and now < self._renew_at and now + seconds < self._dead_at:
                return
            try:
                self._renew()
            except TransportError:
                if self.token is None or now >= self._dead_at:
                    raise

    def _renew(self) -> None:
        try:
            self._source.refresh(self._transport)
        except RefreshError as error:
            # A metadata server that does not answer comes as a RefreshError around the TransportError.
            if error.retryable or isinstance(error.__cause__, TransportError):
                raise TransportError(str(error)) from error  # type: ignore[no-untyped-call]
            raise
        self.token, self.expiry = self._source.token, self._source.expiry
        left = (self.expiry - _now()).total_seconds() if self.expiry else float("inf")
        self._dead_at = time.monotonic() + left
        self._renew_at = self._dead_at - min(_EARLY_SECONDS, left * _EARLY_SHARE)


def _now() -> dt.datetime:
    """The time as google-auth's `expiry` has it: UTC, without saying so."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


class _Transport(Request):
    """Requests for tokens, with a time limit of ours."""

    def __call__(
        self,
        url: Any,
        method: Any = "GET",
        body: Any = None,
        headers: Any = None,
        timeout: Any = _TIMEOUT_SECONDS,
        **more: Any,
    ) -> Any:
        return super().__call__(url, method, body, headers, timeout, **more)  # type: ignore[no-untyped-call]
