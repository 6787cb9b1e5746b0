"""Files that only their owner may read."""

import os
from pathlib import Path


def write_secret(path: Path, text: str) -> None:
    """Write a file with mode 0600 from its first byte on, in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)
