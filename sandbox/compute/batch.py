"""Batches: many calls in one multipart/mixed request, as gcloud sends them (pure).

Each part is an `application/http` message; the reply has one part for each, its Content-ID with `response-` in front.
Source: Google's "Batching API requests"; apitools `base/py/batch.py`.
"""

import email.parser
import email.policy
import json
import uuid
from dataclasses import dataclass

from sandbox.compute.errors import GoogleError
from sandbox.compute.messages import Reply

_PHRASES = {200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True)
class Part:
    """One call of a batch."""

    content_id: str
    method: str
    target: str
    """Path and query, or a full URL."""
    headers: dict[str, str]
    body: bytes


def parts(content_type: str, body: bytes) -> list[Part]:
    """Take a batch request apart.

    Raises:
        GoogleError: it is not multipart, or a part is not an HTTP request.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise GoogleError(400, "badRequest", "Failed to parse batch request, error: not multipart.")
    found = []
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found.append(_part(str(part.get("Content-ID", "")), payload))
    return found


def _part(content_id: str, payload: bytes) -> Part:
    request_line, _, rest = payload.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n")
    head, _, body = rest.partition(b"\n\n")
    words = request_line.decode().split()
    if len(words) < 2:
        raise GoogleError(400, "badRequest", "Failed to parse batch request, error: no request line.")
    lines = [line.partition(":") for line in head.decode().split("\n") if ":" in line]
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    return Part(content_id, words[0], words[1], headers, body.strip())


def reply(answers: list[tuple[Part, Reply]]) -> tuple[str, bytes]:
    """Put the answers together; return the content type and the body."""
    boundary = f"batch_{uuid.uuid4().hex}"
    chunks = []
    for part, answer in answers:
        body = "" if answer.body is None else json.dumps(answer.body)
        content_id = part.content_id.replace("<", "<response-", 1)
        chunks.append(
            f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: {content_id}\r\n\r\n"
            f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, 'Error')}\r\n"
            f"Content-Type: application/json; charset=UTF-8\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}\r\n"
        )
    chunks.append(f"--{boundary}--\r\n")
    return f"multipart/mixed; boundary={boundary}", "".join(chunks).encode()
