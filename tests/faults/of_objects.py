"""Faults in the objects that people write, of a load balancer that worked a moment ago."""

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.clients import kubernetes
from tasks.core import annotations, names
from tests.faults.fault import fault
from tests.faults.site import APP_PROTOCOLS, BACKEND_CONFIG, NEG, Site, backend_config
from tests.tasks.world import World

SERVICE, INGRESS, SECRET = kubernetes.SERVICE, kubernetes.INGRESS, kubernetes.SECRET

# --- annotations of the Service (gke.md §2.5; B1, B2) -------------------------------------------------------------


@fault("app-protocols keyed by no port's name", "§14 HEALTHY but 502; A1, B2",
       layer="kubernetes", cause="AppProtocolPortName", mend="kubectl")  # fmt: skip
@contextmanager
def protocol_of_no_port(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, APP_PROTOCOLS, '{"grpc":"HTTP2"}'):
        yield


@fault("app-protocols that is no JSON", "§14 Translate; §2.5",
       layer="kubernetes", cause="AppProtocolAnnotation", mend="kubectl")  # fmt: skip
@contextmanager
def protocol_no_json(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, APP_PROTOCOLS, "{'milvus':'HTTP2'}"):
        yield


@fault("app-protocols with a protocol that there is not", "§14 Translate; §2.5",
       layer="kubernetes", cause="AppProtocolAnnotation", mend="kubectl")  # fmt: skip
@contextmanager
def protocol_unknown(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, APP_PROTOCOLS, '{"milvus":"GRPC"}'):
        yield


@fault("the alpha app-protocols annotation shadows the right one", "§2.1; A1",
       layer="kubernetes", cause="AppProtocolShadow", mend="kubectl")  # fmt: skip
@contextmanager
def protocol_shadowed(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, annotations.ALPHA_APP_PROTOCOLS, '{"milvus":"HTTP"}'):
        yield


@fault("backend-config that is no JSON", "§14 Translate; §2.5",
       layer="kubernetes", cause="BackendConfigAnnotation", mend="kubectl")  # fmt: skip
@contextmanager
def config_no_json(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, BACKEND_CONFIG, "'my-release-backendconfig'"):
        yield


@fault("backend-config that names another port only", "§2.5; B2",
       layer="kubernetes", cause="BackendConfigPort", mend="kubectl")  # fmt: skip
@contextmanager
def config_of_another_port(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, BACKEND_CONFIG, '{"ports":{"metrics":"my-release-backendconfig"}}'):
        yield


@fault("neg that is no JSON", "§14 Translate; §2.5", layer="kubernetes", cause="NegAnnotation", mend="kubectl")
@contextmanager
def neg_no_json(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, NEG, "{ingress: true}"):
        yield


@fault("neg whose boolean is a string", "§2.5", layer="kubernetes", cause="NegAnnotation", mend="kubectl")
@contextmanager
def neg_string(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, NEG, '{"ingress":"true"}'):
        yield


@fault("no neg on a ClusterIP Service", "§14 Translate; B9", layer="kubernetes", cause="NegAnnotation", mend="kubectl")
@contextmanager
def no_neg(site: Site) -> Iterator[None]:
    with site.annotated(SERVICE, NEG, None):
        yield


# --- BackendConfig (gke.md §8.1; B1, B3) ---------------------------------------------------------------------------


@fault("the BackendConfig was deleted", "§14 Translate; B3",
       layer="kubernetes", cause="BackendConfigExistence", mend="kubectl")  # fmt: skip
@contextmanager
def no_backend_config(site: Site) -> Iterator[None]:
    with site.deleted(kubernetes.BACKEND_CONFIG, backend_config(site)):
        yield


@contextmanager
def health_check(site: Site, **change: object) -> Iterator[None]:
    edit = {"spec": {"healthCheck": change}}
    with site.edited(kubernetes.BACKEND_CONFIG, edit, name=backend_config(site)):
        yield


@fault("the health check speaks HTTP2 to the plaintext port", "§14 UNHEALTHY; B1",
       layer="kubernetes", cause="HealthCheckType", mend="HTTP")  # fmt: skip
@contextmanager
def health_check_type(site: Site) -> Iterator[None]:
    with health_check(site, type="HTTP2"):
        yield


@fault("the health check asks the serving port", "§14 UNHEALTHY; B1",
       layer="kubernetes", cause="HealthCheckPort", mend="9091")  # fmt: skip
