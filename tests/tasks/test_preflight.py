"""Everything a user can have wrong is told at once, with its mend, and nothing is written."""

import base64
import datetime as dt
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.ca import CertificateAuthority
from sandbox.compute_client import ComputeClient
from sandbox.stack import CLUSTER, LOCATION
from tasks.clients import kubernetes
from tasks.core import annotations as gke
from tasks.core import certificates
from tasks.core.checks import Check, Result
from tasks.core.config import LoadBalancerConfig, ReleaseManager
from tasks.core.errors import PreflightFailed
from tasks.core.progress import Journal
from tasks.preflight import Found, preflight
from tests.tasks.test_live_checks import stand
from tests.tasks.world import World

Json = dict[str, Any]


def check(config: LoadBalancerConfig) -> Found:
    return preflight.fn(config)


@pytest.fixture
def refused(world: World) -> Callable[..., PreflightFailed]:
    """Run preflight on a world that is not fit, and see that nothing was written."""
    world.install()

    def run(**changes: Any) -> PreflightFailed:
        before = world.writes()
        with pytest.raises(PreflightFailed) as caught:
            check(world.config(**changes))
        assert world.writes() == before
        return caught.value

    return run


Refused = Callable[..., PreflightFailed]


def an_ingress(world: World, *, service: str = "", annotations: Json | None = None, **spec: Any) -> Json:
    backend = {"service": {"name": service or world.service, "port": {"number": 19530}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": world.service, "annotations": annotations or {}},
        "spec": {"rules": [{"host": world.domain, "http": {"paths": paths}}], **spec},
    }


def a_secret(name: str, certificate: bytes, key: bytes, kind: str = "kubernetes.io/tls") -> Json:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data}


def test_a_fit_release_passes_with_what_was_learnt(world: World) -> None:
    world.install()
    before = world.writes()

    found = check(world.config())

    assert found.service_port == 19530
    assert found.manager is ReleaseManager.HELM
    assert found.cluster_version.startswith("v1.")
    assert {"AccessCheck", "PermissionsCheck", "QuotaExceededCheck"} <= {each.name for each in found.checks}
    assert world.writes() == before


def test_a_release_that_helm_does_not_know_is_kept_by_manifests(world: World) -> None:
    world.write(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": world.service},
            "spec": {"ports": [{"name": "milvus", "port": 19530}]},
        }
    )

    assert check(world.config()).manager is ReleaseManager.MANIFEST


# --- Milvus ----------------------------------------------------------------------------------------------------------


def test_an_unknown_release_is_told_with_where_to_look(refused: Refused, world: World) -> None:
    error = refused(release="nobody")

    assert f"service {world.namespace}/nobody-milvus: does not exist, nor does a Helm release nobody" in str(error)
    assert f"helm -n {world.namespace} list" in error.mend
    assert error.layer == "milvus"


def test_helm_is_missed_when_it_is_asked_for(refused: Refused, world: World) -> None:
    error = refused(release="nobody", release_manager="helm")

    assert "does not exist, and release_manager is helm" in str(error)


def test_a_service_without_a_milvus_port_is_told_with_its_ports(refused: Refused, world: World) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "https", "port": 443}]
    world.patch(kubernetes.SERVICE, {"spec": {"ports": ports}})

    error = refused()

    assert error.resource == f"service {world.namespace}/{world.service}"
    assert error.observed == "has no Milvus port (named milvus, or 19530) among http:80, https:443"


def test_a_port_without_a_name_is_told_since_gke_finds_the_protocol_by_it(refused: Refused, world: World) -> None:
    world.patch(kubernetes.SERVICE, {"spec": {"ports": [{"port": 19530}]}})

    error = refused()

    assert "port 19530 has no name" in error.observed
    assert "service.portName" in error.mend


def test_values_that_cannot_be_merged_are_told_before_anything_is_reserved(world: World) -> None:
    world.install(extraConfigFiles={"user.yaml": "common:\n  security:\n    tlsMode: 2\n"})
    before = world.writes()

    with pytest.raises(PreflightFailed, match="tlsMode is 2"):
        check(world.config())

    assert world.writes() == before


# --- the cluster -----------------------------------------------------------------------------------------------------


