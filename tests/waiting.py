"""The one way in which tests wait for something to be so."""

import operator
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, retry_if_result, stop_after_delay
from tenacity import wait_exponential as growing

T = TypeVar("T")


def eventually(
    look: Callable[[], T | None],
    *,
    seconds: float = 400,
    explain: Callable[[], object] = str,
    despite: type[Exception] | tuple[type[Exception], ...] = (),
) -> T:
    """What `look` returns, as soon as that is true.

    Args:
        look: called again and again; less often the longer it takes.
        seconds: what no machine, however busy, takes for it; only a test that waits for nothing to happen has few.
        explain: what to add to the message when it was in vain.
        despite: errors of `look` that count as not yet.

    Raises:
        AssertionError: it was in vain.
    """

    def in_vain(state: RetryCallState) -> T:
        error = state.outcome.exception() if state.outcome else None
        raise AssertionError(f"not within {seconds:g} s; {explain()}") from error

    found = Retrying(
        retry=retry_if_result(operator.not_) | retry_if_exception_type(despite),
        wait=growing(multiplier=0.02, exp_base=1.1, max=0.2),
        stop=stop_after_delay(seconds),
        retry_error_callback=in_vain,
    )(look)
    assert found is not None
    return found
