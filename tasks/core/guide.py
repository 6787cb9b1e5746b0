"""The eleven gaps of the published guide, found in what somebody has who followed it by hand; pure.

Rows as in user-needs.md §1K. A gap that only a person can close stays in the list, with the command.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tasks.core import annotations, names, release_values, status
from tasks.core.addresses import Choice
from tasks.core.adoption import Gap
from tasks.core.certificates import CertificateFacts
from tasks.core.config import CertificateMode, LoadBalancerConfig, SecurityPolicyAction
from tasks.core.release_values import Version

Object = Mapping[str, Any]

_LONGEST = timedelta(days=826)  # 825 days, and the minutes by which one of ours begins earlier
_NAMED_MAX = 6  # values a person reads in one line


@dataclass(frozen=True)
class Found:
    """What stands there before the first write.

    Attributes:
        config: what was asked for.
        address: which the Ingress is to have.
        revisions: number and user values of every Helm revision that was deployed, oldest first; they may hold
            secrets, and only their paths are shown.
        chart: name and version of the chart deployed now, as Helm's command line takes them.
        version: of the deployed Milvus; None when unknown.
        certificate: of the TLS Secret; None without one.
        attached: whether an Ingress of the namespace names the ManagedCertificate.
        reserved: whether a global address of the project has the Ingress' IP.
        answers: what DNS says of each domain; empty when it was not asked.
        user_yaml: the text that Milvus takes its settings from.
    """

    config: LoadBalancerConfig
    address: Choice
    revisions: tuple[tuple[int, Mapping[str, Any]], ...] = field(default=(), repr=False)
    chart: str = ""
    version: Version | None = None
    service: Object | None = None
    ingress: Object | None = None
    backend_config: Object | None = None
    frontend_config: Object | None = None
    managed_certificate: Object | None = None
    secret: Object | None = field(default=None, repr=False)
    certificate: CertificateFacts | None = None
    attached: bool = False
    reserved: bool = False
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    user_yaml: str = field(default="", repr=False)

    @property
    def by_hand(self) -> bool:
        """Whether somebody made an object in our places, and not we."""
        made = [self.ingress, self.backend_config, self.managed_certificate]
        if self.certificate is not None and self.certificate.self_signed:
            made.append(self.secret)
        return any(each is not None and not status.ours(each) for each in made)

    @property
    def ip(self) -> str:
        """IPv4 of the Ingress; "" while it has none."""
        return status.ingress_address(self.ingress or {})


def gaps(found: Found) -> list[Gap]:
    """Every gap there is, by number."""
    rows = (
        _lost_values,
        _waiting_certificate,
        _certificate,
        _timeout,
        _address,
        _record,
        _port_80,
        _annotations,
        _rest,
        _pod_certificate,
        _exposure,
        _usual_times,
        _life_cycle,
    )
    return [gap for row in rows for gap in row(found)]


def _lost_values(found: Found) -> Iterator[Gap]:
    """Row 1: `helm upgrade` with a value and no reuse flag drops every earlier one (helm pkg/action/upgrade.go)."""
    if len(found.revisions) < 2:
        return
    *earlier, (_, now) = found.revisions
    kept = release_values.paths(now)
    last_with: dict[str, int] = {}
    for number, values in earlier:
        last_with |= dict.fromkeys(release_values.paths(values), number)
    lost = sorted(path for path in last_with if path not in kept and not release_values.is_ours(path))
    if not lost:
        return
    revision = max(last_with[path] for path in lost)
    shown = ", ".join(lost[:_NAMED_MAX]) + (f" and {len(lost) - _NAMED_MAX} more" if len(lost) > _NAMED_MAX else "")
    config = found.config
    helm = f"helm -n {config.namespace}"
    yield Gap(
        number=1,
        seen=f"{len(lost)} values of earlier revisions are gone from the release: {shown}",
        repair=f"This run keeps every value there is. See the lost ones: {helm} get values {config.release} --revision "
        f"{revision}; give back what is missed: {helm} upgrade {config.release} {found.chart} "
        "--reset-then-reuse-values -f MISSED.yaml",
        by="you",
    )


def _waiting_certificate(found: Found) -> Iterator[Gap]:
    """Row 2: a ManagedCertificate becomes Active once an Ingress attaches it, and never before."""
    live, name = found.managed_certificate, names.certificate(found.config.release)
    if live is None or found.attached:
        return
    state = status.managed_certificate(live).state or "not evaluated"
    seen = f"managedcertificate {found.config.namespace}/{name} is {state}, and no Ingress attaches it"
    if found.config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        yield Gap(number=2, seen=seen, repair="The Ingress names it, and the wait for it comes afterwards.")
        return
    remove = f"kubectl -n {found.config.namespace} delete managedcertificate {name}"
    yield Gap(number=2, seen=seen, repair=f"This run serves another certificate. Delete it: {remove}", by="you")


def _certificate(found: Found) -> Iterator[Gap]:
    """Row 3: a common name alone is refused by Go and Python, and a life of centuries by several more."""
    facts = found.certificate
    if facts is None or not facts.self_signed or found.config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        return
    faults = []
    if not facts.domains:
        faults.append(f"names {facts.common_name} in no subjectAltName")
    if facts.not_after - facts.not_before > _LONGEST:
        faults.append(f"lives {(facts.not_after - facts.not_before).days} days")
    if not faults:
        return
    config = found.config
    seen = f"the certificate in secret {config.namespace}/{config.tls_secret} {' and '.join(faults)}"
    if config.certificate_mode is CertificateMode.SELF_MANAGED:
        days = config.certificate_validity_days
        repair = f"It is replaced by one for {', '.join(config.domains)} of {days} days, which later runs renew."
        yield Gap(number=3, seen=seen, repair=f"{repair} Clients that pin the old one need the new tls.crt.")
        return
    replace = f"kubectl -n {config.namespace} create secret tls {config.tls_secret} --cert=CHAIN.pem --key=KEY.pem"
    yield Gap(number=3, seen=seen, repair=f"Replace it: {replace}", by="you")


def _timeout(found: Found) -> Iterator[Gap]:
    """Row 4: 30 s is the API's default (Compute backendServices.timeoutSec)."""
    live = found.backend_config
    if live is not None and not (live.get("spec") or {}).get("timeoutSec"):
        name = f"backendconfig {found.config.namespace}/{names.backend_config(found.config.release)}"
        seconds = found.config.backend_timeout_seconds
        yield Gap(
            number=4,
            seen=f"{name} sets no timeoutSec, so that every call is cut after 30 s",
            repair=f"timeoutSec becomes {seconds}, and the proof makes a call that lasts longer than 30 s.",
        )


