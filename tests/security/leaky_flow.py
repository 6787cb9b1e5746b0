"""A flow that leaks on purpose, each secret of the file it is given in a way of its own; the search must find them all.

Run as a program: `leaky_flow.py SECRETS.json FOLDER_OUTSIDE`. It reads the file and forgets it.
"""

import base64
import gzip
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

_SECRETS, _OUTSIDE = Path(sys.argv[1]), Path(sys.argv[2])
_SLEEP = [sys.executable, "-c", "import time; time.sleep(0.5)"]


def secrets() -> dict[str, str]:
    """PEM of a private key for each way."""
    found: dict[str, str] = json.loads(_SECRETS.read_text())
    return found


def der(pem: str) -> bytes:
    """The key in binary."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def scalar(pem: str) -> int:
    """The private number of an elliptic key."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    return key.private_numbers().private_value  # type: ignore[union-attr]


@task(persist_result=True)
def result() -> dict[str, bytes]:
    """Into result storage, as a task does that returns a Secret's data."""
    return {"tls.key": secrets()["result"].encode()}


@task(persist_result=True)
def number() -> int:
    """Into result storage, as a pickled int."""
    return scalar(secrets()["result, as a number"])


@flow
def leak(parameter: str) -> None:
    """Leak in every way but the last, and fail with the last."""
    del parameter
    known = secrets()
    result()
    number()
    get_run_logger().info("key on one line: %r", known["log"])
    get_run_logger().info("middle of a key: %s", known["log, one line"].splitlines()[1])
    create_markdown_artifact(json.dumps({"data": base64.b64encode(b"x" + known["artifact"].encode()).decode()}))
    emit_event("leak", {"prefect.resource.id": "leak"}, payload={"hex": der(known["event"]).hex()})
    (Path.home() / "packed").write_bytes(gzip.compress(pickle.dumps(der(known["file"]))))
    with tempfile.NamedTemporaryFile() as file:
        file.write(known["file, deleted at once"].encode())
        file.flush()
        time.sleep(0.1)
    subprocess.run([*_SLEEP, base64.b64encode(der(known["arguments"])).decode()], check=True)
    subprocess.run(_SLEEP, check=True, env=os.environ | {"KEY": known["environment"]})
    with (_OUTSIDE / "elsewhere").open("w") as stray:
        stray.write("a file where nobody looks")
        stray.flush()
        time.sleep(0.5)
    raise ValueError(f"cannot use key {scalar(known['error'])}")


if __name__ == "__main__":
    leak(json.dumps({"key": secrets()["parameter"]}), return_state=True)
