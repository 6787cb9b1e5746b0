"""The steps a run takes, and the marks of those it leaves out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import Task

from flows.branches import skipped
from flows.concurrency import Future, begin
from tasks.core.provision_request import ProvisionRequest


@dataclass(frozen=True)
class Selection:
    """Begins steps by the choice of the request."""

    request: ProvisionRequest

    def begin(
        self,
        step: Task[..., Any],
        *arguments: Any,
        after: Sequence[Future] = (),
        otherwise: Task[..., Any] | None = None,
    ) -> Future:
        """Begin a step, or mark it as left out.

        Args:
            step: the step.
            arguments: after the request, which every step gets first.
            after: the edges of the graph.
            otherwise: reads what the step would have given, when it is left out and its result is needed.
        """
        if self.request.takes(step.name):
            return begin(step, self.request, *arguments, after=after)
        mark = begin(skipped, step.name, f"not asked for: {self.request.choice}", after=after)
        return begin(otherwise, self.request, after=[mark]) if otherwise else mark
