"""Faults in what GKE made, and in what Google says of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasks.clients import kubernetes
from tasks.core import names
from tests.faults.fault import fault
from tests.faults.of_certificates import made
from tests.faults.site import Site, backend_config

GOOGLE_MANAGED: dict[str, Any] = {"certificate_mode": "google-managed", "dns_managed_zone": "sandbox-zone"}


@contextmanager
def edited_backend_service(site: Site, change: dict[str, Any]) -> Iterator[None]:
    with site.patched(f"global/backendServices/{site.backend_service}", change):
        yield


# --- fields of Compute that somebody edited (D1, B2, B7; row 11) -----------------------------------------------------


@fault("the backend timeout was set to 30 s in Compute", "§14 RPC dies at 30 s; B7",
       layer="compute", cause="Drifted", mend="kubectl", seen="timeoutSec")  # fmt: skip
@contextmanager
def timeout_in_compute(site: Site) -> Iterator[None]:
    with site.armed("controller-off"), edited_backend_service(site, {"timeoutSec": 30}):
        yield


@fault("the backend timeout was set to 30 s in the BackendConfig", "§14 RPC dies at 30 s; B7",
       layer="kubernetes", cause="Drifted", mend="provision", seen="timeoutSec")  # fmt: skip
@contextmanager
def timeout_in_cluster(site: Site) -> Iterator[None]:
    with site.edited(kubernetes.BACKEND_CONFIG, {"spec": {"timeoutSec": 30}}, name=backend_config(site)):
        yield


@fault("the protocol was set to HTTP in Compute", "§14 HEALTHY but 502; A1",
       layer="compute", cause="Drifted", mend="kubectl", seen="protocol")  # fmt: skip
@contextmanager
def protocol_in_compute(site: Site) -> Iterator[None]:
    with site.armed("controller-off"), edited_backend_service(site, {"protocol": "HTTP"}):
        yield


@fault("the access log was switched off in Compute", "row 11",
       layer="compute", cause="Drifted", mend="kubectl", seen="logConfig")  # fmt: skip
@contextmanager
def log_off(site: Site) -> Iterator[None]:
    with site.armed("controller-off"), edited_backend_service(site, {"logConfig": {"enable": False}}):
        yield


@fault("the health check asks for another path in Compute", "§14 UNHEALTHY; B1",
       layer="compute", cause="Drifted", mend="kubectl", seen="requestPath")  # fmt: skip
@contextmanager
def health_check_in_compute(site: Site) -> Iterator[None]:
    path = f"global/healthChecks/{site.backend_service}"
    with site.armed("controller-off"), site.patched(path, {"httpHealthCheck": {"requestPath": "/wrong"}}):
        yield


@fault("the redirect of port 80 was switched off", "B11; 1K-6", layer="kubernetes", cause="Drifted", mend="provision")
@contextmanager
def no_redirect(site: Site) -> Iterator[None]:
    change = {"spec": {"redirectToHttps": {"enabled": False}}}
    with site.edited(kubernetes.FRONTEND_CONFIG, change, name=names.frontend_config(site.release)):
        yield


# --- health (gke.md §8, §14) ----------------------------------------------------------------------------------------


@fault("no endpoint passes its health check", "§14 UNHEALTHY; B1, B10",
       layer="compute", cause="BackendsUnhealthy", mend="130.211.0.0/22")  # fmt: skip
@contextmanager
def never_healthy(site: Site) -> Iterator[None]:
    with site.armed("never-healthy"):
        yield


# --- Google-managed certificates (gke.md §5.2, §14; C1, C2) ---------------------------------------------------------


@fault("a CAA record forbids Google's authority", "§14 FailedNotVisible; C2",
       where="world", layer="dns", cause="CaaForbids", mend="CAA", **GOOGLE_MANAGED)  # fmt: skip
@contextmanager
def caa_forbids(site: Site) -> Iterator[None]:
    with site.armed("certificate-status", domain=site.domain, status="FAILED_CAA_FORBIDDEN"):
        yield


@fault("Google gives the certificate up", "§5.2",
       where="world", layer="certificate", cause="CertificateFailedPermanently", mend="delete",
       **GOOGLE_MANAGED)  # fmt: skip
@contextmanager
def failed_for_good(site: Site) -> Iterator[None]:
    with site.armed("certificate-failed"):
        yield


@fault("DNS points elsewhere", "§14 MC Provisioning for ever; C1",
       where="world", layer="dns", cause="DomainPointsElsewhere", mend="Create the record",
       certificate_mode="google-managed")  # fmt: skip
@contextmanager
def dns_elsewhere(site: Site) -> Iterator[None]:
    with site.recorded("A", "192.0.2.7"):
        yield


@fault("a stray AAAA record", "§14 MC Provisioning for ever; C2",
       where="world", layer="dns", cause="DomainPointsElsewhere", mend="AAAA",
       certificate_timeout_seconds=6, **GOOGLE_MANAGED)  # fmt: skip
@contextmanager
def stray_aaaa(site: Site) -> Iterator[None]:
    with site.recorded("AAAA", "2001:db8::7"):
        yield


@fault("the ManagedCertificate controller does nothing", "§5.3",
       where="world", waits=True, layer="certificate", cause="NoCertificateAttached",
       mend="describe managedcertificate", certificate_timeout_seconds=30, **GOOGLE_MANAGED)  # fmt: skip
@contextmanager
def no_certificate_controller(site: Site) -> Iterator[None]:
    with site.armed("managed-certificate-controller-off"):
        yield


# --- the controllers and Compute refuse (gke.md §6.4, §9.4, §14; B4, B10, H1) ---------------------------------------


@fault("the quota of forwarding rules is used up", "B4; §6.4", where="world",
       layer="compute", cause="QuotaExceeded", mend="quota", seen="FORWARDING_RULES")  # fmt: skip
@contextmanager
def quota_of_rules(site: Site) -> Iterator[None]:
    with site.armed("quota-exceeded", metric="FORWARDING_RULES", where="sync"):
        yield


@fault("the quota of backend services shows in an operation", "B4; H2", where="world",
       layer="compute", cause="QuotaExceeded", mend="quota", seen="BACKEND_SERVICES")  # fmt: skip
@contextmanager
def quota_in_operation(site: Site) -> Iterator[None]:
    with site.armed("quota-exceeded", metric="BACKEND_SERVICES", where="operation"):
        yield


@fault("the quota of addresses is used up", "B4", where="world",
       layer="compute", cause="QuotaExceeded", mend="quota", seen="STATIC_ADDRESSES")  # fmt: skip
@contextmanager
def quota_of_addresses(site: Site) -> Iterator[None]:
    with site.armed("quota-exceeded", metric="STATIC_ADDRESSES", where="sync"):
        yield


@fault("no controller feels responsible", "§14 no events, no address", where="world",
       waits=True, layer="ingress", cause="NoController", mend="HttpLoadBalancing")  # fmt: skip
@contextmanager
def controller_off(site: Site) -> Iterator[None]:
    with site.armed("controller-off"):
        yield


@fault("Shared VPC: somebody else must open the firewall", "B10", where="world",
       waits=True, layer="network", cause="FirewallChangeRequired", mend="gcloud compute firewall-rules")  # fmt: skip
@contextmanager
def shared_vpc(site: Site) -> Iterator[None]:
    with site.armed("xpn"), site.armed("never-healthy"):
        yield


@fault("somebody's firewall rule denies before GKE's own", "B10; §8.2", layer="network", cause="Firewall",
       mend="gcloud compute firewall-rules create my-release-from-load-balancer --network default --priority 899",
       seen="denies tcp:")  # fmt: skip
@contextmanager
def firewall_denies(site: Site) -> Iterator[None]:
    denying = {
        "name": "no-strangers",
        "priority": 900,
        "denied": [{"IPProtocol": "all"}],
        "sourceRanges": ["0.0.0.0/0"],
    }
    with site.made("global/firewalls", denying):
        yield


@fault("GKE's firewall rule is deleted, and its controller does not look", "B10; §8.2", layer="network",
       cause="Firewall", mend="GKE's controller makes its rule again", seen="no firewall rule")  # fmt: skip
@contextmanager
def firewall_deleted(site: Site) -> Iterator[None]:
    (rule,) = [each["name"] for each in site.compute("GET", "global/firewalls")["items"]]
    with site.armed("controller-off"):
        site.compute("DELETE", f"global/firewalls/{rule}")
        yield


# --- who may come in, and where it leads (D1, D2, B6) ----------------------------------------------------------------


@fault("the allow-list that was asked for is not in force", "D1; IG#1508", layer="kubernetes", cause="Drifted",
       mend="provision", seen="securityPolicy", security_policy="set", security_policy_name="office")  # fmt: skip
@contextmanager
def no_allow_list(site: Site) -> Iterator[None]:
    site.compute("POST", "global/securityPolicies", {"name": "office"})
    yield
    site.compute("DELETE", "global/securityPolicies/office")


STRANGER, LAST = "127.0.66.1", 2147483647
"""Another address of the machine that the flow runs on, and the priority of a policy's default rule."""


