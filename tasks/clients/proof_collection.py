"""The small collection of a proof: vectors at right angles, so that the nearest neighbour of each is itself alone."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

_DIMENSION = 8


class WrongAnswer(Exception):
    """Milvus answered, but not what it should."""


@dataclass(frozen=True)
class Found:
    """What a search found: the rows that were inserted, the nearest one, its distance; and when they were sent."""

    rows: int
    nearest: int
    distance: float
    inserted_at: float = 0.0


def basis_vector(row: int) -> list[float]:
    """The vector of a row of the proof's collection."""
    return [float(row == place) for place in range(_DIMENSION)]


def write_and_search(client: Any, collection: str, seconds: int) -> Found:
    """Create the collection, fill it, and search for one of its rows.

    Args:
        client: a MilvusClient that is connected.
        collection: name of the one to create.
        seconds: time-out of each call.

    Raises:
        WrongAnswer: another row came back, or none.
    """
    from pymilvus import DataType

    rows = [{"id": row, "vector": basis_vector(row)} for row in range(_DIMENSION)]
    wanted = secrets.randbelow(_DIMENSION)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=_DIMENSION)
    index = client.prepare_index_params("vector", index_type="AUTOINDEX", metric_type="L2")
    client.create_collection(collection, schema=schema, consistency_level="Strong", timeout=seconds)
    # Not waited for: nothing is there to be indexed yet, and pymilvus would look again after half a second only.
    client.create_index(collection, index, sync=False, timeout=seconds)
    client.load_collection(collection, timeout=seconds)
    begun = time.time()
    inserted = client.insert(collection, rows, timeout=seconds)["insert_count"]
    if inserted != len(rows):
        raise WrongAnswer(f"{len(rows)} rows were sent, {inserted} were taken")
    vector = rows[wanted]["vector"]
    hits = client.search(collection, [vector], limit=1, consistency_level="Strong", timeout=seconds)[0]
    if not hits or hits[0]["id"] != wanted:
        raise WrongAnswer(f"searched for row {wanted}, found {hits[0]['id'] if hits else 'nothing'}")
    return Found(inserted, wanted, float(hits[0]["distance"]), begun)
