"""What the objects name in Compute: certificates, the static address, the Cloud Armor policy, the SSL policy.

Source: ingress-gce pkg/loadbalancers (addresses.go, certificates.go), pkg/backends/features/securitypolicy.go; gke.md
§6.4, §6.8.
"""

from collections.abc import Iterator

from tasks.core import annotations, names, status
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, annotate
from tasks.core.checks.references import names_in


def checks(facts: Facts) -> Iterator[Check]:
    """Every check of what the objects name in Compute; what could not be read is skipped, with the reason."""
    yield from _pre_shared(facts)
    yield from _static_address(facts)
    spec = (facts.backend_config or {}).get("spec") or {}
    if policy := (spec.get("securityPolicy") or {}).get("name"):
        yield _exists(facts, "SecurityPolicyExistenceCheck", "securityPolicies", policy, "security-policies")
    if policy := ((facts.frontend_config or {}).get("spec") or {}).get("sslPolicy"):
        yield _exists(facts, "SslPolicyExistenceCheck", "sslPolicies", policy, "ssl-policies")


def _pre_shared(facts: Facts) -> Iterator[Check]:
    for certificate in names_in(status.marks(facts.ingress or {}).get(annotations.PRE_SHARED_CERT, "")):
        # Those of its own are the ManagedCertificate controller's to keep.
        if not certificate.startswith("mcrt-"):
            yield _exists(
                facts, "PreSharedCertificateCheck", "sslCertificates", certificate, "ssl-certificates", "certificate"
            )


def _exists(facts: Facts, name: str, collection: str, wanted: str, noun: str, layer: str = "compute") -> Check:
    place = f"{collection}/{wanted}"
    if not facts.cloud.knows(place):
        return skipped(name, place, _unread(facts, place), layer=layer)
    if facts.cloud.get(place) is not None:
        return passed(name, place, "exists", layer=layer)
    mend = f"Make it, or name another: gcloud compute {noun} list --project {facts.cloud.project}"
    return failed(name, place, f"does not exist in project {facts.cloud.project}", mend, layer=layer)


def _static_address(facts: Facts) -> Iterator[Check]:
    wanted = facts.address_name or facts.config.address
    place = f"addresses/{wanted}"
    if not facts.cloud.knows(place):
        yield skipped("StaticAddressCheck", place, _unread(facts, place), layer="compute")
        return
    found = facts.cloud.get(place)
    yield _regional(facts, place, found)
    if found is None:
        yield _reserved(facts, place, wanted)
        return
    yield passed("StaticAddressCheck", place, f"is reserved: {found.get('address')}", layer="compute")
    yield _external(found, place)
    yield _use(facts, found, place)


def _reserved(facts: Facts, place: str, wanted: str) -> Check:
    name = "StaticAddressCheck"
    if place in facts.made:
        return passed(name, place, "is reserved by this run", layer="compute")
    project = f"--project {facts.cloud.project}"
    # The forwarding rules keep the IP address of a reservation that is gone, and DNS leads there.
    served = status.ingress_address(facts.ingress or {})
    same = f" --addresses={served}" if served else ""
    mend = f"Reserve it: gcloud compute addresses create {wanted} --global{same} {project}"
    if facts.ingress is not None and wanted not in ("", facts.config.address):
        right = annotate(facts.ingress, annotations.STATIC_IP_NAME, facts.config.address)
        mend = f"Name the right one: {right}; see which there are: gcloud compute addresses list --global {project}"
    return failed(name, place, "there is no global address of this name", mend, layer="compute")


def _regional(facts: Facts, place: str, found: Object | None) -> Check:
    name = "StaticAddressScopeCheck"
    if found is not None:
        return passed(name, place, "is global", layer="compute")
    if why := facts.cloud.unread.get("regional addresses"):
        return skipped(name, place, f"the regions cannot be read: {why}", layer="compute")
    regions = [status.tail(str(address.get("region", ""))) for address in facts.cloud.regional_addresses]
    if not regions:
        return passed(name, place, "no region has an address of this name", layer="compute")
    addresses = ", ".join(str(address.get("address", "")) for address in facts.cloud.regional_addresses)
    seen = (
        f"is an address of region {', '.join(regions)} ({addresses}), and a global load balancer takes none of a region"
    )
    mend = f"See it: gcloud compute addresses list --filter=name={status.tail(place)} --project {facts.cloud.project}. "
    mend += "A global one of the same name gets another IP address: lead DNS to that, or choose an address_name."
    return failed(name, place, seen, mend, layer="compute", blocks=not facts.planned)


def _external(found: Object, place: str) -> Check:
    name = "StaticAddressTypeCheck"
    kind, version = found.get("addressType", "EXTERNAL"), found.get("ipVersion", "IPV4")
    if kind == "EXTERNAL" and version == "IPV4":
        return passed(name, place, "is an external IPv4 address", layer="compute")
    seen = f"is {found.get('addressType')} {found.get('ipVersion', '')}, not an external IPv4 address"
    return failed(name, place, seen, "Name another address with address_name.", layer="compute")


def _use(facts: Facts, found: Object, place: str) -> Check:
    name = "StaticAddressUseCheck"
    rules = [status.tail(str(user)) for user in found.get("users") or []]
    strangers = [rule for rule in rules if not _ours(facts, rule)]
    if not strangers:
        return passed(name, place, "is used by our Ingress" if rules else "is not in use", layer="compute")
    seen = f"is used by forwardingRules/{', forwardingRules/'.join(strangers)}"
    mend = "Two load balancers cannot share it: name another with address_name."
    return failed(name, place, seen, mend, layer="compute")


def _ours(facts: Facts, rule: str) -> bool:
    """Whether a forwarding rule is our Ingress', or gone by now; GKE writes the Ingress into its description."""
    live = facts.cloud.get(f"forwardingRules/{rule}")
    mine = f"{facts.namespace}/{names.ingress(facts.config.release)}"
    return live is None or mine in str(live.get("description", ""))


def _unread(facts: Facts, place: str) -> str:
    return facts.cloud.unread.get(place, "was not looked at")
