"""The extra verbs of the collections: setTarget, setSslCertificates, attachNetworkEndpoints and their kin."""

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.compute import endpoints, errors, references, rules, security_policies
from sandbox.compute.catalogue import COLLECTIONS
from sandbox.compute.links import Ref
from sandbox.compute.mutations import Caller, Mutations
from sandbox.compute.store import fingerprint

Change = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def perform(
    mutations: Mutations, caller: Caller, ref: Ref, action: str, body: dict[str, Any], query: Mapping[str, str]
) -> dict[str, Any]:
    """Accept one of the extra verbs; return its operation."""
    current = copy.deepcopy(mutations.existing(ref))
    if action in ("attachNetworkEndpoints", "detachNetworkEndpoints"):
        return _endpoints(mutations, caller, ref, action, body)
    if action == "invalidateCache":
        return mutations.run(caller, ref, action, lambda: None)
    mutations.strike_stale(ref)
    if action in security_policies.CHANGES:
        resource = security_policies.CHANGES[action](current, body, query.get("priority", ""))
        if query.get("validateOnly") == "true":
            return mutations.run(caller, ref, action, lambda: None)
    else:
        resource = _CHANGES[action](current, body)
    references.resolve(mutations.store, COLLECTIONS[ref.collection], resource, ())
    return mutations.change(caller, ref, action, resource)


def _endpoints(mutations: Mutations, caller: Caller, ref: Ref, action: str, body: dict[str, Any]) -> dict[str, Any]:
    wanted = endpoints.wanted(mutations.store, ref, body)
    if action == "detachNetworkEndpoints":
        endpoints.check_attached(mutations.store, ref, wanted)
    change = endpoints.attach if action == "attachNetworkEndpoints" else endpoints.detach
    return mutations.run(caller, ref, action, functools.partial(change, mutations.store, ref, wanted), shared=True)


def _required(field: str) -> Change:
    def change(current: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        if not body.get(field):
            raise errors.required(field)
        return current | {field: body[field]}

    return change


def _optional(field: str) -> Change:
    """Set a field, or clear it when the body leaves it out."""

    def change(current: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        rest = {key: value for key, value in current.items() if key != field}
        return rest | {field: body[field]} if body.get(field) else rest

    return change


def _set_ssl_certificates(current: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    certificates = body.get("sslCertificates") or []
    if not certificates and not current.get("certificateMap"):
        raise rules.no_certificates()
    changed = current | {"sslCertificates": list(certificates)}
    rules.check("targetHttpsProxies", changed)
    return changed


def _set_labels(current: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    if body.get("labelFingerprint") != fingerprint(current.get("labels", {})):
        raise errors.stale_fingerprint()
    return current | {"labels": dict(body.get("labels") or {})}


_CHANGES: dict[str, Change] = {
    "setCertificateMap": _optional("certificateMap"),
    "setLabels": _set_labels,
    "setQuicOverride": _required("quicOverride"),
    "setSecurityPolicy": _optional("securityPolicy"),
    "setSslCertificates": _set_ssl_certificates,
    "setSslPolicy": _optional("sslPolicy"),
    "setTarget": _required("target"),
    "setUrlMap": _required("urlMap"),
}
