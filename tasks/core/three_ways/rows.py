"""One row of the comparison, and where it deviates.

The place is the point of three columns: an object that is not as asked for was changed by somebody, and provision
brings it back; one that is right while Compute is not was not applied yet by GKE, or somebody changed Compute.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.core import names
from tasks.core.drift import Deviation
from tasks.core.three_ways.sides import Sides


class _Nothing:
    """A column that has no such field, or was not looked at."""


NOTHING = _Nothing()
MISSING = "missing"
PROVISION = "Bring it back: milvus-l7 provision with the same configuration; or change the configuration."


@dataclass(frozen=True)
class Row:
    """One field on all sides.

    Attributes:
        field: its name in Compute where Compute has it, else its path in the object.
        intent: what was asked for; None: nothing is to be there.
        object: of the cluster, as kubectl writes it.
        cluster: what the object has.
        part: of Compute, `COLLECTION/NAME`.
        compute: what the part has.
        command: gcloud's, which puts the part right; "" where there is none.
        mend: in place of the usual one.
    """

    field: str
    intent: Any
    object: str = ""
    cluster: Any = NOTHING
    part: str = ""
    compute: Any = NOTHING
    command: str = ""
    mend: str = ""

    def judge(self, sides: Sides) -> Iterator[Deviation]:
        """The deviation, if there is one."""
        in_cluster = not isinstance(self.cluster, _Nothing) and not same(self.cluster, self.intent)
        in_compute = not isinstance(self.compute, _Nothing) and not same(self.compute, self.intent)
        if in_cluster or in_compute:
            yield Deviation(
                resource=self.object if in_cluster else self.part,
                field=self.field,
                intent=text(self.intent),
                cluster=text(self.cluster),
                compute=text(self.compute),
                mend=self.mend or (PROVISION if in_cluster else _sync(sides, self.command)),
            )


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same; Compute's client has numbers of 32 bits."""
    if isinstance(one, float) or isinstance(other, float):
        try:
            return math.isclose(one, other, rel_tol=1e-6)
        except TypeError:
            return False
    return bool(one == other)


def text(value: Any) -> str:
    """A value as a person reads it; "" for a column without one.

    >>> text(True), text(None), text(["a", "b"]), text("")
    ('true', 'missing', 'a, b', 'none')
    """
    match value:
        case _Nothing():
            return ""
        case None:
            return MISSING
        case str():
            return value or "none"
        case list() | tuple():
            return ", ".join(text(each) for each in value) or "none"
    return json.dumps(value)


def _sync(sides: Sides, command: str) -> str:
    """How Compute follows the cluster: by itself at a sync, whose period is ten minutes (ingress-gce pkg/flags)."""
    namespace, name = sides.config.namespace, names.ingress(sides.config.release)
    touch = f'kubectl -n {namespace} annotate ingress {name} {names.FIELD_MANAGER}/touched="$(date +%s)" --overwrite'
    at_once = f"; or {command} --project={sides.compute.project}" if command else ""
    return (
        "GKE has not applied it yet, or somebody changed it in Compute. GKE puts it right at its next sync, within ten "
        f"minutes; at once: {touch}{at_once}. If it stays: kubectl -n {namespace} describe ingress {name}"
    )
