"""Every event text we know, as the controllers write it (ingress-gce, gke-managed-certs), to what it means."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from tasks.core.diagnosis import Finding, Outlook, event_rows, is_over, is_overtaken, of_event

ROOT = Path(__file__).parents[2]
STOP, WAIT, RETRY = Outlook.STOP, Outlook.WAIT, Outlook.RETRY
TRANSLATE = "Translation failed: invalid ingress spec: "
SYNC = (
    "Error syncing to GCP: error running load balancer syncing routine: loadbalancer x6vt-ns-ing-0ab does not exist: "
)
BACKENDS = "Error syncing to GCP: error running backend syncing routine: "


def an_event(message: str, reason: str = "Sync", *, kind: str = "Ingress", type_: str = "Warning") -> dict[str, Any]:
    return {
        "type": type_,
        "reason": reason,
        "message": message,
        "involvedObject": {"kind": kind, "namespace": "ns", "name": "my-release-milvus"},
    }


def of(message: str, reason: str = "Sync", **how: Any) -> Finding:
    found = of_event(an_event(message, reason, **how))
    assert found is not None
    return found


MALFORMED_ANNOTATIONS = [  # gke.md §2.5
    pytest.param(
        TRANSLATE + 'could not parse "service.alpha.kubernetes.io/app-protocols" annotation on service "ns/svc", err: '
        "invalid character '\\'' looking for beginning of value",
        "AppProtocolsInvalid",
        """annotate --overwrite service svc 'cloud.google.com/app-protocols={"milvus":"HTTP2"}'""",
        id="app-protocols not JSON",
    ),
    pytest.param(
        TRANSLATE + 'could not parse "service.alpha.kubernetes.io/app-protocols" annotation on service "ns/svc", err: '
        "invalid port application protocol: GRPC",
        "AppProtocolsInvalid",
        "HTTP, HTTPS or HTTP2",
        id="app-protocols with another value",
    ),
    pytest.param(
        TRANSLATE
        + 'error getting BackendConfig for port "19530" on service "ns/svc", err: BackendConfig annotation is '
        "invalid json",
        "BackendConfigAnnotationInvalid",
        '{"default":"NAME"}',
        id="backend-config not JSON",
    ),
    pytest.param(
        TRANSLATE + 'error getting BackendConfig for port "19530" on service "ns/svc", err: no BackendConfig\'s found '
        "in annotation",
        "BackendConfigAnnotationInvalid",
        '{"default":"NAME"}',
        id="backend-config empty",
    ),
    pytest.param(
        TRANSLATE + "BackendConfig ns/milvus-bc is not valid: iap and cdn cannot be enabled at the same time",
        "BackendConfigInvalid",
        "kubectl -n ns edit backendconfig milvus-bc",
        id="BackendConfig not valid",
    ),
    pytest.param(
        TRANSLATE + 'service "ns/svc" is type "ClusterIP", expected "NodePort" or "LoadBalancer" when not using NEGs',
        "NegAnnotationMissing",
        """kubectl -n ns annotate --overwrite service svc 'cloud.google.com/neg={"ingress":true}'""",
        id="neg absent or invalid on ClusterIP",
    ),
]

FATAL_MESSAGES = [  # gke.md §6.4
    pytest.param(
        TRANSLATE + 'could not find service "ns/x"', "ServiceMissing", "kubectl -n ns get service x", id="no Service"
    ),
    pytest.param(
        TRANSLATE + 'could not find port "19531" in service "ns/svc"',
        "ServicePortMissing",
        "kubectl -n ns get service svc -o yaml",
        id="no such port",
    ),
    pytest.param(
        TRANSLATE + 'failed to retrieve the system default backend service "kube-system/default-http-backend" with '
        'port "http": could not find service "kube-system/default-http-backend"',
        "DefaultBackendMissing",
        "kubectl -n kube-system get service default-http-backend",
        id="default backend gone",
    ),
    pytest.param(
        TRANSLATE + "failed to validate prefix path /* due to invalid wildcard",
        "PathInvalid",
        "pathType Prefix",
        id="wildcard in a Prefix path",
    ),
    pytest.param(
        TRANSLATE + "failed to validate prefix path due to empty path",
        "PathInvalid",
        "pathType Prefix",
        id="empty path",
    ),
    pytest.param(
        TRANSLATE + "unsupported path type: Regex", "PathInvalid", "pathType Prefix", id="unsupported path type"
    ),
    pytest.param(
        SYNC + 'error initializing translator env: secrets "my-tls" not found',
        "TlsSecretMissing",
        "kubectl -n ns get secret my-tls",
        id="TLS Secret missing",
    ),
    pytest.param(
        SYNC + 'secret "" does not exist', "TlsSecretUnnamed", "no secretName", id="spec.tls without secretName"
    ),
    pytest.param(
        SYNC + 'secret "my-tls" does not specify cert as string data',
        "TlsSecretIncomplete",
        "kubectl -n ns describe secret my-tls",
        id="no tls.crt",
    ),
    pytest.param(
        SYNC + 'secret "my-tls" does not specify private key as string data',
        "TlsSecretIncomplete",
        "tls.crt and tls.key",
        id="no tls.key",
    ),
    pytest.param(
        SYNC + "the given static IP name milvus-ip doesn't translate to an existing static IP.",
        "StaticAddressMissing",
        "gcloud compute addresses describe milvus-ip --global",
        id="static address missing",
    ),
    pytest.param(
        SYNC + "googleapi: Error 404: The resource 'projects/p/global/sslCertificates/mine' was not found, notFound",
        "PreSharedCertificateMissing",
        "pre-shared-cert",
        id="pre-shared certificate missing",
    ),
    pytest.param(
        SYNC
        + "googleapi: Error 400: Invalid value for field 'resource.IPAddress': '34.1.2.3'. Specified IP address is "
        "already being used by another resource., invalid",
        "AddressInUse",
        "gcloud compute addresses list --global",
        id="address used by another load balancer",
    ),
    pytest.param(
        SYNC + "googleapi: Error 400: Specified IP address is in-use and would result in a conflict., ipInUse",
        "AddressInUse",
        "gcloud compute addresses list --global",
        id="address in use",
    ),
    pytest.param(
        BACKENDS + "googleapi: Error 403: Quota 'BACKEND_SERVICES' exceeded.  Limit: 5.0 globally., quotaExceeded",
        "QuotaExceeded",
        "raise the quota BACKEND_SERVICES: gcloud compute project-info describe",
        id="quota, synchronous",
    ),
    pytest.param(
        BACKENDS + "googleapi: Error 403: QUOTA_EXCEEDED - Quota 'HEALTH_CHECKS' exceeded.  Limit: 9.0 globally.",
        "QuotaExceeded",
        "raise the quota HEALTH_CHECKS",
        id="quota, in the operation",
    ),
    pytest.param(
        SYNC + "googleapi: Error 403: Required 'compute.urlMaps.create' permission for "
        "'projects/my-project/global/urlMaps/x', forbidden",
        "PermissionDenied",
        "give it back: gcloud projects add-iam-policy-binding my-project --member=serviceAccount:service-",
        id="permission",
    ),
    pytest.param(
        BACKENDS + "the HTTP health check configuration on the existing health check k8s1-0ab is nil. k8s1-0ab",
        "HealthCheckEdited",
        "gcloud compute health-checks describe k8s1-0ab --global",
        id="health check edited by hand",
    ),
    pytest.param(
        BACKENDS + 'Protocol "GRPC" is not valid, must be one of ["HTTP","HTTPS","HTTP2"]',
        "HealthCheckTypeInvalid",
        "spec.healthCheck.type",
        id="health check type",
    ),
    pytest.param(
        SYNC + "both global-static-ip and regional-static-ip cannot be specified",
        "TwoStaticAddresses",
        "regional-static-ip-name-",
        id="two static addresses",
    ),
    pytest.param(
        SYNC + "cannot enable HTTPS Redirects with the V1 Ingress naming scheme",
        "RedirectNeedsNewIngress",
        "http=disabled",
        id="redirect on an old Ingress",
    ),
    pytest.param(
        "Error syncing to GCP: error running load balancer syncing routine: invalid loadbalancer name",
        "IngressNameInvalid",
        "without",
        id="dots in the Ingress's name",
    ),
    pytest.param(
        BACKENDS
        + "error ensuring health check: googleapi: Error 400: Invalid value for field 'resource.timeoutSec': '15'. "
        "TimeoutSec should be less than checkIntervalSec., invalid",
        "HealthCheckTimeoutTooLong",
        "at most its checkIntervalSec",
        id="health check time-out above its interval",
    ),
    pytest.param(
        SYNC + "Cert creation failures - k8s2-cr-0ab Error:googleapi: Error 400: The SSL certificate could not be "
        "parsed., sslCertificateCouldNotParseCert",
        "TlsSecretRefused",
        "RSA-2048 or P-256",
        id="certificate that Google does not take",
    ),
]


@pytest.mark.parametrize(("message", "cause", "mend"), [*MALFORMED_ANNOTATIONS, *FATAL_MESSAGES])
def test_a_permanent_cause_stops_at_once_with_its_mend(message: str, cause: str, mend: str) -> None:
    found = of(message, "Translate" if message.startswith(TRANSLATE) else "Sync")

    assert (found.outlook, found.cause) == (STOP, cause)
    assert mend in found.mend
    assert found.observed.partition(" (")[0] in message


REFUSED_BY_COMPUTE = [
    pytest.param(
        SYNC + "googleapi: Error 404: The resource 'projects/p/global/sslPolicies/strict' was not found, notFound",
        "SslPolicyMissing",
        "get frontendconfig",
        id="SSL policy",
    ),
    pytest.param(
        BACKENDS + "googleapi: Error 404: The resource 'projects/p/global/securityPolicies/office' was not found, "
        "notFound",
        "SecurityPolicyMissing",
        "names office;",
        id="security policy",
    ),
    pytest.param(
        BACKENDS + "googleapi: Error 400: Invalid value for field 'resource.securityPolicy': "
        "'projects/p/global/securityPolicies/office'. The referenced resource does not exist., invalid",
        "SecurityPolicyMissing",
        "get backendconfig",
        id="security policy, invalid",
    ),
    pytest.param(
        BACKENDS + "googleapi: Error 400: Invalid value for field 'resource.unhealthyThreshold': '11'. Must be less "
        "than or equal to 10, invalid",
        "BackendConfigValueRefused",
        "does not take unhealthyThreshold",
        id="value out of range",
    ),
    pytest.param(
        BACKENDS + "googleapi: Error 400: Invalid value for field 'resource.connectionDraining.drainingTimeoutSec': "
        "'4000'. Must be less than or equal to 3600, invalid",
        "BackendConfigValueRefused",
        "connectionDraining.drainingTimeoutSec",
        id="nested value out of range",
    ),
]


@pytest.mark.parametrize(("message", "cause", "mend"), REFUSED_BY_COMPUTE)
def test_what_compute_refuses_of_an_object_is_traced_to_the_object(message: str, cause: str, mend: str) -> None:
    found = of(message)

    assert (found.outlook, found.cause) == (STOP, cause)
    assert mend in found.mend


@pytest.mark.parametrize(
    ("reason", "message", "outlook", "cause"),
    [
        pytest.param("WillNotConfigureFrontend", "gce-internal Ingress class does not currently support both HTTP and "
                     "HTTPS served on the same IP", STOP, "InternalIngress", id="internal"),
        pytest.param("THCAnnotationWithoutFlag", "THC annotation present, but flag disabled", WAIT,
                     "TransparentHealthCheckIgnored", id="transparent health check"),
    ],
)  # fmt: skip
def test_a_warning_that_is_known_by_its_reason(reason: str, message: str, outlook: Outlook, cause: str) -> None:
    found = of(message, reason)

    assert (found.outlook, found.cause) == (outlook, cause)


TRANSIENT = [
    pytest.param(
        SYNC
        + "googleapi: Error 404: The resource 'projects/p/global/sslCertificates/k8s2-cr-0ab-1cd-e3b0c44298fc1c14' "
        "was not found, notFound",
        "TlsSecretNotYetUploaded",
        id="certificate of a Secret being uploaded",
    ),
    pytest.param(
        SYNC
        + "invalid ingress frontend configuration, please check your usage of the 'kubernetes.io/ingress.allow-http' "
        "annotation.",
        "NoCertificateAttached",
        id="managed certificate not attached yet, older text",
    ),
    pytest.param(
        TRANSLATE
        + 'error getting BackendConfig for port "19530" on service "ns/svc", err: no BackendConfig for service '
        "port exists.",
        "BackendConfigMissing",
        id="BackendConfig not there yet",
    ),
    pytest.param(
        "Error: no FrontendConfig for Ingress exists.", "FrontendConfigMissing", id="FrontendConfig not there yet"
    ),
    pytest.param(
        SYNC + "invalid configuration: both HTTP and HTTPS are disabled (kubernetes.io/ingress.allow-http is false and "
        "no valid TLS configuration found)",
        "NoCertificateAttached",
        id="managed certificate not attached yet",
    ),
    pytest.param(
        BACKENDS + "googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded", "RateLimited", id="rate limit"
    ),
    pytest.param(BACKENDS + "googleapi: Error 503: Backend Error, backendError", "ServerError", id="server error"),
    pytest.param(BACKENDS + "googleapi: got HTTP response code 502 with body: ", "ServerError", id="no JSON body"),
    pytest.param(
        SYNC + "googleapi: Error 400: The resource 'projects/p/global/urlMaps/x' is not ready, resourceNotReady",
        "ResourceNotReady",
        id="right after an insert",
    ),
    pytest.param(
        SYNC
        + "googleapi: Error 404: The resource 'projects/p/global/sslCertificates/mcrt-0a1b' was not found, notFound",
        "ManagedCertificateNotYetCreated",
        id="managed certificate being made anew",
    ),
    pytest.param(
        SYNC + "googleapi: Error 412: Invalid fingerprint., conditionNotMet", "ChangedMeanwhile", id="stale fingerprint"
    ),
]

GROUP = "projects/p/zones/europe-west1-b/networkEndpointGroups/k8s1-0ab-kube-system-default-http-backend-80-1cd"
ON_ITS_WAY = [  # gke.md §6.2, step 4
    pytest.param(
        BACKENDS + f"googleapi: Error 404: The resource '{GROUP}' was not found, notFound", "Sync", "Ingress", id="sync"
    ),
    pytest.param(
        BACKENDS + f"googleapi: Error 404: RESOURCE_NOT_FOUND - The resource '{GROUP}' was not found",
        "Sync",
        "Ingress",
        id="in an operation",
    ),
    pytest.param(
        f"error attaching: googleapi: Error 404: The resource '{GROUP}' was not found, notFound",
        "AttachFailed",
        "Service",
        id="attach",
    ),
]


@pytest.mark.parametrize(("message", "reason", "kind"), ON_ITS_WAY)
def test_a_group_that_the_neg_controller_has_not_made_yet_is_a_step_on_the_way(
    message: str, reason: str, kind: str
) -> None:
    found = of(message, reason, kind=kind)

    assert (found.outlook, found.layer, found.cause) == (WAIT, "compute", "NegNotYetMade")
    assert "kubectl -n ns get svcneg" in found.mend


NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
GAVE_UP = an_event(TRANSLATE + 'could not find service "ns/svc"', "Translate") | {
    "lastTimestamp": "2026-11-22T11:50:00Z"
}


@pytest.mark.parametrize(
    ("last_time", "over"),
    [
        pytest.param({"lastTimestamp": "2026-11-22T11:41:00Z"}, False, id="repeated within the longest back-off"),
        pytest.param({"lastTimestamp": "2026-11-22T11:39:00Z"}, True, id="not repeated for longer"),
        pytest.param({"lastTimestamp": None, "eventTime": "2026-11-22T11:00:00.5Z"}, True, id="of the newer API"),
        pytest.param({"lastTimestamp": None}, False, id="without a time"),
        pytest.param({"lastTimestamp": "2026-11-22T11:00:00"}, False, id="without a zone"),
    ],
)
def test_a_complaint_that_is_not_repeated_is_over(last_time: dict[str, Any], over: bool) -> None:
    assert is_over(GAVE_UP | last_time, NOON) is over


@pytest.mark.parametrize(
    ("other", "time", "overtaken"),
    [
        pytest.param(an_event("Scheduled for sync", type_="Normal"), "11:50:01", True, id="synced anew since"),
        pytest.param(an_event("Scheduled for sync", type_="Normal"), "11:50:00", False, id="in the same second"),
        pytest.param(an_event("IP is now 192.0.2.1", "IPChanged", type_="Normal"), "11:50:01", False, id="another"),
        pytest.param(
            an_event("Scheduled for sync", type_="Normal", kind="Service"), "11:50:01", False, id="of another object"
        ),
    ],
)
def test_a_complaint_is_doubtful_once_the_next_sync_has_begun(
    other: dict[str, Any], time: str, overtaken: bool
) -> None:
    heard = [GAVE_UP, other | {"lastTimestamp": f"2026-11-22T{time}Z"}]

    assert is_overtaken(GAVE_UP, heard) is overtaken


def test_what_gke_lacks_is_not_asked_of_us() -> None:
    found = of(BACKENDS + "googleapi: Error 403: Required 'compute.healthChecks.create' permission for 'projects/p/x'")

    assert (found.outlook, found.cause) == (STOP, "PermissionDenied")
    assert "container-engine-robot.iam.gserviceaccount.com" in found.mend


@pytest.mark.parametrize(("message", "cause"), TRANSIENT)
def test_a_passing_fault_is_tried_again(message: str, cause: str) -> None:
    found = of(message)

    assert (found.outlook, found.cause) == (RETRY, cause)


def test_a_missing_managed_certificate_is_tried_again_by_its_controller() -> None:
    found = of("ManagedCertificate ns:milvus-cert missing", "MissingCertificate")

    assert (found.outlook, found.layer, found.cause) == (RETRY, "certificate", "ManagedCertificateMissing")
    assert "kubectl -n ns get managedcertificate milvus-cert" in found.mend


@pytest.mark.parametrize(
    "message",
    [
        TRANSLATE + "… no BackendConfig for service port exists.",
        "ManagedCertificate ns:milvus-cert missing",
        SYNC + "invalid configuration: both HTTP and HTTPS are disabled",
    ],
)
def test_what_is_a_matter_of_order_is_permanent_after_a_while(message: str) -> None:
    fresh = of_event(an_event(message), age_seconds=20)
    old = of_event(an_event(message), age_seconds=3600)

    assert fresh is not None
    assert old is not None
    assert (fresh.outlook, old.outlook) == (RETRY, STOP)


def test_no_certificate_is_permanent_without_a_managed_one() -> None:
    found = of_event(an_event(SYNC + "invalid configuration: both HTTP and HTTPS are disabled"), google_managed=False)

    assert found is not None
    assert (found.outlook, found.layer) == (STOP, "certificate")


NEG = [
    pytest.param(
        "ProcessServiceFailed",
        'error processing service "ns/my-release-milvus": NEG annotation is invalid.',
        (STOP, "NegAnnotationInvalid"),
        id="annotation",
    ),
    pytest.param(
        "SyncNetworkEndpointGroupFailed",
        'Failed to sync NEG "k8s1-0ab" (will retry): something odd',
        (RETRY, "NegSyncFailed"),
        id="sync, unknown text",
    ),
    pytest.param(
        "SyncNetworkEndpointGroupFailed",
        "Failed to sync NEG \"k8s1-0ab\" (will retry): googleapi: Error 403: Quota 'NETWORK_ENDPOINT_GROUPS' "
        "exceeded.  Limit: 100.0 in region x., quotaExceeded",
        (STOP, "QuotaExceeded"),
        id="sync, quota",
    ),
    pytest.param(
        "AttachFailed", "googleapi: Error 500: Internal Error, internalError", (RETRY, "ServerError"), id="attach"
    ),
]


@pytest.mark.parametrize(("reason", "message", "expected"), NEG)
def test_a_warning_on_the_service(reason: str, message: str, expected: tuple[Outlook, str]) -> None:
    found = of(message, reason, kind="Service")

    assert (found.outlook, found.cause) == expected


PODS = [
    pytest.param(
        "FailedMount",
        'MountVolume.SetUp failed for volume "milvus-config" : configmap "my-release-milvus" not found',
        (STOP, "VolumeSourceMissing"),
        id="ConfigMap missing",
    ),
    pytest.param(
        "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[data], timed out waiting for the condition",
        (RETRY, "VolumeNotMounted"),
        id="volume late",
    ),
    pytest.param(
        "Unhealthy",
        "Readiness probe failed: HTTP probe failed with statuscode: 500",
        (WAIT, "NotReady"),
        id="not ready",
    ),
    pytest.param("Unhealthy", "Liveness probe failed: dial tcp: refused", (RETRY, "ProbeFailed"), id="not alive"),
    pytest.param("FailedScheduling", "0/3 nodes are available", (WAIT, "Unschedulable"), id="no room"),
]


@pytest.mark.parametrize(("reason", "message", "expected"), PODS)
def test_a_warning_on_a_pod(reason: str, message: str, expected: tuple[Outlook, str]) -> None:
    found = of(message, reason, kind="Pod")

    assert (found.outlook, found.cause) == expected
    assert "kubectl -n ns" in found.mend


CERTIFICATE = [
    pytest.param(
        "BackendError",
        "googleapi: Error 403: Quota 'SSL_CERTIFICATES' exceeded.  Limit: 10.0 globally., quotaExceeded",
        (STOP, "QuotaExceeded"),
        id="quota, synchronous",
    ),
    pytest.param(
        "TooManyCertificates",
        "operation operation-1 DONE. Status: FORBIDDEN (403), errors: (QUOTA_EXCEEDED: Quota 'SSL_CERTIFICATES' "
        "exceeded.  Limit: 10.0 globally.)",
        (STOP, "QuotaExceeded"),
        id="quota, in the operation",
    ),
    pytest.param(
        "BackendError",
        "googleapi: Error 400: The ssl_certificate resource 'projects/p/global/sslCertificates/mcrt-1' is already "
        "being used by 'projects/p/global/targetHttpsProxies/k8s2-ts-x', resourceInUseByAnotherResource",
        (RETRY, "ResourceInUse"),
        id="in use while its domains change",
    ),
]


@pytest.mark.parametrize(("reason", "message", "expected"), CERTIFICATE)
def test_a_warning_on_the_managed_certificate(reason: str, message: str, expected: tuple[Outlook, str]) -> None:
    found = of(message, reason, kind="ManagedCertificate")

    assert (found.outlook, found.cause) == expected


@pytest.mark.parametrize(
    ("kind", "reason", "message"),
    [
        ("Ingress", "Sync", "Scheduled for sync"),
        ("Ingress", "Sync", 'UrlMap "k8s2-um-x" created'),
        ("Ingress", "Sync", 'TargetProxy "k8s2-ts-x" certs updated'),
        ("Ingress", "Sync", 'ForwardingRule "k8s2-fs-x" deleted'),
        ("Ingress", "IPChanged", "IP is now 1.2.3.4"),
        ("Service", "Create", 'Created NEG "k8s1-x" for ns/svc-k8s1-x-/19530-19530-GCE_VM_IP_PORT-L7 in "zone-a".'),
        ("Service", "Attach", 'Attach 1 network endpoint(s) (NEG "k8s1-x" in zone "zone-a")'),
        ("ManagedCertificate", "Create", "Create SslCertificate mcrt-1"),
        ("Pod", "LoadBalancerNegReady", "Pod has become Healthy in NEG …"),
    ],
)
def test_normal_progress_is_no_finding(kind: str, reason: str, message: str) -> None:
    assert of_event(an_event(message, reason, kind=kind, type_="Normal")) is None


@pytest.mark.parametrize("reason", ["XPN", "Sync", "LoadBalancerManualChange"])
def test_a_firewall_change_in_a_shared_vpc_hands_over_its_command(reason: str) -> None:
    """Its type is Normal, and it waits for a person who may do it."""
    message = (
        "Firewall change required by security admin: `gcloud compute firewall-rules create k8s-fw-l7--0ab "
        "--network net --allow tcp:19530,tcp:9091 --source-ranges 130.211.0.0/22,35.191.0.0/16 --project host`"
    )

    found = of(message, reason, type_="Normal")

    assert (found.outlook, found.layer, found.cause) == (WAIT, "network", "FirewallChangeRequired")
    assert found.mend.endswith(
        "must run: gcloud compute firewall-rules create k8s-fw-l7--0ab --network net --allow tcp:19530,tcp:9091 "
        "--source-ranges 130.211.0.0/22,35.191.0.0/16 --project host"
    )


def test_a_readiness_gate_that_timed_out_is_told() -> None:
    found = of("Timeout waiting for pod to become healthy", "LoadBalancerNegTimeout", kind="Pod", type_="Normal")

    assert (found.outlook, found.cause) == (WAIT, "ReadinessGateTimedOut")


@pytest.mark.parametrize("kind", ["Ingress", "Service", "ManagedCertificate", "Pod", "Certificate"])
def test_an_unknown_warning_is_shown_as_it_is_and_never_ends_a_wait(kind: str) -> None:
    found = of("something {nobody} has seen: 100 %", "Oddity", kind=kind)

    assert (found.outlook, found.cause) == (WAIT, "UnknownWarning")
    assert found.observed == "Oddity: something {nobody} has seen: 100 %"
    assert f"kubectl -n ns describe {kind.lower()} my-release-milvus" in found.mend


def test_an_event_of_the_newer_api_is_read_too() -> None:
    event = {
        "type": "Warning",
        "reason": "Translate",
        "note": TRANSLATE + 'could not find service "ns/x"',
        "regarding": {"kind": "Ingress", "namespace": "ns", "name": "i"},
    }

    found = of_event(event)

    assert found is not None
    assert found.cause == "ServiceMissing"


def test_an_event_without_anything_is_no_reason_to_fall_over() -> None:
    found = of_event({})

    assert found is not None
    assert found.outlook is WAIT


def test_what_refutes_a_complaint_is_about_a_text_and_a_check_that_there_are() -> None:
    """A misspelt name would refute nothing, and nobody would notice."""
    sources = "".join(file.read_text() for file in sorted((ROOT / "tasks" / "core" / "checks").glob("*.py")))
    causes = {row.cause for rows in event_rows.ROWS.values() for row in rows}

    assert set(event_rows.REFUTED_BY) <= causes
    assert not [check for check in event_rows.REFUTED_BY.values() if f'"{check}"' not in sources]
