"""Facts read out of live objects."""

from typing import Any

import pytest

from tasks.core import annotations, status
from tasks.core.status import ServicePort


@pytest.mark.parametrize(
    ("ports", "found"),
    [
        pytest.param([("milvus", 19530), ("metrics", 9091)], ServicePort("milvus", 19530), id="the chart's"),
        pytest.param([("milvus", 8443), ("metrics", 9091)], ServicePort("milvus", 8443), id="another number"),
        pytest.param([("grpc", 19530), ("rest", 8080)], ServicePort("grpc", 19530), id="another name"),
        pytest.param([("tcp", 443), ("metrics", 9091)], ServicePort("tcp", 443), id="the only one left"),
        pytest.param([("http", 80), ("https", 443)], None, id="two strangers"),
        pytest.param([], None, id="none"),
    ],
)
def test_milvus_port_of_a_service(ports: list[tuple[str, int]], found: ServicePort | None) -> None:
    service = {"spec": {"ports": [{"name": name, "port": number} for name, number in ports]}}

    assert status.milvus_port(service) == found


def test_annotations_compare_by_meaning() -> None:
    """`kubectl annotate` and the guide write spaces that our values do not have."""
    assert annotations.same(annotations.APP_PROTOCOLS, '{ "milvus": "HTTP2" }', '{"milvus":"HTTP2"}')
    assert not annotations.same(annotations.NEG, "'{\"ingress\": true}'", '{"ingress": true}')
    assert not annotations.same(annotations.NEG, None, '{"ingress": true}')


def test_app_protocols_are_keyed_by_the_name_of_the_port() -> None:
    marks = annotations.on_service("grpc", "my-release-backendconfig")

    assert marks == {
        "cloud.google.com/app-protocols": '{"grpc":"HTTP2"}',
        "cloud.google.com/backend-config": '{"default": "my-release-backendconfig"}',
        "cloud.google.com/neg": '{"ingress": true}',
    }


def test_address_is_empty_until_gke_has_assigned_one() -> None:
    assert status.ingress_address({"status": {"loadBalancer": {}}}) == ""
    assert status.ingress_address({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}) == "203.0.113.7"


def test_routed_services_leave_out_the_default_backend() -> None:
    """The default backend answers 404 and has its own health; it proves nothing about Milvus."""
    url_map = {
        "defaultService": "https://compute.googleapis.com/compute/v1/projects/p/global/backendServices/default",
        "pathMatchers": [
            {"pathRules": [{"paths": ["/*"], "service": "projects/p/global/backendServices/milvus"}]},
            {"pathRules": [{"paths": ["/*"], "service": "projects/p/global/backendServices/milvus"}]},
        ],
    }

    assert status.routed_services(url_map) == ["milvus"]
    assert status.default_backend_service(url_map) == "default"


def test_events_come_newest_first_whatever_field_holds_the_time() -> None:
    old: dict[str, Any] = {
        "metadata": {"creationTimestamp": "2026-11-22T10:00:00Z"},
        "lastTimestamp": "2026-11-22T10:00:01Z",
    }
    new: dict[str, Any] = {
        "metadata": {"creationTimestamp": "2026-11-22T09:00:00Z"},
        "lastTimestamp": "2026-11-22T10:05:00Z",
    }
    modern: dict[str, Any] = {"metadata": {}, "eventTime": "2026-11-22T10:03:00.123456Z", "lastTimestamp": None}

    assert status.newest_first([old, new, modern]) == [new, modern, old]
