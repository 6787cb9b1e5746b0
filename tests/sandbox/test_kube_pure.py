"""The API server's pure parts by table: patches, schemas, selectors, tables, protobuf."""

import datetime as dt
from typing import Any

import pytest

from sandbox.kube import decoding, patch, protobuf, requests, schema, selectors, structural, table
from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import BUILT_IN, Kind
from sandbox.kube.openapi_v2 import _message, _text
from sandbox.kube.store import Compacted, Store
from tests.sandbox.kube_objects import WIDGETS, deployment, ingress, service

Object = dict[str, Any]

WIDGET_SCHEMA = WIDGETS["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def built_in(name: str) -> Kind:
    return next(kind for kind in BUILT_IN if kind.kind == name)


@pytest.mark.parametrize(
    ("operations", "result"),
    [
        pytest.param([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3]}, id="append"),
        pytest.param([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2]}, id="insert"),
        pytest.param([{"op": "remove", "path": "/a/1"}], {"a": [1]}, id="remove"),
        pytest.param([{"op": "replace", "path": "/a", "value": None}], {"a": None}, id="replace"),
        pytest.param([{"op": "move", "from": "/a", "path": "/b~1c"}], {"b/c": [1, 2]}, id="move and escape"),
        pytest.param([{"op": "test", "path": "/a/0", "value": 1}], {"a": [1, 2]}, id="test holds"),
    ],
)
def test_json_patch(operations: list[Object], result: Object) -> None:
    assert patch.json_patch({"a": [1, 2]}, operations) == result


@pytest.mark.parametrize(
    "operation",
    [{"op": "test", "path": "/a", "value": 2}, {"op": "remove", "path": "/b"}, {"op": "leap", "path": "/a"}],
)
def test_a_json_patch_that_cannot_be_done_is_invalid(operation: Object) -> None:
    with pytest.raises(StatusError) as refused:
        patch.json_patch({"a": 1}, [operation])

    assert refused.value.code == 422


def test_a_strategic_patch_merges_containers_by_name() -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "standalone", "image": "new"}, {"name": "two"}]}}}}

    patched = patch.strategic(decoding.schema_of(built_in("Deployment")), deployment(), change)

    containers = patched["spec"]["template"]["spec"]["containers"]
    assert containers == [
        {"name": "standalone", "image": "new", "ports": [{"containerPort": 19530}]},
        {"name": "two"},
    ]


def test_a_strategic_patch_deletes_by_directive_and_obeys_the_order() -> None:
    change = {
        "spec": {
            "ports": [{"port": 19530, "$patch": "delete"}, {"port": 2}, {"port": 1}],
            "$setElementOrder/ports": [{"port": 1}, {"port": 2}],
            "selector": None,
        }
    }

    patched = patch.strategic(decoding.schema_of(built_in("Service")), service(), change)

    assert patched["spec"] == {"ports": [{"port": 1}, {"port": 2}]}


def test_a_strategic_patch_replaces_atomic_lists() -> None:
    change = {"spec": {"rules": [{"host": "other"}]}}

    patched = patch.strategic(decoding.schema_of(built_in("Ingress")), ingress(), change)

    assert patched["spec"]["rules"] == [{"host": "other"}]


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        pytest.param({"domains": ["a.b"]}, None, id="valid"),
        pytest.param({}, "spec.domains: Required value", id="required"),
        pytest.param(
            {"domains": ["a", "b", "c"]}, "spec.domains: Too many: 3: must have at most 2 items", id="too many"
        ),
        pytest.param(
            {"domains": ["*.b"]},
            "spec.domains[0]: Invalid value: \"*.b\": spec.domains[0] in body should match '^[a-z.]+$'",
            id="pattern",
        ),
        pytest.param(
            {"domains": ["a"], "size": "x"},
            'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
            id="type",
        ),
        pytest.param(
            {"domains": ["a"], "size": 0},
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
            id="minimum",
        ),
        pytest.param(
            {"domains": ["a"], "mode": "x"},
            'spec.mode: Unsupported value: "x": supported values: "fast", "slow"',
            id="enum",
        ),
        pytest.param({"domains": ["a"], "port": "http"}, None, id="int or string"),
        pytest.param({"domains": ["a"], "free": {"any": [1]}}, None, id="anything goes"),
    ],
)
def test_a_custom_resource_is_judged_by_its_structural_schema(spec: Object, fault: str | None) -> None:
    found = structural.faults(WIDGET_SCHEMA, {"spec": spec})

    assert [str(each) for each in found] == ([fault] if fault else [])


def test_pruning_says_which_fields_were_unknown() -> None:
    spec = {"domains": ["a"], "sise": 1, "free": {"kept": 1}}

    pruned, unknown = schema.prune(schema.of_custom_resource(WIDGET_SCHEMA), {"metadata": {"nome": 1}, "spec": spec})

    assert pruned == {"metadata": {}, "spec": {"domains": ["a"], "free": {"kept": 1}}}
    assert unknown == ["metadata.nome", "spec.sise"]


