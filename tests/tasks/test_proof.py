"""The ladder is climbed against small real servers: DNS, TLS, HTTP/2 and gRPC on loopback.

The stand-in for Milvus keeps collections and searches them; the real one is climbed to in tests/end_to_end.
"""

import datetime as dt
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymilvus.client.connection_manager import ConnectionManager
from pymilvus.grpc_gen import common_pb2

from tasks import proof
from tasks.core import certificates
from tasks.core.backend_faults import Backends
from tasks.core.diagnosis import Outlook
from tasks.core.ladder import RUNGS, Outcome
from tasks.proof import Proof, Target
from tests.tasks.small_servers import (
    DOMAIN,
    FINGERPRINT,
    PAIR,
    SmallMilvus,
    answering,
    dns_server,
    grpc_server,
    tcp_server,
    tls_server,
)

CREDENTIALS = ("root", "h0rse-battery")


@pytest.fixture
def milvus() -> SmallMilvus:
    return SmallMilvus()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def nowhere() -> Iterator[str]:
    """A name server that knows nothing, so that no test depends on the machine's."""
    with dns_server({}) as server:
        yield server


@pytest.fixture
def target(nowhere: str) -> Callable[..., Target]:
    def build(port: int, **how: Any) -> Target:
        usual = {"trust": PAIR.certificate_pem, "dns_servers": (nowhere,), "deadline_seconds": 20.0}
        return Target(domain=DOMAIN, address="127.0.0.1", port=port, **{**usual, **how})

    return build


def outcomes(climbed: Proof) -> dict[str, str]:
    return {rung.name: str(rung.outcome) for rung in climbed.rungs}


def broken(climbed: Proof, name: str) -> Any:
    """The fault of the rung that broke, which must be this one."""
    rung = climbed.verdict.broken
    assert rung is not None, climbed.rungs
    assert rung.name == name, climbed.rungs
    assert not climbed.verdict.verified
    return rung.fault


# --- all of it ------------------------------------------------------------------------------------------------------


def open_connections() -> int:
    """Connections pymilvus keeps in this process; other tests may have left some."""
    return int(ConnectionManager.get_instance().get_stats()["total_connections"])


def test_every_rung_holds_and_nothing_is_left_behind(milvus: SmallMilvus, target: Any, files: Path) -> None:
    before = open_connections()
    told: list[str] = []
    with grpc_server(milvus) as port, dns_server({DOMAIN: ["127.0.0.1"]}) as names:
        goal = target(
            port,
            dns_servers=(names,),
            dns_required=True,
            expected_fingerprints=frozenset({FINGERPRINT}),
            long_call_seconds=1.0,
            idle_seconds=0.5,
            look_at_backends=lambda: Backends(protocols={"b": "HTTP2"}, zones={"zone-a": ["HEALTHY"], "zone-b": []}),
        )
        climbed = proof.prove(goal, lambda rung: told.append(rung.name))

    assert climbed.verdict.verified, climbed.rungs
    assert set(outcomes(climbed).values()) == {"passed"}
    assert told == list(RUNGS)
    assert climbed.server_version == "v9.9.9"
    assert climbed.certificate == certificates.read(PAIR.certificate_pem)
    assert len(milvus.created) == 1
    assert milvus.collections == {}
    *searches, long_call = milvus.consistency
    assert set(searches) == {common_pb2.ConsistencyLevel.Strong}
    assert long_call == common_pb2.ConsistencyLevel.Customized
    assert list(files.iterdir()) == []
    assert open_connections() == before


def test_the_call_that_was_executed_is_told_without_secrets(milvus: SmallMilvus, target: Any) -> None:
    milvus.token = ":".join(CREDENTIALS)
    with grpc_server(milvus) as port:
        goal = target(
            port,
            credentials=CREDENTIALS,
            credentials_source="secret ns/milvus-user",
            trust_source="kubectl get secret tls",
        )
        climbed = proof.prove(goal)

    assert climbed.verdict.verified, climbed.rungs
    assert climbed.call == (
        "# tls.crt: kubectl get secret tls\n"
        f'MilvusClient(uri="https://127.0.0.1:{port}", server_pem_path="tls.crt", server_name="{DOMAIN}", '
        'token="<username:password of secret ns/milvus-user>")'
    )
    assert climbed.async_call == climbed.call.replace("MilvusClient(", "AsyncMilvusClient(")
    assert CREDENTIALS[1] not in f"{goal} {climbed}"


