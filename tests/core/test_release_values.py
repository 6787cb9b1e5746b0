"""Merging is judged by what Milvus and Helm would read: parsed values, and the very text where nothing changes."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core import release_values
from tasks.core.errors import ResourceFailed
from tasks.core.release_values import Version

ANNOTATIONS = {
    "cloud.google.com/app-protocols": '{"milvus":"HTTP2"}',
    "cloud.google.com/neg": '{"ingress":true}',
}
OLD, NEW = (2, 4), (2, 6)

keys = st.sampled_from(["common", "security", "proxy", "http", "port", "tls", "minio", "on", "dataCoord"])
scalars = st.one_of(st.booleans(), st.integers(-5, 70000), st.sampled_from(["", "on", "0755", "x: y", "null", "é"]))
trees = st.recursive(
    st.dictionaries(keys, scalars, max_size=4), lambda inner: st.dictionaries(keys, inner | scalars, max_size=4)
).filter(lambda tree: isinstance(tree, dict))


def desired(current: dict[str, Any], version: Version | None = NEW) -> dict[str, Any]:
    return release_values.desired_values(current, annotations=ANNOTATIONS, milvus_version=version)


def user_yaml(text: str | None, version: Version | None = NEW) -> Any:
    return yaml.safe_load(release_values.desired_user_yaml(text, version))


# --- values ---------------------------------------------------------------------------------------------------------


def test_the_values_of_a_bare_release_become_all_it_needs() -> None:
    assert desired({}) == {
        "service": {"type": "ClusterIP", "annotations": ANNOTATIONS},
        "extraConfigFiles": {
            "user.yaml": "common:\n  security:\n    tlsMode: 1\nproxy:\n  http:\n    port: 8080\n",
        },
    }


def test_everything_else_is_kept() -> None:
    """A plain `helm upgrade --set` would drop these: another object store, other replicas."""
    current = {
        "minio": {"enabled": False},
        "externalS3": {"host": "s3.example.com", "accessKey": "k", "secretKey": "s"},
        "service": {"type": "LoadBalancer", "port": 19531, "annotations": {"team": "search"}},
        "extraConfigFiles": {"other.yaml": "a: 1", "user.yaml": "log:\n  level: debug\n"},
    }
    before = copy.deepcopy(current)

    found = desired(current)

    assert current == before
    assert found["externalS3"] == before["externalS3"]
    assert found["minio"] == {"enabled": False}
    assert found["service"] == {"type": "ClusterIP", "port": 19531, "annotations": {"team": "search", **ANNOTATIONS}}
    assert found["extraConfigFiles"]["other.yaml"] == "a: 1"
    assert yaml.safe_load(found["extraConfigFiles"]["user.yaml"])["log"] == {"level": "debug"}


def test_our_annotation_wins_over_another_value() -> None:
    found = desired({"service": {"annotations": {"cloud.google.com/neg": "{}"}}})

    assert found["service"]["annotations"]["cloud.google.com/neg"] == '{"ingress":true}'


@pytest.mark.parametrize("section", ["service", "extraConfigFiles"])
def test_a_section_that_is_null_is_made(section: str) -> None:
    assert desired({section: None}) == desired({})


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"service": "x"}, "service"),
        ({"service": {"annotations": ["a"]}}, "service.annotations"),
        ({"extraConfigFiles": "x"}, "extraConfigFiles"),
        ({"extraConfigFiles": {"user.yaml": {"common": {}}}}, "extraConfigFiles.user.yaml"),
    ],
)
def test_values_of_another_shape_are_refused_by_path(values: dict[str, Any], path: str) -> None:
    with pytest.raises(ResourceFailed, match=path) as caught:
        desired(values)

    assert caught.value.layer == "milvus"


def test_a_custom_config_map_is_refused_since_the_chart_would_ignore_us() -> None:
    with pytest.raises(ResourceFailed, match=r"customConfigMap is 'mine'.*release_manager=manifest"):
        desired({"customConfigMap": "mine"})


@settings(max_examples=60)
@given(trees, st.sampled_from([OLD, NEW, None]))
def test_merging_twice_is_merging_once(tree: dict[str, Any], version: Version | None) -> None:
    current = {"a": tree, "extraConfigFiles": {"user.yaml": yaml.safe_dump({"log": tree})}}

    once = desired(current, version)

    assert desired(once, version) == once


@settings(max_examples=60)
@given(trees, st.sampled_from([OLD, NEW, None]))
def test_merging_never_drops_a_key(tree: dict[str, Any], version: Version | None) -> None:
    """Whatever else stands in user.yaml, under our own keys too, stands there afterwards; or it is refused."""
    text = yaml.safe_dump(tree)
    try:
        found = user_yaml(text, version)
    except ResourceFailed:
        return

    ours = {("common", "security", "tlsMode"), ("proxy", "http", "port")}
    after = dict(leaves(found))
    for path, value in leaves(tree):
        if path not in ours and value is not None:
            assert after[path] == value


def leaves(tree: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in leaves(value, (*path, str(key)))]
    return [(path, tree)]


# --- user.yaml ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, "", "# only a comment\n", "null\n", "---\n"])
def test_no_user_yaml_becomes_one(nothing: str | None) -> None:
    assert user_yaml(nothing) == {"common": {"security": {"tlsMode": 1}}, "proxy": {"http": {"port": 8080}}}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("# kept\ncommon:\n    security: {tlsMode: 1}\nproxy: {http: {enabled: false}}", id="rest off"),
        pytest.param('common: {security: {tlsMode: "1"}}\nproxy:\n  http:\n    port: 9000 # mine\n', id="rest moved"),
        pytest.param("common.security.tlsMode: 1\nproxy.http.port: 8080\n", id="flat keys, which Milvus reads, too"),
        pytest.param("common: {security: {tlsmode: 1}}\nproxy: {http: {PORT: 8080}}\n", id="another case"),
    ],
)
def test_a_text_that_has_all_of_it_comes_back_as_the_very_same(text: str) -> None:
    assert release_values.desired_user_yaml(text, NEW) == text


@pytest.mark.parametrize("version", [(2, 5), (2, 6), (3, 0), None], ids=str)
def test_rest_moves_where_milvus_does_not_start_on_a_shared_port(version: Version | None) -> None:
    """From 2.5 on: "share the same port, tls mode must be 0"; an unknown version is treated as new."""
    assert user_yaml("", version)["proxy"] == {"http": {"port": 8080}}


@pytest.mark.parametrize("version", [(2, 2), (2, 3), (2, 4)], ids=str)
def test_rest_stays_in_older_versions(version: Version) -> None:
    assert user_yaml("", version) == {"common": {"security": {"tlsMode": 1}}}


@pytest.mark.parametrize(
    ("text", "port"),
    [
        pytest.param("proxy: {http: {port: 19530}}", 8080, id="the default gRPC port"),
        pytest.param("proxy: {port: 19531, http: {port: 19531}}", 8080, id="a gRPC port of its own"),
        pytest.param("proxy: {port: 19531, http: {port: 19530}}", 19530, id="another than the gRPC port"),
        pytest.param("proxy: {port: 8080}", 8081, id="gRPC where REST would go"),
        pytest.param("proxy: {http: {port: ''}}", 8080, id="empty"),
        pytest.param("proxy: {http: }", 8080, id="null"),
    ],
)
def test_rest_gets_a_port_of_its_own(text: str, port: int) -> None:
    assert user_yaml(text)["proxy"]["http"]["port"] == port


def test_scalars_that_are_not_ours_keep_their_spelling() -> None:
    """`on` is a string for Go's YAML and true for Python's: writing it anew would change it."""
    text = 'a: on\nb: 0755\nc: "1"\nd: 2001-01-01\ne: |\n  two\n  lines\n'

    found = release_values.desired_user_yaml(text, OLD)

    assert found.startswith(text)


def test_an_anchor_shared_with_another_key_is_not_changed_there() -> None:
    found = user_yaml("base: &base {security: {authorizationEnabled: true}}\ncommon: *base\n", OLD)

    assert found["base"] == {"security": {"authorizationEnabled": True}}
    assert found["common"] == {"security": {"authorizationEnabled": True, "tlsMode": 1}}


@pytest.mark.parametrize("path", ["common: {security: {tlsMode: 2}}", "common.security.tls_mode: '2'"])
def test_mutual_tls_is_refused_since_the_load_balancer_has_no_client_certificate(path: str) -> None:
    with pytest.raises(ResourceFailed, match=r"presents no client certificate.*tlsMode to 1") as caught:
        release_values.desired_user_yaml(path, NEW)

    assert caught.value.layer == "milvus"


@pytest.mark.parametrize(
    ("text", "observed"),
    [
        pytest.param("a: [", "is not valid YAML in line 1", id="no YAML"),
        pytest.param("a: 1\n b: 2\n", "is not valid YAML in line 2", id="bad indentation"),
        pytest.param("- a\n", "is a list", id="a list"),
        pytest.param("hello", "is a single value", id="a word"),
        pytest.param("a: 1\n---\nb: 2\n", "is not valid YAML", id="two documents"),
        pytest.param("common: 5\n", "common is not a mapping", id="a value where a mapping belongs"),
        pytest.param("x: &x {a: 1}\ncommon: {<<: *x}\n", "merge key", id="a merge key in the way"),
    ],
)
def test_a_user_yaml_that_cannot_be_merged_is_refused(text: str, observed: str) -> None:
    with pytest.raises(ResourceFailed, match=observed):
        release_values.desired_user_yaml(text, NEW)


# --- differences ----------------------------------------------------------------------------------------------------


def test_differences_are_told_by_path_old_and_new() -> None:
    current = {
        "service": {"type": "LoadBalancer"},
        "extraConfigFiles": {"user.yaml": "common: {security: {tlsMode: 0}}"},
    }

    assert release_values.differences(current, desired(current)) == [
        "extraConfigFiles.user.yaml.common.security.tlsMode: 0 → 1",
        "extraConfigFiles.user.yaml.proxy.http.port: (absent) → 8080",
        'service.annotations.cloud.google.com/app-protocols: (absent) → {"milvus":"HTTP2"}',
        'service.annotations.cloud.google.com/neg: (absent) → {"ingress":true}',
        "service.type: LoadBalancer → ClusterIP",
    ]


def test_nothing_to_change_has_no_differences() -> None:
    once = desired({})

    assert release_values.differences(once, desired(once)) == []


def test_differences_never_show_what_is_not_ours() -> None:
    before = {"minio": {"secretKey": "s3cr3t"}, "extraConfigFiles": {"user.yaml": "common: {password: hunter2}"}}
    after = {"minio": {"secretKey": "0th3r"}, "extraConfigFiles": {"user.yaml": "common: {password: hunter3}"}}

    text = "\n".join(release_values.differences(before, after))

    assert text == "extraConfigFiles.user.yaml.common.password: changes\nminio.secretKey: changes"


# --- versions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "app_version", "version"),
    [
        ("milvusdb/milvus:v2.4.5-gpu", "", (2, 4)),
        ("milvusdb/milvus:v2.6.15", "2.3.0", (2, 6)),
        ("registry.example.com:5000/a/milvus:2.5", "", (2, 5)),
        ("registry.example.com:5000/milvus", "v2.5.1", (2, 5)),
        ("milvusdb/milvus:v2.5.4@sha256:0a1b2c", "", (2, 5)),
        ("milvusdb/milvus@sha256:2.4.0", "2.6.15", (2, 6)),
        ("milvusdb/milvus:2.5-20250101-abcdef0", "", (2, 5)),
        ("milvusdb/milvus:master-20240101-5a6b7c", "", None),
        ("milvusdb/milvus:latest", "", None),
        ("", "", None),
    ],
)
def test_the_version_is_read_from_the_tag_else_from_the_chart(
    image: str, app_version: str, version: Version | None
) -> None:
    assert release_values.milvus_version(image, app_version) == version


# --- the way back ---------------------------------------------------------------------------------------------------


def back(current: dict[str, Any]) -> dict[str, Any]:
    """There and back again."""
    wanted = desired(current)
    former = release_values.former_values(current, wanted)
    return release_values.as_before(release_values.without_annotations(wanted, ANNOTATIONS, former), former)


@pytest.mark.parametrize(
    "current",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"service": {"type": "LoadBalancer"}, "log": {"level": "warn"}}, id="layer 4"),
        pytest.param({"service": {"annotations": {"a": "b"}}}, id="an annotation of somebody's"),
        pytest.param({"service": {"annotations": {"cloud.google.com/neg": '{"ingress":false}'}}}, id="another value"),
        pytest.param({"extraConfigFiles": {"other.yaml": "a: 1\n"}}, id="another file"),
    ],
)
def test_the_way_back_ends_at_the_values_of_before(current: dict[str, Any]) -> None:
    assert back(current) == current


@given(tree=trees, type_=st.sampled_from(["LoadBalancer", "NodePort", "ClusterIP", None]))
@settings(max_examples=200, deadline=None)
def test_whatever_stood_in_the_settings_is_read_there_again(tree: dict[str, Any], type_: str | None) -> None:
    text = yaml.safe_dump(tree)
    current: dict[str, Any] = {"extraConfigFiles": {"user.yaml": text}} | (
        {"service": {"type": type_}} if type_ else {}
    )
    try:
        found = back(current)
    except ResourceFailed:
        return

    assert found.get("service") == current.get("service")
    again = yaml.safe_load(found.get("extraConfigFiles", {}).get("user.yaml") or "") or {}
    assert release_values.former_settings(yaml.safe_dump(again), text) == {}
    assert _without_empty(again) == _without_empty(tree)


def _without_empty(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    found = {key: _without_empty(value) for key, value in tree.items()}
    # An empty section and a missing one mean the same to Milvus.
    return {key: value for key, value in found.items() if value not in ({}, None)}


def test_what_somebody_has_changed_since_is_not_put_back() -> None:
    former = release_values.former_values({"service": {"type": "LoadBalancer"}}, desired({}))
    text = "common:\n  security:\n    tlsMode: 2\n"
    theirs = {"service": {"type": "NodePort"}, "extraConfigFiles": {"user.yaml": text}}

    assert release_values.as_before(theirs, former) == theirs


def test_former_values_hold_no_key_but_ours() -> None:
    current = {"minio": {"secretKey": "hunter2"}, "extraConfigFiles": {"user.yaml": "minio:\n  secretKey: hunter2\n"}}

    assert "hunter2" not in str(release_values.former_values(current, desired(current)))
