"""The status tables of ManagedCertificates."""

from typing import Any

import pytest

from sandbox.gke.managed_certificate import operation_text
from sandbox.gke.managed_certificate_status import UnexpectedStatus, same_domains, status_of

Json = dict[str, Any]


def a_certificate(status: str = "PROVISIONING", **domains: str) -> Json:
    return {"name": "mcrt-1", "managed": {"status": status, "domainStatus": domains, "domains": list(domains)}}


@pytest.mark.parametrize(
    ("compute", "shown"),
    [
        ("", ""),
        ("MANAGED_CERTIFICATE_STATUS_UNSPECIFIED", ""),
        ("PROVISIONING", "Provisioning"),
        ("PROVISIONING_FAILED", "ProvisioningFailed"),
        ("PROVISIONING_FAILED_PERMANENTLY", "ProvisioningFailedPermanently"),
        ("ACTIVE", "Active"),
        ("RENEWAL_FAILED", "RenewalFailed"),
    ],
)
def test_certificate_status(compute: str, shown: str) -> None:
    assert status_of(a_certificate(compute))["certificateStatus"] == shown


def test_domains_are_shown_sorted_with_their_own_status() -> None:
    status = status_of(
        a_certificate(**{"b.example.com": "FAILED_NOT_VISIBLE", "a.example.com": "FAILED_CAA_FORBIDDEN"})
    )

    assert status == {
        "certificateName": "mcrt-1",
        "certificateStatus": "Provisioning",
        "domainStatus": [
            {"domain": "a.example.com", "status": "FailedCaaForbidden"},
            {"domain": "b.example.com", "status": "FailedNotVisible"},
        ],
    }


@pytest.mark.parametrize(
    "certificate", [a_certificate("NEW"), a_certificate(**{"a.example.com": "DOMAIN_STATUS_UNSPECIFIED"})]
)
def test_an_unknown_status_is_an_error(certificate: Json) -> None:
    with pytest.raises(UnexpectedStatus):
        status_of(certificate)


def test_domains_are_compared_as_sets() -> None:
    certificate = a_certificate(**{"a.example.com": "ACTIVE", "b.example.com": "ACTIVE"})

    assert same_domains({"spec": {"domains": ["b.example.com", "a.example.com"]}}, certificate)
    assert not same_domains({"spec": {"domains": ["a.example.com"]}}, certificate)


def test_a_failed_operation_is_told_as_the_controller_does() -> None:
    operation = {
        "name": "operation-1",
        "status": "DONE",
        "httpErrorMessage": "FORBIDDEN",
        "httpErrorStatusCode": 403,
        "error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'SSL_CERTIFICATES' exceeded."}]},
    }

    assert operation_text(operation) == (
        "operation operation-1 DONE. Status: FORBIDDEN (403), errors: "
        "(QUOTA_EXCEEDED: Quota 'SSL_CERTIFICATES' exceeded.)"
    )
