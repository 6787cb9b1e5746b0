"""All faults, in the order in which they are told."""

from typing import Any

from tests.conftest import QUICK
from tests.faults import of_access, of_certificates, of_compute, of_milvus, of_objects
from tests.faults.fault import FAULTS
from tests.tasks.world import World

__all__ = ["FAULTS", "of_access", "of_certificates", "of_compute", "of_milvus", "of_objects", "parameters_of"]


def parameters_of(world: World) -> dict[str, Any]:
    """Of a run in a corner of the sandbox; what never comes by itself is waited for in vain."""
    mine = {"domain": world.domain, "release": world.release, "namespace": world.namespace}
    return QUICK | mine