def rule(priority: int, action: str, *ranges: str, **more: Any) -> dict[str, Any]:
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}}
    return {"priority": priority, "action": action, "match": match, **more}


@contextmanager
def guarded(site: Site, *rules: dict[str, Any]) -> Iterator[None]:
    """A policy that somebody made and put before Milvus; it lets in whom no rule refuses."""
    site.compute("POST", "global/securityPolicies", {"name": "office", "rules": [*rules, rule(LAST, "allow", "*")]})
    path = f"global/backendServices/{site.backend_service}/setSecurityPolicy"
    site.compute("POST", path, {"securityPolicy": "global/securityPolicies/office"})
    try:
        yield
    finally:
        site.compute("POST", path, {})
        site.compute("DELETE", "global/securityPolicies/office")


@fault("the allow-list is attached and lets in an address that must be refused", "D1; IG#1508",
       layer="compute", cause="AllowListEnforcement", mend=f"--src-ip-ranges {STRANGER} --action deny-403",
       seen=f"{STRANGER} is let in", refused_sources=[STRANGER])  # fmt: skip
@contextmanager
def open_allow_list(site: Site) -> Iterator[None]:
    with guarded(site, rule(1000, "deny(403)", "203.0.113.0/24")):
        yield


@fault("the only rule of the allow-list that refuses is in preview", "D1",
       layer="compute", cause="AllowListEnforcement", mend="rules update 1000 --security-policy office --no-preview",
       seen="in preview", refused_sources=[STRANGER])  # fmt: skip
