"""The front end of one Ingress, built against the Compute API."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.ca import CertificateAuthority
from sandbox.gke.backends import Backends
from sandbox.gke.certificates import SecretCertificate, from_secrets
from sandbox.gke.frontends import Built, Frontend, FrontendError, Request
from sandbox.gke.namer import ClusterNamer
from sandbox.gke.translator import ServicePort, UrlMap
from tests.sandbox.gke_compute import Compute, running_compute

Json = dict[str, Any]

NAMER = ClusterNamer("9a8b7c6d5e4f3a2b", "7f4b1f2e-0000-4000-8000-3a2b1c0d9e8f")
NAMES = NAMER.frontend("default", "milvus")
DEFAULT = ServicePort("kube-system", "default-http-backend", 80, port_name="http", neg_enabled=True)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def compute(tmp_path: Path) -> Iterator[Compute]:
    with running_compute(tmp_path) as running:
        name = DEFAULT.backend_name(NAMER)
        body = {"name": name, "networkEndpointType": "GCE_VM_IP_PORT"}
        running.client.insert("zones/sandbox-zone-a/networkEndpointGroups", body)
        Backends(running.client, NAMER, ("sandbox-zone-a",), lambda _port: None).sync([DEFAULT])
        yield running


def an_ingress(**annotations: str) -> Json:
    keys = {
        "allow_http": "kubernetes.io/ingress.allow-http",
        "static_ip": "kubernetes.io/ingress.global-static-ip-name",
        "promoted": "ingress.kubernetes.io/static-ip",
        "http_rule": "ingress.kubernetes.io/forwarding-rule",
        "https_rule": "ingress.kubernetes.io/https-forwarding-rule",
        "redirect": "ingress.kubernetes.io/redirect-url-map",
    }
    values = {keys[key]: value for key, value in annotations.items()}
    return {"metadata": {"namespace": "default", "name": "milvus", "annotations": values}, "spec": {}}


def a_secret(authority: CertificateAuthority, name: str = "milvus.example.com") -> SecretCertificate:
    leaf = authority.issue(name)
    return SecretCertificate(leaf.certificate_pem.decode(), leaf.key_pem.decode())


def ensure(
    compute: Compute,
    ingress: Json | None = None,
    *,
    secrets: list[SecretCertificate] | None = None,
    pre_shared: list[str] | None = None,
    frontend_config: Json | None = None,
) -> tuple[Built, list[str]]:
    ingress, told = ingress or an_ingress(), list[str]()
    request = Request(ingress, UrlMap(DEFAULT), secrets or [], pre_shared or [], frontend_config)
    return Frontend(compute.client, NAMER, ingress, told.append).ensure(request), told


def test_http_alone_needs_url_map_proxy_and_rule(compute: Compute) -> None:
    built, told = ensure(compute)

    assert told == [
        f'UrlMap "{NAMES.url_map}" created',
        f'TargetProxy "{NAMES.target_proxy(https=False)}" created',
        f'ForwardingRule "{NAMES.forwarding_rule(https=False)}" created',
    ]
    rule = compute.client.get(f"global/forwardingRules/{built.http_rule}")
    assert (rule["IPAddress"], rule["portRange"]) == (built.address, "80-80")
    assert compute.client.list("global/addresses") == []


def test_a_second_sync_changes_nothing(compute: Compute, authority: CertificateAuthority) -> None:
    secret = a_secret(authority)
    first, _ = ensure(compute, secrets=[secret])

    second, told = ensure(compute, secrets=[secret])

    assert told == []
    assert second == first


def test_https_follows_http_and_shares_its_promoted_address(compute: Compute, authority: CertificateAuthority) -> None:
    built, told = ensure(compute, secrets=[a_secret(authority)])

    assert told[2:] == [
        f'ForwardingRule "{NAMES.forwarding_rule(https=False)}" created',
        f'TargetProxy "{NAMES.target_proxy(https=True)}" created',
        f'ForwardingRule "{NAMES.forwarding_rule(https=True)}" created',
    ]
    address = compute.client.get(f"global/addresses/{built.static_ip}")
    https = compute.client.get(f"global/forwardingRules/{built.https_rule}")
    assert built.static_ip == NAMES.forwarding_rule(https=False)
    assert built.address == address["address"] == https["IPAddress"]


def test_a_named_address_serves_both_rules_and_nothing_is_promoted(
    compute: Compute, authority: CertificateAuthority
) -> None:
    compute.client.insert("global/addresses", {"name": "milvus-ip"})
    address = compute.client.get("global/addresses/milvus-ip")["address"]

    built, _ = ensure(compute, an_ingress(static_ip="milvus-ip"), secrets=[a_secret(authority)])

    assert (built.address, built.static_ip) == (address, "")
    assert [each["name"] for each in compute.client.list("global/addresses")] == ["milvus-ip"]


def test_an_address_that_does_not_exist_is_named(compute: Compute) -> None:
    with pytest.raises(FrontendError) as error:
        ensure(compute, an_ingress(static_ip="nowhere"))

    assert str(error.value) == (
        f"loadbalancer {NAMES.load_balancer} does not exist: "
        "the given static IP name nowhere doesn't translate to an existing static IP."
    )


def test_neither_http_nor_https_is_an_error(compute: Compute) -> None:
    with pytest.raises(FrontendError) as error:
        ensure(compute, an_ingress(allow_http="false"))

    assert str(error.value).endswith(
        "does not exist: invalid configuration: both HTTP and HTTPS are disabled (kubernetes.io/ingress.allow-http is "
        "false and there is no valid TLS configuration); your Ingress will not be able to serve any traffic"
    )


def test_a_missing_pre_shared_certificate_is_computes_error_and_leaves_http(compute: Compute) -> None:
    with pytest.raises(FrontendError) as error:
        ensure(compute, pre_shared=["gone"])

    resource = "projects/sandbox-project/global/sslCertificates/gone"
    assert str(error.value).endswith(f"googleapi: Error 404: The resource '{resource}' was not found, notFound")
    assert [each["name"] for each in compute.client.list("global/forwardingRules")] == [
        NAMES.forwarding_rule(https=False)
    ]


def test_named_certificates_come_before_those_from_secrets(compute: Compute, authority: CertificateAuthority) -> None:
    own, named = a_secret(authority), a_secret(authority, "named.example.com")
    body = {"name": "zeta", "certificate": named.certificate, "privateKey": named.key}
    compute.client.insert("global/sslCertificates", body)

    built, _ = ensure(compute, secrets=[own, own], pre_shared=["zeta"])

    proxy = compute.client.get(f"global/targetHttpsProxies/{built.https_proxy}")
    assert built.certificates == ["zeta", NAMES.certificate(own.certificate)]
    assert [link.rsplit("/", 1)[-1] for link in proxy["sslCertificates"]] == built.certificates


def test_a_renewed_secret_replaces_the_certificate_and_the_old_one_goes(
    compute: Compute, authority: CertificateAuthority
) -> None:
    ensure(compute, secrets=[a_secret(authority)])
    renewed = a_secret(authority)

    built, told = ensure(compute, secrets=[renewed])

    assert told == [f'TargetProxy "{NAMES.target_proxy(https=True)}" certs updated']
    assert [each["name"] for each in compute.client.list("global/sslCertificates")] == built.certificates


def test_a_redirect_has_an_url_map_of_its_own_and_goes_again(compute: Compute, authority: CertificateAuthority) -> None:
    secret = a_secret(authority)
    config: Json = {"spec": {"redirectToHttps": {"enabled": True, "responseCodeName": "FOUND"}}}

    built, _ = ensure(compute, secrets=[secret], frontend_config=config)
    redirect = compute.client.get(f"global/urlMaps/{NAMES.redirect_url_map}")
    proxy = compute.client.get(f"global/targetHttpProxies/{built.http_proxy}")
    assert redirect["defaultUrlRedirect"]["redirectResponseCode"] == "FOUND"
    assert proxy["urlMap"].endswith(NAMES.redirect_url_map)

    after, _ = ensure(compute, an_ingress(redirect=NAMES.redirect_url_map), secrets=[secret], frontend_config=None)
    assert after.redirect_url_map == ""
    assert compute.client.find(f"global/urlMaps/{NAMES.redirect_url_map}") is None


def test_taking_tls_away_takes_the_https_front_end_away(compute: Compute, authority: CertificateAuthority) -> None:
    built, _ = ensure(compute, secrets=[a_secret(authority)])

    ensure(compute, an_ingress(https_rule=built.https_rule, promoted=built.static_ip))

    assert compute.client.list("global/targetHttpsProxies") == []
    assert compute.client.list("global/sslCertificates") == []


def test_deletion_leaves_the_users_own(compute: Compute, authority: CertificateAuthority) -> None:
    compute.client.insert("global/addresses", {"name": "milvus-ip"})
    ingress = an_ingress(static_ip="milvus-ip")
    ensure(compute, ingress, secrets=[a_secret(authority)])

    Frontend(compute.client, NAMER, ingress, lambda _message: None).delete()

    left = {
        collection: [each["name"] for each in compute.client.list(f"global/{collection}")]
        for collection in ("forwardingRules", "targetHttpProxies", "targetHttpsProxies", "urlMaps", "sslCertificates")
    }
    assert left == {collection: [] for collection in left}
    assert [each["name"] for each in compute.client.list("global/addresses")] == ["milvus-ip"]


@pytest.mark.parametrize(
    ("tls", "data", "text"),
    [
        ({"secretName": "gone"}, None, 'error initializing translator env: secrets "gone" not found'),
        ({"hosts": ["x"]}, None, 'secret "" does not exist'),
        ({"secretName": "s"}, {"tls.key": "eA=="}, 'secret "s" does not specify cert as string data'),
        ({"secretName": "s"}, {"tls.crt": "eA=="}, 'secret "s" does not specify private key as string data'),
    ],
)
def test_a_tls_section_that_cannot_be_followed(tls: Json, data: dict[str, str] | None, text: str) -> None:
    def secret(_namespace: str, name: str) -> Json:
        if data is None:
            raise LookupError(f'secrets "{name}" not found')
        return {"data": data}

    ingress = an_ingress() | {"spec": {"tls": [tls]}}

    with pytest.raises(Exception, match="secret") as error:
        from_secrets(ingress, secret)

    assert str(error.value) == text


def test_secrets_are_decoded() -> None:
    data = {"tls.crt": base64.b64encode(b"C").decode(), "tls.key": base64.b64encode(b"K").decode()}

    found = from_secrets(an_ingress() | {"spec": {"tls": [{"secretName": "s"}]}}, lambda _ns, _name: {"data": data})

    assert found == [SecretCertificate("C", "K")]
