"""Who keeps an object, where its settings belong, and who breaks when plaintext ends."""

from typing import Any

import pytest

from tasks.core import annotations
from tasks.core.checks import Check, ownership, plaintext_clients
from tasks.core.checks.objects import Objects
from tasks.core.checks.plaintext_clients import OTHER_NAMESPACES
from tests.core.check_objects import (
    FAILED,
    INGRESS,
    NAME,
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
    an_object,
    objects,
    result,
    some_facts,
)

ARGO = {"argocd.argoproj.io/tracking-id": "vectors:/Service:default/x"}
HELM = {"meta.helm.sh/release-name": "my-release"}
OPERATOR = [{"apiVersion": "milvus.io/v1beta1", "kind": "Milvus", "name": "my-release"}]


def labelled(live: Json, **labels: str) -> Json:
    return {**live, "metadata": {**live["metadata"], "labels": labels}}


def owned_by(live: Json, references: list[Json]) -> Json:
    return {**live, "metadata": {**live["metadata"], "ownerReferences": references}}


def managed(live: Json, manager: str, *keys: str) -> Json:
    fields: Json = {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in keys}}}
    return {**live, "metadata": {**live["metadata"], "managedFields": [{"manager": manager, "fieldsV1": fields}]}}


@pytest.mark.parametrize(
    ("live", "kind", "name"),
    [
        pytest.param(an_ingress(HELM), "helm", "Helm release my-release", id="Helm"),
        pytest.param(an_ingress(ARGO), "git", "Argo CD application vectors", id="Argo CD"),
        pytest.param(an_ingress(HELM | ARGO), "git", "Argo CD application vectors", id="Argo CD over Helm"),
        pytest.param(
            labelled(an_ingress(), **{"kustomize.toolkit.fluxcd.io/name": "x"}), "git", "Flux kustomization x",
            id="Flux",
        ),
        pytest.param(
            labelled(an_ingress(HELM), **{"helm.toolkit.fluxcd.io/name": "x"}), "git", "Flux HelmRelease x",
            id="Flux over Helm",
        ),
        pytest.param(owned_by(an_ingress(), OPERATOR), "operator", "Milvus my-release", id="Milvus operator"),
        pytest.param(
            owned_by(an_ingress(), [{"apiVersion": "shop/v1", "kind": "Shop", "name": "a"}]), "other", "Shop a",
            id="another controller",
        ),
        pytest.param(labelled(an_ingress(), **{"app.kubernetes.io/managed-by": "milvus-gke-l7"}), "us", "", id="us"),
        pytest.param(labelled(an_ingress(), **{"app.kubernetes.io/managed-by": "tf"}), "other", "tf", id="a tool"),
        pytest.param(
            managed(an_ingress(), "kubectl-client-side-apply"), "person", "whoever used kubectl-client-side-apply",
            id="a person",
        ),
        pytest.param(an_ingress(), "person", "nobody that it names", id="nobody"),
    ],
)  # fmt: skip
def test_an_owner_is_read_off_the_object(live: Json, kind: str, name: str) -> None:
    found = ownership.owner(live)

    assert (found.kind, found.name) == (kind, name)


def owners(*documents: Json, **more: Any) -> list[Check]:
    return list(ownership.checks(some_facts(list(documents), **more)))


@pytest.mark.parametrize(
    ("live", "observed", "mend"),
    [
        pytest.param(an_ingress(ARGO), "belongs to Argo CD application vectors", "in Git", id="Argo CD"),
        pytest.param(an_ingress(HELM), "belongs to Helm release my-release", "ingress.enabled=false", id="the chart's"),
        pytest.param(
            an_ingress({"meta.helm.sh/release-name": "shop"}), "belongs to Helm release shop", "Choose another release",
            id="another chart's",
        ),
        pytest.param(
            owned_by(an_ingress(), OPERATOR), "belongs to Milvus my-release", "spec.components.standalone.ingress",
            id="the operator's, which never lets go of it",
        ),
        pytest.param(
            an_ingress(rules=[a_rule(a_path("shop"))]), "it leads to service shop", "Rename or remove", id="a shop's",
        ),
    ],
)  # fmt: skip
def test_an_ingress_of_somebody_elses_in_our_place_stops_the_run(live: Json, observed: str, mend: str) -> None:
    found = result(owners(live), "OwnershipCheck", INGRESS)

    assert (found.ends_the_run, found.layer) == (True, "ingress")
    assert observed in found.observed
    assert mend in found.mend
    assert ownership.foreign([found]) == {INGRESS}


