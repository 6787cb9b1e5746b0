"""Creating and changing objects: decode, patch, default, attribute, validate, store."""

import datetime as dt
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.kube import (
    allocation,
    bare,
    decoding,
    defaults,
    managed_fields,
    patch,
    schema,
    strategy,
    structural,
    validation,
)
from sandbox.kube.decoding import Decoded, FieldValidation
from sandbox.kube.deletion import Deletion
from sandbox.kube.errors import Cause, StatusError
from sandbox.kube.kinds import Kind
from sandbox.kube.managed_fields import Manager, Scope
from sandbox.kube.names import invalid, required
from sandbox.kube.store import Store

Object = dict[str, Any]

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_ATTEMPTS = 8


@dataclass(frozen=True, kw_only=True)
class Options:
    """What CreateOptions, UpdateOptions and PatchOptions have in common."""

    manager: str
    dry_run: bool = False
    force: bool = False
    validation: FieldValidation = "Warn"


@dataclass
class Written:
    """The object after a write, and what the client is warned of."""

    object: Object
    created: bool = False
    warnings: list[str] = field(default_factory=list)


class Writes:
    """Every change to a stored object goes through here."""

    def __init__(
        self, store: Store, deletion: Deletion, clock: Callable[[], dt.datetime], *, bare_cluster: bool = False
    ) -> None:
        self._store, self._deletion, self._clock = store, deletion, clock
        self._bare = bare_cluster

    def create(self, kind: Kind, namespace: str, document: Any, options: Options) -> Written:
        """Store a new object.

        Raises:
            StatusError: 400 undecodable, 403 its namespace is going away, 404 no such namespace, 409 the name is
                taken, 422 invalid.
        """
        decoded = decoding.decode(kind, document, options.validation)
        obj = decoded.object
        self._place(kind, namespace, obj)
        if obj["metadata"].get("resourceVersion"):
            raise StatusError.internal("resourceVersion should not be set on objects to be created")
        obj["metadata"].pop("managedFields", None)
        self._fill(kind, obj)
        manager = Manager(options.manager, "Update", kind.api_version)
        obj = managed_fields.after_update(_scope(kind, ""), None, obj, manager, self._now(), _skeleton(kind))
        return self._store_new(kind, obj, decoded.warnings, options)

    def update(
        self, kind: Kind, namespace: str, name: str, subresource: str, document: Any, options: Options
    ) -> Written:
        """Replace an object, or its status.

        Raises:
            StatusError: as `create`; 409 also if it changed since the client read it.
        """
        decoded = decoding.decode(kind, document, options.validation)
        metadata = decoded.object["metadata"]
        if metadata.setdefault("name", name) != name:
            text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise StatusError.bad_request(text)
        self._check_namespace(namespace, decoded.object)
        live = self._live(kind, namespace, name)
        if kind.custom and not metadata.get("resourceVersion"):
            text = "Invalid value: 0: must be specified for an update"
            raise StatusError.invalid(kind, name, [Cause("metadata.resourceVersion", "FieldValueInvalid", text)])
        manager = Manager(options.manager, "Update", kind.api_version, subresource)
        return self._change(kind, live, decoded, subresource, manager, options)

    def patch(
        self, kind: Kind, namespace: str, name: str, subresource: str, media: str, document: Any, options: Options
    ) -> Written:
        """Change parts of an object; server-side apply also creates it.

        Raises:
            StatusError: as `update`; 415 for an unknown kind of patch.
        """
        if media == APPLY:
            return self._apply(kind, namespace, name, subresource, document, options)
        live = self._live(kind, namespace, name)
        patched = self._patched(kind, live, media, document)
        if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
            raise StatusError.bad_request("the patch leaves no object behind")
        try:
            decoded = decoding.decode(kind, patched, options.validation)
        except StatusError as error:
            shown = document if media == STRATEGIC else patched
            raise _unfit_patch(shown, error) from None
        manager = Manager(options.manager, "Update", kind.api_version, subresource)
        return self._change(kind, live, decoded, subresource, manager, options)

    def _patched(self, kind: Kind, live: Object, media: str, document: Any) -> Any:
        match media:
            case "application/merge-patch+json":
                return patch.merge(live, document)
            case "application/json-patch+json":
                return patch.json_patch(live, document)
            case "application/strategic-merge-patch+json" if not kind.custom:
                return patch.strategic(decoding.schema_of(kind), live, document)
        accepted = [JSON_PATCH, MERGE_PATCH, *([] if kind.custom else [STRATEGIC]), APPLY]
        raise StatusError.unsupported_media_type(", ".join(accepted))

    def _apply(
        self, kind: Kind, namespace: str, name: str, subresource: str, document: Any, options: Options
    ) -> Written:
        config, warnings = self._configuration(kind, namespace, name, document, options)
        live = self._store.get(kind.stored_in, namespace, name)
        live = live and live | {"apiVersion": kind.api_version, "kind": kind.kind}
        if live is None and subresource:
            raise StatusError.not_found(kind, name)
        if live is not None and config["metadata"].get("uid") not in (None, live["metadata"]["uid"]):
            raise StatusError.conflict(kind, name, _other_uid(config, live))
        manager = Manager(options.manager, "Apply", kind.api_version, subresource)
        merged = managed_fields.apply(
            _scope(kind, subresource), live, config, manager, self._now(), force=options.force, skeleton=_skeleton(kind)
        )
        entries = merged["metadata"].get("managedFields", [])
        decoded = decoding.decode(kind, merged, "Ignore")
        decoded.warnings += warnings
        decoded.object["metadata"]["managedFields"] = entries
        self._fill(kind, decoded.object)
        if live is None:
            decoded.object["metadata"].pop("resourceVersion", None)
            self._place(kind, namespace, decoded.object)
            return self._store_new(kind, decoded.object, decoded.warnings, options)
        return self._store_changed(kind, live, decoded, subresource, options)

    def _configuration(
        self, kind: Kind, namespace: str, name: str, document: Any, options: Options
    ) -> tuple[Object, list[str]]:
        """An applied configuration, checked as `patch.go` and `fieldmanager.go` do."""
        if not options.manager:
            cause = required("fieldManager", "is required for apply patch")
            patch_options = Kind(group="meta.k8s.io", version="v1", kind="PatchOptions", plural="patchoptions")
            raise StatusError.invalid(patch_options, "", [cause])
        if not isinstance(document, dict):
            raise StatusError.bad_request("error decoding YAML: the configuration is not an object")
        for field_name, word in (("apiVersion", "API version"), ("kind", "kind")):
            wanted = kind.api_version if field_name == "apiVersion" else kind.kind
            if document.get(field_name) != wanted:
                have = document.get(field_name) or ""
                text = f"the {word} in the data ({have}) does not match the expected {word} ({wanted})"
                raise StatusError.bad_request(text)
        config: Object = schema.quantities_as_text(decoding.schema_of(kind), document)
        metadata = config["metadata"] = dict(config.get("metadata") or {})
        if metadata.get("managedFields"):
            raise StatusError.bad_request("metadata.managedFields must be nil")
        if metadata.setdefault("name", name) != name:
            text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise StatusError.bad_request(text)
        self._check_namespace(namespace, config)
        if kind.namespaced:
            metadata.setdefault("namespace", namespace)
        metadata.pop("creationTimestamp", None)
        return config, []

    def _change(
        self, kind: Kind, live: Object, decoded: Decoded, subresource: str, manager: Manager, options: Options
    ) -> Written:
        """Store a whole new state that a client made from `live`, or from an older state of it."""
        obj, name = decoded.object, live["metadata"]["name"]
        if kind.namespaced:
            obj["metadata"].setdefault("namespace", live["metadata"].get("namespace"))
        sent = obj["metadata"].get("resourceVersion")
        if sent and sent != live["metadata"]["resourceVersion"]:
            raise StatusError.stale(kind, name)
        if obj["metadata"].get("uid") not in (None, live["metadata"]["uid"]):
            raise StatusError.conflict(kind, name, _other_uid(obj, live))
        self._fill(kind, obj)
        if subresource != "status" and kind.status:
            obj.pop("status", None)
            if "status" in live:
                obj["status"] = live["status"]
        elif subresource == "status":
            obj = strategy.prepare_update(kind, obj, live, subresource)
        decoded.object = managed_fields.after_update(
            _scope(kind, subresource), live, obj, manager, self._now(), _skeleton(kind)
        )
        return self._store_changed(kind, live, decoded, subresource, options)

    def _store_changed(self, kind: Kind, live: Object, decoded: Decoded, subresource: str, options: Options) -> Written:
        obj = strategy.prepare_update(kind, decoded.object, live, subresource)
        if kind.stored_in == "services":
            obj["spec"] = _copied(obj["spec"])
            allocation.allocate(kind, obj, live, self._others(kind, live))
        self._validate(kind, obj, live)
        metadata = obj["metadata"]
        metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
        if obj == live:
            return Written(live, warnings=decoded.warnings)
        if options.dry_run:
            return Written(obj, warnings=decoded.warnings)
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and self._deletion.ready(kind, obj):
            return Written(self._deletion.remove(kind, obj), warnings=decoded.warnings)
        return Written(self._store.put(kind.stored_in, obj), warnings=decoded.warnings)

    def _store_new(self, kind: Kind, obj: Object, warnings: list[str], options: Options) -> Written:
        strategy.prepare_create(kind, obj, self._now())
        if kind.stored_in == "services":
            allocation.allocate(kind, obj, None, self._store.objects(kind.stored_in))
        if kind.stored_in == "persistentvolumeclaims" and obj["spec"].get("storageClassName") is None:
            self._choose_storage_class(obj)
        self._name(kind, obj)
        if self._bare:
            bare.admit(self._store, kind, obj)
        self._validate(kind, obj, None)
        metadata = obj["metadata"]
        if self._store.get(kind.stored_in, metadata.get("namespace", ""), metadata["name"]):
            raise StatusError.already_exists(kind, metadata["name"])
        if options.dry_run:
            return Written(obj, created=True, warnings=warnings)
        return Written(self._store.put(kind.stored_in, obj), created=True, warnings=warnings)

    def _fill(self, kind: Kind, obj: Object) -> None:
        if not kind.custom:
            defaults.fill(kind, obj)
            return
        filled = schema.apply_defaults(decoding.schema_of(kind), obj)
        obj.clear()
        obj.update(filled)

    def _validate(self, kind: Kind, obj: Object, old: Object | None) -> None:
        found = validation.faults(kind, obj, old)
        if kind.custom and kind.schema:
            found += structural.faults(kind.schema, obj)
        if found:
            raise StatusError.invalid(kind, obj["metadata"].get("name") or "", found)

    def _live(self, kind: Kind, namespace: str, name: str) -> Object:
        live = self._store.get(kind.stored_in, namespace, name)
        if live is None:
            raise StatusError.not_found(kind, name)
        return live | {"apiVersion": kind.api_version, "kind": kind.kind}

    def _others(self, kind: Kind, live: Object) -> list[Object]:
        uid = live["metadata"]["uid"]
        return [each for each in self._store.objects(kind.stored_in) if each["metadata"]["uid"] != uid]

    def _check_namespace(self, namespace: str, obj: Object) -> None:
        if obj["metadata"].get("namespace", namespace) != namespace:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise StatusError.bad_request(text)

    def _place(self, kind: Kind, namespace: str, obj: Object) -> None:
        """Put a new object into its namespace, if that can take one."""
        self._check_namespace(namespace, obj)
        if not kind.namespaced:
            obj["metadata"].pop("namespace", None)
            return
        obj["metadata"]["namespace"] = namespace
        home = self._store.get("namespaces", "", namespace)
        if home is None:
            raise StatusError.not_found(NAMESPACE, namespace)
        if home["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = Cause("metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated")
            raise StatusError.forbidden(kind, obj["metadata"].get("name", ""), why, [cause])

    def _choose_storage_class(self, claim: Object) -> None:
        """Admission plugin DefaultStorageClass."""
        for each in self._store.objects("storageclasses.storage.k8s.io"):
            annotations = each["metadata"].get("annotations") or {}
            if annotations.get("storageclass.kubernetes.io/is-default-class") == "true":
                claim["spec"]["storageClassName"] = each["metadata"]["name"]

    def _name(self, kind: Kind, obj: Object) -> None:
        metadata = obj["metadata"]
        if metadata.get("name") or not metadata.get("generateName"):
            return
        for _ in range(_ATTEMPTS):
            suffix = "".join(random.choices(_SUFFIX, k=5))  # noqa: S311
            metadata["name"] = f"{metadata['generateName'][:58]}{suffix}"
            if not self._store.get(kind.stored_in, metadata.get("namespace", ""), metadata["name"]):
                return

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")


NAMESPACE = Kind(group="", version="v1", kind="Namespace", plural="namespaces", namespaced=False)


def _scope(kind: Kind, subresource: str) -> Scope:
    return Scope(schema=decoding.schema_of(kind), reset=strategy.reset_fields(kind, subresource))


def _skeleton(kind: Kind) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind} | defaults.skeleton(kind)


def _other_uid(obj: Object, live: Object) -> str:
    sent, have = obj["metadata"]["uid"], live["metadata"]["uid"]
    return f"Precondition failed: UID in precondition: {sent}, UID in object meta: {have}"


def _unfit_patch(shown: Any, error: StatusError) -> StatusError:
    """A patch whose result does not decode is an invalid patch, of no kind (`handlers/patch.go`)."""
    nothing = Kind(group="", version="", kind="", plural="")
    why = error.message.partition(": ")[2] or error.message
    return StatusError.invalid(nothing, "", [invalid("patch", json.dumps(shown, separators=(",", ":")), why)])


def _copied(spec: Object) -> Object:
    return spec | {"ports": [dict(port) for port in spec["ports"]]} if "ports" in spec else dict(spec)
