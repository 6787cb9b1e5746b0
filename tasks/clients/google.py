"""Application Default Credentials, and a session that carries them."""

import os
from functools import lru_cache
from typing import Any

from tasks.clients import imports, settings
from tasks.core.errors import AccessRefused, Unreachable

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOGIN = "Log in: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"


def _default() -> tuple[Any, str]:
    return _default_of(os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", ""))


@lru_cache(maxsize=8)
def _default_of(_file: str) -> tuple[Any, str]:
    for library in (
        "requests",
        "google.auth.transport.requests",
        "google.oauth2.credentials",
        "google.oauth2.service_account",
    ):
        imports.load(library)
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, project = google.auth.default(scopes=[_SCOPE])
    except GoogleAuthError as error:
        raise AccessRefused(
            resource="Application Default Credentials", observed=str(error)[:300], mend=_LOGIN, layer="compute"
        ) from error
    if settings.compute_endpoint():
        credentials = _speaking_to_nobody_else(credentials)
    return credentials, project or ""


def _speaking_to_nobody_else(source: Any) -> Any:
    """The same tokens, without what google-auth asks Google beside them.

    Service-account credentials look up their regional access boundary at iamcredentials.googleapis.com, which an
    emulator's account does not have; credentials with a refresh handler do not.
    """
    from google.oauth2.credentials import Credentials

    def renew(request: Any, scopes: Any) -> tuple[str, Any]:
        del scopes  # those of `source` apply
        source.refresh(request)
        return source.token, source.expiry

    return Credentials(token=None, refresh_handler=renew)  # type: ignore[no-untyped-call]


def credentials() -> Any:
    """Google credentials of this process.

    Raises:
        AccessRefused: there are none.
    """
    return _default()[0]


def project() -> str:
    """Project the credentials belong to; empty when they do not say."""
    return _default()[1]


def token() -> str:
    """A bearer token that is valid now, refreshed when it is not."""
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.auth.transport.requests import Request

    current = credentials()
    if not current.valid:
        try:
            current.refresh(Request())
        except TransportError as error:
            raise Unreachable("Google token endpoint", str(error)[:200], "Check the network and run again.") from error
        except GoogleAuthError as error:
            raise AccessRefused("Application Default Credentials", str(error)[:300], _LOGIN, "compute") from error
    return str(current.token)


def session() -> Any:
    """A requests session that authorises itself."""
    from google.auth.transport.requests import AuthorizedSession

    return AuthorizedSession(credentials())  # type: ignore[no-untyped-call]
