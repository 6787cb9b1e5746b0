"""Names are a contract: users and their scripts find Compute resources by them."""

import hashlib

import pytest

from sandbox.gke.namer import (
    ClusterNamer,
    content_hash,
    ingress_description,
    service_description,
    trim,
)

NAMER = ClusterNamer("9a8b7c6d5e4f3a2b", "7f4b1f2e-0000-4000-8000-3a2b1c0d9e8f")


def test_content_hash_maps_each_byte_of_sha256_to_a_letter_or_digit() -> None:
    digest = hashlib.sha256(b"some text").digest()
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

    assert content_hash("some text", 8) == "".join(alphabet[byte % 36] for byte in digest[:8])


@pytest.mark.parametrize(
    ("limit", "fields", "expected"),
    [
        pytest.param(10, ("abc", "def"), ["abc", "def"], id="short enough"),
        pytest.param(6, ("aaaa", "bbbb"), ["aaa", "bbb"], id="evenly"),
        pytest.param(5, ("aaaaaaaa", "b", "cc"), ["aaaa", "b", ""], id="what is left over goes to the first ones"),
    ],
)
def test_fields_are_cut_in_proportion_to_their_length(limit: int, fields: tuple[str, ...], expected: list[str]) -> None:
    cut = trim(limit, *fields)

    assert cut == expected
    assert sum(map(len, cut)) <= limit


def test_a_neg_is_named_for_cluster_service_and_service_port() -> None:
    suffix = hashlib.sha256(b"9a8b7c6d;default;my-release-milvus;19530").hexdigest()[:8]

    assert NAMER.neg("default", "my-release-milvus", 19530) == (
        f"k8s1-9a8b7c6d-default-my-release-milvus-19530-{suffix}"
    )


@pytest.mark.parametrize(
    ("cluster", "service", "port", "name"),
    [
        (
            "5c546a67",
            "argo-argo-workflows-server",
            2746,
            "k8s1-5c546a67-default-argo-argo-workflows-server-2746-917f40f9",
        ),
        ("011a2b9a", "frontend", 80, "k8s1-011a2b9a-default-frontend-80-a7c8bff4"),
    ],
)
def test_negs_are_named_as_real_clusters_have_named_them(cluster: str, service: str, port: int, name: str) -> None:
    """Seen in the Ingress annotations and events that users of GKE have published."""
    assert ClusterNamer(cluster, "").neg("default", service, port) == name


def test_names_stay_within_what_compute_allows() -> None:
    namespace, name = "n" * 63, "i" * 63
    frontend = NAMER.frontend(namespace, name)

    names = [
        NAMER.neg(namespace, name, 65535),
        NAMER.instance_group_backend(32767),
        NAMER.firewall_rule(),
        frontend.url_map,
        frontend.redirect_url_map,
        frontend.forwarding_rule(https=False),
        frontend.forwarding_rule(https=True),
        frontend.target_proxy(https=True),
        frontend.certificate("pem"),
    ]

    assert [len(each) <= 63 for each in names] == [True] * len(names)


def test_front_ends_are_named_for_the_cluster_and_the_ingress() -> None:
    frontend = NAMER.frontend("default", "milvus")
    cluster = content_hash(NAMER.kube_system_uid, 8)
    suffix = content_hash(f"{NAMER.kube_system_uid};default;milvus", 8)
    load_balancer = f"{cluster}-default-milvus-{suffix}"

    assert frontend.load_balancer == load_balancer
    assert frontend.forwarding_rule(https=False) == f"k8s2-fr-{load_balancer}"
    assert frontend.forwarding_rule(https=True) == f"k8s2-fs-{load_balancer}"
    assert frontend.target_proxy(https=False) == f"k8s2-tp-{load_balancer}"
    assert frontend.target_proxy(https=True) == f"k8s2-ts-{load_balancer}"
    assert frontend.url_map == f"k8s2-um-{load_balancer}"
    assert frontend.redirect_url_map == f"k8s2-rm-{load_balancer}"


def test_a_certificate_is_named_for_its_content() -> None:
    frontend = NAMER.frontend("default", "milvus")
    cluster = content_hash(NAMER.kube_system_uid, 8)
    digest = hashlib.sha256(b"PEM").hexdigest()[:16]

    assert frontend.certificate("PEM") == f"k8s2-cr-{cluster}-{content_hash(frontend.load_balancer, 16)}-{digest}"


def test_an_ingress_with_dots_in_its_name_cannot_have_a_load_balancer() -> None:
    assert not NAMER.frontend("default", "milvus.example.com").is_valid
    assert NAMER.frontend("default", "milvus").is_valid


def test_descriptions_tell_whose_a_resource_is() -> None:
    assert ingress_description("ns", "ing") == '{"kubernetes.io/ingress-name": "ns/ing"}'
    assert service_description("ns", "svc", "19530", ["HTTP2", "NEG"]) == (
        '{"kubernetes.io/service-name":"ns/svc","kubernetes.io/service-port":"19530","x-features":["HTTP2","NEG"]}'
    )
