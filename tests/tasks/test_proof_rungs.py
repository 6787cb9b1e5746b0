"""Single rungs against small real servers: HTTP/2 and calls, name servers, and what takes long."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks import proof
from tasks.clients import name_servers
from tasks.climb import Broken, Clock, Target
from tasks.core.armor import Policy, Rule
from tasks.core.backend_faults import Backends
from tasks.core.diagnosis import Outlook
from tasks.core.dns_faults import Answer, Asked
from tasks.core.ladder import Fault, Outcome
from tasks.proof import Proof
from tasks.wire_rungs import WireRungs
from tests.tasks.small_servers import (
    DOMAIN,
    PAIR,
    SmallMilvus,
    answering,
    dns_server,
    forwarder,
    grpc_front_end,
    grpc_server,
    tls_server,
)

H2 = ["h2"]
LOGIN = ("root", "h0rse-battery")


@pytest.fixture(autouse=True, scope="module")
def nowhere() -> Iterator[str]:
    """A name server that knows nothing, so that no test depends on the machine's."""
    with dns_server({}) as server:
        NOWHERE.append(server)
        yield server


NOWHERE: list[str] = []


def rungs(port: int, *, deadline_seconds: float = 20.0, **changes: Any) -> WireRungs:
    usual = {"trust": PAIR.certificate_pem, "dns_servers": (NOWHERE[-1],)}
    return WireRungs(Target(DOMAIN, "127.0.0.1", port=port, **{**usual, **changes}), Clock(deadline_seconds))


def broken(climb: Callable[[], str]) -> Fault:
    with pytest.raises(Broken) as caught:
        climb()
    return caught.value.fault


# --- HTTP/2 and the URL map -----------------------------------------------------------------------------------------


def knowing(*policies: Policy) -> Callable[[], Backends]:
    """Compute, of a Milvus that is well and has these policies before it."""
    return lambda: Backends(protocols={"b": "HTTP2"}, zones={"z": ["HEALTHY"]}, hosts=(DOMAIN,), policies=policies)


@pytest.mark.parametrize("status", ["403", "404", "502"])
def test_an_allow_list_without_us_is_told_as_that_whatever_it_answers(status: str) -> None:
    policy = Policy("office", (Rule(2147483647, f"deny({status})", ("*",)),))
    with tls_server(alpn=H2, handle=answering(status)) as port:
        fault = broken(rungs(port, look_at_backends=knowing(policy)).url_map)

    assert (fault.owner, fault.cause, fault.outlook) == ("compute", "RefusedByPolicy", Outlook.STOP)
    assert f"policy office refuses this worker (127.0.0.1) by the default rule (deny({status}) *)" in fault.detail
    assert "--security-policy office --src-ip-ranges 127.0.0.1 --action allow" in fault.mend


def test_an_allow_list_with_us_is_not_to_blame() -> None:
    policy = Policy("office", (Rule(1, "allow", ("127.0.0.1",)), Rule(2147483647, "deny(404)", ("*",))))
    with tls_server(alpn=H2, handle=answering("404")) as port:
        fault = broken(rungs(port, look_at_backends=knowing(policy)).url_map)

    assert fault.cause == "PathRuleMissing"


def test_settings_are_exchanged_and_what_the_peer_takes_is_told() -> None:
    with tls_server(alpn=H2, handle=grpc_front_end()) as port:
        assert rungs(port).http2().startswith("SETTINGS exchanged, 100 calls at once")


def test_a_server_that_chose_h2_and_speaks_http_1() -> None:
    def http(secured: ssl.SSLSocket) -> None:
        while secured.recv(1000):
            secured.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with tls_server(alpn=H2, handle=http) as port:
        fault = broken(rungs(port).http2)

    assert (fault.owner, fault.cause) == ("ingress", "NoHttp2Settings")
    assert "answers something else" in fault.detail


