"""The name server, asked by dnspython."""

import socket

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import pytest

from sandbox.dns.records import InvalidRecord, RecordSet
from sandbox.dns.server import DnsServer, Zones
from sandbox.faults import Faults


@pytest.fixture
def zone(zones: Zones) -> Zones:
    zones.create("example", "example.com.")
    zones.change(
        "example",
        [
            RecordSet("m.example.com.", "A", 60, ("127.1.1.1", "127.1.1.2")),
            RecordSet("www.example.com.", "CNAME", 60, ("m.example.com.",)),
            RecordSet("out.example.com.", "CNAME", 60, ("elsewhere.example.net.",)),
            RecordSet("loop.example.com.", "CNAME", 60, ("loop.example.com.",)),
            RecordSet("example.com.", "CAA", 60, ('0 issue "pki.goog"',)),
            RecordSet("example.com.", "TXT", 60, ('"v=spf1 -all" "second"',)),
            RecordSet("v6.example.com.", "AAAA", 60, ("2001:db8::1",)),
            RecordSet("*.apps.example.com.", "A", 60, ("127.1.1.3",)),
            RecordSet("big.example.com.", "TXT", 60, tuple(f'"{number:0200}"' for number in range(8))),
        ],
        [],
    )
    return zones


def ask(server: DnsServer, name: str, kind: str) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    return dns.query.udp(query, "127.0.0.1", port=server.port, timeout=5)


def texts(message: dns.message.Message) -> list[str]:
    return sorted(str(record) for rrset in message.answer for record in rrset)


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("m.example.com", "A", ["127.1.1.1", "127.1.1.2"]),
        ("M.Example.COM", "A", ["127.1.1.1", "127.1.1.2"]),
        ("www.example.com", "A", ["127.1.1.1", "127.1.1.2", "m.example.com."]),
        ("www.example.com", "CNAME", ["m.example.com."]),
        ("example.com", "CAA", ['0 issue "pki.goog"']),
        ("example.com", "TXT", ['"v=spf1 -all" "second"']),
        ("v6.example.com", "AAAA", ["2001:db8::1"]),
        ("any.apps.example.com", "A", ["127.1.1.3"]),
        ("deep.any.apps.example.com", "A", ["127.1.1.3"]),
    ],
)
def test_answers_from_the_zone(name_server: DnsServer, name: str, kind: str, answers: list[str]) -> None:
    reply = ask(name_server, name, kind)

    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.flags & dns.flags.AA
    assert texts(reply) == answers


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        pytest.param("m.example.com", "AAAA", dns.rcode.NOERROR, id="no such type"),
        pytest.param("apps.example.com", "A", dns.rcode.NOERROR, id="an empty non-terminal"),
        pytest.param("nope.example.com", "A", dns.rcode.NXDOMAIN, id="no such name"),
    ],
)
def test_what_is_not_in_the_zone_is_denied_with_its_soa(
    name_server: DnsServer, name: str, kind: str, rcode: dns.rcode.Rcode
) -> None:
    reply = ask(name_server, name, kind)

    assert (reply.rcode(), reply.answer) == (rcode, [])
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA]


@pytest.mark.usefixtures("zone")
def test_what_no_zone_holds_does_not_exist(name_server: DnsServer) -> None:
    assert ask(name_server, "www.google.com", "A").rcode() == dns.rcode.NXDOMAIN
    assert texts(ask(name_server, "out.example.com", "A")) == ["elsewhere.example.net."]


@pytest.mark.usefixtures("zone")
def test_an_endless_alias_is_a_server_failure(name_server: DnsServer) -> None:
    assert ask(name_server, "loop.example.com", "A").rcode() == dns.rcode.SERVFAIL


@pytest.mark.usefixtures("zone")
def test_an_answer_too_big_for_udp_is_had_over_tcp(name_server: DnsServer) -> None:
    query = dns.message.make_query("big.example.com", "TXT")

    assert dns.query.udp(query, "127.0.0.1", port=name_server.port, timeout=5).flags & dns.flags.TC
    whole = dns.query.tcp(query, "127.0.0.1", port=name_server.port, timeout=5)
    assert len(texts(whole)) == 8


def test_a_change_is_answered_at_once(name_server: DnsServer, zone: Zones) -> None:
    old = RecordSet("m.example.com.", "A", 60, ("127.1.1.1", "127.1.1.2"))

    zone.change("example", [RecordSet("m.example.com.", "A", 60, ("127.1.1.9",))], [old])

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], name_server.port
    assert [str(each) for each in resolver.resolve("m.example.com", "A")] == ["127.1.1.9"]


@pytest.mark.usefixtures("zone")
def test_the_fault_answers_servfail_for_its_domain(name_server: DnsServer, compute_faults: Faults) -> None:
    compute_faults.arm("dns-servfail", domain="m.example.com")

    assert ask(name_server, "m.example.com", "A").rcode() == dns.rcode.SERVFAIL
    assert ask(name_server, "v6.example.com", "AAAA").rcode() == dns.rcode.NOERROR


@pytest.mark.usefixtures("zone")
def test_rubbish_gets_no_answer_and_harms_nobody(name_server: DnsServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"\x00", ("127.0.0.1", name_server.port))

    assert ask(name_server, "m.example.com", "A").rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("A", "localhost"),
        ("A", "2001:db8::1"),
        ("AAAA", "127.0.0.1"),
        ("CNAME", "no-dot.example.com"),
        ("CAA", "issue pki.goog"),
        ("SOA", "a. b. 1 2"),
        ("SRV", "0 0 1 a."),
    ],
)
def test_record_data_that_no_zone_can_hold(zone: Zones, kind: str, data: str) -> None:
    before = zone.records("example")

    with pytest.raises(InvalidRecord):
        zone.change("example", [RecordSet("x.example.com.", kind, 60, (data,))], [])

    assert zone.records("example") == before
