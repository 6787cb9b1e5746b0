"""Errors of the Compute API, in the shape and words of the real one.

The same failure has two faces: synchronous, as an HTTP reply with a camelCase reason; or inside a finished operation,
as an UPPER_SNAKE code. Source: Google's Compute error catalogue; wording from issue reports of ingress-gce and the
Terraform provider.
"""

import re
from typing import Any

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}

_OPERATION_CODES = {
    "notFound": "RESOURCE_NOT_FOUND",
    "alreadyExists": "RESOURCE_ALREADY_EXISTS",
    "invalid": "INVALID_FIELD_VALUE",
    "conditionNotMet": "CONDITION_NOT_MET",
}


class GoogleError(Exception):
    """A refusal: HTTP status, machine-readable reason, text for people."""

    def __init__(self, status: int, reason: str, message: str, *, domain: str = "global", **more: Any) -> None:
        super().__init__(status, reason, message)
        self.status, self.reason, self.message, self.domain, self.more = status, reason, message, domain, more

    def body(self) -> dict[str, Any]:
        """The JSON of a synchronous error reply."""
        more = {key: value for key, value in self.more.items() if key != "errorDetails"}  # only operations show these
        detail = {"message": self.message, "domain": self.domain, "reason": self.reason} | more
        error: dict[str, Any] = {"code": self.status, "message": self.message, "errors": [detail]}
        # Compute says `status` on newer errors only; clients must live with both, and quota errors never had it.
        if self.status in (401, 503):
            error["status"] = _STATUS[self.status]
        return {"error": error}

    def operation_code(self) -> str:
        """The code of the same failure when an operation reports it.

        >>> GoogleError(400, "resourceInUseByAnotherResource", "").operation_code()
        'RESOURCE_IN_USE_BY_ANOTHER_RESOURCE'
        """
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", self.reason).upper()
        return _OPERATION_CODES.get(self.reason, snake)


def not_found(path: str) -> GoogleError:
    return GoogleError(404, "notFound", f"The resource '{path}' was not found")


def no_such_url() -> GoogleError:
    return GoogleError(404, "notFound", "The requested URL was not found on this server.")


def already_exists(path: str) -> GoogleError:
    return GoogleError(409, "alreadyExists", f"The resource '{path}' already exists")


def not_ready(path: str) -> GoogleError:
    return GoogleError(400, "resourceNotReady", f"The resource '{path}' is not ready")


def in_use(noun: str, path: str, by: str) -> GoogleError:
    message = f"The {noun} resource '{path}' is already being used by '{by}'"
    return GoogleError(400, "resourceInUseByAnotherResource", message)


def invalid(field: str, value: object, why: str, *, prefix: str = "resource.") -> GoogleError:
    return GoogleError(400, "invalid", f"Invalid value for field '{prefix}{field}': '{value}'. {why}")


def required(field: str) -> GoogleError:
    return GoogleError(400, "required", f"Required field '{field}' not specified")


def forbidden(permission: str, path: str) -> GoogleError:
    return GoogleError(403, "forbidden", f"Required '{permission}' permission for '{path}'")


def quota_exceeded(metric: str, limit: float) -> GoogleError:
    # Two blanks, as Google prints it.
    return GoogleError(403, "quotaExceeded", f"Quota '{metric}' exceeded.  Limit: {float(limit)} globally.")


def rate_limited() -> GoogleError:
    return GoogleError(403, "rateLimitExceeded", "Rate Limit Exceeded", domain="usageLimits")


def unavailable() -> GoogleError:
    return GoogleError(503, "backendError", "The service is currently unavailable. Please try again in 30 seconds.")


def stale_fingerprint() -> GoogleError:
    return GoogleError(412, "conditionNotMet", "Invalid fingerprint.", location="If-Match", locationType="header")


def login_required() -> GoogleError:
    return GoogleError(401, "required", "Login Required.", location="Authorization", locationType="header")


def invalid_credentials() -> GoogleError:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return GoogleError(401, "authError", message, location="Authorization", locationType="header")
