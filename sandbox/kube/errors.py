"""Refusals of the API server, as metav1.Status.

The texts and reasons are those of `k8s.io/apimachinery/pkg/api/errors`, since clients print and match them.
"""

from dataclasses import dataclass
from typing import Any, Self

from sandbox.kube.kinds import Kind


@dataclass(frozen=True)
class Cause:
    """One fault of an object: the field's path, the reason's word and the text without the path."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class StatusError(Exception):
    """A request that is refused; `body()` is what the client reads."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code, reason, message, details)
        self.code, self.reason, self.message, self.details = code, reason, message, details
        self.headers = headers or {}

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}

    @classmethod
    def not_found(cls, kind: Kind, name: str) -> Self:
        return cls(404, "NotFound", f'{kind.qualified} "{name}" not found', _about(kind, name))

    @classmethod
    def no_such_resource(cls) -> Self:
        return cls(404, "NotFound", "the server could not find the requested resource", {})

    @classmethod
    def already_exists(cls, kind: Kind, name: str) -> Self:
        return cls(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', _about(kind, name))

    @classmethod
    def conflict(cls, kind: Kind, name: str, why: str) -> Self:
        text = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
        return cls(409, "Conflict", text, _about(kind, name))

    @classmethod
    def stale(cls, kind: Kind, name: str) -> Self:
        return cls.conflict(
            kind, name, "the object has been modified; please apply your changes to the latest version and try again"
        )

    @classmethod
    def apply_conflict(cls, message: str, causes: list[Cause]) -> Self:
        return cls(409, "Conflict", message, {"causes": _causes(causes)})

    @classmethod
    def invalid(cls, kind: Kind, name: str, causes: list[Cause]) -> Self:
        texts = [str(cause) for cause in causes]
        listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
        details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": _causes(causes)}
        details = {key: value for key, value in details.items() if value}
        return cls(422, "Invalid", f'{qualified} "{name}" is invalid: {listed}', details)

    @classmethod
    def bad_request(cls, message: str) -> Self:
        return cls(400, "BadRequest", message)

    @classmethod
    def forbidden(cls, kind: Kind, name: str, why: str, causes: list[Cause] | None = None) -> Self:
        subject = f'{kind.qualified} "{name}" is' if name else f"{kind.qualified} is"
        details = _about(kind, name) | ({"causes": _causes(causes)} if causes else {})
        return cls(403, "Forbidden", f"{subject} forbidden: {why}", details)

    @classmethod
    def unauthorized(cls) -> Self:
        return cls(401, "Unauthorized", "Unauthorized")

    @classmethod
    def method_not_allowed(cls) -> Self:
        text = "the server does not allow this method on the requested resource"
        return cls(405, "MethodNotAllowed", text, {})

    @classmethod
    def unsupported_media_type(
        cls, accepted: str = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    ) -> Self:
        text = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        return cls(415, "UnsupportedMediaType", text)

    @classmethod
    def expired(cls, message: str) -> Self:
        return cls(410, "Expired", message)

    @classmethod
    def unavailable(cls) -> Self:
        text = "the server is currently unable to handle the request"
        return cls(503, "ServiceUnavailable", text, {"retryAfterSeconds": 1}, headers={"Retry-After": "1"})

    @classmethod
    def internal(cls, message: str) -> Self:
        """An error that kube-apiserver passes on without a reason of its own."""
        return cls(500, "", message)


def _about(kind: Kind, name: str) -> dict[str, Any]:
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in details.items() if value}


def _causes(causes: list[Cause]) -> list[dict[str, str]]:
    return [{"reason": each.reason, "message": each.message, "field": each.field} for each in causes]