def test_a_server_that_chose_h2_and_says_nothing_takes_no_longer_than_the_deadline() -> None:
    done = threading.Event()

    def silent(_: ssl.SSLSocket) -> None:
        done.wait(30)

    with tls_server(alpn=H2, handle=silent) as port:
        begun = time.monotonic()
        fault = broken(rungs(port, deadline_seconds=1.0).http2)
        done.set()

    assert "sends no SETTINGS" in fault.detail
    assert time.monotonic() - begun < 25


def test_a_server_that_closes_after_the_handshake() -> None:
    with tls_server(alpn=H2) as port:
        fault = broken(rungs(port).http2)

    assert "closed by the peer" in fault.detail


def test_a_call_reaches_a_grpc_server() -> None:
    with tls_server(alpn=H2, handle=grpc_front_end()) as port:
        climb = rungs(port)

        assert climb.url_map() == f":authority {DOMAIN} is led to a gRPC server"
        assert climb.answer is not None
        assert climb.answer.grpc_status == 0


def test_a_milvus_that_asks_who_calls_is_reached() -> None:
    milvus = SmallMilvus()
    milvus.token = "root:h0rse"
    with grpc_server(milvus) as port:
        climb = rungs(port)

        assert "gRPC server" in climb.url_map()
        assert not climb.is_open()


def test_compute_is_not_asked_before_there_is_a_reason() -> None:
    asked: list[str] = []

    def look() -> Backends:
        asked.append("compute")
        return Backends(protocols={"b": "HTTP2"}, zones={"zone-a": ["HEALTHY"]})

    with tls_server(alpn=H2, handle=grpc_front_end()) as port:
        climb = rungs(port, look_at_backends=look)
        climb.url_map()
        before = list(asked)
        climb.backends()
        climb.backends()

    assert (before, asked) == ([], ["compute"])


def test_an_error_behind_the_url_map_is_the_backends() -> None:
    with tls_server(alpn=H2, handle=answering("502")) as port:
        climb = rungs(port, look_at_backends=lambda: Backends(protocols={"b": "HTTP"}, zones={"z": ["HEALTHY"]}))

        assert climb.url_map() == f":authority {DOMAIN} is led to a backend, which gave HTTP 502"
        assert broken(climb.backends).cause == "BackendProtocolNotHttp2"


# --- name servers ---------------------------------------------------------------------------------------------------

ZONE = "example.com. 60 IN SOA ns1.example.com. x. 1 1 1 1 1\nexample.com. 60 IN NS ns1.example.com.\n"


def test_a_server_that_has_the_zone_is_known_and_nobody_else_is_asked() -> None:
    with dns_server({DOMAIN: ["192.0.2.7"]}) as server:
        (answer,) = name_servers.survey(DOMAIN, (server,), 5.0)

    assert answer == Answer(server, ("192.0.2.7",), authoritative=True)


def test_the_servers_of_the_zone_are_found_and_asked_themselves() -> None:
    """At port 53, where nobody answers here: that is told, and no fault."""
    with dns_server({DOMAIN: ["192.0.2.7"], "ns1.example.com": ["127.0.0.253"]}, zone=ZONE, has_zone=False) as server:
        here, own = name_servers.survey(DOMAIN, (server,), 5.0)

    assert here == Answer(server, ("192.0.2.7",))
    assert (own.server, own.asked) == ("ns1.example.com of example.com", Asked.AUTHORITATIVE)
    assert own.error


def test_a_zone_whose_servers_cannot_be_found_is_told() -> None:
    with dns_server({DOMAIN: ["192.0.2.7"]}, has_zone=False) as server:
        here, own = name_servers.survey(DOMAIN, (server,), 5.0)

    assert not here.error
    assert own.error.startswith("could not be found")


def test_an_alias_is_told_with_what_it_leads_to() -> None:
    alias = f"{DOMAIN}. 60 IN CNAME old.example.net.\n"
    with dns_server({}, zone=alias) as server:
        (answer,) = name_servers.survey(DOMAIN, (server,), 5.0)

    assert (answer.alias, answer.addresses) == ("old.example.net", ())


# --- what takes long ------------------------------------------------------------------------------------------------


