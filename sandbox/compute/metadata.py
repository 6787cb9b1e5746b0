"""The metadata server, from which programs on Google Cloud, and Pods with Workload Identity, have their tokens.

Clients are pointed here by GCE_METADATA_HOST and GCE_METADATA_IP. Source: google-auth compute_engine/_metadata.py;
"About VM metadata": without the header Metadata-Flavor a request is refused, and every answer carries it.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.compute.auth import Credentials

_FLAVOR = {"Metadata-Flavor": "Google"}
_ACCOUNT = "/computeMetadata/v1/instance/service-accounts/{account}"


class MetadataServer:
    """Routes of the metadata server; its one account is the service account."""

    def __init__(self, credentials: Credentials, project: str) -> None:
        self._credentials, self._project = credentials, project

    def routes(self) -> list[Route]:
        email = self._credentials.email
        account = {"aliases": ["default"], "email": email, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        return [
            Route("/", _guarded(lambda: PlainTextResponse("computeMetadata/\n", headers=_FLAVOR))),
            Route(f"{_ACCOUNT}/token", _guarded(self._token)),
            Route(f"{_ACCOUNT}/email", _guarded(lambda: PlainTextResponse(email, headers=_FLAVOR))),
            Route(f"{_ACCOUNT}/", _guarded(lambda: JSONResponse(account, headers=_FLAVOR))),
            Route(
                "/computeMetadata/v1/project/project-id",
                _guarded(lambda: PlainTextResponse(self._project, headers=_FLAVOR)),
            ),
            Route(
                "/computeMetadata/v1/universe/universe-domain",
                _guarded(lambda: PlainTextResponse("googleapis.com", headers=_FLAVOR)),
            ),
        ]

    def _token(self) -> Response:
        return JSONResponse(self._credentials.from_metadata(), headers=_FLAVOR)


def _guarded(answer: Callable[[], Response]) -> Callable[[Request], Response]:
    def guarded(request: Request) -> Response:
        if request.headers.get("metadata-flavor") != "Google":
            return PlainTextResponse("Missing Metadata-Flavor:Google header.", 403)
        return answer()

    return guarded
