"""Who is who: bearer tokens and what RBAC, as far as the fault switches go, lets them do."""

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.faults import Faults

Object = dict[str, Any]

ANONYMOUS = "system:anonymous"
_OPEN_TO_ALL = ("/version", "/healthz", "/livez", "/readyz")
"""Paths anybody may read, as the ClusterRole system:public-info-viewer grants them."""


@dataclass(frozen=True)
class User:
    """Somebody with a token."""

    name: str
    uid: str
    groups: tuple[str, ...]


class Users:
    """Tokens of this sandbox; any name gets one, so that each client shows under its own.

    `outside` says whose token it is that is none of ours, as GKE's API server asks Google; empty: nobody's.
    """

    def __init__(self, faults: Faults, outside: Callable[[str], str] = lambda _token: "") -> None:
        self._faults, self._outside = faults, outside
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._users: dict[str, User] = {}

    def token(self, name: str) -> str:
        """That user's token, made at the first time of asking."""
        with self._lock:
            if name not in self._tokens:
                token = secrets.token_urlsafe(32)
                self._tokens[name] = token
                uid = str(uuid.uuid4())
                self._users[token] = User(name, uid, ("system:masters", "system:authenticated"))
            return self._tokens[name]

    def authenticate(self, authorization: str) -> User | None:
        """The user of an Authorization header; the anonymous one without any, None if the token is not known."""
        if not authorization:
            return User(ANONYMOUS, "", ("system:unauthenticated",))
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or self._faults.strike("kube-unauthorized") is not None:
            return None
        return self.by_token(token.strip())

    def by_token(self, token: str) -> User | None:
        if found := self._users.get(token):
            return found
        if name := self._outside(token):
            uid = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
            return User(name, uid, ("system:masters", "system:authenticated"))
        return None

    def may(self, user: User, verb: str, resource: str, *, path: str = "") -> bool:
        """Whether RBAC would allow this; asking uses up no strike of the switch."""
        if user.name == ANONYMOUS:
            return path in _OPEN_TO_ALL or path.startswith(("/livez/", "/readyz/", "/healthz/"))
        armed = self._faults.armed().get("kube-forbidden")
        return armed is None or not (
            armed["verb"] in ("*", "", verb)
            and armed["resource"] in ("*", "", resource)
            and armed["user"] in ("*", "", user.name)
        )

    def refuses(self, user: User, verb: str, resource: str) -> bool:
        """Whether this very request is refused; that is a strike of the switch."""
        if user.name == ANONYMOUS:
            return True
        return self._faults.strike("kube-forbidden", verb=verb, resource=resource, user=user.name) is not None
