"""Targets as people give them, the faults they are told, and the roll-up of what became of them."""

import pickle
from typing import Any

import pytest

from tasks.core import fleet_report
from tasks.core.errors import ConfigurationError
from tasks.core.fleet import Entry, FleetFailed, FleetRequest, plan
from tasks.core.fleet_report import Outcome


def request(*targets: dict[str, Any], **changes: Any) -> FleetRequest:
    return FleetRequest.parse({"targets": targets} | changes)


def faults(*targets: dict[str, Any], document: object = None, **changes: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plan(request(*targets, **changes), document)
    return caught.value.observed


def row(name: str, **changes: Any) -> dict[str, Any]:
    return {"domain": f"{name}.example.com", "release": name} | changes


def test_a_row_s_own_value_wins_over_the_defaults() -> None:
    defaults = {"namespace": "milvus", "certificate_mode": "google-managed", "backend_timeout_seconds": 60}

    first, second = plan(
        request(row("a"), row("b", namespace="own", certificate_mode="self-managed"), defaults=defaults)
    )

    assert first.name == "milvus/a"
    assert first.parameters == {
        "domain": "a.example.com",
        "release": "a",
        "namespace": "milvus",
        "certificate_mode": "google-managed",
        "backend_timeout_seconds": 60,
    }
    assert second.parameters == {
        "domain": "b.example.com",
        "release": "b",
        "namespace": "own",
        "backend_timeout_seconds": 60,
    }


def test_what_the_form_leaves_empty_is_as_in_the_defaults() -> None:
    """Prefect's form sends every field of a row, also those nobody touched."""
    untouched = {"release": "", "namespace": "", "certificate_mode": "as in defaults", "project": ""}

    (only,) = plan(request({"domain": "a.example.com"} | untouched, defaults={"namespace": "milvus"}))

    assert only.name == "milvus/my-release"
    assert only.parameters == {"domain": "a.example.com", "namespace": "milvus"}


@pytest.mark.parametrize("document", [[row("b")], {"targets": [row("b")]}], ids=["a list", "a mapping"])
def test_the_file_s_targets_come_after_the_table_s(document: object) -> None:
    entries = plan(request(row("a"), targets_file="fleet.yaml"), document)

    assert [(entry.number, entry.release) for entry in entries] == [(1, "a"), (2, "b")]


def test_the_file_s_defaults_hold_for_its_own_targets_and_win_over_the_run_s() -> None:
    document = {"defaults": {"namespace": "file"}, "targets": [row("b")]}

    first, second = plan(
        request(row("a"), targets_file="f", defaults={"namespace": "run", "http": "disabled"}), document
    )

    assert (first.namespace, second.namespace) == ("run", "file")
    assert second.parameters["http"] == "disabled"


def test_the_fleet_s_ticket_reaches_every_target_without_one() -> None:
    document = [row("b", ticket="OPS-2")]

    first, second = plan(request(row("a"), ticket="OPS-1", targets_file="f"), document)

    assert (first.parameters["ticket"], second.parameters["ticket"]) == ("OPS-1", "OPS-2")


def test_every_fault_of_every_target_is_told_with_its_number_and_domain() -> None:
    told = faults(row("a", gke_cluster="x"), {"domain": "B.example.com", "release": "under_score"}, row("c"))

    assert "target 1 (a.example.com): gke_cluster and gke_location: give both or neither" in told
    assert "target 2 (B.example.com): domain 'B.example.com'" in told
    assert "target 2 (B.example.com): release 'under_score'" in told
    assert "target 3" not in told


def test_a_fault_that_all_targets_share_is_told_once() -> None:
    told = faults(*(row(f"r{number}") for number in range(50)), defaults={"chrt": "x"})

    assert told == "all 50 targets: chrt: unknown key, did you mean chart?"


def test_a_fault_of_some_names_the_first_few() -> None:
    rows = [row(f"r{number}", gke_cluster="x" if number < 12 else "") for number in range(13)]

    told = faults(*rows)

    assert told.startswith("targets 1, 2, 3, 4, 5, 6, 7, 8 and 4 more: gke_cluster")


def test_the_same_release_twice_is_refused() -> None:
    assert faults(row("a"), {"domain": "other.example.com", "release": "a"}) == (
        "target 2 (other.example.com): is release default/a of target 1 again"
    )


def test_one_release_name_in_two_clusters_needs_two_addresses() -> None:
    """A global static address is named after the release, and is one per project, not per cluster."""
    first, second = row("a", kube_context="one"), row("a", domain="b.example.com", kube_context="two")

    told = faults(first, second)
    entries = plan(request(first, second | {"address_name": "second"}))

    assert "would take the static address a-milvus of target 1: give it an address_name" in told
    assert len(entries) == 2


def test_two_targets_that_would_write_the_same_record_are_refused() -> None:
    zone = {"dns_managed_zone": "zone"}

    assert "would write the DNS record a.example.com of target 1" in faults(
        row("a"), row("b", domain="a.example.com"), defaults=zone
    )


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"targets": "a"}, "targets: is no list of mappings, one per target"),
        ({"target": [], "targets": []}, "target: unknown key, only targets and defaults stand here"),
        ({"defaults": [], "targets": [row("a")]}, "defaults: is no mapping of parameters to values"),
        ("text", "targets: is no list of mappings, one per target"),
    ],
)
def test_a_file_of_another_shape_is_refused(document: object, told: str) -> None:
    assert told in faults(document=document, targets_file="fleet.yaml")


