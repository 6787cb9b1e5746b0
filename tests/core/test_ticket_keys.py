"""One ticket and one intent are one key, however they are spelt; anything else is another key."""

import hashlib
import uuid
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.core import tickets
from tasks.core.config import LoadBalancerConfig

PARAMETERS: dict[str, Any] = {
    "domain": "milvus.example.com",
    "release": "my-milvus",
    "namespace": "vectors",
    "certificate_mode": "google-managed",
    "additional_domains": ["a.example.com", "b.example.com"],
    "draining_seconds": 30,
    "ticket": "OPS-1",
}


def key(**parameters: Any) -> str:
    return tickets.idempotency_key(LoadBalancerConfig.parse(parameters))


@given(order=st.permutations(sorted(PARAMETERS)))
def test_the_order_of_the_keys_does_not_matter(order: list[str]) -> None:
    assert key(**{name: PARAMETERS[name] for name in order}) == key(**PARAMETERS)


def test_another_spelling_of_the_same_intent_is_the_same_key() -> None:
    spelt = PARAMETERS | {
        "additional_domains": "a.example.com, b.example.com",
        "draining_seconds": "30",
        "http": "redirect",
    }

    assert key(**spelt) == key(**PARAMETERS)


_INTENTS = st.fixed_dictionaries(
    {"domain": st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True), "ticket": st.sampled_from(["OPS-1", "OPS-2"])},
    optional={
        "certificate_mode": st.sampled_from(["self-managed", "google-managed"]),
        "draining_seconds": st.integers(0, 3600),
        "namespace": st.sampled_from(["default", "vectors"]),
        "proof_writes": st.booleans(),
    },
)


@given(one=_INTENTS, other=_INTENTS)
def test_keys_are_equal_exactly_when_the_intents_are(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = LoadBalancerConfig.parse(one) == LoadBalancerConfig.parse(other)

    assert (key(**one) == key(**other)) is same


@given(one=_INTENTS, other=_INTENTS)
def test_event_ids_follow_the_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assume(one != other)
    ids = [tickets.event_id(LoadBalancerConfig.parse(each)) for each in (one, other)]

    assert all(uuid.UUID(each).version == 5 for each in ids)
    assert (ids[0] == ids[1]) is (key(**one) == key(**other))


def test_a_flow_has_a_key_of_its_own() -> None:
    config = LoadBalancerConfig.parse(PARAMETERS)

    assert tickets.idempotency_key(config, "verify") != tickets.idempotency_key(config, "provision")


def test_the_key_is_what_a_shell_makes_of_the_same_line() -> None:
    """The documented recipe without Python: sha256sum over sorted, compact JSON."""
    line = '{"domain":"milvus.example.com","ticket":"OPS-1"}'

    found = key(domain="milvus.example.com", ticket="OPS-1")

    assert found == f"OPS-1:provision:{hashlib.sha256(line.encode()).hexdigest()}"