@contextmanager
def health_check_port(site: Site) -> Iterator[None]:
    with health_check(site, port=19530):
        yield


@fault("the health check asks for another path", "§14 UNHEALTHY; B1",
       layer="kubernetes", cause="HealthCheckPath", mend="/healthz")  # fmt: skip
@contextmanager
def health_check_path(site: Site) -> Iterator[None]:
    with health_check(site, requestPath="/"):
        yield


@fault("the health check may take longer than its interval", "§8.1",
       layer="kubernetes", cause="HealthCheckTimeout", mend="timeoutSec")  # fmt: skip
@contextmanager
def health_check_timeout(site: Site) -> Iterator[None]:
    with health_check(site, timeoutSec=20):
        yield


@fault("the default timeout is longer than the interval that was set", "§8.1",
       layer="kubernetes", cause="HealthCheckEffectiveTimeout", mend="timeoutSec")  # fmt: skip
@contextmanager
def health_check_default_timeout(site: Site) -> Iterator[None]:
    with health_check(site, timeoutSec=None):
        yield


# --- Ingress (gke.md §2.3, §6.4, §6.6; B3, B5) ----------------------------------------------------------------------


@fault("ingressClassName without the annotation", "§14 no events, no address; B5, C1",
       layer="ingress", cause="IngressClass", mend="kubectl")  # fmt: skip
@contextmanager
def class_name_only(site: Site) -> Iterator[None]:
    change = {
        "metadata": {"annotations": {annotations.INGRESS_CLASS: None}},
        "spec": {"ingressClassName": "gce"},
    }
    with site.edited(INGRESS, change):
        yield


@fault("the class of another controller", "§14 no events, no address; C1",
       layer="ingress", cause="IngressClass", mend="kubectl")  # fmt: skip
@contextmanager
def class_of_another(site: Site) -> Iterator[None]:
    with site.annotated(INGRESS, annotations.INGRESS_CLASS, "nginx"):
        yield


@contextmanager
def rule(site: Site, *, host: str = "", path: str = "/", path_type: str = "Prefix", port: int = 19530,
         service: str = "") -> Iterator[None]:  # fmt: skip
    backend = {"service": {"name": service or names.service(site.release), "port": {"number": port}}}
    paths = [{"path": path, "pathType": path_type, "backend": backend}]
    with site.edited(INGRESS, {"spec": {"rules": [{"host": host or site.domain, "http": {"paths": paths}}]}}):
        yield


@fault("the Ingress has another host", "§14 404 / UNIMPLEMENTED", layer="ingress", cause="IngressHost", mend="kubectl")
@contextmanager
def another_host(site: Site) -> Iterator[None]:
    with rule(site, host="other.milvus.example"):
        yield


@fault("path / of ImplementationSpecific matches nothing below", "§14 404 / UNIMPLEMENTED; §6.6",
       layer="ingress", cause="IngressPath", mend="Prefix")  # fmt: skip
@contextmanager
def path_of_one(site: Site) -> Iterator[None]:
    with rule(site, path_type="ImplementationSpecific"):
        yield


@fault("the Ingress names a port that the Service has not", "§14 Translate; §6.4",
       layer="ingress", cause="IngressPort", mend="kubectl")  # fmt: skip
@contextmanager
def port_of_nobody(site: Site) -> Iterator[None]:
    with rule(site, port=19531):
        yield


@fault("the Ingress leads to a Service that is not there", "§14 Translate; B3",
       layer="kubernetes", cause="ServiceExistence", mend="kubectl")  # fmt: skip
@contextmanager
def service_of_nobody(site: Site) -> Iterator[None]:
    with rule(site, service="my-release-milvus-old"):
        yield


@fault("the FrontendConfig was deleted", "B3, B11", layer="ingress", cause="FrontendConfigExistence", mend="kubectl")
@contextmanager
def no_frontend_config(site: Site) -> Iterator[None]:
    with site.deleted(kubernetes.FRONTEND_CONFIG, names.frontend_config(site.release)):
        yield


@fault("spec.tls names no Secret", "§6.4", layer="certificate", cause="TlsSecretName", mend="secretName")
@contextmanager
def tls_without_secret(site: Site) -> Iterator[None]:
    with site.edited(INGRESS, {"spec": {"tls": [{"hosts": [site.domain]}]}}):
        yield


@fault("the TLS Secret was deleted", "§14 Address missing, HTTP works; E8",
       layer="certificate", cause="TlsSecretExistence", mend="provision")  # fmt: skip
