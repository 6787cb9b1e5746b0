"""What this process asks the two APIs for, as urllib3 notes it, on which both of the official clients stand."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

_GET = re.compile(r'"GET (/(?:api|apis|compute)/\S+) HTTP')


@contextmanager
def reads_made() -> Iterator[list[str]]:
    """Paths and queries of the reading requests made in the block, in their order; the list grows meanwhile."""
    made: list[str] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if found := _GET.search(record.getMessage()):
                made.append(found[1])

    logger, note = logging.getLogger("urllib3.connectionpool"), Note()
    level = logger.level
    logger.addHandler(note)
    logger.setLevel(logging.DEBUG)
    try:
        yield made
    finally:
        logger.setLevel(level)
        logger.removeHandler(note)


def twice(made: list[str]) -> set[str]:
    """What was asked for more than once."""
    return {each for each in made if made.count(each) > 1}
