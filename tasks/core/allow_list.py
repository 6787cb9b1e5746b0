"""Whether the allow-list is in force: what its policy says, and what an address that must be refused meets.

A policy that is attached and lets everybody in looks well from every side but this one (kubernetes/ingress-gce#1508).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tasks.core import armor, names
from tasks.core.armor import Policy, Reach, Unread
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.config import LoadBalancerConfig, SecurityPolicyAction
from tasks.core.http_faults import HttpAnswer

CHECKS = ("AllowListPolicyCheck", "AllowListOpenCheck", "AllowListPreviewCheck", "AllowListEnforcementCheck")
"""Names of all that is judged here."""

_LAYER = "compute"

# --- what the policy says -------------------------------------------------------------------------------------------


def of_policies(config: LoadBalancerConfig, found: Mapping[str, Policy | Unread | None]) -> Iterator[Check]:
    """Whether each policy exists, and whether its rules refuse anybody.

    Args:
        config: the configuration.
        found: the policies that are attached, and the one that is asked for, by name; None for one that is not there.
    """
    for name, policy in found.items():
        resource = f"securityPolicies/{name}"
        match policy:
            case Unread():
                yield skipped("AllowListPolicyCheck", resource, policy.why, layer=_LAYER)
            case None:
                mend = (
                    f"Make it: gcloud compute security-policies create {name}; or name another in "
                    "security_policy_name: gcloud compute security-policies list"
                )
                yield failed("AllowListPolicyCheck", resource, "does not exist", mend, layer=_LAYER)
            case Policy():
                yield passed("AllowListPolicyCheck", resource, f"exists, {_counted(policy)}", layer=_LAYER)
                yield from _of_rules(config, policy, resource)


def _counted(policy: Policy) -> str:
    return f"{len(policy.in_force)} of {len(policy.rules)} rules in force"


def _of_rules(config: LoadBalancerConfig, policy: Policy, resource: str) -> Iterator[Check]:
    """Advice: whom a policy is to refuse is its owner's to say, and preview is how Google wants it tried first."""
    found = armor.reach(policy)
    if found is Reach.PREVIEW:
        yield _only_in_preview(policy, resource)
    if config.security_policy is not SecurityPolicyAction.SET:
        return
    match found:
        case Reach.REFUSES:
            yield passed("AllowListOpenCheck", resource, "refuses whom its rules do not admit", layer=_LAYER)
        case Reach.DEPENDS:
            why = "only rules with an expression refuse anybody, and those are not evaluated here"
            yield skipped("AllowListOpenCheck", resource, why, layer=_LAYER)
        case Reach.OPEN:
            yield _open(policy, resource)


def _only_in_preview(policy: Policy, resource: str) -> Check:
    rules = [rule for rule in policy.rules if rule.preview and rule.refuses]
    seen = f"every address is let in: what would refuse is in preview, and only logged: {', '.join(map(str, rules))}"
    commands = "; ".join(armor.change(policy, rule, "--no-preview") for rule in rules)
    return failed("AllowListPreviewCheck", resource, seen, f"Put it in force: {commands}", layer=_LAYER, blocks=False)


def _open(policy: Policy, resource: str) -> Check:
    rules = [rule for rule in policy.in_force if not rule.refuses]
    seen = f"every address is let in: {', '.join(map(str, rules)) or 'it has no rule'}"
    mend = f"{_who_may_first(policy)}; then refuse all others: {_refuse_the_rest(policy)}"
    return failed("AllowListOpenCheck", resource, seen, mend, layer=_LAYER, blocks=False)


def _who_may_first(policy: Policy) -> str:
    default = policy.rules[-1] if policy.rules else None
    return f"Admit who may come in: {armor.admit(policy, 'RANGES', default)}"


def _refuse_the_rest(policy: Policy) -> str:
    name = f"--security-policy {policy.name}"
    return f"gcloud compute security-policies rules update 2147483647 {name} --action deny-403"


# --- what an address that must be refused meets ------------------------------------------------------------------


@dataclass(frozen=True)
class Knock:
    """A harmless call from an address that must be refused.

    Attributes:
        source: the address.
        answer: to the call; None when none could be made, or nothing came back.
        why: there is no answer.
    """

    source: str
    answer: HttpAnswer | None = None
    why: str = ""


