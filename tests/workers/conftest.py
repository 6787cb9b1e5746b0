"""What the tests of runs on a worker share."""

from collections.abc import Iterator

import pytest

from sandbox.stack import Stack
from tests.workers.workplace import Workplace, a_workplace


@pytest.fixture(scope="session")
def running_workplace(running_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A server, our deployments and a worker, for the session."""
    with a_workplace(tmp_path_factory.mktemp("workplace"), running_stack) as workplace:
        yield workplace


@pytest.fixture
def workplace(running_workplace: Workplace, stack: Stack) -> Workplace:
    """The same, with a sandbox whose faults are cleared afterwards."""
    running_workplace.orders.write_text("")
    return running_workplace
