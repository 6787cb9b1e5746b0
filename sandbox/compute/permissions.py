"""Permissions and the faults that take them away, or make the API refuse for other reasons."""

import re
from typing import Any

from sandbox.compute import errors
from sandbox.faults import Faults

_PERMISSION = re.compile(r"[a-zA-Z]+\.[a-zA-Z]+\.[a-zA-Z]+")
_MOST = 100


def strike(faults: Faults, method_id: str, http_method: str) -> None:
    """Refuse if the API is to be unavailable or over its rate.

    Both faults take a `method`: a method id such as `globalAddresses.insert` (or with `compute.` before it), its last
    word, or an HTTP method; empty means every call.
    """
    spellings = (f"compute.{method_id}", method_id, method_id.rpartition(".")[2], http_method)
    for spelling in spellings:
        if faults.strike("compute-unavailable", method=spelling):
            raise errors.unavailable()
        if faults.strike("rate-limited", method=spelling):
            raise errors.rate_limited()


def check(faults: Faults, permission: str, path: str) -> None:
    """Refuse a permission that a fault has taken away."""
    if faults.strike("compute-forbidden", permission=permission):
        raise errors.forbidden(permission, path)


def granted(faults: Faults, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of testIamPermissions: the subset that is granted, no key when nothing is.

    Raises:
        GoogleError: more than 100, a wildcard, or not a permission at all.
    """
    asked = body.get("permissions") or []
    if len(asked) > _MOST:
        raise errors.GoogleError(400, "badRequest", f"At most {_MOST} permissions can be tested at once.")
    for permission in asked:
        if not isinstance(permission, str) or not _PERMISSION.fullmatch(permission):
            message = f"Permission {permission} is not valid for this resource."
            raise errors.GoogleError(400, "badRequest", message)
    denied = faults.armed().get("compute-forbidden", {}).get("permission")
    subset = [permission for permission in asked if denied not in ("", "*", permission)]
    return {"permissions": subset} if subset else {}
