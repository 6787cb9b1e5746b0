"""Server-side apply and ownership, by table: no server."""

from typing import Any

import pytest

from sandbox.kube import decoding, fields, managed_fields
from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import BUILT_IN
from sandbox.kube.managed_fields import Manager, Scope
from tests.sandbox.kube_objects import service

Object = dict[str, Any]

SERVICE = next(kind for kind in BUILT_IN if kind.kind == "Service")
SCOPE = Scope(schema=decoding.schema_of(SERVICE), reset=(("f:status",),))
EMPTY: Object = {"metadata": {}, "spec": {}, "status": {}}
HELM = Manager("helm", "Apply", "v1")
ANNOTATE = Manager("kubectl-annotate", "Update", "v1")


def apply(live: Object | None, config: Object, manager: Manager = HELM, *, force: bool = False) -> Object:
    return managed_fields.apply(SCOPE, live, config, manager, "2026-01-01T00:00:00Z", force=force, skeleton=EMPTY)


def update(live: Object, new: Object, manager: Manager = ANNOTATE) -> Object:
    return managed_fields.after_update(SCOPE, live, new, manager, "2026-01-02T00:00:00Z", EMPTY)


def annotated(obj: Object, **annotations: str) -> Object:
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations}}


def owned(obj: Object) -> dict[str, Object]:
    return {each["manager"]: each["fieldsV1"] for each in obj["metadata"].get("managedFields", [])}


def test_an_applier_owns_what_its_configuration_says() -> None:
    applied = apply(None, annotated(service(), note="1"))

    assert owned(applied) == {
        "helm": {
            "f:metadata": {"f:annotations": {"f:note": {}}},
            "f:spec": {
                "f:ports": {
                    'k:{"port":19530,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:targetPort": {}}
                },
                "f:selector": {},
            },
        }
    }


def test_applying_the_same_again_changes_nothing() -> None:
    applied = apply(None, annotated(service(), note="1"))

    assert apply(applied, annotated(service(), note="1")) == applied


def test_an_update_takes_over_what_it_changes() -> None:
    applied = apply(None, annotated(service(), note="1", other="2"))

    changed = update(applied, annotated(applied, note="9", other="2"))

    assert owned(changed)["kubectl-annotate"] == {"f:metadata": {"f:annotations": {"f:note": {}}}}
    assert owned(changed)["helm"]["f:metadata"] == {"f:annotations": {"f:other": {}}}


def test_an_update_that_adds_the_first_annotation_owns_the_map_too() -> None:
    changed = update(apply(None, service()), annotated(apply(None, service()), note="1"))

    assert owned(changed)["kubectl-annotate"] == {"f:metadata": {"f:annotations": {".": {}, "f:note": {}}}}


def test_a_conflict_names_the_manager_and_the_field_as_kubernetes_does() -> None:
    neg = "cloud.google.com/neg"
    applied = apply(None, annotated(service(), **{neg: "1"}))
    changed = update(applied, annotated(applied, **{neg: "2"}))

    with pytest.raises(StatusError) as refused:
        apply(changed, annotated(service(), **{neg: "1"}))

    assert refused.value.body() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": (
            'Apply failed with 1 conflict: conflict with "kubectl-annotate" using v1: '
            ".metadata.annotations.cloud.google.com/neg"
        ),
        "reason": "Conflict",
        "details": {
            "causes": [
                {
                    "reason": "FieldManagerConflict",
                    "message": 'conflict with "kubectl-annotate" using v1',
                    "field": ".metadata.annotations.cloud.google.com/neg",
                }
            ]
        },
        "code": 409,
    }


def test_several_conflicts_are_listed_by_manager() -> None:
    first = apply(None, annotated(service(), a="1", b="1"))
    other = Manager("other", "Apply", "v1")

    with pytest.raises(StatusError) as refused:
        apply(first, annotated(service(type="NodePort"), a="2", b="2"), other)

    assert refused.value.message == (
        'Apply failed with 2 conflicts: conflicts with "helm":\n- .metadata.annotations.a\n- .metadata.annotations.b'
    )


