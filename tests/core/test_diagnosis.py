"""Certificates' statuses, Compute's errors, health, Pods and Deployments: a fact in, a judgement out."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tasks.core.diagnosis import (
    Outlook,
    of_certificate,
    of_compute_error,
    of_deployment,
    of_health,
    of_pod,
)

STOP, WAIT, RETRY = Outlook.STOP, Outlook.WAIT, Outlook.RETRY
DOMAIN, ADDRESS = "milvus.example.com", "34.1.2.3"


# --- managed certificates (gke.md §5.2) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("", (WAIT, "CertificateProvisioning")),
        ("MANAGED_CERTIFICATE_STATUS_UNSPECIFIED", (WAIT, "CertificateProvisioning")),
        ("PROVISIONING", (WAIT, "CertificateProvisioning")),
        ("Provisioning", (WAIT, "CertificateProvisioning")),
        ("PROVISIONING_FAILED", (RETRY, "CertificateProvisioningFailed")),
        ("ProvisioningFailed", (RETRY, "CertificateProvisioningFailed")),
        ("PROVISIONING_FAILED_PERMANENTLY", (STOP, "CertificateFailedPermanently")),
        ("ProvisioningFailedPermanently", (STOP, "CertificateFailedPermanently")),
        ("RENEWAL_FAILED", (STOP, "CertificateRenewalFailed")),
        ("RenewalFailed", (STOP, "CertificateRenewalFailed")),
        ("ACTIVE", (WAIT, "CertificateActive")),
        ("SOMETHING_NEW", (WAIT, "UnknownCertificateStatus")),
    ],
)
def test_the_status_of_a_certificate_in_either_spelling(status: str, expected: tuple[Outlook, str]) -> None:
    found = of_certificate(status, {}, namespace="ns", name="cert")

    assert (found.outlook, found.cause) == expected


@pytest.mark.parametrize(
    ("domain_status", "expected"),
    [
        ("PROVISIONING", (WAIT, "certificate", "CertificateProvisioning")),
        ("ACTIVE", (WAIT, "certificate", "CertificateProvisioning")),
        ("DOMAIN_STATUS_UNSPECIFIED", (WAIT, "certificate", "CertificateProvisioning")),
        ("FAILED_NOT_VISIBLE", (WAIT, "certificate", "DomainNotVisible")),
        ("FailedNotVisible", (WAIT, "certificate", "DomainNotVisible")),
        ("FAILED_CAA_CHECKING", (RETRY, "dns", "CaaUnreadable")),
        ("FailedCaaChecking", (RETRY, "dns", "CaaUnreadable")),
        ("FAILED_CAA_FORBIDDEN", (STOP, "dns", "CaaForbids")),
        ("FailedCaaForbidden", (STOP, "dns", "CaaForbids")),
        ("FAILED_RATE_LIMITED", (RETRY, "certificate", "IssuanceRateLimited")),
        ("FailedRateLimited", (RETRY, "certificate", "IssuanceRateLimited")),
        ("FAILED_SOMEHOW", (WAIT, "certificate", "UnknownCertificateStatus")),
    ],
)
def test_the_status_of_a_domain_in_either_spelling(domain_status: str, expected: tuple[Outlook, str, str]) -> None:
    found = of_certificate("PROVISIONING", {DOMAIN: domain_status})

    assert (found.outlook, found.layer, found.cause) == expected
    assert DOMAIN in found.observed


def test_caa_that_forbids_tells_the_record_to_add() -> None:
    found = of_certificate("Provisioning", {"a.example.com": "Active", DOMAIN: "FailedCaaForbidden"})

    assert found.mend == 'Add a record: milvus.example.com. CAA 0 issue "pki.goog"'


@pytest.mark.parametrize(
    ("answers", "final", "expected"),
    [
        pytest.param([], False, WAIT, id="no record yet"),
        pytest.param([], True, WAIT, id="no record yet, which may be on its way"),
        pytest.param(["192.0.2.7"], False, WAIT, id="elsewhere, somebody is about to change it"),
        pytest.param(["192.0.2.7"], True, STOP, id="elsewhere, and nobody will"),
        pytest.param([ADDRESS, "2001:db8::1"], True, STOP, id="right, and a stray AAAA"),
    ],
)
def test_dns_that_points_elsewhere_names_record_and_address(
    answers: Sequence[str], final: bool, expected: Outlook
) -> None:
    found = of_certificate(
        "PROVISIONING",
        {DOMAIN: "FAILED_NOT_VISIBLE"},
        address=ADDRESS,
        answers={DOMAIN: answers},
        stop_when_dns_points_elsewhere=final,
    )

    assert (found.outlook, found.layer, found.cause) == (expected, "dns", "DomainPointsElsewhere")
    assert f"Create the record {DOMAIN}. A {ADDRESS}" in found.mend
    assert ("remove every other" in found.mend) == bool(answers)
    assert (", ".join(answers) or "nothing") in found.observed


def test_dns_that_is_right_leaves_a_domain_that_is_not_visible_to_wait() -> None:
    """Google looks again by itself, and the certificate may not be attached yet."""
    found = of_certificate(
        "PROVISIONING",
        {DOMAIN: "FAILED_NOT_VISIBLE"},
        address=ADDRESS,
        answers={DOMAIN: [ADDRESS]},
        stop_when_dns_points_elsewhere=True,
    )

    assert (found.outlook, found.cause) == (WAIT, "DomainNotVisible")


def test_the_gravest_domain_speaks_for_all() -> None:
    found = of_certificate(
        "PROVISIONING",
        {"a.example.com": "FAILED_RATE_LIMITED", "b.example.com": "FAILED_CAA_FORBIDDEN", "c.example.com": "ACTIVE"},
    )

    assert (found.outlook, found.cause) == (STOP, "CaaForbids")
    assert all(name in found.observed for name in ("a.example.com", "b.example.com", "c.example.com"))


def test_a_certificate_given_up_says_how_to_make_a_new_one() -> None:
    found = of_certificate("PROVISIONING_FAILED_PERMANENTLY", {DOMAIN: "PROVISIONING"}, namespace="ns", name="cert")

    assert "kubectl -n ns delete managedcertificate cert" in found.mend


# --- Compute (gke.md §9.3, §9.4) ------------------------------------------------------------------------------------

PERMISSION = "Required 'compute.globalAddresses.get' permission for 'projects/my-project/global/addresses/x'"
IN_USE = "The url_map resource 'projects/p/global/urlMaps/a' is already being used by 'projects/p/global/x/b'"
ADDRESS_IN_USE = "Invalid value for field 'resource.IPAddress': '34.1.2.3'. Address is already being used by x"


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        (400, "invalid", "Invalid value for field 'resource.timeoutSec': '15'.", (STOP, "InvalidRequest")),
        (400, "required", "Required field 'name' not specified", (STOP, "InvalidRequest")),
        (400, "resourceInUseByAnotherResource", IN_USE, (RETRY, "ResourceInUse")),
        (400, "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", IN_USE, (RETRY, "ResourceInUse")),
        (400, "", IN_USE, (RETRY, "ResourceInUse")),
        (400, "invalid", ADDRESS_IN_USE, (STOP, "AddressInUse")),
        (400, "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "Specified IP address is in-use", (STOP, "AddressInUse")),
        (400, "resourceNotReady", "The resource 'x' is not ready", (RETRY, "ResourceNotReady")),
        (400, "RESOURCE_NOT_READY", "The resource 'x' is not ready", (RETRY, "ResourceNotReady")),
        (401, "authError", "Invalid Credentials", (STOP, "Unauthenticated")),
        (401, "required", "Login Required", (STOP, "Unauthenticated")),
        (403, "forbidden", PERMISSION, (STOP, "PermissionDenied")),
        (403, "PERMISSIONS_ERROR", PERMISSION, (STOP, "PermissionDenied")),
        (403, "insufficientPermissions", "Insufficient Permission", (STOP, "PermissionDenied")),
        (403, "accessNotConfigured", "Compute Engine API has not been used", (STOP, "ApiDisabled")),
        (403, "quotaExceeded", "Quota 'URL_MAPS' exceeded.  Limit: 10.0 globally.", (STOP, "QuotaExceeded")),
        (403, "QUOTA_EXCEEDED", "Quota 'URL_MAPS' exceeded.  Limit: 10.0 globally.", (STOP, "QuotaExceeded")),
        (0, "QUOTA_EXCEEDED", "Quota 'URL_MAPS' exceeded.  Limit: 10.0 globally.", (STOP, "QuotaExceeded")),
        (403, "", "Quota 'URL_MAPS' exceeded.  Limit: 10.0 globally.", (STOP, "QuotaExceeded")),
        (403, "rateLimitExceeded", "Rate Limit Exceeded", (RETRY, "RateLimited")),
        (403, "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", "Too many operations", (RETRY, "RateLimited")),
        (429, "", "Too Many Requests", (RETRY, "RateLimited")),
        (404, "notFound", "The resource 'projects/p/global/urlMaps/x' was not found", (WAIT, "NotFound")),
        (404, "notFound", "The resource 'projects/nobodys' was not found", (STOP, "ProjectNotFound")),
        (404, "RESOURCE_NOT_FOUND", "The resource 'projects/p/global/urlMaps/x' was not found", (WAIT, "NotFound")),
        (409, "alreadyExists", "The resource 'x' already exists", (RETRY, "AlreadyExists")),
        (409, "RESOURCE_ALREADY_EXISTS", "The resource 'x' already exists", (RETRY, "AlreadyExists")),
        (412, "conditionNotMet", "Invalid fingerprint.", (RETRY, "ChangedMeanwhile")),
        (500, "internalError", "Internal Error", (RETRY, "ServerError")),
        (503, "backendError", "Backend Error", (RETRY, "ServerError")),
        (502, "", "", (RETRY, "ServerError")),
        (0, "INTERNAL_ERROR", "Internal error. Please try again", (RETRY, "ServerError")),
        (418, "teapot", "short and stout", (WAIT, "UnknownComputeError")),
    ],
)
def test_an_error_of_compute_is_judged_by_its_reason(
    status: int, reason: str, message: str, expected: tuple[Outlook, str]
) -> None:
    """403 alone is permission, quota and rate."""
    found = of_compute_error(status, reason, message)

    assert (found.outlook, found.cause) == expected
    assert message.rstrip(".") in found.observed


def test_a_permission_names_itself_and_a_role() -> None:
    found = of_compute_error(403, "forbidden", PERMISSION)

    assert found.mend == (
        "Grant compute.globalAddresses.get to the caller, for example with roles/compute.networkViewer: "
        "gcloud projects add-iam-policy-binding my-project --member=MEMBER --role=roles/compute.networkViewer"
    )


def test_a_permission_of_cloud_dns_names_its_own_role() -> None:
    found = of_compute_error(403, "forbidden", "Required 'dns.changes.create' permission for 'projects/p/x'")

    assert "roles/dns.admin" in found.mend


def test_a_quota_names_its_metric_and_where_to_raise_it() -> None:
    found = of_compute_error(403, "quotaExceeded", "Quota 'STATIC_ADDRESSES' exceeded.  Limit: 8.0 globally.")

    assert "STATIC_ADDRESSES: gcloud compute project-info describe" in found.mend
    assert "https://console.cloud.google.com/iam-admin/quotas" in found.mend


# --- health (gke.md §8, §9.5) ---------------------------------------------------------------------------------------


def a_health_check(kind: str = "HTTP", port: int = 9091, path: str = "/healthz") -> dict[str, Any]:
    field = {"HTTP": "httpHealthCheck", "HTTP2": "http2HealthCheck", "HTTPS": "httpsHealthCheck"}[kind]
    parts = {"port": port, "requestPath": path, "portSpecification": "USE_FIXED_PORT"}
    return {"type": kind, field: parts}


@pytest.mark.parametrize(
    ("groups", "check", "cause", "mend"),
    [
        pytest.param({}, {}, "HealthUnknown", "get svcneg", id="no groups"),
        pytest.param({"a": []}, {}, "HealthUnknown", "describe service svc", id="nothing reported yet"),
        pytest.param({"a": ["UNHEALTHY"]}, {}, "BackendsUnhealthy", "130.211.0.0/22 and 35.191.0.0/16", id="unhealthy"),
        pytest.param(
            {"a": ["UNHEALTHY"]},
            a_health_check(),
            "BackendsUnhealthy",
            "HTTP /healthz on Pod port 9091 must answer 200",
            id="unhealthy with the right check",
        ),
        pytest.param(
            {"a": ["UNHEALTHY"]},
            a_health_check("HTTP2"),
            "HealthCheckTypeWrong",
            "type to HTTP",
            id="TLS probe on 9091",
        ),
        pytest.param(
            {"a": ["UNHEALTHY"]},
            {"type": "HTTP", "httpHealthCheck": {"portSpecification": "USE_SERVING_PORT", "requestPath": "/healthz"}},
            "HealthCheckPortWrong",
            "port to 9091",
            id="HTTP on the gRPC port",
        ),
        pytest.param(
            {"a": ["UNHEALTHY"]}, a_health_check(path="/"), "HealthCheckPathWrong", "/healthz", id="another path"
        ),
        pytest.param({"a": ["HEALTHY"], "b": ["UNHEALTHY"]}, {}, "BackendsUnhealthy", "get pods", id="one zone of two"),
    ],
)
def test_health_that_is_not_there_yet_waits_with_the_likeliest_cause(
    groups: Mapping[str, Sequence[str]], check: dict[str, Any], cause: str, mend: str
) -> None:
    found = of_health(groups, check, namespace="ns", service="svc")

    assert (found.outlook, found.layer, found.cause) == (WAIT, "compute", cause)
    assert mend in found.mend


@pytest.mark.parametrize("groups", [{"a": ["HEALTHY"]}, {"a": ["HEALTHY", "UNHEALTHY"], "b": []}])
def test_one_healthy_endpoint_in_every_group_that_has_any_is_healthy(groups: Mapping[str, Sequence[str]]) -> None:
    assert of_health(groups).cause == "Healthy"


def test_health_is_counted_per_group() -> None:
    found = of_health({"zone-b/neg": ["UNHEALTHY"], "zone-a/neg": ["HEALTHY", "UNHEALTHY", "UNHEALTHY"]})

    assert found.observed == "zone-a/neg: 1 HEALTHY, 2 UNHEALTHY; zone-b/neg: 1 UNHEALTHY"


# --- Pods -----------------------------------------------------------------------------------------------------------

SHARED_PORT = "panic: proxy server(http) and external grpc server share the same port, tls mode must be 0"


def a_pod(container: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    containers = [{"name": "standalone", "restartCount": 0, **container}] if container else []
    return {
        "metadata": {"namespace": "ns", "name": "milvus-0"},
        "status": {"containerStatuses": containers, **status},
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def crashed(restarts: int, *, message: str = "", reason: str = "Error", code: int = 2) -> dict[str, Any]:
    ended = {"exitCode": code, "reason": reason, "message": message}
    return {**waiting("CrashLoopBackOff"), "restartCount": restarts, "lastState": {"terminated": ended}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(a_pod(), None, id="nothing yet"),
        pytest.param(a_pod(waiting("ContainerCreating")), None, id="being made"),
        pytest.param(a_pod({"state": {"running": {}}}), None, id="running"),
        pytest.param(a_pod({"state": {"terminated": {"exitCode": 0}}}), None, id="an init container that is done"),
        pytest.param(
            a_pod({"state": {"running": {}}, "restartCount": 2, "lastState": {"terminated": {"exitCode": 1}}}),
            None,
            id="running again",
        ),
        pytest.param(
            a_pod(waiting("ImagePullBackOff", "Back-off pulling image: manifest unknown")),
            (STOP, "ImageUnavailable"),
            id="no such image",
        ),
        pytest.param(
            a_pod(waiting("ErrImagePull", "pull access denied")),
            (STOP, "ImageUnavailable"),
            id="no access to the image",
        ),
        pytest.param(
            a_pod(waiting("ErrImagePull", "net/http: TLS handshake timeout")),
            (RETRY, "ImageUnavailable"),
            id="registry slow",
        ),
        pytest.param(a_pod(waiting("InvalidImageName")), (STOP, "ImageUnavailable"), id="invalid image name"),
        pytest.param(
            a_pod(waiting("CreateContainerConfigError", 'secret "x" not found')),
            (STOP, "ContainerConfigError"),
            id="missing Secret",
        ),
        pytest.param(a_pod(waiting("RunContainerError", "oops")), (RETRY, "ContainerNotStarted"), id="runtime"),
        pytest.param(a_pod(crashed(1)), (WAIT, "CrashLoop"), id="first crash"),
        pytest.param(a_pod(crashed(4)), (STOP, "CrashLoop"), id="crash loop"),
        pytest.param(a_pod(crashed(1, reason="OOMKilled", code=137)), (WAIT, "OutOfMemory"), id="out of memory"),
        pytest.param(a_pod(crashed(5, reason="OOMKilled", code=137)), (STOP, "OutOfMemory"), id="again and again"),
        pytest.param(
            a_pod(
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient memory.",
                    }
                ]
            ),
            (WAIT, "Unschedulable"),
            id="no node",
        ),
        pytest.param(
            a_pod(phase="Failed", reason="Evicted", message="low on disk"), (RETRY, "PodFailed"), id="evicted"
        ),
    ],
)
def test_a_pod(pod: dict[str, Any], expected: tuple[Outlook, str] | None) -> None:
    found = of_pod(pod)

    assert (found and (found.outlook, found.cause)) == expected


@pytest.mark.parametrize("where", ["message", "log"])
def test_rest_on_the_tls_port_is_named_at_the_first_crash(where: str) -> None:
    """milvus-io/milvus#46312: it never starts, so there is no point in waiting for the fourth."""
    noise = f"[INFO] starting\n{SHARED_PORT}\ngoroutine 1 [running]:\n"
    pod = a_pod(crashed(1, message=noise if where == "message" else ""))

    found = of_pod(pod, log=noise if where == "log" else "")

    assert found is not None
    assert (found.outlook, found.layer, found.cause) == (STOP, "milvus", "RestPortSharedWithTls")
    assert SHARED_PORT in found.observed
    assert "goroutine" not in found.observed
    assert "proxy.http.port: 8080" in found.mend
    assert "kubectl -n ns logs milvus-0 --previous -c standalone" in found.mend


