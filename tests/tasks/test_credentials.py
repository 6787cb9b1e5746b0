"""Credentials last: a token that dies or is revoked in the middle is noticed by nobody, whatever it came from."""

import base64
import datetime as dt
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials as UserCredentials

from sandbox.stack import CLUSTER, DNS_ZONE, LOCATION
from tasks.backend_config import apply_backend_config
from tasks.clients import cloud_dns, compute, google, kubernetes
from tasks.clients.lasting import Credentials
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import AccessRefused, NotReadyInTime, Unreachable
from tasks.core.progress import Journal
from tasks.frontend_config import apply_frontend_config
from tasks.global_address import reserve_address
from tasks.ingress import apply_ingress, wait_for_address
from tasks.load_balancer import wait_for_backends
from tasks.milvus_release import apply_milvus_release
from tasks.milvus_rollout import wait_for_rollout
from tasks.tls_secret import make_tls_secret
from tests.tasks.world import World
from tests.waiting import eventually

Json = dict[str, Any]
BY_NAME = {"gke_cluster": CLUSTER, "gke_location": LOCATION}

TOKEN_SECONDS, WAIT_SECONDS = 3.0, 8.0
LONG_SECONDS = 600.0
"""Enough for Helm, whose child is given one token for all it does."""


@pytest.fixture(autouse=True)
def no_kept_clients() -> Iterator[None]:
    """Each test logs in by itself, and leaves no token of a few seconds to the next one."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for kept in (kubernetes._cluster, compute._client, google._default_of):
        kept.cache_clear()


def granted(world: World) -> int:
    """How many tokens Google has handed out."""
    return len(world.stack.compute.granted_tokens())


# --- in the middle of a wait -----------------------------------------------------------------------------------------


@pytest.fixture
def plugin(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig whose user logs in by a program, as GKE's do; its tokens are the metadata server's."""
    program = tmp_path / "gke-plugin"
    program.write_text(f"""#!{sys.executable} -SE
import datetime, json, urllib.request
url = "{world.stack.compute.url}/computeMetadata/v1/instance/service-accounts/default/token"
asked = urllib.request.Request(url, headers={{"Metadata-Flavor": "Google"}})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
answer = json.load(opener.open(asked))
end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=answer["expires_in"])
status = {{"token": answer["access_token"], "expirationTimestamp": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}
version = "client.authentication.k8s.io/v1beta1"
print(json.dumps({{"apiVersion": version, "kind": "ExecCredential", "status": status}}))
with open("{tmp_path}/runs", "a") as runs: runs.write("x")
""")
    program.chmod(stat.S_IRWXU)
    document = yaml.safe_load(world.stack.kubeconfig.read_text())
    how = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": str(program), "interactiveMode": "Never"}
    document["users"][0]["user"] = {"exec": how}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return tmp_path


