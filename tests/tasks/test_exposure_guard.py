"""The guard against real servers: a Milvus with and without passwords, plain HTTP, and Compute's allow-lists."""

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymilvus import MilvusClient

from sandbox.milvus.server import MilvusServer
from tasks import exposure
from tasks.backend_config import apply_backend_config
from tasks.clients import compute, doors, kubernetes, settings
from tasks.clients.doors import Unreachable
from tasks.core import annotations, status
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ExposureRefused
from tasks.core.exposure import MANAGEMENT_PATHS, Received
from tasks.core.progress import Journal
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.milvus_release import apply_milvus_release
from tasks.tls_secret import make_tls_secret
from tests.tasks.small_servers import SmallMilvus, answering, grpc_server, tcp_server, tls_server
from tests.tasks.world import World
from tests.waiting import eventually

LOOPBACK, DOMAIN = "127.0.0.1", "milvus.example.com"
STRANGER = "127.0.66.1"
"""Another address of this machine."""
AUTHORIZATION = "common: {security: {authorizationEnabled: true}}\n"


def results(found: list[Check]) -> dict[str, Result]:
    return {check.name: check.result for check in found}


# --- a real Milvus --------------------------------------------------------------------------------------------------


@contextmanager
def a_milvus(home: Path, user_yaml: str) -> Iterator[MilvusServer]:
    server = MilvusServer("guarded", home, user_yaml=user_yaml)
    try:
        server.start()
        server.process.wait_until_ready(server.healthy, timeout_seconds=60)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    """A Milvus that asks for a password, and still has the one it came with."""
    with a_milvus(tmp_path_factory.mktemp("guarded"), AUTHORIZATION) as server:
        yield server


@pytest.mark.slow
def test_a_milvus_as_it_comes_lets_everybody_in(tmp_path: Path) -> None:
    with a_milvus(tmp_path, "") as server:
        anonymous, root = doors.knock_either_way(LOOPBACK, server.grpc_port)

        assert (anonymous.received, root.received) == (Received.LET_IN, Received.LET_IN)
        assert set(doors.management_at(LOOPBACK, server.metrics_port)) == set(MANAGEMENT_PATHS)


@pytest.mark.slow
def test_a_milvus_with_passwords_lets_root_in_until_that_one_is_changed(guarded: MilvusServer) -> None:
    client = MilvusClient(f"http://{LOOPBACK}:{guarded.grpc_port}", token="root:Milvus")

    before = doors.knock_either_way(LOOPBACK, guarded.grpc_port)
    client.update_password("root", "Milvus", "an0ther-horse")
    after = doors.knock_either_way(LOOPBACK, guarded.grpc_port)

    client.close()
    assert [door.received for door in before] == [Received.TURNED_AWAY, Received.LET_IN]
    assert [door.received for door in after] == [Received.TURNED_AWAY, Received.TURNED_AWAY]


# --- doors ----------------------------------------------------------------------------------------------------------


def test_a_milvus_that_speaks_tls_is_asked_too() -> None:
    """Certificates are not judged: whoever is about to attack does not, either."""
    milvus = SmallMilvus()
    milvus.token = "root:Milvus"
    with grpc_server(milvus) as port:
        anonymous, root = doors.knock_either_way(LOOPBACK, port)

    assert (anonymous.received, root.received) == (Received.TURNED_AWAY, Received.LET_IN)
    assert "auth check failure" in anonymous.seen


def test_an_error_of_the_load_balancer_tells_nothing_of_milvus() -> None:
    with tls_server(alpn=["h2"], handle=answering("502")) as port:
        anonymous, _ = doors.knock(LOOPBACK, port, DOMAIN, secure=True)

    assert (anonymous.received, anonymous.seen) == (Received.UNKNOWN, "HTTP 502")


def test_a_call_comes_from_the_address_that_is_named() -> None:
    seen: list[str] = []

    def note(secured: ssl.SSLSocket) -> None:
        seen.append(secured.getpeername()[0])
        answering("403")(secured)

    with tls_server(alpn=["h2"], handle=note) as port:
        knock = doors.knock_from(STRANGER, LOOPBACK, port, DOMAIN)

    assert (seen, knock.answer and knock.answer.status) == ([STRANGER], 403)


def test_nobody_comes_from_an_address_that_this_machine_does_not_have() -> None:
    with tls_server(alpn=["h2"], handle=answering("403")) as port:
        knock = doors.knock_from("198.51.100.7", LOOPBACK, port, DOMAIN)

    assert (knock.answer, knock.why.startswith("this machine has no such address")) == (None, True)


