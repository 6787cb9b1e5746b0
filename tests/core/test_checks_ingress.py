"""The Ingress and its certificates: class, hosts, paths, ports 80 and 443, Secrets, ManagedCertificates."""

import base64
import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tasks.core import annotations, certificates
from tasks.core.checks import Check, ingress_shape, managed_certificate, tls_secret
from tests.core.check_objects import (
    DOMAIN,
    FAILED,
    INGRESS,
    NAME,
    NOW,
    PASSED,
    SKIPPED,
    Json,
    a_frontend_config,
    a_path,
    a_rule,
    a_service,
    an_ingress,
    an_object,
    result,
    some_facts,
)

SECRET = f"secret default/{NAME}-tls"
CERTIFICATE = f"managedcertificate default/{NAME}-tls"


def shape(*documents: Json, **more: Any) -> list[Check]:
    return list(ingress_shape.checks(some_facts(list(documents), **more)))


def test_a_healthy_ingress_passes() -> None:
    assert {check.result for check in shape()} == {PASSED}


def test_without_an_ingress_there_is_nothing_to_judge() -> None:
    facts = some_facts(foreign=frozenset({INGRESS}))

    assert list(ingress_shape.checks(facts)) == []


@pytest.mark.parametrize(
    ("rule", "wanted", "observed", "marks", "spec"),
    [
        pytest.param(
            "IngressClassCheck", FAILED, "GKE ignore it without a word",
            {annotations.INGRESS_CLASS: None}, {"ingressClassName": "gce"}, id="the field alone",
        ),
        pytest.param(
            "IngressClassCheck", FAILED, "has class nginx", {annotations.INGRESS_CLASS: "nginx"}, {}, id="nginx",
        ),
        pytest.param(
            "IngressClassCheck", PASSED, "annotation", {}, {"ingressClassName": "nginx"}, id="the annotation wins",
        ),
        pytest.param(
            "IngressClassCheck", PASSED, "no class", {annotations.INGRESS_CLASS: None}, {}, id="neither: GKE's",
        ),
        pytest.param(
            "IngressHostCheck", FAILED, f"leads {DOMAIN} to service {NAME}; it serves other.example.com",
            {}, {"rules": [a_rule(host="other.example.com")]}, id="another host",
        ),
        pytest.param(
            "IngressHostCheck", FAILED, "it serves none", {}, {"rules": [a_rule(a_path("shop"))]}, id="another Service",
        ),
        pytest.param("IngressHostCheck", PASSED, "*", {}, {"rules": [a_rule(host="")]}, id="any host"),
        pytest.param(
            "IngressHostCheck", PASSED, "*.example.com", {}, {"rules": [a_rule(host="*.example.com")]}, id="a wildcard",
        ),
        pytest.param(
            "IngressPathCheck", FAILED, "lets a gRPC call such as",
            {}, {"rules": [a_rule(a_path(path_type="ImplementationSpecific"))]}, id="/ ImplementationSpecific",
        ),
        pytest.param(
            "IngressPathCheck", FAILED, "/ without a type", {}, {"rules": [a_rule(a_path(path_type=None))]},
            id="/ without a type",
        ),
        pytest.param(
            "IngressPathCheck", PASSED, "", {},
            {"rules": [a_rule(a_path(path="/*", path_type="ImplementationSpecific"))]}, id="/* ImplementationSpecific",
        ),
        pytest.param(
            "IngressPathCheck", PASSED, "", {}, {"rules": [a_rule(a_path(path="", path_type=None))]}, id="no path",
        ),
        pytest.param(
            "IngressPathCheck", FAILED, "/ Exact", {}, {"rules": [a_rule(a_path(path_type="Exact"))]}, id="/ Exact",
        ),
        pytest.param(
            "IngressPathCheck", FAILED, "/milvus Prefix", {}, {"rules": [a_rule(a_path(path="/milvus"))]},
            id="a folder that gRPC knows nothing of",
        ),
        pytest.param(
            "IngressPathCheck", PASSED, "", {},
            {"rules": [a_rule(a_path(path="/milvus.proto.milvus.MilvusService"))]}, id="the service's own folder",
        ),
        pytest.param(
            "IngressPathCheck", FAILED, "has a *", {}, {"rules": [a_rule(a_path(path="/*"))]}, id="/* Prefix",
        ),
        pytest.param(
            "IngressPathCheck", FAILED, "is empty", {}, {"rules": [a_rule(a_path(path=""))]}, id="an empty prefix",
        ),
        pytest.param(
            "IngressPathCheck", FAILED, "pathType Regex is not supported", {},
            {"rules": [a_rule(a_path(path_type="Regex"))]}, id="a type that there is not",
        ),
        pytest.param(
            "TlsSecretNameCheck", FAILED, "names no Secret", {}, {"tls": [{"hosts": [DOMAIN]}]}, id="no secretName",
        ),
        pytest.param(
            "IngressTlsCheck", FAILED, "nothing serves port 443", {}, {"tls": []}, id="no certificate at all",
        ),
        pytest.param(
            "IngressTlsCheck", PASSED, "sslCertificates/a", {annotations.PRE_SHARED_CERT: "a"}, {"tls": []},
            id="a pre-shared certificate",
        ),
        pytest.param(
            "AllowHttpCheck", FAILED, "both HTTP and HTTPS are off", {annotations.ALLOW_HTTP: "false"}, {"tls": []},
            id="neither port",
        ),
        pytest.param(
            "AllowHttpCheck", PASSED, "port 80 is off", {
                annotations.ALLOW_HTTP: "false", annotations.MANAGED_CERTIFICATES: f"{NAME}-tls",
            }, {"tls": []}, id="only 443, by a managed certificate",
        ),
        pytest.param(
            "AllowHttpCheck", FAILED, "which GKE takes for true", {annotations.ALLOW_HTTP: "no"}, {}, id="no boolean",
        ),
        pytest.param(
            "StaticIpAnnotationCheck", FAILED, "names no static address",
            {annotations.STATIC_IP_NAME: None}, {}, id="no address",
        ),
        pytest.param(
            "StaticIpAnnotationCheck", PASSED, "keeps address k8s2-fr-x",
            {annotations.STATIC_IP_NAME: None, annotations.STATIC_IP: "k8s2-fr-x"}, {}, id="a promoted address",
        ),
        pytest.param(
            "StaticIpAnnotationCheck", FAILED, "refuses both",
            {annotations.REGIONAL_STATIC_IP_NAME: "a"}, {}, id="both kinds of address",
        ),
        pytest.param(
            "StaticIpAnnotationCheck", FAILED, "names the regional address a",
            {annotations.REGIONAL_STATIC_IP_NAME: "a", annotations.STATIC_IP_NAME: None}, {}, id="a regional address",
        ),
        pytest.param(
            "RedirectCheck", FAILED, "nothing redirects it", {annotations.FRONTEND_CONFIG: None}, {}, id="port 80 open",
        ),
        pytest.param(
            "RedirectCheck", FAILED, "switches it off", {annotations.ALLOW_HTTP: "false"}, {}, id="redirect of nothing",
        ),
    ],
)  # fmt: skip
def test_the_ingress_is_judged_by_what_gke_makes_of_it(
    rule: str, wanted: str, observed: str, marks: Json, spec: Json
) -> None:
    found = result(shape(an_ingress(marks, **spec)), rule, INGRESS)

    assert found.result is wanted
    assert observed in found.observed
    assert bool(found.mend) == (wanted is FAILED)