@pytest.fixture
def pod(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mounted volume of a Pod's service account, and an environment that points at it."""
    from kubernetes.config import incluster_config

    cluster = yaml.safe_load(world.stack.kubeconfig.read_text())["clusters"][0]["cluster"]
    host, _, port = cluster["server"].removeprefix("https://").partition(":")
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    # The mount's place is fixed, and no test may write there.
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG")
    return tmp_path


class Kubelet:
    """Writes tokens into the volume: a long-lived one, then new ones whenever most of the old one's life is over."""

    def __init__(self, world: World, volume: Path) -> None:
        self.written: list[str] = []
        self._world, self._volume, self._over = world, volume, threading.Event()
        self._thread = threading.Thread(target=self._rotate)
        self._write(LONG_SECONDS)

    def rotate(self) -> None:
        """From now on."""
        self._write(TOKEN_SECONDS)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _rotate(self) -> None:
        while not self._over.wait(TOKEN_SECONDS * 0.8):
            self._write(TOKEN_SECONDS)

    def _write(self, seconds: float) -> None:
        self.written.append(self._world.stack.compute.access_token("pod", seconds))
        partial = self._volume / "token.new"
        partial.write_text(self.written[-1])
        partial.replace(self._volume / "token")


@pytest.fixture
def kubelet(world: World, pod: Path) -> Iterator[Kubelet]:
    made = Kubelet(world, pod)
    yield made
    made.stop()


def ingress_that_waits(world: World, config: LoadBalancerConfig) -> str:
    """Everything up to the Ingress, which nobody serves for a while; returns the reserved address."""
    world.install()
    apply_milvus_release.fn(config)
    apply_backend_config.fn(config)
    apply_frontend_config.fn(config)
    make_tls_secret.fn(config)
    address = reserve_address.fn(config).address
    wait_for_rollout.fn(config)
    apply_ingress.fn(config)
    return address


def served_later(world: World, fault: str) -> threading.Timer:
    """Switch the fault off when every token of now is long dead."""
    timer = threading.Timer(WAIT_SECONDS, world.faults.clear, [fault])
    timer.start()
    return timer


@pytest.fixture
def no_trace(journal: Journal) -> Iterator[None]:
    """What the waits saw, all of it, speaks of no credentials and of no server that did not answer."""
    seen: list[str] = []
    journal.listeners.append(lambda _journal, step: seen.append(step.observed))
    for step in ("wait_for_address", "wait_for_backends"):
        journal.begin(step)
    yield
    told = [text for text in seen if text]
    assert told, "the wait saw nothing"
    assert not [text for text in told if "credential" in text or "did not answer" in text or "oken" in text], told


@pytest.mark.slow
@pytest.mark.usefixtures("no_trace")
def test_a_google_token_that_dies_in_a_wait_is_not_noticed_on_either_api(world: World) -> None:
    """Service-account key, cluster by its name: the same tokens go to GKE, Kubernetes, Compute and Cloud DNS."""
    world.faults.arm("controller-off")
    config = world.config(**BY_NAME, address_timeout_seconds=60, backends_timeout_seconds=10)
    address = ingress_that_waits(world, config)
    world.faults.arm("short-tokens", seconds=TOKEN_SECONDS)
    _forget()
    before, refused = granted(world), world.stack.compute.request_counts("").get("refused", 0)
    begun = time.monotonic()

    timer = served_later(world, "controller-off")
    assert wait_for_address.fn(config, address) == address
    timer.join()
    between, halfway = granted(world), time.monotonic()
    # Nothing answers behind this release, so the wait is asked of Compute until its deadline, and ends for that alone.
    with pytest.raises(NotReadyInTime, match="1 UNHEALTHY"):
        wait_for_backends.fn(config)

    # Three seconds, renewed in their last quarter: three or four in eight seconds, however many requests there were.
    assert 2 <= between - before <= _renewals(halfway - begun)
    assert 2 <= granted(world) - between <= _renewals(time.monotonic() - halfway)
    assert world.stack.compute.request_counts("").get("refused", 0) == refused
    _release(world, config)


@pytest.mark.slow
@pytest.mark.usefixtures("no_trace")
def test_a_plugins_token_that_dies_in_a_wait_is_not_noticed(world: World, plugin: Path) -> None:
    world.faults.arm("controller-off")
    config = world.config(address_timeout_seconds=60)
    address = ingress_that_waits(world, config)
    world.faults.arm("short-tokens", seconds=TOKEN_SECONDS)
    _forget()
    before, begun = len((plugin / "runs").read_text()), time.monotonic()

    timer = served_later(world, "controller-off")
    assert wait_for_address.fn(config, address) == address
    timer.join()

    runs = len((plugin / "runs").read_text()) - before
    # One a second at most before its end is heard from the server, and one for each such end.
    assert 2 <= runs <= 1.5 * (1 + time.monotonic() - begun)
    _release(world, config)


@pytest.mark.slow
@pytest.mark.usefixtures("no_trace")
def test_a_pods_token_that_is_rotated_in_a_wait_is_not_noticed(world: World, kubelet: Kubelet) -> None:
    world.faults.arm("controller-off")
    config = world.config(address_timeout_seconds=60)
    address = ingress_that_waits(world, config)
    kubelet.rotate()
    _forget()
    before = len(kubelet.written)

    timer = served_later(world, "controller-off")
    assert wait_for_address.fn(config, address) == address
    timer.join()

    assert len(kubelet.written) - before >= 3
    assert not world.stack.compute.user_of(kubelet.written[before - 1]), "it did not die"
    _release(world, config)


def _renewals(seconds: float) -> float:
    """The most tokens that anybody asks for in this time who renews each in its last quarter, two to begin with."""
    return 2 + seconds / (TOKEN_SECONDS * 0.75)


def _release(world: World, config: LoadBalancerConfig) -> None:
    """Take the load balancer away, then its address."""
    world.faults.clear()
    world.cluster.delete(kubernetes.INGRESS, world.namespace, world.service)
    eventually(lambda: world.cluster.read(kubernetes.INGRESS, world.namespace, world.service) is None)
    compute.api(config).delete("addresses", config.address)


def test_a_watch_outlives_its_token(world: World) -> None:
    """An API server looks at the token when a watch begins; the next watch begins with another one."""
    world.faults.arm("short-tokens", seconds=1.0)
    cluster = kubernetes.cluster(world.config(**BY_NAME))
    world.write({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen"}, "data": {"a": "1"}})
    wake = threading.Event()

    with cluster.wake_on_change(kubernetes.CONFIG_MAP, world.namespace, "seen", wake):
        assert wake.wait(5), "the watch did not begin"
        old = world.stack.compute.granted_tokens()[-1]
        eventually(lambda: not world.stack.compute.user_of(old))
        wake.clear()
        world.patch(kubernetes.CONFIG_MAP, {"data": {"a": "2"}}, name="seen")
        assert wake.wait(1), "the watch did not see the change"


# --- refused before its time -----------------------------------------------------------------------------------------


def _read_service(world: World, config: LoadBalancerConfig) -> None:
    assert kubernetes.cluster(config).read(kubernetes.SERVICE, world.namespace, "none") is None


def _create_secret(world: World, config: LoadBalancerConfig) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": world.namespace, "name": "made-once"}}
    assert kubernetes.cluster(config).create(secret, kubernetes.SECRET) is not None, "the write was made twice"


def _read_address(world: World, config: LoadBalancerConfig) -> None:
    assert compute.api(config).get("addresses", f"none-{world.number}") is None


def _read_zone(world: World, config: LoadBalancerConfig) -> None:
    assert cloud_dns.zone(config.model_copy(update={"dns_managed_zone": DNS_ZONE}))


EVERY_API = pytest.mark.parametrize(
    "ask",
    [
        pytest.param(_read_service, id="a read from Kubernetes"),
        pytest.param(_create_secret, id="a write to Kubernetes"),
        pytest.param(_read_address, id="Compute"),
        pytest.param(_read_zone, id="Cloud DNS"),
    ],
)
Ask = Callable[[World, LoadBalancerConfig], None]


@EVERY_API
def test_a_token_that_is_revoked_is_replaced_by_one_new_one(world: World, ask: Ask) -> None:
    config = world.config(**BY_NAME)
    kubernetes.cluster(config)
    before = granted(world)
    world.faults.arm("token-revoked", times=1)

    ask(world, config)

    assert "token-revoked" not in world.faults.armed()
    assert granted(world) == before + 1


@EVERY_API
def test_credentials_that_stay_refused_are_an_error_and_no_endless_loop(world: World, ask: Ask) -> None:
    config = world.config(**BY_NAME)
    kubernetes.cluster(config)
    before = granted(world)
    world.faults.arm("token-revoked")

    with pytest.raises(AccessRefused) as caught:
        ask(world, config)

    assert "credentials" in caught.value.observed
    assert "log in" in caught.value.mend.lower()
    # google-auth's session tries twice, our own client of Kubernetes once.
    assert granted(world) - before <= 2


def test_what_is_handed_on_to_helm_was_accepted_just_before(world: World) -> None:
    cluster = kubernetes.cluster(world.config(**BY_NAME))
    cluster.version()
    world.faults.arm("token-revoked", times=1)

    cluster.prove_access()
    given = cluster.kubeconfig("default")["users"][0]["user"]["token"]

    assert world.stack.compute.user_of(given)


def test_a_gke_api_that_refuses_a_revoked_token_is_asked_again(world: World) -> None:
    google.token()
    world.faults.arm("token-revoked", times=1)

    _read_service(world, world.config(**BY_NAME))

    assert "token-revoked" not in world.faults.armed()


def test_one_thread_renews_for_all(world: World) -> None:
    config = world.config(**BY_NAME)
    cluster = kubernetes.cluster(config)
    cluster.version()
    before = granted(world)
    world.faults.arm("token-revoked", times=1)

    with ThreadPoolExecutor(8) as pool:
        for asked in [pool.submit(_read_service, world, config) for _ in range(8)]:
            asked.result()

    assert granted(world) == before + 1


def test_a_plugin_is_run_again_when_its_token_is_revoked(world: World, plugin: Path) -> None:
    config = world.config()
    _read_service(world, config)
    before = len((plugin / "runs").read_text())
    world.faults.arm("token-revoked", times=1)

    _read_service(world, config)

    assert "token-revoked" not in world.faults.armed()
    assert len((plugin / "runs").read_text()) == before + 1


def test_a_plugin_that_fails_is_told_with_its_name(world: World, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (plugin / "gke-plugin").write_text("#!/bin/sh\nexit 3\n")

    with pytest.raises(AccessRefused) as caught:
        kubernetes.cluster(world.config())

    assert "gke-plugin gives no credentials" in caught.value.observed
    monkeypatch.setenv("KUBECONFIG", str(world.stack.kubeconfig))


def test_a_kubeconfig_that_gcloud_has_written_anew_is_read_anew(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as by `get-credentials` in another window, while a run waits."""
    document = yaml.safe_load(world.stack.kubeconfig.read_text())
    old = world.stack.compute.access_token("somebody", 0.5)
    file = tmp_path / "kubeconfig"
    good = document["users"][0]["user"]["token"]
    document["users"][0]["user"]["token"] = old
    file.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("KUBECONFIG", str(file))
    _read_service(world, world.config())
    eventually(lambda: not world.stack.compute.user_of(old))
    with pytest.raises(AccessRefused, match="does not accept our credentials"):
        _read_service(world, world.config())

    document["users"][0]["user"]["token"] = good
    file.write_text(yaml.safe_dump(document))

    _read_service(world, world.config())


def test_a_pods_token_is_read_at_every_request(world: World, pod: Path) -> None:
    (pod / "token").write_text(first := world.stack.compute.access_token("pod", 0.5))
    config = world.config()
    _read_service(world, config)
    (pod / "token").write_text(second := world.stack.compute.access_token("pod"))
    eventually(lambda: not world.stack.compute.user_of(first))

    _read_service(world, config)

    kubernetes.cluster(config).prove_access()
    assert kubernetes.cluster(config).kubeconfig("default")["users"][0]["user"]["token"] == second


def test_what_is_handed_on_to_helm_lives_as_long_as_can_be_had(world: World) -> None:
    """Helm cannot renew its token, so it gets no old one."""
    world.faults.arm("short-tokens", seconds=200.0)
    cluster = kubernetes.cluster(world.config(**BY_NAME))
    world.faults.clear("short-tokens")

    cluster.prove_access()
    given = cluster.kubeconfig("default")["users"][0]["user"]["token"]
    cluster.prove_access()
    again = cluster.kubeconfig("default")["users"][0]["user"]["token"]

    assert given == world.stack.compute.granted_tokens()[-1] == again


# --- where the tokens come from --------------------------------------------------------------------------------------


def test_a_persons_login_is_renewed_too(world: World) -> None:
    """A refresh token, as `gcloud auth application-default login` leaves it."""
    facts = world.stack.compute.authorized_user()
    facts.pop("type")
    person = Credentials(UserCredentials(None, quota_project_id="billed", **facts))  # type: ignore[no-untyped-call]
    world.faults.arm("short-tokens", seconds=1.0)
    before = granted(world)
    url = f"{world.stack.compute.url}/compute/v1/projects/{world.stack.compute.project}"

    with AuthorizedSession(person) as session:  # type: ignore[no-untyped-call]
        answers = [session.get(url)]
        eventually(lambda: not world.stack.compute.user_of(str(person.token)))
        answers.append(session.get(url))

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].request.headers["x-goog-user-project"] == "billed"
    assert granted(world) == before + 2


_ON_GKE = """
import sys, time
from tasks.clients import compute, kubernetes
from tasks.core.config import LoadBalancerConfig
config = LoadBalancerConfig.parse({"domain": "m.example", "gke_cluster": sys.argv[1], "gke_location": sys.argv[2]})
until = time.monotonic() + 4
while time.monotonic() < until:
    assert kubernetes.cluster(config).read(kubernetes.SERVICE, "default", "none") is None
    assert compute.api(config).get("addresses", "none") is None
    time.sleep(0.1)
print(compute.project(config))
"""


def test_workload_identity_is_enough(world: World, tmp_path: Path) -> None:
    """No key and no kubeconfig: project and tokens are the metadata server's, which gives one again while it is good.

    A process of its own, since google-auth reads the address of the metadata server when it is imported.
    """
    host = world.stack.compute.url.removeprefix("http://")
    environment = {name: value for name, value in world.stack.env.items() if "ENDPOINT" in name}
    environment |= {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": str(tmp_path), "NO_PROXY": "*"}
    environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    world.faults.arm("short-tokens", seconds=2.0)
    before = granted(world)

    ran = subprocess.run(
        [sys.executable, "-c", _ON_GKE, CLUSTER, LOCATION],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == world.stack.compute.project
    assert 2 <= granted(world) - before <= 5


# --- the rule itself -------------------------------------------------------------------------------------------------


class Source:
    """Credentials of google-auth's shape: a token for some seconds, or a refusal."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.refreshes = seconds, 0
        self.failure: Exception | None = None
        self.token: str | None = None
        self.expiry: dt.datetime | None = None

    def refresh(self, _request: object) -> None:
        if self.failure is not None:
            raise self.failure
        self.refreshes += 1
        self.token = f"token-{self.refreshes}"
        self.expiry = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(seconds=self.seconds)

    def apply(self, headers: dict[str, str], _token: str | None = None) -> None:
        headers["authorization"] = f"Bearer {self.token}"


def sent(credentials: Credentials) -> str:
    headers: dict[str, str] = {}
    credentials.before_request(None, "GET", "https://example", headers)
    return headers["authorization"]


def test_a_token_of_an_hour_is_asked_for_once() -> None:
    source = Source(3600)
    credentials = Credentials(source)

    assert {sent(credentials) for _ in range(5)} == {"Bearer token-1"}
    assert source.refreshes == 1


def test_a_token_is_renewed_in_the_last_quarter_of_a_short_life() -> None:
    source = Source(0.4)
    credentials = Credentials(source)
    first = sent(credentials)
    time.sleep(0.33)

    assert (first, sent(credentials)) == ("Bearer token-1", "Bearer token-2")


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(TransportError("no route"), id="no answer"),  # type: ignore[no-untyped-call]
        pytest.param(RefreshError("try again", retryable=True), id="503"),  # type: ignore[no-untyped-call]
    ],
)
def test_a_good_token_is_used_on_while_the_endpoint_is_away(failure: Exception) -> None:
    """It is asked early enough to be forgiven."""
    source = Source(0.8)
    credentials = Credentials(source)
    first = sent(credentials)
    source.failure = failure
    time.sleep(0.65)
    while_away = sent(credentials)
    time.sleep(0.2)

    assert while_away == first
    with pytest.raises(TransportError):
        sent(credentials)


def test_an_endpoint_that_is_away_may_come_back_and_one_that_refuses_will_not(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    facts = world.stack.compute.credentials()
    for name, uri in (("away", "http://127.0.0.1:9/token"), ("refusing", facts["token_uri"])):
        (tmp_path / name).write_text(json.dumps(facts | {"token_uri": uri}))
    other = json.loads((tmp_path / "refusing").read_text()) | {"client_email": "another@sandbox"}
    (tmp_path / "refusing").write_text(json.dumps(other))

    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "away"))
    with pytest.raises(Unreachable):
        google.token()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "refusing"))
    with pytest.raises(AccessRefused, match="Invalid JWT Signature"):
        google.token()
