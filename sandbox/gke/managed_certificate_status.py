"""From the status of a Compute certificate to that of a ManagedCertificate. Pure.

Source: gke-managed-certs pkg/config/config.go (the tables), pkg/controller/certificates/certificates.go.
"""

from typing import Any

Json = dict[str, Any]

CERTIFICATE_STATUS = {
    "": "",
    "MANAGED_CERTIFICATE_STATUS_UNSPECIFIED": "",
    "ACTIVE": "Active",
    "PROVISIONING": "Provisioning",
    "PROVISIONING_FAILED": "ProvisioningFailed",
    "PROVISIONING_FAILED_PERMANENTLY": "ProvisioningFailedPermanently",
    "RENEWAL_FAILED": "RenewalFailed",
}
DOMAIN_STATUS = {
    "ACTIVE": "Active",
    "FAILED_CAA_CHECKING": "FailedCaaChecking",
    "FAILED_CAA_FORBIDDEN": "FailedCaaForbidden",
    "FAILED_NOT_VISIBLE": "FailedNotVisible",
    "FAILED_RATE_LIMITED": "FailedRateLimited",
    "PROVISIONING": "Provisioning",
}


class UnexpectedStatus(Exception):
    """A status that no table has; the ManagedCertificate then keeps what it shows."""


def status_of(certificate: Json) -> Json:
    """The ManagedCertificate status that shows a Compute certificate.

    Raises:
        UnexpectedStatus: the certificate's status, or one domain's, is unknown.
    """
    managed = certificate.get("managed") or {}
    status: Json = {
        "certificateName": certificate["name"],
        "certificateStatus": _translated(CERTIFICATE_STATUS, managed.get("status") or "", certificate["name"]),
        "domainStatus": [
            {"domain": domain, "status": _translated(DOMAIN_STATUS, state, domain)}
            for domain, state in sorted((managed.get("domainStatus") or {}).items())
        ],
    }
    return status | ({"expireTime": certificate["expireTime"]} if certificate.get("expireTime") else {})


def _translated(table: dict[str, str], status: str, subject: str) -> str:
    if status not in table:
        raise UnexpectedStatus(f"Unexpected status {status} of {subject}")
    return table[status]


def same_domains(managed_certificate: Json, certificate: Json) -> bool:
    """Whether the Compute certificate is for the domains that the ManagedCertificate asks for, in any order."""
    wanted = (managed_certificate.get("spec") or {}).get("domains") or []
    present = (certificate.get("managed") or {}).get("domains") or []
    return sorted(wanted) == sorted(present)
