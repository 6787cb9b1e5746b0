"""The comparison by itself: what counts as the same, where a row deviates, and what is nobody's drift."""

import copy
import datetime as dt
import json
from typing import Any

import pytest

from tasks.core import manifests, names, three_ways
from tasks.core.addresses import Choice
from tasks.core.config import LoadBalancerConfig
from tasks.core.drift import Deviation
from tasks.core.three_ways import ClusterSide, ComputeSide, Sides, rows

Json = dict[str, Any]
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
IP, NEG, LINK = "203.0.113.7", "k8s1-uid-default-my-release-milvus-19530-abc", "https://c.example/compute/v1/projects/p"
MARKS = {
    "ingress.kubernetes.io/https-forwarding-rule": "fs",
    "ingress.kubernetes.io/https-target-proxy": "ts",
    "ingress.kubernetes.io/forwarding-rule": "fr",
    "ingress.kubernetes.io/target-proxy": "tp",
    "ingress.kubernetes.io/url-map": "um",
    "ingress.kubernetes.io/redirect-url-map": "rm",
}


def a_config(**changes: Any) -> LoadBalancerConfig:
    return LoadBalancerConfig.parse({"domain": "milvus.example.com", "certificate_mode": "google-managed"} | changes)


def standing(config: LoadBalancerConfig | None = None) -> Sides:
    """Everything as asked for, with what the controllers add."""
    config = config or a_config()
    ingress = manifests.ingress(config, 19530)
    ingress["metadata"]["annotations"] |= MARKS
    ingress["status"] = {"loadBalancer": {"ingress": [{"ip": IP}]}}
    certificate: Json = manifests.managed_certificate(config) | {"status": {"certificateName": "mcrt-1"}}
    return Sides(
        config=config,
        address=Choice("my-release-milvus"),
        cluster=ClusterSide(
            service=a_service(),
            ingress=ingress,
            backend_config=manifests.backend_config(config),
            frontend_config=manifests.frontend_config(config),
            managed_certificate=certificate,
            ready_pods=2,
        ),
        compute=ComputeSide(
            project="p",
            resources=compute(),
            groups=({"name": NEG, "size": 2}, {"name": NEG, "size": 0}, {"name": "another", "size": 9}),
        ),
        now=NOW,
    )


def a_service() -> Json:
    status = {"network_endpoint_groups": {"19530": NEG}, "zones": ["a", "b"]}
    marks = {
        "cloud.google.com/app-protocols": '{"milvus": "HTTP2"}',
        "cloud.google.com/backend-config": '{"default":"my-release-backendconfig"}',
        "cloud.google.com/neg": '{"ingress":true}',
        "cloud.google.com/neg-status": json.dumps(status),
    }
    ports = [{"name": "milvus", "port": 19530}, {"name": "metrics", "port": 9091}]
    return {"metadata": {"annotations": marks}, "spec": {"type": "ClusterIP", "ports": ports}}


def compute() -> dict[str, Json | None]:
    health = {key: value for key, value in manifests.HEALTH_CHECK.items() if key not in ("port", "requestPath")}
    probe = {"port": 9091, "requestPath": "/healthz", "portSpecification": "USE_FIXED_PORT", "proxyHeader": "NONE"}
    rules = [{"paths": ["/*"], "service": f"{LINK}/global/backendServices/{NEG}"}]
    milvus = {"kubernetes.io/service-name": "default/my-release-milvus", "kubernetes.io/service-port": "19530"}
    system = {"kubernetes.io/service-name": "kube-system/default-http-backend", "kubernetes.io/service-port": "80"}
    found: list[tuple[str, Json]] = [
        ("addresses", {"name": "my-release-milvus", "address": IP}),
        ("forwardingRules", a_rule("fs", "443-443", "targetHttpsProxies/ts")),
        ("forwardingRules", a_rule("fr", "80-80", "targetHttpProxies/tp")),
        ("targetHttpsProxies", a_proxy("ts", "um") | {"sslCertificates": [f"{LINK}/global/sslCertificates/mcrt-1"]}),
        ("targetHttpProxies", a_proxy("tp", "rm")),
        (
            "urlMaps",
            {
                "name": "um",
                "defaultService": f"{LINK}/global/backendServices/default",
                "hostRules": [{"hosts": ["milvus.example.com"], "pathMatcher": "m"}],
                "pathMatchers": [{"name": "m", "pathRules": rules}],
            },
        ),
        (
            "urlMaps",
            {
                "name": "rm",
                "defaultUrlRedirect": {"httpsRedirect": True, "redirectResponseCode": "MOVED_PERMANENTLY_DEFAULT"},
            },
        ),
        ("sslCertificates", {"name": "mcrt-1", "managed": {"domains": ["milvus.example.com"], "status": "ACTIVE"}}),
        ("backendServices", {"name": "default", "description": json.dumps(system), "fingerprint": "x"}),
        (
            "backendServices",
            {
                "name": NEG,
                "description": json.dumps(milvus),
                "protocol": "HTTP2",
                "timeoutSec": 3600,
                "connectionDraining": {"drainingTimeoutSec": 60},
                "logConfig": {"enable": True, "sampleRate": 1},
                "healthChecks": [f"{LINK}/global/healthChecks/{NEG}"],
                "backends": [
                    {"group": f"{LINK}/zones/{zone}/networkEndpointGroups/{NEG}", "maxRatePerEndpoint": 1.0}
                    for zone in "ab"
                ],
            },
        ),
        ("healthChecks", {"name": NEG, "httpHealthCheck": probe} | health),
    ]
    return {f"{collection}/{resource['name']}": resource for collection, resource in found}