def test_a_redirect_that_is_switched_off_leaves_port_80_open() -> None:
    found = result(shape(a_frontend_config(redirectToHttps={"enabled": False})), "RedirectCheck")

    assert (found.result, found.blocks) == (FAILED, False)


def test_a_redirect_code_that_gke_does_not_know_is_told() -> None:
    other = a_frontend_config(redirectToHttps={"enabled": True, "responseCodeName": "SEE_OTHER"})

    assert "SEE_OTHER" in result(shape(other), "RedirectCheck").observed


def test_no_redirect_is_right_where_port_80_is_to_be_off() -> None:
    closed = an_ingress({annotations.ALLOW_HTTP: "false", annotations.FRONTEND_CONFIG: None})

    assert result(shape(closed, config={"http": "disabled"}), "RedirectCheck").result is PASSED
    assert "was asked for" in result(shape(closed), "RedirectCheck").observed


def test_a_second_service_of_the_ingress_is_no_business_of_the_paths() -> None:
    shop = a_rule(a_path("shop", path_type="Exact"), host="shop.example.com")

    assert result(shape(an_ingress(rules=[a_rule(), shop]), a_service()), "IngressPathCheck").result is PASSED


# --- Secrets ---------------------------------------------------------------------------------------------------------


def a_secret(certificate: bytes, key: bytes, name: str = f"{NAME}-tls") -> Json:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    return an_object("Secret", name, type="kubernetes.io/tls", data=data)