@contextmanager
def previewed_allow_list(site: Site) -> Iterator[None]:
    with guarded(site, rule(1000, "deny(403)", "127.0.66.0/24", preview=True)):
        yield


@fault("the allow-list refuses the worker itself", "D1",
       layer="compute", cause="RefusedByPolicy", mend="--src-ip-ranges 127.0.0.1 --action allow",
       seen="policy office refuses this worker (127.0.0.1) by rule 1000")  # fmt: skip
@contextmanager
def worker_refused(site: Site) -> Iterator[None]:
    with guarded(site, rule(1000, "deny(403)", "127.0.0.0/16")):
        site.answered(403)
        yield


@fault("the allow-list refuses the worker itself, and hides behind a 404", "D1; §14 404",
       layer="compute", cause="RefusedByPolicy", mend="--src-ip-ranges 127.0.0.1 --action allow",
       seen="HTTP 404")  # fmt: skip
@contextmanager
def worker_hidden_from(site: Site) -> Iterator[None]:
    with guarded(site, rule(1000, "deny(404)", "127.0.0.0/16")):
        site.answered(404)
        yield


@fault("the allow-list was taken off Milvus' backend service in Compute", "D1; IG#1508; row 11",
       layer="compute", cause="Drifted", mend="kubectl", seen="securityPolicy: office was asked for",
       security_policy="set", security_policy_name="office")  # fmt: skip
@contextmanager
def allow_list_taken_off(site: Site) -> Iterator[None]:
    """Everything else is as a run leaves it; made by hand, since GKE would delete its default backend on the way."""
    milvus = {"service": {"name": site.service, "port": {"number": 19530}}}
    url_map = f"global/urlMaps/{site.marks['ingress.kubernetes.io/url-map']}"
    site.compute("POST", "global/securityPolicies", {"name": "office"})
    with (
        site.armed("controller-off"),
        site.patched(url_map, {"defaultService": f"global/backendServices/{site.backend_service}"}),
        site.edited(kubernetes.INGRESS, {"spec": {"defaultBackend": milvus}}),
        site.edited(
            kubernetes.BACKEND_CONFIG, {"spec": {"securityPolicy": {"name": "office"}}}, name=backend_config(site)
        ),
    ):
        yield
    site.compute("DELETE", "global/securityPolicies/office")


