"""The genuine google-cloud-compute client against the emulator."""

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1
from google.oauth2 import service_account

from sandbox.ca import CertificateAuthority
from sandbox.compute.server import ComputeApi
from sandbox.faults import Faults

PROJECT, ZONE = "sandbox-project", "sandbox-zone-a"


@pytest.fixture
def options(compute: ComputeApi) -> dict[str, Any]:
    credentials = service_account.Credentials.from_service_account_info(compute.credentials())  # type: ignore[no-untyped-call]
    return {"credentials": credentials, "client_options": {"api_endpoint": compute.url}}


@pytest.fixture
def done(options: dict[str, Any]) -> Callable[[compute_v1.Operation], compute_v1.Operation]:
    """Wait for an operation, by its own client.

    `insert(…).result()` of google-cloud-compute 1.57 polls compute.googleapis.com whatever endpoint was given.
    """
    everywhere = compute_v1.GlobalOperationsClient(**options)
    zonal = compute_v1.ZoneOperationsClient(**options)

    def wait(operation: compute_v1.Operation) -> compute_v1.Operation:
        while operation.status != compute_v1.Operation.Status.DONE:
            if operation.zone:
                operation = zonal.wait(project=PROJECT, zone=ZONE, operation=operation.name)
            else:
                operation = everywhere.wait(project=PROJECT, operation=operation.name)
        return operation

    return wait


def test_an_address_is_reserved_listed_and_released(
    options: dict[str, Any], done: Callable[[compute_v1.Operation], compute_v1.Operation]
) -> None:
    addresses = compute_v1.GlobalAddressesClient(**options)
    wanted = compute_v1.Address(name="milvus-ip")

    assert not done(addresses.insert_unary(project=PROJECT, address_resource=wanted)).error.errors

    found = addresses.get(project=PROJECT, address="milvus-ip")
    assert (found.status, found.address_type, found.ip_version) == ("RESERVED", "EXTERNAL", "IPV4")
    assert found.id > 0
    assert [each.name for each in addresses.list(project=PROJECT)] == ["milvus-ip"]
    with pytest.raises(exceptions.Conflict):
        addresses.insert_unary(project=PROJECT, address_resource=wanted)
    done(addresses.delete_unary(project=PROJECT, address="milvus-ip"))
    with pytest.raises(exceptions.NotFound, match="global/addresses/milvus-ip' was not found"):
        addresses.get(project=PROJECT, address="milvus-ip")


def test_a_load_balancer_is_built_and_its_health_read(
    options: dict[str, Any], done: Callable[[compute_v1.Operation], compute_v1.Operation]
) -> None:
    leaf = CertificateAuthority().issue("m.example.com")
    group = f"projects/{PROJECT}/zones/{ZONE}/networkEndpointGroups/neg"
    probe = compute_v1.HTTPHealthCheck(port=9091, request_path="/healthz")
    backend = compute_v1.Backend(group=group, balancing_mode="RATE", max_rate_per_endpoint=1)
    certificate = compute_v1.SslCertificate(
        name="cert", certificate=leaf.certificate_pem.decode(), private_key=leaf.key_pem.decode()
    )
    services = compute_v1.BackendServicesClient(**options)
    health_check = compute_v1.HealthCheck(name="hc", type_="HTTP", http_health_check=probe)
    service = compute_v1.BackendService(
        name="bs", protocol="HTTP2", health_checks=["global/healthChecks/hc"], backends=[backend]
    )
    url_map = compute_v1.UrlMap(name="um", default_service="global/backendServices/bs")
    proxy = compute_v1.TargetHttpsProxy(
        name="tps", url_map="global/urlMaps/um", ssl_certificates=["global/sslCertificates/cert"]
    )
    rule = compute_v1.ForwardingRule(name="fr", target="global/targetHttpsProxies/tps", port_range="443")
    endpoint_group = compute_v1.NetworkEndpointGroup(name="neg", network_endpoint_type="GCE_VM_IP_PORT")

    for operation in (
        lambda: compute_v1.HealthChecksClient(**options).insert_unary(
            project=PROJECT, health_check_resource=health_check
        ),
        lambda: compute_v1.NetworkEndpointGroupsClient(**options).insert_unary(
            project=PROJECT, zone=ZONE, network_endpoint_group_resource=endpoint_group
        ),
        lambda: services.insert_unary(project=PROJECT, backend_service_resource=service),
        lambda: compute_v1.UrlMapsClient(**options).insert_unary(project=PROJECT, url_map_resource=url_map),
        lambda: compute_v1.SslCertificatesClient(**options).insert_unary(
            project=PROJECT, ssl_certificate_resource=certificate
        ),
        lambda: compute_v1.TargetHttpsProxiesClient(**options).insert_unary(
            project=PROJECT, target_https_proxy_resource=proxy
        ),
        lambda: compute_v1.GlobalForwardingRulesClient(**options).insert_unary(
            project=PROJECT, forwarding_rule_resource=rule
        ),
    ):
        assert not done(operation()).error.errors  # type: ignore[no-untyped-call]

    built = compute_v1.GlobalForwardingRulesClient(**options).get(project=PROJECT, forwarding_rule="fr")
    assert (built.port_range, built.load_balancing_scheme) == ("443-443", "EXTERNAL")
    assert built.I_p_address.startswith("127.")
    health = services.get_health(
        project=PROJECT,
        backend_service="bs",
        resource_group_reference_resource=compute_v1.ResourceGroupReference(group=group),
    )
    assert list(health.health_status) == []


def test_quotas_and_an_operation_that_fails(
    options: dict[str, Any],
    done: Callable[[compute_v1.Operation], compute_v1.Operation],
    compute_faults: Faults,
) -> None:
    quotas = compute_v1.ProjectsClient(**options).get(project=PROJECT).quotas
    assert {each.metric for each in quotas} >= {"STATIC_ADDRESSES", "SSL_CERTIFICATES", "BACKEND_SERVICES"}

    compute_faults.arm("quota-exceeded", where="operation")
    addresses = compute_v1.GlobalAddressesClient(**options)
    operation = done(addresses.insert_unary(project=PROJECT, address_resource=compute_v1.Address(name="a")))

    assert operation.http_error_status_code == 403
    assert operation.error.errors[0].code == "QUOTA_EXCEEDED"
    assert operation.error.errors[0].error_details[0].quota_info.limit == 8.0
    compute_faults.arm("quota-exceeded")
    with pytest.raises(exceptions.Forbidden, match="Quota 'STATIC_ADDRESSES' exceeded"):
        addresses.insert_unary(project=PROJECT, address_resource=compute_v1.Address(name="a"))