def test_a_cluster_without_gkes_kinds_is_told_by_definition(tmp_path: Path, world: World) -> None:
    """Somebody else's cluster: a Kubernetes API server, and nothing that GKE brings."""
    from sandbox.kube.server import KubernetesApi

    with KubernetesApi(tmp_path, CertificateAuthority(), world.faults) as bare, pytest.MonkeyPatch.context() as patch:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(bare.kubeconfig("admin")))
        patch.setenv("KUBECONFIG", str(kubeconfig))

        with pytest.raises(PreflightFailed) as caught:
            check(world.config(certificate_mode="google-managed"))

        for plural in ("backendconfigs.cloud.google.com", "frontendconfigs", "managedcertificates.networking.gke.io"):
            assert f"customresourcedefinition {plural}" in caught.value.observed
        assert "HttpLoadBalancing add-on" in caught.value.mend
        assert not {"create", "patch", "update", "delete"} & bare.request_counts("admin").keys()


def test_credentials_the_api_server_does_not_accept_are_told_with_how_to_get_new_ones(
    refused: Refused, world: World
) -> None:
    world.faults.arm("kube-unauthorized")

    error = refused()

    assert "does not accept our credentials" in error.observed
    assert "gcloud container clusters get-credentials" in error.mend


def test_a_role_that_may_not_read_is_told_with_the_servers_own_words(refused: Refused, world: World) -> None:
    world.faults.arm("kube-forbidden", verb="get", resource="services")

    error = refused()

    assert 'cannot get resource "services"' in error.observed
    assert "kubectl auth can-i" in error.mend


@pytest.mark.parametrize("resource", ["ingresses", "backendconfigs", "secrets", "leases"])
def test_a_role_that_may_not_create_is_told_before_the_first_write(
    refused: Refused, world: World, resource: str
) -> None:
    world.faults.arm("kube-forbidden", verb="create", resource=resource)

    error = refused()

    assert f"{resource} in {world.namespace}: we may not create them" in str(error)
    assert f"kubectl -n {world.namespace} auth can-i create {resource}" in error.mend


def test_an_api_server_that_is_not_there_is_told_within_seconds(tmp_path: Path, world: World) -> None:
    with socket.socket() as unused, pytest.MonkeyPatch.context() as patch:
        unused.bind(("127.0.0.1", 0))
        kubeconfig = yaml.safe_load(world.stack.kubeconfig.read_text())
        kubeconfig["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{unused.getsockname()[1]}"
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        patch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

        with pytest.raises(PreflightFailed) as caught:
            check(world.config())

    assert "did not answer" in caught.value.observed
    assert "kubectl cluster-info" in caught.value.mend


def test_a_blip_of_the_api_server_is_forgiven(world: World) -> None:
    world.install()
    world.faults.arm("kube-unavailable", times=1)

    assert check(world.config()).service_port == 19530


def test_a_context_that_is_not_there_is_a_failed_preflight(refused: Refused) -> None:
    error = refused(kube_context="elsewhere")

    assert error.resource == "kubeconfig context elsewhere"
    assert "kubectl config get-contexts" in error.mend


# --- somebody else's objects in our places ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotations", "owner"),
    [
        pytest.param({"meta.helm.sh/release-name": "shop"}, "Helm release shop", id="helm"),
        pytest.param(
            {"argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/Ingress:a/b"},
            "Argo CD application shop",
            id="argo cd",
        ),
    ],
)
def test_an_ingress_that_another_tool_keeps_is_left_alone(
    refused: Refused, world: World, annotations: Json, owner: str
) -> None:
    world.write(an_ingress(world, annotations=annotations))

    error = refused()

    assert f"ingress {world.namespace}/{world.service}: belongs to {owner}" in str(error)
    assert f"kubectl -n {world.namespace} get ingress {world.service}" in error.mend


def test_an_ingress_of_the_charts_own_is_turned_off_in_the_chart(refused: Refused, world: World) -> None:
    world.write(an_ingress(world, annotations={"meta.helm.sh/release-name": world.release}))

    assert "ingress.enabled=false" in refused().mend


def test_an_ingress_that_leads_elsewhere_is_somebody_elses(refused: Refused, world: World) -> None:
    world.write(an_ingress(world, service="shop", annotations={"kubernetes.io/ingress.class": "gce"}))

    error = refused()

    assert "was made by somebody else: it leads to service shop" in error.observed


