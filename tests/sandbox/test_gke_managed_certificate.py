"""The ManagedCertificate controller over the wire."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.dns.records import RecordSet
from sandbox.kube_client import ApiError
from sandbox.kube_paths import path_of
from tests.sandbox.gke_world import (
    INGRESSES,
    MANAGED_CERTIFICATES,
    SERVICES,
    World,
    a_managed_certificate,
    a_service,
    an_ingress,
    eventually,
    running_world,
)

Json = dict[str, Any]
PRE_SHARED = "ingress.gcp.kubernetes.io/pre-shared-cert"
STATE = "/api/v1/namespaces/kube-system/configmaps/managed-certificate-config"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as running:
        yield running


def status(world: World, name: str = "milvus-cert") -> Json:
    return world.kube.get(path_of(MANAGED_CERTIFICATES, "default", name)).get("status") or {}


def certificate_name(world: World, name: str = "milvus-cert") -> str:
    return str(eventually(lambda: status(world, name).get("certificateName")))


def test_a_certificate_is_made_at_once_and_stays_provisioning_without_an_ingress(world: World) -> None:
    """The guide waits here for Active, which never comes."""
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())

    name = certificate_name(world)

    certificate = world.compute.get(f"global/sslCertificates/{name}")
    assert name.startswith("mcrt-")
    assert certificate["managed"]["domains"] == ["milvus.example.com"]
    assert status(world)["certificateStatus"] == "Provisioning"
    assert world.event("ManagedCertificate", "milvus-cert", "Create", name) == f"Create SslCertificate {name}"
    entries = [json.loads(value) for value in world.kube.get(STATE)["data"].values()]
    assert entries[0]["Key"] == {"Namespace": "default", "Name": "milvus-cert"}
    assert entries[0]["Value"]["SslCertificateName"] == name
    metadata = world.kube.get(path_of(MANAGED_CERTIFICATES, "default", "milvus-cert"))["metadata"]
    assert "finalizers" not in metadata


def test_its_name_reaches_the_ingress_and_from_there_the_proxy(world: World) -> None:
    world.create(SERVICES, a_service())
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())
    name = certificate_name(world)
    world.create(INGRESSES, an_ingress(managed="milvus-cert", allow_http="false"))

    eventually(lambda: world.annotations().get(PRE_SHARED) == name)
    proxy = eventually(lambda: next(iter(world.compute.list("global/targetHttpsProxies")), None))

    assert proxy is not None
    assert proxy["sslCertificates"][0].endswith(name)
    assert world.address()


def test_it_becomes_active_once_attached_and_found_by_dns(world: World) -> None:
    """The order that works: Ingress, address, DNS record, Active."""
    world.create(SERVICES, a_service())
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())
    world.create(INGRESSES, an_ingress(managed="milvus-cert"))
    address = world.address()
    eventually(lambda: status(world).get("domainStatus", [{}])[0].get("status") == "FailedNotVisible")

    world.zones.create("example", "example.com.")
    world.zones.change("example", [RecordSet("milvus.example.com.", "A", 60, (address,))], [])

    eventually(lambda: status(world)["certificateStatus"] == "Active")
    assert status(world)["domainStatus"] == [{"domain": "milvus.example.com", "status": "Active"}]
    assert status(world)["expireTime"]


def test_all_or_nothing_when_one_is_missing(world: World) -> None:
    world.create(SERVICES, a_service())
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())
    certificate_name(world)
    world.create(INGRESSES, an_ingress(managed="milvus-cert,other"))

    message = world.event("Ingress", "milvus", "MissingCertificate", "other")

    assert message == "ManagedCertificate default:other missing"
    assert PRE_SHARED not in world.annotations()


def test_the_users_own_names_survive_sorted(world: World) -> None:
    world.create(SERVICES, a_service())
    world.create(INGRESSES, an_ingress(pre_shared="zeta, alpha"))

    eventually(lambda: world.annotations().get(PRE_SHARED) == "alpha,zeta")


def test_removing_the_annotation_detaches_nothing(world: World) -> None:
    world.create(SERVICES, a_service())
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())
    name = certificate_name(world)
    world.create(INGRESSES, an_ingress(managed="milvus-cert"))
    eventually(lambda: world.annotations().get(PRE_SHARED) == name)
    world.address()

    world.annotate(INGRESSES, "milvus", managed=None)

    with pytest.raises(AssertionError):
        eventually(lambda: world.annotations().get(PRE_SHARED) != name, seconds=1.5)


def test_other_domains_mean_delete_and_create_under_the_same_name(world: World) -> None:
    """Attached, the delete fails until the Ingress has let the certificate go."""
    world.create(SERVICES, a_service())
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())
    name = certificate_name(world)
    world.create(INGRESSES, an_ingress(managed="milvus-cert"))
    eventually(lambda: world.names("global/targetHttpsProxies"))

    patch = {"spec": {"domains": ["new.example.com"]}}
    world.kube.merge_patch(path_of(MANAGED_CERTIFICATES, "default", "milvus-cert"), patch)

    def domains() -> list[str]:
        found = world.compute.find(f"global/sslCertificates/{name}") or {"managed": {"domains": []}}
        return list(found["managed"]["domains"])

    assert "already being used by" in world.event("ManagedCertificate", "milvus-cert", "BackendError", "being used")
    eventually(lambda: domains() == ["new.example.com"])
    eventually(lambda: world.annotations().get(PRE_SHARED) == name)
    assert certificate_name(world) == name


def test_deletion_takes_the_compute_certificate_along(world: World) -> None:
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())
    certificate_name(world)

    world.kube.delete(path_of(MANAGED_CERTIFICATES, "default", "milvus-cert"))

    eventually(lambda: world.names("global/sslCertificates") == [])
    eventually(lambda: not world.kube.get(STATE).get("data"))


@pytest.mark.parametrize(
    ("where", "reason", "text"),
    [
        ("sync", "BackendError", "googleapi: Error 403: Quota 'SSL_CERTIFICATES' exceeded."),
        ("operation", "TooManyCertificates", "errors: (QUOTA_EXCEEDED: Quota 'SSL_CERTIFICATES' exceeded."),
    ],
)
def test_a_quota_is_named_by_when_it_strikes(world: World, where: str, reason: str, text: str) -> None:
    world.faults.arm("quota-exceeded", metric="SSL_CERTIFICATES", where=where)
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())

    world.event("ManagedCertificate", "milvus-cert", reason, text)

    world.faults.clear()
    assert certificate_name(world)


@pytest.mark.parametrize("domain", ["*.example.com", "Milvus.example.com", "milvus", "10.0.0.1", f"{'a' * 60}.com"])
def test_a_domain_that_google_cannot_manage_is_refused_by_the_api_server(world: World, domain: str) -> None:
    with pytest.raises(ApiError) as error:
        world.create(MANAGED_CERTIFICATES, a_managed_certificate(domain))

    assert (error.value.status, error.value.reason) == (422, "Invalid")


def test_no_domains_pass_the_api_server_and_fail_at_compute(world: World) -> None:
    world.create(MANAGED_CERTIFICATES, a_managed_certificate() | {"spec": {"domains": []}})

    world.event("ManagedCertificate", "milvus-cert", "BackendError", "googleapi: Error 400")


def test_a_controller_that_is_off_does_nothing_until_it_is_back(world: World) -> None:
    world.faults.arm("managed-certificate-controller-off")
    world.create(MANAGED_CERTIFICATES, a_managed_certificate())
    with pytest.raises(AssertionError):
        eventually(lambda: world.names("global/sslCertificates"), seconds=1.0)

    world.faults.clear("managed-certificate-controller-off")

    assert certificate_name(world)