@contextmanager
def no_secret(site: Site) -> Iterator[None]:
    with site.deleted(SECRET, names.certificate(site.release)):
        yield


@fault("the TLS Secret lost its certificate", "§6.4", layer="certificate", cause="TlsSecretContent", mend="tls.crt")
@contextmanager
def empty_secret(site: Site) -> Iterator[None]:
    with site.edited(SECRET, {"data": {"tls.crt": ""}}, name=names.certificate(site.release)):
        yield


@fault("a pre-shared certificate that is not in Compute", "§6.4",
       layer="certificate", cause="PreSharedCertificate", mend="gcloud")  # fmt: skip
@contextmanager
def pre_shared_missing(site: Site) -> Iterator[None]:
    with site.annotated(INGRESS, annotations.PRE_SHARED_CERT, "nobody-made-this"):
        yield


@fault("the Ingress names a static address that there is not", "§6.4; B4, B6",
       layer="compute", cause="StaticAddress", mend="gcloud")  # fmt: skip
@contextmanager
def address_of_nobody(site: Site) -> Iterator[None]:
    with site.annotated(INGRESS, annotations.STATIC_IP_NAME, "nobody-reserved-this"):
        yield


# --- the Service itself (B9, F1) ------------------------------------------------------------------------------------


@contextmanager
def milvus_port(site: Site, **change: object) -> Iterator[None]:
    """The port of gRPC edited; a list is patched as a whole."""
    before = site.read(SERVICE)["spec"]["ports"]
    ports = [port | change if port["port"] == 19530 else port for port in before]
    site.patch(SERVICE, {"spec": {"ports": ports}})
    try:
        yield
    finally:
        site.patch(SERVICE, {"spec": {"ports": before}})


@fault("the Service selects nobody", "§14 backends Unknown; B9",
       layer="kubernetes", cause="ServiceSelector", mend="set selector service")  # fmt: skip
@contextmanager
def selects_nobody(site: Site) -> Iterator[None]:
    with site.edited(SERVICE, {"spec": {"selector": {"component": "proxy"}}}):
        yield


@fault("the Service leads to a port of nobody", "§14 HEALTHY but 502; B1",
       layer="milvus", cause="ContainerPort", mend="patch service")  # fmt: skip
@contextmanager
def target_port_of_nobody(site: Site) -> Iterator[None]:
    with milvus_port(site, targetPort=19999):
        yield


@fault("the Service's port was renamed", "§2.5; B2", layer="kubernetes", cause="AppProtocolPortName",
       mend='{"grpc":"HTTP2"}')  # fmt: skip
@contextmanager
def port_renamed(site: Site) -> Iterator[None]:
    with milvus_port(site, name="grpc"):
        yield


@fault("the Service was deleted", "§14 Translate; B3", layer="kubernetes", cause="ServiceExistence",
       mend="helm -n default get manifest my-release | kubectl")  # fmt: skip
@contextmanager
def no_service(site: Site) -> Iterator[None]:
    with site.deleted(SERVICE, site.service):
        yield


@fault("the Service has a Layer-4 load balancer again", "F2; §10.6", layer="kubernetes", cause="Drifted",
       mend="provision", seen="spec.type")  # fmt: skip
@contextmanager
def layer_4_again(site: Site) -> Iterator[None]:
    with site.edited(SERVICE, {"spec": {"type": "LoadBalancer"}}):
        yield


@fault("the ConfigMap of Milvus was deleted", "B3", layer="milvus", cause="VolumeSource",
       mend="helm -n default get manifest my-release | kubectl")  # fmt: skip
@contextmanager
def no_config_map(site: Site) -> Iterator[None]:
    with site.deleted(kubernetes.CONFIG_MAP, site.service):
        yield


# --- more of the BackendConfig and the FrontendConfig ---------------------------------------------------------------


@fault("Identity-Aware Proxy was switched on", "§4.1", layer="kubernetes", cause="Iap", mend="kubectl")
@contextmanager
def iap(site: Site) -> Iterator[None]:
    change = {"spec": {"iap": {"enabled": True, "oauthclientCredentials": {"secretName": "oauth"}}}}
    with site.edited(kubernetes.BACKEND_CONFIG, change, name=backend_config(site)):
        yield


@fault("the BackendConfig has an affinity that there is not", "§4.1",
       layer="kubernetes", cause="BackendConfigValues", mend="edit backendconfig", seen="STICKY")  # fmt: skip
