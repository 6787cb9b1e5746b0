"""Application Default Credentials, and a session that carries them."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tasks.clients import imports
from tasks.core.errors import AccessRefused, Unreachable

if TYPE_CHECKING:
    from tasks.clients.lasting import Credentials

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LOGIN = "Log in: gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"


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
            resource="Application Default Credentials", observed=str(error)[:300], mend=LOGIN, layer="compute"
        ) from error
    return imports.load("tasks.clients.lasting").Credentials(credentials), project or ""


def credentials() -> "Credentials":
    """Google credentials of this process.

    Raises:
        AccessRefused: there are none.
    """
    found: Credentials = _default()[0]
    return found


def project() -> str:
    """Project the credentials belong to; empty when they do not say."""
    return _default()[1]


def token(*, refused: str = "", seconds: float = 0.0) -> str:
    """A bearer token that is valid now.

    Args:
        refused: a token that a server did not accept; empty: none. It is renewed, if nobody has done that already.
        seconds: for so long it should be good, as far as the token endpoint allows.

    Raises:
        AccessRefused: the token endpoint refuses.
        Unreachable: it does not answer.
    """
    from google.auth.exceptions import GoogleAuthError, TransportError

    current = credentials()
    try:
        if refused:
            current.replace(refused)
        current.ready(seconds)
    except TransportError as error:
        raise Unreachable("Google token endpoint", str(error)[:200], "Check the network and run again.") from error
    except GoogleAuthError as error:
        raise AccessRefused("Application Default Credentials", str(error)[:300], LOGIN, "compute") from error
    return str(current.token)


def session() -> Any:
    """A requests session that authorises itself."""
    from google.auth.transport.requests import AuthorizedSession

    return AuthorizedSession(credentials())  # type: ignore[no-untyped-call]
