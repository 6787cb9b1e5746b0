"""What belongs to one Ingress is known by what the Ingress and the resources say, of this cluster alone."""

import json
from typing import Any

import pytest

from sandbox.gke.namer import ClusterNamer
from tasks.core import inventory
from tasks.core.inventory import Marker

NAMER = ClusterNamer(cluster_uid="6e7ef8cf12345678", kube_system_uid="4a1d0d3e-0000-4000-8000-000000000000")
FRONT = NAMER.frontend("default", "my-release-milvus")
PREFIXES = inventory.cluster_prefixes(NAMER.kube_system_uid, NAMER.cluster_uid)
MARKER = Marker("default/my-release-milvus", "default/my-release-milvus", PREFIXES)
OF_INGRESS = json.dumps({"kubernetes.io/ingress-name": "default/my-release-milvus"})
OF_SERVICE = json.dumps({"kubernetes.io/service-name": "default/my-release-milvus", "kubernetes.io/service-port": "1"})
NEG = NAMER.neg("default", "my-release-milvus", 19530)


@pytest.mark.parametrize(
    ("collection", "name", "description"),
    [
        ("forwardingRules", FRONT.forwarding_rule(https=True), OF_INGRESS),
        ("targetHttpsProxies", FRONT.target_proxy(https=True), OF_INGRESS),
        ("targetHttpProxies", FRONT.target_proxy(https=False), OF_INGRESS),
        ("backendServices", NEG, OF_SERVICE),
        ("networkEndpointGroups", NEG, NAMER.neg_description("default", "my-release-milvus", 19530)),
    ],
)
def test_a_part_is_known_by_its_description(collection: str, name: str, description: str) -> None:
    assert MARKER.owns(collection, {"name": name, "description": description})


def test_the_same_ingress_of_another_cluster_in_the_project_is_not_ours() -> None:
    other = ClusterNamer(cluster_uid="other-uid", kube_system_uid="other")
    rule = other.frontend("default", "my-release-milvus").forwarding_rule(https=True)

    assert not MARKER.owns("forwardingRules", {"name": rule, "description": OF_INGRESS})


def test_without_the_clusters_uids_names_of_every_cluster_count() -> None:
    anywhere = Marker(MARKER.ingress, MARKER.service, inventory.cluster_prefixes("", "6e7ef8cf"))

    assert anywhere.owns("forwardingRules", {"name": "k8s2-fs-other-x", "description": OF_INGRESS})


@pytest.mark.parametrize("description", ["", "made by hand", "[1]", '{"kubernetes.io/ingress-name": "default/other"}'])
def test_what_says_nothing_of_our_ingress_is_not_ours(description: str) -> None:
    assert not MARKER.owns("forwardingRules", {"name": FRONT.forwarding_rule(https=True), "description": description})


def an_ingress(**marks: str) -> dict[str, Any]:
    return {
        "metadata": {"annotations": {f"ingress.kubernetes.io/{key.replace('_', '-')}": marks[key] for key in marks}}
    }


def test_the_annotations_give_every_front_part_and_the_certificates_gke_made() -> None:
    live = an_ingress(
        https_forwarding_rule="k8s2-fs-x",
        forwarding_rule="k8s2-fr-x",
        https_target_proxy="k8s2-ts-x",
        target_proxy="k8s2-tp-x",
        url_map="k8s2-um-x",
        redirect_url_map="k8s2-rm-x",
        ssl_cert="somebodys-own,mcrt-1,k8s2-cr-x",
        static_ip="my-address",
        backends='{"k8s1-x": "HEALTHY"}',
    )

    assert inventory.in_order(inventory.of_ingress(live)) == [
        "forwardingRules/k8s2-fr-x",
        "forwardingRules/k8s2-fs-x",
        "targetHttpProxies/k8s2-tp-x",
        "targetHttpsProxies/k8s2-ts-x",
        "urlMaps/k8s2-rm-x",
        "urlMaps/k8s2-um-x",
        "backendServices/k8s1-x",
        "sslCertificates/k8s2-cr-x",
    ]


def test_an_address_that_the_controller_promoted_goes_with_the_ingress() -> None:
    assert inventory.of_ingress(an_ingress(static_ip="k8s2-fr-x")) == ["addresses/k8s2-fr-x"]


def test_a_backend_service_brings_its_health_checks_and_its_groups_in_every_zone() -> None:
    root = "https://compute.googleapis.com/compute/v1/projects/p"
    service = {
        "name": "k8s1-x",
        "healthChecks": [f"{root}/global/healthChecks/k8s1-x"],
        "backends": [{"group": f"{root}/zones/{zone}/networkEndpointGroups/k8s1-x"} for zone in ("a", "b")],
    }

    assert inventory.of_backend_service(service) == [
        "backendServices/k8s1-x",
        "healthChecks/k8s1-x",
        "zones/a/networkEndpointGroups/k8s1-x",
        "zones/b/networkEndpointGroups/k8s1-x",
    ]


def test_every_collection_has_a_command_that_removes_it() -> None:
    for collection in inventory.DELETE_COMMANDS:
        reference = f"zones/a/{collection}/n" if collection == "networkEndpointGroups" else f"{collection}/n"
        command = inventory.delete_command(reference, "p")
        assert command.startswith("gcloud compute ")
        assert " delete n " in command