def test_no_target_at_all_is_refused() -> None:
    assert faults() == "there is no target"


def test_a_fleet_s_own_faults_are_told_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        FleetRequest.parse({"at_once": 0, "fleet": "Upper", "deployment": "provision"})

    assert all(field in caught.value.observed for field in ("at_once", "fleet", "deployment"))


def test_a_changed_request_has_another_digest() -> None:
    """A retry takes up the run of the same request; what was mended in the targets file is a run of its own."""
    (before,), (same,), (after,) = (
        plan(request(row("a"))),
        plan(request(row("a"))),
        plan(request(row("a"), defaults={"http": "disabled"})),
    )

    assert before.digest == same.digest != after.digest


# --- the roll-up -----------------------------------------------------------------------------------------------------

ERROR = {"layer": "milvus", "resource": "pod a/b", "observed": "no | space\nleft", "mend": "Make room."}
REPORT: dict[str, Any] = {"verdict": "verified", "address": "203.0.113.9", "writes": ["much"] * 1000}


def entry(number: int) -> Entry:
    return Entry(number, f"r{number}", "team", f"r{number}.example.com", {})


def good(number: int) -> Outcome:
    return fleet_report.completed(entry(number), f"id-{number}", "Completed", 12.34, REPORT)


def bad(number: int) -> Outcome:
    report = {"verdict": "failed", "address": "", "error": ERROR}
    return fleet_report.failed(entry(number), f"id-{number}", "Failed", 3.0, report, "the state's message")


def test_all_verified_is_said_in_one_line() -> None:
    found = fleet_report.roll_up("all", "OPS-1", 60.0, [good(2), good(1)])

    assert found.verdict == "verified"
    assert found.summary == "2 of 2 verified"
    assert found.error("key") is None
    assert [outcome.number for outcome in found.targets] == [1, 2]


def test_the_report_s_error_is_told_and_nothing_else_of_it_is_kept() -> None:
    outcome = bad(1)

    assert outcome.error == ERROR
    assert len(good(1).model_dump_json()) < 400


def test_a_run_that_ended_without_a_report_is_told_with_its_state() -> None:
    outcome = fleet_report.failed(entry(1), "id-1", "Crashed", 1.0, None, "Process exited with status code: -9")

    assert outcome.verdict == "failed"
    assert outcome.error is not None
    assert outcome.error["observed"] == "Process exited with status code: -9"
    assert outcome.error["mend"] == "See its log: prefect flow-run logs id-1"


def test_a_run_that_took_no_proof_is_well_but_not_verified() -> None:
    part = fleet_report.completed(entry(2), "id-2", "Completed", 1.0, {"verdict": "unproved"})

    found = fleet_report.roll_up("all", "", 1.0, [good(1), part])

    assert found.verdict == "unproved"
    assert found.summary == "1 unproved, 1 verified, of 2"
    assert found.error("key") is None


def test_the_markdown_tells_first_what_to_mend_and_links_every_run() -> None:
    text = fleet_report.markdown(fleet_report.roll_up("all", "OPS-1", 60.0, [good(1), bad(2)]))

    assert text.startswith("# Fleet all: 1 failed, 1 verified, of 2")
    assert "| [team/r2](/runs/flow-run/id-2) | milvus | pod a/b: no \\| space left | Make room. |" in text
    assert "| 1 | [team/r1](/runs/flow-run/id-1) | r1.example.com | verified | 203.0.113.9 | 12 | Completed |" in text
    assert text.index("To mend") < text.index("## Targets")


def test_the_failure_names_who_failed_in_which_layer_and_survives_pickling() -> None:
    found = fleet_report.roll_up("all", "", 1.0, [good(1), *(bad(number) for number in range(2, 13))])

    error = found.error("milvus-l7-fleet-report-all")

    assert isinstance(error, FleetFailed)
    assert error.observed.startswith("11 of 12 targets failed: team/r2 (milvus), team/r3 (milvus)")
    assert error.observed.endswith(" and 3 more")
    assert "milvus-l7-fleet-report-all" in error.mend
    assert error.layer == "milvus"
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)


def test_a_hundred_targets_fit_in_a_small_artifact() -> None:
    found = fleet_report.roll_up("all", "", 1.0, [bad(number) for number in range(100)])

    assert len(fleet_report.markdown(found)) < 60_000
    assert len(found.as_json()) < 60_000


@pytest.mark.parametrize(
    ("text", "found"),
    [('```json\n{"verdict": "failed"}\n```', {"verdict": "failed"}), ("# Markdown", None), (None, None), ("[]", None)],
)
def test_a_report_is_read_out_of_its_artifact(text: object, found: dict[str, str] | None) -> None:
    assert fleet_report.from_artifact(text) == found


def test_the_example_file_holds_targets_that_pass() -> None:
    from pathlib import Path

    import yaml

    document = yaml.safe_load((Path(__file__).parents[2] / "deployments" / "fleet.example.yaml").read_text())

    assert len(plan(request(targets_file="fleet.example.yaml"), document)) == 3
