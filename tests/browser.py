"""A real browser for tests: headless Chromium, driven by its DevTools protocol with the websockets Prefect brings."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_START_SECONDS = 30.0
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    # A page of Prefect's asks the world for fonts and feature flags: here it gets no answer.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Page:
    """One tab."""

    def __init__(self, socket: Connection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its result; events in between are dropped."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return dict(message["result"])

    def open(self, url: str) -> None:
        """Go to the address; what the page then loads by itself has to be waited for."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page and return its value."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str, what: str, *, seconds: float = 60) -> Any:
        """Evaluate until the answer is true, and return it."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(condition)):
            text = self.run("document.body ? document.body.innerText.slice(0, 2000) : ''")
            assert time.monotonic() < deadline, f"no {what} after {seconds:.0f} s; the page says:\n{text}"
            time.sleep(0.2)
        return value

    def screenshot(self, file: Path) -> Path:
        """Write what the window shows as PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
        return file


@contextlib.contextmanager
def opened(profile: Path, *, width: int = 1100, height: int = 6000) -> Iterator[Page]:
    """Start a browser with a fresh profile in the folder; it ends with the block.

    Raises:
        AssertionError: there is no Chromium here, or it does not start.
    """
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    assert program, (
        "no Chromium here: apt-get install chromium, or leave these tests out, as pytest does without -m browser"
    )
    # Chromium's own sandbox does not run as root.
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--window-size={width},{height}"]
    profile.mkdir(parents=True, exist_ok=True)
    log = profile / "browser.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *flags, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        with connect(_address(profile, process, log), max_size=None, open_timeout=20) as socket:
            yield Page(socket)
    finally:
        _end(process)


def _address(profile: Path, process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The socket of the one tab that is open; Chromium writes its port into the profile."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
            port = int((profile / "DevToolsActivePort").read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as response:
                tabs = json.load(response)
            return str(next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError(f"Chromium did not start:\n{log.read_text('utf-8', 'replace')[-1500:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    import signal

    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            break
