"""Waits judge three ways at each look: it is there, not yet, or it will never come, and then why."""

import base64
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks import events, load_balancer
from tasks.backend_config import apply_backend_config
from tasks.clients import compute, kubernetes
from tasks.core import certificates, progress
from tasks.core.config import LoadBalancerConfig
from tasks.core.diagnosis import Outlook
from tasks.core.errors import NotReadyInTime, ResourceFailed
from tasks.core.progress import Journal
from tasks.dns_record import apply_dns_record
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.load_balancer import wait_for_backends
from tasks.managed_certificate import apply_managed_certificate, wait_for_certificate
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tasks.tls_secret import make_tls_secret
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]
Build = Callable[..., tuple[LoadBalancerConfig, str]]


@pytest.fixture
def build(world: World) -> Iterator[Build]:
    """Everything up to the Ingress; the address and what it serves are taken away afterwards."""
    reserved: list[str] = []

    def make(*, seconds: int = 20, **changes: Any) -> tuple[LoadBalancerConfig, str]:
        deadlines = {f"{phase}_timeout_seconds": seconds for phase in ("address", "backends", "certificate")}
        config = world.config(**deadlines | changes)
        world.install()
        apply_milvus_release.fn(config)
        apply_backend_config.fn(config)
        apply_frontend_config.fn(config)
        if config.certificate_mode == "google-managed":
            apply_managed_certificate.fn(config)
        else:
            make_tls_secret.fn(config)
        address = reserve_address.fn(config).address
        reserved.append(config.address)
        if config.dns_managed_zone:
            apply_dns_record.fn(config, address)
        wait_for_rollout.fn(config)
        apply_ingress.fn(config)
        return config, address

    yield make
    world.faults.clear()
    world.cluster.delete(kubernetes.INGRESS, world.namespace, world.service)
    eventually(lambda: world.cluster.read(kubernetes.INGRESS, world.namespace, world.service) is None)
    for name in reserved:
        compute.api(world.config()).delete("addresses", name)


def an_event(world: World, message: str, *, reason: str = "Sync", kind: str = "Ingress", **changes: Any) -> Json:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"kind": kind, "namespace": world.namespace, "name": world.service}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{world.service}.{time.monotonic_ns():x}"},
        "involvedObject": about,
        "type": "Warning",
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": "loadbalancer-controller"},
    } | changes


# --- the address -----------------------------------------------------------------------------------------------------


def test_the_address_of_the_ingress_is_the_reserved_one(build: Build) -> None:
    config, reserved = build()

    assert wait_for_address.fn(config, reserved) == reserved


def test_an_ingress_that_nobody_serves_is_told_at_the_deadline(world: World, build: Build) -> None:
    """With the controller off there is no event at all."""
    world.faults.arm("controller-off")
    config, reserved = build(seconds=1)

    with pytest.raises(NotReadyInTime) as caught:
        wait_for_address.fn(config, reserved)

    assert "last seen: has no address and nobody has written an event on it" in caught.value.observed
    assert "HttpLoadBalancing add-on" in caught.value.mend


def test_an_ingress_deleted_while_we_wait_ends_the_wait(world: World, build: Build) -> None:
    world.faults.arm("controller-off")
    config, reserved = build()
    gone = threading.Timer(0.3, lambda: world.cluster.delete(kubernetes.INGRESS, world.namespace, world.service))
    gone.start()

    with pytest.raises(ResourceFailed, match="was deleted while we waited"):
        wait_for_address.fn(config, reserved)
    gone.join()


def test_a_permanent_cause_in_an_event_ends_the_wait_in_seconds(world: World, build: Build) -> None:
    """The controller says itself what is wrong: here a quota, which the Ingress runs into."""
    world.faults.arm("quota-exceeded", metric="FORWARDING_RULES", where="sync")
    config, reserved = build(seconds=60)
    begun = time.monotonic()

    with pytest.raises(ResourceFailed) as caught:
        wait_for_address.fn(config, reserved)

    assert "Quota 'FORWARDING_RULES' exceeded" in caught.value.observed
    assert "Free or raise the quota FORWARDING_RULES" in caught.value.mend
    assert time.monotonic() - begun < 50


# --- events ----------------------------------------------------------------------------------------------------------


def worst(world: World, **changes: Any) -> Any:
    return events.worst(world.cluster, world.config(**changes), [world.service])


def test_an_event_of_an_earlier_run_does_not_count(world: World) -> None:
    world.write(an_event(world, "googleapi: Error 403: Quota 'URL_MAPS' exceeded. Limit: 10.0, quotaExceeded"))
    events.remember(world.cluster, world.namespace, [world.service])

    assert worst(world) is None


