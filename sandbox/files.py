"""Files that only their owner may read, and the lock of a sandbox's folder."""

import fcntl
import os
from pathlib import Path
from typing import TextIO


def write_secret(path: Path, text: str) -> None:
    """Write a file with mode 0600 from its first byte on, in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def lock_of(directory: Path) -> TextIO | None:
    """Take the lock of a sandbox's folder, None when a running sandbox has it; the kernel frees it with its process."""
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
