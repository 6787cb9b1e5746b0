"""Nothing secret stays anywhere: both certificate modes and two failing runs, then a search through everything.

A real Prefect server with events and SQLite, a real worker as `make up` starts it, a real Milvus with passwords. They
have a home, a folder for temporary files and a PREFECT_HOME of their own; all of it is searched, and while they run
their processes and short-lived files are watched. A flow that leaks on purpose runs among them, so that the search is
shown to find each leak in the very haystack in which it must find nothing else.
"""

import base64
import json
import os
import re
import secrets as random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from kubernetes import client, config
from pymilvus import MilvusClient

from deployments import local, prefect_server
from sandbox.ca import CertificateAuthority
from sandbox.milvus import package
from sandbox.stack import CLUSTER, DNS_ZONE, LOCATION, Stack
from tests.conftest import DOMAIN, QUICK
from tests.security import secrets_search
from tests.security.secrets_search import Find, Secret, Watcher

pytestmark = pytest.mark.slow

WITH_PASSWORDS = {"extraConfigFiles": {"user.yaml": "common:\n  security:\n    authorizationEnabled: true\n"}}
PLANTS = {
    "result": r"/storage/",
    "result, as a number": r"/storage/",
    "log": r"^database log\.message",
    "log, one line": r"^database log\.message",
    "artifact": r"^database artifact\.data",
    "event": r"^database events\.",
    "parameter": r"^database flow_run\.parameters",
    "error": r"^database flow_run_state\.",
    "file": r"/home/packed$",
    "file, deleted at once": r"^short-lived ",
    "arguments": r"^arguments of ",
    "environment": r"^environment of ",
}


@dataclass
class Scene:
    """What the runs left, and what must not be in it."""

    root: Path
    states: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    hay: dict[str, bytes] = field(default_factory=dict)
    planted: dict[str, Secret] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)

    @property
    def prefect_home(self) -> Path:
        return self.root / "state" / "prefect"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("cloud"), latency="zero", values=WITH_PASSWORDS) as running:
        yield running


@pytest.fixture(scope="module")
def scene(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """All runs, one after the other; everything is stopped before it is looked at."""
    root = tmp_path_factory.mktemp("secrecy")
    found = Scene(root)
    folders = {name: root / name for name in ("home", "tmp", "state", "run", "outside")}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    watcher = Watcher(
        mark=f"HOME={folders['home']}",
        short_lived=folders["tmp"],
        kept=root / "kept",
        roots=(folders["home"], folders["tmp"], folders["state"], folders["run"], root / "kept", stack.directory),
    )
    # The sandbox's unpacked Milvus is no product of a run, and nobody wants 250 MB more of it.
    cache = package.cache_directory().parent
    (folders["home"] / "xdg_cache_home").mkdir(mode=0o700)
    (folders["home"] / "xdg_cache_home" / cache.name).symlink_to(cache)
    with pytest.MonkeyPatch.context() as patch, watcher:
        patch.setenv("HOME", str(folders["home"]))
        patch.setenv("TMPDIR", str(folders["tmp"]))
        patch.setenv("XDG_RUNTIME_DIR", str(folders["run"]))
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folders["home"] / name.lower()))
        _run_everything(stack, found, folders["state"], folders["outside"])
    found.elsewhere = watcher.elsewhere
    for name in ("home", "tmp", "state", "run"):
        found.hay |= secrets_search.files(folders[name])
    found.hay |= secrets_search.database(found.prefect_home / "prefect.db") | watcher.seen()
    return found


