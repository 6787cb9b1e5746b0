"""What a request asks for: its path, query and headers as kube-apiserver's RequestInfo resolves them."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox.kube.errors import StatusError

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request; `resource` is empty for paths that are not of a resource, such as /version."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    accept: str = ""
    content_type: str = ""
    user: str = ""
    agent: str = ""
    raw: bytes = b""
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def verb(self) -> str:
        """The verb as RBAC knows it."""
        if self.method in _VERBS:
            return _VERBS[self.method]
        if self.method == "DELETE":
            return "delete" if self.name else "deletecollection"
        if self.name:
            return "get"
        return "watch" if self.flag("watch") else "list"

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")

    def number(self, name: str) -> int:
        """A number of the query, 0 if absent.

        Raises:
            StatusError: 400, it is none.
        """
        text = self.query.get(name, "")
        try:
            return int(text) if text else 0
        except ValueError:
            raise StatusError.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    @property
    def dry_run(self) -> bool:
        asked = self.query.get("dryRun", "")
        if asked not in ("", "All"):
            text = f'Unsupported value: "{asked}": supported values: "All"'
            raise StatusError(422, "Invalid", f' "" is invalid: dryRun: {text}', {})
        return asked == "All"

    @property
    def manager(self) -> str:
        """Who is written down in managedFields: the client's word, else the start of its user agent."""
        return self.query.get("fieldManager") or self.agent.partition("/")[0][:128] or "unknown"

    def accepts(self, kind: str) -> bool:
        """Whether the client asks for another form, such as Table, before plain JSON."""
        for part in self.accept.split(","):
            if f"as={kind};" in f"{part.strip()};":
                return True
            if part.strip() in ("application/json", "*/*"):
                return False
        return False


def parse(method: str, path: str, query: str, headers: dict[str, str], user: str, raw: bytes) -> Request:
    common: dict[str, Any] = {
        "method": method,
        "path": path,
        "query": dict(parse_qsl(query, keep_blank_values=True)),
        "accept": headers.get("accept", ""),
        "content_type": headers.get("content-type", ""),
        "agent": headers.get("user-agent", ""),
        "user": user,
        "raw": raw,
    }
    found = re.match(r"^/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))/(?P<rest>.+?)/?$", path)
    if found is None:
        return Request(**common)
    steps = found["rest"].split("/")
    namespace = ""
    if steps[0] == "namespaces" and len(steps) > 2 and not (steps[2] in ("status", "finalize") and found["core"]):
        namespace, steps = steps[1], steps[2:]
    resource, name, subresource = (*steps, "", "")[:3]
    return Request(
        **common,
        group=found["group"] or "",
        version=found["core"] or found["version"],
        resource=resource,
        namespace=namespace,
        name=name,
        subresource=subresource,
    )
