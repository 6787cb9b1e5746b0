"""The life of a load balancer's resources: made bottom up, changed, looked at, and only deleted top down."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from sandbox.ca import CertificateAuthority
from sandbox.compute.server import ComputeApi
from sandbox.faults import Faults
from sandbox.latency import PROFILES, Latency

Finish = Callable[[httpx.Response], dict[str, Any]]
ZONE = "zones/sandbox-zone-a"
NEG = f"{ZONE}/networkEndpointGroups/neg"


@pytest.fixture
def load_balancer(rest: httpx.Client, finish: Finish) -> None:
    """What the Ingress controller makes for one HTTP2 backend, on an address of its own."""
    leaf = CertificateAuthority().issue("m.example.com")
    backend = {"group": NEG, "balancingMode": "RATE", "maxRatePerEndpoint": 1, "capacityScaler": 1.0}
    endpoint = {"ipAddress": "10.0.0.5", "port": 19530, "instance": "zones/sandbox-zone-a/instances/node"}
    made: list[tuple[str, dict[str, Any]]] = [
        ("global/addresses", {"name": "ip"}),
        ("global/healthChecks", {"name": "hc", "type": "HTTP", "httpHealthCheck": {"port": 9091}}),
        (f"{ZONE}/networkEndpointGroups", {"name": "neg", "networkEndpointType": "GCE_VM_IP_PORT"}),
        (f"{NEG}/attachNetworkEndpoints", {"networkEndpoints": [endpoint]}),
        (
            "global/backendServices",
            {"name": "bs", "protocol": "HTTP2", "healthChecks": ["global/healthChecks/hc"], "backends": [backend]},
        ),
        ("global/urlMaps", {"name": "um", "defaultService": "global/backendServices/bs"}),
        (
            "global/sslCertificates",
            {"name": "cert", "certificate": leaf.certificate_pem.decode(), "privateKey": leaf.key_pem.decode()},
        ),
        (
            "global/targetHttpsProxies",
            {"name": "tps", "urlMap": "global/urlMaps/um", "sslCertificates": ["global/sslCertificates/cert"]},
        ),
        (
            "global/forwardingRules",
            {
                "name": "fr",
                "target": "global/targetHttpsProxies/tps",
                "portRange": "443",
                "IPAddress": "global/addresses/ip",
            },
        ),
    ]
    for path, body in made:
        assert "error" not in finish(rest.post(path, json=body))


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["errors"][0]["reason"], error["message"]


@pytest.mark.usefixtures("load_balancer")
def test_references_come_back_as_full_links_and_the_address_as_a_literal(rest: httpx.Client) -> None:
    rule, address = rest.get("global/forwardingRules/fr").json(), rest.get("global/addresses/ip").json()
    proxy = rest.get("global/targetHttpsProxies/tps").json()
    base = "https://www.googleapis.com/compute/v1/projects/sandbox-project/"

    assert (rule["IPAddress"], rule["portRange"]) == (address["address"], "443-443")
    assert rule["target"] == proxy["selfLink"] == base + "global/targetHttpsProxies/tps"
    assert (address["status"], address["users"]) == ("IN_USE", [rule["selfLink"]])
    assert proxy["sslCertificates"] == [base + "global/sslCertificates/cert"]
    assert rest.get(NEG).json()["size"] == 1


@pytest.mark.usefixtures("load_balancer")
def test_nothing_that_is_used_can_be_deleted_and_top_down_everything_can(rest: httpx.Client, finish: Finish) -> None:
    bottom_up = [
        "global/healthChecks/hc",
        NEG,
        "global/backendServices/bs",
        "global/urlMaps/um",
        "global/sslCertificates/cert",
        "global/targetHttpsProxies/tps",
    ]
    for path in bottom_up:
        status, reason, message = refusal(rest.delete(path))
        assert (status, reason) == (400, "resourceInUseByAnotherResource")
        assert "is already being used by 'projects/sandbox-project/global/" in message

    for path in ["global/forwardingRules/fr", *reversed(bottom_up)]:
        assert "error" not in finish(rest.delete(path))
        assert rest.get(path).status_code == 404


@pytest.mark.usefixtures("load_balancer")
def test_one_address_and_port_belong_to_one_rule(rest: httpx.Client, finish: Finish) -> None:
    address = rest.get("global/addresses/ip").json()["address"]
    rule = {"name": "fr2", "target": "global/targetHttpsProxies/tps", "IPAddress": address}

    assert refusal(rest.post("global/forwardingRules", json=rule | {"portRange": "443"})) == (
        400,
        "invalid",
        f"Invalid value for field 'resource.IPAddress': '{address}'. "
        "Specified IP address is in-use and would result in a conflict.",
    )
    finish(rest.post("global/forwardingRules", json=rule | {"portRange": "8443-8443"}))
    assert len(rest.get("global/addresses/ip").json()["users"]) == 2
    unknown = rule | {"name": "fr3", "IPAddress": "203.0.113.9", "portRange": "443"}
    assert "Invalid IP address specified." in refusal(rest.post("global/forwardingRules", json=unknown))[2]


@pytest.mark.usefixtures("load_balancer")
def test_an_ephemeral_address_can_be_promoted(rest: httpx.Client, finish: Finish) -> None:
    """ingress-gce reserves the address of its HTTP rule before it makes the HTTPS one."""
    rule = {"name": "http", "target": "global/targetHttpsProxies/tps", "portRange": "80"}
    finish(rest.post("global/forwardingRules", json=rule))
    address = rest.get("global/forwardingRules/http").json()["IPAddress"]
    assert address != rest.get("global/addresses/ip").json()["address"]

    finish(rest.post("global/addresses", json={"name": "promoted", "address": address}))

    promoted = rest.get("global/addresses/promoted").json()
    assert (promoted["address"], promoted["status"]) == (address, "IN_USE")
    again = {"name": "promoted-again", "address": address}
    assert "already reserved" in refusal(rest.post("global/addresses", json=again))[2]
    finish(rest.delete("global/forwardingRules/http"))
    assert rest.get("global/addresses/promoted").json()["status"] == "RESERVED"


@pytest.mark.usefixtures("load_balancer")
def test_a_rule_keeps_an_address_that_is_given_back_and_it_can_be_promoted_again(
    rest: httpx.Client, finish: Finish
) -> None:
    """ingress-gce deletes a promoted address while the rule of port 443 still has it."""
    address = rest.get("global/addresses/ip").json()["address"]

    assert "error" not in finish(rest.delete("global/addresses/ip"))

    assert rest.get("global/forwardingRules/fr").json()["IPAddress"] == address
    finish(rest.post("global/addresses", json={"name": "again", "address": address}))
    assert rest.get("global/addresses/again").json()["status"] == "IN_USE"


@pytest.mark.usefixtures("load_balancer")
def test_an_update_needs_the_current_fingerprint(rest: httpx.Client, finish: Finish, compute_faults: Faults) -> None:
    path = "global/backendServices/bs"
    service = rest.get(path).json()

    without = {key: value for key, value in service.items() if key != "fingerprint"}
    assert refusal(rest.put(path, json=without))[1:] == (
        "required",
        "Required field 'resource.fingerprint' not specified",
    )
    finish(rest.put(path, json=service | {"timeoutSec": 3600}))
    assert refusal(rest.put(path, json=service | {"timeoutSec": 60}))[:2] == (412, "conditionNotMet")

    changed = rest.get(path).json()
    assert (changed["timeoutSec"], changed["id"]) == (3600, service["id"])
    assert changed["fingerprint"] != service["fingerprint"]
    compute_faults.arm("stale-fingerprint", collection="backendServices")
    assert refusal(rest.patch(path, json={"timeoutSec": 60}))[:2] == (412, "conditionNotMet")


@pytest.mark.usefixtures("load_balancer")
def test_a_patch_changes_only_what_it_names(rest: httpx.Client, finish: Finish) -> None:
    before = rest.get("global/healthChecks/hc").json()

    finish(rest.patch("global/healthChecks/hc", json={"httpHealthCheck": {"requestPath": "/healthz"}}))

    probe = before["httpHealthCheck"] | {"requestPath": "/healthz"}
    assert rest.get("global/healthChecks/hc").json() == before | {"httpHealthCheck": probe}
    finish(rest.patch("global/healthChecks/hc", json={"type": "HTTP2", "http2HealthCheck": {"port": 19530}}))
    assert "httpHealthCheck" not in rest.get("global/healthChecks/hc").json()


@pytest.mark.usefixtures("load_balancer")
def test_the_verbs_of_proxies_and_rules(rest: httpx.Client, finish: Finish) -> None:
    leaf = CertificateAuthority().issue("m.example.com")
    pem = {"certificate": leaf.certificate_pem.decode(), "privateKey": leaf.key_pem.decode()}
    finish(rest.post("global/sslCertificates", json={"name": "new", "type": "SELF_MANAGED", "selfManaged": pem}))
    finish(rest.post("global/sslPolicies", json={"name": "modern", "profile": "MODERN", "minTlsVersion": "TLS_1_2"}))
    finish(rest.post("global/urlMaps", json={"name": "redirect", "defaultUrlRedirect": {"httpsRedirect": True}}))
    finish(rest.post("global/targetHttpProxies", json={"name": "tp", "urlMap": "global/urlMaps/um"}))
    finish(rest.post("global/securityPolicies", json={"name": "armor"}))

    certificates = {"sslCertificates": ["global/sslCertificates/new", "global/sslCertificates/cert"]}
    finish(rest.post("targetHttpsProxies/tps/setSslCertificates", json=certificates))
    finish(rest.post("global/targetHttpsProxies/tps/setSslPolicy", json={"sslPolicy": "global/sslPolicies/modern"}))
    finish(rest.post("targetHttpProxies/tp/setUrlMap", json={"urlMap": "global/urlMaps/redirect"}))
    finish(rest.post("global/forwardingRules/fr/setTarget", json={"target": "global/targetHttpProxies/tp"}))
    policy = {"securityPolicy": "global/securityPolicies/armor"}
    finish(rest.post("global/backendServices/bs/setSecurityPolicy", json=policy))

    proxy = rest.get("global/targetHttpsProxies/tps").json()
    assert [each.rpartition("/")[2] for each in proxy["sslCertificates"]] == ["new", "cert"]
    assert proxy["sslPolicy"].endswith("/sslPolicies/modern")
    assert rest.get("global/targetHttpProxies/tp").json()["urlMap"].endswith("/urlMaps/redirect")
    assert rest.get("global/forwardingRules/fr").json()["target"].endswith("/targetHttpProxies/tp")
    assert rest.get("global/backendServices/bs").json()["securityPolicy"].endswith("/armor")
    redirect = rest.get("global/urlMaps/redirect").json()["defaultUrlRedirect"]
    assert redirect["redirectResponseCode"] == "MOVED_PERMANENTLY_DEFAULT"
    missing = {"sslCertificates": ["global/sslCertificates/nope"]}
    refused = refusal(rest.post("targetHttpsProxies/tps/setSslCertificates", json=missing))
    assert refused[:2] == (404, "notFound")
    assert refusal(rest.post("targetHttpsProxies/tps/setSslCertificates", json={"sslCertificates": []}))[0] == 400
    finish(rest.post("global/targetHttpsProxies/tps/setSslPolicy", json={}))
    assert "sslPolicy" not in rest.get("global/targetHttpsProxies/tps").json()


@pytest.mark.usefixtures("load_balancer")
def test_a_url_map_can_be_validated_without_being_stored(rest: httpx.Client) -> None:
    path = "global/urlMaps/um/validate"

    assert rest.post(path, json={"resource": {"name": "x", "defaultService": "s"}}).json()["result"]["loadSucceeded"]
    assert not rest.post(path, json={"resource": {"name": "x"}}).json()["result"]["loadSucceeded"]


class TestHealth:
    @pytest.fixture
    def data_plane(self, rest: httpx.Client, compute: ComputeApi) -> Callable[[str], httpx.Response]:
        headers = {"Authorization": f"Bearer {compute.access_token('dataplane')}"}

        def report(state: str) -> httpx.Response:
            body = {"sandbox-zone-a/neg": {"10.0.0.5:19530": state}}
            return rest.put(f"{compute.url}/sandbox/v1/health", json=body, headers=headers)

        return report

    def health(self, rest: httpx.Client) -> dict[str, Any]:
        reply = rest.post("global/backendServices/bs/getHealth", json={"group": NEG})
        assert reply.status_code == 200
        return dict(reply.json())

    @pytest.mark.usefixtures("load_balancer")
    def test_it_is_absent_until_the_first_probe(
        self, rest: httpx.Client, data_plane: Callable[[str], httpx.Response], compute_faults: Faults
    ) -> None:
        assert self.health(rest) == {"kind": "compute#backendServiceGroupHealth"}

        data_plane("UNHEALTHY")
        assert self.health(rest)["healthStatus"][0]["healthState"] == "UNHEALTHY"
        data_plane("HEALTHY")
        status = self.health(rest)["healthStatus"][0]
        assert (status["healthState"], status["ipAddress"], status["port"]) == ("HEALTHY", "10.0.0.5", 19530)
        assert status["instance"].endswith("/projects/sandbox-project/zones/sandbox-zone-a/instances/node")

        compute_faults.arm("never-healthy")
        assert self.health(rest)["healthStatus"][0]["healthState"] == "UNHEALTHY"

    @pytest.mark.usefixtures("load_balancer")
    def test_the_group_shows_it_only_when_asked(
        self, rest: httpx.Client, finish: Finish, data_plane: Callable[[str], httpx.Response]
    ) -> None:
        def listed(show: str) -> list[dict[str, Any]]:
            reply = rest.post(f"{NEG}/listNetworkEndpoints", json={"healthStatus": show})
            return list(reply.json().get("items", []))

        assert listed("SHOW")[0]["healths"][0]["healthState"] == "UNKNOWN"
        data_plane("HEALTHY")
        assert listed("SHOW")[0]["healths"][0]["healthState"] == "HEALTHY"
        assert "healths" not in listed("SKIP")[0]

        gone = {"networkEndpoints": [{"ipAddress": "10.0.0.5", "port": 19530}]}
        finish(rest.post(f"{NEG}/detachNetworkEndpoints", json=gone))
        assert listed("SHOW") == []
        assert self.health(rest) == {"kind": "compute#backendServiceGroupHealth"}
        assert rest.post(f"{NEG}/detachNetworkEndpoints", json=gone).status_code == 400

    @pytest.mark.usefixtures("load_balancer")
    def test_only_a_group_of_the_service_can_be_asked_for(self, rest: httpx.Client, finish: Finish) -> None:
        finish(rest.post(f"{ZONE}/networkEndpointGroups", json={"name": "other"}))
        body = {"group": f"{ZONE}/networkEndpointGroups/other"}

        assert refusal(rest.post("global/backendServices/bs/getHealth", json=body))[:2] == (400, "invalid")

    def test_only_the_data_plane_may_report_it(self, rest: httpx.Client, compute: ComputeApi) -> None:
        assert rest.put(f"{compute.url}/sandbox/v1/health", json={}).status_code == 403

    class TestWithLatency:
        @pytest.fixture
        def compute_latency(self) -> Latency:
            return PROFILES["fast"]

        @pytest.mark.usefixtures("load_balancer")
        def test_front_ends_learn_of_an_endpoint_only_after_a_while(
            self, rest: httpx.Client, data_plane: Callable[[str], httpx.Response]
        ) -> None:
            data_plane("HEALTHY")
            deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20)
            seen: list[bool] = []

            while not (seen and seen[-1]) and dt.datetime.now(dt.UTC) < deadline:
                reply = rest.post("global/backendServices/bs/getHealth", json={"group": NEG})
                seen.append("healthStatus" in reply.json())

            assert (seen[0], seen[-1]) == (False, True)

        @pytest.fixture
        def data_plane(self, rest: httpx.Client, compute: ComputeApi) -> Callable[[str], httpx.Response]:
            headers = {"Authorization": f"Bearer {compute.access_token('dataplane')}"}
            body = {"sandbox-zone-a/neg": {"10.0.0.5:19530": "HEALTHY"}}
            return lambda _: rest.put(f"{compute.url}/sandbox/v1/health", json=body, headers=headers)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, plain).decode()


class TestSelfManagedCertificates:
    def test_names_and_expiry_are_read_and_the_key_never_comes_back(
        self, rest: httpx.Client, finish: Finish, compute: ComputeApi
    ) -> None:
        leaf = CertificateAuthority().issue("a.example.com", "b.example.com", validity=dt.timedelta(days=365))
        body = {"name": "c", "certificate": leaf.certificate_pem.decode(), "privateKey": leaf.key_pem.decode()}

        finish(rest.post("global/sslCertificates", json=body))

        reply = rest.get("global/sslCertificates/c")
        shown = reply.json()
        left = dt.datetime.fromisoformat(shown["expireTime"]) - dt.datetime.now(dt.UTC)
        assert (shown["type"], shown["subjectAlternativeNames"]) == ("SELF_MANAGED", ["a.example.com", "b.example.com"])
        assert shown["certificate"] == shown["selfManaged"]["certificate"] == body["certificate"]
        assert 364 <= left.days <= 365
        assert "PRIVATE KEY" not in reply.text

        material = f"{compute.url}/sandbox/v1/sslCertificates/c"
        headers = {"Authorization": f"Bearer {compute.access_token('dataplane')}"}
        assert rest.get(material).status_code == 403
        assert rest.get(material, headers=headers).json() == {
            "certificate": body["certificate"],
            "privateKey": body["privateKey"],
        }

    @pytest.mark.parametrize(
        ("certificate", "key", "reason"),
        [
            ("rubbish", "own", "sslCertificateCouldNotParseCert"),
            ("own", "rubbish", "sslCertificateCouldNotParseKey"),
            ("own", pem(ec.generate_private_key(ec.SECP256R1())), "sslCertificateKeyMismatch"),
            ("own", pem(ec.generate_private_key(ec.SECP384R1())), "sslCertificateInvalidKeyType"),
            ("own", "", "required"),
        ],
    )
    def test_what_cannot_serve_is_refused(self, rest: httpx.Client, certificate: str, key: str, reason: str) -> None:
        leaf = CertificateAuthority().issue("a.example.com")
        body = {
            "name": "c",
            "certificate": leaf.certificate_pem.decode() if certificate == "own" else certificate,
            "privateKey": leaf.key_pem.decode() if key == "own" else key,
        }

        assert refusal(rest.post("global/sslCertificates", json=body))[:2] == (400, reason)
