"""The NEG controller over the wire: groups, endpoints, and what it says on the Service."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.kube_paths import path_of
from tests.sandbox.gke_world import (
    INGRESSES,
    SERVICES,
    World,
    a_pod,
    a_service,
    an_endpoint_slice,
    an_ingress,
    eventually,
    running_world,
)

Json = dict[str, Any]
PODS = "/api/v1/pods"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SERVICE_NEGS = "/apis/networking.gke.io/v1beta1/servicenetworkendpointgroups"
ZONE = "sandbox-zone-a"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as running:
        yield running


def neg_of(world: World) -> str:
    """The NEG's name, from the Service's annotation."""
    status = eventually(lambda: world.annotations(SERVICES).get("cloud.google.com/neg-status"))
    parsed = json.loads(status)
    assert parsed["zones"] == [ZONE]
    return str(parsed["network_endpoint_groups"]["19530"])


def endpoints(world: World, neg: str) -> list[tuple[str, int]]:
    path = f"zones/{ZONE}/networkEndpointGroups/{neg}/listNetworkEndpoints"
    items = world.compute.ask(path, {"healthStatus": "SKIP"}).get("items") or []
    return sorted((each["networkEndpoint"]["ipAddress"], each["networkEndpoint"]["port"]) for each in items)


def test_nothing_happens_before_an_ingress_uses_the_port(world: World) -> None:
    world.create(SERVICES, a_service())

    with pytest.raises(AssertionError):
        eventually(lambda: world.annotations(SERVICES).get("cloud.google.com/neg-status"), seconds=0.5)


def test_endpoints_come_and_go_with_the_endpoint_slice(world: World) -> None:
    world.create(SERVICES, a_service())
    world.create(PODS, a_pod())
    world.create(SLICES, an_endpoint_slice("10.4.0.5"))
    world.create(INGRESSES, an_ingress())
    neg = neg_of(world)
    eventually(lambda: endpoints(world, neg) == [("10.4.0.5", 19530)])

    world.kube.merge_patch(
        path_of(SLICES, "default", "milvus-abcde"), {"endpoints": an_endpoint_slice("10.4.0.6")["endpoints"]}
    )
    eventually(lambda: endpoints(world, neg) == [("10.4.0.6", 19530)])

    where = f'(NEG "{neg}" in zone "{ZONE}")'
    world.event("Service", "milvus", "Detach", f"Detach 1 network endpoint(s) {where}")
    assert world.events("Service", "milvus")[:2] == [
        (
            "Normal",
            "Create",
            f'Created NEG "{neg}" for default/milvus-{neg}-milvus/19530-milvus-GCE_VM_IP_PORT-L7 in "{ZONE}".',
        ),
        ("Normal", "Attach", f"Attach 1 network endpoint(s) {where}"),
    ]
    description = json.loads(world.compute.get(f"zones/{ZONE}/networkEndpointGroups/{neg}")["description"])
    assert (description["service-name"], description["port"]) == ("milvus", "19530")


def test_a_neg_is_recorded_in_the_cluster(world: World) -> None:
    world.create(SERVICES, a_service())
    world.create(INGRESSES, an_ingress())
    neg = neg_of(world)

    def groups() -> list[Json]:
        record = world.kube.get(path_of(SERVICE_NEGS, "default", neg))
        return list((record.get("status") or {}).get("networkEndpointGroups") or [])

    group = eventually(groups)[0]
    assert (group["state"], group["networkEndpointType"]) == ("ACTIVE", "GCE_VM_IP_PORT")
    assert group["selfLink"].endswith(neg)


def test_a_malformed_annotation_is_told_on_the_service(world: World) -> None:
    world.create(SERVICES, a_service(neg='{"ingress":"true"}'))

    message = world.event("Service", "milvus", "ProcessServiceFailed", "NEG")

    assert message == 'error processing service "default/milvus": NEG annotation is invalid.'


def test_the_status_goes_when_no_ingress_needs_the_neg(world: World) -> None:
    world.create(SERVICES, a_service())
    world.create(INGRESSES, an_ingress())
    neg = neg_of(world)
    world.address()

    world.kube.delete(path_of(INGRESSES, "default", "milvus"))

    eventually(lambda: "cloud.google.com/neg-status" not in world.annotations(SERVICES))
    eventually(lambda: neg not in world.names(f"zones/{ZONE}/networkEndpointGroups"))
    eventually(lambda: world.kube.find(path_of(SERVICE_NEGS, "default", neg)) is None)


def test_exposed_ports_make_a_neg_without_an_ingress(world: World) -> None:
    world.create(SERVICES, a_service(neg='{"exposed_ports":{"19530":{"name":"my-neg"}}}'))

    assert neg_of(world) == "my-neg"
    eventually(lambda: "my-neg" in world.names(f"zones/{ZONE}/networkEndpointGroups"))


def test_a_pod_behind_a_readiness_gate_is_told_what_it_waits_for(world: World) -> None:
    pod = a_pod()
    pod["spec"]["readinessGates"] = [{"conditionType": "cloud.google.com/load-balancer-neg-ready"}]
    world.create(SERVICES, a_service())
    world.create(PODS, pod)
    world.create(SLICES, an_endpoint_slice("10.4.0.5"))
    world.create(INGRESSES, an_ingress())
    neg = neg_of(world)

    message = world.event("Pod", "milvus-0", "LoadBalancerNegNotReady", neg)

    assert message == f"Waiting for pod to become healthy in at least one of the NEG(s): [{neg}]"
    conditions = world.kube.get(path_of(PODS, "default", "milvus-0"))["status"]["conditions"]
    gate = next(each for each in conditions if each["type"] == "cloud.google.com/load-balancer-neg-ready")
    assert (gate["status"], gate["reason"]) == ("False", "LoadBalancerNegNotReady")
