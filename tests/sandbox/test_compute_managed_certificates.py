"""Google-managed certificates, from PROVISIONING to ACTIVE, over the wire and through real DNS."""

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography import x509

from sandbox.ca import CertificateAuthority
from sandbox.compute.server import ComputeApi
from sandbox.dns.records import RecordSet
from sandbox.dns.server import Zones
from sandbox.faults import Faults

Finish = Callable[[httpx.Response], dict[str, Any]]
DOMAIN, WITNESS = "milvus.example.com", "witness.example.com"
INVISIBLE = {"status": "PROVISIONING", "domain": "FAILED_NOT_VISIBLE"}
WAIT_SECONDS = 20.0


class Certificate:
    """A managed certificate and the load balancer it may be attached to."""

    def __init__(self, rest: httpx.Client, finish: Finish, zones: Zones) -> None:
        self.rest, self.finish, self.zones = rest, finish, zones
        zones.create("example", "example.com.")
        check = {"name": "hc", "type": "HTTP"}
        service = {"name": "bs", "healthChecks": ["global/healthChecks/hc"]}
        for path, body in (
            ("healthChecks", check),
            ("backendServices", service),
            ("urlMaps", {"name": "um", "defaultService": "global/backendServices/bs"}),
            ("addresses", {"name": "ip"}),
            ("sslCertificates", {"name": "mcrt", "type": "MANAGED", "managed": {"domains": [DOMAIN]}}),
            ("sslCertificates", {"name": "witness", "type": "MANAGED", "managed": {"domains": [WITNESS]}}),
        ):
            finish(rest.post(f"global/{path}", json=body))
        self.address = str(rest.get("global/addresses/ip").json()["address"])

    def attach(self) -> None:
        certificates = ["global/sslCertificates/mcrt", "global/sslCertificates/witness"]
        proxy = {"name": "tps", "urlMap": "global/urlMaps/um", "sslCertificates": certificates}
        rule = {"name": "fr", "target": "global/targetHttpsProxies/tps", "portRange": "443", "IPAddress": self.address}
        self.finish(self.rest.post("global/targetHttpsProxies", json=proxy))
        self.finish(self.rest.post("global/forwardingRules", json=rule))

    def point(self, kind: str, *datas: str, name: str = DOMAIN) -> None:
        self.zones.change("example", [RecordSet(f"{name}.", kind, 60, datas)], [])

    def settle(self) -> dict[str, Any]:
        """The certificate's state after a look at everything done so far: another one, made right now, is ACTIVE."""
        self.point("A", self.address, name=WITNESS)
        witness = "global/sslCertificates/witness"
        deadline = time.monotonic() + WAIT_SECONDS
        while self.rest.get(witness).json()["managed"]["status"] != "ACTIVE":
            assert time.monotonic() < deadline, "the witness was not issued"
        managed = self.read()["managed"]
        return {"status": managed["status"], "domain": managed["domainStatus"][DOMAIN]}

    def read(self) -> dict[str, Any]:
        return dict(self.rest.get("global/sslCertificates/mcrt").json())

    def wait_for(self, status: str, domain_status: str) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            shown = self.read()
            if (shown["managed"]["status"], shown["managed"]["domainStatus"][DOMAIN]) == (status, domain_status):
                return shown
        raise AssertionError(f"not {status}/{domain_status} in {WAIT_SECONDS} s: {self.read()['managed']}")


@pytest.fixture
def certificate(rest: httpx.Client, finish: Finish, zones: Zones) -> Certificate:
    return Certificate(rest, finish, zones)


def test_it_is_issued_once_attached_and_resolving(
    certificate: Certificate, compute: ComputeApi, google_ca: CertificateAuthority
) -> None:
    certificate.attach()
    certificate.point("A", certificate.address)

    shown = certificate.wait_for("ACTIVE", "ACTIVE")

    issued = x509.load_pem_x509_certificate(shown["certificate"].encode())
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(google_ca.certificate_pem))
    assert shown["subjectAlternativeNames"] == [DOMAIN]
    assert "expireTime" in shown
    headers = {"Authorization": f"Bearer {compute.access_token('dataplane')}"}
    material = httpx.get(f"{compute.url}/sandbox/v1/sslCertificates/mcrt", headers=headers).json()
    assert ssl.PEM_cert_to_DER_cert(material["certificate"]) == ssl.PEM_cert_to_DER_cert(shown["certificate"])
    assert "PRIVATE KEY" in material["privateKey"]


