"""Signatures of webhooks, as Standard Webhooks 1.0 defines them, in both directions: signed by us, verified by us.

Signed is `id.timestamp.content` with HMAC-SHA256, so neither the id nor the time of a message can be changed. Several
secrets at once let one be replaced without a minute of refusal. Source: standard-webhooks/standard-webhooks, spec.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

TOLERANCE_SECONDS: Final = 300
"""How far a message's time may be from ours, either way: what the reference implementations use."""

SECRET_BYTES: Final = 24
"""Shortest secret that the specification allows."""

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # a prefix, not a secret

_VERSION = "v1"
_MAX_SIGNATURES = 16
_MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,12}")


class SecretUnfit(ValueError):
    """A secret is too short or no base64; the message never quotes it."""


class SignatureRefused(ValueError):
    """A message is unsigned, changed, too old, from the future, or signed with another secret."""


def secret(text: str) -> bytes:
    """Key in `whsec_<base64>`, with or without the prefix.

    Raises:
        SecretUnfit: see there.
    """
    try:
        key = base64.b64decode(text.strip().removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretUnfit(f"is not {SECRET_PREFIX} and base64") from None
    if len(key) < SECRET_BYTES:
        raise SecretUnfit(f"has {len(key)} bytes, at least {SECRET_BYTES} are needed")
    return key


def shown(key: bytes) -> str:
    """A key as the text that `secret` reads.

    >>> secret(shown(b"x" * 24)) == b"x" * 24
    True
    """
    return SECRET_PREFIX + base64.b64encode(key).decode()


def sign(keys: Sequence[bytes], message_id: str, moment: dt.datetime, content: bytes) -> dict[str, str]:
    """Headers of a message; one signature per key, so that the receiver may know either."""
    seconds = str(int(moment.timestamp()))
    signatures = (f"{_VERSION},{_mac(key, message_id, seconds, content)}" for key in keys)
    return {ID: message_id, TIMESTAMP: seconds, SIGNATURE: " ".join(signatures)}


def verify(keys: Sequence[bytes], headers: Mapping[str, str], content: bytes, now: dt.datetime) -> str:
    """Check a message and return its id.

    Args:
        keys: any of them may have signed.
        headers: with lower-case names, or a mapping that does not mind.
        content: exactly the bytes that were signed.
        now: the clock.

    Raises:
        SignatureRefused: see there; the message helps an honest sender and quotes nothing.
    """
    message_id, seconds, given = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if missing := [name for name in (ID, TIMESTAMP, SIGNATURE) if not headers.get(name)]:
        raise SignatureRefused(f"without {', '.join(missing)}")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise SignatureRefused(f"{ID} is not 1 to 256 visible ASCII characters")
    if not _SECONDS.fullmatch(seconds):
        raise SignatureRefused(f"{TIMESTAMP} is not in whole seconds since 1970")
    signatures = [part.partition(",")[2] for part in given.split(" ") if part.startswith(f"{_VERSION},")]
    if not any(
        _equal(_mac(key, message_id, seconds, content), one) for key in keys for one in signatures[:_MAX_SIGNATURES]
    ):
        raise SignatureRefused(f"no {_VERSION} signature in {SIGNATURE} is right")
    # Judged last: only a sender with the secret learns how our clock differs.
    age = now.timestamp() - int(seconds)
    if abs(age) > TOLERANCE_SECONDS:
        when = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s in the future"
        raise SignatureRefused(f"{TIMESTAMP} is {when}, at most {TOLERANCE_SECONDS} s are allowed: sign it anew")
    return message_id


def _mac(key: bytes, message_id: str, seconds: str, content: bytes) -> str:
    signed = b".".join((message_id.encode(), seconds.encode(), content))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _equal(right: str, given: str) -> bool:
    # Bytes, since compare_digest refuses text beyond ASCII.
    return hmac.compare_digest(right.encode(), given.encode("utf-8", "replace"))
