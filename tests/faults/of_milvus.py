"""Faults of Milvus itself, and of who may reach it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.fault import fault
from tests.faults.site import Site


@fault("Milvus does not start any more", "§14 all Pods crash", layer="milvus", cause="CrashLoop", mend="logs")
@contextmanager
def milvus_crashes(site: Site) -> Iterator[None]:
    with site.armed("milvus-crash"):
        site.restart("waiting")
        yield
    site.restart("running")


@fault("a pod stays behind its readiness gate", "§14 rolling restart stalls; §8.5",
       layer="milvus", cause="RollingOut", mend="kubectl")  # fmt: skip
@contextmanager
def readiness_gate(site: Site) -> Iterator[None]:
    """It stalls because the load balancer never calls the Pod healthy; a gate alone keeps no client out."""
    with site.armed("never-healthy"), site.armed("readiness-gate-stall"):
        site.restart("running")
        yield
    site.restart("running")


@fault("Milvus asks for no password", "A10; §4.4", where="world",
       layer="milvus", cause="AnonymousAccess", mend="authorizationEnabled", open_milvus_reason="")  # fmt: skip
@contextmanager
def open_to_everybody(_site: Site) -> Iterator[None]:
    yield


@fault("Milvus, published, asks for no password", "A10; §4.4",
       layer="milvus", cause="AnonymousAccess", mend="authorizationEnabled", open_milvus_reason="")  # fmt: skip
@contextmanager
def published_and_open(_site: Site) -> Iterator[None]:
    yield
