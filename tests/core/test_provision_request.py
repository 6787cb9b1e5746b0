"""Which steps a run takes, and which choices are refused before it begins."""

import pytest

from tasks.core.errors import ConfigurationError
from tasks.core.provision_request import NEEDS, STEPS, ProvisionRequest, dependents


def a_request(**changes: object) -> ProvisionRequest:
    return ProvisionRequest.parse({"domain": "milvus.example"} | changes)


def test_without_a_choice_every_step_is_taken() -> None:
    request = a_request()

    assert all(request.takes(step) for step in STEPS)
    assert request.choice == ""


@pytest.mark.parametrize(
    ("start", "taken"),
    [
        pytest.param("prove", {"prove"}, id="the last step alone"),
        pytest.param("check-dns-record", {"check-dns-record", "prove"}, id="DNS, then the proof"),
        pytest.param(
            "apply-milvus-release",
            {
                "apply-milvus-release",
                "wait-for-rollout",
                "apply-ingress",
                "wait-for-address",
                "wait-for-backends",
                "wait-for-certificate",
                "delete-unused-managed-certificate",
                "prove",
            },
            id="the release and what stands on it, not the address beside it",
        ),
    ],
)
def test_from_a_step_on_means_the_step_and_what_builds_upon_it(start: str, taken: set[str]) -> None:
    request = a_request(from_step=start)

    assert {step for step in STEPS if request.takes(step)} == taken
    assert request.choice == f"from_step={start}"


def test_only_steps_takes_these_and_proves_nothing_without_the_proof() -> None:
    request = a_request(only_steps="reserve-address, apply-dns-record")

    assert [step for step in STEPS if request.takes(step)] == ["reserve-address", "apply-dns-record"]
    assert not request.proves


@pytest.mark.parametrize("step", STEPS)
def test_every_step_leads_to_the_proof_and_needs_only_earlier_ones(step: str) -> None:
    assert "prove" in dependents(step)
    for later, needed in NEEDS.items():
        assert all(STEPS.index(each) < STEPS.index(later) for each in needed)


def test_contradicting_choices_are_refused_together() -> None:
    with pytest.raises(ConfigurationError) as refused:
        a_request(
            from_step="make-tls-secret",
            only_steps=["prove"],
            certificate_mode="google-managed",
            gke_cluster="one",
        )

    assert "from_step and only_steps: give one of them" in refused.value.observed
    assert "from_step: make-tls-secret is no step of certificate_mode google-managed" in refused.value.observed
    assert "gke_cluster and gke_location" in refused.value.observed


def test_an_unknown_step_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as refused:
        a_request(from_step="wait")

    assert "from_step 'wait'" in refused.value.observed
    assert "'apply-ingress'" in refused.value.observed
