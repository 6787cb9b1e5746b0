"""Who calls: bearer tokens of the sandbox and JWTs of its service account.

Accepted are (a) opaque access tokens handed out here, (b) JWTs the service account signed itself, which google-auth
sends to Compute instead of asking for a token, (c) tokens that `/token` gave for such a JWT (RFC 7523) or for a user's
refresh token (RFC 6749), and that the metadata server gave. Those of (c) fall to the faults `short-tokens` and
`token-revoked`.
"""

import base64
import json
import secrets
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.compute import errors
from sandbox.faults import Faults

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SKEW_SECONDS = 300
_GRANT_SECONDS = 3600.0
_CACHED_SHARE = 0.25
"""The metadata server gives the same token again until so much of its life is left, in Google's case some minutes."""


class Credentials:
    """Issues and recognises credentials; safe to use from every thread."""

    def __init__(self, project: str, faults: Faults | None = None, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._faults = clock, faults or Faults()
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._granted: list[str] = []
        self._metadata: tuple[str, float] = ("", 0.0)
        self._refresh_token = f"1//sandbox-{secrets.token_urlsafe(24)}"
        self._key: rsa.RSAPrivateKey | None = None
        self._key_id = secrets.token_hex(20)
        self._project = project
        self.email = f"sandbox@{project}.iam.gserviceaccount.com"

    def service_account(self, token_uri: str) -> dict[str, str]:
        """The JSON a service-account key file has."""
        with self._lock:
            # Made at the first use: it takes as long as everything else at the start together.
            self._key = key = self._key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": self._project,
            "private_key_id": self._key_id,
            "private_key": key_pem.decode(),
            "client_email": self.email,
            "client_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, self.email).int)[:21],
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }

    def authorized_user(self, token_uri: str) -> dict[str, str]:
        """The JSON that `gcloud auth application-default login` leaves; the user is the service account's."""
        return {
            "type": "authorized_user",
            "client_id": "sandbox.apps.googleusercontent.com",
            "client_secret": "sandbox",
            "refresh_token": self._refresh_token,
            "token_uri": token_uri,
        }

    def granted(self) -> list[str]:
        """Every token that was asked for, oldest first."""
        with self._lock:
            return list(self._granted)

    def access_token(self, user: str, lifetime_seconds: float) -> str:
        """Hand out an opaque bearer token."""
        token = f"ya29.sandbox-{secrets.token_urlsafe(32)}"
        with self._lock:
            self._tokens[token] = (user, self._clock() + lifetime_seconds)
        return token

    def user(self, authorization: str) -> str:
        """The user of an Authorization header.

        Raises:
            GoogleError: 401, nothing given, unknown, expired, or not signed by the service account.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise errors.login_required()
        if user := self.bearer(token):
            return user
        if token not in self._tokens and token.count(".") == 2 and self._signed(token):
            return self.email
        raise errors.invalid_credentials()

    def grant(self, form: bytes) -> tuple[int, dict[str, Any]]:
        """Answer the token endpoint: an access token for a JWT, or OAuth's own error."""
        given = dict(urllib.parse.parse_qsl(form.decode(errors="replace")))
        match given.get("grant_type"):
            case "refresh_token":
                if not secrets.compare_digest(given.get("refresh_token", ""), self._refresh_token):
                    return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            case kind if kind != _GRANT:
                return 400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}
            case _:
                if not self._signed(given.get("assertion", "")):
                    return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        seconds = self._lifetime()
        return 200, {"access_token": self._grant(seconds), "expires_in": int(seconds), "token_type": "Bearer"}

    def from_metadata(self) -> dict[str, Any]:
        """The token of the metadata server, kept there until its life comes to an end."""
        now, seconds, (token, until) = self._clock(), self._lifetime(), self._metadata
        if not now < until <= now + seconds or not self.bearer(token):
            token, until = self._grant(seconds), now + seconds * (1 - _CACHED_SHARE)
            self._metadata = token, until
        left = self._tokens[token][1] - now
        return {"access_token": token, "expires_in": max(0, int(left)), "token_type": "Bearer"}

    def _lifetime(self) -> float:
        return float((self._faults.strike("short-tokens") or {}).get("seconds", _GRANT_SECONDS))

    def _grant(self, seconds: float) -> str:
        token = self.access_token(self.email, seconds)
        with self._lock:
            self._granted.append(token)
        return token

    def bearer(self, token: str) -> str:
        """The user of an access token; empty when it is not known, has expired or was revoked."""
        with self._lock:
            user, expiry = self._tokens.get(token, ("", 0.0))
            if not user or expiry <= self._clock():
                return ""
            if token in self._granted and self._faults.strike("token-revoked") is not None:
                self._tokens[token] = user, 0.0
                return ""
        return user

    def _signed(self, jwt: str) -> bool:
        """Whether a JWT is of the service account, signed by its key, and valid now.

        The audience is not compared: google-auth names the genuine service or Google's token endpoint whatever
        address it was told to call.
        """
        key = self._key
        if key is None:
            return False  # nobody has the account's key yet
        try:
            header, payload, signature = jwt.split(".")
            algorithm = json.loads(_decoded(header))["alg"]
            claims = json.loads(_decoded(payload))
            key.public_key().verify(
                _decoded(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            now = self._clock()
            in_time = claims["iat"] - _SKEW_SECONDS <= now <= claims["exp"] + _SKEW_SECONDS
        except (ValueError, KeyError, TypeError, InvalidSignature):
            return False
        return bool(algorithm == "RS256" and in_time and claims.get("iss") == self.email)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
