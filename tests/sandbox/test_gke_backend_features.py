"""A BackendConfig sets what it names, and leaves alone what it does not."""

from typing import Any

import pytest

from sandbox.gke import backend_features

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"timeoutSec": 3600}, {"timeoutSec": 3600}),
        ({"connectionDraining": {"drainingTimeoutSec": 60}}, {"connectionDraining": {"drainingTimeoutSec": 60}}),
        (
            {"sessionAffinity": {"affinityType": "GENERATED_COOKIE", "affinityCookieTtlSec": 50}},
            {"sessionAffinity": "GENERATED_COOKIE", "affinityCookieTtlSec": 50},
        ),
        ({"logging": {"enable": True, "sampleRate": 0.5}}, {"logConfig": {"enable": True, "sampleRate": 0.5}}),
        ({"logging": {"enable": False}}, {"logConfig": {"enable": False}}),
        ({"customRequestHeaders": {"headers": ["X:y"]}}, {"customRequestHeaders": ["X:y"]}),
        ({"iap": {"enabled": False}}, {"iap": {"enabled": False}}),
        ({"cdn": {"enabled": False}}, {"enableCDN": False}),
    ],
)
def test_a_field_is_set(spec: Json, expected: Json) -> None:
    backend: Json = {"name": "b"}

    backend_features.apply(backend, spec)

    assert backend == {"name": "b"} | expected
    assert backend_features.apply(backend, spec) is False, "a second time changes nothing"


def test_a_field_that_went_from_the_backend_config_stays_on_the_backend_service() -> None:
    backend: Json = {"timeoutSec": 3600, "connectionDraining": {"drainingTimeoutSec": 60}}

    changed = backend_features.apply(backend, {})

    assert changed is False
    assert backend == {"timeoutSec": 3600, "connectionDraining": {"drainingTimeoutSec": 60}}


@pytest.mark.parametrize(
    ("spec", "policy"),
    [({}, None), ({"securityPolicy": {"name": ""}}, ""), ({"securityPolicy": {"name": "armor"}}, "armor")],
)
def test_a_security_policy_is_left_removed_or_set(spec: Json, policy: str | None) -> None:
    assert backend_features.security_policy(spec) == policy