def a_rule(name: str, ports: str, target: str) -> Json:
    rule = {"kind": "compute#forwardingRule", "name": name, "IPAddress": IP, "portRange": ports}
    return rule | {"target": f"{LINK}/global/{target}"}


def a_proxy(name: str, url_map: str) -> Json:
    kind = "compute#targetHttpsProxy" if name == "ts" else "compute#targetHttpProxy"
    return {"kind": kind, "name": name, "urlMap": f"{LINK}/global/urlMaps/{url_map}"}


def test_a_proxy_that_asks_for_a_login_is_switched_off_by_hand() -> None:
    """GKE leaves alone what the BackendConfig leaves out."""
    service = compute()[f"backendServices/{NEG}"]
    assert service is not None

    (found,) = drift(changed(f"backendServices/{NEG}", service | {"iap": {"enabled": True}}))

    assert (found.field, found.compute) == ("iap.enabled", "true")
    assert f"gcloud compute backend-services update {NEG} --global --iap=disabled --project=p" in found.mend


def drift(sides: Sides) -> list[Deviation]:
    return three_ways.deviations(sides)


def changed(reference: str, resource: Json | None) -> Sides:
    """Everything as asked for but one resource of Compute; None: it is gone."""
    sides = standing()
    resources = copy.deepcopy(dict(sides.compute.resources))
    resources[reference] = resource if resource is None else {**(resources[reference] or {}), **resource}
    part = ComputeSide(sides.compute.project, resources, sides.compute.rules, sides.compute.groups)
    return Sides(sides.config, sides.address, sides.cluster, part, sides.now)


def test_what_the_controllers_own_is_no_drift() -> None:
    assert drift(standing()) == []


def test_a_share_of_logged_calls_is_compared_as_compute_keeps_it() -> None:
    """The client's numbers have 32 bits: a tenth comes back as 0.10000000149."""
    assert rows.same(0.10000000149011612, 0.1)
    assert rows.same(1, 1.0)
    assert not rows.same(0.11, 0.1)
    assert not rows.same(None, 0.1)


@pytest.mark.parametrize(
    ("reference", "part", "resource"),
    [
        ("forwardingRules/fs", None, "forwardingRules/fs"),
        ("forwardingRules/fr", None, "forwardingRules/fr"),
        ("targetHttpsProxies/ts", None, "forwardingRules/fs"),
        ("urlMaps/um", None, "targetHttpsProxies/ts"),
        (f"healthChecks/{NEG}", None, f"healthChecks/{NEG}"),
        ("addresses/my-release-milvus", None, "addresses/my-release-milvus"),
        ("forwardingRules/fs", {"IPAddress": "203.0.113.99"}, "forwardingRules/fs"),
        ("forwardingRules/fs", {"portRange": "8443-8443"}, "forwardingRules/fs"),
        ("sslCertificates/mcrt-1", {"expireTime": "2026-11-21T00:00:00.000-08:00"}, "sslCertificates/mcrt-1"),
        ("sslCertificates/mcrt-1", {"managed": {"domains": ["old.example.com"]}}, "sslCertificates/mcrt-1"),
        (f"backendServices/{NEG}", {"connectionDraining": {}}, f"backendServices/{NEG}"),
        (f"backendServices/{NEG}", {"timeoutSec": 86_400}, f"backendServices/{NEG}"),
    ],
)
def test_a_part_that_is_gone_or_changed_is_named_in_compute(reference: str, part: Json | None, resource: str) -> None:
    found = drift(changed(reference, part))

    assert resource in {each.resource for each in found}
    assert all(each.mend and not each.resource.startswith("ingress") for each in found)


def test_what_has_no_description_is_named_as_it_is() -> None:
    """Of a backend service that somebody made by hand nobody can say what it is for."""
    (found, *_) = [
        each
        for each in drift(changed("backendServices/default", {"description": "my own"}))
        if each.field == "defaultService"
    ]

    assert (found.intent, found.compute) == ("kube-system/default-http-backend", "backendServices/default")


def test_a_zone_without_a_group_and_endpoints_that_are_no_ready_pods_are_named() -> None:
    sides = standing()
    one = f"{LINK}/zones/a/networkEndpointGroups/{NEG}"
    resources = dict(changed(f"backendServices/{NEG}", {"backends": [{"group": one}]}).compute.resources)
    part = ComputeSide("p", resources, (), ({"name": NEG, "size": 5},))

    found = {each.field: each for each in drift(Sides(sides.config, sides.address, sides.cluster, part, NOW))}

    assert (found["backends"].intent, found["backends"].compute) == ("a, b", "a")
    assert (found["size"].cluster, found["size"].compute) == ("2", "5")


