"""What only the sandbox has: the data plane's change feed, health reports and private keys.

On Google Cloud the front ends learn these things by themselves; the public API has none of it and never returns a key.
"""

import asyncio
import contextlib
from typing import Any

from sandbox.compute import errors
from sandbox.compute.health import Health
from sandbox.compute.links import Ref
from sandbox.compute.messages import Reply, Request
from sandbox.compute.store import Store

_USER = "dataplane"
_LONGEST_WAIT_SECONDS = 60.0


class DataPlaneFeed:
    """Serves `/sandbox/v1/…`."""

    def __init__(self, store: Store, health: Health) -> None:
        self._store, self._health = store, health
        self._changed = asyncio.Event()
        self._closing = False
        store.on_change.append(self._wake)

    def close(self) -> None:
        """Answer everybody who waits for a change, and let nobody wait any more; to be called in the server's loop."""
        self._closing = True
        self._wake()

    async def answer(self, request: Request, segments: list[str]) -> Reply:
        match [request.method, *segments]:
            case ["GET", "generation"]:
                return await self._generation(request.query)
            case ["GET", "sslCertificates", name]:
                _only_the_data_plane(request)
                return Reply(self._material(name))
            case ["PUT", "health"]:
                _only_the_data_plane(request)
                self._health.report(request.json())
                return Reply({})
        raise errors.no_such_url()

    async def _generation(self, query: dict[str, str]) -> Reply:
        """The number of changes so far, as soon as it exceeds `after` or after `wait_seconds`."""
        try:
            after, wait_seconds = int(query.get("after") or -1), float(query.get("wait_seconds") or 0)
        except ValueError:
            raise errors.GoogleError(400, "badRequest", "after and wait_seconds are numbers") from None
        deadline = asyncio.get_running_loop().time() + min(wait_seconds, _LONGEST_WAIT_SECONDS)
        with contextlib.suppress(TimeoutError):  # nothing happened; the caller asks again
            async with asyncio.timeout_at(deadline):
                while self._store.generation <= after and not self._closing:
                    await self._changed.wait()
        return Reply({"generation": self._store.generation})

    def _material(self, name: str) -> dict[str, Any]:
        """Certificate and key, once there are any: a Google-managed one has none before it is ACTIVE."""
        ref = Ref("sslCertificates", name)
        material = self._store.material.get(ref)
        if material is None:
            raise errors.not_found(ref.path(self._store.project))
        return {"certificate": material.certificate_pem, "privateKey": material.key_pem}

    def _wake(self) -> None:
        # Whoever waits now wakes up; whoever comes later waits for the next change.
        self._changed.set()
        self._changed = asyncio.Event()


def _only_the_data_plane(request: Request) -> None:
    if request.user != _USER:
        raise errors.GoogleError(403, "forbidden", f"Only {_USER} may do this.")