@pytest.mark.parametrize(
    ("kind", "document", "complaint"),
    [
        pytest.param(
            "Service",
            service(prots=[]),
            'Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.prots"',
            id="unknown field",
        ),
        pytest.param(
            "Service",
            service(ports=[{"port": "80"}]),
            'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal string into Go struct '
            "field ServicePort.spec.ports.port of type int32",
            id="wrong type",
        ),
        pytest.param(
            "Ingress",
            service(),
            "the API version in the data (v1) does not match the expected API version (networking.k8s.io/v1)",
            id="another kind",
        ),
    ],
)
def test_a_document_that_does_not_decode_is_a_bad_request(kind: str, document: Object, complaint: str) -> None:
    with pytest.raises(StatusError) as refused:
        decoding.decode(built_in(kind), document, "Strict")

    assert (refused.value.code, refused.value.message) == (400, complaint)


def test_string_data_of_a_secret_becomes_data() -> None:
    decoded = decoding.decode(built_in("Secret"), {"metadata": {"name": "s"}, "stringData": {"a": "b"}}, "Strict")

    assert decoded.object["data"] == {"a": "Yg=="}
    assert "stringData" not in decoded.object


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("app=milvus", True),
        ("app==milvus,tier!=db", True),
        ("app!=milvus", False),
        ("app in (milvus, etcd)", True),
        ("app notin (milvus)", False),
        ("tier", False),
        ("!tier,app", True),
        ("rank>2", True),
    ],
)
def test_label_selectors(text: str, selected: bool) -> None:
    assert selectors.labels(text)({"metadata": {"labels": {"app": "milvus", "rank": "3"}}}) is selected


def test_a_field_selector_of_a_field_that_cannot_be_selected_is_refused() -> None:
    with pytest.raises(StatusError, match=r"field label not supported: spec\.replicas"):
        selectors.fields("spec.replicas=1", built_in("Pod"))


def test_field_selectors_of_events_reach_the_involved_object() -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"kind": "Ingress", "name": "milvus"}, "type": "Warning"}
    kind = built_in("Event")

    assert selectors.fields("involvedObject.name=milvus,type!=Normal", kind)(event)
    assert not selectors.fields("involvedObject.name=other", kind)(event)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/api/v1/namespaces/n/services/s", ("", "services", "n", "s", "")),
        ("/api/v1/namespaces/n", ("", "namespaces", "", "n", "")),
        ("/api/v1/namespaces/n/status", ("", "namespaces", "", "n", "status")),
        ("/api/v1/pods", ("", "pods", "", "", "")),
        ("/apis/apps/v1/namespaces/n/deployments/d/scale", ("apps", "deployments", "n", "d", "scale")),
        ("/apis/apps/v1", ("", "", "", "", "")),
    ],
)
def test_paths_lead_to_resources(path: str, place: tuple[str, ...]) -> None:
    found = requests.parse("GET", path, "", {}, "admin", b"")

    assert (found.group, found.resource, found.namespace, found.name, found.subresource) == place


def test_the_table_of_ingresses_has_the_columns_people_know() -> None:
    created = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=41, seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    obj = ingress(host="my-release.milvus.io")
    obj["metadata"]["creationTimestamp"] = created
    obj["spec"]["tls"] = [{"secretName": "s"}]
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "34.111.144.65"}]}}

    shown = table.table(built_in("Ingress"), [obj], {}, "None")

    assert [each["name"] for each in shown["columnDefinitions"]] == [
        "Name",
        "Class",
        "Hosts",
        "Address",
        "Ports",
        "Age",
    ]
    assert shown["rows"] == [{"cells": ["milvus", "<none>", "my-release.milvus.io", "34.111.144.65", "80, 443", "41m"]}]


def test_a_protobuf_body_reads_like_its_json() -> None:
    data = _text(1, "tls.crt") + _text(2, "pem")
    metadata = _text(1, "s") + _message(11, _text(1, "owner") + _text(2, "helm"))
    secret = _message(1, metadata) + _message(2, data) + _text(3, "kubernetes.io/tls")
    envelope = b"k8s\x00" + _message(1, _text(1, "v1") + _text(2, "Secret")) + _message(2, secret)

    assert protobuf.decode(envelope) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "labels": {"owner": "helm"}},
        "data": {"tls.crt": "cGVt"},
        "type": "kubernetes.io/tls",
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"{}", 400, id="no envelope"),
        pytest.param(b"k8s\x00" + _message(1, _text(1, "v1") + _text(2, "Widget")), 415, id="unknown kind"),
        pytest.param(b"k8s\x00\x0a\xff", 400, id="cut off"),
    ],
)
def test_a_protobuf_body_that_cannot_be_read_is_refused(body: bytes, code: int) -> None:
    with pytest.raises(StatusError) as refused:
        protobuf.decode(body)

    assert refused.value.code == code


def test_the_store_forgets_old_changes_and_says_so() -> None:
    store = Store(history=2)
    for name in "abc":
        store.put("things", {"metadata": {"name": name}})

    assert [each.object["metadata"]["name"] for each in store.since("things", 2)] == ["b", "c"]
    with pytest.raises(Compacted):
        store.since("things", 1)
