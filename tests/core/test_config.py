"""Bad input is refused as a whole, before the first call, in words that mend it."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.config import CertificateMode, LoadBalancerConfig, SecurityPolicyAction
from tasks.core.errors import ConfigurationError

DOMAIN = "milvus.example.com"


def faults(**parameters: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        LoadBalancerConfig.parse({"domain": DOMAIN, **parameters})
    assert caught.value.resource == "configuration"
    assert "Nothing was touched" in caught.value.mend
    return caught.value.observed


def test_a_domain_is_enough() -> None:
    config = LoadBalancerConfig.parse({"domain": DOMAIN})

    assert (config.release, config.namespace) == ("my-release", "default")
    assert config.certificate_mode is CertificateMode.SELF_MANAGED
    assert config.domains == (DOMAIN,)
    assert (config.address, config.tls_secret) == ("my-release-milvus", "my-release-milvus-tls")


def test_a_configuration_survives_json() -> None:
    """The report, the form and the API carry it so."""
    config = LoadBalancerConfig.parse({"domain": DOMAIN, "additional_domains": "a.example.com, b.example.com"})

    assert LoadBalancerConfig.parse(config.model_dump(mode="json")) == config
    assert config.domains == (DOMAIN, "a.example.com", "b.example.com")


def test_a_missing_domain_is_named() -> None:
    with pytest.raises(ConfigurationError, match="domain: is missing"):
        LoadBalancerConfig.parse({})


def test_an_unknown_key_gets_a_suggestion_and_its_value_is_not_quoted() -> None:
    found = faults(releas="x", pasword="hunter2")

    assert "releas: unknown key, did you mean release?" in found
    assert "pasword: unknown key" in found
    assert "hunter2" not in found


def test_a_value_in_the_place_of_a_secrets_name_is_not_quoted() -> None:
    """It may be the password itself."""
    assert "Hunter2!" not in faults(milvus_credentials_secret="Hunter2!")


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("", "is missing"),
        ("*.example.com", "is a wildcard"),
        ("Milvus.Example.com", "write milvus.example.com"),
        ("milvus.example.com.", "ends with a dot"),
        ("34.111.144.65", "is an IP address"),
        ("::1", "is an IP address"),
        ("milvus", "is no domain name"),
        ("milvus_.example.com", "is no domain name"),
        ("-a.example.com", "is no domain name"),
        ("milvus.example.1", "is no domain name"),
        ("https://milvus.example.com", "is no domain name"),
        ("milvus.example.com:443", "is no domain name"),
        ("a b.example.com", "is no domain name"),
        (f"{'a' * 64}.example.com", "longer than DNS allows"),
        ("a." * 125 + "example.com", "longer than DNS allows"),
    ],
)
@pytest.mark.parametrize("field", ["domain", "additional_domains"])
def test_a_malformed_domain_says_what_is_wrong_with_it(domain: str, text: str, field: str) -> None:
    value = domain if field == "domain" else [domain]

    assert text in faults(**{field: value})


@pytest.mark.parametrize("field", ["domain", "additional_domains"])
def test_a_domain_of_more_than_63_characters_is_too_long_for_google(field: str) -> None:
    long = f"{'a' * 60}.example.com"
    value = long if field == "domain" else [long]

    assert "63 at most" in faults(**{field: value}, certificate_mode="google-managed")
    assert LoadBalancerConfig.parse({"domain": DOMAIN, field: value}).certificate_mode is CertificateMode.SELF_MANAGED


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"release": ""}, "no Helm release name"),
        ({"release": "a" * 54}, "no Helm release name"),
        ({"release": "My_Release"}, "no Helm release name"),
        ({"namespace": ""}, "namespace"),
        ({"namespace": "a.b"}, "no Kubernetes name"),
        ({"project": "x"}, "no project ID"),
        ({"address_name": "1st"}, "no Compute name"),
        ({"gke_cluster": "c", "gke_location": "somewhere"}, "gke_location"),
        ({"certificate_mode": "magic"}, "'self-managed', 'google-managed' or 'existing-secret'"),
        ({"certificate_validity_days": 826}, "825"),
        ({"backend_timeout_seconds": 0}, "backend_timeout_seconds 0"),
        ({"draining_seconds": 3601}, "3600"),
        ({"address_timeout_seconds": "soon"}, "address_timeout_seconds 'soon'"),
        ({"ticket": "x" * 201}, "200"),
        ({"ticket": "<script>"}, "ticket"),
        ({"additional_domains": [f"a{number}.example.com" for number in range(100)]}, "99"),
        ({"refused_sources": ["my-laptop"]}, "refused_sources.0 'my-laptop': is no IP address"),
        ({"refused_sources": ["198.51.100.0/24"]}, "is no IP address"),
        ({"refused_sources": ["2001:db8::7"]}, "is an IPv6 address, and the load balancer has none"),
        ({"refused_sources": ["0.0.0.0"]}, "is no address that a call can come from"),
        ({"refused_sources": [f"198.51.100.{number}" for number in range(17)]}, "16"),
    ],
)
def test_a_single_field_that_is_wrong(parameters: dict[str, Any], text: str) -> None:
    assert text in faults(**parameters)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"gke_cluster": "c"}, "give both or neither"),
        ({"gke_location": "europe-west1"}, "give both or neither"),
        ({"gke_cluster": "c", "gke_location": "europe-west1", "kube_context": "k"}, "one way to reach the cluster"),
        ({"security_policy": "set"}, "given exactly when security_policy is set"),
        ({"security_policy_name": "armor"}, "given exactly when security_policy is set"),
        ({"security_policy": "remove", "refused_sources": ["198.51.100.7"]}, "nobody is refused"),
        ({"certificate_mode": "existing-secret"}, "name the Secret"),
    ],
)
def test_fields_that_disagree(parameters: dict[str, Any], text: str) -> None:
    assert text in faults(**parameters)


def test_all_faults_come_at_once_those_between_fields_included() -> None:
    found = faults(
        domain="*.example.com",
        release="X",
        backend_timeout_seconds=0,
        securty_policy="keep",
        gke_cluster="c",
        certificate_mode="existing-secret",
        security_policy="set",
    )

    assert found.count("; ") == 6
    for part in (
        "domain '*.example.com': is a wildcard",
        "release 'X'",
        "backend_timeout_seconds 0",
        "securty_policy: unknown key, did you mean security_policy?",
        "give both or neither",
        "name the Secret",
        "given exactly when security_policy is set",
    ):
        assert part in found


def test_a_field_that_is_wrong_does_not_look_as_if_it_were_missing() -> None:
    found = faults(gke_cluster="c", gke_location="somewhere")

    assert "give both or neither" not in found


def test_a_very_long_value_is_cut() -> None:
    assert len(faults(release="x" * 10_000)) < 300


def test_a_configuration_cannot_be_changed() -> None:
    config = LoadBalancerConfig.parse({"domain": DOMAIN})

    with pytest.raises(ValueError, match="frozen"):
        config.release = "other"


@pytest.mark.parametrize(("action", "name"), [("keep", ""), ("set", "armor"), ("remove", "")])
def test_the_three_states_of_a_security_policy(action: str, name: str) -> None:
    config = LoadBalancerConfig.parse({"domain": DOMAIN, "security_policy": action, "security_policy_name": name})

    assert config.security_policy is SecurityPolicyAction(action)


def test_addresses_that_must_be_refused_are_a_list_or_a_text() -> None:
    """`--set` and a form's text field give the text."""
    config = LoadBalancerConfig.parse({"domain": DOMAIN, "refused_sources": "198.51.100.7, 198.51.100.8"})

    assert config.refused_sources == ("198.51.100.7", "198.51.100.8")
    assert LoadBalancerConfig.parse(config.model_dump(mode="json")) == config


def test_every_field_has_a_title_and_a_text_of_its_own() -> None:
    """They label the form in Prefect's UI."""
    fields = LoadBalancerConfig.model_json_schema()["properties"]

    assert [name for name, schema in fields.items() if not schema.get("title") or not schema.get("description")] == []


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(LoadBalancerConfig.model_fields)), st.text() | st.integers(), max_size=6))
def test_whatever_comes_in_either_fits_or_is_refused_in_words(parameters: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigurationError):
        assert LoadBalancerConfig.parse(parameters).domain