def test_an_ingress_made_by_the_guide_is_taken_over() -> None:
    found = result(owners(managed(an_ingress(), "kubectl-client-side-apply")), "OwnershipCheck", INGRESS)

    assert found.result is PASSED
    assert "fit to be taken over" in found.observed


def test_a_config_that_git_keeps_stops_the_run() -> None:
    config = labelled(a_backend_config(), **{"kustomize.toolkit.fluxcd.io/name": "shop"})

    found = result(owners(config), "OwnershipCheck", "backendconfig default/my-release-backendconfig")

    assert found.ends_the_run


def test_a_config_map_in_the_place_of_our_notes_stops_the_run() -> None:
    found = result(owners(an_object("ConfigMap", f"{NAME}-l7")), "OwnershipCheck", f"configmap default/{NAME}-l7")

    assert found.ends_the_run
    assert "our notes" in found.observed


PLAINTEXT = "common: {security: {tlsMode: 0}}"


def test_a_service_of_gits_that_lacks_nothing_is_fine() -> None:
    found = result(owners(a_service(ARGO)), "OwnershipCheck", SERVICE)

    assert found.result is PASSED
    assert "Git is the place of a setting" in found.observed


def test_a_service_of_gits_that_lacks_something_is_told_with_the_values_to_put_there() -> None:
    bare = a_service({**ARGO, annotations.NEG: None}, type="LoadBalancer")

    found = result(owners(bare, user_yaml=PLAINTEXT), "OwnershipCheck", SERVICE)

    assert found.ends_the_run
    assert f"lacks {annotations.NEG}, type ClusterIP, common.security.tlsMode 1" in found.observed
    assert '"service": {"type": "ClusterIP", "annotations": {"cloud.google.com/app-protocols"' in found.mend
    assert "extraConfigFiles" in found.mend


def test_a_service_of_the_operators_is_told_with_the_patch_of_its_cr() -> None:
    bare = owned_by(a_service({annotations.NEG: None}), OPERATOR)

    found = result(owners(bare), "OwnershipCheck", SERVICE)

    assert found.mend.startswith("Set it in the CR: kubectl -n default patch milvus my-release --type merge -p '{")
    assert '"standalone": {"serviceType": "ClusterIP", "serviceAnnotations": {' in found.mend
    assert '"http": {"port": 8080}' in found.mend


def test_whoever_says_how_the_release_is_written_has_been_told() -> None:
    bare = a_service({**ARGO, annotations.NEG: None})

    found = result(owners(bare, config={"release_manager": "manifest"}), "OwnershipCheck", SERVICE)

    assert (found.result, found.blocks) == (FAILED, False)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param('{"milvus":"HTTP2"}', PASSED, id="the same meaning"),
        pytest.param('{"milvus":"HTTP"}', FAILED, id="another value"),
    ],
)
def test_an_annotation_by_hand_beside_a_helm_release_is_told(value: str, wanted: str) -> None:
    service = managed(
        a_service(HELM | {annotations.APP_PROTOCOLS: value}), "kubectl-annotate", annotations.APP_PROTOCOLS
    )

    found = result(owners(service), "AnnotationOwnerCheck", SERVICE)

    assert found.result is wanted
    assert not found.ends_the_run
    if wanted is FAILED:
        assert found.mend.endswith(f"kubectl -n default annotate service {NAME} {annotations.APP_PROTOCOLS}-")


# --- plaintext -------------------------------------------------------------------------------------------------------


def a_pod(
    name: str,
    *,
    namespace: str = "default",
    env: Json | None = None,
    args: list[str] | None = None,
    image: str = "app:1",
    owner: tuple[str, str] | None = None,
    labels: Json | None = None,
) -> Json:
    variables = [{"name": key, "value": value} for key, value in (env or {}).items()]
    container = {"name": "app", "image": image, "env": variables, "args": args or []}
    pod = an_object("Pod", name, spec={"containers": [container]})
    references = [{"kind": owner[0], "name": owner[1]}] if owner else []
    pod["metadata"] |= {"namespace": namespace, "labels": labels or {}, "ownerReferences": references}
    return pod


