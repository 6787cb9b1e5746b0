"""Signatures hold for what was sent, when it was sent, by whom it was sent, and for nothing else."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core import webhooks
from tasks.core.webhooks import ID, SIGNATURE, TIMESTAMP, SecretUnfit, SignatureRefused

# The reference implementations' own vector.
REFERENCE = webhooks.secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
KEY, OTHER = b"k" * 32, b"o" * 32
NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
BODY = b'{"ticket":"OPS-1"}'


def at(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def signed(*keys: bytes, when: float = 0) -> dict[str, str]:
    return webhooks.sign(keys or (KEY,), "msg_1", at(when), BODY)


def test_the_reference_vector_of_the_specification_comes_out() -> None:
    headers = webhooks.sign(
        [REFERENCE],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        dt.datetime.fromtimestamp(1614265330, dt.UTC),
        b'{"test": 2432232314}',
    )

    assert headers[SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        pytest.param(signed(), [KEY], id="as it was sent"),
        pytest.param(signed(when=-300), [KEY], id="five minutes old"),
        pytest.param(signed(when=300), [KEY], id="a clock five minutes ahead"),
        pytest.param(signed(OTHER, KEY), [KEY], id="the sender rotates, its new secret first"),
        pytest.param(signed(OTHER), [KEY, OTHER], id="the receiver rotates"),
        pytest.param(
            signed() | {SIGNATURE: f"v2,abc v1a,def {signed()[SIGNATURE]}"}, [KEY], id="beside versions of the future"
        ),
    ],
)
def test_a_right_signature_is_accepted(headers: dict[str, str], keys: list[bytes]) -> None:
    assert webhooks.verify(keys, headers, BODY, NOW) == "msg_1"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        pytest.param({}, "without webhook-id, webhook-timestamp, webhook-signature", id="unsigned"),
        pytest.param(signed() | {SIGNATURE: ""}, "without webhook-signature", id="empty signature"),
        pytest.param(signed(OTHER), "no v1 signature", id="another secret"),
        pytest.param(signed() | {ID: "msg_2"}, "no v1 signature", id="the id was changed"),
        pytest.param(signed() | {ID: "msg 1"}, "visible ASCII", id="an id with a space"),
        pytest.param(
            signed() | {TIMESTAMP: str(int(NOW.timestamp()) + 1)}, "no v1 signature", id="the time was changed"
        ),
        pytest.param(signed() | {TIMESTAMP: "yesterday"}, "whole seconds", id="a time in words"),
        pytest.param(signed() | {TIMESTAMP: "1e9"}, "whole seconds", id="a time Python would read"),
        pytest.param(signed(when=-301), "301 s old", id="too old"),
        pytest.param(signed(when=301), "301 s in the future", id="from the future"),
        pytest.param(signed() | {SIGNATURE: "v1,"}, "no v1 signature", id="nothing after the version"),
        pytest.param(signed() | {SIGNATURE: "v1,\u00fc"}, "no v1 signature", id="not ASCII"),
        pytest.param(
            signed() | {SIGNATURE: signed()[SIGNATURE].removeprefix("v1,")}, "no v1 signature", id="no version"
        ),
        pytest.param(
            signed() | {SIGNATURE: signed()[SIGNATURE].replace("v1,", "v1a,")},
            "no v1 signature",
            id="the version of another algorithm",
        ),
    ],
)
def test_a_wrong_signature_is_refused_with_the_reason(headers: dict[str, str], why: str) -> None:
    with pytest.raises(SignatureRefused, match=why):
        webhooks.verify([KEY], headers, BODY, NOW)


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(SignatureRefused, match="no v1 signature"):
        webhooks.verify([KEY], signed(), BODY + b" ", NOW)


def test_without_a_secret_nothing_is_right() -> None:
    with pytest.raises(SignatureRefused):
        webhooks.verify([], signed(), BODY, NOW)


@given(content=st.binary(max_size=200), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_single_bit_of_the_body_makes_the_difference(content: bytes, place: int, bit: int) -> None:
    headers = webhooks.sign([KEY], "msg_1", NOW, content)
    assert webhooks.verify([KEY], headers, content, NOW)
    if content:
        changed = bytearray(content)
        changed[place % len(content)] ^= 1 << bit
        with pytest.raises(SignatureRefused):
            webhooks.verify([KEY], headers, bytes(changed), NOW)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "0 bytes", id="empty"),
        pytest.param("whsec_c2hvcnQ=", "5 bytes, at least 24", id="short"),
        pytest.param("whsec_no base64 at all!", "is not whsec_ and base64", id="no base64"),
    ],
)
def test_an_unfit_secret_is_refused_without_being_quoted(text: str, why: str) -> None:
    with pytest.raises(SecretUnfit, match=why) as caught:
        webhooks.secret(text)

    assert not text or text not in str(caught.value)
