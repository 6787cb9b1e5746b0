"""Somebody followed the published guide by hand, with all its faults; then they run provision."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from flows.provision import provision
from sandbox.stack import Stack
from tasks.adoption import discover
from tasks.clients import compute, kubernetes
from tasks.core import annotations, certificates, progress, status
from tasks.core.adoption import Gap
from tasks.core.progress import Journal
from tasks.inspection import compare_three_ways
from tasks.tls_secret import pem
from tests import guide
from tests.flows.running import run
from tests.tasks.world import World
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_api")]

MODES = ["self-managed", "google-managed"]


@pytest.fixture
def hands(stack: Stack) -> Iterator[World]:
    """A Milvus release of this test's own, which the guide's reader installed with values of theirs."""
    world = World(stack)
    world.install(image={}, log={"level": "warn"})
    yield world
    world.close()


def parameters(world: World, mode: str) -> dict[str, Any]:
    where = {"domain": world.domain, "release": world.release, "namespace": world.namespace}
    return where | {"certificate_mode": mode, "dns_managed_zone": "sandbox-zone", "proof_timeout_seconds": 120}


def gaps(world: World, mode: str) -> list[Gap]:
    progress.use(Journal())
    return discover.fn(world.config(**parameters(world, mode)))


@pytest.mark.parametrize("mode", MODES)
def test_the_guides_result_is_taken_over_with_its_address_and_its_gaps_are_closed(hands: World, mode: str) -> None:
    before = guide.follow(hands, mode)
    promoted = eventually(lambda: status.marks(hands.read(kubernetes.INGRESS)).get(annotations.STATIC_IP))
    found = gaps(hands, mode)

    report = run(provision, **parameters(hands, mode))

    # 2 is a certificate that waits without an Ingress, and 3 one of openssl: never both, and neither here in mode 6b.
    missing = {2} if mode == "self-managed" else {2, 3}
    assert {gap.number for gap in found} == set(range(1, 12)) - missing
    assert set(report.gaps) == set(found)
    assert report.verdict == "verified"
    assert report.address == before
    live = hands.read(kubernetes.INGRESS)
    assert status.ingress_address(live) == before
    assert annotations.STATIC_IP_NAME not in status.marks(live)
    assert (compute.api(hands.config()).get("addresses", promoted) or {})["address"] == before
    assert [gap for gap in gaps(hands, mode) if gap.by == "provision"] == []
    assert compare_three_ways.fn(hands.config(**parameters(hands, mode))) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_second_run_writes_nothing(hands: World, mode: str) -> None:
    guide.follow(hands, mode)
    eventually(lambda: status.marks(hands.read(kubernetes.INGRESS)).get(annotations.STATIC_IP))
    run(provision, **parameters(hands, mode))
    before = hands.writes()

    again = run(provision, **parameters(hands, mode))

    assert again.writes == ()
    assert hands.writes() == before


def test_a_reader_who_waits_for_active_is_led_out_of_the_deadlock(hands: World) -> None:
    """Step 5b says to watch until Active, and step 6b, without which it never comes, stands behind it."""
    guide.turn_on_tls(hands)
    hands.write(guide.backend_config(hands))
    guide.annotate(hands)
    guide.make_certificate(hands, "google-managed")
    found = gaps(hands, "google-managed")

    report = run(provision, **parameters(hands, "google-managed"))

    assert [gap.by for gap in found if gap.number == 2] == ["provision"]
    assert report.certificate.status == "ACTIVE"
    assert [gap for gap in gaps(hands, "google-managed") if gap.number == 2] == []


def test_the_certificate_of_openssl_is_replaced_and_its_key_is_nowhere(
    hands: World, caplog: pytest.LogCaptureFixture
) -> None:
    guide.follow(hands)
    name = f"{hands.service}-tls"
    old = hands.read(kubernetes.SECRET, name)
    key = pem(old, "tls.key").decode()

    with caplog.at_level(logging.DEBUG):
        report = run(provision, **parameters(hands, "self-managed"))

    facts = certificates.read(pem(hands.read(kubernetes.SECRET, name), "tls.crt"))
    assert facts.fingerprint == report.certificate.fingerprint
    assert facts.fingerprint != certificates.read(pem(old, "tls.crt")).fingerprint
    assert facts.domains == (hands.domain,)
    body = "".join(key.splitlines()[1:-1])
    assert body not in report.as_json().replace("\\n", "") + "".join(caplog.messages).replace("\n", "")
