"""The sandbox's name server: authoritative for the managed zones, on UDP and TCP of one loopback port."""

import logging
import socket
import socketserver
import threading

import dnslib

from sandbox.dns.zones import Answer, Zones
from sandbox.faults import Faults

__all__ = ["DnsServer", "Zones"]

_PLAIN_UDP_BYTES = 512
_ATTEMPTS = 20

log = logging.getLogger(__name__)


class DnsServer:
    """Answers from `zones` until stopped; the port is bound in the constructor, so its number is known."""

    def __init__(self, zones: Zones, faults: Faults, port: int = 0) -> None:
        self.zones, self._faults = zones, faults
        self._udp, self._tcp = _bind(self, port)
        self.port: int = self._udp.server_address[1]
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name=name, daemon=True)
            for server, name in ((self._udp, "dns-udp"), (self._tcp, "dns-tcp"))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self.zones.served_at = ("127.0.0.1", self.port)

    def stop(self) -> None:
        """Stop answering and free the port."""
        for server, thread in zip((self._udp, self._tcp), self._threads, strict=True):
            if thread.is_alive():
                server.shutdown()
                thread.join(timeout=5)
            server.server_close()

    def reply(self, packet: bytes, *, most_bytes: int | None) -> bytes | None:
        """Answer one message; None for what is no DNS message. UDP replies are cut to what the asker can take."""
        try:
            request = dnslib.DNSRecord.parse(packet)
            question = request.q
            name, kind = str(question.qname).lower(), dnslib.QTYPE.get(question.qtype)
        except (dnslib.DNSError, UnicodeError):
            return None
        extended = next((each for each in request.ar if each.rtype == dnslib.QTYPE.OPT), None)
        reply = request.reply(ra=1, aa=1)
        answer = self._answer(name, str(kind))
        reply.header.rcode = answer.rcode
        reply.add_answer(*answer.records)
        reply.add_auth(*answer.authority)
        if extended:
            reply.add_ar(dnslib.EDNS0(udp_len=1232))
        packed: bytes = reply.pack()
        limit = max(most_bytes or 0, int(extended.rclass) if extended else 0)
        if most_bytes is not None and len(packed) > limit:
            # dnslib's own `truncate` leaves out the question, which resolvers then take for somebody else's answer.
            cut = request.reply(ra=1, aa=1)
            cut.header.tc = 1
            packed = cut.pack()
        return packed

    def _answer(self, name: str, kind: str) -> Answer:
        if self._faults.strike("dns-servfail", domain=name.rstrip(".")):
            return Answer(dnslib.RCODE.SERVFAIL, [], [])
        return self.zones.resolve(name, kind)


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True
    owner: DnsServer


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    owner: DnsServer


class _UdpHandler(socketserver.BaseRequestHandler):
    server: _Udp

    def handle(self) -> None:
        packet, back = self.request
        if reply := self.server.owner.reply(packet, most_bytes=_PLAIN_UDP_BYTES):
            back.sendto(reply, self.client_address)


class _TcpHandler(socketserver.BaseRequestHandler):
    server: _Tcp
    timeout_seconds = 5.0

    def handle(self) -> None:
        self.request.settimeout(self.timeout_seconds)
        try:
            while head := self._read(2):
                packet = self._read(int.from_bytes(head, "big"))
                reply = self.server.owner.reply(packet, most_bytes=None)
                if reply is None:
                    return
                self.request.sendall(len(reply).to_bytes(2, "big") + reply)
        except OSError:
            log.debug("a DNS client went away", exc_info=True)

    def _read(self, count: int) -> bytes:
        """Read exactly that many bytes, or none at the end of the stream."""
        data = b""
        while len(data) < count:
            chunk = self.request.recv(count - len(data))
            if not chunk:
                return b""
            data += chunk
        return data


def _bind(owner: DnsServer, port: int) -> tuple[_Udp, _Tcp]:
    """Bind UDP and TCP to the same port; with port 0, one that is free for both."""
    for attempt in range(_ATTEMPTS):
        udp = _Udp(("127.0.0.1", port), _UdpHandler)
        try:
            tcp = _Tcp(udp.server_address, _TcpHandler)
        except OSError:
            udp.server_close()
            if port or attempt == _ATTEMPTS - 1:
                raise
            continue
        udp.owner = tcp.owner = owner
        udp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        return udp, tcp
    raise AssertionError