def _run_everything(stack: Stack, found: Scene, state: Path, outside: Path) -> None:
    api = client.CoreV1Api(config.new_client_from_config(str(stack.kubeconfig)))  # type: ignore[no-untyped-call]
    password, wrong = random.token_urlsafe(24), random.token_urlsafe(24)
    _set_password(api, stack, password)
    _secret(api, "milvus-login", {"username": "root", "password": password})
    _secret(api, "milvus-wrong", {"username": "root", "password": wrong})
    foreign = CertificateAuthority().issue(DOMAIN)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pair = {"tls.crt": foreign.certificate_pem.decode(), "tls.key": _pem(other)}
    _secret(api, "not-a-pair", pair, "kubernetes.io/tls")
    found.secrets = {
        "Milvus password": secrets_search.text("Milvus password", password),
        "wrong Milvus password": secrets_search.text("wrong Milvus password", wrong),
        "key that does not fit": secrets_search.private_key("key that does not fit", _pem(other).encode()),
    }
    login = {"milvus_credentials_secret": "milvus-login", "proof_timeout_seconds": 120}
    by_name = {"gke_cluster": CLUSTER, "gke_location": LOCATION}
    runs: dict[str, dict[str, Any]] = {
        "self-managed": {"certificate_mode": "self-managed"} | login,
        "google-managed": {"certificate_mode": "google-managed", "dns_managed_zone": DNS_ZONE} | login | by_name,
        "keys that are no pair": {"certificate_mode": "existing-secret", "certificate_secret": "not-a-pair"} | login,
        "wrong password": login | {"milvus_credentials_secret": "milvus-wrong", "proof_timeout_seconds": 5},
    }
    server, url = local.start_server(state)
    try:
        variables = {**stack.env, **prefect_server.environment(state / "prefect", url)}
        local.prepare(variables)
        worker = local.start_worker(state, variables)
        try:
            with httpx.Client(base_url=url + "/", timeout=30) as prefect:
                for name, parameters in runs.items():
                    _run(prefect, found, name, parameters)
                    _note_keys(api, found)
                found.planted = _leak(variables, outside)
                _await_the_last(prefect)
        finally:
            prefect_server.stop(worker)
    finally:
        prefect_server.stop(server)
    _note_tokens(stack, found)


def _run(prefect: httpx.Client, found: Scene, name: str, parameters: dict[str, Any]) -> None:
    deployment = local._call(prefect, "GET", "deployments/name/provision/provision")["id"]
    body = {"parameters": {"domain": DOMAIN} | QUICK | parameters}
    run = local._call(prefect, "POST", f"deployments/{deployment}/create_flow_run", body)
    found.states[name] = local._await(prefect, run["id"])["type"]
    filters = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}, "key": {"like_": "milvus-l7-report-json"}}}
    data = next((each["data"] for each in local._call(prefect, "POST", "artifacts/filter", filters)), "{}")
    report = json.loads(data.strip().removeprefix("```json").removesuffix("```"))
    found.verdicts[name] = report.get("verdict", "") if not report.get("error") else report["error"]["observed"]


def _await_the_last(prefect: httpx.Client) -> None:
    """What the leaking flow did last has come to the database: its event, by another way than the rest."""
    filters = {"filter": {"event": {"name": ["leak"]}}}
    deadline = time.monotonic() + 60
    while not local._call(prefect, "POST", "events/filter", filters)["events"]:
        assert time.monotonic() < deadline, "the event did not arrive"
        time.sleep(0.2)


def _leak(variables: dict[str, str], outside: Path) -> dict[str, Secret]:
    plants = {name: _pem(ec.generate_private_key(ec.SECP256R1())) for name in PLANTS}
    file = outside / "plants.json"
    file.write_text(json.dumps(plants))
    environment = os.environ | variables
    command = [sys.executable, str(Path(__file__).with_name("leaky_flow.py")), str(file), str(outside)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=400, umask=0o077)
    return {name: secrets_search.private_key(name, pem.encode()) for name, pem in plants.items()}


def _note_keys(api: client.CoreV1Api, found: Scene) -> None:
    """The private key of every TLS Secret of now; another run may replace it."""
    secret: Any
    for secret in api.list_namespaced_secret("default", field_selector="type=kubernetes.io/tls").items:
        pem = base64.b64decode(secret.data["tls.key"])
        name = f"key of {secret.metadata.name}, {secret.metadata.resource_version}"
        found.secrets[name] = secrets_search.private_key(name, pem)


def _note_tokens(stack: Stack, found: Scene) -> None:
    assert stack.kube is not None
    tokens = {"kubeconfig token": stack.kube.kubeconfig("admin")["users"][0]["user"]["token"]}
    tokens["gcloud's token"] = (stack.directory / "access-token").read_text()
    tokens |= {f"Google token {number}": token for number, token in enumerate(stack.compute.granted_tokens())}
    found.secrets |= {name: secrets_search.text(name, token) for name, token in tokens.items()}
    key = stack.compute.credentials()["private_key"].encode()
    found.secrets["service account"] = secrets_search.private_key("service account", key)