def test_an_ingress_class_name_without_the_annotation_is_the_trap_that_gke_ignores(
    refused: Refused, world: World
) -> None:
    world.write(an_ingress(world, ingressClassName="gce"))

    error = refused()

    assert "spec.ingressClassName gce, which makes GKE ignore it without a word" in error.observed
    assert '[{"op":"remove","path":"/spec/ingressClassName"}]' in error.mend


def test_an_ingress_of_another_class_is_served_by_another_controller(refused: Refused, world: World) -> None:
    world.write(an_ingress(world, annotations={"kubernetes.io/ingress.class": "nginx"}))

    error = refused()

    assert "has class nginx" in error.observed
    assert "kubernetes.io/ingress.class=gce" in error.mend


def test_the_ingress_of_the_published_guide_is_fit_for_adoption(world: World) -> None:
    """It has neither our label nor the class annotation."""
    world.install()
    world.write(an_ingress(world))

    assert "OwnershipCheck" in {each.name for each in check(world.config()).checks}


def test_a_backend_config_that_another_tool_keeps_is_left_alone(refused: Refused, world: World) -> None:
    metadata = {
        "name": f"{world.release}-backendconfig",
        "labels": {"kustomize.toolkit.fluxcd.io/name": "shop"},
    }
    world.write({"apiVersion": "cloud.google.com/v1", "kind": "BackendConfig", "metadata": metadata, "spec": {}})

    assert "belongs to Flux kustomization shop" in refused().observed


# --- certificates ----------------------------------------------------------------------------------------------------


def test_an_existing_secret_that_is_missing_is_told_with_the_command_that_makes_it(
    refused: Refused, world: World
) -> None:
    error = refused(certificate_mode="existing-secret", certificate_secret="ours-tls")

    assert str(error).startswith(f"secret {world.namespace}/ours-tls: does not exist")
    assert f"kubectl -n {world.namespace} create secret tls ours-tls" in error.mend


def existing(world: World, certificate: bytes, key: bytes) -> None:
    world.write(a_secret("ours-tls", certificate, key))


@pytest.mark.parametrize(
    ("domain", "days_ago", "observed"),
    [
        pytest.param("other.example", 0, "the certificate is for other.example and does not cover", id="other domain"),
        pytest.param("", 40, "the certificate expired on", id="expired"),
    ],
)
def test_an_existing_secret_that_does_not_serve_is_told_why(
    refused: Refused, world: World, domain: str, days_ago: int, observed: str
) -> None:
    made = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
    pair = certificates.self_signed([domain or world.domain], 30, made)
    existing(world, pair.certificate_pem, pair.key_pem)

    error = refused(certificate_mode="existing-secret", certificate_secret="ours-tls")

    assert observed in error.observed
    assert error.layer == "certificate"
    assert error.mend.startswith("Replace it: kubectl")


def test_a_key_of_another_certificate_is_told_with_the_rest(refused: Refused, world: World) -> None:
    now = dt.datetime.now(dt.UTC)
    one, other = (certificates.self_signed(["other.example"], 30, now) for _ in range(2))
    existing(world, one.certificate_pem, other.key_pem)

    error = refused(certificate_mode="existing-secret", certificate_secret="ours-tls")

    assert "the private key does not match the certificate" in error.observed
    assert f"does not cover {world.domain}" in error.observed
    assert "PRIVATE" not in str(error)


def test_a_certificate_of_an_authority_in_our_place_is_never_overwritten(refused: Refused, world: World) -> None:
    leaf = CertificateAuthority().issue("other.example")
    world.write(a_secret(f"{world.service}-tls", leaf.certificate_pem, leaf.key_pem))

    error = refused()

    assert "holds a certificate of an authority that does not serve these domains any more" in error.observed
    assert "certificate_mode=existing-secret" in error.mend


def test_a_secret_of_another_type_in_our_place_is_never_overwritten(refused: Refused, world: World) -> None:
    world.write(a_secret(f"{world.service}-tls", b"a", b"b", "Opaque"))

    assert "is of type Opaque, made by somebody else" in refused().observed


# --- Compute ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def somebody(world: World) -> Iterator[ComputeClient]:
    api = world.stack.compute
    somebody = ComputeClient(api.url, api.access_token("somebody"), api.project)
    yield somebody
    somebody.close()


