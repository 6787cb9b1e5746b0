"""Looks for secrets in everything a run leaves behind or shows while it runs, in every form they may take.

    secrets = [private_key("tls", pem), text("password", "…")]
    with Watcher(...) as watcher: …           # processes and short-lived files, while it runs
    found = search(secrets, watcher.seen() | files(root) | database(path))

A find names the secret, its form, and where it is; never the secret itself.
"""

import base64
import binascii
import bz2
import gzip
import json
import lzma
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

_SHORTEST = 12
"""Bytes of a needle at least: a shorter one would be found by chance."""


@dataclass(frozen=True)
class Secret:
    """Something that must not be found, as the byte strings that would betray it, by the name of the form."""

    name: str
    needles: Mapping[str, bytes]


@dataclass(frozen=True, order=True)
class Find:
    """Where which secret is, and in which form."""

    secret: str
    place: str
    form: str


# --- what to look for ------------------------------------------------------------------------------------------------


def text(name: str, value: str) -> Secret:
    """A token or a password."""
    return Secret(name, dict(_forms("text", value.encode())))


def private_key(name: str, pem: bytes) -> Secret:
    """A private key, by any line of its PEM and by each of its private numbers; its public half is no secret."""
    key = serialization.load_pem_private_key(pem, None)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    needles: dict[str, bytes] = {}
    for number, line in enumerate(_body(pem) + _body(_in_other_format(key))):
        if not _is_public(line, public):
            needles |= dict(_forms(f"PEM line {number}", line))
    for name_, value in _private_numbers(key).items():
        size = (value.bit_length() + 7) // 8
        needles |= dict(_forms(name_, value.to_bytes(size, "big")))
        needles[f"{name_}, little-endian"] = value.to_bytes(size, "little")  # as a pickled int
        needles[f"{name_}, decimal"] = str(value).encode()
        needles[f"{name_}, hex with colons"] = value.to_bytes(size, "big").hex(":").encode()
    return Secret(name, needles)


def _in_other_format(key: Any) -> bytes:
    """PEM as OpenSSL used to write it; empty for a key that never was."""
    shape = serialization.PrivateFormat.TraditionalOpenSSL
    with suppress(ValueError):
        pem: bytes = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
        return pem
    return b""


def _body(pem: bytes) -> list[bytes]:
    return [line for line in pem.splitlines() if not line.startswith(b"-") and len(line) >= _SHORTEST]


def _is_public(line: bytes, public: bytes) -> bool:
    """Whether a line of base64 shows so much of the public key that there is hardly room for anything else."""
    with suppress(binascii.Error):
        decoded = base64.b64decode(line + b"=" * (-len(line) % 4))
        return any(decoded[start : start + 24] in public for start in range(len(decoded) - 23))
    return False


def _private_numbers(key: Any) -> dict[str, int]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"private scalar": key.private_numbers().private_value}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dmp1": numbers.dmp1, "dmq1": numbers.dmq1}
    raw = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    return {"seed": int.from_bytes(raw, "big")}