def test_a_crash_without_a_known_cause_shows_the_last_line() -> None:
    found = of_pod(a_pod(crashed(2)), log="one\ntwo: cannot reach etcd\n\n")

    assert found is not None
    assert found.observed.endswith("last line: two: cannot reach etcd")


# --- Deployments ----------------------------------------------------------------------------------------------------


def a_deployment(*conditions: dict[str, Any], observed: int = 2) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "ns", "name": "milvus", "generation": 2},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": observed, "conditions": list(conditions), "updatedReplicas": 1, "replicas": 2},
    }


EXCEEDED = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "milvus-1" has timed out progressing.',
}


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        pytest.param(a_deployment(), (WAIT, "RollingOut"), id="going on"),
        pytest.param(a_deployment(EXCEEDED), (STOP, "ProgressDeadlineExceeded"), id="too slow"),
        pytest.param(a_deployment(EXCEEDED, observed=1), (WAIT, "RolloutNotSeen"), id="the spec before was too slow"),
        pytest.param(
            a_deployment({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: compute"}),
            (STOP, "PodsNotCreated"),
            id="quota of the namespace",
        ),
        pytest.param(
            a_deployment({"type": "ReplicaFailure", "status": "True", "message": "etcd: request timed out"}),
            (RETRY, "PodsNotCreated"),
            id="API server busy",
        ),
    ],
)
def test_a_deployment(deployment: dict[str, Any], expected: tuple[Outlook, str]) -> None:
    found = of_deployment(deployment)

    assert (found.outlook, found.cause) == expected


def test_a_rollout_that_goes_on_is_counted() -> None:
    assert of_deployment(a_deployment()).observed == "milvus: 1 wanted, 1 updated, 0 ready, 2 in all"