def test_a_connection_that_was_silent_is_used_again() -> None:
    with tls_server(alpn=H2, handle=grpc_front_end()) as port:
        assert rungs(port, idle_seconds=0.3).idle(threading.Event()) == "silent for 0 s, then used again"


def test_a_connection_that_is_closed_while_it_is_silent_tells_when() -> None:
    with (
        tls_server(alpn=H2, handle=grpc_front_end()) as inner,
        forwarder(inner, cut_after_seconds=0.4, say_so=True) as port,
    ):
        fault = broken(lambda: rungs(port, idle_seconds=20.0).idle(threading.Event()))

    assert (fault.owner, fault.cause) == ("network", "IdleConnectionCut")
    assert "was closed by the peer after 0." in fault.detail


def test_a_connection_that_is_forgotten_without_a_word() -> None:
    """What a NAT does: the next call waits for an answer that never comes."""
    with (
        tls_server(alpn=H2, handle=grpc_front_end()) as inner,
        forwarder(inner, cut_after_seconds=0.3, say_so=False) as port,
    ):
        fault = broken(lambda: rungs(port, idle_seconds=0.8).idle(threading.Event()))

    assert fault.cause == "IdleConnectionCut"
    assert "no longer answered after 0.8 s" in fault.detail


def test_a_front_end_that_asks_politely_to_reconnect_cuts_nobody() -> None:
    """Google's may send GOAWAY at any time (gke.md §4.4); gRPC clients take it as it is meant."""
    with tls_server(alpn=H2, handle=grpc_front_end(goaway=True)) as port:
        told = rungs(port, idle_seconds=0.5).idle(threading.Event())

    assert "GOAWAY NO_ERROR" in told
    assert told.endswith("a new connection works")


def test_a_silence_that_is_given_up_ends_at_once() -> None:
    given_up = threading.Event()
    given_up.set()
    begun = time.monotonic()
    with tls_server(alpn=H2, handle=grpc_front_end()) as port:
        rungs(port, idle_seconds=60.0).idle(given_up)

    assert time.monotonic() - begun < 50


def proved(port: int, **changes: Any) -> Proof:
    usual: dict[str, Any] = {"trust": PAIR.certificate_pem, "dns_servers": (NOWHERE[-1],), "deadline_seconds": 20.0}
    return proof.prove(Target(DOMAIN, "127.0.0.1", port=port, **{**usual, **changes}))


def rung(climbed: Proof, name: str) -> Any:
    return next(each for each in climbed.rungs if each.name == name)


def test_a_call_that_is_cut_is_never_repeated_and_ends_the_silence() -> None:
    """By itself pymilvus tries again within its time-out, and the second call would succeed."""
    milvus = SmallMilvus()
    milvus.cuts_after_seconds = 1.2
    with grpc_server(milvus) as port:
        begun = time.monotonic()
        climbed = proved(port, long_call_seconds=8.0, idle_seconds=60.0)
        took = time.monotonic() - begun

    assert climbed.verdict.broken is not None
    assert climbed.verdict.broken.name == "long-call"
    assert climbed.verdict.broken.fault is not None
    assert climbed.verdict.broken.fault.cause == "CallCutByTimeout"
    assert "a call of 8 s was cut after 1." in climbed.verdict.broken.detail
    assert milvus.searches == 3, "one of the collection, one of the asynchronous client, one long call"
    assert milvus.collections == {}
    assert took < 50
    assert rung(climbed, "idle").detail == "not reached: long-call broke"


@pytest.mark.parametrize("ahead", [-600.0, 600.0], ids=["behind", "ahead"])
def test_a_long_call_lasts_as_long_as_asked_whatever_the_clock_of_milvus_says(ahead: float) -> None:
    milvus = SmallMilvus()
    milvus.clock = lambda: time.time() + ahead
    with grpc_server(milvus) as port:
        climbed = proved(port, long_call_seconds=1.0)

    assert climbed.verdict.verified, climbed.rungs
    assert rung(climbed, "long-call").detail.startswith("one call lasted 1.")