@pytest.mark.parametrize(
    ("handle", "why"),
    [(lambda secured: None, "no connection reaches"), (answering("200"), "")],
    ids=["it is cut", "it is answered"],
)
def test_a_call_that_does_not_get_through_is_told(handle: Callable[[ssl.SSLSocket], None], why: str) -> None:
    with tls_server(alpn=["h2"], handle=handle) as port:
        knock = doors.knock_from(STRANGER, LOOPBACK, port, DOMAIN)

    assert (knock.answer is None, why in knock.why) == (bool(why), True)


def test_a_port_that_speaks_neither_cannot_be_asked() -> None:
    with tcp_server(lambda plain: plain.sendall(b"SSH-2.0-x\r\n")) as port, pytest.raises(Unreachable):
        doors.knock_either_way(LOOPBACK, port)


class Page(http.server.BaseHTTPRequestHandler):
    """A web server that redirects, or serves what it is told."""

    status, location, body = 200, "", b"hello"

    def do_GET(self) -> None:
        self.send_response(self.status)
        if self.location:
            self.send_header("Location", self.location)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


@contextmanager
def web_server(**what: Any) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), type("Served", (Page,), what))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_redirect_is_seen_and_not_followed() -> None:
    with web_server(status=301, location=f"https://{DOMAIN}/") as port:
        answer = doors.plain_get(LOOPBACK, port, DOMAIN)

    assert answer is not None
    assert (answer.status, answer.headers["location"]) == (301, f"https://{DOMAIN}/")


def test_a_port_that_takes_connections_and_says_nothing_is_no_management_port() -> None:
    """Google's front ends take connections at ports that no forwarding rule has."""
    with tcp_server(lambda plain: None) as port:
        assert doors.management_at(LOOPBACK, port) == []
        assert doors.plain_get(LOOPBACK, port, DOMAIN) is None


def test_a_page_that_only_looks_alive_is_no_management_port() -> None:
    with web_server(body=b"ok") as port:
        assert doors.management_at(LOOPBACK, port) == []


# --- before it is published -----------------------------------------------------------------------------------------


def user_yaml(text: str) -> dict[str, Any]:
    return {"extraConfigFiles": {"user.yaml": text}}


def test_without_anybody_to_ask_the_settings_of_the_release_are_judged(world: World) -> None:
    world.install(**user_yaml(AUTHORIZATION))

    found = exposure.before_publishing(world.config(open_milvus_reason=""), world.cluster)

    assert results(found) == {"AnonymousAccessCheck": Result.PASSED, "DefaultPasswordCheck": Result.SKIPPED}
    assert "authorizationEnabled is true" in found[0].observed


def test_a_release_as_it_comes_is_not_published(world: World) -> None:
    world.install()

    anonymous, _ = exposure.before_publishing(world.config(open_milvus_reason=""), world.cluster)

    assert anonymous.ends_the_run
    assert anonymous.resource == f"service {world.namespace}/{world.service}"


def test_a_reason_lets_an_open_release_pass_and_is_quoted(world: World) -> None:
    world.install()

    anonymous, _ = exposure.before_publishing(world.config(open_milvus_reason="no data in it"), world.cluster)

    assert (anonymous.result, anonymous.ends_the_run) == (Result.FAILED, False)
    assert "no data in it" in anonymous.observed


def test_a_release_that_is_not_there_is_nobodys_to_judge(world: World) -> None:
    found = exposure.before_publishing(world.config(), world.cluster)

    assert set(results(found).values()) == {Result.SKIPPED}


@pytest.mark.parametrize("token", ["", "root:Milvus", "root:an0ther-horse"], ids=["open", "default", "changed"])
def test_who_answers_at_the_layer_4_address_is_asked_whatever_the_settings_say(world: World, token: str) -> None:
    """A setting that has not reached the Pods is worth nothing (milvus-io/milvus#26084)."""
    world.install(**user_yaml(AUTHORIZATION))
    milvus = SmallMilvus()
    milvus.token = token
    with grpc_server(milvus) as port:
        service = world.read(kubernetes.SERVICE)
        ports = [{**each, "port": port} if each["name"] == "milvus" else each for each in service["spec"]["ports"]]
        asked = StandIn(world, {**service, "spec": {**service["spec"], "ports": ports}} | at(LOOPBACK))
        found = exposure.before_publishing(world.config(open_milvus_reason=""), asked)  # type: ignore[arg-type]

    expected = {
        "": (Result.FAILED, Result.SKIPPED),
        "root:Milvus": (Result.PASSED, Result.FAILED),
        "root:an0ther-horse": (Result.PASSED, Result.PASSED),
    }[token]
    assert tuple(check.result for check in found) == expected
    assert f"{LOOPBACK}:{port}" in found[0].observed