def a_pair(*domains: str, days: int = 365, made: dt.datetime = NOW) -> certificates.KeyPair:
    return certificates.self_signed(list(domains) or [DOMAIN], days, made)


def of_pair(pair: certificates.KeyPair, **more: Any) -> list[Check]:
    facts = some_facts([a_secret(pair.certificate_pem, pair.key_pem)], **more)
    return list(tls_secret.checks(facts))


def pem(*issued: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in issued)


def a_certificate(key: Any, issuer_key: Any = None, *, subject: str = DOMAIN, issuer: str = "") -> x509.Certificate:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer or subject)]
    return (
        x509.CertificateBuilder(
            issuer_name=names[1],
            subject_name=names[0],
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=NOW,
            not_valid_after=NOW + dt.timedelta(days=90),
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        .sign(issuer_key or key, hashes.SHA256())
    )


def key_pem(key: Any) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    encoded: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return encoded


def test_a_fit_certificate_passes_every_check() -> None:
    found = of_pair(a_pair())

    assert {check.result for check in found} == {PASSED}
    assert {check.name for check in found} == {
        "TlsSecretExistenceCheck", "TlsSecretContentCheck", "CertificateParseCheck", "PrivateKeyCheck",
        "CertificateChainCheck", "CertificateExpiryCheck", "CertificateKeyTypeCheck", "CertificateDomainsCheck",
    }  # fmt: skip
    assert {check.layer for check in found} == {"certificate"}


def test_a_secret_that_this_run_makes_is_not_missing() -> None:
    (found,) = tls_secret.checks(some_facts(made=frozenset({SECRET})))

    assert (found.name, found.result) == ("TlsSecretExistenceCheck", PASSED)


def test_a_missing_secret_is_told_with_the_command_that_makes_it() -> None:
    existing = {"certificate_mode": "existing-secret", "certificate_secret": f"{NAME}-tls"}

    (found,) = tls_secret.checks(some_facts(config=existing))
    (ours,) = tls_secret.checks(some_facts())

    assert (found.resource, found.observed) == (SECRET, "does not exist")
    assert f"create secret tls {NAME}-tls --cert=CHAIN.pem" in found.mend
    assert "milvus-l7 provision" in ours.mend


def test_an_ingress_that_is_going_is_told_with_what_holds_it() -> None:
    going = an_ingress()
    going["metadata"] |= {"deletionTimestamp": "2026-11-22T10:00:00Z", "finalizers": ["networking.gke.io/x"]}

    found = result(shape(going), "IngressDeletionCheck", INGRESS)

    assert found.ends_the_run
    assert "held by networking.gke.io/x" in found.observed
    assert f"kubectl -n default describe ingress {NAME}" in found.mend


@pytest.mark.parametrize(
    ("rule", "observed", "pair"),
    [
        pytest.param("CertificateDomainsCheck", f"does not cover {DOMAIN}", a_pair("other.example"), id="names"),
        pytest.param(
            "CertificateExpiryCheck", "expired on", a_pair(days=10, made=NOW - dt.timedelta(days=40)), id="expired",
        ),
        pytest.param(
            "CertificateExpiryCheck", "not valid before", a_pair(made=NOW + dt.timedelta(days=2)), id="not yet valid",
        ),
        pytest.param(
            "CertificateParseCheck", "is not PEM", certificates.KeyPair(b"x", a_pair().key_pem), id="no PEM",
        ),
        pytest.param(
            "PrivateKeyCheck", "cannot be read",
            certificates.KeyPair(a_pair().certificate_pem, b"-----BEGIN PRIVATE KEY-----\n"), id="no key",
        ),
        pytest.param(
            "CertificateChainCheck", "does not match",
            certificates.KeyPair(a_pair().certificate_pem, a_pair().key_pem), id="the key of another",
        ),
    ],
)  # fmt: skip
def test_a_certificate_that_does_not_serve_is_told_by_what_is_wrong(
    rule: str, observed: str, pair: certificates.KeyPair
) -> None:
    found = result(of_pair(pair), rule, SECRET)

    assert found.ends_the_run
    assert observed in found.observed
    assert "Replace it: kubectl" in found.mend
    assert found.mend.endswith("--dry-run=client -o yaml | kubectl -n default apply -f -")
    assert "PRIVATE" not in found.observed


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(rsa.generate_private_key(65537, 3072), id="RSA-3072"),
        pytest.param(ec.generate_private_key(ec.SECP384R1()), id="P-384"),
    ],
)
def test_a_key_that_a_global_load_balancer_does_not_take_is_told(key: Any) -> None:
    found = of_pair(certificates.KeyPair(pem(a_certificate(key)), key_pem(key)))

    assert "RSA-2048 or EC P-256" in result(found, "CertificateKeyTypeCheck").observed


