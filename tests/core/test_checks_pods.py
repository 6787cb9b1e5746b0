"""The Pods: ports, probes, replicas, TLS by version, settings that did not reach them, NetworkPolicies."""

from typing import Any

import pytest

from tasks.core.checks import Check, network_policy, pod_template
from tasks.core.checks.objects import Objects
from tests.core.check_objects import (
    FAILED,
    GOOD_SETTINGS,
    NAME,
    PASSED,
    SKIPPED,
    Json,
    a_deployment,
    a_service,
    an_object,
    objects,
    result,
    some_facts,
)

DEPLOYMENT = f"deployment default/{NAME}-standalone"
SETTINGS = f"configmap default/{NAME}"


def pods(*documents: Json, **more: Any) -> list[Check]:
    return list(pod_template.checks(some_facts(list(documents), **more)))


def test_a_healthy_release_passes() -> None:
    found = pods()

    assert {check.result for check in found} == {PASSED}
    assert {check.layer for check in found} == {"milvus"}


@pytest.mark.parametrize(
    ("rule", "wanted", "observed", "blocks", "deployment"),
    [
        pytest.param(
            "ContainerPortCheck", FAILED, "but grpc:19530", True,
            a_deployment(container={"ports": [{"name": "grpc", "containerPort": 19530}]}), id="a port of another name",
        ),
        pytest.param(
            "HealthPortCheck", FAILED, "9091", False,
            a_deployment(container={"ports": [{"name": "milvus", "containerPort": 19530}]}), id="no health port",
        ),
        pytest.param(
            "ReadinessProbeCheck", FAILED, "still starting", False, a_deployment(container={"readinessProbe": None}),
            id="no readiness probe",
        ),
        pytest.param("ReplicasCheck", FAILED, "0 of 1", False, a_deployment(ready=0), id="not ready"),
        pytest.param("ReplicasCheck", FAILED, "scaled to 0", True, a_deployment(replicas=0, ready=0), id="scaled to 0"),
    ],
)  # fmt: skip
def test_the_pods_are_judged_by_their_template(
    rule: str, wanted: str, observed: str, blocks: bool, deployment: Json
) -> None:
    found = result(pods(deployment), rule, DEPLOYMENT)

    assert (found.result, found.blocks) == (wanted, blocks)
    assert observed in found.observed
    assert "kubectl" in found.mend or "readinessProbe.enabled" in found.mend


def test_a_target_port_by_number_needs_no_name() -> None:
    ports = [{"name": "milvus", "port": 19530, "targetPort": 19530}]

    assert result(pods(a_service(ports=ports)), "ContainerPortCheck").result is PASSED


@pytest.mark.parametrize(
    ("target", "observed"),
    [
        pytest.param(19999, "milvus:19530, metrics:9091: nobody answers on it", id="a port of nobody"),
        pytest.param("grpc", "milvus:19530, metrics:9091: the load balancer gets no endpoints", id="a name of nobody"),
        pytest.param("metrics", "on 9091, where Milvus speaks no gRPC", id="the port of the health check"),
        pytest.param(9091, "on 9091, where Milvus speaks no gRPC", id="its number"),
    ],
)
def test_a_target_port_that_leads_elsewhere_is_told_with_the_right_one(target: int | str, observed: str) -> None:
    found = result(
        pods(a_service(ports=[{"name": "milvus", "port": 19530, "targetPort": target}])), "ContainerPortCheck"
    )

    assert found.ends_the_run
    assert observed in found.observed
    wanted = '{"spec": {"ports": [{"port": 19530, "targetPort": "milvus"}]}}'
    assert f"kubectl -n default patch service {NAME} -p '{wanted}'" in found.mend


def test_a_service_that_selects_nobody_is_told_with_the_right_selector() -> None:
    found = pods(a_service(selector={"app": "other"}))

    selector = result(found, "ServiceSelectorCheck")
    assert selector.ends_the_run
    assert "selects app=other" in selector.observed
    labels = "app.kubernetes.io/instance=my-release,app.kubernetes.io/name=milvus,component=standalone"
    assert f"kubectl -n default set selector service {NAME} '{labels}'" in selector.mend
    assert not [check for check in found if check.name == "ContainerPortCheck"]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        pytest.param({"name": "milvus-config"}, FAILED, id="gone"),
        pytest.param({"name": "milvus-config", "optional": True}, PASSED, id="optional"),
        pytest.param({"name": NAME}, PASSED, id="there"),
    ],
)
def test_a_config_map_that_no_pod_finds_is_told(source: Json, wanted: str) -> None:
    mounting = a_deployment(volumes=[{"name": "config", "configMap": source}, {"name": "data", "emptyDir": {}}])

    found = result(pods(mounting, an_object("ConfigMap", NAME)), "VolumeSourceCheck")

    assert found.result is wanted
    assert wanted is PASSED or "helm -n default get manifest my-release | kubectl" in found.mend


