"""Google-managed certificates: named, there, for all the hosts, of a form that Google takes, and not too many.

Source: gke-managed-certs deploy/managedcertificates-crd.yaml, pkg/controller/sync; ingress-gce
pkg/loadbalancers/target_proxies.go; gke.md §5.1, §5.3, §5.4, §5.7.
"""

import re
from collections.abc import Iterator

from tasks.core import annotations, certificates, status
from tasks.core.checks.check import Check, failed, passed
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, annotate, kubectl, named, resource
from tasks.core.checks.references import names_in
from tasks.core.config import CertificateMode

_DOMAIN = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]([-a-z0-9]*[a-z0-9])")
_LONGEST_DOMAIN, _MOST_DOMAINS, _MOST_CERTIFICATES = 63, 100, 15


def checks(facts: Facts) -> Iterator[Check]:
    """Every check of the ManagedCertificates that our Ingress names; of the count always."""
    ingress = facts.ingress
    if ingress is None:
        return
    yield _count(ingress)
    wanted = names_in(status.marks(ingress).get(annotations.MANAGED_CERTIFICATES, ""))
    found = {name: facts.objects.get("ManagedCertificate", facts.namespace, name) for name in wanted}
    for name, live in found.items():
        place = resource("ManagedCertificate", facts.namespace, name)
        if live is None:
            yield _missing(facts, ingress, place)
            continue
        yield _passed("ManagedCertificateExistenceCheck", place, "exists")
        yield _form(live, place)
        yield _change(facts, live, place)
    if wanted and all(found.values()):
        yield _domains(facts, [live for live in found.values() if live], ingress)


def _missing(facts: Facts, ingress: Object, place: str) -> Check:
    seen = "does not exist in the Ingress' namespace; GKE attaches no certificate at all while one is missing"
    mend = f"Make it, or name another: kubectl -n {facts.namespace} get managedcertificates"
    if facts.config.certificate_mode is not CertificateMode.GOOGLE_MANAGED:
        mend = f"Google issues none here: {annotate(ingress, annotations.MANAGED_CERTIFICATES, None)}"
    return failed("ManagedCertificateExistenceCheck", place, seen, mend, layer="certificate")


def _form(live: Object, place: str) -> Check:
    name, domains = "ManagedCertificateDomainFormCheck", _domains_of(live)
    faults = [f"{domain} is {fault}" for domain in domains if (fault := _fault(domain))]
    if not domains:
        faults = ["it names no domain"]
    if len(domains) > _MOST_DOMAINS:
        faults.append(f"it names {len(domains)} domains, and {_MOST_DOMAINS} is the most")
    if not faults:
        return _passed(name, place, f"{len(domains)} domains of the form that Google takes")
    return failed(name, place, "; ".join(faults), f"Mend spec.domains: {kubectl('edit', live)}", layer="certificate")


def _fault(domain: str) -> str:
    if domain.startswith("*."):
        return "a wildcard, which Google issues only by Certificate Manager"
    if len(domain) > _LONGEST_DOMAIN:
        return f"longer than {_LONGEST_DOMAIN} characters"
    return "" if _DOMAIN.fullmatch(domain) else "no domain name in lower case"


def _domains(facts: Facts, found: list[Object], ingress: Object) -> Check:
    """Hosts that no certificate has end in a failed handshake; those of Secrets count too."""
    name, place = "ManagedCertificateDomainsCheck", named(ingress)
    covered = [domain for live in found for domain in _domains_of(live)]
    entries = (ingress.get("spec") or {}).get("tls") or []
    missing = [domain for domain in facts.config.domains if not certificates.covers(covered, domain)]
    if not missing or entries:
        return _passed(name, place, f"its certificates are for {', '.join(covered)}")
    names = ", ".join(str(live["metadata"]["name"]) for live in found)
    seen = f"managedcertificate {names} is for {', '.join(covered) or 'no domain'} and not for {', '.join(missing)}"
    return failed(name, place, seen, f"Add it to spec.domains: {kubectl('edit', found[0])}", layer="certificate")


def _change(facts: Facts, live: Object, place: str) -> Check:
    """Google cannot change a certificate: it is deleted and made anew, and meanwhile nothing serves port 443."""
    name, domains = "ManagedCertificateChangeCheck", set(_domains_of(live))
    noted = status.managed_certificate(live)
    issued, wanted = set(noted.domains), domains if facts.planned else set(facts.config.domains)
    if not noted.compute_name or not issued or issued == wanted:
        return _passed(name, place, "its domains stay as they are")
    seen = f"is issued for {', '.join(sorted(issued))}, and is to be for {', '.join(sorted(wanted))}"
    mend = "HTTPS is down for up to an hour meanwhile. To be spared that, make a second ManagedCertificate and let it "
    mend += "become Active beside this one before this one goes."
    return failed(name, place, seen, mend, layer="certificate", blocks=False)


def _count(ingress: Object) -> Check:
    name, place, marks = "CertificateCountCheck", named(ingress), status.marks(ingress)
    entries = [entry.get("secretName") for entry in (ingress.get("spec") or {}).get("tls") or []]
    attached = names_in(marks.get(annotations.PRE_SHARED_CERT, ""))
    # What its controller has attached already stands among the pre-shared ones as mcrt-….
    issued = [each for each in attached if each.startswith("mcrt-")]
    waiting = len(names_in(marks.get(annotations.MANAGED_CERTIFICATES, ""))) - len(issued)
    count = len(attached) + len(set(entries)) + max(0, waiting)
    if count <= _MOST_CERTIFICATES:
        return _passed(name, place, f"{count} of at most {_MOST_CERTIFICATES} certificates")
    mend = f"Take some away: {kubectl('edit', ingress)}"
    seen = f"names {count} certificates, and a target proxy takes {_MOST_CERTIFICATES}"
    return failed(name, place, seen, mend, layer="certificate")


def _domains_of(live: Object) -> list[str]:
    return [str(domain) for domain in (live.get("spec") or {}).get("domains") or []]


def _passed(name: str, place: str, seen: str) -> Check:
    return passed(name, place, seen, layer="certificate")
