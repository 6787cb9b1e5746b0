"""The search finds a secret in every form it may take, and nothing where there is none."""

import base64
import bz2
import gzip
import json
import lzma
import os
import pickle
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sandbox.ca import CertificateAuthority
from tests.security import secrets_search
from tests.security.secrets_search import Watcher

KEYS: dict[str, Any] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "RSA": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
EVERY_KEY = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
TOKEN = "ya29.some-token_with/every+thing"  # nobody's


def pem(key: Any, shape: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> bytes:
    encoded: bytes = key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
    return encoded


def der(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded


FORMS: dict[str, Callable[[Any], bytes]] = {
    "PEM": pem,
    "PEM without its frame": lambda key: b"".join(pem(key).splitlines()[1:-1]),
    "the first line of PEM": lambda key: pem(key).splitlines()[1],
    "PEM in JSON": lambda key: json.dumps({"k": pem(key).decode()}).encode(),
    "PEM in JSON in JSON": lambda key: json.dumps(json.dumps({"k": pem(key).decode()})).encode(),
    "PEM as Python shows it": lambda key: repr({"k": pem(key)}).encode(),
    "PEM in YAML": lambda key: b"key: |\n" + b"\n".join(b"    " + line for line in pem(key).splitlines()),
    "DER": der,
    "DER in hex": lambda key: der(key).hex().encode(),
    "DER in base64": lambda key: base64.b64encode(der(key)),
    "DER in base64 for URLs": lambda key: base64.urlsafe_b64encode(der(key)),
    "DER in base64, broken into lines": lambda key: base64.encodebytes(der(key)),
    "PEM in base64 at 0": lambda key: base64.b64encode(pem(key)),
    "PEM in base64 at 1": lambda key: base64.b64encode(b"x" + pem(key)),
    "PEM in base64 at 2": lambda key: base64.b64encode(b"xx" + pem(key)),
    "DER in base64 at 1": lambda key: base64.b64encode(b"x" + der(key)),
    "DER in base64 at 2": lambda key: base64.b64encode(b"xx" + der(key)),
    "PEM in base64 in base64": lambda key: base64.b64encode(base64.b64encode(pem(key))),
    "a pickle": lambda key: pickle.dumps({"k": pem(key)}),
    "a pickle in base64": lambda key: b'{"result": "' + base64.b64encode(pickle.dumps(pem(key))) + b'"}',
    "gzip": lambda key: gzip.compress(pem(key)),
    "zlib in base64": lambda key: base64.b64encode(zlib.compress(pem(key))),
    "bz2": lambda key: bz2.compress(der(key)),
    "xz": lambda key: lzma.compress(der(key)),
    "gzip in base64, a Helm record": lambda key: base64.b64encode(base64.b64encode(gzip.compress(pem(key)))),
}  # fmt: skip


@EVERY_KEY
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_private_key_is_found_in_every_form(key: Any, form: Callable[[Any], bytes]) -> None:
    secret = secrets_search.private_key("key", pem(key))
    hay = {"clean": os.urandom(5000), "leak": os.urandom(501) + b" " + form(key) + b" " + os.urandom(501)}
    if form(key)[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7"):
        hay["leak"] = form(key)  # a packed file is one from its first byte on

    assert [find.place for find in secrets_search.search([secret], hay)] == ["leak"]


@pytest.mark.parametrize("how", ["decimal", "hex", "little-endian", "colons", "base64"])
@pytest.mark.parametrize("key", [KEYS["P-256"], KEYS["RSA"]], ids=["P-256", "RSA"])
def test_a_private_number_alone_is_found(key: Any, how: str) -> None:
    numbers = key.private_numbers()
    number = numbers.d if isinstance(key, rsa.RSAPrivateKey) else numbers.private_value
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    shown = {
        "decimal": str(number).encode(),
        "hex": f"{number:x}".encode().rjust(len(octets) * 2, b"0"),
        "little-endian": pickle.dumps(number),
        "colons": octets.hex(":").encode(),
        "base64": base64.urlsafe_b64encode(octets).rstrip(b"="),
    }[how]

    assert secrets_search.search([secrets_search.private_key("key", pem(key))], {"x": b'{"d":"' + shown + b'"}'})


@pytest.mark.parametrize("key", [KEYS["P-256"], KEYS["RSA"]], ids=["P-256", "RSA"])
def test_the_older_format_of_a_key_is_found_too(key: Any) -> None:
    secret = secrets_search.private_key("key", pem(key))

    hay = {"x": pem(key, serialization.PrivateFormat.TraditionalOpenSSL)}

    assert secrets_search.search([secret], hay)


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(f"Authorization: Bearer {TOKEN}".encode(), id="plain"),
        pytest.param(json.dumps({"token": TOKEN}).encode(), id="JSON"),
        pytest.param(base64.b64encode(f"root:{TOKEN}".encode()), id="basic authentication"),
        pytest.param(b"?token=ya29.some-token_with%2Fevery%2Bthing", id="in a URL"),
        pytest.param(TOKEN.encode().hex().encode(), id="hex"),
        pytest.param(TOKEN.encode("utf-16-le"), id="UTF-16"),
        pytest.param(gzip.compress(TOKEN.encode()), id="gzip"),
    ],
)
def test_a_token_is_found_in_every_form(shown: bytes) -> None:
    assert secrets_search.search([secrets_search.text("token", TOKEN)], {"x": shown})


@EVERY_KEY
def test_the_public_half_is_no_secret(key: Any) -> None:
    secret = secrets_search.private_key("key", pem(key))
    public = key.public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    shown = public.public_bytes(serialization.Encoding.PEM, spki)
    shown += base64.b64encode(public.public_bytes(serialization.Encoding.DER, spki)).hex().encode()

    assert secrets_search.search([secret], {"x": shown}) == []


def test_a_certificate_does_not_betray_its_key() -> None:
    leaf = CertificateAuthority().issue("m.example")
    secret = secrets_search.private_key("key", leaf.key_pem)
    shown = {"pem": leaf.certificate_pem, "base64": base64.b64encode(leaf.certificate_pem)}

    assert secrets_search.search([secret], shown) == []
    assert secrets_search.search([secret], {"both": base64.b64encode(leaf.certificate_pem + leaf.key_pem)})


def test_a_find_does_not_show_the_secret() -> None:
    found = secrets_search.search([secrets_search.text("token", TOKEN)], {"x": TOKEN.encode()})

    assert TOKEN not in repr(found)


def test_a_database_is_searched_value_by_value(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("create table t (a text, b blob, c integer)")
        connection.execute("insert into t values (?, ?, 1)", ("nothing", zlib.compress(TOKEN.encode())))

    hay = secrets_search.database(file)

    assert sorted(hay) == ["database t.a", "database t.b", "database t.c"]
    found = secrets_search.search([secrets_search.text("token", TOKEN)], hay)
    assert [find.place for find in found] == ["database t.b"]


def test_what_is_gone_afterwards_was_seen(tmp_path: Path) -> None:
    """Arguments, environment, a file that is deleted at once, one that is written after it was seen."""
    short_lived, outside = tmp_path / "tmp", tmp_path / "outside"
    short_lived.mkdir()
    outside.mkdir()
    watcher = Watcher("MARK=here", short_lived, tmp_path / "kept", (short_lived,))
    program = (
        "import sys, time; stray = open(sys.argv[2] + '/stray', 'w'); stray.write('x'); stray.flush(); time.sleep(0.6)"
    )
    with watcher:
        command = [sys.executable, "-c", program, TOKEN, str(outside)]
        subprocess.run(command, env=os.environ | {"MARK": "here", "KEY": TOKEN[::-1]}, check=True)
        with tempfile.NamedTemporaryFile(dir=short_lived) as file:
            time.sleep(0.05)
            file.write(TOKEN.upper().encode())
            file.flush()
    secrets = [secrets_search.text(each, each) for each in (TOKEN, TOKEN[::-1], TOKEN.upper())]
    places: dict[str, list[str]] = {}
    for find in secrets_search.search(secrets, watcher.seen()):
        places.setdefault(find.secret, []).append(find.place.split()[0])

    assert places == {TOKEN: ["arguments"], TOKEN[::-1]: ["environment"], TOKEN.upper(): ["short-lived"]}
    assert watcher.elsewhere == {str(outside / "stray")}


def test_what_others_may_read_is_told(tmp_path: Path) -> None:
    for name, mode in (("closed", 0o700), ("way", 0o711)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
        (tmp_path / name / "file").touch()
        (tmp_path / name / "file").chmod(0o644)
    (tmp_path / "private").touch(mode=0o600)

    found = secrets_search.readable_by_others(tmp_path)

    assert found == [f"drwx--x--x {tmp_path / 'way'}", f"-rw-r--r-- {tmp_path / 'way' / 'file'}"]
