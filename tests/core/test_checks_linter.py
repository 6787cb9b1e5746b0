"""The ten rules of check-gke-ingress: what passes, fails and is skipped as in Google's own program."""

from typing import Any

import pytest
from hypothesis import given, strategies

from tasks.core import annotations
from tasks.core.checks import Check, service_port
from tasks.core.checks.linter import RULES, lint
from tests.core.check_objects import (
    BACKEND_CONFIG,
    FAILED,
    INGRESS,
    PASSED,
    SERVICE,
    SKIPPED,
    Json,
    a_backend_config,
    a_path,
    a_rule,
    a_service,
    an_ingress,
    js,
    objects,
    result,
    some_facts,
)

INTERNAL = {annotations.INGRESS_CLASS: "gce-internal"}


def test_a_healthy_release_passes_every_rule_but_those_of_internal_load_balancers() -> None:
    found = lint(objects())

    assert {check.name for check in found} == set(RULES)
    assert {check.name for check in found if check.result is SKIPPED} == {
        "L7ILBFrontendConfigCheck", "L7ILBNegAnnotationCheck",
    }  # fmt: skip
    assert not [check for check in found if check.result is FAILED]


def test_nothing_to_lint_gives_nothing() -> None:
    assert lint([a_service(), a_backend_config()]) == []


def test_every_ingress_is_linted_for_itself() -> None:
    other = an_ingress(rules=[a_rule(a_path("nobody"))])
    other["metadata"]["name"] = "other"

    found = lint([*objects(), other])

    assert result(found, "ServiceExistenceCheck", SERVICE).result is PASSED
    assert result(found, "ServiceExistenceCheck", "service default/nobody").result is FAILED
    assert result(found, "IngressRuleCheck", "ingress default/other").result is PASSED


Case = tuple[str, str, Any, dict[str, Json | None]]