def test_a_milvus_that_does_not_hold_a_search_is_told_and_no_fault() -> None:
    milvus = SmallMilvus()
    milvus.waits = False
    with grpc_server(milvus) as port:
        climbed = proved(port, long_call_seconds=2.0)

    assert climbed.verdict.verified
    assert rung(climbed, "long-call").outcome is Outcome.SKIPPED
    assert "does not hold a search" in rung(climbed, "long-call").detail


def test_the_long_call_and_the_silence_cost_the_longer_of_the_two() -> None:
    milvus = SmallMilvus()
    with grpc_server(milvus) as port:
        climbed = proved(port, long_call_seconds=2.0, idle_seconds=2.0)

    assert climbed.verdict.verified, climbed.rungs
    taken = [rung(climbed, name) for name in ("long-call", "idle")]
    assert all(each.seconds >= 2.0 for each in taken), "each has lasted"
    assert milvus.met == 1, "one call of GetVersion while the search was held"


@pytest.mark.parametrize("name", ["long-call", "idle"])
def test_what_is_not_asked_for_is_skipped(name: str) -> None:
    with grpc_server(SmallMilvus()) as port:
        climbed = proved(port)

    assert climbed.verdict.verified
    assert rung(climbed, name).outcome is Outcome.SKIPPED


def test_without_a_collection_there_is_no_long_call() -> None:
    milvus = SmallMilvus()
    with grpc_server(milvus) as port:
        climbed = proved(port, proof_writes=False, long_call_seconds=5.0)

    assert climbed.verdict.verified
    assert "needs a collection" in rung(climbed, "long-call").detail
    assert rung(climbed, "async").detail == "Milvus v9.9.9, 0 collections listed"


def test_what_a_proof_that_was_killed_has_left_is_dropped_by_a_later_one() -> None:
    """A name says when it was made; a proof that runs beside ours keeps its collection."""
    milvus = SmallMilvus()
    now = int(time.time())
    old, young = (f"milvus_gke_l7_proof_{made:x}_0123456789abcdef" for made in (now - 20_000, now - 60))
    milvus.collections = {name: {} for name in (old, young, "milvus_gke_l7_proof_of_mine", "books")}
    with grpc_server(milvus) as port:
        climbed = proved(port)

    assert climbed.verdict.verified, climbed.rungs
    assert set(milvus.collections) == {young, "milvus_gke_l7_proof_of_mine", "books"}
    assert rung(climbed, "collection").detail.endswith(f"had left: {old}")


# --- the other client, and who is let in ----------------------------------------------------------------------------


class Forgetful(SmallMilvus):
    """Finds the right row for the first client only."""

    def Search(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.finds_wrong = self.searches == 1
        return super().Search(request, context)


def test_the_asynchronous_client_is_tried_for_itself() -> None:
    milvus = Forgetful()
    with grpc_server(milvus) as port:
        climbed = proved(port)

    assert climbed.verdict.broken is not None
    assert climbed.verdict.broken.name == "async"
    assert climbed.verdict.broken.detail.startswith("searched for row 0")
    assert rung(climbed, "collection").outcome is Outcome.PASSED
    assert (climbed.async_call, milvus.collections) == ("", {})


@pytest.mark.parametrize(
    ("token", "credentials", "told"),
    [
        pytest.param("", None, "Milvus asks for no user and password", id="nobody asks"),
        pytest.param(":".join(LOGIN), LOGIN, "the user of secret is taken; one is needed", id="asked and given"),
        pytest.param("", LOGIN, "the user of secret is taken; Milvus answers without one, too", id="given, not asked"),
    ],
)
def test_what_milvus_says_to_our_user_is_told(token: str, credentials: tuple[str, str] | None, told: str) -> None:
    milvus = SmallMilvus()
    milvus.token = token
    with grpc_server(milvus) as port:
        climbed = proved(port, credentials=credentials)

    assert climbed.verdict.verified, climbed.rungs
    assert rung(climbed, "authentication").detail == told