def _address(found: Found) -> Iterator[Gap]:
    """Row 5: an address that nobody reserved may change."""
    marks = status.marks(found.ingress or {})
    if found.ingress is None or not found.ip or marks.get(annotations.STATIC_IP_NAME):
        return
    if not found.reserved:
        seen = f"the address {found.ip} of the Ingress is not reserved"
        yield Gap(number=5, seen=seen, repair=f"It is reserved as it is, as {found.address.name}, and named.")
    elif not found.address.named:
        seen = f"the address {found.ip} is reserved by GKE, as {found.address.name}, which it deletes with the Ingress"
        repair = (
            "It is kept. Do not name it in the Ingress: GKE deletes its own as soon as one is named. To have one that "
            "outlives the Ingress, move there when it suits you: address_name=NAME, which is another address."
        )
        yield Gap(number=5, seen=seen, repair=repair, by="you")


def _record(found: Found) -> Iterator[Gap]:
    """Row 5, second half: without a record nobody finds the address, and no Google-managed certificate is issued."""
    if found.ingress is None or not found.ip:
        return
    wrong = {domain: found.answers[domain] for domain in found.answers if tuple(found.answers[domain]) != (found.ip,)}
    if not wrong:
        return
    seen = "; ".join(f"{domain} resolves to {', '.join(answers) or 'nothing'}" for domain, answers in wrong.items())
    if found.config.dns_managed_zone:
        repair = f"The A record is written into the zone {found.config.dns_managed_zone}."
        yield Gap(number=5, seen=seen, repair=repair)
        return
    records = "; ".join(f"{domain}. {found.config.dns_ttl_seconds} IN A {found.ip}" for domain in wrong)
    yield Gap(number=5, seen=seen, repair=f"Create: {records}", by="you")