CASES: list[Any] = [
    pytest.param(
        "IngressRuleCheck", INGRESS, FAILED, "no field http",
        {"ingress": an_ingress(rules=[{"host": "a.example.com"}, a_rule()])}, id="a rule without http",
    ),
    pytest.param(
        "IngressRuleCheck", INGRESS, PASSED, "", {"ingress": an_ingress(rules=None)}, id="no rules at all",
    ),
    pytest.param(
        "L7ILBFrontendConfigCheck", INGRESS, FAILED, "takes no FrontendConfig",
        {"ingress": an_ingress(INTERNAL)}, id="internal with a FrontendConfig",
    ),
    pytest.param(
        "L7ILBFrontendConfigCheck", INGRESS, PASSED, "",
        {"ingress": an_ingress({**INTERNAL, annotations.FRONTEND_CONFIG: None})}, id="internal without one",
    ),
    pytest.param(
        "RuleHostOverwriteCheck", INGRESS, FAILED, "milvus.example.com",
        {"ingress": an_ingress(rules=[a_rule(), a_rule()])}, id="the same host twice",
    ),
    pytest.param(
        "RuleHostOverwriteCheck", INGRESS, FAILED, "*",
        {"ingress": an_ingress(rules=[a_rule(host=""), a_rule(host="")])}, id="no host twice",
    ),
    pytest.param(
        "RuleHostOverwriteCheck", INGRESS, PASSED, "",
        {"ingress": an_ingress(rules=[a_rule(), a_rule(host="b.example.com")])}, id="two hosts",
    ),
    pytest.param(
        "FrontendConfigExistenceCheck", "frontendconfig default/my-release-frontendconfig", FAILED, "does not exist",
        {"frontend_config": None}, id="FrontendConfig missing",
    ),
    pytest.param(
        "ServiceExistenceCheck", SERVICE, FAILED, "does not exist", {"service": None}, id="Service missing",
    ),
    pytest.param(
        "ServiceExistenceCheck", "service default/shop", FAILED, "does not exist",
        {"ingress": an_ingress(defaultBackend={"service": {"name": "shop", "port": {"number": 80}}})},
        id="Service of the default backend missing",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, SKIPPED, "does not exist", {"service": None}, id="no Service to look",
    ),
    pytest.param(
        "AppProtocolAnnotationCheck", SERVICE, SKIPPED, "does not exist", {"service": None}, id="no Service, protocols",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, SKIPPED, "has no annotation",
        {"service": a_service({annotations.BACKEND_CONFIG: None})}, id="no BackendConfig named",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, FAILED, "the shell's quotes",
        {"service": a_service({annotations.BACKEND_CONFIG: """'{"default":"a"}'"""})}, id="quotes left in",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, FAILED, "neither default nor ports",
        {"service": a_service({annotations.BACKEND_CONFIG: "{}"})}, id="empty annotation",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, FAILED, "neither default nor ports",
        {"service": a_service({annotations.BACKEND_CONFIG: "null"})}, id="null",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, FAILED, "no JSON object",
        {"service": a_service({annotations.BACKEND_CONFIG: '["my-release-backendconfig"]'})}, id="a list",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, FAILED, "not of the form",
        {"service": a_service({annotations.BACKEND_CONFIG: '{"default":1}'})}, id="a number as name",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, PASSED, "my-release-backendconfig",
        {"service": a_service({annotations.BACKEND_CONFIG: '{"Default":"my-release-backendconfig"}'})},
        id="Go reads a key in any case",
    ),
    pytest.param(
        "BackendConfigAnnotationCheck", SERVICE, PASSED, "old",
        {"service": a_service({
            annotations.BACKEND_CONFIG: None, annotations.BETA_BACKEND_CONFIG: '{"ports":{"19530":"old"}}',
        })}, id="the beta key alone",
    ),
    pytest.param(
        "AppProtocolAnnotationCheck", SERVICE, SKIPPED, "has no annotation",
        {"service": a_service({annotations.APP_PROTOCOLS: None})}, id="no protocols",
    ),
    pytest.param(
        "AppProtocolAnnotationCheck", SERVICE, FAILED, "says GRPC",
        {"service": a_service({annotations.APP_PROTOCOLS: '{"milvus":"GRPC"}'})}, id="a protocol GKE has not",
    ),
    pytest.param(
        "AppProtocolAnnotationCheck", SERVICE, FAILED, "says http2",
        {"service": a_service({annotations.APP_PROTOCOLS: '{"milvus":"http2"}'})}, id="lower case",
    ),
    pytest.param(
        "AppProtocolAnnotationCheck", SERVICE, FAILED, "is no JSON",
        {"service": a_service({annotations.APP_PROTOCOLS: "milvus:HTTP2"})}, id="no JSON",
    ),
    pytest.param(
        "AppProtocolAnnotationCheck", SERVICE, FAILED, "says H2C",
        {"service": a_service({annotations.ALPHA_APP_PROTOCOLS: '{"milvus":"H2C"}'})}, id="the alpha key first",
    ),
    pytest.param(
        "AppProtocolAnnotationCheck", SERVICE, PASSED, "HTTP2",
        {"service": a_service({annotations.APP_PROTOCOLS: '{"http":"HTTP2"}'})},
        id="a key that is no port is not seen here",
    ),
    pytest.param(
        "L7ILBNegAnnotationCheck", SERVICE, FAILED, "has no annotation",
        {"ingress": an_ingress(INTERNAL), "service": a_service({annotations.NEG: None})}, id="internal without NEG",
    ),
    pytest.param(
        "L7ILBNegAnnotationCheck", SERVICE, FAILED, "not of the form",
        {"ingress": an_ingress(INTERNAL), "service": a_service({annotations.NEG: '{"ingress":"true"}'})},
        id="internal, true in quotes",
    ),
    pytest.param(
        "L7ILBNegAnnotationCheck", SERVICE, FAILED, "does not say ingress: true",
        {"ingress": an_ingress(INTERNAL), "service": a_service({annotations.NEG: '{"exposed_ports":{"80":{}}}'})},
        id="internal, only exposed ports",
    ),
    pytest.param(
        "L7ILBNegAnnotationCheck", SERVICE, PASSED, "is on", {"ingress": an_ingress(INTERNAL)}, id="internal with NEG",
    ),
    pytest.param(
        "BackendConfigExistenceCheck", BACKEND_CONFIG, FAILED, f"{SERVICE} names it",
        {"backend_config": None}, id="BackendConfig missing",
    ),
    pytest.param(
        "BackendConfigExistenceCheck", "backendconfig default/other", FAILED, "does not exist",
        {"service": a_service({annotations.BACKEND_CONFIG: js(
            {"default": "my-release-backendconfig", "ports": {"milvus": "other"}}
        )})}, id="BackendConfig of one port missing",
    ),
    pytest.param(
        "HealthCheckTimeoutCheck", BACKEND_CONFIG, SKIPPED, "does not exist", {"backend_config": None},
        id="no BackendConfig to look at",
    ),
    pytest.param(
        "HealthCheckTimeoutCheck", BACKEND_CONFIG, SKIPPED, "has no healthCheck",
        {"backend_config": a_backend_config(healthCheck=None)}, id="no health check",
    ),
    pytest.param(
        "HealthCheckTimeoutCheck", BACKEND_CONFIG, SKIPPED, "does not say both",
        {"backend_config": a_backend_config(healthCheck={"checkIntervalSec": 10})},
        id="the default timeout is not seen here",
    ),
    pytest.param(
        "HealthCheckTimeoutCheck", BACKEND_CONFIG, FAILED, "timeoutSec 11 is above checkIntervalSec 10",
        {"backend_config": a_backend_config(healthCheck={"checkIntervalSec": 10, "timeoutSec": 11})}, id="above",
    ),
    pytest.param(
        "HealthCheckTimeoutCheck", BACKEND_CONFIG, PASSED, "",
        {"backend_config": a_backend_config(healthCheck={"checkIntervalSec": 10, "timeoutSec": 10})}, id="equal",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "place", "wanted", "observed", "changes"), CASES)