def test_force_takes_the_field_from_its_owner() -> None:
    applied = apply(None, annotated(service(), a="1"))
    changed = update(applied, annotated(applied, a="2"))

    forced = apply(changed, annotated(service(), a="3"), force=True)

    assert forced["metadata"]["annotations"] == {"a": "3"}
    assert list(owned(forced)) == ["helm"]


def test_equal_values_are_owned_together_and_stay_when_one_owner_leaves() -> None:
    both = apply(apply(None, annotated(service(), a="1")), annotated(service(), a="1"), Manager("two", "Apply", "v1"))

    left = apply(both, service())

    assert left["metadata"]["annotations"] == {"a": "1"}
    assert "f:metadata" not in owned(left)["helm"]
    assert owned(left)["two"]["f:metadata"] == {"f:annotations": {"f:a": {}}}


def test_what_an_applier_leaves_out_goes_if_nobody_else_owns_it() -> None:
    applied = apply(None, annotated(service(), a="1"))

    left = apply(applied, service(ports=[{"name": "rest", "port": 9091}]))

    assert "annotations" not in left["metadata"]
    assert left["spec"]["ports"] == [{"name": "rest", "port": 9091}]


def test_what_others_set_stays_when_an_applier_comes() -> None:
    applied = apply(None, service())
    changed = update(applied, annotated(applied, **{"ingress.kubernetes.io/url-map": "um"}))

    again = apply(changed, annotated(service(), a="1"))

    assert again["metadata"]["annotations"] == {"ingress.kubernetes.io/url-map": "um", "a": "1"}


def test_an_object_nobody_tracked_belongs_to_before_first_apply() -> None:
    applied = apply(service(), annotated(service(), a="1"))

    assert sorted(owned(applied)) == ["before-first-apply", "helm"]


def test_a_status_cannot_be_owned_through_the_main_resource() -> None:
    config = service() | {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}

    assert "f:status" not in owned(apply(None, config))["helm"]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        pytest.param(service(prots=[]), ".spec.prots: field not declared in schema", id="unknown field"),
        pytest.param(
            service(ports=[{"port": 1}, {"port": 1}]),
            '.spec.ports: duplicate entries for key [port=1,protocol="TCP"]',
            id="the same port twice",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_the_schema(config: Object, complaint: str) -> None:
    with pytest.raises(StatusError) as refused:
        apply(None, config)

    about = "failed to create typed patch object (/milvus; v1, Kind=Service): "
    assert (refused.value.code, refused.value.message) == (500, about + complaint)


@pytest.mark.parametrize(
    ("tree", "paths"),
    [
        pytest.param({"f:a": {}}, {("f:a",)}, id="leaf"),
        pytest.param({"f:a": {".": {}, "f:b": {}}}, {("f:a",), ("f:a", "f:b")}, id="member with children"),
        pytest.param({"f:a": {'v:"x"': {}}}, {("f:a", 'v:"x"')}, id="item of a set"),
    ],
)
def test_fields_v1_is_read_and_written(tree: Object, paths: set[fields.Path]) -> None:
    assert fields.decode(tree) == paths
    assert fields.encode(frozenset(paths)) == tree


@pytest.mark.parametrize(
    ("before", "config", "after"),
    [
        pytest.param("abc", "b", "abc", id="the rest keeps its place"),
        pytest.param("abc", "cb", "acb", id="the configuration decides the order"),
        pytest.param("ab", "xb", "xab", id="a new one comes first if it is named first"),
    ],
)
def test_merging_keyed_lists_keeps_an_order(before: str, config: str, after: str) -> None:
    schema = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}}},
    }

    merged = fields.merge(schema, [{"name": each} for each in before], [{"name": each} for each in config])

    assert "".join(each["name"] for each in merged) == after