def _port_80(found: Found) -> Iterator[Gap]:
    """Row 6: port 80 serves the same as port 443, in plain text."""
    marks = status.marks(found.ingress or {})
    spec = (found.frontend_config or {}).get("spec") or {}
    # Go's ParseBool, and true where it cannot be read (ingress-gce pkg/annotations/ingress.go).
    shut = marks.get(annotations.ALLOW_HTTP, "").strip() in ("0", "f", "F", "false", "False", "FALSE")
    redirects = marks.get(annotations.FRONTEND_CONFIG) and (spec.get("redirectToHttps") or {}).get("enabled")
    if found.ingress is not None and not shut and not redirects:
        how = "redirects to HTTPS" if found.config.http.value == "redirect" else "is closed"
        yield Gap(number=6, seen="port 80 is open and does not redirect", repair=f"Port 80 {how}.")


def _annotations(found: Found) -> Iterator[Gap]:
    """Row 7: what Helm does not know is lost when it makes the Service anew."""
    if not found.revisions:
        return
    told = release_values.service_annotations(found.revisions[-1][1])
    port = status.milvus_port(found.service or {})
    wanted = annotations.on_service(port.name if port else "milvus", names.backend_config(found.config.release))
    marks = status.marks(found.service or {})
    loose = [key for key, text in wanted.items() if key in marks and not annotations.same(key, told.get(key), text)]
    if loose:
        seen = f"Helm does not know these annotations of the Service: {', '.join(loose)}"
        yield Gap(number=7, seen=seen, repair="They become values of the chart (service.annotations), spelled alike.")


def _rest(found: Found) -> Iterator[Gap]:
    """Row 8: from Milvus 2.5 on REST must move, or the proxy does not start (milvus listener_manager.go)."""
    if _tls(found) and release_values.needs_rest_moved(found.user_yaml, found.version):
        seen = "TLS is on while REST shares the port of gRPC: this Milvus does not start so"
        yield Gap(number=8, seen=seen, repair=f"REST moves to port {release_values.REST_PORT}.")


def _pod_certificate(found: Found) -> Iterator[Gap]:
    """Row 8, second half: the image's certificate is everybody's; the load balancer does not look at it."""
    if not found.by_hand or not _tls(found) or release_values.setting(found.user_yaml, "tls", "serverPemPath"):
        return
    seen = "Milvus speaks TLS with the certificate of its image (CN=localhost), whose key is public"
    repair = (
        "The load balancer does not check it. Clients inside the cluster must use TLS from now on, without checking "
        "it either; with one of your own they can: tls.serverPemPath and tls.serverKeyPath in user.yaml."
    )
    yield Gap(number=8, seen=seen, repair=repair, by="you")


def _tls(found: Found) -> bool:
    return release_values.setting(found.user_yaml, "common", "security", "tlsMode") in ("1", "2")


def _exposure(found: Found) -> Iterator[Gap]:
    """Row 9: a Milvus that was for the cluster alone is on the Internet."""
    if not found.by_hand:
        return
    asked = release_values.setting(found.user_yaml, "common", "security", "authorizationEnabled")
    seen = []
    if str(asked).lower() != "true":
        seen.append("Milvus asks nobody for a password (common.security.authorizationEnabled)")
    spec = (found.backend_config or {}).get("spec") or {}
    if found.config.security_policy is SecurityPolicyAction.KEEP and not (spec.get("securityPolicy") or {}).get("name"):
        seen.append("no Cloud Armor policy is asked for, so that everybody may connect")
    if seen:
        repair = (
            "Set common.security.authorizationEnabled: true in user.yaml and change the password of root; name an "
            "allow-list with security_policy=set and security_policy_name. Port 9091 is kept inside by this run: the "
            "Ingress leads to no other port."
        )
        yield Gap(number=9, seen="; ".join(seen), repair=repair, by="you")


def _usual_times(found: Found) -> Iterator[Gap]:
    """Row 10: the guide's sample shows an address after 41 minutes."""
    if found.by_hand:
        usual = (
            "Usual are 1 to 2 minutes to the address, 5 to 8 to healthy backends, up to 60 to a Google-managed "
            "certificate once DNS is right. Every wait says what it waits for, and ends when it cannot succeed."
        )
        yield Gap(number=10, seen="nothing says how long a step takes", repair=usual)


def _life_cycle(found: Found) -> Iterator[Gap]:
    """Row 11: the guide ends at "connect"."""
    if found.by_hand:
        repair = (
            "This run labels its objects and keeps a receipt, so that milvus-l7 teardown takes down what was made and "
            "nothing else; a certificate made here is renewed by later runs. Look every night: schedule verify."
        )
        yield Gap(number=11, seen="nobody looks again: no label, no receipt, no renewal", repair=repair)