def test_a_rule_judges_as_the_program_does(
    rule: str, place: str, wanted: str, observed: str, changes: dict[str, Json | None]
) -> None:
    found = result(lint(objects(**changes)), rule, place)

    assert found.result is wanted
    assert observed in found.observed
    assert bool(found.mend) == (found.result is FAILED)


def test_a_failed_rule_says_the_command_that_mends_it() -> None:
    changes = a_service({annotations.APP_PROTOCOLS: '{"milvus":"GRPC"}'})

    found: Check = result(lint(objects(service=changes)), "AppProtocolAnnotationCheck")

    assert found.mend == (
        "Set it: kubectl -n default annotate --overwrite service my-release-milvus "
        """'cloud.google.com/app-protocols={"milvus":"HTTP2"}'"""
    )
    assert found.blocks


def test_a_rule_is_not_run_where_the_program_does_not_run_it() -> None:
    """Without its annotation no FrontendConfig is looked for, and none of the BackendConfigs without theirs."""
    bare = objects(
        ingress=an_ingress({annotations.FRONTEND_CONFIG: None}), service=a_service({annotations.BACKEND_CONFIG: None})
    )

    ran = {check.name for check in lint(bare)}

    assert not ran & {"FrontendConfigExistenceCheck", "BackendConfigExistenceCheck", "HealthCheckTimeoutCheck"}


JSON_VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=8),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(max_size=8), inner),
    max_leaves=8,
)
ANNOTATIONS = strategies.text(max_size=20) | JSON_VALUES.map(js)


@given(protocols=ANNOTATIONS, config=ANNOTATIONS, neg=ANNOTATIONS)
def test_whatever_somebody_writes_into_an_annotation_is_judged(protocols: str, config: str, neg: str) -> None:
    marks = {annotations.APP_PROTOCOLS: protocols, annotations.BACKEND_CONFIG: config, annotations.NEG: neg}
    service = a_service(marks)

    found = [*lint(objects(service=service)), *service_port.checks(some_facts([service]))]

    assert {check.name for check in found} >= {"AppProtocolAnnotationCheck", "NegAnnotationCheck"}