def at(address: str) -> dict[str, Any]:
    return {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}


class StandIn:
    """The cluster, but for one Service, whose address nobody but GKE can choose."""

    def __init__(self, world: World, service: dict[str, Any]) -> None:
        self._cluster, self._service = world.cluster, service

    def read(self, kind: kubernetes.Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return self._service if kind is kubernetes.SERVICE else self._cluster.read(kind, namespace, name)


# --- through the load balancer --------------------------------------------------------------------------------------

Build = Callable[..., tuple[LoadBalancerConfig, str]]


@pytest.fixture
def build(world: World) -> Iterator[Build]:
    """A load balancer in front of a release without a Milvus process."""

    def make(**changes: Any) -> tuple[LoadBalancerConfig, str]:
        config = world.config(proof_timeout_seconds=1, **changes)
        world.install()
        for step in (apply_milvus_release, apply_backend_config, apply_frontend_config, make_tls_secret):
            step.fn(config)
        address = reserve_address.fn(config).address
        apply_ingress.fn(config)
        eventually(lambda: annotations.HTTPS_FORWARDING_RULE in status.marks(world.read(kubernetes.INGRESS)))
        return config, wait_for_address.fn(config, address)

    yield make
    world.faults.clear()
    world.cluster.delete(kubernetes.INGRESS, world.namespace, world.service)
    eventually(lambda: world.cluster.read(kubernetes.INGRESS, world.namespace, world.service) is None)
    compute.api(world.config()).delete("addresses", world.service)


@pytest.fixture
def offices(world: World) -> str:
    """A Cloud Armor policy."""
    google = Google(world)
    google.call("POST", "securityPolicies", {"name": f"offices-{world.number}"})
    return f"offices-{world.number}"


class Google:
    """Compute, as somebody with every right uses it."""

    def __init__(self, world: World) -> None:
        api = world.stack.compute
        self._base = f"{api.url}/compute/v1/projects/{api.project}/global/"
        self._headers = {"Authorization": f"Bearer {api.access_token('somebody')}"}
        self.project = api.project

    def call(self, method: str, path: str, body: dict[str, Any]) -> None:
        answer = httpx.request(method, self._base + path, json=body, headers=self._headers, trust_env=False)
        assert answer.is_success, answer.text

    def set_policy(self, backend_service: str, policy: str) -> None:
        body = {"securityPolicy": f"projects/{self.project}/global/securityPolicies/{policy}"} if policy else {}
        self.call("POST", f"backendServices/{backend_service}/setSecurityPolicy", body)


def allow_lists(found: list[Check]) -> list[Check]:
    return [check for check in found if check.name == "AllowListCheck"]


def test_the_default_backend_is_among_those_that_are_looked_at(build: Build, journal: Journal) -> None:
    config, address = build()

    found = exposure.guard_exposure.fn(config, address)

    assert len(allow_lists(found)) == 2, "Milvus and GKE's default backend"
    assert {check.result for check in allow_lists(found)} == {Result.PASSED}
    assert results(found)["ManagementPortCheck"] is Result.PASSED
    assert results(found)["PlainHttpCheck"] is Result.PASSED
    assert found == journal.checks


def test_a_policy_that_was_asked_for_is_on_every_backend_service(build: Build, offices: str) -> None:
    config, address = build(security_policy="set", security_policy_name=offices)

    found = eventually(lambda: allow_lists(exposure.judge(config, address)))

    assert [check.observed for check in found] == [f"policy {offices}"] * len(found)


def test_an_allow_list_that_was_lost_ends_the_run(world: World, build: Build, offices: str) -> None:
    """kubernetes/ingress-gce#1508: it vanished, and nobody was told."""
    config, address = build(security_policy="set", security_policy_name=offices)
    name = allow_lists(exposure.judge(config, address))[0].resource.removeprefix("backendServices/")
    world.faults.arm("controller-off")
    Google(world).set_policy(name, "")

    with pytest.raises(ExposureRefused) as caught:
        exposure.guard_exposure.fn(config, address)

    assert (caught.value.layer, caught.value.cause) == ("compute", "AllowList")
    assert "every address is let in" in caught.value.observed
    assert f"--security-policy {offices}" in caught.value.mend


def closed(name: str) -> dict[str, Any]:
    """An allow-list with this machine's usual address alone."""
    return {"name": name, "rules": [a_rule(1000, "allow", LOOPBACK), a_rule(2147483647, "deny(403)", "*")]}


def a_rule(priority: int, action: str, *ranges: str) -> dict[str, Any]:
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}}
    return {"priority": priority, "action": action, "match": match}


