"""Which Ingresses the controller takes, and what it reads out of them."""

from typing import Any

import pytest

from sandbox.gke import annotations

Json = dict[str, Any]
CLASS = "kubernetes.io/ingress.class"


def an_ingress(class_name: str | None = None, *, spec_class: str | None = None, allow_http: str | None = None) -> Json:
    values = {CLASS: class_name, "kubernetes.io/ingress.allow-http": allow_http}
    spec = {"ingressClassName": spec_class} if spec_class else {}
    return {
        "metadata": {"annotations": {key: value for key, value in values.items() if value is not None}},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("ingress", "taken"),
    [
        pytest.param(an_ingress("gce"), True, id="gce"),
        pytest.param(an_ingress(), True, id="no class at all"),
        pytest.param(an_ingress(""), True, id="empty class"),
        pytest.param(an_ingress(spec_class="gce"), False, id="ingressClassName gce: the trap"),
        pytest.param(an_ingress("gce", spec_class="nginx"), True, id="the annotation counts before ingressClassName"),
        pytest.param(an_ingress("", spec_class="gce"), False, id="empty class with ingressClassName"),
        pytest.param(an_ingress("nginx"), False, id="somebody else's"),
        pytest.param(an_ingress("gce-internal"), False, id="internal"),
    ],
)
def test_class_filter(ingress: Json, *, taken: bool) -> None:
    assert annotations.is_gce_ingress(ingress) is taken


@pytest.mark.parametrize(
    ("value", "allowed"), [(None, True), ("true", True), ("false", False), ("F", False), ("no", True), ("0", False)]
)
def test_allow_http_is_parsed_as_go_does(value: str | None, *, allowed: bool) -> None:
    assert annotations.allow_http(an_ingress(allow_http=value)) is allowed
