"""What is seen of a published Milvus from outside, judged: plain facts in, `Check`s out.

An open Milvus blocks, unless a reason was given; then the check still fails, and quotes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from tasks.core import allow_list, names, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.config import LoadBalancerConfig, SecurityPolicyAction
from tasks.core.http_faults import HttpAnswer

CHECKS = (
    "AnonymousAccessCheck",
    "DefaultPasswordCheck",
    "ManagementPortCheck",
    "PlainHttpCheck",
    "AllowListCheck",
    *allow_list.CHECKS,
)
"""Names of all that is judged here."""

# --- who is let in ------------------------------------------------------------------------------------------------


class Received(StrEnum):
    """What Milvus does with somebody at its door."""

    LET_IN = "let in"
    TURNED_AWAY = "turned away"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Door:
    """How somebody was received, and in which words."""

    received: Received
    seen: str


_OK, _PERMISSION_DENIED, _UNAUTHENTICATED = 0, 7, 16  # gRPC's statuscodes.md


def door(answer: HttpAnswer, *, named: bool) -> Door:
    """How Milvus received a call that reads, such as ShowCollections.

    Args:
        answer: to the call.
        named: whether a user and a password were sent; who is denied a privilege was known.
    """
    code = answer.grpc_status
    if code == _OK or (code == _PERMISSION_DENIED and named):
        return Door(Received.LET_IN, "answered")
    if code in (_UNAUTHENTICATED, _PERMISSION_DENIED):
        return Door(Received.TURNED_AWAY, answer.headers.get("grpc-message", "")[:100] or f"grpc-status {code}")
    said = f"HTTP {answer.status}" if code is None else f"grpc-status {code}"
    return Door(Received.UNKNOWN, said if answer.status else "no answer in time")


def anonymous_access(config: LoadBalancerConfig, found: Door, where: str) -> Check:
    """Whether Milvus refuses whoever names no user.

    Args:
        config: the configuration.
        found: how somebody without a user was received.
        where: what was dialled, or read.
    """
    name, resource = "AnonymousAccessCheck", _service(config)
    match found.received:
        case Received.TURNED_AWAY:
            return passed(name, resource, f"{where}: refuses who names no user ({found.seen})", layer="milvus")
        case Received.LET_IN:
            return _open(config, name, f"{where}: lets in whoever asks, without user and password")
    return skipped(name, resource, f"{where}: cannot be told ({found.seen})", layer="milvus")


def default_password(config: LoadBalancerConfig, found: Door, where: str, *, anonymous: Door) -> Check:
    """Whether Milvus refuses root with the password that it comes with.

    Args:
        config: the configuration.
        found: how root was received with it.
        where: what was dialled.
        anonymous: how somebody without a user was received; who is open to all takes any password.
    """
    name, resource = "DefaultPasswordCheck", _service(config)
    if anonymous.received is Received.LET_IN:
        return skipped(name, resource, f"{where}: asks for no password at all", layer="milvus")
    match found.received:
        case Received.TURNED_AWAY:
            return passed(name, resource, f"{where}: refuses root with the default password", layer="milvus")
        case Received.LET_IN:
            return _open(config, name, f"{where}: lets in root with the default password")
    return skipped(name, resource, f"{where}: cannot be told ({found.seen})", layer="milvus")


def by_settings(config: LoadBalancerConfig, texts: Sequence[str], unreachable: str) -> list[Check]:
    """Both questions, answered by Milvus' settings alone.

    Args:
        config: the configuration.
        texts: of its YAML files, later ones win; none when there are no settings to read.
        unreachable: why nobody could be asked.
    """
    anonymous, resource = "AnonymousAccessCheck", _service(config)
    why = f"{unreachable}; it is asked through the load balancer"
    default = skipped("DefaultPasswordCheck", resource, why, layer="milvus")
    try:
        is_on = authorization_enabled(texts)
    except yaml.YAMLError:
        return [skipped(anonymous, resource, f"{unreachable}; its settings are no YAML", layer="milvus"), default]
    setting = f"common.security.authorizationEnabled is {str(is_on).lower()} ({unreachable})"
    return [
        passed(anonymous, resource, setting, layer="milvus") if is_on else _open(config, anonymous, setting),
        default,
    ]


def authorization_enabled(texts: Sequence[str]) -> bool:
    """Whether these settings of Milvus, later ones winning, make it ask for a user; by itself it does not.

    Raises:
        yaml.YAMLError: one of them is no YAML.

    >>> authorization_enabled(["common: {security: {authorizationEnabled: true}}", "# nothing"])
    True
    """
    is_on: object = False
    for text in texts:
        tree: Any = yaml.safe_load(text)
        for key in ("common", "security"):
            tree = tree.get(key) if isinstance(tree, dict) else None
        if isinstance(tree, dict) and "authorizationEnabled" in tree:
            is_on = tree["authorizationEnabled"]
    return str(is_on).lower() in ("1", "t", "true")  # Go's strconv.ParseBool


def _open(config: LoadBalancerConfig, name: str, seen: str) -> Check:
    reason = config.open_milvus_reason
    if reason:
        seen = f"{seen}; published all the same, because: {reason}"
    return failed(name, _service(config), seen, _close(config), layer="milvus", blocks=not reason)


def _close(config: LoadBalancerConfig) -> str:
    return (
        "Set common.security.authorizationEnabled: true in the release's extraConfigFiles.user.yaml (helm get values "
        f"{config.release} -n {config.namespace}; then helm upgrade), and change root's password: "
        'MilvusClient(...).update_password("root", OLD, NEW). Or say why it may be open: open_milvus_reason.'
    )


def _service(config: LoadBalancerConfig) -> str:
    return f"service {config.namespace}/{names.service(config.release)}"


# --- what else is served ------------------------------------------------------------------------------------------

MANAGEMENT_PATHS = {
    "/healthz": ("OK",),
    "/metrics": ("# HELP",),
    "/log/level": ('"level"',),
    "/debug/pprof/": ("pprof",),
}
"""Paths of Milvus' management port that are harmless to ask for, and what only its answer has.

