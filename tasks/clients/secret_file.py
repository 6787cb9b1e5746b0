"""Secrets of webhooks out of a file, as a mounted Kubernetes Secret is one; read anew each time, so they can rotate."""

import stat
from pathlib import Path

from tasks.core import webhooks
from tasks.core.errors import ConfigurationError

_MAX_BYTES = 64 * 1024


def keys(path: str, setting: str) -> list[bytes]:
    """Keys in the file, one per line; empty lines and lines with `#` in front do not count.

    Args:
        path: of the file.
        setting: name of the variable that named it, for the error.

    Raises:
        ConfigurationError: it cannot be read, others may read it, or a key is unfit. Nothing of it is quoted.
    """
    resource, file = f"{setting}={path}", Path(path)
    make = f"Make one: python -m deployments.tickets new-secret {path}"
    try:
        mode = file.stat().st_mode
        text = file.read_text("ascii") if stat.S_ISREG(mode) else ""
    except OSError as error:
        raise ConfigurationError(resource, f"cannot be read: {error.strerror}", make) from None
    except ValueError:
        raise ConfigurationError(resource, "is not text of ASCII characters", make) from None
    if not stat.S_ISREG(mode) or len(text) > _MAX_BYTES:
        raise ConfigurationError(resource, "is no small regular file", make)
    # A group may read it: a non-root pod gets its mounted Secret by fsGroup.
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        observed = f"has mode {stat.S_IMODE(mode):04o}: others can read or change it"
        raise ConfigurationError(resource, observed, f"chmod 600 {path}")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    found: list[bytes] = []
    for number, line in lines:
        if line and not line.startswith("#"):
            try:
                found.append(webhooks.secret(line))
            except webhooks.SecretUnfit as error:
                raise ConfigurationError(resource, f"line {number} {error}", make) from None
    if not found:
        raise ConfigurationError(resource, "holds no secret", make)
    return found