def test_without_proof_writes_nothing_is_written(milvus: SmallMilvus, target: Any) -> None:
    with grpc_server(milvus) as port:
        climbed = proof.prove(target(port, proof_writes=False))

    assert climbed.verdict.verified
    assert outcomes(climbed)["collection"] == "skipped"
    assert milvus.created == []


def test_a_load_balancer_that_comes_up_is_proved_by_the_next_climb(milvus: SmallMilvus, target: Any) -> None:
    """Connections are shared between gRPC channels of one process; a failed one must not outlive its climb."""
    with grpc_server(None) as port:
        first = proof.prove(target(port))
    with grpc_server(milvus) as port:
        second = proof.prove(target(port))

    assert not first.verdict.verified
    assert second.verdict.verified, second.rungs


# --- DNS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([], id="no record"),
        pytest.param(["192.0.2.7"], id="elsewhere"),
        pytest.param(["127.0.0.1", "2001:db8::1"], id="a stray AAAA"),
    ],
)
def test_dns_that_is_required_must_have_the_address_alone(records: list[str], target: Any) -> None:
    with dns_server({DOMAIN: records}) as names:
        climbed = proof.prove(target(1, dns_servers=(names,), dns_required=True))

    fault = broken(climbed, "dns")
    assert fault.owner == "dns"
    assert f"{DOMAIN}. A 127.0.0.1" in fault.mend
    assert outcomes(climbed)["tcp"] == "skipped"


def test_dns_that_is_not_required_is_told_and_the_address_is_dialled(milvus: SmallMilvus, target: Any) -> None:
    with dns_server({DOMAIN: ["192.0.2.7"]}) as names, grpc_server(milvus) as port:
        climbed = proof.prove(target(port, dns_servers=(names,)))

    assert climbed.verdict.verified
    assert outcomes(climbed)["dns"] == "skipped"
    assert "answers 192.0.2.7" in climbed.rungs[0].detail


def test_every_name_server_is_asked(target: Any) -> None:
    """What one has cached, another has not."""
    with dns_server({DOMAIN: ["127.0.0.1"]}) as right, dns_server({DOMAIN: ["192.0.2.7"]}) as wrong:
        climbed = proof.prove(target(1, dns_servers=(right, wrong), dns_required=True))

    fault = broken(climbed, "dns")
    assert f"{wrong} answers 192.0.2.7" in fault.detail
    assert right not in fault.detail