Those below /management/ change things when asked, so they are not (milvus-io/milvus#50763)."""


def is_management(path: str, answer: HttpAnswer) -> bool:
    """Whether this answer came from Milvus' management port; GKE's default backend has a /healthz, too, in lower case.

    >>> is_management("/healthz", HttpAnswer(200, {}, "OK")), is_management("/healthz", HttpAnswer(200, {}, "ok"))
    (True, False)
    """
    return answer.status == 200 and any(mark in answer.body for mark in MANAGEMENT_PATHS[path])


def management_port(config: LoadBalancerConfig, where: str, direct: Sequence[str], through_443: Sequence[str]) -> Check:
    """Whether port 9091, which takes orders without a password, stays inside.

    Args:
        config: the configuration.
        where: the address.
        direct: paths of it that answered at port 9091 of the address.
        through_443: paths of it that answered at the load balancer's own port.
    """
    name, ingress = "ManagementPortCheck", f"ingress {config.namespace}/{names.ingress(config.release)}"
    seen = [f"{where}:9091 answers {', '.join(direct)}"] if direct else []
    seen += [f"https://{config.domain} serves {', '.join(through_443)} of port 9091"] if through_443 else []
    if not seen:
        return passed(
            name, ingress, f"neither {where}:9091 nor port 443 serves Milvus' management port", layer="ingress"
        )
    mend = (
        "Lead no path of the Ingress and no forwarding rule to port 9091: "
        f"kubectl -n {config.namespace} get ingress,service -o wide; gcloud compute forwarding-rules list"
    )
    return failed(name, ingress, "; ".join(seen), mend, layer="ingress")


_REDIRECTS = (301, 302, 303, 307, 308)


def plain_http(config: LoadBalancerConfig, where: str, answer: HttpAnswer | None) -> Check:
    """Whether port 80 leads to HTTPS or nowhere.

    Args:
        config: the configuration.
        where: address and port.
        answer: to GET /, None when nothing answered.
    """
    name, ingress = "PlainHttpCheck", f"ingress {config.namespace}/{names.ingress(config.release)}"
    if answer is None:
        return passed(name, ingress, f"nothing answers plain HTTP at {where}", layer="ingress")
    location = answer.headers.get("location", "")
    if answer.status in _REDIRECTS and location.startswith("https://"):
        return passed(name, ingress, f"plain HTTP at {where} is sent to HTTPS ({answer.status})", layer="ingress")
    mend = (
        "Redirect or close port 80: milvus-l7 provision with http=redirect or http=disabled; by hand: "
        f"kubectl -n {config.namespace} annotate ingress {names.ingress(config.release)} --overwrite "
        "kubernetes.io/ingress.allow-http=false"
    )
    to = f" to {location}" if location else ""
    seen = f"plain HTTP at {where} is answered with {answer.status}{to}, not sent to HTTPS"
    # An error page is no data.
    return failed(name, ingress, seen, mend, layer="ingress", blocks=answer.status < 400, may_pass=True)


# --- the allow-list -------------------------------------------------------------------------------------------------


def every_service(url_map: Mapping[str, Any]) -> list[str]:
    """Backend services that a URL map can lead to, by name, the default ones included."""
    links = [url_map.get("defaultService")]
    for matcher in url_map.get("pathMatchers") or []:
        links += [matcher.get("defaultService"), *(rule.get("service") for rule in matcher.get("pathRules") or [])]
    return list(dict.fromkeys(status.tail(link) for link in links if link))


def allow_lists(config: LoadBalancerConfig, policies: Mapping[str, str]) -> list[Check]:
    """Whether every backend service has the Cloud Armor policy that was asked for.

    Args:
        config: the configuration.
        policies: name of the policy in force by backend service, "" for none.
    """
    return [_allow_list(config, service, policy) for service, policy in policies.items()]


def _allow_list(config: LoadBalancerConfig, service: str, policy: str) -> Check:
    name, resource, layer = "AllowListCheck", f"backendServices/{service}", "compute"
    seen = f"policy {policy}" if policy else "no policy: every address is let in"
    action, wanted = config.security_policy, config.security_policy_name
    if action is SecurityPolicyAction.KEEP or policy == wanted:
        # Without a policy to set, none is the name of the one that is wanted.
        return passed(
            name, resource, seen if action is not SecurityPolicyAction.KEEP else f"{seen} (kept)", layer=layer
        )
    flag = f"--security-policy {wanted}" if wanted else '--security-policy ""'
    mend = (
        "milvus-l7 provision sets it by the BackendConfig; at once: "
        f"gcloud compute backend-services update {service} --global {flag}"
    )
    asked = f"asked for is {wanted or 'none'}"
    return failed(name, resource, f"{seen}; {asked}", mend, layer=layer, may_pass=True)
