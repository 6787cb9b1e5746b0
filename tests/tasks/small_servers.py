"""Small real servers on loopback: TCP, TLS, HTTP/2, gRPC, DNS, and a Milvus that keeps collections."""

import base64
import datetime as dt
import select
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dnslib
import dnslib.server
import grpc
import h2.config
import h2.connection
import h2.events
import numpy as np
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

from tasks.core import certificates
from tasks.core.certificates import KeyPair

DOMAIN = "milvus.example.com"
PAIR = certificates.self_signed([DOMAIN], 30, dt.datetime.now(dt.UTC))
FINGERPRINT = certificates.read(PAIR.certificate_pem).fingerprint


@contextmanager
def tcp_server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that gives each connection to a function."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError), ThreadPoolExecutor() as pool:
            while True:
                plain, _ = listener.accept()
                accepted.append(plain)
                pool.submit(handled, plain)

    def handled(plain: socket.socket) -> None:
        with suppress(OSError), plain:
            handle(plain)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for plain in accepted:
            with suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@contextmanager
def tls_server(
    pair: KeyPair = PAIR,
    *,
    alpn: list[str] | None = None,
    handle: Callable[[ssl.SSLSocket], None] = lambda secured: None,
) -> Iterator[int]:
    """A TLS server; after the handshake each connection goes to a function."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = Path(directory, "tls.crt"), Path(directory, "tls.key")
        certificate.write_bytes(pair.certificate_pem)
        key.write_bytes(pair.key_pem)
        context.load_cert_chain(certificate, key)
    if alpn:
        context.set_alpn_protocols(alpn)

    def secured(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as wrapped:
            handle(wrapped)

    with tcp_server(secured) as port:
        yield port


def answering(status: str) -> Callable[[ssl.SSLSocket], None]:
    """HTTP/2 of the smallest kind (RFC 9113): every request gets this status and nothing else, as from a front end."""

    def handle(secured: ssl.SSLSocket) -> None:
        received = secured.makefile("rb")
        received.read(24)  # the connection preface
        secured.sendall(bytes(3) + b"\x04\x00" + bytes(4))  # SETTINGS
        while len(header := received.read(9)) == 9:
            received.read(int.from_bytes(header[:3], "big"))
            kind, flags, stream = header[3], header[4], header[5:9]
            if kind == 4 and not flags & 1:
                secured.sendall(bytes(3) + b"\x04\x01" + bytes(4))  # SETTINGS acknowledged
            elif kind == 6 and not flags & 1:
                secured.sendall(b"\x00\x00\x08\x06\x01" + bytes(12))  # PING acknowledged
            elif kind == 1:
                block = b"\x08\x03" + status.encode()  # HPACK: name of static entry 8 (:status), literal value
                secured.sendall(len(block).to_bytes(3, "big") + b"\x01\x05" + stream + block)  # HEADERS, END_STREAM

    return handle


def grpc_front_end(*, goaway: bool = False) -> Callable[[ssl.SSLSocket], None]:
    """HTTP/2 that answers every call with an empty gRPC message; with `goaway` it then asks to reconnect, politely."""

    def handle(secured: ssl.SSLSocket) -> None:
        http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        http2.initiate_connection()
        secured.sendall(http2.data_to_send())
        while data := secured.recv(65_536):
            for event in http2.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    answer = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")]
                    http2.send_headers(event.stream_id, answer, end_stream=True)
                    if goaway:
                        http2.close_connection()
            secured.sendall(http2.data_to_send())

    return handle


@contextmanager
def forwarder(port: int, *, cut_after_seconds: float, say_so: bool) -> Iterator[int]:
    """A NAT that forgets connections that are silent for longer, and closes them or just swallows what comes next."""

    def handle(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            heard = time.monotonic()
            while True:
                ready, _, _ = select.select([client, server], [], [], 0.05)
                silent = time.monotonic() - heard
                if silent > cut_after_seconds and say_so:
                    return
                for source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    if silent <= cut_after_seconds:
                        (server if source is client else client).sendall(data)
                        heard = time.monotonic()

    with tcp_server(handle) as listening:
        yield listening


class SmallMilvus(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]
    """Collections of vectors in memory, exact search, and a few ways to misbehave."""

    def __init__(self) -> None:
        self.collections: dict[str, dict[str, Any]] = {}
        self.created: list[str] = []
        self.consistency: list[int] = []
        self.refuses: set[str] = set()
        """Calls answered with INVALID_ARGUMENT."""
        self.sleeps: set[str] = set()
        """Calls that are not answered before `awake` is set."""
        self.finds_wrong = False
        self.waits = True
        """For the guarantee timestamp of a search."""
        self.clock: Callable[[], float] = time.time
        self.cuts_after_seconds = 3600.0
        self.searches = 0
        self.holds, self.met = False, 0
        """Whether a search is held now, and how many calls of GetVersion came while one was."""
        self.token = ""
        self.awake = threading.Event()

    def _enter(self, call: str, context: grpc.ServicerContext) -> None:
        if call in self.sleeps:
            self.awake.wait(60)
        if self.token:
            sent = dict(context.invocation_metadata()).get("authorization", "")
            if base64.b64decode(sent).decode() != self.token:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username and password")
        if call in self.refuses:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{call} is refused")

    def Connect(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("Connect", context)
        return milvus_pb2.ConnectResponse(status=common_pb2.Status(), identifier=1)

    def GetVersion(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("GetVersion", context)
        self.met += self.holds
        return milvus_pb2.GetVersionResponse(status=common_pb2.Status(), version="v9.9.9")

    def ShowCollections(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("ShowCollections", context)
        return milvus_pb2.ShowCollectionsResponse(status=common_pb2.Status(), collection_names=list(self.collections))

    def CreateCollection(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.created.append(request.collection_name)
        self.consistency.append(request.consistency_level)
        schema = schema_pb2.CollectionSchema.FromString(request.schema)
        self.collections[request.collection_name] = {"schema": schema, "ids": [], "vectors": np.empty((0, 0))}
        self._enter("CreateCollection", context)
        return common_pb2.Status()

    def DescribeCollection(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("DescribeCollection", context)
        schema = self.collections[request.collection_name]["schema"]
        return milvus_pb2.DescribeCollectionResponse(status=common_pb2.Status(), schema=schema)

    def CreateIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("CreateIndex", context)
        return common_pb2.Status()

    def DescribeIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("DescribeIndex", context)
        finished = milvus_pb2.IndexDescription(
            index_name="vector", field_name="vector", state=common_pb2.IndexState.Finished
        )
        return milvus_pb2.DescribeIndexResponse(status=common_pb2.Status(), index_descriptions=[finished])

    def LoadCollection(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("LoadCollection", context)
        return common_pb2.Status()

    def GetLoadingProgress(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("GetLoadingProgress", context)
        return milvus_pb2.GetLoadingProgressResponse(status=common_pb2.Status(), progress=100)

    def Insert(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("Insert", context)
        fields = {field.field_name: field for field in request.fields_data}
        collection = self.collections[request.collection_name]
        collection["ids"] = list(fields["id"].scalars.long_data.data)
        vectors = fields["vector"].vectors
        collection["vectors"] = np.array(vectors.float_vector.data).reshape(-1, vectors.dim)
        ids = schema_pb2.IDs(int_id=schema_pb2.LongArray(data=collection["ids"]))
        stamp = int(self.clock() * 1000) << 18
        return milvus_pb2.MutationResult(
            status=common_pb2.Status(), IDs=ids, insert_cnt=request.num_rows, timestamp=stamp
        )

    def Search(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("Search", context)
        self.consistency.append(request.consistency_level)
        self.searches += 1
        ahead = (request.guarantee_timestamp >> 18) / 1000 - self.clock()
        if ahead > 0 and self.waits:
            self.holds = True
            self.awake.wait(min(ahead, self.cuts_after_seconds))
            self.holds = False
            if ahead > self.cuts_after_seconds:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Received http2 header with status: 502")
        group = common_pb2.PlaceholderGroup.FromString(request.placeholder_group)
        wanted = np.frombuffer(group.placeholders[0].values[0], dtype=np.float32)
        collection = self.collections[request.collection_name]
        distances = ((collection["vectors"] - wanted) ** 2).sum(axis=1)
        nearest = int(distances.argmax() if self.finds_wrong else distances.argmin())
        found = schema_pb2.SearchResultData(
            num_queries=1,
            top_k=1,
            scores=[distances[nearest]],
            topks=[1],
            ids=schema_pb2.IDs(int_id=schema_pb2.LongArray(data=[collection["ids"][nearest]])),
        )
        return milvus_pb2.SearchResults(status=common_pb2.Status(), results=found)

    def DropCollection(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._enter("DropCollection", context)
        self.collections.pop(request.collection_name, None)
        return common_pb2.Status()


@contextmanager
def grpc_server(servicer: SmallMilvus | None, pair: KeyPair = PAIR) -> Iterator[int]:
    """A gRPC server with TLS; without a servicer it implements nothing."""
    server = grpc.server(ThreadPoolExecutor(8))
    if servicer is not None:
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(servicer, server)
    keys = [(pair.key_pem, pair.certificate_pem)]
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(keys))
    server.start()
    try:
        yield port
    finally:
        if servicer is not None:
            servicer.awake.set()
        server.stop(None).wait(10)


@contextmanager
def dns_server(records: dict[str, list[str]], *, zone: str = "", has_zone: bool = True) -> Iterator[str]:
    """A name server with these A and AAAA records, and others in zone file form; without the zone it but knows them."""
    others = dnslib.RR.fromZone(zone) if zone else []

    class Resolver(dnslib.server.BaseResolver):  # type: ignore[misc]
        def resolve(self, request: Any, handler: Any) -> Any:
            reply, name = request.reply(aa=int(has_zone)), str(request.q.qname).rstrip(".")
            reply.add_answer(
                *(
                    each
                    for each in others
                    if each.rname == request.q.qname and each.rtype in (request.q.qtype, dnslib.QTYPE.CNAME)
                )
            )
            for address in records.get(name, []):
                kind = "AAAA" if ":" in address else "A"
                if dnslib.QTYPE[request.q.qtype] == kind:
                    reply.add_answer(*dnslib.RR.fromZone(f"{name} 60 {kind} {address}"))
            return reply

    logger = dnslib.server.DNSLogger("-request,-reply")
    server = dnslib.server.DNSServer(Resolver(), address="127.0.0.1", port=0, logger=logger)
    server.start_thread()
    try:
        yield f"127.0.0.1:{server.server.server_address[1]}"
    finally:
        server.stop()
        server.server.server_close()
        server.thread.join(5)
