"""Intent, cluster and Compute are compared in a small GKE: what stands as asked for is silent, each edit is named."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from sandbox.compute_client import ComputeClient
from sandbox.stack import Stack
from tasks import sides
from tasks.backend_config import apply_backend_config
from tasks.clients import kubernetes
from tasks.core import annotations, names, progress, three_ways
from tasks.core.config import LoadBalancerConfig
from tasks.core.drift import Deviation
from tasks.core.progress import Journal
from tasks.dns_record import apply_dns_record
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.inspection import compare_three_ways
from tasks.managed_certificate import apply_managed_certificate, wait_for_certificate
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tasks.tls_secret import make_tls_secret
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]
Edit = Callable[["Standing"], Any]

ZONE = "sandbox-zone"


def hands(world: World) -> ComputeClient:
    """Somebody with gcloud."""
    api = world.stack.compute
    return ComputeClient(api.url, api.access_token("zone-owner"), api.project)


def provision(world: World, **changes: Any) -> LoadBalancerConfig:
    """What the flow does, but for the proof, which needs a Milvus; until Compute has followed."""
    config = world.config(**changes)
    world.install()
    address = reserve_address.fn(config).address
    apply_milvus_release.fn(config)
    apply_backend_config.fn(config)
    apply_frontend_config.fn(config)
    if config.certificate_mode == "google-managed":
        apply_managed_certificate.fn(config)
        apply_dns_record.fn(config, address)
    else:
        make_tls_secret.fn(config)
    wait_for_rollout.fn(config)
    apply_ingress.fn(config)
    wait_for_address.fn(config, address)
    if config.certificate_mode == "google-managed":
        wait_for_certificate.fn(config, address)
    eventually(lambda: settled(config))
    return config


def settled(config: LoadBalancerConfig) -> bool:
    """GKE writes the last annotations a moment after the address."""
    return not three_ways.deviations(sides.read(config))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="a Secret, redirect, policy kept"),
        pytest.param(
            {
                "certificate_mode": "google-managed",
                "dns_managed_zone": ZONE,
                "http": "disabled",
                "security_policy": "set",
                "security_policy_name": "office-only",
                "log_sample_rate": 0.1,
                "additional_domains": ("other.milvus.example",),
            },
            id="a Google-managed certificate, no port 80, policy set, a tenth of the calls logged",
        ),
        pytest.param(
            {"security_policy": "remove", "ssl_policy": "modern", "log_sample_rate": 0.0, "draining_seconds": 0},
            id="policy removed, an SSL policy, no log, no draining",
        ),
    ],
)
def test_what_stands_as_asked_for_is_no_drift(world: World, journal: Journal, changes: Json) -> None:
    with closing(hands(world)) as client:
        for collection, name in (("securityPolicies", "office-only"), ("sslPolicies", "modern")):
            if client.find(f"global/{collection}/{name}") is None:
                client.insert(f"global/{collection}", {"name": name})
    config = provision(world, **changes)
    before = world.writes()

    assert compare_three_ways.fn(config) == []
    assert journal.deviations == []
    assert world.writes() == before


def test_a_load_balancer_that_is_missing_is_told_part_by_part(world: World, journal: Journal) -> None:
    world.install()

    found = compare_three_ways.fn(world.config())

    assert journal.deviations == found
    assert {f"{each.resource} {each.field}".strip() for each in found} >= {
        f"ingress {world.namespace}/{world.service}",
        f"backendconfig {world.namespace}/{world.release}-backendconfig",
        f"secret {world.namespace}/{world.service}-tls data.tls.crt",
        f"addresses/{world.service} address",
        f"ingress {world.namespace}/{world.service} portRange",
        f"service {world.namespace}/{world.service} spec.type",
    }
    assert all(each.mend for each in found)


def test_what_the_controller_follows_is_named_on_both_sides(world: World) -> None:
    config = provision(world)
    world.patch(kubernetes.BACKEND_CONFIG, {"spec": {"timeoutSec": 31}}, name=f"{world.release}-backendconfig")

    def followed() -> list[Deviation]:
        return [each for each in compare_three_ways.fn(config) if each.compute == "31"]

    (found,) = eventually(followed)
    assert (found.resource.split()[0], found.intent, found.cluster) == ("backendconfig", "3600", "31")


def test_what_somebody_changed_in_compute_is_put_right_by_the_mend_that_is_told(world: World) -> None:
    config = provision(world)
    (service,) = sides.read(config).milvus_services()
    path = f"global/backendServices/{service['name']}"
    with closing(hands(world)) as client:
        world.faults.arm("controller-off")
        client.update(path, client.get(path) | {"timeoutSec": 30})
        (found,) = compare_three_ways.fn(config)
        world.faults.clear()
        mark = f"{names.FIELD_MANAGER}/touched"
        assert f"kubectl -n {world.namespace} annotate ingress {world.service} {mark}=" in found.mend

        world.annotate(kubernetes.INGRESS, {mark: "now"})

        eventually(lambda: client.get(path)["timeoutSec"] == 3600)
    assert compare_three_ways.fn(config) == []


# --- edits by hand, while no controller is there to undo or to follow them -------------------------------------------


class Standing:
    """A load balancer that stands for the whole module, and what somebody did to it."""

    def __init__(self, world: World) -> None:
        self.world, self.compute, self._undo = world, hands(world), list[Callable[[], Any]]()
        self.config = provision(world)
        self.sides = sides.read(self.config)
        world.faults.arm("controller-off")

    def name(self, collection: str, port: str = "443") -> str:
        found = {
            "forwardingRules": (self.sides.https_rule, self.sides.http_rule),
            "targetHttpsProxies": (self.sides.https_proxy,) * 2,
            "targetHttpProxies": (self.sides.http_proxy,) * 2,
            "urlMaps": (self.sides.url_map,) * 2,
            "backendServices": (self.sides.milvus_services()[0],) * 2,
            "healthChecks": (self.sides.milvus_services()[0],) * 2,
        }[collection][port == "80"]
        assert found is not None
        return str(found["name"])

    def edit(self, collection: str, **changes: Any) -> None:
        """`gcloud compute … update`."""
        path = f"global/{collection}/{self.name(collection)}"
        before = self.compute.get(path)
        self.compute.update(path, copy.deepcopy(before) | changes)

        def undo() -> None:
            self.compute.update(path, before | {"fingerprint": self.compute.get(path).get("fingerprint")})

        self._undo.append(undo)

    def call(self, path: str, body: Json, back: Json) -> None:
        """One of the methods for what no update changes."""
        self.compute.call(path, body)
        self._undo.append(lambda: self.compute.call(path, back))

    def insert(self, collection: str, body: Json) -> None:
        self.compute.insert(collection, body)
        self._undo.append(lambda: self.compute.delete(f"{collection}/{body['name']}"))

    def patch(self, kind: kubernetes.Kind, change: Json, back: Json, name: str = "") -> None:
        """`kubectl edit`."""
        self.world.patch(kind, change, name=name)
        self._undo.append(lambda: self.world.patch(kind, back, name=name))

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()


@pytest.fixture(scope="module")
def standing_world(world_stack: Stack) -> Iterator[Standing]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world_stack.env.items():
            patch.setenv(name, value)
        progress.use(Journal())
        world = World(world_stack)
        standing = Standing(world)
        yield standing
        standing.compute.close()
        world.close()


@pytest.fixture
def standing(standing_world: Standing, world_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standing]:
    for name, value in world_stack.env.items():
        monkeypatch.setenv(name, value)
    standing_world.world.faults.arm("controller-off")
    yield standing_world
    standing_world.undo()
    assert three_ways.deviations(sides.read(standing_world.config)) == []


def _backend(**changes: Any) -> Edit:
    return lambda standing: standing.edit("backendServices", **changes)


def _check(**changes: Any) -> Edit:
    return lambda standing: standing.edit("healthChecks", **changes)


def _probe(**changes: Any) -> Edit:
    probe = {"port": 9091, "requestPath": "/healthz", "portSpecification": "USE_FIXED_PORT"}
    return lambda standing: standing.edit("healthChecks", httpHealthCheck=probe | changes)


def _other_check(standing: Standing) -> None:
    """Another kind of check, which Compute keeps in another block."""
    path = f"global/healthChecks/{standing.name('healthChecks')}"
    before = standing.compute.get(path)
    changed = {key: value for key, value in before.items() if key != "httpHealthCheck"}
    standing.compute.update(path, changed | {"type": "TCP", "tcpHealthCheck": {"port": 9091}})
    standing._undo.append(lambda: standing.compute.update(path, before))


def _policy(standing: Standing) -> None:
    standing.insert("global/securityPolicies", {"name": "stray"})
    path = f"global/backendServices/{standing.name('backendServices')}/setSecurityPolicy"
    standing.call(path, {"securityPolicy": "global/securityPolicies/stray"}, {})


def _certificate(standing: Standing) -> None:
    from tests import guide

    certificate, key = guide.common_name_only("stranger.example", days=10)
    body = {"name": "stray", "certificate": certificate.decode(), "privateKey": key.decode()}
    standing.insert("global/sslCertificates", body)
    proxy = standing.name("targetHttpsProxies")
    right = standing.compute.get(f"global/targetHttpsProxies/{proxy}")["sslCertificates"]
    path = f"targetHttpsProxies/{proxy}/setSslCertificates"
    standing.call(path, {"sslCertificates": ["global/sslCertificates/stray"]}, {"sslCertificates": right})


def _target(standing: Standing) -> None:
    rule, proxy = standing.name("forwardingRules"), standing.name("targetHttpsProxies")
    right = standing.compute.get(f"global/targetHttpsProxies/{proxy}")
    body = {key: right[key] for key in ("urlMap", "sslCertificates")}
    standing.insert("global/targetHttpsProxies", {"name": "stray"} | body)
    path = f"global/forwardingRules/{rule}/setTarget"
    standing.call(path, {"target": "global/targetHttpsProxies/stray"}, {"target": right["selfLink"]})


def _plain(standing: Standing) -> None:
    """Port 80 serves data instead of redirecting."""
    proxy = standing.name("targetHttpProxies")
    right = standing.compute.get(f"global/targetHttpProxies/{proxy}")["urlMap"]
    url_map = f"global/urlMaps/{standing.name('urlMaps')}"
    standing.call(f"targetHttpProxies/{proxy}/setUrlMap", {"urlMap": url_map}, {"urlMap": right})


def _routes(standing: Standing) -> None:
    """All paths of our domain lead to the default backend."""
    found = standing.compute.get(f"global/urlMaps/{standing.name('urlMaps')}")
    matchers = copy.deepcopy(found["pathMatchers"])
    matchers[0]["pathRules"][0]["service"] = found["defaultService"]
    standing.edit("urlMaps", pathMatchers=matchers)


def _default(standing: Standing) -> None:
    found = standing.compute.get(f"global/urlMaps/{standing.name('urlMaps')}")
    standing.edit("urlMaps", defaultService=found["pathMatchers"][0]["pathRules"][0]["service"])


def _groups(standing: Standing) -> None:
    standing.edit("backendServices", backends=[])


COMPUTE = [
    pytest.param(_backend(timeoutSec=30), "backendServices", "timeoutSec", "3600", "30", id="the default timeout"),
    pytest.param(_backend(protocol="HTTP"), "backendServices", "protocol", "HTTP2", "HTTP", id="HTTP/1.1"),
    pytest.param(
        _backend(connectionDraining={"drainingTimeoutSec": 0}),
        "backendServices",
        "connectionDraining.drainingTimeoutSec",
        "60",
        "0",
        id="no draining",
    ),
    pytest.param(
        _backend(logConfig={"enable": False}), "backendServices", "logConfig.enable", "true", "false", id="no log"
    ),
    pytest.param(
        _backend(logConfig={"enable": True, "sampleRate": 0.5}),
        "backendServices",
        "logConfig.sampleRate",
        "1.0",
        "0.5",
        id="half of the calls logged",
    ),
    pytest.param(_groups, "backendServices", "backends", "sandbox-zone-a", "none", id="no network endpoint group"),
    pytest.param(
        _check(checkIntervalSec=60), "healthChecks", "healthCheck.checkIntervalSec", "10", "60", id="interval"
    ),
    pytest.param(_check(timeoutSec=1), "healthChecks", "healthCheck.timeoutSec", "5", "1", id="probe timeout"),
    pytest.param(
        _check(unhealthyThreshold=9), "healthChecks", "healthCheck.unhealthyThreshold", "3", "9", id="threshold"
    ),
    pytest.param(_probe(port=19530), "healthChecks", "healthCheck.port", "9091", "19530", id="probed port"),
    pytest.param(_probe(requestPath="/"), "healthChecks", "healthCheck.requestPath", "/healthz", "/", id="probed path"),
    pytest.param(_other_check, "healthChecks", "healthCheck.type", "HTTP", "TCP", id="another kind of probe"),
    pytest.param(
        _target, "forwardingRules", "target", "{targetHttpsProxies}", "stray", id="port 443 leads to another proxy"
    ),
    pytest.param(_plain, "targetHttpProxies", "urlMap", "k8s2-rm-", "k8s2-um-", id="port 80 serves data"),
    pytest.param(_routes, "urlMaps", "pathMatchers", "-milvus:19530", "default-http-backend", id="the domain's paths"),
    pytest.param(
        _default, "urlMaps", "defaultService", "kube-system/default-http-backend", "-milvus", id="the default backend"
    ),
    pytest.param(_certificate, "targetHttpsProxies", "sslCertificates", "SHA-256", "stray", id="another certificate"),
]


@pytest.mark.parametrize(("edit", "collection", "field", "intent", "compute"), COMPUTE)
def test_an_edit_in_compute_is_named_with_the_cluster_on_our_side(
    standing: Standing, edit: Edit, collection: str, field: str, intent: str, compute: str
) -> None:
    edit(standing)

    found = [each for each in compare_three_ways.fn(standing.config) if each.field == field]

    assert len(found) == 1
    (deviation,) = found
    assert deviation.resource.startswith(f"{collection}/")
    wanted = standing.name("targetHttpsProxies") if intent.startswith("{") else intent
    assert wanted in deviation.intent
    assert deviation.cluster in ("", deviation.intent)
    assert compute in deviation.compute
    assert "kubectl" in deviation.mend


def test_a_policy_that_is_to_be_gone_is_named_and_one_that_is_to_be_kept_is_not(standing: Standing) -> None:
    _policy(standing)
    removing = standing.world.config(security_policy="remove")

    kept = compare_three_ways.fn(standing.config)
    gone = [each for each in compare_three_ways.fn(removing) if each.field == "securityPolicy"]

    assert kept == []
    assert [(each.intent, each.compute) for each in gone] == [("none", "stray")]


def test_a_policy_that_was_silently_removed_is_named(standing: Standing) -> None:
    """IG#1508: an allow-list gone, every platform open."""
    wanted = standing.world.config(security_policy="set", security_policy_name="office-only")

    found = {each.field: each for each in compare_three_ways.fn(wanted)}

    assert (found["securityPolicy"].intent, found["securityPolicy"].compute) == ("office-only", "none")
    assert found["defaultService"].compute == "kube-system/default-http-backend"


