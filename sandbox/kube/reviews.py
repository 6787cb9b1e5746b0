"""Questions about who may do what: `kubectl auth can-i` and `auth whoami` (authorization and authentication APIs)."""

from typing import Any

from sandbox.kube.kinds import Kind
from sandbox.kube.users import User, Users

Object = dict[str, Any]


def answer(kind: Kind, review: Object, user: User, users: Users) -> Object:
    """The review with its status."""
    spec = review.get("spec") or {}
    match kind.kind:
        case "SelfSubjectReview":
            status: Object = {"userInfo": _info(user)}
        case "TokenReview":
            status = _token(spec, users)
        case "SelfSubjectRulesReview":
            status = _rules(user, users)
        case "SelfSubjectAccessReview":
            status = _access(spec, user, users)
        case _:
            somebody = User(spec.get("user", ""), "", tuple(spec.get("groups") or ()))
            status = _access(spec, somebody, users)
    metadata = review.get("metadata") or {}
    shown = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {"creationTimestamp": None} | metadata}
    return shown | ({"spec": spec} if spec or kind.kind != "SelfSubjectReview" else {}) | {"status": status}


def _info(user: User) -> Object:
    info: Object = {"username": user.name, "groups": list(user.groups)}
    return info | ({"uid": user.uid} if user.uid else {})


def _token(spec: Object, users: Users) -> Object:
    found = users.by_token(spec.get("token", ""))
    if found is None:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": _info(found), "audiences": spec.get("audiences") or ["kubernetes"]}


def _access(spec: Object, user: User, users: Users) -> Object:
    wanted, path = spec.get("resourceAttributes") or {}, spec.get("nonResourceAttributes") or {}
    resource = wanted.get("resource", "")
    if users.may(user, wanted.get("verb", path.get("verb", "")), resource, path=path.get("path", "")):
        return {"allowed": True, "reason": f'RBAC: allowed by ClusterRoleBinding "cluster-admin" to "{user.name}"'}
    return {"allowed": False}


def _rules(user: User, users: Users) -> Object:
    """Everything, or nothing: the switch's exceptions cannot be expressed as rules."""
    if not users.may(user, "*", "*"):
        return {"resourceRules": [], "nonResourceRules": [], "incomplete": False}
    return {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }
