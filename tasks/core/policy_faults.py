"""A Cloud Armor policy that refuses us: which one, by which rule, and who can admit us by which command (pure)."""

from collections.abc import Iterable

from tasks.core import armor
from tasks.core.armor import Policy, Rule
from tasks.core.diagnosis.finding import Outlook
from tasks.core.ladder import Fault

CAUSE = "RefusedByPolicy"

_FORBIDDEN = 403
_DENIALS = (403, 404, 502)
"""What `deny(…)` answers with; 404 and 502 have other causes, too."""


def refused_fault(status: int, policies: Iterable[Policy], *, source: str, address: str) -> Fault | None:
    """Whether a policy of the backend services is why the load balancer answered so.

    Args:
        status: of HTTP.
        policies: of the backend services that the call is led to.
        source: this machine's address on the connection, "" when that is not known.
        address: of the load balancer.
    """
    if status not in _DENIALS:
        return None
    seen = armor.seen_as(source, address)
    for policy in policies:
        rule = policy.refusing(seen, status) if seen else _the_only(policy, status)
        if rule is not None or status == _FORBIDDEN:
            return _fault(status, policy, rule, seen, source)
    return None


def _the_only(policy: Policy, status: int) -> Rule | None:
    """The rule that refuses with this status, for a client whose address nobody knows."""
    found = [rule for rule in policy.in_force if rule.status == status]
    return found[0] if len(found) == 1 and status != 502 else None


def _fault(status: int, policy: Policy, rule: Rule | None, seen: str, source: str) -> Fault:
    who = f"this worker ({seen})" if seen else f"this worker (behind NAT{f', {source} within' if source else ''})"
    by = f" by {rule}" if rule else ""
    detail = f"Cloud Armor policy {policy.name} refuses {who}{by}: HTTP {status}"
    admit = armor.admit(policy, seen or "ADDRESS", rule)
    mend = f"Whoever owns securityPolicies/{policy.name} can admit it: {admit}"
    return Fault("compute", CAUSE, detail, mend if seen else f"{mend}, ADDRESS being what the load balancer sees: "
                 f"{_logged(policy)}", Outlook.STOP)  # fmt: skip


def _logged(policy: Policy) -> str:
    """The command that shows who was refused last (Cloud Armor request logging)."""
    where = (
        f"resource.type=http_load_balancer AND jsonPayload.enforcedSecurityPolicy.name={policy.name} "
        "AND jsonPayload.enforcedSecurityPolicy.outcome=DENY"
    )
    return f"gcloud logging read '{where}' --limit=1 --format='value(httpRequest.remoteIp)'"