@contextmanager
def affinity_of_nobody(site: Site) -> Iterator[None]:
    change = {"spec": {"sessionAffinity": {"affinityType": "STICKY"}}}
    with site.edited(kubernetes.BACKEND_CONFIG, change, name=backend_config(site)):
        yield


@fault("the BackendConfig names a security policy that there is not", "D1; B3",
       layer="compute", cause="SecurityPolicyExistence", mend="gcloud compute security-policies")  # fmt: skip
@contextmanager
def security_policy_of_nobody(site: Site) -> Iterator[None]:
    change = {"spec": {"securityPolicy": {"name": "nobody-made-this"}}}
    with site.edited(kubernetes.BACKEND_CONFIG, change, name=backend_config(site)):
        yield
        site.patch(kubernetes.BACKEND_CONFIG, {"spec": {"securityPolicy": None}}, name=backend_config(site))


@fault("the FrontendConfig names an SSL policy that there is not", "B3",
       layer="compute", cause="SslPolicyExistence", mend="gcloud compute ssl-policies")  # fmt: skip
@contextmanager
def ssl_policy_of_nobody(site: Site) -> Iterator[None]:
    with site.edited(
        kubernetes.FRONTEND_CONFIG,
        {"spec": {"sslPolicy": "nobody-made-this"}},
        name=names.frontend_config(site.release),
    ):
        yield


# --- more of the Ingress ---------------------------------------------------------------------------------------------


@fault("the Ingress names a global and a regional address", "§2.3",
       layer="ingress", cause="StaticIpAnnotation", mend="kubectl")  # fmt: skip
@contextmanager
def two_addresses(site: Site) -> Iterator[None]:
    with site.annotated(INGRESS, annotations.REGIONAL_STATIC_IP_NAME, "somewhere"):
        yield


@fault("the Ingress names the address of another load balancer", "§6.4; B6",
       layer="compute", cause="StaticAddressUse", mend="address_name")  # fmt: skip
@contextmanager
def address_in_use(site: Site) -> Iterator[None]:
    url_map = f"global/urlMaps/{site.part('url-map')}"
    rule = {"name": "theirs", "portRange": "443", "IPProtocol": "TCP", "target": "global/targetHttpProxies/theirs"}
    with (
        site.made("global/addresses", {"name": "theirs"}) as theirs,
        site.made("global/targetHttpProxies", {"name": "theirs", "urlMap": url_map}),
        site.made("global/forwardingRules", rule | {"IPAddress": theirs["address"]}),
        site.annotated(INGRESS, annotations.STATIC_IP_NAME, "theirs"),
    ):
        yield


@fault("two rules of the Ingress are for one host", "§6.6; B3",
       layer="ingress", cause="RuleHostOverwrite", mend="kubectl")  # fmt: skip
@contextmanager
def two_rules(site: Site) -> Iterator[None]:
    rules = site.read(INGRESS)["spec"]["rules"]
    with site.edited(INGRESS, {"spec": {"rules": [*rules, *rules]}}):
        yield


@fault("kubectl replace wiped the annotations of the Ingress", "§2.4; F1",
       layer="kubernetes", cause="Drifted", mend="provision", seen="allow-http")  # fmt: skip
@contextmanager
def annotations_wiped(site: Site) -> Iterator[None]:
    wiped = dict.fromkeys(site.marks) | {annotations.INGRESS_CLASS: "gce"}
    with site.armed("controller-off"), site.edited(INGRESS, {"metadata": {"annotations": wiped}}):
        yield


@fault("Milvus was made the default backend", "D2; A9",
       layer="kubernetes", cause="Drifted", mend="/spec/defaultBackend", seen="defaultService")  # fmt: skip
@contextmanager
def default_backend(site: Site) -> Iterator[None]:
    backend = {"service": {"name": site.service, "port": {"number": 19530}}}
    with site.edited(INGRESS, {"spec": {"defaultBackend": backend}}):
        yield


@fault("the Ingress is on its way out", "§14 Ingress stuck deleting; §6.9",
       where="world", layer="ingress", cause="IngressDeletion", mend="describe ingress")  # fmt: skip
@contextmanager
def ingress_going(world: World) -> Iterator[None]:
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": world.service, "finalizers": ["example.com/somebody-elses"]},
        "spec": {"defaultBackend": {"service": {"name": world.service, "port": {"number": 19530}}}},
    }
    world.write(ingress)
    world.cluster.delete(INGRESS, world.namespace, world.service)
    yield
    world.patch(INGRESS, {"metadata": {"finalizers": None}})