def test_a_reservation_that_was_given_back_is_named(standing: Standing) -> None:
    """The rule keeps the address for now; the next time it is made anew it gets another one."""
    path = f"global/addresses/{standing.world.service}"
    address = standing.compute.get(path)["address"]
    standing.compute.delete(path)
    body = {"name": standing.world.service, "address": address}
    standing._undo.append(lambda: standing.compute.insert("global/addresses", body))

    (found,) = compare_three_ways.fn(standing.config)

    assert (found.resource, found.field, found.compute) == (f"addresses/{standing.world.service}", "address", "missing")


CLUSTER = [
    pytest.param(
        kubernetes.BACKEND_CONFIG,
        "{release}-backendconfig",
        {"spec": {"timeoutSec": 31}},
        {"spec": {"timeoutSec": 3600}},
        ("timeoutSec", "3600", "31", "3600"),
        id="the timeout of the BackendConfig",
    ),
    pytest.param(
        kubernetes.BACKEND_CONFIG,
        "{release}-backendconfig",
        {"spec": {"healthCheck": {"requestPath": None}}},
        {"spec": {"healthCheck": {"requestPath": "/healthz"}}},
        ("healthCheck.requestPath", "/healthz", "missing", "/healthz"),
        id="a field taken away from the BackendConfig",
    ),
    pytest.param(
        kubernetes.FRONTEND_CONFIG,
        "{release}-frontendconfig",
        {"spec": {"redirectToHttps": {"enabled": False}}},
        {"spec": {"redirectToHttps": {"enabled": True}}},
        ("defaultUrlRedirect.httpsRedirect", "true", "false", "true"),
        id="the redirect of the FrontendConfig",
    ),
    pytest.param(
        kubernetes.SERVICE,
        "{release}-milvus",
        {"metadata": {"annotations": {annotations.APP_PROTOCOLS: '{"grpc":"HTTP2"}'}}},
        {"metadata": {"annotations": {annotations.APP_PROTOCOLS: '{"milvus":"HTTP2"}'}}},
        ("protocol", "HTTP2", '{"grpc":"HTTP2"}', "HTTP2"),
        id="the protocol of a port that does not exist",
    ),
    pytest.param(
        kubernetes.SERVICE,
        "{release}-milvus",
        {"metadata": {"annotations": {annotations.NEG: None}}},
        {"metadata": {"annotations": {annotations.NEG: '{"ingress":true}'}}},
        (f"metadata.annotations.{annotations.NEG}", '{"ingress": true}', "missing", ""),
        id="the NEG annotation taken away",
    ),
    pytest.param(
        kubernetes.INGRESS,
        "{release}-milvus",
        {"metadata": {"annotations": {annotations.STATIC_IP_NAME: "another"}}},
        {"metadata": {"annotations": {annotations.STATIC_IP_NAME: "{release}-milvus"}}},
        (f"metadata.annotations.{annotations.STATIC_IP_NAME}", "{release}-milvus", "another", ""),
        id="another address at the Ingress",
    ),
    pytest.param(
        kubernetes.INGRESS,
        "{release}-milvus",
        {"metadata": {"annotations": {annotations.ALLOW_HTTP: "false"}}},
        {"metadata": {"annotations": {annotations.ALLOW_HTTP: "true"}}},
        (f"metadata.annotations.{annotations.ALLOW_HTTP}", "true", "false", ""),
        id="port 80 switched off at the Ingress",
    ),
]


