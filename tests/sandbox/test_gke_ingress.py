"""The Ingress controller over the wire: what users see of it, in which order, in which words."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.gke.annotations import FINALIZER
from sandbox.kube_client import ApiError
from sandbox.kube_paths import path_of
from sandbox.latency import PROFILES
from tests.sandbox.gke_world import (
    BACKEND_CONFIGS,
    INGRESSES,
    SERVICES,
    World,
    a_backend_config,
    a_pod,
    a_service,
    an_endpoint_slice,
    an_ingress,
    eventually,
    running_world,
)

Json = dict[str, Any]
PREFIX = "ingress.kubernetes.io/"
SECRETS = "/api/v1/secrets"
FRONTEND_CONFIGS = "/apis/networking.gke.io/v1beta1/frontendconfigs"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path) as running:
        yield running


def a_tls_secret(world: World, name: str = "milvus-tls") -> Json:
    leaf = world.authority.issue("milvus.example.com")
    data = {"tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def create_milvus(world: World, **annotations: str) -> None:
    world.create(SERVICES, a_service(config='{"default":"milvus-bc"}', **annotations))
    world.create(BACKEND_CONFIGS, a_backend_config())


def delete_ingress(world: World) -> None:
    path = path_of(INGRESSES, "default", "milvus")
    world.kube.delete(path)
    eventually(lambda: world.kube.find(path) is None)


def test_the_whole_recipe_ends_in_an_https_load_balancer(world: World) -> None:
    create_milvus(world)
    world.create(SECRETS, a_tls_secret(world))
    world.create(INGRESSES, an_ingress(secret="milvus-tls"))

    address = world.address()
    world.shown("url-map")
    values = world.annotations()

    assert FINALIZER in world.ingress()["metadata"]["finalizers"]
    rule = world.compute.get(f"global/forwardingRules/{values[f'{PREFIX}https-forwarding-rule']}")
    proxy = world.compute.get(f"global/targetHttpsProxies/{values[f'{PREFIX}https-target-proxy']}")
    backends = json.loads(values[f"{PREFIX}backends"])
    assert rule["IPAddress"] == address
    assert rule["target"].endswith(proxy["name"])
    assert proxy["sslCertificates"][0].endswith(values[f"{PREFIX}ssl-cert"])
    assert proxy["urlMap"].endswith(values[f"{PREFIX}url-map"])
    assert values[f"{PREFIX}static-ip"] == values[f"{PREFIX}forwarding-rule"]
    assert set(backends.values()) == {"Unknown"}
    name = next(each for each in backends if "milvus" in each)
    backend = world.compute.get(f"global/backendServices/{name}", version="beta")
    check = world.compute.get(f"global/healthChecks/{name}")
    assert (backend["protocol"], backend["timeoutSec"]) == ("HTTP2", 3600)
    assert backend["connectionDraining"]["drainingTimeoutSec"] == 60
    assert backend["backends"][0]["group"].endswith(f"zones/sandbox-zone-a/networkEndpointGroups/{name}")
    assert (check["type"], check["httpHealthCheck"]["port"]) == ("HTTP", 9091)
    assert any("kube-system-default-http-backend-80" in each for each in backends)
    told = [message for kind, reason, message in world.events("Ingress", "milvus") if reason != "GarbageCollection"]
    steps = [each for each in told if each != "Scheduled for sync" and not each.startswith("Error syncing")]
    assert steps == [
        f'UrlMap "{values[f"{PREFIX}url-map"]}" created',
        f'TargetProxy "{values[f"{PREFIX}target-proxy"]}" created',
        f'ForwardingRule "{values[f"{PREFIX}forwarding-rule"]}" created',
        f'TargetProxy "{values[f"{PREFIX}https-target-proxy"]}" created',
        f'ForwardingRule "{values[f"{PREFIX}https-forwarding-rule"]}" created',
        f"IP is now {address}",
    ]


def test_deletion_takes_everything_of_its_own_and_leaves_the_rest(world: World) -> None:
    create_milvus(world)
    world.create(SECRETS, a_tls_secret(world))
    world.compute.insert("global/addresses", {"name": "milvus-ip"})
    world.create(INGRESSES, an_ingress(secret="milvus-tls", static_ip="milvus-ip"))
    world.address()

    delete_ingress(world)

    collections = ("forwardingRules", "targetHttpProxies", "targetHttpsProxies", "sslCertificates", "urlMaps")
    assert [world.names(f"global/{each}") for each in collections] == [[], [], [], [], []]
    assert world.names("global/backendServices") == world.names("global/healthChecks") == []
    assert world.names("global/addresses") == ["milvus-ip"]
    eventually(lambda: world.names("zones/sandbox-zone-a/networkEndpointGroups") == [])
    eventually(lambda: world.names("global/firewalls") == [])


def test_an_ingress_of_another_class_meets_silence(world: World) -> None:
    create_milvus(world)
    by_field = an_ingress("by-field", class_name="")
    by_field["spec"]["ingressClassName"] = "gce"
    world.create(INGRESSES, by_field)
    world.create(INGRESSES, an_ingress("nginx", class_name="nginx"))
    world.create(INGRESSES, an_ingress())

    world.address()

    for name in ("by-field", "nginx"):
        assert world.events("Ingress", name) == []
        assert world.ingress(name)["metadata"].get("finalizers") is None
        assert world.ingress(name).get("status", {}).get("loadBalancer", {}) == {}


def test_an_internal_ingress_is_told_that_it_is_not_built(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress(class_name="gce-internal"))

    world.event("Ingress", "milvus", "Sync", "not part of this sandbox")


def test_every_translation_error_is_told_and_nothing_is_built(world: World) -> None:
    ingress = an_ingress(service="one")
    ingress["spec"]["rules"] += an_ingress(service="two")["spec"]["rules"]
    world.create(INGRESSES, ingress)

    message = world.event("Ingress", "milvus", "Translate", "two")

    assert message == (
        'Translation failed: invalid ingress spec: could not find service "default/one"; '
        'could not find service "default/two"'
    )
    assert world.names("global/backendServices") == []


def test_a_missing_backend_config_heals_when_it_comes(world: World) -> None:
    world.create(SERVICES, a_service(config='{"default":"milvus-bc"}'))
    world.create(INGRESSES, an_ingress())
    message = world.event("Ingress", "milvus", "Translate", "BackendConfig")
    assert message.endswith("err: no BackendConfig for service port exists.")

    world.create(BACKEND_CONFIGS, a_backend_config())

    assert world.address()


def test_a_missing_secret_fails_the_load_balancer_but_not_the_backends(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress(secret="milvus-tls"))

    message = world.event("Ingress", "milvus", "Sync", "translator env")

    assert message == (
        "Error syncing to GCP: error running load balancer syncing routine: error initializing translator env: "
        'secrets "milvus-tls" not found'
    )
    assert world.names("global/forwardingRules") == []
    assert len(world.names("global/backendServices")) == 2

    world.create(SECRETS, a_tls_secret(world))
    assert world.address(), "nobody watches Secrets, but the failed key is tried again"


def test_a_missing_pre_shared_certificate_leaves_http_without_an_address(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress(pre_shared="gone"))

    message = world.event("Ingress", "milvus", "Sync", "sslCertificates/gone")

    assert "was not found, notFound" in message
    assert len(world.names("global/forwardingRules")) == 1
    assert "ingress" not in (world.ingress().get("status") or {}).get("loadBalancer", {})


def test_a_renewed_secret_is_noticed_at_the_resync_only(world: World) -> None:
    create_milvus(world)
    world.create(SECRETS, a_tls_secret(world))
    world.create(INGRESSES, an_ingress(secret="milvus-tls"))
    world.address()
    before = world.shown("ssl-cert")

    world.kube.merge_patch(path_of(SECRETS, "default", "milvus-tls"), {"data": a_tls_secret(world)["data"]})

    eventually(lambda: world.shown("ssl-cert") != before)
    assert world.names("global/sslCertificates") == [world.shown("ssl-cert")]


def test_a_static_address_that_does_not_exist_is_told(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress(static_ip="nowhere"))

    message = world.event("Ingress", "milvus", "Sync", "nowhere")

    assert message.endswith("the given static IP name nowhere doesn't translate to an existing static IP.")


def test_a_timeout_above_the_interval_is_computes_error(world: World) -> None:
    world.create(SERVICES, a_service(config='{"default":"milvus-bc"}'))
    check = {"type": "HTTP", "port": 9091, "checkIntervalSec": 10}
    world.create(BACKEND_CONFIGS, a_backend_config(healthCheck=check))
    world.create(INGRESSES, an_ingress())

    message = world.event("Ingress", "milvus", "Sync", "timeoutSec")

    assert message.startswith(
        "Error syncing to GCP: error running backend syncing routine: error ensuring health check: "
        "googleapi: Error 400: Invalid value for field 'resource.timeoutSec': '15'."
    )


def test_a_quota_is_told_and_the_rest_comes_when_it_is_lifted(world: World) -> None:
    create_milvus(world)
    world.faults.arm("quota-exceeded", metric="BACKEND_SERVICES", limit=5.0)
    world.create(INGRESSES, an_ingress())

    message = world.event("Ingress", "milvus", "Sync", "BACKEND_SERVICES")
    assert message.startswith("Error syncing to GCP: error running backend syncing routine: googleapi: Error 403: ")

    world.faults.clear()
    assert world.address()


def test_a_missing_frontend_config_is_told_and_the_load_balancer_is_built(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress(frontend="milvus-fc"))

    assert world.event("Ingress", "milvus", "Sync", "FrontendConfig") == "Error: no FrontendConfig for Ingress exists."
    assert world.address()


def test_a_redirect_shows_in_the_annotations(world: World) -> None:
    create_milvus(world)
    world.create(SECRETS, a_tls_secret(world))
    body = {
        "apiVersion": "networking.gke.io/v1beta1",
        "kind": "FrontendConfig",
        "metadata": {"name": "milvus-fc"},
        "spec": {"redirectToHttps": {"enabled": True}},
    }
    world.create(FRONTEND_CONFIGS, body)
    world.create(INGRESSES, an_ingress(secret="milvus-tls", frontend="milvus-fc"))

    name = world.shown("redirect-url-map")

    assert world.compute.get(f"global/urlMaps/{name}")["defaultUrlRedirect"]["httpsRedirect"] is True


def test_changing_the_class_away_cleans_up_and_keeps_the_object(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress())
    world.address()

    world.annotate(INGRESSES, "milvus", class_name="nginx")

    eventually(lambda: FINALIZER not in (world.ingress()["metadata"].get("finalizers") or []))
    assert world.names("global/forwardingRules") == world.names("global/urlMaps") == []


def test_two_ingresses_share_a_backend_service(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress("one"))
    world.create(INGRESSES, an_ingress("two"))
    addresses = {world.address("one"), world.address("two")}
    assert len(addresses) == 2
    assert len(world.names("global/backendServices")) == 2

    path = path_of(INGRESSES, "default", "one")
    world.kube.delete(path)
    eventually(lambda: world.kube.find(path) is None)

    assert len(world.names("global/backendServices")) == 2, "the other one still needs them"
    assert len(world.names("global/forwardingRules")) == 1


def test_the_firewall_opens_serving_and_health_port(world: World) -> None:
    create_milvus(world)
    world.create("/api/v1/pods", a_pod())
    world.create("/apis/discovery.k8s.io/v1/endpointslices", an_endpoint_slice("10.4.0.5"))
    world.create(INGRESSES, an_ingress())

    rule = eventually(lambda: next(iter(world.compute.list("global/firewalls")), None))
    ports = eventually(
        lambda: {"19530", "9091"} <= set(world.compute.list("global/firewalls")[0]["allowed"][0]["ports"])
    )

    assert rule is not None
    assert ports
    assert rule["name"].startswith("k8s-fw-l7--")
    assert rule["sourceRanges"] == ["130.211.0.0/22", "35.191.0.0/16"]


def test_in_a_shared_vpc_the_firewall_is_somebody_elses(world: World) -> None:
    world.faults.arm("xpn")
    create_milvus(world)
    world.create(INGRESSES, an_ingress())

    message = world.event("Ingress", "milvus", "XPN", "gcloud compute firewall-rules create k8s-fw-l7--")

    assert message.startswith("Firewall change required by security admin: `gcloud compute firewall-rules create ")
    assert world.names("global/firewalls") == []


def test_a_controller_that_is_off_says_nothing_until_it_is_back(world: World) -> None:
    world.faults.arm("controller-off")
    create_milvus(world)
    world.create(INGRESSES, an_ingress())
    with pytest.raises(AssertionError):
        eventually(lambda: world.events("Ingress", "milvus"), seconds=1.0)

    world.faults.clear("controller-off")

    assert world.address()


def test_health_shows_in_the_annotation_at_a_resync(world: World) -> None:
    create_milvus(world)
    world.create("/api/v1/pods", a_pod())
    world.create("/apis/discovery.k8s.io/v1/endpointslices", an_endpoint_slice("10.4.0.5"))
    world.create(INGRESSES, an_ingress())
    world.address()
    name = next(each for each in world.names("global/backendServices") if "milvus" in each)
    headers = {"Authorization": f"Bearer {world.compute_api.access_token('dataplane')}"}
    report = {f"sandbox-zone-a/{name}": {"10.4.0.5:19530": "HEALTHY"}}
    eventually(
        lambda: world.compute.ask(
            f"zones/sandbox-zone-a/networkEndpointGroups/{name}/listNetworkEndpoints", {"healthStatus": "SKIP"}
        ).get("items")
    )

    httpx.put(f"{world.compute_api.url}/sandbox/v1/health", json=report, headers=headers).raise_for_status()

    eventually(lambda: json.loads(world.annotations()[f"{PREFIX}backends"])[name] == "HEALTHY")


def test_a_removed_annotation_field_of_the_backend_config_stays_on_the_backend_service(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress())
    world.address()
    name = next(each for each in world.names("global/backendServices") if "milvus" in each)

    patch = {"spec": {"timeoutSec": None, "connectionDraining": {"drainingTimeoutSec": 30}}}
    world.kube.merge_patch(path_of(BACKEND_CONFIGS, "default", "milvus-bc"), patch)

    def draining() -> int:
        backend = world.compute.get(f"global/backendServices/{name}")
        return int(backend["connectionDraining"]["drainingTimeoutSec"])

    eventually(lambda: draining() == 30)
    assert world.compute.get(f"global/backendServices/{name}")["timeoutSec"] == 3600


def test_a_replaced_ingress_that_lost_its_annotations_gets_them_back(world: World) -> None:
    create_milvus(world)
    world.create(INGRESSES, an_ingress())
    world.address()
    world.shown("url-map")

    def wipe() -> bool:
        ingress = world.ingress()
        ingress["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "gce"}
        try:
            world.kube.replace(path_of(INGRESSES, "default", "milvus"), ingress)
        except ApiError:
            return False
        return True

    eventually(wipe)

    assert world.shown("forwarding-rule")


def test_a_load_balancer_that_stands_is_not_written_to(world: World) -> None:
    """A resync reads; it writes when something is wrong."""
    create_milvus(world)
    world.create(SECRETS, a_tls_secret(world))
    world.create(INGRESSES, an_ingress(secret="milvus-tls"))
    world.address()
    world.shown("url-map")
    eventually(lambda: len(world.names("global/firewalls")) == 1)
    writes = ("create", "update", "patch", "delete")

    def counts() -> dict[str, int]:
        return world.compute_api.request_counts("controller")

    before = counts()
    eventually(lambda: counts()["get"] > before["get"] + 30)  # a few resyncs

    assert [counts().get(verb, 0) for verb in writes] == [before.get(verb, 0) for verb in writes]


def test_with_real_pauses_a_sync_still_ends(tmp_path: Path) -> None:
    """Operations that take their time, as Google's do."""
    latency = replace(PROFILES["zero"], operation_seconds=(0.05, 0.1))
    with running_world(tmp_path, latency=latency) as world:
        create_milvus(world)
        world.create(INGRESSES, an_ingress())

        assert world.address()
