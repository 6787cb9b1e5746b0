"""Milvus' sessions: the keys by which its components find each other in etcd.

Milvus 2.3.5 stops its embedded etcd before its components have signed off (it ends with `panic: context canceled`), so
that the next start finds sessions of the dead and waits, 14 to 55 s, until their leases end. Removing the keys just
before the stop is what the components would have done.
"""

import base64
import contextlib
import http.client
import json

PREFIX = b"by-dev/meta/session/"


def sign_off(etcd_port: int) -> None:
    """Remove every component's session from the etcd on this loopback port; nothing happens when it does not answer."""
    end = PREFIX[:-1] + bytes([PREFIX[-1] + 1])
    body = {"key": base64.b64encode(PREFIX).decode(), "range_end": base64.b64encode(end).decode()}
    connection = http.client.HTTPConnection("127.0.0.1", etcd_port, timeout=2)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/v3/kv/deleterange", body=json.dumps(body))
        connection.getresponse().read()