@pytest.mark.parametrize(("kind", "name", "change", "back", "row"), CLUSTER)
def test_an_edit_in_the_cluster_is_named_with_compute_on_our_side(
    standing: Standing, kind: kubernetes.Kind, name: str, change: Json, back: Json, row: tuple[str, ...]
) -> None:
    release = standing.world.release
    name = name.format(release=release)
    back = json.loads(json.dumps(back).replace("{release}", release))
    row = tuple(each.replace("{release}", release) for each in row)
    standing.patch(kind, change, back, name)

    (found,) = compare_three_ways.fn(standing.config)

    assert found.resource == f"{kind.name.lower()} {standing.world.namespace}/{name}"
    assert (found.field, found.intent, found.cluster, found.compute) == row
    assert "milvus-l7 provision" in found.mend


def test_a_host_that_somebody_added_is_named(standing: Standing) -> None:
    rules = standing.world.read(kubernetes.INGRESS)["spec"]["rules"]
    more = [*rules, rules[0] | {"host": "stray.example"}]
    standing.patch(kubernetes.INGRESS, {"spec": {"rules": more}}, {"spec": {"rules": rules}})

    (found,) = compare_three_ways.fn(standing.config)

    assert "stray.example/* → " in found.cluster
    assert "stray.example" not in found.intent + found.compute


