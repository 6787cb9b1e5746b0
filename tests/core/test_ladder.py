"""What a climb comes to: the rungs, the verdict, the error."""

import pytest

from tasks.core import ladder
from tasks.core.ladder import RUNGS, Fault, Outcome, Rung, Verdict


def passed(*names: str) -> list[Rung]:
    return [Rung(name, Outcome.PASSED, "fine", 0.1234567) for name in names]


# --- the verdict ----------------------------------------------------------------------------------------------------


def test_all_rungs_passed_is_verified() -> None:
    verdict = ladder.finished(passed(*RUNGS))

    assert verdict.verified
    assert verdict.error("load balancer x") is None
    assert verdict.as_dict()["outcome"] == "verified"
    assert verdict.as_dict()["rungs"][0] == {"name": "dns", "outcome": "passed", "detail": "fine", "seconds": 0.123}


def test_dns_and_collection_may_be_skipped() -> None:
    rungs = [
        Rung("dns", Outcome.SKIPPED, "no record; the address is dialled"),
        *passed(*RUNGS[1:10]),
        Rung("collection", Outcome.SKIPPED, "proof_writes is off"),
    ]

    assert ladder.finished(rungs).verified


def test_a_broken_rung_skips_the_rest_and_becomes_the_error() -> None:
    fault = Fault("certificate", "CertificateExpired", "it expired", "Renew it.")
    verdict = ladder.finished([*passed("dns", "tcp"), Rung("tls", Outcome.FAILED, "it expired", fault=fault)])

    assert not verdict.verified
    assert [(rung.name, rung.outcome) for rung in verdict.rungs[3:]] == [(name, Outcome.SKIPPED) for name in RUNGS[3:]]
    assert verdict.rungs[3].detail == "not reached: tls broke"
    error = verdict.error("load balancer milvus.example.com at 34.1.2.3")
    assert error is not None
    assert (error.layer, error.cause) == ("certificate", "CertificateExpired")
    assert (error.observed, error.mend) == ("rung tls broke: it expired", "Renew it.")


def test_a_rung_that_was_not_reached_is_blamed_for_nothing() -> None:
    """What lies above a broken rung may be right or wrong: nobody looked."""
    fault = Fault("network", "ConnectionTimedOut", "no answer", "Look at the firewall.")
    verdict = ladder.finished([*passed("dns"), Rung("tcp", Outcome.FAILED, "no answer", fault=fault)])

    assert [rung.name for rung in verdict.rungs if rung.fault] == ["tcp"]
    assert {rung.detail for rung in verdict.rungs[2:]} == {"not reached: tcp broke"}


def test_no_rung_at_all_is_not_verified() -> None:
    assert not Verdict(()).verified
    assert Verdict(()).error("x") is not None


def test_a_mend_has_the_names_of_those_it_is_for() -> None:
    fault = Fault("ingress", "X", "seen", "kubectl -n NAMESPACE describe ingress INGRESS")

    assert fault.at("vectors", "db-milvus").mend == "kubectl -n vectors describe ingress db-milvus"


# --- when to give up ------------------------------------------------------------------------------------------------


def breaks(*ways: tuple[str, str]) -> list[Rung]:
    return [Rung(name, Outcome.FAILED, "", fault=Fault("ingress", cause, "", "")) for name, cause in ways]


CUT, MOMENT, REFUSED = ("long-call", "CallCutByTimeout"), ("long-call", "MilvusError"), ("tls", "HandshakeFailed")


@pytest.mark.parametrize(
    ("ways", "too_often"),
    [
        pytest.param([CUT, CUT], False, id="twice may be chance"),
        pytest.param([CUT, CUT, CUT], True, id="three times is not"),
        pytest.param([CUT, CUT, MOMENT], False, id="a moment of Milvus' own is not the same"),
        pytest.param([CUT, MOMENT, CUT, CUT], True, id="nor does it hide what is"),
        pytest.param([REFUSED] * 9, False, id="what takes no time is waited for"),
    ],
)
def test_what_takes_long_is_given_up_when_it_breaks_three_times_alike(
    ways: list[tuple[str, str]], too_often: bool
) -> None:
    assert ladder.breaks_too_often(breaks(*ways)) is too_often
