"""Statuses of a Google-managed certificate, in Compute's spelling (FAILED_NOT_VISIBLE) or GKE's (FailedNotVisible).

Source: gke-managed-certs pkg/config/config.go; gke.md §5.2, §5.6. "Provisioning" is also the state of a certificate
that is attached to nothing or whose DNS is wrong, so the status alone is rarely a cause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.core.diagnosis.finding import Finding, Outlook

_ANSWERED_ELSEWHERE = "DomainPointsElsewhere"


@dataclass(frozen=True)
class _Row:
    outlook: Outlook
    layer: str
    cause: str
    observed: str
    mend: str


_STATUSES = {
    "provisioningfailedpermanently": _Row(
        Outlook.STOP,
        "certificate",
        "CertificateFailedPermanently",
        "Google gave the certificate up (PROVISIONING_FAILED_PERMANENTLY)",
        "Make a new one under a new name: kubectl -n {namespace} delete managedcertificate {name}, then run again.",
    ),
    "renewalfailed": _Row(
        Outlook.STOP,
        "certificate",
        "CertificateRenewalFailed",
        "the certificate could not be renewed; the old one is served until it expires",
        "Mend what the domains say, then make a new one: kubectl -n {namespace} describe managedcertificate {name}",
    ),
    "provisioningfailed": _Row(
        Outlook.RETRY,
        "certificate",
        "CertificateProvisioningFailed",
        "Google could not issue the certificate and tries again",
        "See which domain it is about: kubectl -n {namespace} describe managedcertificate {name}",
    ),
}

_DOMAIN_STATUSES = {
    "failedcaaforbidden": _Row(
        Outlook.STOP,
        "dns",
        "CaaForbids",
        "a CAA record forbids Google's authority for {domain}",
        'Add a record: {domain}. CAA 0 issue "pki.goog"',
    ),
    "failedcaachecking": _Row(
        Outlook.RETRY,
        "dns",
        "CaaUnreadable",
        "the CAA records of {domain} could not be read",
        "See what its name servers answer: dig CAA {domain}",
    ),
    "failedratelimited": _Row(
        Outlook.RETRY,
        "certificate",
        "IssuanceRateLimited",
        "the authority's rate limit for {domain} is reached",
        "Google tries again by itself; make no new certificates for {domain} meanwhile, which count, too: "
        "kubectl get managedcertificate --all-namespaces",
    ),
    "failednotvisible": _Row(
        Outlook.WAIT,
        "certificate",
        "DomainNotVisible",
        "Google does not see {domain} at this load balancer",
        "Its DNS must have the load balancer's address and nothing else, and the certificate must be on the Ingress: "
        "dig +short A {domain}; dig +short AAAA {domain}; kubectl -n {namespace} get ingress",
    ),
}
_ORDER = (Outlook.STOP, Outlook.WAIT, Outlook.RETRY)
_ON_ITS_WAY = ("", "provisioning", "managedcertificatestatusunspecified", "domainstatusunspecified")


def of_certificate(
    status: str,
    domain_statuses: Mapping[str, str],
    *,
    namespace: str = "default",
    name: str = "NAME",
    address: str = "",
    answers: Mapping[str, Sequence[str]] | None = None,
    stop_when_dns_points_elsewhere: bool = False,
) -> Finding:
    """Judge a managed certificate that is not served yet.

    Args:
        status: of the certificate, "" when it has none yet.
        domain_statuses: per domain.
        namespace: of the ManagedCertificate, for the mend.
        name: of the ManagedCertificate, for the mend.
        address: of the load balancer, "" while it has none.
        answers: what DNS answers per domain, A and AAAA records together; a domain that is missing was not asked,
            an empty list is an answer without records.
        stop_when_dns_points_elsewhere: whether an answer with another address is a permanent cause. Only the caller
            knows: it is not when somebody is about to change the record, and that is what is waited for; it is in an
            unattended run against a record that another system holds. No answer at all always waits: the record may
            be on its way.
    """
    if _folded(status) == "active":
        observed = _statuses(status, domain_statuses)
        return Finding(Outlook.WAIT, "certificate", "CertificateActive", observed)
    row = _STATUSES.get(_folded(status))
    if row is not None and row.outlook is Outlook.STOP:
        return _finding(row, status, domain_statuses, namespace=namespace, name=name)
    elsewhere = _elsewhere(domain_statuses, address, answers or {})
    if elsewhere:
        return _points_elsewhere(elsewhere, address, final=stop_when_dns_points_elsewhere)
    refused = [
        (_ORDER.index(found.outlook), domain, found)
        for domain, said in domain_statuses.items()
        if (found := _DOMAIN_STATUSES.get(_folded(said)))
    ]
    if refused:
        _, domain, found = min(refused, key=lambda entry: entry[:2])
        return _finding(found, status, domain_statuses, namespace=namespace, name=name, domain=domain)
    if row is not None:
        return _finding(row, status, domain_statuses, namespace=namespace, name=name)
    known = all(_folded(said) in (*_ON_ITS_WAY, "active") for said in (status, *domain_statuses.values()))
    return Finding(
        Outlook.WAIT,
        "certificate",
        "CertificateProvisioning" if known else "UnknownCertificateStatus",
        _statuses(status, domain_statuses),
        f"{'It takes up to an hour once DNS leads here: ' if known else ''}"
        f"kubectl -n {namespace} describe managedcertificate {name}",
    )


def _elsewhere(
    domain_statuses: Mapping[str, str], address: str, answers: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str]]:
    """Domains that DNS sends anywhere but to the load balancer alone, with what it answers."""
    if not address:
        return {}
    active = {domain for domain, said in domain_statuses.items() if _folded(said) == "active"}
    return {domain: found for domain, found in answers.items() if domain not in active and set(found) != {address}}


def _points_elsewhere(elsewhere: Mapping[str, Sequence[str]], address: str, *, final: bool) -> Finding:
    now = "; ".join(f"{domain} answers {', '.join(found) or 'nothing'}" for domain, found in elsewhere.items())
    records = ", ".join(f"{domain}. A {address}" for domain in elsewhere)
    extra = " and remove every other A or AAAA record of it" if any(elsewhere.values()) else ""
    return Finding(
        Outlook.STOP if final and any(elsewhere.values()) else Outlook.WAIT,
        "dns",
        _ANSWERED_ELSEWHERE,
        f"DNS must answer {address} alone, but {now}",
        f"Create the record {records}{extra}.",
    )


def _finding(
    row: _Row, status: str, domain_statuses: Mapping[str, str], *, namespace: str, name: str, domain: str = ""
) -> Finding:
    names = {"namespace": namespace, "name": name, "domain": domain}
    observed = f"{row.observed.format_map(names)}: {_statuses(status, domain_statuses)}"
    return Finding(row.outlook, row.layer, row.cause, observed, row.mend.format_map(names))


def _statuses(status: str, domain_statuses: Mapping[str, str]) -> str:
    domains = ", ".join(f"{domain} {said or '(none)'}" for domain, said in sorted(domain_statuses.items()))
    return f"status {status or '(none yet)'}" + (f", {domains}" if domains else "")


def _folded(status: str) -> str:
    return status.replace("_", "").lower()
