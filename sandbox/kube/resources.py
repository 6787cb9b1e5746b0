"""Requests for resources: from RequestInfo to what the store has or becomes."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.kube import decoding, events, patch, present, scale, selectors
from sandbox.kube.deletion import DeleteOptions, Deletion
from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind, Registry
from sandbox.kube.requests import Request
from sandbox.kube.store import Store
from sandbox.kube.writes import Options, Writes, Written

Object = dict[str, Any]

_RETURN_DELETED = frozenset({
    "persistentvolumeclaims", "persistentvolumes", "pods", "resourcequotas", "serviceaccounts", "services",
    "storageclasses.storage.k8s.io",
})  # fmt: skip
"""Kinds whose deletion answers with the object, all others with a Status (`ReturnDeletedObject` of their storage)."""


@dataclass
class Reply:
    """An answer to be written as JSON."""

    document: Any
    code: int = 200
    warnings: list[str] = field(default_factory=list)


class Resources:
    """Answers every request for a stored resource, watches excepted."""

    def __init__(self, store: Store, registry: Registry, writes: Writes, deletion: Deletion) -> None:
        self._store, self._registry, self._writes, self._deletion = store, registry, writes, deletion

    def kind(self, request: Request) -> Kind:
        """The kind a request is for.

        Raises:
            StatusError: 404, it is not served.
        """
        kind = self._registry.find(request.group, request.version, request.resource)
        if kind is None or (request.namespace and not kind.namespaced):
            raise StatusError.no_such_resource()
        if request.subresource not in self._subresources(kind):
            raise StatusError.no_such_resource()
        return kind

    def answer(self, request: Request, kind: Kind) -> Reply:
        """Carry a request out.

        Raises:
            StatusError: whatever the API server refuses it with.
        """
        match request.verb:
            case "list":
                return Reply(self._list(request, kind))
            case "get":
                return Reply(self._get(request, kind))
            case "create" if not request.name and (request.namespace or not kind.namespaced):
                return self._create(request, kind)
            case "create" if kind.stored_in == "pods" and request.subresource == "eviction":
                return self._delete(request, kind)
            case "update" if request.name:
                return self._update(request, kind)
            case "patch" if request.name:
                return self._patch(request, kind)
            case "delete" if not request.subresource:
                return self._delete(request, kind)
            case "deletecollection" if request.namespace or not kind.namespaced:
                return self._delete_collection(request, kind)
        raise StatusError.method_not_allowed()

    def select(self, request: Request, kind: Kind) -> selectors.Predicate:
        """The predicate of a request's selectors."""
        tests = []
        if text := request.query.get("labelSelector"):
            tests.append(selectors.labels(text))
        if text := request.query.get("fieldSelector"):
            tests.append(selectors.fields(text, kind))
        return lambda obj: all(test(obj) for test in tests)

    def selected(self, request: Request, kind: Kind) -> list[Object]:
        fits = self.select(request, kind)
        return [each for each in self._store.objects(kind.stored_in, request.namespace) if fits(each)]

    def _subresources(self, kind: Kind) -> tuple[str, ...]:
        found = ["", *(["status"] if kind.status else []), *(["scale"] if kind.scale else [])]
        found += {"pods": ["log", "eviction"], "namespaces": ["finalize"]}.get(kind.stored_in, [])
        return tuple(found)

    def _list(self, request: Request, kind: Kind) -> Object:
        limit = request.number("limit")
        revision = self._store.revision
        if token := request.query.get("continue"):
            revision, key = _read_token(token)
            kept = self._store.rest(revision, key)
            if kept is None:
                text = (
                    "The provided continue parameter is too old to display a consistent list result. You can start a "
                    "new list without the continue parameter."
                )
                raise StatusError.expired(text)
            found = kept
        else:
            found = self.selected(request, kind)
        metadata: Object = {"resourceVersion": str(revision)}
        if limit and len(found) > limit:
            rest = found[limit:]
            first = rest[0]["metadata"]
            key = f"{kind.qualified}/{first.get('namespace', '')}/{first['name']}"
            self._store.keep_rest(key, rest, revision)
            metadata["continue"] = _token(revision, key)
            metadata["remainingItemCount"] = len(rest)
            found = found[:limit]
        return present.collection(request, kind, found, metadata)

    def _get(self, request: Request, kind: Kind) -> Object:
        live = self._live(request, kind)
        if request.subresource == "scale":
            return scale.of(live)
        return present.form(request, kind, live)

    def _create(self, request: Request, kind: Kind) -> Reply:
        document = decoding.body(request.raw, request.content_type)
        if kind.group == "events.k8s.io":
            document = events.to_core(decoding.decode(kind, document, "Ignore").object)
            kind_stored = self._core_event()
            written = self._writes.create(kind_stored, request.namespace, document, self._options(request))
        else:
            written = self._writes.create(kind, request.namespace, document, self._options(request))
        return self._written(request, kind, written)

    def _update(self, request: Request, kind: Kind) -> Reply:
        document = decoding.body(request.raw, request.content_type)
        if request.subresource == "scale":
            return self._scale(request, kind, document)
        if request.subresource == "finalize":
            return self._finalize(request, kind, document)
        if kind.group == "events.k8s.io":
            document, kind_stored = events.to_core(document), self._core_event()
        else:
            kind_stored = kind
        written = self._writes.update(
            kind_stored, request.namespace, request.name, request.subresource, document, self._options(request)
        )
        return self._written(request, kind, written)

    def _patch(self, request: Request, kind: Kind) -> Reply:
        media = request.content_type.partition(";")[0].strip()
        document = decoding.body(request.raw, media)
        options = self._options(request)
        if request.subresource == "scale":
            live = scale.of(self._live(request, kind))
            return self._scale(request, kind, patch.merge(live, document))
        if kind.group == "events.k8s.io":
            live = self._live(request, kind)
            patched = patch.merge(events.from_core(live), document)
            written = self._writes.update(
                self._core_event(), request.namespace, request.name, "", events.to_core(patched), options
            )
        else:
            written = self._writes.patch(
                kind, request.namespace, request.name, request.subresource, media, document, options
            )
        return self._written(request, kind, written)

    def _delete(self, request: Request, kind: Kind) -> Reply:
        options = _delete_options(request)
        last, gone = self._deletion.delete(kind, request.namespace, request.name, options)
        if not gone or kind.stored_in in _RETURN_DELETED:
            return Reply(present.form(request, kind, last))
        return Reply(_deleted(kind, last))

    def _delete_collection(self, request: Request, kind: Kind) -> Reply:
        options = _delete_options(request)
        found = self.selected(request, kind)
        for each in found:
            metadata = each["metadata"]
            self._deletion.delete(kind, metadata.get("namespace", ""), metadata["name"], options)
        metadata = {"resourceVersion": str(self._store.revision)}
        return Reply(present.collection(request, kind, found, metadata))

    def _scale(self, request: Request, kind: Kind, document: Any) -> Reply:
        live = self._live(request, kind)
        replicas = scale.replicas(document)
        change = {"metadata": {}, "spec": {"replicas": replicas}}
        sent = (document.get("metadata") or {}).get("resourceVersion")
        if sent and sent != live["metadata"]["resourceVersion"]:
            raise StatusError.stale(kind, request.name)
        written = self._writes.patch(
            kind, request.namespace, request.name, "", "application/merge-patch+json", change, self._options(request)
        )
        return Reply(scale.of(written.object))

    def _finalize(self, request: Request, kind: Kind, document: Any) -> Reply:
        live = self._live(request, kind)
        left = (document.get("spec") or {}).get("finalizers") or []
        changed = self._store.put(kind.stored_in, live | {"spec": {"finalizers": left} if left else {}})
        return Reply(present.one(kind, changed))

    def _written(self, request: Request, kind: Kind, written: Written) -> Reply:
        document = present.form(request, kind, written.object)
        return Reply(document, 201 if written.created else 200, written.warnings)

    def _live(self, request: Request, kind: Kind) -> Object:
        live = self._store.get(kind.stored_in, request.namespace, request.name)
        if live is None:
            raise StatusError.not_found(kind, request.name)
        return live

    def _core_event(self) -> Kind:
        kind = self._registry.find("", "v1", "events")
        assert kind is not None
        return kind

    def _options(self, request: Request) -> Options:
        apply = request.content_type.startswith("application/apply-patch")
        asked = request.query.get("fieldValidation", "")
        return Options(
            manager=request.query.get("fieldManager", "") if apply else request.manager,
            dry_run=request.dry_run,
            force=request.flag("force"),
            validation=asked if asked in ("Ignore", "Strict") else "Warn",  # type: ignore[arg-type]
        )


def _delete_options(request: Request) -> DeleteOptions:
    """From the query and from a body; the body wins, as kube-apiserver reads it."""
    body: Object = {}
    if request.raw.strip():
        parsed = decoding.body(request.raw, request.content_type)
        body = parsed if isinstance(parsed, dict) else {}
        body = body.get("deleteOptions", body) or {}  # an Eviction carries them inside
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
    return DeleteOptions(
        propagation=body.get("propagationPolicy") or request.query.get("propagationPolicy", ""),
        grace_seconds=None if grace is None else int(grace),
        uid=preconditions.get("uid") or "",
        revision=preconditions.get("resourceVersion") or "",
        dry_run=request.dry_run or "All" in (body.get("dryRun") or []),
    )


def _deleted(kind: Kind, last: Object) -> Object:
    metadata = last["metadata"]
    details = {"name": metadata["name"], "group": kind.group, "kind": kind.plural, "uid": metadata["uid"]}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {name: value for name, value in details.items() if value},
    }


def _token(revision: int, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": key}).encode()).decode()


def _read_token(token: str) -> tuple[int, str]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token))
        return int(found["rv"]), str(found["start"])
    except (ValueError, KeyError, TypeError):
        raise StatusError.bad_request(f"continue key is not valid: {token}") from None
