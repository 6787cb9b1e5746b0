"""A request and its reply, free of any HTTP library, so that a batch can carry many of them."""

import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.compute.errors import GoogleError


@dataclass(frozen=True)
class Request:
    """An authenticated call."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    user: str

    def json(self) -> dict[str, Any]:
        """The body as an object; an empty body is an empty object.

        Raises:
            GoogleError: not JSON, or not an object.
        """
        try:
            parsed = json.loads(self.body or b"{}")
        except ValueError:
            raise GoogleError(400, "parseError", "Parse Error") from None
        if not isinstance(parsed, dict):
            raise GoogleError(400, "parseError", "Parse Error")
        return parsed


@dataclass(frozen=True)
class Reply:
    """A status and a JSON body; None is an empty body."""

    body: Any
    status: int = 200
    verb: str = "read"
    """How the call counts: get, list, create, update, patch, delete, or read for all else that changes nothing."""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(error: GoogleError) -> Reply:
    return Reply(error.body(), error.status)
