"""The Milvus 2.3.5 that the pip package `milvus` carries, unpacked once per user.

The package holds its programs and libraries as lzma files (54 MiB, 245 MiB unpacked, about 4 s). Its own code unpacks
them into each data directory; here all servers of a user share one read-only folder below the cache directory.
"""

import fcntl
import importlib.util
import lzma
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

VERSION = "2.3.5"


def data_directory() -> Path:
    """Where the pip package keeps its files.

    Raises:
        ModuleNotFoundError: the extra `sandbox` is not installed.
    """
    # Not `import milvus`: that module opens files and loggers when it is imported.
    spec = importlib.util.find_spec("milvus")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package milvus is missing: pip install 'milvus-gke-l7[sandbox]'")
    return Path(spec.origin).parent / "data"


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "milvus-gke-l7" / f"milvus-{VERSION}"


def unpacked(target: Path | None = None) -> Path:
    """Return the folder with the program `milvus` and its libraries, unpacking it first if need be.

    Two callers at once are safe: one unpacks beside the target under a lock and renames, the other waits for it.
    """
    target = target or cache_directory()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f".{target.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                _unpack(target)
    return target


def _unpack(target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # somebody was killed here; the lock says nobody is at work
    partial.mkdir()
    archives = sorted((data_directory() / "bin").glob("*.lzma"), key=lambda path: path.stat().st_size, reverse=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # lzma releases the GIL
        list(pool.map(lambda archive: _unpack_one(archive, partial / archive.stem), archives))
    partial.rename(target)


def _unpack_one(archive: Path, target: Path) -> None:
    with lzma.open(archive) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    target.chmod(0o755)
