"""Intent against cluster against Compute, field by field; pure.

What GKE's controllers own is no drift: names, fingerprints, descriptions, the status, their annotations, what they
write into `pre-shared-cert`, capacity and rate of the backends, and defaults that we do not set.
Sources of who sets what: ingress-gce pkg/backends/features, pkg/loadbalancers, pkg/translator, pkg/healthchecks.
"""

from tasks.core.drift import Deviation
from tasks.core.three_ways import backends, certificates, frontends, objects
from tasks.core.three_ways.sides import ClusterSide, ComputeSide, Sides
from tasks.core.three_ways.verdicts import verdicts

__all__ = ["ClusterSide", "ComputeSide", "Sides", "deviations", "verdicts"]


def deviations(sides: Sides) -> list[Deviation]:
    """Every field that is not everywhere as it was asked for, from the cluster's objects to the endpoints."""
    found = [
        deviation
        for part in (objects, frontends, certificates, backends)
        for row in part.rows(sides)
        for deviation in row.judge(sides)
    ]
    return list(dict.fromkeys(found))
