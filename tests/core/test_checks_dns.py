"""What name servers say of a domain, before and after the address is known."""

from typing import Any

import pytest

from tasks.core.checks import Check, dns
from tasks.core.checks.dns import Caa, Said
from tests.core.check_objects import DOMAIN, FAILED, PASSED, SKIPPED, a_config, result

ADDRESS = "203.0.113.7"
GOOGLE: dict[str, Any] = {"certificate_mode": "google-managed"}


def judged(*said: Said, address: str = ADDRESS, **config: Any) -> list[Check]:
    return list(dns.checks(a_config(**GOOGLE | config), DOMAIN, said, address))


def says(*records: Caa, at: str = "example.com") -> Said:
    return Said("192.0.2.53", (ADDRESS,), caa_at=at, caa=records)


def issue(value: str, flags: int = 0, tag: str = "issue") -> Caa:
    return Caa(flags, tag, value)


def test_a_domain_that_leads_to_the_load_balancer_passes() -> None:
    found = judged(Said("a", (ADDRESS,)), Said("b", (ADDRESS,)))

    assert {check.result for check in found} == {PASSED}
    assert {check.resource for check in found} == {f"domain {DOMAIN}"}


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        pytest.param([issue("pki.goog")], PASSED, id="Google Trust Services"),
        pytest.param([issue("letsencrypt.org; validationmethods=http-01")], PASSED, id="Let's Encrypt, with more"),
        pytest.param([issue("digicert.com"), issue("pki.goog")], PASSED, id="among others"),
        pytest.param([issue("PKI.goog")], PASSED, id="in another case"),
        pytest.param([issue("digicert.com")], FAILED, id="another authority"),
        pytest.param([issue(";")], FAILED, id="nobody"),
        pytest.param([issue("", 0)], FAILED, id="an empty value"),
        pytest.param([issue("mailto:a@example.com", tag="iodef")], PASSED, id="only where to complain"),
        pytest.param([issue("digicert.com", tag="issuewild")], PASSED, id="only about wildcards"),
        pytest.param([issue("pki.goog"), issue("x", 128, "tbs")], FAILED, id="a critical one nobody knows"),
        pytest.param([issue("pki.goog"), issue("x", 0, "tbs")], PASSED, id="an unknown one that is not critical"),
    ],
)
def test_caa_decides_who_may_issue(records: list[Caa], wanted: str) -> None:
    found = result(judged(says(*records)), "CaaForbidsCheck")

    assert found.result is wanted
    assert found.ends_the_run == (wanted is FAILED)


def test_a_forbidding_record_is_told_where_it_stands_with_the_record_to_add() -> None:
    found = result(judged(Said("a", (ADDRESS,)), says(issue("digicert.com"))), "CaaForbidsCheck")

    assert found.observed == (
        'the CAA records of example.com do not let Google issue: 0 issue "digicert.com" (192.0.2.53)'
    )
    assert 'Add to example.com.: CAA 0 issue "pki.goog"' in found.mend


def test_caa_is_judged_before_the_address_is_known_and_only_for_google() -> None:
    forbidding = says(issue("digicert.com"))

    assert result(judged(forbidding, address=""), "CaaForbidsCheck").ends_the_run
    assert result(judged(forbidding, certificate_mode="self-managed"), "CaaForbidsCheck").result is SKIPPED


def test_caa_that_cannot_be_read_is_told_and_does_not_stop() -> None:
    found = result(judged(Said("a", (ADDRESS,), caa_error="does not answer: SERVFAIL")), "CaaForbidsCheck")

    assert (found.result, found.blocks) == (FAILED, False)
    assert "SERVFAIL" in found.observed


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_an_aaaa_record_leads_elsewhere_in_any_case(address: str) -> None:
    found = result(judged(Said("a", (ADDRESS,), ("2001:db8::7",)), address=address), "StrayAaaaCheck")

    assert (found.result, found.blocks) == (FAILED, False)
    assert "2001:db8::7" in found.observed
    assert "AAAA" in found.mend


def test_resolvers_that_disagree_are_told_side_by_side() -> None:
    found = result(judged(Said("a", (ADDRESS,)), Said("b", ("192.0.2.1",)), Said("c")), "ResolversAgreeCheck")

    assert found.observed == f"the resolvers disagree: a: {ADDRESS}; b: 192.0.2.1; c: nothing"
    assert not found.ends_the_run


def test_a_resolver_that_does_not_answer_is_told_and_nothing_is_concluded_from_it() -> None:
    found = judged(Said("a", error="does not answer: timeout", caa_error="timeout"))

    assert "does not answer: timeout" in result(found, "ResolversAgreeCheck").observed
    assert {result(found, name).result for name in ("StrayAaaaCheck", "CnameCheck", "DomainPointsElsewhereCheck")} == {
        SKIPPED
    }


@pytest.mark.parametrize(
    ("a", "address", "wanted"),
    [
        pytest.param((ADDRESS,), ADDRESS, PASSED, id="an alias that leads here"),
        pytest.param(("192.0.2.1",), ADDRESS, FAILED, id="an alias that leads elsewhere"),
        pytest.param((), ADDRESS, FAILED, id="an alias of nothing"),
        pytest.param(("192.0.2.1",), "", SKIPPED, id="before the address is known"),
    ],
)
def test_an_alias_is_judged_by_where_it_ends(a: tuple[str, ...], address: str, wanted: str) -> None:
    found = result(judged(Said("a", a, alias="cdn.example.net"), address=address), "CnameCheck")

    assert found.result is wanted
    assert "cdn.example.net" in found.observed


@pytest.mark.parametrize(
    ("a", "address", "config", "wanted", "observed"),
    [
        pytest.param(("192.0.2.1",), ADDRESS, {}, FAILED, "leads to 192.0.2.1", id="elsewhere"),
        pytest.param((ADDRESS, "192.0.2.1"), ADDRESS, {}, FAILED, "192.0.2.1", id="here and elsewhere"),
        pytest.param((), ADDRESS, {}, SKIPPED, f"{DOMAIN}. 300 IN A {ADDRESS}", id="nowhere yet"),
        pytest.param(("192.0.2.1",), "", {}, SKIPPED, "not known yet", id="before the address is known"),
        pytest.param(
            ("192.0.2.1",), ADDRESS, {"dns_managed_zone": "zone"}, SKIPPED, "provision writes the record", id="ours"
        ),
    ],
)
def test_an_address_is_judged_once_ours_is_known(
    a: tuple[str, ...], address: str, config: dict[str, Any], wanted: str, observed: str
) -> None:
    found = result(judged(Said("a", a), address=address, **config), "DomainPointsElsewhereCheck")

    assert found.result is wanted
    assert observed in found.observed
    assert not found.ends_the_run
