"""Port, protocol, NEG and health check of a backend: what Google's linter lets pass and GKE does not."""

from typing import Any

import pytest

from tasks.core import annotations
from tasks.core.checks import backend_values, health_check, service_port
from tests.core.check_objects import (
    BACKEND_CONFIG,
    FAILED,
    INGRESS,
    PASSED,
    SERVICE,
    SKIPPED,
    Json,
    a_backend_config,
    a_deployment,
    a_path,
    a_rule,
    a_service,
    an_ingress,
    js,
    result,
    some_facts,
)

ALPHA = annotations.ALPHA_APP_PROTOCOLS


def test_a_healthy_release_passes() -> None:
    found = [*service_port.checks(some_facts()), *health_check.checks(some_facts())]

    assert {check.result for check in found} == {PASSED}
    assert len(found) == 13


@pytest.mark.parametrize(
    ("rule", "wanted", "observed", "marks", "spec"),
    [
        pytest.param(
            "AppProtocolPortNameCheck", FAILED, "names milvuss, and the Milvus port is milvus",
            {annotations.APP_PROTOCOLS: '{"milvuss":"HTTP2"}'}, {}, id="a key that is no port",
        ),
        pytest.param(
            "AppProtocolPortNameCheck", FAILED, "names 19530",
            {annotations.APP_PROTOCOLS: '{"19530":"HTTP2"}'}, {}, id="a port number",
        ),
        pytest.param(
            "AppProtocolPortNameCheck", FAILED, "has no annotation",
            {annotations.APP_PROTOCOLS: None}, {}, id="no annotation",
        ),
        pytest.param(
            "AppProtocolPortNameCheck", FAILED, "names no port", {annotations.APP_PROTOCOLS: "{}"}, {}, id="empty",
        ),
        pytest.param(
            "AppProtocolPortNameCheck", FAILED, "is no JSON", {annotations.APP_PROTOCOLS: "HTTP2"}, {}, id="no JSON",
        ),
        pytest.param(
            "AppProtocolPortNameCheck", PASSED, "names port grpc", {annotations.APP_PROTOCOLS: '{"grpc":"HTTP2"}'},
            {"ports": [{"name": "grpc", "port": 19530}]}, id="a port of another name",
        ),
        pytest.param(
            "AppProtocolHttp2Check", FAILED, "is HTTPS", {annotations.APP_PROTOCOLS: '{"milvus":"HTTPS"}'}, {},
            id="HTTPS is HTTP/1.1",
        ),
        pytest.param(
            "AppProtocolShadowCheck", FAILED, "comes first", {ALPHA: '{"milvus":"HTTP"}'}, {}, id="the alpha key hides",
        ),
        pytest.param(
            "AppProtocolShadowCheck", FAILED, "is no JSON", {ALPHA: "x"}, {}, id="an alpha key that cannot be read",
        ),
        pytest.param(
            "AppProtocolShadowCheck", PASSED, "too", {ALPHA: '{"milvus":"HTTP2"}'}, {}, id="both say HTTP2",
        ),
        pytest.param(
            "AppProtocolPortNameCheck", SKIPPED, "decides", {ALPHA: '{"milvus":"HTTP"}'}, {}, id="hidden, not judged",
        ),
        pytest.param(
            "NegAnnotationCheck", FAILED, "is of type ClusterIP and has no annotation", {annotations.NEG: None}, {},
            id="ClusterIP without NEG",
        ),
        pytest.param(
            "NegAnnotationCheck", FAILED, "GKE takes it for off", {annotations.NEG: '{"ingress":"true"}'}, {},
            id="true in quotes",
        ),
        pytest.param(
            "NegAnnotationCheck", FAILED, "does not say ingress: true", {annotations.NEG: '{"ingress":false}'}, {},
            id="switched off",
        ),
        pytest.param(
            "NegAnnotationCheck", FAILED, "by the nodes", {annotations.NEG: None}, {"type": "NodePort"}, id="NodePort",
        ),
        pytest.param(
            "BackendConfigPortCheck", FAILED, "for metrics, none for milvus",
            {annotations.BACKEND_CONFIG: '{"ports":{"metrics":"my-release-backendconfig"}}'}, {},
            id="a BackendConfig of another port",
        ),
        pytest.param(
            "BackendConfigPortCheck", PASSED, "my-release-backendconfig",
            {annotations.BACKEND_CONFIG: '{"ports":{"19530":"my-release-backendconfig"}}'}, {}, id="by number",
        ),
        pytest.param(
            "BackendConfigPortCheck", FAILED, "none for milvus", {annotations.BACKEND_CONFIG: '{"ports":{}}'}, {},
            id="an empty map, which the linter lets pass",
        ),
        pytest.param(
            "BackendConfigPortCheck", FAILED, "has no annotation", {annotations.BACKEND_CONFIG: None}, {}, id="none",
        ),
        pytest.param(
            "BackendConfigPortCheck", SKIPPED, "cannot be read", {annotations.BACKEND_CONFIG: "x"}, {}, id="unreadable",
        ),
    ],
)  # fmt: skip
def test_the_annotations_are_judged_by_what_they_do_to_the_milvus_port(
    rule: str, wanted: str, observed: str, marks: Json, spec: Json
) -> None:
    found = result(list(service_port.checks(some_facts([a_service(marks, **spec)]))), rule, SERVICE)

    assert found.result is wanted
    assert observed in found.observed
    assert found.mend.startswith(("Set it: kubectl", "Take it away: kubectl")) == (wanted is FAILED)