def test_a_firewall_rule_that_shuts_the_load_balancer_out_is_told_where_the_network_is_known(
    refused: Refused, somebody: ComputeClient
) -> None:
    """GKE's API says which it is; before there is any load balancer nothing else does."""
    denied = [{"IPProtocol": "tcp", "ports": ["9000-9100"]}]
    somebody.insert("global/firewalls", {"name": "no-strangers", "priority": 10, "denied": denied})
    try:
        error = refused(gke_cluster=CLUSTER, gke_location=LOCATION)
    finally:
        somebody.delete("global/firewalls/no-strangers")

    assert (error.cause, error.layer, error.resource) == ("Firewall", "network", "firewalls/no-strangers")
    assert "denies tcp:9091 from 130.211.0.0/22" in error.observed
    assert "--priority 9 --allow tcp:19530,tcp:9091" in error.mend


def test_an_internal_address_of_our_name_is_told(refused: Refused, world: World, somebody: ComputeClient) -> None:
    body = {
        "name": world.service,
        "addressType": "INTERNAL",
        "purpose": "VPC_PEERING",
        "prefixLength": 24,
        "network": "global/networks/default",
    }
    somebody.insert("global/addresses", body)

    error = refused()

    assert error.resource == f"addresses/{world.service}"
    assert "is INTERNAL" in error.observed
    assert "address_name" in error.mend


def test_a_regional_address_of_our_name_is_told_as_such(
    world: World, journal: Journal, somebody: ComputeClient
) -> None:
    """`gcloud compute addresses create NAME --region R`, where an external Ingress needs `--global`."""
    world.install()
    region = "sandbox-zone"
    somebody.insert(f"regions/{region}/addresses", {"name": world.service})

    check(world.config())

    found = told(journal, "StaticAddressScopeCheck")
    assert (found.result, found.blocks) == (Result.FAILED, False)
    assert found.observed.startswith(f"is an address of region {region} (192.0.2.")
    assert "gcloud compute addresses list" in found.mend


def test_an_address_that_serves_another_load_balancer_is_told_with_its_rule(
    refused: Refused, world: World, somebody: ComputeClient
) -> None:
    somebody.insert("global/addresses", {"name": world.service})
    prefix = f"projects/{world.stack.compute.project}/global"
    health = {"name": f"{world.release}-hc", "type": "HTTP", "httpHealthCheck": {"port": 80}}
    somebody.insert("global/healthChecks", health)
    service = {"name": f"{world.release}-bs", "healthChecks": [f"{prefix}/healthChecks/{world.release}-hc"]}
    somebody.insert("global/backendServices", service | {"protocol": "HTTP", "loadBalancingScheme": "EXTERNAL"})
    somebody.insert(
        "global/urlMaps",
        {"name": f"{world.release}-um", "defaultService": f"{prefix}/backendServices/{world.release}-bs"},
    )
    somebody.insert(
        "global/targetHttpProxies", {"name": f"{world.release}-tp", "urlMap": f"{prefix}/urlMaps/{world.release}-um"}
    )
    somebody.insert(
        "global/forwardingRules",
        {
            "name": f"{world.release}-shop",
            "IPAddress": f"{prefix}/addresses/{world.service}",
            "target": f"{prefix}/targetHttpProxies/{world.release}-tp",
            "portRange": "80",
            "loadBalancingScheme": "EXTERNAL",
        },
    )

    error = refused()

    assert error.observed == f"is used by forwardingRules/{world.release}-shop"
    assert "address_name" in error.mend


def test_a_missing_permission_at_compute_is_told_with_the_role(refused: Refused, world: World) -> None:
    world.faults.arm("compute-forbidden", permission="compute.globalAddresses.get")

    error = refused()

    assert "compute.globalAddresses.get" in error.observed
    assert "gcloud projects add-iam-policy-binding" in error.mend
    assert error.layer == "compute"


def test_several_findings_come_together(refused: Refused, world: World) -> None:
    world.write(an_ingress(world, service="shop", ingressClassName="nginx"))
    world.patch(kubernetes.SERVICE, {"spec": {"ports": [{"name": "http", "port": 80}, {"name": "b", "port": 81}]}})
    world.faults.arm("compute-forbidden", permission="compute.globalAddresses.get")

    error = refused(certificate_mode="existing-secret", certificate_secret="ours-tls")

    # What else is wrong with an Ingress of somebody else's is their business.
    assert error.resource == "preflight, 4 findings"
    for part in ("has no Milvus port", "leads to service shop", "ours-tls", "globalAddresses"):
        assert part in error.observed


