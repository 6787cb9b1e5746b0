"""Where a health check's fields come from decides whether Milvus is ever healthy."""

from typing import Any

import pytest

from sandbox.gke.annotations import InvalidAnnotation
from sandbox.gke.health_checks import desired, differs, simple_probe
from sandbox.gke.translator import ServicePort

Json = dict[str, Any]


def a_port(*, protocol: str = "HTTP2", **health_check: Any) -> ServicePort:
    config = {"healthCheck": health_check} if health_check else None
    return ServicePort(
        "default",
        "milvus",
        19530,
        port_name="milvus",
        target_port="milvus",
        neg_enabled=True,
        protocol=protocol,
        backend_config=config,
    )


def test_without_a_backend_config_the_service_protocol_is_probed_on_the_serving_port() -> None:
    """The trap: HTTP2 means TLS, which Milvus' health port does not speak."""
    assert desired(a_port(), "hc", None, None) == {
        "name": "hc",
        "description": "Default kubernetes L7 Loadbalancing health check for NEG.",
        "type": "HTTP2",
        "checkIntervalSec": 15,
        "timeoutSec": 15,
        "healthyThreshold": 1,
        "unhealthyThreshold": 2,
        "http2HealthCheck": {"requestPath": "/", "proxyHeader": "NONE", "portSpecification": "USE_SERVING_PORT"},
    }


def test_a_backend_config_wins_field_by_field() -> None:
    port = a_port(type="HTTP", port=9091, requestPath="/healthz", checkIntervalSec=10)

    check = desired(port, "hc", None, None)

    assert check["type"] == "HTTP"
    assert check["checkIntervalSec"] == 10
    assert check["timeoutSec"] == 15, "stays at its default, more than the interval: Compute refuses it"
    assert check["httpHealthCheck"] == {
        "requestPath": "/healthz",
        "proxyHeader": "NONE",
        "port": 9091,
        "portSpecification": "USE_FIXED_PORT",
    }


def test_a_type_that_a_backend_config_cannot_express_is_refused() -> None:
    with pytest.raises(InvalidAnnotation) as error:
        desired(a_port(type="GRPC"), "hc", None, None)

    assert str(error.value) == 'Protocol "GRPC" is not valid, must be one of ["HTTP","HTTPS","HTTP2"]'


def test_settings_made_by_hand_survive_but_for_type_and_port_specification() -> None:
    existing = desired(a_port(type="HTTP", port=9091, requestPath="/healthz"), "hc", None, None)
    existing |= {"checkIntervalSec": 33}

    after = desired(a_port(), "hc", existing, None)

    assert (after["checkIntervalSec"], after["type"]) == (33, "HTTP2")
    assert after["http2HealthCheck"] == {
        "requestPath": "/healthz",
        "proxyHeader": "NONE",
        "portSpecification": "USE_SERVING_PORT",
    }
    assert differs(existing, after)


def test_what_is_as_wanted_needs_no_update() -> None:
    check = desired(a_port(type="HTTP", port=9091), "hc", None, None)
    existing = check | {"selfLink": "x", "id": "1"}

    assert not differs(existing, desired(a_port(type="HTTP", port=9091), "hc", existing, None))


def a_pod(name: str = "milvus", *, port: Any = "milvus", scheme: str = "HTTPS", **http: Any) -> Json:
    probe = {"httpGet": {"port": port, "scheme": scheme, "path": "/ready", **http}, "periodSeconds": 7}
    ports = [{"name": "milvus", "containerPort": 19530}, {"name": "metrics", "containerPort": 9091}]
    return {"metadata": {"name": name}, "spec": {"containers": [{"ports": ports, "readinessProbe": probe}]}}


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(port="metrics"), id="another port, as Milvus' own probe"),
        pytest.param(a_pod(scheme="HTTP"), id="another scheme"),
        pytest.param(a_pod(host="example.com"), id="a host"),
        pytest.param(a_pod(httpHeaders=[{"name": "X", "value": "y"}]), id="a header other than Host"),
    ],
)
def test_a_readiness_probe_that_is_not_simple_is_not_used(pod: Json) -> None:
    assert simple_probe(a_port(), [pod]) is None


def test_a_simple_readiness_probe_on_the_target_port_is_used() -> None:
    probe = simple_probe(a_port(), [a_pod(port=19530)])

    check = desired(a_port(), "hc", None, probe)

    assert check["http2HealthCheck"]["requestPath"] == "/ready"
    assert (check["checkIntervalSec"], check["timeoutSec"]) == (7, 1)
