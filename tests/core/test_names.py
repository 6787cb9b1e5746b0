"""The names the published guide gives, so that what was made by hand is adopted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core import names

releases = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?", fullmatch=True)


def test_the_names_of_the_guide() -> None:
    assert names.service("my-release") == "my-release-milvus"
    assert names.ingress("my-release") == "my-release-milvus"
    assert names.backend_config("my-release") == "my-release-backendconfig"
    assert names.certificate("my-release") == "my-release-milvus-tls"


@pytest.mark.parametrize(
    ("release", "service"),
    [("milvus", "milvus"), ("milvus-prod", "milvus-prod"), ("a", "a-milvus"), ("x" * 53, "x" * 53 + "-milvus")],
)
def test_the_service_is_named_as_the_chart_names_it(release: str, service: str) -> None:
    assert names.service(release) == service


@given(releases)
def test_every_name_is_one_that_kubernetes_takes(release: str) -> None:
    made = (names.service, names.ingress, names.backend_config, names.frontend_config, names.certificate)

    for name in (function(release) for function in made):
        assert len(name) <= 253
        assert name[0].isalnum()
        assert name[-1].isalnum()


@given(releases, releases)
def test_artifact_keys_are_what_prefect_takes(release: str, namespace: str) -> None:
    """Lower case, digits and dashes."""
    key = names.artifact("report", release, namespace)

    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