def test_a_callback_to_a_host_that_nobody_allowed_is_found_before_the_first_write(refused: Refused) -> None:
    error = refused(callback_url="https://169.254.169.254/computeMetadata?token=x")

    assert error.layer == "configuration"
    assert "169.254.169.254:443" in error.resource
    assert "MILVUS_L7_CALLBACK_HOSTS" in error.mend
    assert "computeMetadata" not in str(error)


# --- what the run would leave, and what it mends ---------------------------------------------------------------------


def told(journal: Journal, name: str) -> Check:
    """The one check of this name that was judged."""
    (found,) = (check for check in journal.checks if check.name == name)
    return found


def test_what_provision_mends_is_told_and_stops_nobody(world: World, journal: Journal) -> None:
    world.install()
    stand(world.config())
    world.annotate(kubernetes.SERVICE, {gke.APP_PROTOCOLS: '{"grpc":"HTTP2"}'})
    before = world.writes()

    check(world.config())

    found = told(journal, "AppProtocolPortNameCheck")
    assert (found.result, found.blocks) == (Result.FAILED, False)
    assert found.mend.startswith("provision mends it. By hand: Set it: kubectl")
    assert world.writes() == before


def test_what_provision_cannot_mend_stops_it(refused: Refused, world: World) -> None:
    world.annotate(kubernetes.SERVICE, {gke.ALPHA_APP_PROTOCOLS: '{"milvus":"HTTP"}'})

    error = refused()

    assert error.cause == "AppProtocolShadow"
    assert error.mend.endswith(f"annotate service {world.service} {gke.ALPHA_APP_PROTOCOLS}-")


def test_a_first_run_finds_no_fault_in_what_does_not_stand_yet(world: World, journal: Journal) -> None:
    """But that plaintext ends for the Layer-4 address, and that Milvus is open, for which there is a reason."""
    world.install()

    check(world.config())

    failed = {each.name for each in journal.checks if each.result is Result.FAILED}
    assert failed <= {"PlaintextClientsCheck", "AnonymousAccessCheck"}


def test_a_network_policy_that_shuts_the_load_balancer_out_is_told(refused: Refused, world: World) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    world.write(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"}, "spec": spec}
    )

    error = refused()

    assert (error.cause, error.layer) == ("NetworkPolicy", "network")
    assert "19530 from 130.211.0.0/22" in error.observed
    assert "patch networkpolicy deny" in error.mend


@pytest.mark.parametrize(
    ("asked", "cause", "resource"),
    [
        pytest.param({"ssl_policy": "nobody"}, "SslPolicyExistence", "sslPolicies/nobody", id="SSL policy"),
        pytest.param(
            {"security_policy": "set", "security_policy_name": "nobody"},
            "SecurityPolicyExistence",
            "securityPolicies/nobody",
            id="Cloud Armor policy",
        ),
    ],
)
def test_a_policy_that_compute_has_not_is_told_before_it_is_named(
    refused: Refused, asked: Json, cause: str, resource: str
) -> None:
    error = refused(**asked)

    assert (error.cause, error.resource) == (cause, resource)
    assert "gcloud compute" in error.mend


def test_a_service_that_the_operator_keeps_is_told_with_the_patch_of_its_cr(refused: Refused, world: World) -> None:
    owner = {"apiVersion": "milvus.io/v1beta1", "kind": "Milvus", "name": world.release, "uid": "1"}
    world.patch(kubernetes.SERVICE, {"metadata": {"ownerReferences": [owner]}})

    error = refused()

    assert error.cause == "Ownership"
    assert f"belongs to Milvus {world.release}" in error.observed
    assert f"kubectl -n {world.namespace} patch milvus {world.release}" in error.mend