def test_an_event_of_an_earlier_run_that_is_reported_again_counts(world: World) -> None:
    event = an_event(world, "googleapi: Error 403: Quota 'URL_MAPS' exceeded. Limit: 10.0, quotaExceeded")
    world.write(event)
    events.remember(world.cluster, world.namespace, [world.service])
    again = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.patch(kubernetes.EVENT, {"count": 2, "lastTimestamp": again}, name=event["metadata"]["name"])

    found = worst(world)

    assert (found.outlook, found.cause) == (Outlook.STOP, "QuotaExceeded")


def test_what_a_controller_has_moved_on_from_does_not_stop_a_run(world: World) -> None:
    before = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    quota = "googleapi: Error 403: Quota 'URL_MAPS' exceeded. Limit: 10.0, quotaExceeded"
    world.write(an_event(world, quota, firstTimestamp=before, lastTimestamp=before))
    world.write(an_event(world, "googleapi: Error 503: backend error, backendError"))

    assert worst(world).outlook is Outlook.RETRY


def test_a_group_that_is_not_there_yet_does_not_stop_a_run(world: World) -> None:
    """A fresh Ingress often shows it once, before the NEG controller has come so far."""
    group = "projects/p/zones/europe-west1-b/networkEndpointGroups/k8s1-a"
    world.write(
        an_event(world, f"Error syncing to GCP: googleapi: Error 404: The resource '{group}' was not found, notFound")
    )

    assert worst(world).outlook is not Outlook.STOP


@pytest.mark.parametrize(("mode", "outlook"), [("google-managed", Outlook.RETRY), ("self-managed", Outlook.STOP)])
def test_an_ingress_without_tls_is_on_its_way_only_to_a_google_managed_certificate(
    world: World, mode: str, outlook: Outlook
) -> None:
    message = "error running load balancer syncing routine: invalid configuration: both HTTP and HTTPS are disabled"
    world.write(an_event(world, message))

    assert worst(world, certificate_mode=mode).outlook is outlook


def test_a_matter_of_order_becomes_permanent_when_it_stays(world: World) -> None:
    """A BackendConfig made a moment ago may not have been seen; one that is missing for ten minutes is missing."""
    message = (
        'error getting BackendConfig for port "milvus" on service "a/b", err: no BackendConfig for service port exists'
    )
    event = an_event(world, message, reason="Translate")
    world.write(event)
    assert worst(world).outlook is Outlook.RETRY
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.patch(kubernetes.EVENT, {"count": 9, "lastTimestamp": later}, name=event["metadata"]["name"])

    assert worst(world).outlook is Outlook.STOP


def test_progress_is_no_finding(world: World) -> None:
    world.write(an_event(world, "Scheduled for sync", type="Normal"))

    assert worst(world) is None


# --- backends --------------------------------------------------------------------------------------------------------


@pytest.fixture
def healthy(world: World) -> Iterator[None]:
    """Pods of a Deployment without a process answer no probe; here is what does, in their place.

    Compute hears about health from its data plane alone, so the test speaks for that.
    """
    import httpx

    api = world.stack.compute
    stop = threading.Event()

    def report() -> None:
        headers = {"Authorization": f"Bearer {api.access_token('dataplane')}"}
        root = f"{api.url}/compute/v1/projects/{api.project}/zones/sandbox-zone-a/networkEndpointGroups"
        with httpx.Client(headers=headers, trust_env=False) as http:
            while not stop.wait(0.05):
                verdicts: dict[str, dict[str, str]] = {}
                for group in http.get(root).json().get("items") or []:
                    found = http.post(f"{root}/{group['name']}/listNetworkEndpoints").json().get("items") or []
                    endpoints = [item["networkEndpoint"] for item in found]
                    verdicts[f"sandbox-zone-a/{group['name']}"] = {
                        f"{each['ipAddress']}:{each['port']}": "HEALTHY" for each in endpoints
                    }
                http.put(f"{api.url}/sandbox/v1/health", json=verdicts)

    thread = threading.Thread(target=report)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.usefixtures("healthy")
def test_backends_are_found_through_the_chain_and_asked_at_compute(world: World, build: Build) -> None:
    config, reserved = build()
    wait_for_address.fn(config, reserved)
    before = world.writes()

    found = wait_for_backends.fn(config)

    assert found.healthy_endpoints == 1
    kinds = [resource.partition("/")[0] for resource in found.resources()]
    assert kinds == ["forwardingRules", "targetHttpsProxies", "urlMaps", "backendServices", "sslCertificates"]
    assert world.writes() == before


def test_backends_without_health_are_told_with_their_health_check(world: World, build: Build) -> None:
    config, reserved = build(address_timeout_seconds=60, backends_timeout_seconds=5)
    wait_for_address.fn(config, reserved)

    with pytest.raises(NotReadyInTime) as caught:
        wait_for_backends.fn(config)

    assert caught.value.resource == f"backends of ingress {world.namespace}/{world.service}"
    assert "UNHEALTHY" in caught.value.observed
    assert "9091" in caught.value.observed + caught.value.mend