def test_a_default_backend_that_somebody_added_is_named_with_how_to_take_it_away(standing: Standing) -> None:
    """It is not our field, so no apply would take it away; and without a policy every host would reach Milvus."""
    backend = {"service": {"name": standing.world.service, "port": {"number": 19530}}}
    standing.patch(kubernetes.INGRESS, {"spec": {"defaultBackend": backend}}, {"spec": {"defaultBackend": None}})

    (found,) = compare_three_ways.fn(standing.config)

    assert found.field == "defaultService"
    assert found.cluster == f"{standing.world.namespace}/{standing.world.service}"
    assert '"path": "/spec/defaultBackend"' in found.mend


def test_a_certificate_that_gke_has_not_picked_up_is_drift_of_compute(standing: Standing) -> None:
    """Secrets are not watched: for up to ten minutes clients see the old one (ingress-gce pkg/controller)."""
    config = standing.world.config(certificate_validity_days=40)
    name = names.certificate(standing.world.release)
    secret = standing.world.read(kubernetes.SECRET, name)
    standing.world.cluster.delete(kubernetes.SECRET, standing.world.namespace, name)
    make_tls_secret.fn(config)

    (found,) = compare_three_ways.fn(standing.config)
    standing.world.patch(kubernetes.SECRET, {"data": secret["data"]}, name=name)

    assert found.field == "sslCertificates"
    assert found.resource.startswith("targetHttpsProxies/")
    assert found.intent == found.cluster != found.compute
    assert "within ten minutes" in found.mend