def _set_password(api: client.CoreV1Api, stack: Stack, password: str) -> None:
    service: Any = api.read_namespaced_service("my-release-milvus", stack.namespace)
    address = service.status.load_balancer.ingress[0].ip
    milvus = MilvusClient(f"http://{address}:19530", user="root", password="Milvus", timeout=60)
    milvus.update_password("root", "Milvus", password)
    milvus.close()


def _secret(api: client.CoreV1Api, name: str, data: dict[str, str], kind: str = "Opaque") -> None:
    body = client.V1Secret(metadata=client.V1ObjectMeta(name=name), string_data=data, type=kind)
    api.create_namespaced_secret("default", body)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture(scope="module")
def finds(scene: Scene) -> list[Find]:
    """Of the runs' secrets and of the planted ones together: what is packed in the haystack is unpacked once."""
    return secrets_search.search([*scene.secrets.values(), *scene.planted.values()], scene.hay)


def _shown(finds: list[Find]) -> str:
    return "\n".join(f"{find.secret}: {find.form}, in {find.place}" for find in finds)


# --- the runs were what they should be -------------------------------------------------------------------------------


def test_both_modes_were_proved_and_the_other_two_runs_failed_for_their_reason(scene: Scene) -> None:
    assert scene.verdicts["self-managed"] == scene.verdicts["google-managed"] == "verified", scene.verdicts
    assert {scene.states[name] for name in ("keys that are no pair", "wrong password")} == {"FAILED"}, scene.states
    assert "not-a-pair" in scene.verdicts["keys that are no pair"] or "key" in scene.verdicts["keys that are no pair"]
    assert scene.verdicts["wrong password"]


def test_the_secrets_are_those_of_the_runs(scene: Scene) -> None:
    names = "\n".join(scene.secrets)

    assert "key of my-release-milvus-tls" in names
    assert "Google token 0" in names
    assert "Google token 3" in names, "one for each run at least"
    assert all(secret.needles for secret in scene.secrets.values())
    assert not scene.secrets.keys() & scene.planted.keys()


# --- the search ------------------------------------------------------------------------------------------------------


def test_no_secret_is_anywhere(scene: Scene, finds: list[Find]) -> None:
    of_the_runs = [find for find in finds if find.secret not in scene.planted]

    assert not of_the_runs, _shown(of_the_runs)


@pytest.mark.parametrize(("plant", "place"), PLANTS.items(), ids=PLANTS)
def test_a_planted_secret_is_found_where_it_is(plant: str, place: str, finds: list[Find]) -> None:
    planted = [find for find in finds if find.secret == plant]

    assert [find for find in planted if re.search(place, find.place)], _shown(planted)


def test_the_haystack_is_what_it_should_be(scene: Scene) -> None:
    """Every kind of place has something in it, and the processes that matter were seen."""
    places = "\n".join(scene.hay)

    for part in ("/storage/", "prefect.db", "worker.log", "server.log", "database log.message", "database events."):
        assert part in places, part
    assert "database artifact.data" in places
    for program in ("prefect", "helm", "worker"):
        assert any(place.startswith("arguments of") and program in place for place in scene.hay), program


def test_nothing_was_written_elsewhere(scene: Scene) -> None:
    """The planted file shows that such a file would be seen."""
    assert scene.elsewhere == {str(scene.root / "outside" / "elsewhere")}


def test_only_the_owner_may_read_what_was_written(scene: Scene) -> None:
    folders = [*(scene.root / name for name in ("home", "tmp", "state", "run")), scene.prefect_home]

    found = [line for folder in folders for line in secrets_search.readable_by_others(folder)]

    assert not found, "\n".join(found)


def test_prefects_home_is_its_owners_alone(scene: Scene) -> None:
    home = scene.prefect_home

    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "prefect.db").stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in (home / "storage").rglob("*") if path.is_file()} == {0o600}
