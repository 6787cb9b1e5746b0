"""Which ports get NEGs, and which pods go into them."""

from typing import Any

import pytest

from sandbox.gke.annotations import InvalidAnnotation
from sandbox.gke.namer import ClusterNamer
from sandbox.gke.neg_endpoints import NegPort, endpoints, wanted_ports
from tests.sandbox.gke_world import a_pod, a_service, an_endpoint_slice, an_ingress

Json = dict[str, Any]
NAMER = ClusterNamer("9a8b7c6d5e4f3a2b", "uid")
PORT = NegPort("default", "milvus", 19530, "milvus", "milvus", "neg")


def placed(item: Json, namespace: str = "default") -> Json:
    item["metadata"]["namespace"] = namespace
    return item


def test_a_port_gets_a_neg_when_an_ingress_uses_it() -> None:
    service = placed(a_service())

    ports = wanted_ports(service, [placed(an_ingress())], NAMER)

    assert [port.neg_name for port in ports] == [NAMER.neg("default", "milvus", 19530)]
    assert wanted_ports(service, [], NAMER) == []
    assert wanted_ports(service, [placed(an_ingress(), "other")], NAMER) == []
    assert wanted_ports(service, [placed(an_ingress(class_name="nginx"))], NAMER) == []


def test_the_default_backend_serves_every_ingress_that_names_none() -> None:
    service = placed(a_service("default-http-backend"), "kube-system")
    service["spec"]["ports"] = [{"name": "http", "port": 80, "targetPort": 8080}]
    with_default = placed(an_ingress())
    with_default["spec"]["defaultBackend"] = {"service": {"name": "milvus", "port": {"number": 19530}}}

    assert [port.port for port in wanted_ports(service, [placed(an_ingress())], NAMER)] == [80]
    assert wanted_ports(service, [with_default], NAMER) == []


def test_a_custom_name_is_for_exposed_ports() -> None:
    service = placed(a_service(neg='{"exposed_ports":{"19530":{"name":"mine"}}}'))

    assert [port.neg_name for port in wanted_ports(service, [], NAMER)] == ["mine"]


@pytest.mark.parametrize("text", ["{", '{"ingress":"true"}', "[]", '{"exposed_ports":{"x":{}}}', '{"exposed_ports":1}'])
def test_a_malformed_annotation_is_an_error(text: str) -> None:
    with pytest.raises(InvalidAnnotation, match=r"NEG annotation is invalid\."):
        wanted_ports(placed(a_service(neg=text)), [], NAMER)


def a_slice(**endpoint: Any) -> Json:
    item = an_endpoint_slice("10.4.0.5")
    item["endpoints"][0].update(endpoint)
    return item


@pytest.mark.parametrize(
    ("slice_", "pod", "belongs"),
    [
        pytest.param(a_slice(), a_pod(), True, id="ready"),
        pytest.param(a_slice(conditions={"ready": False}), a_pod(), True, id="not ready: it may wait for the NEG"),
        pytest.param(a_slice(), None, False, id="its pod is gone"),
        pytest.param(a_slice(targetRef=None), None, True, id="no pod's, ready"),
        pytest.param(a_slice(targetRef=None, conditions={"ready": False}), None, False, id="no pod's, not ready"),
    ],
)
def test_what_belongs_into_a_neg(slice_: Json, pod: Json | None, *, belongs: bool) -> None:
    pods = {"milvus-0": pod} if pod else {}

    found = endpoints(PORT, [slice_], pods)

    assert (("10.4.0.5", 19530) in found) is belongs


@pytest.mark.parametrize(
    "change", [{"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, {"status": {"phase": "Failed"}}]
)
def test_a_pod_on_its_way_out_does_not_belong(change: Json) -> None:
    pod = a_pod()
    pod["metadata"].update(change.get("metadata", {}))
    pod["status"] = change.get("status", {})

    assert endpoints(PORT, [a_slice()], {"milvus-0": pod}) == {}


def test_a_slice_of_another_port_or_family_is_passed_over() -> None:
    other, sixth = a_slice(), a_slice()
    other["ports"][0]["name"] = "metrics"
    sixth["addressType"] = "IPv6"

    assert endpoints(PORT, [other, sixth], {"milvus-0": a_pod()}) == {}


def test_events_call_a_neg_by_service_name_ports_and_mode() -> None:
    assert PORT.key == "default/milvus-neg-milvus/19530-milvus-GCE_VM_IP_PORT-L7"