def none_to_knock_from(config: LoadBalancerConfig) -> Iterator[Check]:
    """What is left untried where no address is given, though an allow-list is asked for."""
    if config.security_policy is SecurityPolicyAction.SET and not config.refused_sources:
        why = (
            "no address is given that must be refused: name one that the machine has that runs the flow and that is "
            "not on the list, such as a second one of it, in refused_sources"
        )
        yield skipped("AllowListEnforcementCheck", _resource(config, ()), why, layer=_LAYER)


def enforcement(
    config: LoadBalancerConfig, knock: Knock, policies: tuple[Policy, ...], address: str, *, milvus_answers: bool
) -> Check:
    """Whether the load balancer refuses an address.

    Args:
        config: the configuration.
        knock: from that address.
        policies: of the backend services that the domain leads to, as far as Compute shows them.
        address: of the load balancer.
        milvus_answers: whether Milvus itself answers this machine's usual address, so that another answer to this one
            has to do with the address.
    """
    name, resource, source = "AllowListEnforcementCheck", _resource(config, policies), knock.source
    answer = knock.answer
    if answer is None:
        return skipped(name, resource, f"{source}: {knock.why}", layer=_LAYER)
    status = answer.status
    if _is_refusal(status, policies, source, milvus_answers=milvus_answers):
        return passed(name, resource, f"{source} is refused with HTTP {status}", layer=_LAYER)
    if not answer.speaks_grpc and _says_nothing(status, policies, source, milvus_answers=milvus_answers):
        seen = f"HTTP {status}" if status else "no answer in time"
        return skipped(name, resource, f"{source}: cannot be told ({seen})", layer=_LAYER)
    said = "Milvus answers" if answer.speaks_grpc else f"HTTP {status}"
    because, mend, may_pass = _reason(config, policies, source)
    if not armor.seen_as(source, address):
        because += ", unless a NAT gives it another address on its way"
    seen = f"{source} is let in ({said}), and must be refused: {because}"
    return failed(name, resource, seen, mend, layer=_LAYER, may_pass=may_pass)


def _is_refusal(status: int, policies: tuple[Policy, ...], source: str, *, milvus_answers: bool) -> bool:
    if status == 403:
        return True
    return milvus_answers and any(policy.refusing(source, status) for policy in policies)


def _says_nothing(status: int, policies: tuple[Policy, ...], source: str, *, milvus_answers: bool) -> bool:
    """Whether an answer may be a refusal, and may be something else."""
    if status in (0, 429) or status >= 500:
        return True
    if status != 404:
        return False
    unread = not any(policy.rules for policy in policies)
    return (milvus_answers and unread) or any(policy.refusing(source, status) for policy in policies)


def _reason(config: LoadBalancerConfig, policies: tuple[Policy, ...], source: str) -> tuple[str, str, bool]:
    """Why an address is let in, the command that refuses it, and whether the load balancer may only be behind."""
    if not policies:
        name = config.security_policy_name or "NAME"
        attach = f"gcloud compute backend-services update BACKEND_SERVICE --global --security-policy {name}"
        mend = f"milvus-l7 provision with security_policy=set; at once: {attach}"
        return "no policy is known to be in its way", mend, True
    policy = policies[0]
    if not policy.rules:
        return (
            f"policy {policy.name} is attached, and its rules cannot be read",
            armor.refuse(policy, source, None),
            True,
        )
    rule, wanted = policy.deciding(source), policy.deciding(source, previewed=True)
    if wanted is not None and wanted.preview and wanted.refuses:
        return f"{wanted} of policy {policy.name} is in preview", armor.change(policy, wanted, "--no-preview"), False
    if rule is not None and not rule.refuses:
        return f"{rule} of policy {policy.name} admits it", _close(policy, rule, source), False
    see = (
        f"A change takes minutes to be in force; see the rules: gcloud compute security-policies describe {policy.name}"
    )
    return f"{rule or 'no rule'} of policy {policy.name} refuses it, and it is not in force", see, True


def _close(policy: Policy, rule: armor.Rule, source: str) -> str:
    this_one = f"Refuse it: {armor.refuse(policy, source, rule)}"
    if rule is policy.rules[-1]:
        return f"{this_one}; or whoever no rule admits: {_refuse_the_rest(policy)}"
    return this_one


def _resource(config: LoadBalancerConfig, policies: tuple[Policy, ...]) -> str:
    if policies:
        return f"securityPolicies/{policies[0].name}"
    return f"ingress {config.namespace}/{names.ingress(config.release)}"
