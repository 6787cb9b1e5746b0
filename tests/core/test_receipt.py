"""The receipt: notes go into a ConfigMap and come out again, and are written only when they say something new."""

from typing import Any

import pytest

from tasks.core import receipt
from tasks.core.receipt import Former, Receipt, ReservedAddress, WrittenRecord

RECORD = WrittenRecord(project="p", zone="z", name="milvus.example.com", address="203.0.113.7")
FULL = Receipt(
    addresses=(ReservedAddress(project="p", name="my-release-milvus"),),
    secrets=("my-own-tls",),
    dns_records=(RECORD,),
    release=Former(service_type="LoadBalancer", values={"service.type": "LoadBalancer", "x": None}, revision=1),
    load_balancer=("forwardingRules/k8s2-fs-x", "zones/a/networkEndpointGroups/k8s1-x"),
)


def a_config_map(noted: Receipt, **more: str) -> dict[str, Any]:
    return receipt.manifest("default", "my-release", noted.data() | more)


def test_notes_come_out_as_they_went_in() -> None:
    assert Receipt.read(a_config_map(FULL)) == FULL


def test_the_config_map_is_ours_and_named_after_the_release() -> None:
    metadata = a_config_map(FULL)["metadata"]

    assert metadata["name"] == "my-release-milvus-l7"
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": "milvus-gke-l7"}


@pytest.mark.parametrize("live", [None, {}, {"data": None}, {"data": {"foreign": "1"}}])
def test_without_notes_the_receipt_is_empty(live: dict[str, Any] | None) -> None:
    assert Receipt.read(live).empty


def test_a_note_that_cannot_be_read_takes_no_other_with_it() -> None:
    live = a_config_map(FULL)
    live["data"]["addresses.json"] = "{"

    found = Receipt.read(live)

    assert found.addresses == ()
    assert found.dns_records == (RECORD,)


def test_a_key_of_a_later_version_does_not_make_the_note_unreadable() -> None:
    live = a_config_map(FULL)
    live["data"]["addresses.json"] = '[{"project": "p", "name": "n", "tier": "PREMIUM"}]'

    assert Receipt.read(live).addresses == (ReservedAddress(project="p", name="n"),)


def test_what_is_said_already_is_not_written_again() -> None:
    assert receipt.change(a_config_map(FULL), FULL) == {}


def test_a_note_taken_away_removes_its_key_and_no_foreign_one() -> None:
    live = a_config_map(FULL, foreign="1")

    assert receipt.change(live, FULL.model_copy(update={"addresses": ()})) == {"addresses.json": None}


def test_an_empty_receipt_of_no_config_map_asks_for_no_write() -> None:
    assert receipt.change(None, Receipt()) == {}


def test_what_the_release_was_is_remembered_from_before_the_first_change() -> None:
    """A second provision finds the Service changed already and must not take our own work for the state before."""
    first = Former(service_type="LoadBalancer", values={"service.type": "LoadBalancer", "tls": None}, revision=1)

    again = first.noting(Former(service_type="", values={"tls": "0"}, revision=4))

    assert again.service_type == "LoadBalancer"
    assert again.values == {"service.type": "LoadBalancer", "tls": "0"}
    assert again.revision == 1