def named(found: list[Check], name: str) -> list[tuple[str, str]]:
    return [(check.result.value, check.observed) for check in found if check.name == name]


def test_an_address_that_must_be_refused_is_refused(world: World, build: Build) -> None:
    """By Envoy, from another address of this machine; one that it does not have is not tried."""
    name = f"closed-{world.number}"
    Google(world).call("POST", "securityPolicies", closed(name))
    config, address = build(
        security_policy="set", security_policy_name=name, refused_sources=[STRANGER, "198.51.100.7", STRANGER]
    )

    def refused() -> list[Check]:
        found = exposure.judge(config, address)
        return found if named(found, "AllowListEnforcementCheck")[0][0] == "PASSED" else []

    found = eventually(refused)

    told = named(found, "AllowListEnforcementCheck")
    assert told[0] == ("PASSED", f"{STRANGER} is refused with HTTP 403")
    assert told[1][0] == "SKIPPED"
    assert "198.51.100.7: this machine has no such address" in told[1][1]
    assert len(told) == 2
    assert named(found, "AllowListPolicyCheck") == [("PASSED", "exists, 2 of 2 rules in force")]
    assert named(found, "AllowListOpenCheck") == [("PASSED", "refuses whom its rules do not admit")]


def test_a_policy_that_refuses_nobody_is_told_and_is_no_reason_to_stop(build: Build, offices: str) -> None:
    """Google makes every policy with a rule that lets everybody in."""
    config, address = build(security_policy="set", security_policy_name=offices)

    found = eventually(lambda: checks_of_a_policy_in_force(config, address))

    (advice,) = (check for check in found if check.name == "AllowListOpenCheck")
    assert (advice.result, advice.ends_the_run) == (Result.FAILED, False)
    assert "the default rule (allow *)" in advice.observed
    assert "refused_sources" in named(found, "AllowListEnforcementCheck")[0][1]


def checks_of_a_policy_in_force(config: LoadBalancerConfig, address: str) -> list[Check]:
    found = exposure.judge(config, address)
    return found if {check.result for check in allow_lists(found)} == {Result.PASSED} else []


def test_a_policy_that_is_not_there_or_not_shown_is_told(world: World, build: Build) -> None:
    config, address = build()
    asked = world.config(proof_timeout_seconds=1, security_policy="set", security_policy_name="nobody")

    missing = exposure.judge(asked, address)
    world.faults.arm("compute-forbidden", permission="compute.securityPolicies.get")
    hidden = exposure.judge(asked, address)
    kept = exposure.judge(config, address)

    (check,) = (check for check in missing if check.name == "AllowListPolicyCheck")
    assert (check.ends_the_run, check.resource) == (True, "securityPolicies/nobody")
    assert "gcloud compute security-policies create nobody" in check.mend
    assert named(hidden, "AllowListPolicyCheck")[0][0] == "SKIPPED"
    assert "compute.securityPolicies.get" in named(hidden, "AllowListPolicyCheck")[0][1]
    assert named(kept, "AllowListPolicyCheck") == [], "without a policy there is none to read"


def test_where_compute_does_not_tell_the_allow_list_is_skipped(world: World, build: Build) -> None:
    config, address = build()
    world.faults.arm("compute-forbidden", permission="compute.backendServices.get")

    found = allow_lists(exposure.judge(config, address))

    assert [check.result for check in found] == [Result.SKIPPED]
    assert "compute.backendServices.get" in found[0].observed


def test_port_80_that_is_not_redirected_is_told(world: World, build: Build) -> None:
    config, address = build()
    assert settings.http_port()
    world.patch(
        kubernetes.FRONTEND_CONFIG,
        {"spec": {"redirectToHttps": {"enabled": False}}},
        name=f"{world.release}-frontendconfig",
    )

    def plain() -> Check | None:
        found = next(check for check in exposure.judge(config, address) if check.name == "PlainHttpCheck")
        return found if found.result is Result.FAILED else None

    told = eventually(plain)

    assert not told.ends_the_run, "an error page is no data"
    assert "http=redirect" in told.mend
