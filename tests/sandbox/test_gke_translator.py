"""Every fault of an Ingress, with the words in which users meet it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.gke import url_map
from sandbox.gke.namer import ClusterNamer
from sandbox.gke.translator import translate, url_paths

Json = dict[str, Any]

NAMER = ClusterNamer("9a8b7c6d5e4f3a2b", "7f4b1f2e-0000-4000-8000-3a2b1c0d9e8f")


@dataclass
class Objects:
    """A cluster made of dictionaries."""

    services: dict[str, Json] = field(default_factory=dict)
    backend_configs: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)

    def service(self, namespace: str, name: str) -> Json | None:
        return self.services.get(f"{namespace}/{name}")

    def backend_config(self, namespace: str, name: str) -> Json | None:
        return self.backend_configs.get(f"{namespace}/{name}")

    def secret(self, namespace: str, name: str) -> Json:
        if f"{namespace}/{name}" not in self.secrets:
            raise LookupError(f'secrets "{name}" not found')
        return self.secrets[f"{namespace}/{name}"]


def a_service(name: str = "milvus", *, kind: str = "ClusterIP", **annotations: str) -> Json:
    keys = {
        "neg": "cloud.google.com/neg",
        "protocols": "cloud.google.com/app-protocols",
        "alpha": "service.alpha.kubernetes.io/app-protocols",
        "config": "cloud.google.com/backend-config",
        "beta_config": "beta.cloud.google.com/backend-config",
    }
    return {
        "metadata": {
            "namespace": "default",
            "name": name,
            "annotations": {keys[key]: value for key, value in annotations.items()},
        },
        "spec": {"type": kind, "ports": [{"name": "milvus", "port": 19530, "targetPort": "milvus"}]},
    }


def a_backend_config(**spec: Any) -> Json:
    return {"metadata": {"namespace": "default", "name": "milvus-bc"}, "spec": spec}


def a_cluster(service: Json | None = None, *, config: Json | None = None) -> Objects:
    default = a_service("default-http-backend", kind="NodePort")
    default["spec"]["ports"] = [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 31000}]
    objects = Objects(services={"kube-system/default-http-backend": default})
    objects.services["default/milvus"] = service or a_service(neg='{"ingress":true}')
    if config is not None:
        objects.backend_configs["default/milvus-bc"] = config
    return objects


def a_path(path: str = "/", path_type: str | None = "Prefix", *, service: str = "milvus", port: Any = 19530) -> Json:
    reference = {"name": port} if isinstance(port, str) else {"number": port}
    backend = {"service": {"name": service, "port": reference}}
    return {"path": path, "backend": backend} | ({"pathType": path_type} if path_type else {})


def an_ingress(*rules: Json) -> Json:
    default = {"host": "milvus.example.com", "http": {"paths": [a_path()]}}
    return {"metadata": {"namespace": "default", "name": "milvus"}, "spec": {"rules": list(rules) or [default]}}


def errors_of(cluster: Objects, *rules: Json) -> list[str]:
    return translate(an_ingress(*rules), cluster)[1]


def test_an_ingress_becomes_hosts_and_paths_over_the_system_default_backend() -> None:
    wanted, errors = translate(an_ingress(), a_cluster())

    neg = NAMER.neg("default", "milvus", 19530)
    default = "global/backendServices/k8s-be-31000--9a8b7c6d5e4f3a2b"
    matcher = url_map.path_matcher_name("milvus.example.com")
    assert errors == []
    assert url_map.to_compute(wanted, "um", NAMER) == {
        "name": "um",
        "defaultService": default,
        "hostRules": [{"hosts": ["milvus.example.com"], "pathMatcher": matcher}],
        "pathMatchers": [
            {
                "name": matcher,
                "defaultService": default,
                "pathRules": [{"paths": ["/*"], "service": f"global/backendServices/{neg}"}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("path", "path_type", "expected"),
    [
        ("/", "Prefix", ["/*"]),
        ("/foo", "Prefix", ["/foo", "/foo/*"]),
        ("/foo/", "Prefix", ["/foo", "/foo/*"]),
        ("/foo", "Exact", ["/foo"]),
        ("/", "ImplementationSpecific", ["/"]),
        ("/*", "ImplementationSpecific", ["/*"]),
        ("/", None, ["/"]),
    ],
)
def test_paths_by_type(path: str, path_type: str | None, expected: list[str]) -> None:
    assert url_paths(path, path_type) == expected


def test_an_empty_path_means_every_path() -> None:
    wanted, _ = translate(an_ingress({"http": {"paths": [a_path("", None)]}}), a_cluster())

    assert [path for path, _ in wanted.hosts["*"]] == ["/*"]


def test_a_host_given_twice_keeps_the_later_rule() -> None:
    rules = [{"host": "a.example.com", "http": {"paths": [a_path(path, "Exact")]}} for path in ("/one", "/two")]

    wanted, _ = translate(an_ingress(*rules), a_cluster())

    assert [path for path, _ in wanted.hosts["a.example.com"]] == ["/two"]


def test_a_rule_without_http_is_passed_over() -> None:
    wanted, errors = translate(an_ingress({"host": "a.example.com"}), a_cluster())

    assert (wanted.hosts, errors) == ({}, [])


@pytest.mark.parametrize(
    ("service", "text"),
    [
        pytest.param(
            a_service(),
            'service "default/milvus" is type "ClusterIP", expected "NodePort" or "LoadBalancer" when not using NEGs',
            id="ClusterIP without NEG",
        ),
        pytest.param(
            a_service(neg="'{\"ingress\":true}'"),
            'service "default/milvus" is type "ClusterIP", expected "NodePort" or "LoadBalancer" when not using NEGs',
            id="shell quotes left in the NEG annotation",
        ),
        pytest.param(
            a_service(neg='{"ingress":"true"}'),
            'service "default/milvus" is type "ClusterIP", expected "NodePort" or "LoadBalancer" when not using NEGs',
            id="NEG annotation with a string for a bool",
        ),
        pytest.param(
            a_service(neg='{"ingress":true}', protocols='{"milvus":"GRPC"}'),
            'could not parse "service.alpha.kubernetes.io/app-protocols" annotation on service "default/milvus", '
            "err: invalid port application protocol: GRPC",
            id="a protocol that there is not",
        ),
        pytest.param(
            a_service(neg='{"ingress":true}', protocols="'{}'"),
            'could not parse "service.alpha.kubernetes.io/app-protocols" annotation on service "default/milvus", '
            r"err: invalid character '\'' looking for beginning of value",
            id="shell quotes left in the protocols",
        ),
        pytest.param(
            a_service(neg='{"ingress":true}', config="milvus-bc"),
            'error getting BackendConfig for port "&ServiceBackendPort{Name:,Number:19530,}" on service '
            '"default/milvus", err: BackendConfig annotation is invalid json',
            id="backend-config is no JSON",
        ),
        pytest.param(
            a_service(neg='{"ingress":true}', config="{}"),
            'error getting BackendConfig for port "&ServiceBackendPort{Name:,Number:19530,}" on service '
            '"default/milvus", err: no BackendConfig\'s found in annotation',
            id="backend-config is empty",
        ),
        pytest.param(
            a_service(neg='{"ingress":true}', config='{"default":"milvus-bc"}'),
            'error getting BackendConfig for port "&ServiceBackendPort{Name:,Number:19530,}" on service '
            '"default/milvus", err: no BackendConfig for service port exists.',
            id="BackendConfig does not exist",
        ),
    ],
)
def test_a_service_that_cannot_be_used_stops_the_ingress(service: Json, text: str) -> None:
    assert errors_of(a_cluster(service)) == [text]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (a_path(service="other"), 'could not find service "default/other"'),
        (a_path(port=1), 'could not find port "&ServiceBackendPort{Name:,Number:1,}" in service "default/milvus"'),
        (a_path(port="x"), 'could not find port "&ServiceBackendPort{Name:x,Number:0,}" in service "default/milvus"'),
        (a_path("/*"), "failed to validate prefix path /* due to invalid wildcard"),
        (a_path(""), "failed to validate prefix path type due to empty path"),
        (a_path("/a*", "Exact"), "failed to validate exact path /a* due to invalid wildcard"),
        (a_path("/", "Regex"), "unsupported path type: Regex"),
    ],
)
def test_a_path_that_cannot_be_used_stops_the_ingress(path: Json, text: str) -> None:
    assert errors_of(a_cluster(), {"http": {"paths": [path]}}) == [text]


def test_errors_of_all_rules_are_collected() -> None:
    rules = [{"host": f"{name}.example.com", "http": {"paths": [a_path(service=name)]}} for name in ("a", "b")]

    assert errors_of(a_cluster(), *rules) == [
        'could not find service "default/a"',
        'could not find service "default/b"',
    ]


def test_without_the_system_default_backend_nothing_can_be_built() -> None:
    cluster = a_cluster()
    del cluster.services["kube-system/default-http-backend"]

    assert errors_of(cluster) == [
        'failed to retrieve the system default backend service "kube-system/default-http-backend" with port '
        '"&ServiceBackendPort{Name:http,Number:0,}": could not find service "kube-system/default-http-backend"'
    ]


@pytest.mark.parametrize(
    ("annotations", "protocol"),
    [
        ({"protocols": '{"milvus":"HTTP2"}'}, "HTTP2"),
        ({"protocols": '{"19530":"HTTP2"}'}, "HTTP"),
        ({"protocols": '{"milvus":"HTTP2"}', "alpha": '{"milvus":"HTTPS"}'}, "HTTPS"),
        ({}, "HTTP"),
    ],
)
def test_the_protocol_goes_by_port_name_and_the_alpha_key_wins(annotations: dict[str, str], protocol: str) -> None:
    cluster = a_cluster(a_service(neg='{"ingress":true}', **annotations))

    wanted, errors = translate(an_ingress(), cluster)

    assert errors == []
    assert wanted.hosts["milvus.example.com"][0][1].protocol == protocol


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"sessionAffinity": {"affinityType": "X"}},
            "unsupported AffinityType: X, should be one of NONE, CLIENT_IP, or GENERATED_COOKIE",
        ),
        (
            {"sessionAffinity": {"affinityCookieTtlSec": 86401}},
            "unsupported AffinityCookieTtlSec: 86401, should be between 0 and 86400",
        ),
        ({"logging": {"sampleRate": 1.5}}, "unsupported SampleRate: 1.500000, should be between 0.0 and 1.0"),
        ({"iap": {"enabled": True}, "cdn": {"enabled": True}}, "iap and cdn cannot be enabled at the same time"),
        (
            {"iap": {"enabled": True, "oauthclientCredentials": {"secretName": "oauth"}}},
            'error retrieving secret oauth: secrets "oauth" not found',
        ),
    ],
)
def test_a_backend_config_is_checked(spec: Json, text: str) -> None:
    service = a_service(neg='{"ingress":true}', config='{"default":"milvus-bc"}')

    assert errors_of(a_cluster(service, config=a_backend_config(**spec))) == [
        f"BackendConfig default/milvus-bc is not valid: {text}"
    ]


@pytest.mark.parametrize(
    "annotation",
    [
        '{"ports":{"milvus":"milvus-bc"},"default":"other"}',
        '{"ports":{"19530":"milvus-bc"},"default":"other"}',
        '{"default":"milvus-bc"}',
    ],
)
def test_a_backend_config_goes_by_port_name_then_number_then_default(annotation: str) -> None:
    service = a_service(neg='{"ingress":true}', config=annotation, beta_config='{"default":"third"}')

    wanted, errors = translate(an_ingress(), a_cluster(service, config=a_backend_config(timeoutSec=3600)))

    assert errors == []
    assert wanted.hosts["milvus.example.com"][0][1].backend_config == {"timeoutSec": 3600}


def test_a_map_that_lacks_the_port_means_no_backend_config() -> None:
    service = a_service(neg='{"ingress":true}', config='{"ports":{"other":"milvus-bc"}}')

    wanted, errors = translate(an_ingress(), a_cluster(service))

    assert errors == []
    assert wanted.hosts["milvus.example.com"][0][1].backend_config is None