def test_without_a_deployment_nobody_can_say_whom_the_service_should_select() -> None:
    found = pods(a_service(selector={"app": "other"}), deployments=())

    assert result(found, "ServiceSelectorCheck").result is SKIPPED


@pytest.mark.parametrize(
    ("rule", "wanted", "observed", "text", "version"),
    [
        pytest.param("MilvusTlsCheck", FAILED, "is not set: Milvus speaks plaintext", "", (2, 6), id="nothing said"),
        pytest.param("MilvusTlsCheck", FAILED, "is 0", "common: {security: {tlsMode: 0}}", (2, 6), id="plaintext"),
        pytest.param("MilvusTlsCheck", FAILED, "mutual", "common: {security: {tlsMode: 2}}", (2, 6), id="mutual"),
        pytest.param("MilvusTlsCheck", FAILED, "not start", "common: {security: {tlsMode: 3}}", (2, 6), id="unknown"),
        pytest.param("MilvusTlsCheck", FAILED, "not valid YAML", "a: [", (2, 6), id="no YAML"),
        pytest.param("MilvusTlsCheck", PASSED, "is 1", "common.security.tlsMode: 1", (2, 6), id="a flat key"),
        pytest.param(
            "MilvusRestPortCheck", FAILED, "Milvus 2.5 does not start", "common: {security: {tlsMode: 1}}", (2, 5),
            id="REST on the port of gRPC, 2.5",
        ),
        pytest.param(
            "MilvusRestPortCheck", PASSED, "switches REST off", "common: {security: {tlsMode: 1}}", (2, 4),
            id="REST on the port of gRPC, 2.4",
        ),
        pytest.param(
            "MilvusRestPortCheck", SKIPPED, "not known", "common: {security: {tlsMode: 1}}", None, id="no version",
        ),
        pytest.param(
            "MilvusRestPortCheck", FAILED, "does not start",
            "common: {security: {tlsMode: 1}}\nproxy: {http: {port: 19530}}", (2, 6), id="the same port said",
        ),
        pytest.param(
            "MilvusRestPortCheck", PASSED, "", "common: {security: {tlsMode: 1}}\nproxy: {http: {enabled: false}}",
            (2, 6), id="REST off",
        ),
    ],
)  # fmt: skip
def test_tls_is_judged_for_the_deployed_version(
    rule: str, wanted: str, observed: str, text: str, version: tuple[int, int] | None
) -> None:
    found = result(pods(user_yaml=text, version=version), rule, SETTINGS)

    assert found.result is wanted
    assert observed in found.observed


def test_settings_that_were_not_found_are_not_guessed() -> None:
    assert result(pods(user_yaml=None), "MilvusTlsCheck").result is SKIPPED


# --- settings that did not reach the Pods ----------------------------------------------------------------------------


def a_pod(name: str, started: str, **labels: str) -> Json:
    template = a_deployment()["spec"]["template"]["metadata"]["labels"]
    pod = an_object("Pod", name, status={"startTime": started})
    pod["metadata"]["labels"] = template | labels
    return pod


def a_config_map(manager: str, time: str) -> Json:
    live = an_object("ConfigMap", NAME, data={"user.yaml": GOOD_SETTINGS})
    live["metadata"]["managedFields"] = [{"manager": manager, "time": time, "fieldsV1": {"f:data": {}}}]
    return live


EARLY, LATE = "2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"


@pytest.mark.parametrize(
    ("manager", "changed", "started", "wanted"),
    [
        pytest.param("kubectl-edit", LATE, EARLY, [FAILED], id="changed by hand after the start"),
        pytest.param("kubectl-edit", EARLY, LATE, [PASSED], id="restarted since"),
        pytest.param("helm", LATE, EARLY, [], id="Helm restarts what it changes"),
    ],
)
def test_settings_changed_by_hand_do_not_reach_running_pods(
    manager: str, changed: str, started: str, wanted: list[str]
) -> None:
    found = pods(a_config_map(manager, changed), a_pod("milvus-0", started), a_pod("shop-0", EARLY, component="shop"))

    judged = [check for check in found if check.name == "MilvusSettingsReachedCheck"]
    assert [check.result for check in judged] == wanted
    assert not [check for check in judged if check.ends_the_run]
    assert all("shop-0" not in check.observed for check in judged)


def test_the_mend_restarts_milvus() -> None:
    found = pods(a_config_map("kubectl-edit", LATE), a_pod("milvus-0", EARLY))

    mend = result(found, "MilvusSettingsReachedCheck").mend
    assert mend == f"Restart Milvus: kubectl -n default rollout restart deployment/{NAME}-standalone"


