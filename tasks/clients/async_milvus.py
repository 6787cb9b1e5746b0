"""The asynchronous pymilvus client, for one look: it reads its TLS arguments in code of its own.

Each look has an event loop and a thread of its own, so that it may be made from anywhere and given up in time.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from tasks.clients import milvus, proof_collection

_TO_CLOSE_SECONDS = 2.0


def search(arguments: Mapping[str, Any], collection: str, seconds: float) -> str:
    """Connect, ask the version, and search for row 0 of the proof's collection, or list collections; say what came.

    Args:
        arguments: those of `milvus.Client`.
        collection: made by `milvus.Client.write_and_search`; "" for a list of collections instead.
        seconds: for all of it.

    Raises:
        WrongAnswer: another row came back, or none.
        milvus.Timeout: it took longer.
        Exception: whatever pymilvus raises.
    """
    try:
        return milvus.in_time(
            lambda: asyncio.run(_bounded(arguments, collection, seconds)), seconds + _TO_CLOSE_SECONDS
        )
    except TimeoutError as error:
        raise milvus.Timeout(f"no answer within {seconds:.0f} s") from error


async def _bounded(arguments: Mapping[str, Any], collection: str, seconds: float) -> str:
    asyncio.get_running_loop().set_exception_handler(_without_noise)
    async with asyncio.timeout(seconds):
        return await _search(arguments, collection, seconds)


async def _search(arguments: Mapping[str, Any], collection: str, seconds: float) -> str:
    client = milvus.load().AsyncMilvusClient(**arguments, timeout=seconds, dedicated=True)
    try:
        version = await client.get_server_version(timeout=seconds)
        if not collection:
            return f"Milvus {version}, {len(await client.list_collections(timeout=seconds))} collections listed"
        vector = proof_collection.basis_vector(0)
        hits = (await client.search(collection, [vector], limit=1, consistency_level="Strong", timeout=seconds))[0]
        if not hits or hits[0]["id"] != 0:
            raise proof_collection.WrongAnswer(f"searched for row 0, found {hits[0]['id'] if hits else 'nothing'}")
        return f"Milvus {version}, row 0 found at distance {hits[0]['distance']:.4f}"
    finally:
        await client.close()


def _without_noise(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """grpc.aio has one poller for all event loops of a process; one that finds nothing to read is no error."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