def test_while_milvus_is_rolled_out_nobody_counts_endpoints() -> None:
    sides = standing()
    rolling = ClusterSide(**{**vars(sides.cluster), "ready_pods": None})
    part = ComputeSide("p", sides.compute.resources, (), ({"name": NEG, "size": 5},))

    assert drift(Sides(sides.config, sides.address, rolling, part, NOW)) == []


@pytest.mark.parametrize(("live", "seen"), [({}, "none"), ({"sslPolicy": f"{LINK}/global/sslPolicies/old"}, "old")])
def test_an_ssl_policy_that_compute_does_not_have_is_named_where_one_is_asked_for(live: Json, seen: str) -> None:
    part = changed("targetHttpsProxies/ts", live).compute
    asked = standing(a_config(ssl_policy="modern"))

    (found,) = drift(Sides(asked.config, asked.address, asked.cluster, part, NOW))

    assert (found.resource, found.field) == ("targetHttpsProxies/ts", "sslPolicy")
    assert (found.intent, found.cluster, found.compute) == ("modern", "modern", seen)
    assert "gcloud compute target-https-proxies update ts --global --ssl-policy=modern --project=p" in found.mend
    assert "sslPolicy" not in {each.field for each in drift(changed("targetHttpsProxies/ts", live))}


def test_port_80_that_is_to_be_shut_is_named_whoever_made_the_rule() -> None:
    sides = standing(a_config(http="disabled"))
    stray = a_rule("by-hand", "80-80", "targetHttpProxies/another")
    part = ComputeSide("p", sides.compute.resources, (stray,), sides.compute.groups)

    (found,) = drift(Sides(sides.config, sides.address, sides.cluster, part, NOW))

    assert (found.resource, found.intent, found.compute) == ("forwardingRules/by-hand", "missing", "80-80")
    assert "gcloud compute forwarding-rules delete by-hand --global --project=p" in found.mend


def test_an_object_of_ours_that_keeps_a_field_of_an_earlier_run_is_named() -> None:
    sides = standing()
    live = copy.deepcopy(dict(sides.cluster.frontend_config or {}))
    owned: Json = {"f:spec": {"f:sslPolicy": {}}}
    live["metadata"]["managedFields"] = [
        {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": owned},
    ]
    live["spec"]["sslPolicy"] = "modern"
    cluster = ClusterSide(**{**vars(sides.cluster), "frontend_config": live})
    part = changed("targetHttpsProxies/ts", {"sslPolicy": f"{LINK}/global/sslPolicies/modern"}).compute

    (found,) = drift(Sides(sides.config, sides.address, cluster, part, NOW))

    assert (found.field, found.intent, found.cluster) == ("spec.sslPolicy", "missing", "set by an earlier run")


# --- one word for each object ----------------------------------------------------------------------------------------


def verdicts(sides: Sides) -> dict[str, tuple[str, str]]:
    found = three_ways.verdicts(sides, drift(sides))
    return {change.resource.split()[0]: (change.action, change.detail) for change in found}


def in_cluster(**changes: Any) -> Sides:
    sides = standing()
    return Sides(sides.config, sides.address, ClusterSide(**{**vars(sides.cluster), **changes}), sides.compute, NOW)


def test_every_object_of_ours_is_listed_as_unchanged_where_all_is_as_asked_for() -> None:
    kinds = ("service", "backendconfig", "frontendconfig", "ingress", "managedcertificate")

    assert verdicts(standing()) == dict.fromkeys(kinds, ("unchanged", ""))


def test_an_object_that_is_gone_is_missing_and_one_that_was_edited_says_in_which_fields() -> None:
    edited = copy.deepcopy(manifests.backend_config(a_config()))
    edited["spec"]["timeoutSec"] = 31

    found = verdicts(in_cluster(backend_config=edited, frontend_config=None))

    assert found["frontendconfig"] == ("missing", "")
    assert found["backendconfig"] == ("differs", "timeoutSec is 31")
    assert found["ingress"] == ("unchanged", "")


def test_what_only_compute_has_wrong_is_no_fault_of_an_object() -> None:
    found = verdicts(changed(f"backendServices/{NEG}", {"timeoutSec": 86_400}))

    assert {action for action, _ in found.values()} == {"unchanged"}


def test_a_secret_without_a_certificate_is_missing_and_one_that_does_not_serve_differs() -> None:
    sides = standing(a_config(certificate_mode="self-managed"))

    def secret(**changes: Any) -> tuple[str, str]:
        cluster = ClusterSide(**{**vars(sides.cluster), **changes})
        return verdicts(Sides(sides.config, sides.address, cluster, sides.compute, NOW))["secret"]

    assert secret() == ("missing", "")
    assert secret(fingerprint="f8") == ("unchanged", "")
    assert secret(fingerprint="f8", secret_faults=("expired",)) == ("differs", "data.tls.crt is expired")


def test_without_a_milvus_service_nobody_can_say_what_the_ingress_should_be() -> None:
    found = verdicts(in_cluster(service=None))

    assert found["service"] == ("missing", "")
    assert "ingress" not in found