# --- NetworkPolicies -------------------------------------------------------------------------------------------------


def a_policy(*rules: Json, selector: Json | None = None, types: list[str] | None = None, name: str = "deny") -> Json:
    spec = {"podSelector": selector or {}, "policyTypes": types or ["Ingress"], "ingress": list(rules)}
    return an_object("NetworkPolicy", name, spec=spec)


GOOGLE = [{"ipBlock": {"cidr": "130.211.0.0/22"}}, {"ipBlock": {"cidr": "35.191.0.0/16"}}]
BOTH = [{"port": 19530}, {"port": 9091}]


@pytest.mark.parametrize(
    ("policies", "wanted", "observed"),
    [
        pytest.param([], PASSED, "no NetworkPolicy", id="none"),
        pytest.param([a_policy()], FAILED, "19530 from 130.211.0.0/22, 19530 from 35.191.0.0/16, 9091", id="deny all"),
        pytest.param([a_policy({"from": GOOGLE, "ports": BOTH})], PASSED, "lets", id="just Google, just the ports"),
        pytest.param([a_policy({"from": GOOGLE})], PASSED, "lets", id="Google, every port"),
        pytest.param([a_policy({})], PASSED, "lets", id="an empty rule admits all"),
        pytest.param(
            [a_policy({"from": GOOGLE, "ports": BOTH[:1]})], FAILED, "9091 from 130.211.0.0/22", id="no health check",
        ),
        pytest.param(
            [a_policy({"from": GOOGLE, "ports": BOTH[1:]})], FAILED, "19530 from 130.211.0.0/22", id="only health",
        ),
        pytest.param(
            [a_policy({"from": GOOGLE[:1]})], FAILED, "19530 from 35.191.0.0/16, 9091 from 35.191.0.0/16", id="a half",
        ),
        pytest.param([a_policy({"from": [{"podSelector": {}}]})], FAILED, "19530", id="Pods are not the balancer"),
        pytest.param(
            [a_policy({"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["35.191.0.0/24"]}}]})],
            FAILED, "35.191.0.0/16", id="an exception",
        ),
        pytest.param([a_policy({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})], PASSED, "lets", id="everybody"),
        pytest.param(
            [a_policy({"from": GOOGLE, "ports": [{"port": "milvus"}, {"port": "metrics"}]})], PASSED, "lets",
            id="ports by name",
        ),
        pytest.param(
            [a_policy({"from": GOOGLE, "ports": [{"port": 9000, "endPort": 20000}]})], PASSED, "lets", id="a range",
        ),
        pytest.param(
            [a_policy({"from": GOOGLE, "ports": [{"port": 19530, "protocol": "UDP"}]})], FAILED, "19530", id="UDP",
        ),
        pytest.param(
            [a_policy(), a_policy({"from": GOOGLE}, name="allow")], PASSED, "deny, allow", id="policies add up",
        ),
        pytest.param([a_policy(types=["Egress"])], PASSED, "no NetworkPolicy", id="a policy of what goes out"),
        pytest.param(
            [a_policy(selector={"matchLabels": {"component": "etcd"}})], PASSED, "no NetworkPolicy", id="other Pods",
        ),
        pytest.param(
            [a_policy(selector={"matchExpressions": [
                {"key": "component", "operator": "In", "values": ["standalone"]},
                {"key": "gone", "operator": "DoesNotExist"},
            ]})], FAILED, "19530", id="by expressions",
        ),
        pytest.param(
            [a_policy(selector={"matchExpressions": [{"key": "component", "operator": "NotIn",
                                                      "values": ["standalone"]}]})],
            PASSED, "no NetworkPolicy", id="by an expression that does not fit",
        ),
    ],
)  # fmt: skip
def test_network_policies_must_let_google_in_on_both_ports(policies: list[Json], wanted: str, observed: str) -> None:
    (found,) = network_policy.checks(some_facts(policies))

    assert (found.result, found.layer) == (wanted, "network")
    assert observed.split(", ", maxsplit=1)[0] in found.observed
    assert bool(found.mend) == (wanted is FAILED)


def test_the_mend_adds_a_rule_for_both_ranges() -> None:
    (found,) = network_policy.checks(some_facts([a_policy()]))

    assert "kubectl -n default patch networkpolicy deny --type=json" in found.mend
    assert '"cidr":"130.211.0.0/22"' in found.mend
    assert '"port":9091' in found.mend


def test_policies_that_may_not_be_read_are_skipped_with_the_reason() -> None:
    facts = some_facts()
    hidden = Objects.of([*objects(), a_deployment()], {"NetworkPolicy": "may not list"})

    (found,) = network_policy.checks(type(facts)(facts.config, hidden, deployments=facts.deployments))

    assert (found.result, found.observed) == (SKIPPED, "cannot be read: may not list")