def test_a_chain_whose_leaf_is_not_first_or_that_is_too_long_is_told() -> None:
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = a_certificate(authority, subject="root")
    issued = a_certificate(leaf, authority, issuer="root")

    turned = of_pair(certificates.KeyPair(pem(root, issued), key_pem(leaf)))
    long = of_pair(certificates.KeyPair(pem(issued, root, root, root, root, root), key_pem(leaf)))

    assert "leaf must come first" in result(turned, "CertificateChainCheck").observed
    assert "6 certificates" in result(long, "CertificateChainCheck").observed


def test_an_unreadable_certificate_leaves_the_rest_unjudged() -> None:
    found = of_pair(certificates.KeyPair(b"x", a_pair().key_pem))

    assert result(found, "CertificateDomainsCheck").result is SKIPPED


def test_a_secret_without_its_keys_is_told_by_the_keys() -> None:
    opaque = an_object("Secret", f"{NAME}-tls", type="Opaque", data={"cert": "eA=="})

    found = list(tls_secret.checks(some_facts([opaque])))

    assert result(found, "TlsSecretContentCheck").observed.startswith("has no tls.crt and no tls.key")


def test_a_certificate_that_ends_soon_is_told_and_does_not_stop_anybody() -> None:
    found = result(of_pair(a_pair(days=20)), "CertificateExpiryCheck")

    assert (found.result, found.blocks) == (FAILED, False)
    assert "expires on 2026-12-12, in 20 days" in found.observed


def test_a_second_secret_may_be_for_other_names_but_not_expired() -> None:
    other = a_pair("other.example", days=1, made=NOW - dt.timedelta(days=9))
    ours = a_pair()
    tls = [{"secretName": f"{NAME}-tls"}, {"secretName": "other-tls"}]
    secrets = [
        a_secret(ours.certificate_pem, ours.key_pem),
        a_secret(other.certificate_pem, other.key_pem, "other-tls"),
    ]

    found = list(tls_secret.checks(some_facts([an_ingress(tls=tls), *secrets])))

    assert result(found, "CertificateDomainsCheck", "secret default/other-tls").result is PASSED
    assert result(found, "CertificateExpiryCheck", "secret default/other-tls").result is FAILED


