"""The Milvus client's manners towards the process it is loaded into."""

import subprocess
import sys

import grpc

from tasks.clients import milvus


def test_loading_pymilvus_leaves_the_log_handlers_of_the_process_alone() -> None:
    """By itself its import drops them all, and Prefect's run logs with them; in a process of its own, to be seen."""
    script = """
import logging, sys
handler = logging.StreamHandler(sys.stdout)
logging.getLogger("mine").addHandler(handler)
from tasks.clients import milvus
milvus.load()
assert handler in [reference() for reference in logging._handlerList]
logging.getLogger("mine").warning("still heard")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "still heard" in done.stdout


def test_the_grpc_error_is_found_under_what_pymilvus_raised() -> None:
    """It raises some errors from themselves, and one more when it cannot reconnect."""

    class Refused(grpc.RpcError):  # type: ignore[misc]
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

        def details(self) -> str:
            return "Socket closed"

    refused, other = Refused(), RuntimeError("cannot reconnect")
    refused.__cause__ = refused
    other.__context__ = refused
    circle = RuntimeError("nothing of gRPC's")
    circle.__cause__ = circle

    assert milvus.rpc_error(other) == ("UNAVAILABLE", "Socket closed")
    assert milvus.rpc_error(circle) == ("", "nothing of gRPC's")