def test_a_chain_that_is_not_programmed_yet_is_told_by_its_missing_link(world: World) -> None:
    api = compute.api(world.config())

    nothing = load_balancer.walk(api, {})
    no_rule = load_balancer.walk(api, {"ingress.kubernetes.io/https-forwarding-rule": "k8s2-fs-x"})

    assert "no annotation https-forwarding-rule" in str(nothing)
    assert "forwardingRules/k8s2-fs-x does not exist yet" in str(no_rule)


# --- Google's certificate --------------------------------------------------------------------------------------------

GOOGLE = {"certificate_mode": "google-managed"}


def test_a_google_managed_certificate_is_waited_for_until_compute_calls_it_active(world: World, build: Build) -> None:
    config, reserved = build(**GOOGLE, dns_managed_zone="sandbox-zone")

    issued = wait_for_certificate.fn(config, reserved)

    assert (issued.state, issued.domains) == ("ACTIVE", (world.domain,))
    assert issued.compute_name.startswith("mcrt-")


def test_a_record_that_points_elsewhere_ends_the_wait_with_where_it_should(world: World, build: Build) -> None:
    world.record("A", "192.0.2.1")
    config, reserved = build(**GOOGLE)

    with pytest.raises(ResourceFailed) as caught:
        wait_for_certificate.fn(config, reserved)

    assert caught.value.layer == "dns"
    assert "192.0.2.1" in caught.value.observed
    assert reserved in caught.value.mend


def test_a_record_that_is_missing_is_waited_for(world: World, build: Build) -> None:
    config, reserved = build(**GOOGLE)
    made = threading.Timer(1.0, lambda: world.record("A", reserved))
    made.start()

    assert wait_for_certificate.fn(config, reserved).state == "ACTIVE"
    made.join()


def test_a_caa_record_that_forbids_google_ends_the_wait(world: World, build: Build) -> None:
    config, reserved = build(**GOOGLE, dns_managed_zone="sandbox-zone", seconds=60)
    world.faults.arm("certificate-status", domain=world.domain, status="FAILED_CAA_FORBIDDEN")
    world.cluster.delete(kubernetes.MANAGED_CERTIFICATE, world.namespace, f"{world.service}-tls")
    eventually(
        lambda: world.cluster.read(kubernetes.MANAGED_CERTIFICATE, world.namespace, f"{world.service}-tls") is None
    )
    apply_managed_certificate.fn(config)

    with pytest.raises(ResourceFailed) as caught:
        wait_for_certificate.fn(config, reserved)

    assert "CAA" in caught.value.observed.upper() + caught.value.mend.upper()


def test_a_certificate_that_google_does_not_issue_in_time_is_told(world: World, build: Build) -> None:
    world.faults.arm("certificate-stuck")
    config, reserved = build(**GOOGLE, dns_managed_zone="sandbox-zone", seconds=5)

    with pytest.raises(NotReadyInTime, match="PROVISIONING"):
        wait_for_certificate.fn(config, reserved)


def test_a_controller_that_does_nothing_is_told_with_where_to_look(world: World, build: Build) -> None:
    world.faults.arm("managed-certificate-controller-off")
    config, reserved = build(**GOOGLE, seconds=1)

    with pytest.raises(NotReadyInTime) as caught:
        wait_for_certificate.fn(config, reserved)

    assert "has no Compute certificate yet" in caught.value.observed
    assert f"describe managedcertificate {world.service}-tls" in caught.value.mend


# --- what is seen on the way -----------------------------------------------------------------------------------------


def test_a_wait_is_seen_in_the_journal(world: World, build: Build, journal: Journal) -> None:
    world.faults.arm("controller-off")
    config, reserved = build(seconds=1)

    with pytest.raises(NotReadyInTime):
        wait_for_address.fn(config, reserved)

    step = journal.steps["wait-for-address"]
    assert step.state == "failed"
    assert "has no address" in step.observed
    assert progress.current() is journal


def test_a_certificate_that_the_load_balancer_refuses_is_told_by_the_controller(world: World, build: Build) -> None:
    """Replaced by hand after our check: the upload fails, and the controller says so."""
    world.faults.arm("controller-off")
    config, reserved = build(seconds=30)
    now = dt.datetime.now(dt.UTC)
    one, other = (certificates.self_signed([world.domain], 30, now) for _ in range(2))
    broken = {
        "tls.crt": base64.b64encode(one.certificate_pem).decode(),
        "tls.key": base64.b64encode(other.key_pem).decode(),
    }
    world.patch(kubernetes.SECRET, {"data": broken}, name=f"{world.service}-tls")
    world.faults.clear()

    with pytest.raises(ResourceFailed) as caught:
        wait_for_backends.fn(config)

    assert caught.value.layer == "certificate"
    assert reserved