# --- Google-managed --------------------------------------------------------------------------------------------------


def a_managed_certificate(*domains: str, issued: tuple[str, ...] = ()) -> Json:
    live = an_object("ManagedCertificate", f"{NAME}-tls", spec={"domains": list(domains)})
    if issued:
        entries = [{"domain": domain, "status": "Active"} for domain in issued]
        live["status"] = {"certificateName": "mcrt-1", "certificateStatus": "Active", "domainStatus": entries}
    return live


MANAGED = {annotations.MANAGED_CERTIFICATES: f"{NAME}-tls"}


def managed(*documents: Json, marks: Json | None = None, **config: Any) -> list[Check]:
    facts = some_facts(
        [an_ingress(MANAGED | (marks or {}), tls=[]), *documents],
        config={"certificate_mode": "google-managed"} | config,
    )
    return list(managed_certificate.checks(facts))


def test_a_managed_certificate_for_every_host_passes() -> None:
    assert {check.result for check in managed(a_managed_certificate(DOMAIN))} == {PASSED}


def test_one_that_is_missing_is_told_with_what_it_does_to_the_others() -> None:
    found = result(managed(), "ManagedCertificateExistenceCheck", CERTIFICATE)

    assert found.ends_the_run
    assert "attaches no certificate at all" in found.observed


@pytest.mark.parametrize(
    ("domains", "observed"),
    [
        pytest.param(["*.example.com"], "a wildcard", id="wildcard"),
        pytest.param(["Milvus.example.com"], "in lower case", id="upper case"),
        pytest.param(["localhost"], "no domain name", id="one label"),
        pytest.param(["milvus.example.com."], "no domain name", id="a dot at the end"),
        pytest.param([f"{'a' * 60}.example.com"], "longer than 63", id="long"),
        pytest.param([], "names no domain", id="none"),
        pytest.param([f"a{number}.example.com" for number in range(101)], "100 is the most", id="too many"),
    ],
)
def test_a_domain_that_google_does_not_take_is_told_by_its_fault(domains: list[str], observed: str) -> None:
    found = result(managed(a_managed_certificate(*domains)), "ManagedCertificateDomainFormCheck")

    assert found.ends_the_run
    assert observed in found.observed


def test_a_host_that_no_certificate_is_for_is_told() -> None:
    found = result(
        managed(a_managed_certificate(DOMAIN), additional_domains="b.example.com"), "ManagedCertificateDomainsCheck"
    )

    assert found.observed.endswith(f"is for {DOMAIN} and not for b.example.com")


@pytest.mark.parametrize(("count", "wanted"), [(14, PASSED), (15, FAILED)])
def test_more_than_fifteen_certificates_are_too_many(count: int, wanted: str) -> None:
    """Those of its own that the controller has attached count once."""
    attached = ",".join(f"own-{number}" for number in range(count))
    found = managed(a_managed_certificate(DOMAIN), marks={annotations.PRE_SHARED_CERT: attached})
    again = managed(a_managed_certificate(DOMAIN), marks={annotations.PRE_SHARED_CERT: f"{attached},mcrt-1"})

    assert result(found, "CertificateCountCheck").result is wanted
    assert result(again, "CertificateCountCheck").result is wanted


def test_a_change_of_the_domains_is_told_with_what_it_costs() -> None:
    live = a_managed_certificate(DOMAIN, "b.example.com", issued=(DOMAIN,))

    found = result(managed(live, additional_domains="b.example.com"), "ManagedCertificateChangeCheck")

    assert (found.result, found.blocks) == (FAILED, False)
    assert "HTTPS is down" in found.mend