@pytest.mark.parametrize(
    ("port", "wanted", "observed"),
    [
        pytest.param({"number": 19530}, PASSED, "my-release-milvus:19530", id="number"),
        pytest.param({"name": "milvus"}, PASSED, "my-release-milvus:milvus", id="name"),
        pytest.param({"number": 9999}, FAILED, "which has milvus:19530, metrics:9091", id="no such number"),
        pytest.param({"name": "grpc"}, FAILED, "names port grpc", id="no such name"),
    ],
)
def test_the_ingress_must_name_a_port_of_the_service(port: Json, wanted: str, observed: str) -> None:
    facts = some_facts([an_ingress(rules=[a_rule(a_path(**port))])])

    found = result(list(service_port.checks(facts)), "IngressPortCheck", INGRESS)

    assert found.result is wanted
    assert observed in found.observed


def test_a_service_whose_port_has_no_name_is_told_elsewhere_and_once() -> None:
    facts = some_facts([a_service(ports=[{"port": 19530}])])

    assert [check.name for check in service_port.checks(facts)] == ["IngressPortCheck"]


def check(**fields: Any) -> Json:
    """A whole health check with these fields changed; None leaves one out."""
    whole = {"type": "HTTP", "port": 9091, "requestPath": "/healthz", "checkIntervalSec": 10, "timeoutSec": 5}
    return {key: value for key, value in (whole | fields).items() if value is not None}


@pytest.mark.parametrize(
    ("rule", "wanted", "observed", "spec"),
    [
        pytest.param(
            "HealthCheckTypeCheck", FAILED, "HTTP2 over TLS", {"healthCheck": check(type=None)}, id="no type",
        ),
        pytest.param("HealthCheckTypeCheck", FAILED, "is HTTPS", {"healthCheck": check(type="HTTPS")}, id="HTTPS"),
        pytest.param("HealthCheckTypeCheck", FAILED, "none of", {"healthCheck": check(type="GRPC")}, id="GRPC"),
        pytest.param("HealthCheckTypeCheck", FAILED, "left out", {"healthCheck": None}, id="no health check at all"),
        pytest.param("HealthCheckPortCheck", FAILED, "speaks gRPC", {"healthCheck": check(port=None)}, id="no port"),
        pytest.param("HealthCheckPortCheck", FAILED, "is 19530", {"healthCheck": check(port=19530)}, id="gRPC port"),
        pytest.param("HealthCheckPathCheck", FAILED, "is /;", {"healthCheck": check(requestPath=None)}, id="no path"),
        pytest.param(
            "HealthCheckPathCheck", FAILED, "is /health;", {"healthCheck": check(requestPath="/health")}, id="path",
        ),
        pytest.param(
            "HealthCheckEffectiveTimeoutCheck", FAILED, "timeoutSec is left out and is 15",
            {"healthCheck": check(timeoutSec=None)}, id="the default timeout is above the interval",
        ),
        pytest.param(
            "HealthCheckEffectiveTimeoutCheck", FAILED, "checkIntervalSec is left out and is 15",
            {"healthCheck": check(checkIntervalSec=None, timeoutSec=20)}, id="timeout above the default interval",
        ),
        pytest.param(
            "HealthCheckEffectiveTimeoutCheck", PASSED, "timeout 15 s, interval 15 s",
            {"healthCheck": check(checkIntervalSec=None, timeoutSec=None)}, id="both by default",
        ),
        pytest.param(
            "HealthCheckRangeCheck", FAILED, "unhealthyThreshold is 11",
            {"healthCheck": check(unhealthyThreshold=11)}, id="a threshold above ten",
        ),
        pytest.param(
            "HealthCheckRangeCheck", FAILED, "checkIntervalSec is 301",
            {"healthCheck": check(checkIntervalSec=301)}, id="an interval above five minutes",
        ),
        pytest.param("BackendTimeoutCheck", FAILED, "at 30 s", {"timeoutSec": None}, id="Google's timeout"),
        pytest.param("BackendTimeoutCheck", FAILED, "cut early", {"timeoutSec": 30}, id="30 s said"),
        pytest.param("BackendTimeoutCheck", FAILED, "more than a day", {"timeoutSec": 90_000}, id="beyond a day"),
        pytest.param("IapCheck", FAILED, "pymilvus", {"iap": {"enabled": True}}, id="IAP"),
        pytest.param("IapCheck", PASSED, "", {"iap": {"enabled": False}}, id="IAP off"),
    ],
)  # fmt: skip
def test_the_health_check_is_judged_with_the_controllers_own_defaults(
    rule: str, wanted: str, observed: str, spec: Json
) -> None:
    config = a_backend_config(**spec)
    config["spec"] = {key: value for key, value in config["spec"].items() if value is not None}

    found = result(list(health_check.checks(some_facts([config]))), rule, BACKEND_CONFIG)

    assert found.result is wanted
    assert observed in found.observed
    assert bool(found.mend) == (wanted is FAILED)