@fault("no Pod is left behind the Service", "§14 backends Unknown; B9", layer="milvus", cause="Replicas",
       mend="kubectl")  # fmt: skip
@contextmanager
def no_endpoints(site: Site) -> Iterator[None]:
    with site.edited(kubernetes.DEPLOYMENT, {"spec": {"replicas": 0}}, name=f"{site.service}-standalone"):
        site.without_endpoints()
        yield
    site.restarted()


# --- parts that somebody deleted or led elsewhere (row 11) -----------------------------------------------------------


@fault("the forwarding rule of port 443 was deleted", "row 11; §14 no answer",
       layer="compute", cause="Drifted", mend="kubectl", seen="portRange: 443-443")  # fmt: skip
@contextmanager
def no_forwarding_rule(site: Site) -> Iterator[None]:
    with site.armed("controller-off"):
        site.compute("DELETE", f"global/forwardingRules/{site.part('https-forwarding-rule')}")
        yield


@fault("the URL map leads another host to Milvus", "§14 404 / UNIMPLEMENTED",
       layer="compute", cause="Drifted", mend="kubectl", seen="pathMatchers")  # fmt: skip
@contextmanager
def host_in_compute(site: Site) -> Iterator[None]:
    path = f"global/urlMaps/{site.part('url-map')}"
    (rule,) = site.compute("GET", path)["hostRules"]
    with site.armed("controller-off"), site.patched(path, {"hostRules": [rule | {"hosts": ["old.example"]}]}):
        yield


@fault("the backend service has no groups any more", "§14 backends Unknown; B9",
       layer="compute", cause="Drifted", mend="kubectl", seen="backends")  # fmt: skip
@contextmanager
def no_groups(site: Site) -> Iterator[None]:
    with site.armed("controller-off"), edited_backend_service(site, {"backends": []}):
        yield


@fault("the reservation of the address was deleted", "B6; §6.8",
       layer="compute", cause="StaticAddress", mend="--addresses=127.")  # fmt: skip
@contextmanager
def no_reservation(site: Site) -> Iterator[None]:
    path = f"global/addresses/{site.service}"
    was = site.compute("GET", path)
    with site.armed("controller-off"):
        site.compute("DELETE", path)
        yield
        again: dict[str, Any] = {key: was[key] for key in ("name", "address", "description") if key in was}
        site.compute("POST", "global/addresses", again)


@fault("the target proxy shows somebody else's certificate", "C6; §14 CERTIFICATE_VERIFY_FAILED",
       layer="compute", cause="Drifted", mend="kubectl", seen="sslCertificates")  # fmt: skip
@contextmanager
def certificate_in_compute(site: Site) -> Iterator[None]:
    certificate, key = made(site.domain)
    body = {"name": "theirs", "certificate": certificate.decode(), "privateKey": key.decode()}
    verb = f"targetHttpsProxies/{site.part('https-target-proxy')}/setSslCertificates"
    before = site.compute("GET", f"global/targetHttpsProxies/{site.part('https-target-proxy')}")["sslCertificates"]
    with site.armed("controller-off"), site.made("global/sslCertificates", body):
        site.compute("POST", verb, {"sslCertificates": ["global/sslCertificates/theirs"]})
        yield
        site.compute("POST", verb, {"sslCertificates": before})


@fault("Identity-Aware Proxy was switched on in Compute", "§4.1; row 11",
       layer="compute", cause="Drifted", mend="--iap=disabled", seen="iap.enabled")  # fmt: skip
@contextmanager
def iap_in_compute(site: Site) -> Iterator[None]:
    with site.armed("controller-off"), edited_backend_service(site, {"iap": {"enabled": True}}):
        yield
        edit = {"iap": {"enabled": False}}
        site.compute("PATCH", f"global/backendServices/{site.backend_service}", edit)


# --- names, where Google does not issue (gke.md §14; C2, D4) ---------------------------------------------------------


@fault("the record leads elsewhere", "D4", layer="dns", cause="DnsPointsElsewhere", mend="remove 192.0.2.7")
@contextmanager
def record_elsewhere(site: Site) -> Iterator[None]:
    with site.recorded("A", "192.0.2.7"):
        yield


@fault("the zone cannot be asked", "C1", layer="dns", cause="DnsNotAnswered", mend="dig", seen="SERVFAIL")
@contextmanager
def servfail(site: Site) -> Iterator[None]:
    with site.armed("dns-servfail"):
        yield
