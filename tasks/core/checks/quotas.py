"""Whether what is still to be made fits into the project's quotas, and whether one more would after that.

Source: Compute projects.get `quotas[]`; what one HTTPS Ingress needs: gke.md §9.7, ingress-gce pkg/loadbalancers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tasks.core import annotations, names, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object
from tasks.core.config import CertificateMode, HttpMode

_NAME = "QuotaExceededCheck"
"""Under the cause that Compute's own refusal has."""


@dataclass(frozen=True)
class Demand:
    """What a load balancer takes of one metric.

    Attributes:
        whole: of one that stands complete.
        missing: what is still to be made, for certain.
    """

    whole: int
    missing: int


def checks(facts: Facts) -> Iterator[Check]:
    """One check for every metric of which something is still to be made."""
    place = f"quotas of project {facts.cloud.project}"
    if facts.cloud.quotas is None:
        yield skipped(_NAME, place, facts.cloud.unread.get("quotas", "were not read"), layer="compute")
        return
    wanted = {metric: demand for metric, demand in demands(facts).items() if demand.missing}
    if not wanted:
        yield passed(_NAME, place, "nothing has to be made any more", layer="compute")
    for quota in facts.cloud.quotas:
        if demand := wanted.get(str(quota.get("metric"))):
            yield _judge(facts, quota, demand)


def demands(facts: Facts) -> Mapping[str, Demand]:
    """What the load balancer takes, by metric; what the Ingress says it has is there already.

    The backend service and health check of the cluster's default backend are not counted: another Ingress may have had
    them made. Network endpoint groups count once, though there is one in every zone with nodes.
    """
    marks = status.marks(facts.ingress or {})
    redirects = facts.config.http is HttpMode.REDIRECT
    has = {key: key in marks for key in PARTS}
    rules = [annotations.HTTPS_FORWARDING_RULE, *([annotations.FORWARDING_RULE] if redirects else [])]
    maps = [annotations.URL_MAP, *([annotations.REDIRECT_URL_MAP] if redirects else [])]
    backend = Demand(1, 0 if _has_backend(facts) else 1)
    reserves = f"addresses/{facts.address_name}" in facts.made
    found = {
        "FORWARDING_RULES": _of(rules, has),
        "TARGET_HTTPS_PROXIES": _of([annotations.HTTPS_TARGET_PROXY], has),
        "URL_MAPS": _of(maps, has),
        "BACKEND_SERVICES": backend,
        "GLOBAL_EXTERNAL_PROXY_LB_BACKEND_SERVICES": backend,
        "HEALTH_CHECKS": backend,
        "NETWORK_ENDPOINT_GROUPS": backend,
        "SSL_CERTIFICATES": Demand(1, 0 if _has_certificate(facts, marks) else 1),
        "STATIC_ADDRESSES": Demand(1, 1 if reserves else 0),
        "IN_USE_ADDRESSES": Demand(1, 0 if any(has[key] for key in rules) else 1),
    }
    if redirects:
        found["TARGET_HTTP_PROXIES"] = _of([annotations.TARGET_PROXY], has)
    return found


PARTS = (
    annotations.HTTPS_FORWARDING_RULE, annotations.FORWARDING_RULE, annotations.HTTPS_TARGET_PROXY,
    annotations.TARGET_PROXY, annotations.URL_MAP, annotations.REDIRECT_URL_MAP,
)  # fmt: skip
"""Annotations by which an Ingress names the parts of its load balancer that stand."""


def _of(parts: list[str], has: Mapping[str, bool]) -> Demand:
    return Demand(len(parts), sum(not has[part] for part in parts))


def _has_backend(facts: Facts) -> bool:
    """By the Service's neg-status, which the controller writes once an Ingress uses its port."""
    return annotations.NEG_STATUS in status.marks(facts.service or {})


def _has_certificate(facts: Facts, marks: Mapping[str, str]) -> bool:
    if facts.config.certificate_mode is not CertificateMode.GOOGLE_MANAGED:
        return annotations.SSL_CERT in marks
    live: Object | None = facts.objects.get(
        "ManagedCertificate", facts.namespace, names.certificate(facts.config.release)
    )
    return bool(live and status.managed_certificate(live).compute_name)


def _judge(facts: Facts, quota: Object, demand: Demand) -> Check:
    metric, limit, usage = str(quota["metric"]), float(quota.get("limit", 0)), float(quota.get("usage", 0))
    place, left = f"quota {metric}", limit - usage - demand.missing
    told = f"{usage:g} of {limit:g} are used and {demand.missing} more needed"
    mend = (
        f"Free or raise the quota {metric}: gcloud compute project-info describe --project {facts.cloud.project}; "
        f"https://console.cloud.google.com/iam-admin/quotas?project={facts.cloud.project}"
    )
    if left < 0:
        return failed(_NAME, place, f"Quota '{metric}' does not suffice: {told}", mend, layer="compute")
    if left < demand.whole:
        seen = f"{told}; {left:g} are left then, too few for one more load balancer"
        return failed(_NAME, place, seen, mend, layer="compute", blocks=False)
    return passed(_NAME, place, f"{told}; {left:g} are left then", layer="compute")