def test_a_path_that_the_pods_own_readiness_probe_asks_is_right() -> None:
    probe = {"readinessProbe": {"httpGet": {"path": "/ready", "port": 9091}}}
    facts = some_facts([a_backend_config(healthCheck=check(requestPath="/ready")), a_deployment(container=probe)])

    assert result(list(health_check.checks(facts)), "HealthCheckPathCheck").result is PASSED


def test_a_timeout_that_google_gives_is_advice_and_not_a_stop() -> None:
    config = a_backend_config()
    del config["spec"]["timeoutSec"]

    found = result(list(health_check.checks(some_facts([config]))), "BackendTimeoutCheck")

    assert not found.ends_the_run
    assert js({"spec": {"timeoutSec": 3600}}).replace(" ", "") in found.mend


def test_the_mend_of_a_health_check_sets_the_field_that_is_wrong() -> None:
    found = result(
        list(health_check.checks(some_facts([a_backend_config(healthCheck=check(type=None))]))), "HealthCheckTypeCheck"
    )

    assert found.mend == (
        "Set it: kubectl -n default patch backendconfig my-release-backendconfig --type merge "
        """-p '{"spec":{"healthCheck":{"type":"HTTP"}}}'"""
    )


def test_no_backend_config_no_health_check_to_judge() -> None:
    facts = some_facts([a_service({annotations.BACKEND_CONFIG: '{"default":"other"}'})])

    assert list(health_check.checks(facts)) == []


# --- values that GKE refuses (gke.md §4.1) ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "observed"),
    [
        pytest.param({"timeoutSec": 0}, "timeoutSec is 0", id="timeout"),
        pytest.param(
            {"connectionDraining": {"drainingTimeoutSec": 7200}}, "is 7200, not from 0 to 3600", id="draining"
        ),
        pytest.param({"sessionAffinity": {"affinityType": "STICKY"}}, "is STICKY, none of NONE", id="affinity"),
        pytest.param({"sessionAffinity": {"affinityCookieTtlSec": 90000}}, "is 90000", id="cookie"),
        pytest.param({"logging": {"enable": True, "sampleRate": 10}}, "sampleRate is 10", id="sample rate"),
        pytest.param({"iap": {"enabled": True}, "cdn": {"enabled": True}}, "both enabled", id="iap and cdn"),
        pytest.param({"customRequestHeaders": {"headers": ["X-A:b", "x"]}}, "has 'x', not of the form", id="header"),
    ],
)
def test_a_value_that_gke_refuses_is_told_though_all_goes_on(spec: Json, observed: str) -> None:
    (found,) = backend_values.checks(some_facts([a_backend_config(**spec)]))

    assert found.ends_the_run
    assert observed in found.observed
    assert "kubectl -n default edit backendconfig my-release-backendconfig" in found.mend


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"timeoutSec": 3600, "connectionDraining": {"drainingTimeoutSec": 0}, "logging": {"sampleRate": 1}},
        {
            "sessionAffinity": {"affinityType": "CLIENT_IP"},
            "customRequestHeaders": {"headers": ["X-A: {client_region}"]},
        },
    ],
)
def test_values_that_gke_takes_pass(spec: Json) -> None:
    (found,) = backend_values.checks(some_facts([a_backend_config(**spec)]))

    assert found.result is PASSED
