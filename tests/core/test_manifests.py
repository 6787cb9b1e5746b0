"""Manifests: the whole object written out, and what a live one lacks."""

from typing import Any

import pytest

from tasks.core import manifests, names
from tasks.core.config import CertificateMode, LoadBalancerConfig


def a_config(**changes: Any) -> LoadBalancerConfig:
    return LoadBalancerConfig.parse({"domain": "milvus.example.com"} | changes)


def test_backend_config_names_every_field_of_the_health_check() -> None:
    """Left out, it comes from the Service's protocol or Google's defaults: both are wrong for Milvus."""
    assert manifests.backend_config(a_config()) == {
        "apiVersion": "cloud.google.com/v1",
        "kind": "BackendConfig",
        "metadata": {
            "name": "my-release-backendconfig",
            "namespace": "default",
            "labels": {"app.kubernetes.io/managed-by": "milvus-gke-l7"},
        },
        "spec": {
            "healthCheck": {
                "type": "HTTP",
                "port": 9091,
                "requestPath": "/healthz",
                "checkIntervalSec": 10,
                "timeoutSec": 5,
                "healthyThreshold": 1,
                "unhealthyThreshold": 3,
            },
            "timeoutSec": 3600,
            "connectionDraining": {"drainingTimeoutSec": 60},
            "logging": {"enable": True, "sampleRate": 1.0},
        },
    }


@pytest.mark.parametrize(("rate", "logging"), [(0.25, {"enable": True, "sampleRate": 0.25}), (0.0, {"enable": False})])
def test_calls_are_logged_in_the_share_asked_for(rate: float, logging: dict[str, Any]) -> None:
    assert manifests.backend_config(a_config(log_sample_rate=rate))["spec"]["logging"] == logging


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        pytest.param({}, None, id="kept: the field is absent"),
        pytest.param({"security_policy": "remove"}, {"name": ""}, id="removed: the name is empty"),
        pytest.param(
            {"security_policy": "set", "security_policy_name": "office-only"}, {"name": "office-only"}, id="set"
        ),
    ],
)
def test_security_policy_has_three_states(changes: dict[str, str], policy: dict[str, str] | None) -> None:
    """Leaving the field out does not remove a policy (ingress-gce features/securitypolicy.go)."""
    assert manifests.backend_config(a_config(**changes))["spec"].get("securityPolicy") == policy


def test_frontend_config_redirects_unless_http_is_disabled() -> None:
    on = manifests.frontend_config(a_config())["spec"]
    off = manifests.frontend_config(a_config(http="disabled", ssl_policy="modern"))["spec"]

    assert on == {"redirectToHttps": {"enabled": True, "responseCodeName": "MOVED_PERMANENTLY_DEFAULT"}}
    assert off == {"redirectToHttps": {"enabled": False}, "sslPolicy": "modern"}


def test_ingress_with_a_self_managed_certificate_names_its_secret() -> None:
    """The certificate reaches the load balancer through spec.tls, the class through the annotation GKE reads."""
    assert manifests.ingress(a_config(additional_domains=("vectors.example.com",)), 19530) == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": "my-release-milvus",
            "namespace": "default",
            "labels": {"app.kubernetes.io/managed-by": "milvus-gke-l7"},
            "annotations": {
                "kubernetes.io/ingress.class": "gce",
                "kubernetes.io/ingress.global-static-ip-name": "my-release-milvus",
                "networking.gke.io/v1beta1.FrontendConfig": "my-release-frontendconfig",
                "kubernetes.io/ingress.allow-http": "true",
            },
        },
        "spec": {
            "tls": [
                {"hosts": ["milvus.example.com", "vectors.example.com"], "secretName": "my-release-milvus-tls"},
            ],
            "rules": [
                {
                    "host": host,
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "my-release-milvus", "port": {"number": 19530}}},
                            }
                        ]
                    },
                }
                for host in ("milvus.example.com", "vectors.example.com")
            ],
        },
    }


def test_ingress_with_a_google_managed_certificate_has_no_tls_section() -> None:
    ingress = manifests.ingress(a_config(certificate_mode=CertificateMode.GOOGLE_MANAGED, http="disabled"), 19530)

    assert "tls" not in ingress["spec"]
    assert ingress["metadata"]["annotations"]["networking.gke.io/managed-certificates"] == "my-release-milvus-tls"
    assert ingress["metadata"]["annotations"]["kubernetes.io/ingress.allow-http"] == "false"


def test_a_policy_that_is_set_covers_requests_for_other_hosts_too() -> None:
    """The system's default backend has a BackendConfig of its own, which is not ours (gke-networking-recipes#25)."""
    open_to_all = manifests.ingress(a_config(), 19530)
    restricted = manifests.ingress(a_config(security_policy="set", security_policy_name="office-only"), 19530)

    assert "defaultBackend" not in open_to_all["spec"]
    assert restricted["spec"]["defaultBackend"] == {"service": {"name": "my-release-milvus", "port": {"number": 19530}}}


def test_an_ingress_keeps_the_address_that_gke_promoted_by_naming_none() -> None:
    named = manifests.ingress(a_config(), 19530, "another")["metadata"]["annotations"]
    unnamed = manifests.ingress(a_config(), 19530, "")["metadata"]["annotations"]

    assert named["kubernetes.io/ingress.global-static-ip-name"] == "another"
    assert "kubernetes.io/ingress.global-static-ip-name" not in unnamed


def test_what_the_controller_wrote_is_no_difference() -> None:
    """The controller's annotations, finalizer and status are its own; an apply that ignores them is not needed."""
    wanted = manifests.ingress(a_config(), 19530)
    live = {
        **wanted,
        "metadata": {
            **wanted["metadata"],
            "annotations": {**wanted["metadata"]["annotations"], "ingress.kubernetes.io/url-map": "k8s2-um-x"},
            "finalizers": ["networking.gke.io/ingress-finalizer-V2"],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
    }

    assert manifests.differences(live, wanted) == []


def test_a_changed_timeout_is_named_by_its_path() -> None:
    live = manifests.backend_config(a_config())
    wanted = manifests.backend_config(a_config(backend_timeout_seconds=60))

    assert manifests.differences(live, wanted) == ["spec.timeoutSec"]


def test_a_field_of_ours_that_is_no_longer_wanted_is_surplus() -> None:
    """Only server-side apply can take it away, so it must be seen although every wanted field is right."""
    live = manifests.backend_config(a_config(security_policy="set", security_policy_name="office-only"))
    live["metadata"]["managedFields"] = [
        {
            "manager": names.FIELD_MANAGER,
            "operation": "Apply",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app.kubernetes.io/managed-by": {}}},
                "f:spec": {"f:timeoutSec": {}, "f:securityPolicy": {"f:name": {}}},
            },
        },
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:logging": {"f:enable": {}}}}},
    ]
    wanted = manifests.backend_config(a_config())

    assert manifests.differences(live, wanted) == []
    assert manifests.surplus(live, wanted, names.FIELD_MANAGER) == ["/spec/securityPolicy/name"]