def test_a_name_server_that_does_not_answer_takes_no_longer_than_the_deadline(target: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        begun = time.monotonic()
        names = (f"127.0.0.1:{silent.getsockname()[1]}",)
        climbed = proof.prove(target(1, dns_servers=names, dns_required=True, deadline_seconds=1.0))

    assert "does not answer" in broken(climbed, "dns").detail
    assert time.monotonic() - begun < 25


# --- TCP and TLS ----------------------------------------------------------------------------------------------------


def test_a_port_where_nothing_listens(target: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    fault = broken(proof.prove(target(port)), "tcp")

    assert (fault.owner, fault.outlook) == ("ingress", Outlook.WAIT)


def test_a_port_that_speaks_plaintext(target: Any) -> None:
    def http(plain: socket.socket) -> None:
        plain.recv(1000)
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with tcp_server(http) as port:
        fault = broken(proof.prove(target(port)), "tls")

    assert "speaks plaintext" in fault.detail


def test_a_server_that_hangs_in_the_handshake_takes_no_longer_than_the_deadline(target: Any) -> None:
    def swallow(plain: socket.socket) -> None:
        while plain.recv(100_000):
            pass

    with tcp_server(swallow) as port:
        begun = time.monotonic()
        climbed = proof.prove(target(port, deadline_seconds=1.5))

    assert broken(climbed, "tls").owner == "ingress"
    assert time.monotonic() - begun < 25


def test_a_connection_that_is_reset_in_the_handshake(target: Any) -> None:
    """What a front end does that is not programmed yet."""
    with tcp_server(lambda plain: None) as port:
        fault = broken(proof.prove(target(port)), "tls")

    assert (fault.owner, fault.outlook) == ("ingress", Outlook.WAIT)
    assert "broke off" in fault.detail


def test_a_certificate_nobody_vouches_for_is_a_fault_of_the_chain(target: Any) -> None:
    with tls_server() as port:
        climbed = proof.prove(target(port, trust=None))

    fault = broken(climbed, "tls")
    assert fault.owner == "certificate"
    assert fault.detail.startswith("chain: it does not lead to a public root")
    assert climbed.certificate is not None
    assert climbed.certificate.fingerprint == FINGERPRINT
    assert outcomes(climbed)["grpc"] == "skipped"


def test_a_certificate_for_another_name_tells_for_which(target: Any) -> None:
    pair = certificates.self_signed(["old.example.com"], 30, dt.datetime.now(dt.UTC))
    with tls_server(pair) as port:
        fault = broken(proof.prove(target(port, trust=pair.certificate_pem)), "tls")

    assert fault.detail.startswith(f"name: it is for old.example.com, not for {DOMAIN}")


def test_a_certificate_that_has_expired_tells_since_when(target: Any) -> None:
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=10)
    pair = certificates.self_signed([DOMAIN], 5, begin)
    with tls_server(pair) as port:
        fault = broken(proof.prove(target(port, trust=pair.certificate_pem)), "tls")

    assert fault.detail.startswith(f"expiry: it expired on {begin + dt.timedelta(days=5):%Y-%m-%d}")


def test_another_certificate_than_the_expected_one_is_a_fault_though_it_is_trusted(target: Any) -> None:
    with tls_server() as port:
        fault = broken(proof.prove(target(port, expected_fingerprints=frozenset({"0" * 64}))), "tls")

    assert "another certificate than ours" in fault.detail


@pytest.mark.parametrize(
    ("alpn", "detail"), [(None, "chose no protocol"), (["http/1.1"], "h2")], ids=["no ALPN", "HTTP/1.1 alone"]
)
def test_a_server_without_http2_breaks_at_alpn(alpn: list[str] | None, detail: str, target: Any) -> None:
    with tls_server(alpn=alpn) as port:
        fault = broken(proof.prove(target(port)), "alpn")

    assert fault.owner == "ingress"
    assert detail in fault.detail


# --- gRPC -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "rung", "cause"),
    [
        ("404", "url-map", "HostRuleMissing"),
        ("403", "url-map", "RefusedByPolicy"),
        ("502", "backends", "NoUsableBackend"),
        ("503", "backends", "NoUsableBackend"),
    ],
)
def test_an_answer_of_the_load_balancer_itself_is_read(status: str, rung: str, cause: str, target: Any) -> None:
    with tls_server(alpn=["h2"], handle=answering(status)) as port:
        fault = broken(proof.prove(target(port)), rung)

    assert fault.cause == cause
    assert f"HTTP {status}" in fault.detail


def test_a_grpc_server_that_is_no_milvus(target: Any) -> None:
    with grpc_server(None) as port:
        fault = broken(proof.prove(target(port)), "grpc")

    assert (fault.owner, "UNIMPLEMENTED" in fault.detail) == ("milvus", True)


@pytest.mark.parametrize("credentials", [None, ("root", "wr0ng-horse")], ids=["none", "wrong"])
def test_credentials_that_do_not_fit_end_the_proof_without_being_shown(
    credentials: tuple[str, str] | None, milvus: SmallMilvus, target: Any
) -> None:
    milvus.token = ":".join(CREDENTIALS)
    with grpc_server(milvus) as port:
        climbed = proof.prove(target(port, credentials=credentials))

    fault = broken(climbed, "authentication")
    assert outcomes(climbed)["grpc"] == "passed"
    assert (fault.owner, fault.outlook) == ("client", Outlook.STOP)
    assert "milvus_credentials_secret" in fault.mend
    assert "wr0ng-horse" not in f"{climbed}"


def test_a_milvus_that_does_not_answer_takes_no_longer_than_the_deadline(milvus: SmallMilvus, target: Any) -> None:
    milvus.sleeps.add("GetVersion")
    with grpc_server(milvus) as port:
        begun = time.monotonic()
        climbed = proof.prove(target(port, deadline_seconds=3.0))
        took = time.monotonic() - begun

    assert broken(climbed, "backends").cause == "MilvusTooSlow"
    assert took < 25


# --- the collection -------------------------------------------------------------------------------------------------


def test_a_search_that_finds_another_row_breaks_the_proof(milvus: SmallMilvus, target: Any) -> None:
    milvus.finds_wrong = True
    with grpc_server(milvus) as port:
        fault = broken(proof.prove(target(port)), "collection")

    assert fault.owner == "milvus"
    assert fault.detail.startswith("searched for row")
    assert milvus.collections == {}


