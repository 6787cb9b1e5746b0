"""Quotas of the project: usage is counted from what exists, never kept."""

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.compute.catalogue import COLLECTIONS
from sandbox.compute.errors import GoogleError, quota_exceeded
from sandbox.compute.links import Ref
from sandbox.compute.store import Store
from sandbox.faults import Faults


def usage(store: Store, metric: str, pending: Iterable[Ref] = ()) -> int:
    """How much of a metric is used; `pending` are accepted inserts that do not exist yet."""
    if metric == "IN_USE_ADDRESSES":
        return len({rule["IPAddress"] for _, rule in store.of("forwardingRules")})
    counted = {name for name, each in COLLECTIONS.items() if metric in each.quotas}
    return len({ref for ref in [*store.refs(), *pending] if ref.collection in counted})


def table(store: Store, limits: Mapping[str, float], faults: Faults) -> list[dict[str, Any]]:
    """`quotas[]` of the project; an armed quota fault shows as a metric that is used up."""
    fault = faults.armed().get("quota-exceeded", {})
    rows = []
    for metric in sorted(limits):
        limit, used = limits[metric], float(usage(store, metric))
        if metric == fault.get("metric"):
            limit = float(fault["limit"])
            used = max(used, limit)
        rows.append({"metric": metric, "limit": float(limit), "usage": used})
    return rows


def check(
    store: Store, limits: Mapping[str, float], metrics: Iterable[str], pending: Iterable[Ref]
) -> GoogleError | None:
    """The refusal of one more resource that counts for `metrics`, None if there is room."""
    pending = list(pending)
    for metric in metrics:
        limit = limits.get(metric)
        if limit is not None and usage(store, metric, pending) >= limit:
            return with_quota_info(metric, limit)
    return None


def with_quota_info(metric: str, limit: float) -> GoogleError:
    """A quota error that also carries what an operation tells: metric, limit name, dimensions.

    Source: Compute operations reference, `error.errors[].errorDetails[].quotaInfo`.
    """
    error = quota_exceeded(metric, limit)
    limit_name = metric.replace("_", "-") + "-per-project"
    info = {
        "metricName": f"compute.googleapis.com/{metric.lower()}",
        "limitName": limit_name,
        "dimensions": {"global": "global"},
        "limit": float(limit),
    }
    error.more["errorDetails"] = [{"quotaInfo": info}]
    return error
