"""Every test of a step has a journal of its own, so that none sees another's stop."""

import pytest

from tasks.core import progress
from tasks.core.progress import Journal


@pytest.fixture(autouse=True)
def journal() -> Journal:
    """The journal of this test."""
    fresh = Journal()
    progress.use(fresh)
    return fresh