def test_who_talks_to_milvus_in_plaintext_is_told_and_stops_nobody(world: World, journal: Journal) -> None:
    world.install()
    container = {
        "name": "app",
        "image": "app:1",
        "env": [{"name": "MILVUS_URI", "value": f"http://{world.service}:19530"}],
    }
    world.write({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}, "spec": {"containers": [container]}})

    check(world.config())

    found = told(journal, "PlaintextClientsCheck")
    assert f"pod {world.namespace}/shop by REST at variable MILVUS_URI" in found.observed
    assert not found.blocks


# --- rights, quotas, DNS ---------------------------------------------------------------------------------------------


def test_a_permission_to_write_is_missed_before_the_first_write(refused: Refused, world: World) -> None:
    world.faults.arm("compute-forbidden", permission="compute.globalAddresses.create")

    error = refused()

    assert (error.cause, error.layer) == ("PermissionDenied", "compute")
    assert "compute.globalAddresses.create is not granted" in error.observed
    assert "gcloud projects add-iam-policy-binding" in error.mend


def test_a_run_that_has_nothing_to_write_passes_with_rights_to_read(world: World) -> None:
    world.install()
    stand(world.config())
    for verb in ("patch", "update"):
        world.faults.arm("kube-forbidden", verb=verb)
    world.faults.arm("compute-forbidden", permission="compute.globalAddresses.create")
    reviews = world.reviews()

    found = check(world.config())

    assert "AccessCheck" in {each.name for each in found.checks}
    assert world.reviews() == reviews


def test_a_chart_object_that_helm_may_not_patch_is_told(refused: Refused, world: World) -> None:
    world.faults.arm("kube-forbidden", verb="patch", resource="deployments")

    error = refused()

    assert error.resource == f"deployments in {world.namespace}"
    assert error.cause == "AccessRefused"


@pytest.mark.parametrize("metric", ["FORWARDING_RULES", "BACKEND_SERVICES", "STATIC_ADDRESSES", "SSL_CERTIFICATES"])
def test_a_quota_that_does_not_suffice_is_told_with_its_numbers(refused: Refused, world: World, metric: str) -> None:
    world.faults.arm("quota-exceeded", metric=metric)

    error = refused()

    assert (error.cause, error.resource) == ("QuotaExceeded", f"quota {metric}")
    assert "more needed" in error.observed
    assert "gcloud compute project-info describe" in error.mend


def test_caa_that_forbids_google_stops_a_google_managed_certificate_alone(refused: Refused, world: World) -> None:
    world.record("CAA", '0 issue "digicert.com"')

    error = refused(certificate_mode="google-managed")

    assert (error.cause, error.layer) == ("CaaForbids", "dns")
    assert f"the CAA records of {world.domain}" in error.observed
    assert check(world.config()).service_port == 19530


def test_caa_of_a_parent_counts_where_the_domain_has_none(refused: Refused, world: World) -> None:
    world.record("CAA", '0 issue ";"')

    error = refused(certificate_mode="google-managed", domain=f"db.{world.domain}")

    assert f"the CAA records of {world.domain} do not let Google issue" in error.observed


def test_a_stray_aaaa_record_is_told_and_stops_nobody(world: World, journal: Journal) -> None:
    world.install()
    world.record("AAAA", "2001:db8::7")

    check(world.config(certificate_mode="google-managed"))

    found = told(journal, "StrayAaaaCheck")
    assert (found.result, found.blocks) == (Result.FAILED, False)
    assert "Google's certificate is not issued" in found.observed


def test_name_servers_that_fail_stop_nobody(world: World, journal: Journal) -> None:
    world.install()
    world.faults.arm("dns-servfail")

    check(world.config())

    assert told(journal, "ResolversAgreeCheck").result is Result.FAILED


def test_an_api_that_does_not_say_what_we_may_stops_nobody(
    world: World, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Cloud Resource Manager API may not be enabled in a project."""
    world.install()
    monkeypatch.setenv("MILVUS_L7_RESOURCE_MANAGER_ENDPOINT", f"{world.stack.compute.url}/not-there")

    check(world.config())

    assert told(journal, "PermissionsCheck").result is Result.SKIPPED


def test_a_cluster_asked_for_by_name_is_looked_at_with_the_gke_api(world: World, journal: Journal) -> None:
    world.install()

    check(world.config(gke_cluster="sandbox", gke_location="europe-west1"))

    assert told(journal, "VpcNativeCheck").result is Result.PASSED
    assert told(journal, "HttpLoadBalancingCheck").result is Result.PASSED