def test_before_it_is_attached_it_can_never_become_active(certificate: Certificate, compute: ComputeApi) -> None:
    """The order of the Milvus guide, certificate Active first and Ingress afterwards, ends here."""
    certificate.point("A", certificate.address)

    certificate.wait_for("PROVISIONING", "FAILED_NOT_VISIBLE")

    headers = {"Authorization": f"Bearer {compute.access_token('dataplane')}"}
    assert httpx.get(f"{compute.url}/sandbox/v1/sslCertificates/mcrt", headers=headers).status_code == 404
    certificate.attach()
    certificate.wait_for("ACTIVE", "ACTIVE")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("A", ("127.9.9.9",), id="elsewhere"),
        pytest.param("A", ("{address}", "127.9.9.9"), id="elsewhere too"),
        pytest.param("AAAA", ("2001:db8::1",), id="only IPv6, and elsewhere"),
        pytest.param("CNAME", ("nowhere.example.com.",), id="alias of nothing"),
    ],
)
def test_a_domain_that_does_not_resolve_to_the_load_balancer_alone_is_not_visible(
    certificate: Certificate, kind: str, data: tuple[str, ...]
) -> None:
    certificate.attach()
    certificate.point(kind, *(each.format(address=certificate.address) for each in data))

    assert certificate.settle() == INVISIBLE


def test_an_additional_ipv6_address_elsewhere_spoils_it(certificate: Certificate) -> None:
    certificate.point("AAAA", "2001:db8::1")
    certificate.point("A", certificate.address)

    certificate.attach()

    assert certificate.settle() == INVISIBLE


def test_an_alias_that_ends_at_the_load_balancer_is_fine(certificate: Certificate) -> None:
    certificate.attach()
    certificate.point("CNAME", "lb.example.com.")
    certificate.point("A", certificate.address, name="lb.example.com")

    certificate.wait_for("ACTIVE", "ACTIVE")


def test_a_caa_record_of_the_parent_can_forbid_it(certificate: Certificate) -> None:
    certificate.attach()
    certificate.point("CAA", '0 issue "ca.example.net"', name="example.com")
    certificate.point("A", certificate.address)

    certificate.wait_for("PROVISIONING_FAILED", "FAILED_CAA_FORBIDDEN")


def test_faults_hold_it_back_until_they_are_cleared(certificate: Certificate, compute_faults: Faults) -> None:
    compute_faults.arm("certificate-status", domain=DOMAIN, status="FAILED_RATE_LIMITED")
    certificate.attach()
    certificate.point("A", certificate.address)
    certificate.wait_for("PROVISIONING_FAILED", "FAILED_RATE_LIMITED")

    compute_faults.arm("certificate-stuck")
    compute_faults.clear("certificate-status")
    certificate.wait_for("PROVISIONING", "PROVISIONING")

    compute_faults.clear("certificate-stuck")
    certificate.wait_for("ACTIVE", "ACTIVE")


def test_a_name_server_that_fails_keeps_the_domain_invisible(certificate: Certificate, compute_faults: Faults) -> None:
    compute_faults.arm("dns-servfail", domain=DOMAIN)
    certificate.attach()
    certificate.point("A", certificate.address)

    assert certificate.settle() == INVISIBLE


def test_once_active_it_stays_active_when_the_domain_moves_away(certificate: Certificate) -> None:
    """Google looks again only at renewal; the certificate is served until then."""
    certificate.attach()
    certificate.point("A", certificate.address)
    certificate.wait_for("ACTIVE", "ACTIVE")

    certificate.zones.change("example", [], [RecordSet(f"{DOMAIN}.", "A", 60, (certificate.address,))])

    assert certificate.settle() == {"status": "ACTIVE", "domain": "ACTIVE"}


@pytest.mark.parametrize("domain", ["*.example.com", "Upper.example.com", "10.0.0.1", "bare", "dot.example.com.", ""])
def test_domains_that_cannot_be_managed_are_refused(rest: httpx.Client, domain: str) -> None:
    body = {"name": "mcrt", "type": "MANAGED", "managed": {"domains": [domain]}}

    reply = rest.post("global/sslCertificates", json=body)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == (
        f"Invalid value for field 'resource.managed.domains[0]': '{domain}'. Invalid domain name specified."
    )
