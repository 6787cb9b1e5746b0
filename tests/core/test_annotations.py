"""GKE's annotations: JSON that is compared by meaning."""

import pytest

from tasks.core import annotations
from tasks.core.annotations import ALLOW_HTTP, BACKEND_CONFIG, NEG


def test_the_service_gets_the_three_annotations_as_the_guide_spells_them() -> None:
    assert annotations.on_service("milvus", "my-release-backendconfig") == {
        "cloud.google.com/app-protocols": '{"milvus":"HTTP2"}',
        "cloud.google.com/backend-config": '{"default": "my-release-backendconfig"}',
        "cloud.google.com/neg": '{"ingress": true}',
    }


@pytest.mark.parametrize(
    ("key", "live", "same"),
    [
        (NEG, '{"ingress":true}', True),
        (NEG, '{"ingress":"true"}', False),
        (NEG, "{", False),
        (NEG, None, False),
        (ALLOW_HTTP, '{"ingress": true}', True),
        (ALLOW_HTTP, '{"ingress":true}', False),
    ],
)
def test_json_is_compared_by_meaning_and_text_by_letter(key: str, live: str | None, same: bool) -> None:
    assert annotations.same(key, live, '{"ingress": true}') is same


def test_what_means_the_same_keeps_its_spelling() -> None:
    present = {NEG: '{"ingress":true}', BACKEND_CONFIG: '{"default":"other"}', "team": "search"}
    wanted = {NEG: '{"ingress": true}', BACKEND_CONFIG: '{"default": "mine"}'}

    assert annotations.spelled_as(present, wanted) == {
        NEG: '{"ingress":true}',
        BACKEND_CONFIG: '{"default": "mine"}',
    }
