"""Every test of a step has a journal of its own, so that none sees another's stop; and a world when it asks for one."""

from collections.abc import Iterator

import pytest

from sandbox.stack import Stack
from tasks.core import progress
from tasks.core.progress import Journal
from tests.tasks.world import World


@pytest.fixture(autouse=True)
def journal() -> Journal:
    """The journal of this test."""
    fresh = Journal()
    progress.use(fresh)
    return fresh


@pytest.fixture(scope="session")
def world_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox without Milvus, whose Google Cloud takes no time."""
    with Stack(tmp_path_factory.mktemp("world"), latency="zero", milvus=False) as stack:
        yield stack


@pytest.fixture
def world(world_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """This test's corner of the sandbox, with this process pointed at it."""
    for name, value in world_stack.env.items():
        monkeypatch.setenv(name, value)
    mine = World(world_stack)
    yield mine
    mine.close()