@pytest.mark.parametrize("call", ["Insert", "Search", "CreateIndex"])
def test_what_was_made_is_dropped_after_a_failure(call: str, milvus: SmallMilvus, target: Any) -> None:
    milvus.refuses.add(call)
    with grpc_server(milvus) as port:
        fault = broken(proof.prove(target(port)), "collection")

    assert f"{call} is refused" in fault.detail
    assert len(milvus.created) == 1
    assert milvus.collections == {}


def test_a_collection_that_cannot_be_dropped_is_named(milvus: SmallMilvus, target: Any) -> None:
    milvus.refuses.add("DropCollection")
    with grpc_server(milvus) as port:
        fault = broken(proof.prove(target(port)), "collection")

    assert f"collection {milvus.created[0]} may be left over" in fault.detail


@pytest.mark.parametrize("call", ["CreateCollection", "LoadCollection"])
def test_a_call_that_hangs_is_given_up_in_time_and_its_collection_dropped(
    call: str, milvus: SmallMilvus, target: Any
) -> None:
    milvus.sleeps.add(call)
    before = open_connections()
    with grpc_server(milvus) as port:
        begun = time.monotonic()
        climbed = proof.prove(target(port, deadline_seconds=6.0))
        took = time.monotonic() - begun

    assert broken(climbed, "collection").owner == "milvus"
    assert took < 25
    assert milvus.collections == {}
    assert open_connections() == before


# --- roots and imports, each in a process of its own ----------------------------------------------------------------


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = ("SSL_CERT_FILE", "SSL_CERT_DIR", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "GRPC_VERBOSITY")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CLIMB = """
from tasks.proof import Target, prove
goal = Target("milvus.example.com", "127.0.0.1", port={port}, dns_servers=("{names}",), deadline_seconds=30)
for rung in prove(goal).rungs:
    print(rung.name, rung.outcome, rung.fault.owner if rung.fault else "", rung.fault.mend if rung.fault else "")
"""


def test_the_roots_that_grpc_is_pointed_to_are_trusted_by_every_rung(
    milvus: SmallMilvus, nowhere: str, tmp_path: Path
) -> None:
    """A Google-managed certificate in the sandbox: no server_pem_path, the authority in a bundle."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(PAIR.certificate_pem)
    with grpc_server(milvus) as port:
        done = python(CLIMB.format(port=port, names=nowhere), GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(bundle))

    assert "grpc passed" in done.stdout, done
    assert "collection passed" in done.stdout, done
    assert done.stderr == ""


def test_roots_that_only_openssl_knows_are_told_apart(milvus: SmallMilvus, nowhere: str, tmp_path: Path) -> None:
    """grpc/grpc#35728: curl and openssl are happy, gRPC is not, since it has roots of its own."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(PAIR.certificate_pem)
    with grpc_server(milvus) as port:
        done = python(CLIMB.format(port=port, names=nowhere), SSL_CERT_FILE=str(bundle))

    assert "tls passed" in done.stdout, done
    assert "grpc failed client" in done.stdout, done
    assert "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in done.stdout
    assert done.stderr == "", "grpc's own chatter must not reach the terminal"


def test_the_client_libraries_are_not_imported_before_they_are_needed() -> None:
    done = python(
        "import sys, tasks.proof; print([name for name in ('grpc', 'pymilvus', 'dns', 'h2') if name in sys.modules])"
    )

    assert done.stdout.strip() == "[]", done


def test_a_climb_is_over_when_its_deadline_is(target: Any) -> None:
    climbed = proof.prove(target(1, deadline_seconds=0.0))

    assert climbed.rungs[0].outcome is Outcome.FAILED
    assert "deadline" in climbed.rungs[0].detail


def test_a_trust_that_is_no_certificate_is_the_clients_fault(target: Any) -> None:
    with tls_server() as port:
        fault = broken(proof.prove(target(port, trust=b"no PEM")), "tls")

    assert fault.owner == "client"


def test_two_climbs_at_once_do_not_share_a_connection(target: Any) -> None:
    """The shared connections of pymilvus are keyed by address and token alone, not by what they trust."""
    first, second = SmallMilvus(), SmallMilvus()
    with ExitStack() as stack:
        goals = [target(stack.enter_context(grpc_server(servicer))) for servicer in (first, second)]
        with ThreadPoolExecutor(2) as pool:
            climbs = list(pool.map(proof.prove, goals))

    assert all(climbed.verdict.verified for climbed in climbs), climbs
    assert (len(first.created), len(second.created)) == (1, 1)
