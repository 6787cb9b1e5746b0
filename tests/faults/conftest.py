"""The two places where faults are injected."""

from collections.abc import Iterator

import pytest

from flows.provision import provision
from sandbox.stack import Stack
from tests.faults.site import Site
from tests.flows.running import run
from tests.tasks.conftest import world, world_stack

__all__ = ["site", "world", "world_stack"]

_healthy: dict[str, object] = {}


@pytest.fixture
def site(alone: Stack, prefect_api: str) -> Iterator[Site]:
    """The sandbox's own release behind its load balancer; it has recovered when the next test begins."""
    assert prefect_api
    found = Site(alone)
    key = str(alone.kubeconfig)
    if key not in _healthy:
        run(provision)
        _healthy[key] = found.picture()
    yield found
    found.faults.clear()
    found.recover(_healthy[key])