def clients(*documents: Json, text: str = PLAINTEXT, unread: dict[str, str] | None = None) -> Check:
    facts = some_facts(user_yaml=text)
    found = Objects.of([*objects(), a_deployment(), *documents], unread)
    (check,) = plaintext_clients.checks(
        type(facts)(facts.config, found, deployments=facts.deployments, user_yaml=facts.user_yaml)
    )
    return check


def test_nobody_breaks_where_tls_is_on_already() -> None:
    assert clients(a_pod("a", env={"URI": f"{NAME}:19530"}), text="common.security.tlsMode: 1").result is SKIPPED


def test_nobody_found_is_said_with_where_was_looked() -> None:
    assert clients(a_pod("a", env={"URI": "postgres:5432"})).observed == (
        "no client was found among the Pods of every namespace"
    )
    hidden = clients(unread={OTHER_NAMESPACES: "forbidden"})
    assert "of namespace default (others cannot be read: forbidden)" in hidden.observed


@pytest.mark.parametrize(
    ("pod", "told"),
    [
        pytest.param(
            a_pod("a", env={"MILVUS": f"{NAME}:19530"}), "pod default/a by variable MILVUS", id="a variable",
        ),
        pytest.param(
            a_pod("a", args=["--milvus", f"tcp://{NAME}.default.svc:19530"]), "an argument of container app",
            id="an argument",
        ),
        pytest.param(
            a_pod("a", env={"URL": f"http://{NAME}:19530/v2"}), "REST at variable URL", id="REST",
        ),
        pytest.param(
            a_pod("a", namespace="shop", env={"M": f"{NAME}.default.svc.cluster.local"}), "pod shop/a",
            id="another namespace",
        ),
        pytest.param(
            a_pod("attu-7f-x", image="zilliz/attu:v2.5", env={"MILVUS_URL": f"{NAME}:19530"},
                  owner=("ReplicaSet", "attu-7f"), labels={"pod-template-hash": "7f"}),
            "deployment default/attu (Attu) by variable MILVUS_URL", id="Attu",
        ),
        pytest.param(
            a_pod("etl-0", env={"M": NAME}, owner=("StatefulSet", "etl")), "statefulset default/etl", id="StatefulSet",
        ),
    ],
)  # fmt: skip
def test_a_client_in_plaintext_is_named_with_where_it_says_so(pod: Json, told: str) -> None:
    found = clients(pod)

    assert (found.result, found.blocks, found.resource) == (FAILED, False, SERVICE)
    assert told in found.observed
    assert "https://milvus.example.com:443" in found.mend


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod("a", env={"M": f"https://{NAME}:19530"}), id="speaks TLS"),
        pytest.param(a_pod("a", env={"M": f"{NAME}-etcd:2379"}), id="a longer name"),
        pytest.param(a_pod("a", env={"M": f"other-{NAME}:19530"}), id="a longer name before"),
        pytest.param(a_pod("a", namespace="shop", env={"M": f"{NAME}:19530"}), id="a bare name elsewhere"),
        pytest.param(a_pod("a", env={"M": f"{NAME}.shop:19530"}), id="a namesake elsewhere"),
        pytest.param(
            a_pod("m", env={"SELF": NAME}, labels={
                "app.kubernetes.io/instance": "my-release", "app.kubernetes.io/name": "milvus",
                "component": "standalone",
            }), id="Milvus itself",
        ),
    ],
)  # fmt: skip
def test_what_does_not_break_is_not_told(pod: Json) -> None:
    assert clients(pod).result is PASSED


def test_a_value_that_may_hold_a_secret_is_not_shown() -> None:
    found = clients(a_pod("a", env={"URI": f"http://root:s3cret@{NAME}:19530"}))

    assert found.result is FAILED
    assert "s3cret" not in found.observed + found.mend


def test_a_layer_4_address_goes_away() -> None:
    service = a_service(type="LoadBalancer")
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "198.51.100.4"}]}}

    found = clients(service)

    assert "whoever dials 198.51.100.4 (Layer 4)" in found.observed


def test_many_clients_are_counted() -> None:
    found = clients(*(a_pod(f"a{number}", env={"M": NAME}) for number in range(12)))

    assert "12 clients found" in found.observed
    assert "and 4 more" in found.observed
