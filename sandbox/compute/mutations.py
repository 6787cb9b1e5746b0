"""Accepting mutations and carrying them out.

Everything that can be refused is refused at once; what passes becomes an operation whose effect comes when it is done.
Until then the resource is reserved: a second insert of its name is a conflict, a reference to it or a change of it is
`resourceNotReady`. At the end the checks that other operations may have overtaken run again, and what they find is the
operation's error.
"""

import copy
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.compute import addresses, errors, fields, quotas, references, rules, ssl_certificates
from sandbox.compute.catalogue import COLLECTIONS, Collection
from sandbox.compute.links import Ref
from sandbox.compute.operations import Operation, Operations
from sandbox.compute.store import Store, skeleton
from sandbox.faults import Faults
from sandbox.latency import Latency
from sandbox.network import AddressPool

_SERVER_FIELDS = ("kind", "id", "creationTimestamp", "selfLink", "fingerprint", "labelFingerprint", "name", "zone")
_KEPT_AT_UPDATE = ("kind", "id", "creationTimestamp", "name", "selfLink", "zone", "labels", "securityPolicy")


@dataclass(frozen=True)
class Caller:
    """Who asks, and the `requestId` that makes a repetition harmless."""

    user: str
    request_id: str = ""


class Mutations:
    """The write side of the API."""

    def __init__(
        self,
        store: Store,
        operations: Operations,
        faults: Faults,
        latency: Latency,
        pool: AddressPool,
        limits: Mapping[str, float],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self.store, self.operations = store, operations
        self._faults, self._latency, self._pool, self._limits, self._later = faults, latency, pool, limits, later
        self._chance = random.SystemRandom()
        self._inserting: dict[Ref, dict[str, Any]] = {}
        self._changing: set[Ref] = set()

    def insert(self, caller: Caller, collection: Collection, zone: str, body: dict[str, Any]) -> dict[str, Any]:
        """Accept a new resource; return its operation."""
        ref = Ref(collection.name, rules.check_name(body.get("name")), zone)
        path = ref.path(self.store.project)
        if self.store.get(ref) is not None or ref in self._inserting:
            raise errors.already_exists(path)
        given = {key: value for key, value in body.items() if key not in (*_SERVER_FIELDS, *collection.output_only)}
        given.pop("securityPolicy", None)  # set by setSecurityPolicy only
        material = ssl_certificates.prepare(given) if collection.name == "sslCertificates" else None
        resource = skeleton(self.store, ref) | self._checked(collection, given)
        failure = self._quota_failure(collection, given)
        self._settle_address(collection, resource)
        self._inserting[ref] = resource
        if collection.name == "addresses":
            self.store.put(ref, resource)  # visible at once, as RESERVING

        def complete() -> None:
            del self._inserting[ref]
            try:
                if failure is not None:
                    raise failure
                self._resolved(collection, resource)  # what it refers to may be gone by now
            except errors.GoogleError:
                self._undo_address(ref, resource)
                raise
            if material is not None:
                self.store.material[ref] = material
            self.store.put(ref, resource)

        return self._submit(caller, ref, "insert", resource["id"], complete)

    def update(self, caller: Caller, ref: Ref, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Accept PUT (`update`) or PATCH (`patch`) of a resource."""
        collection, current = COLLECTIONS[ref.collection], copy.deepcopy(self.existing(ref))
        self.strike_stale(ref)
        self._check_fingerprint(collection, current, body, needed=verb == "update")
        ignored = (*_SERVER_FIELDS, *collection.output_only, "securityPolicy")
        given = {key: value for key, value in body.items() if key not in ignored}
        _refuse_immutable(collection, current, given)
        if verb == "patch":
            given = fields.merged(_without_old_probe(current, given), given)
        kept = {key: current[key] for key in (*_KEPT_AT_UPDATE, *collection.immutable) if key in current}
        return self.change(caller, ref, verb, kept | self._checked(collection, given | kept))

    def change(self, caller: Caller, ref: Ref, operation_type: str, resource: dict[str, Any]) -> dict[str, Any]:
        """Accept a new content for an existing resource; the content has been checked."""
        collection = COLLECTIONS[ref.collection]

        def complete() -> None:
            self._resolved(collection, resource)
            self.store.put(ref, resource)

        return self.run(caller, ref, operation_type, complete)

    def delete(self, caller: Caller, ref: Ref) -> dict[str, Any]:
        """Accept the deletion of a resource that nothing uses."""
        resource = self.existing(ref)
        references.check_unused(self.store, ref)

        def complete() -> None:
            references.check_unused(self.store, ref)
            self.store.remove(ref)
            self._undo_address(ref, resource)

        return self.run(caller, ref, "delete", complete)

    def run(
        self, caller: Caller, ref: Ref, operation_type: str, effect: Callable[[], None], *, shared: bool = False
    ) -> dict[str, Any]:
        """Accept any change of an existing resource.

        With `shared`, others may be under way at the same time, as attaching endpoints is allowed to.
        """
        resource = self.existing(ref)
        if ref in self._changing and not shared:
            raise errors.not_ready(ref.path(self.store.project))
        if not shared:
            self._changing.add(ref)

        def complete() -> None:
            if not shared:
                self._changing.discard(ref)
            self.existing(ref)
            effect()

        return self._submit(caller, ref, operation_type, resource["id"], complete)

    def existing(self, ref: Ref) -> dict[str, Any]:
        """The resource, if it exists and its insert is over."""
        resource = self.store.get(ref)
        if resource is None:
            raise errors.not_found(ref.path(self.store.project))
        if ref in self._inserting:
            raise errors.not_ready(ref.path(self.store.project))
        return resource

    def inserting(self, ref: Ref) -> bool:
        return ref in self._inserting

    def strike_stale(self, ref: Ref) -> None:
        """Fail an update as if somebody had just changed the resource, if that fault is armed."""
        if self._faults.strike("stale-fingerprint", collection=ref.collection):
            raise errors.stale_fingerprint()

    def _submit(
        self, caller: Caller, ref: Ref, operation_type: str, target_id: str, effect: Callable[[], None]
    ) -> dict[str, Any]:
        seconds = self._chance.uniform(*self._latency.operation_seconds)
        if slow := self._faults.strike("slow-operations"):
            seconds = float(slow["seconds"])
        operation = self.operations.begin(
            ref,
            operation_type,
            target_id=target_id,
            user=caller.user,
            seconds=seconds,
            request_id=caller.request_id,
        )
        reply = self.operations.shown(operation, operation.inserted)
        if seconds > 0:
            self._later(seconds, lambda: self._complete(operation, effect))
        else:
            self._complete(operation, effect)
        return reply

    def _complete(self, operation: Operation, effect: Callable[[], None]) -> None:
        failure = None
        try:
            effect()
        except errors.GoogleError as error:
            failure = error
        operation.finish(self.store.clock(), failure)

    def _checked(self, collection: Collection, given: dict[str, Any]) -> dict[str, Any]:
        resource = fields.with_defaults(fields.without_nulls(given), dict(collection.defaults))
        rules.check(collection.name, resource)
        return self._resolved(collection, resource)

    def _resolved(self, collection: Collection, resource: dict[str, Any]) -> dict[str, Any]:
        references.resolve(self.store, collection, resource, self._inserting)
        return resource

    def _check_fingerprint(
        self, collection: Collection, current: dict[str, Any], body: dict[str, Any], *, needed: bool
    ) -> None:
        """An outdated fingerprint is refused; a whole update must bring one."""
        if not collection.fingerprint:
            return
        given = body.get("fingerprint")
        if needed and not given:
            raise errors.required("resource.fingerprint")
        if given and given != current["fingerprint"]:
            raise errors.stale_fingerprint()

    def _quota_failure(self, collection: Collection, given: dict[str, Any]) -> errors.GoogleError | None:
        """Refuse now when a quota is used up; return the error that the operation shall end with."""
        metrics = list(collection.quotas)
        if collection.name == "forwardingRules" and not given.get("IPAddress"):
            metrics.append("IN_USE_ADDRESSES")
        for metric in metrics:
            for name, where in (("quota-exceeded", {"where": "sync"}), ("quota-taken", {})):
                if fault := self._faults.strike(name, metric=metric, **where):
                    raise quotas.with_quota_info(metric, float(fault["limit"]))
            if fault := self._faults.strike("quota-exceeded", metric=metric, where="operation"):
                return quotas.with_quota_info(metric, float(fault["limit"]))
        if refusal := quotas.check(self.store, self._limits, metrics, self._inserting):
            raise refusal
        return None

    def _settle_address(self, collection: Collection, resource: dict[str, Any]) -> None:
        if collection.name == "addresses":
            addresses.reserve(self.store, self._pool, resource)
        elif collection.name == "forwardingRules":
            addresses.assign(self.store, self._pool, resource, self._inserting)

    def _undo_address(self, ref: Ref, resource: dict[str, Any]) -> None:
        if ref.collection == "addresses" and self.store.get(ref) is not None:
            self.store.remove(ref)
        address = resource.get("address") or resource.get("IPAddress")
        if address:
            addresses.release(self.store, self._pool, address)


def _refuse_immutable(collection: Collection, current: dict[str, Any], given: dict[str, Any]) -> None:
    for field in collection.immutable:
        if given.get(field) is not None and given[field] != current.get(field):
            raise errors.invalid(field, given[field], "The field cannot be changed by this method.")


def _without_old_probe(current: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A patch that changes a health check's type drops the block of the old type."""
    if given.get("type") in (None, current.get("type")):
        return current
    return {key: value for key, value in current.items() if not key.endswith("HealthCheck") or key in given}