def _forms(name: str, value: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes themselves, in hex, in base64 at each of the three places they can have in a longer text."""
    forms = {"": value, ", hex": value.hex().encode(), ", HEX": value.hex().upper().encode()}
    for shift in range(3):
        for kind, encoded in (("", base64.b64encode), (" for URLs", base64.urlsafe_b64encode)):
            # What precedes and follows it colours the outer characters.
            inner = encoded(b"\0" * shift + value).rstrip(b"=")[4 if shift else 0 : -2]
            forms[f", base64{kind} at {shift}"] = inner
    with suppress(UnicodeDecodeError):
        decoded = value.decode()
        forms[", JSON"] = json.dumps(decoded)[1:-1].encode()
        forms[", in a URL"] = urllib.parse.quote(decoded, safe="").encode()
        forms[", UTF-16"] = decoded.encode("utf-16-le")
    for form, needle in forms.items():
        if len(needle) >= _SHORTEST:
            yield f"{name}{form}", needle


# --- looking ---------------------------------------------------------------------------------------------------------


def search(secrets: Iterable[Secret], hay: Mapping[str, bytes]) -> list[Find]:
    """Every find, one per secret and place."""
    secrets = list(secrets)
    found: list[Find] = []
    for place, content in hay.items():
        views = list(_views(content))
        for secret in secrets:
            hit = next((form for form, needle in secret.needles.items() if any(needle in view for view in views)), "")
            if hit:
                found.append(Find(secret.name, place, hit))
    return sorted(found)


_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{32,}={0,2}")
_BREAKS = re.compile(rb"(?:\\+[nr]|[\r\n])+[ \t]*")
_LEVELS = 3


def _views(content: bytes, levels: int = _LEVELS) -> Iterator[bytes]:
    """The content, the same without line breaks (escaped ones too), and what is packed in it, so many levels deep."""
    joined = _BREAKS.sub(b"", content)
    shapes = [content] if joined == content else [content, joined]
    yield from shapes
    if not levels:
        return
    for packed in _unpacked(content):
        yield from _views(packed, levels - 1)
    for run in {match.group() for shape in shapes for match in _BASE64.finditer(shape)}:
        plain = run.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        with suppress(binascii.Error):
            decoded = base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + b"=" * (-len(plain) % 4))
            yield from _views(decoded, levels - 1)


def _unpacked(content: bytes) -> Iterator[bytes]:
    for unpack in (gzip.decompress, zlib.decompress, bz2.decompress, lzma.decompress):
        with suppress(OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            yield unpack(content)


# --- where to look ---------------------------------------------------------------------------------------------------


def files(root: Path) -> dict[str, bytes]:
    """Every regular file below a folder."""
    return {
        str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()
    }


def database(file: Path) -> dict[str, bytes]:
    """Every value of every table, by table and column; deleted ones are in the raw file, which `files` has."""
    hay: dict[str, list[bytes]] = {}
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'select * from "{table.decode()}"')  # the schema's own names
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    if value is not None:
                        place = f"database {table.decode()}.{column}"
                        hay.setdefault(place, []).append(value if isinstance(value, bytes) else str(value).encode())
    return {place: b"\n\0\n".join(values) for place, values in hay.items()}


def readable_by_others(folder: Path) -> list[str]:
    """What in a folder others than its owner may read, write or enter, if they may enter the folder itself.

    What lies in a folder that is closed to them is not looked at: Go's discovery cache sets 0660 whatever the umask is.
    """
    found: list[str] = []
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        if not (stat.S_ISLNK(mode) or stat.S_ISSOCK(mode)) and mode & 0o077:
            found.append(f"{stat.filemode(mode)} {path}")
        if stat.S_ISDIR(mode) and mode & 0o077:
            found += readable_by_others(path)
    return found


_BECOMING_SECONDS = 2.0

_LINKER = """
import os, select, sys
folder, kept = sys.argv[1:]
linked = set()
over = False
while not over:
    over = bool(select.select([sys.stdin], [], [], 0.002)[0])
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                facts = os.lstat(os.path.join(where, name))
                if facts.st_ino not in linked and facts.st_mode & 0o170000 == 0o100000:
                    os.link(os.path.join(where, name), os.path.join(kept, f"{facts.st_ino}-{name}"))
                    linked.add(facts.st_ino)
            except OSError:
                pass
"""
# A process of its own: a thread of this one would wait its turn behind the sandbox's controllers. A file that lives
# for less than some milliseconds can still slip through.


@dataclass
class Watcher:
    """Sees what is gone afterwards: arguments and environments of processes, and files deleted again.

    A process is ours if its environment has `mark`. A file below `short_lived` is linked into `kept` as soon as it is
    seen, so that what is written into it later is seen too; `elsewhere` are files that ours had open for writing
    outside of `roots`.
    """

    mark: str
    short_lived: Path
    kept: Path
    roots: tuple[Path, ...]
    processes: dict[str, bytes] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._strangers: set[int] = set()
        self._first_seen: dict[int, float] = {}
        self._known: dict[int, bytes] = {}
        self._linker: subprocess.Popen[bytes] | None = None
        self._threads = [threading.Thread(target=self._repeat, args=each) for each in self._jobs()]

    def _jobs(self) -> list[tuple[Any, float]]:
        return [(self._look_at_processes, 0.02), (self._look_at_open_files, 0.2)]

    def __enter__(self) -> Self:
        self.kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, "-ISc", _LINKER, str(self.short_lived), str(self.kept)]
        self._linker = subprocess.Popen(command, stdin=subprocess.PIPE)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._linker is not None:
            self._linker.communicate(timeout=30)

    def seen(self) -> dict[str, bytes]:
        """All of it, by place."""
        gone = {f"short-lived {place}": content for place, content in files(self.kept).items()}
        return dict(self.processes) | gone

    def _repeat(self, look: Any, pause_seconds: float) -> None:
        while not self._over.is_set():
            look()
            time.sleep(pause_seconds)

    def _look_at_processes(self) -> None:
        alive = {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}
        self._strangers &= alive
        for pid in alive - self._strangers:
            with suppress(OSError):
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                if self._known.get(pid) == arguments:
                    continue
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                if self.mark.encode() not in environment.split(b"\0"):
                    # A child that has not become another program yet has its parent's; it is looked at again.
                    if pid in self._first_seen and time.monotonic() - self._first_seen[pid] > _BECOMING_SECONDS:
                        self._strangers.add(pid)
                    self._first_seen.setdefault(pid, time.monotonic())
                    continue
                self._known[pid] = arguments
                what = arguments.replace(b"\0", b" ")[:60].decode("utf-8", "replace")
                self.processes[f"arguments of {pid} {what}"] = arguments
                self.processes[f"environment of {pid} {what}"] = environment

    def _look_at_open_files(self) -> None:
        inherited = _open_files("self")
        for pid in list(self._known):
            for descriptor, target in _open_files(pid).items():
                if target in inherited.values() or any(Path(target).is_relative_to(root) for root in self.roots):
                    continue
                with suppress(OSError, StopIteration):
                    lines = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().splitlines()
                    flags = int(next(line.split()[1] for line in lines if line.startswith("flags")), 8)
                    # Looked at once more, since a descriptor that was closed may be another file's meanwhile.
                    still = str(Path(f"/proc/{pid}/fd/{descriptor}").readlink()) == target
                    if still and flags & (os.O_WRONLY | os.O_RDWR):
                        self.elsewhere.add(target)


def _open_files(process: int | str) -> dict[str, str]:
    """Path of each open file of a process, by descriptor."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{process}/fd"):
            with suppress(OSError):
                target = str(Path(entry.path).readlink())
                if target.startswith("/") and not target.startswith(("/dev/", "/proc/", "/memfd:")):
                    found[entry.name] = target
    return found
