"""The texts of events, as tables: read from the top, the first row whose reason and text fit decides.

Sources: ingress-gce pkg/events, pkg/controller, pkg/neg; gke-managed-certs pkg/clients/event; gke.md §2.5, §5.5, §6.3,
§6.4. A mend's names in braces come from the object, or from the groups of the pattern.
"""

import re
from dataclasses import dataclass

from tasks.core.diagnosis.finding import Outlook

_STOP, _WAIT, _RETRY = Outlook.STOP, Outlook.WAIT, Outlook.RETRY

# An operation's error has its code before the text.
_NOT_FOUND = r"googleapi: Error 404: (?:[A-Z_]+ - )?The resource 'projects/[^']+/"


@dataclass(frozen=True)
class Row:
    """A text we know.

    `grace_seconds`: an outlook other than "stop" becomes "stop" when the caller's last write is longer ago than this;
    None: never.
    """

    pattern: str
    outlook: Outlook
    layer: str
    cause: str
    mend: str
    grace_seconds: float | None = None
    reasons: tuple[str, ...] = ()

    def match(self, reason: str, message: str) -> re.Match[str] | None:
        """Where the text of an event fits, None if it does not."""
        if self.reasons and reason not in self.reasons:
            return None
        return re.search(self.pattern, message, re.DOTALL)


DESCRIBE = "See it whole: kubectl -n {namespace} describe {kind} {name}"
_SERVICE_YAML = "kubectl -n {namespace} get service {service} -o yaml"

INGRESS = (
    # --- what stops translation: nothing at all is created (§2.5, §6.4) ---
    Row(
        r'failed to retrieve the system default backend service "(?P<backend>[^"]+)"',
        _STOP,
        "ingress",
        "DefaultBackendMissing",
        "GKE's add-on is damaged: kubectl -n kube-system get service default-http-backend. Until it is back, set "
        "spec.defaultBackend of the Ingress.",
    ),
    Row(
        r'could not find service "(?:(?P<service_namespace>[^/"]+)/)?(?P<service>[^"]+)"',
        _STOP,
        "kubernetes",
        "ServiceMissing",
        "The backend Service must stand in the Ingress's namespace: kubectl -n {namespace} get service {service}",
    ),
    Row(
        r'could not find port "?(?P<port>[^"]*?)"? in service "?(?:[^/"]+/)?(?P<service>[^" ,;]+)"?',
        _STOP,
        "kubernetes",
        "ServicePortMissing",
        "The Ingress must name a port of the Service (not a targetPort): " + _SERVICE_YAML,
    ),
    Row(
        r'service "(?:[^/"]+/)?(?P<service>[^"]+)" is type "(?P<type>\w+)", expected "NodePort" or "LoadBalancer"',
        _STOP,
        "kubernetes",
        "NegAnnotationMissing",
        "Turn on container-native load balancing: kubectl -n {namespace} annotate --overwrite service {service} "
        """'cloud.google.com/neg={{"ingress":true}}'""",
    ),
    Row(
        r'could not parse "service.alpha.kubernetes.io/app-protocols" annotation on service "(?:[^/"]+/)?'
        r'(?P<service>[^"]+)"',
        _STOP,
        "kubernetes",
        "AppProtocolsInvalid",
        # The text names the alpha key even when the annotation without "alpha" is at fault.
        "Its value must be JSON from port name to HTTP, HTTPS or HTTP2: kubectl -n {namespace} annotate --overwrite "
        """service {service} 'cloud.google.com/app-protocols={{"milvus":"HTTP2"}}'""",
    ),
    Row(
        r'error getting BackendConfig for port "(?P<port>[^"]*)" on service "(?:[^/"]+/)?(?P<service>[^"]+)", err: '
        r"no BackendConfig for service port exists",
        _RETRY,
        "kubernetes",
        "BackendConfigMissing",
        "The annotation of service {service} names a BackendConfig that is not in its namespace: "
        "kubectl -n {namespace} get backendconfig",
        grace_seconds=300,
    ),
    Row(
        r"no BackendConfig for service port exists",
        _RETRY,
        "kubernetes",
        "BackendConfigMissing",
        "The annotation cloud.google.com/backend-config names one that is not in the Service's namespace: "
        "kubectl -n {namespace} get backendconfig",
        grace_seconds=300,
    ),
    Row(
        r"BackendConfig annotation is invalid json|no BackendConfig's found in annotation",
        _STOP,
        "kubernetes",
        "BackendConfigAnnotationInvalid",
        """Its value must be JSON such as {{"default":"NAME"}}: kubectl -n {namespace} get services -o """
        r"""jsonpath='{{range .items[*]}}{{.metadata.name}}: {{.metadata.annotations.cloud\.google\.com/"""
        r"""backend-config}}{{"\n"}}{{end}}'""",
    ),
    Row(
        r"BackendConfig (?:[^/ ]+/)?(?P<config>\S+) is not valid",
        _STOP,
        "kubernetes",
        "BackendConfigInvalid",
        "Mend it: kubectl -n {namespace} edit backendconfig {config}",
    ),
    Row(
        r'Protocol "?(?P<protocol>[^" ]*)"? is not valid, must be one of',
        _STOP,
        "kubernetes",
        "HealthCheckTypeInvalid",
        "Set spec.healthCheck.type of the BackendConfig to HTTP, which port 9091 speaks: "
        "kubectl -n {namespace} get backendconfig -o yaml",
    ),
    Row(
        r"failed to validate prefix path|due to (?:invalid wildcard|empty path)|unsupported path type",
        _STOP,
        "ingress",
        "PathInvalid",
        "Use path / with pathType Prefix: kubectl -n {namespace} get ingress {name} -o yaml",
    ),
    Row(
        r"invalid loadbalancer name",
        _STOP,
        "ingress",
        "IngressNameInvalid",
        "Compute names have no dots: name the Ingress without: kubectl -n {namespace} get ingress {name}",
    ),
    Row(
        r"resource.timeoutSec.*checkIntervalSec",
        _STOP,
        "kubernetes",
        "HealthCheckTimeoutTooLong",
        # The controller's default time-out is 15 s, so an interval of 10 alone is enough to get here (§8.1).
        "Set spec.healthCheck.timeoutSec of the BackendConfig to at most its checkIntervalSec: "
        "kubectl -n {namespace} get backendconfig -o yaml",
    ),
    # --- certificates on the Ingress ---
    Row(
        r'secrets? "(?P<secret>[^"]+)" not found|Could not find TLS certificate',
        _STOP,
        "certificate",
        "TlsSecretMissing",
        "The Secrets that spec.tls names must stand in this namespace: kubectl -n {namespace} get secret {secret}",
    ),
    Row(
        r'secret "" does not exist',
        _STOP,
        "certificate",
        "TlsSecretUnnamed",
        "An entry of spec.tls has no secretName, which GKE needs: kubectl -n {namespace} get ingress {name} -o yaml",
    ),
    Row(
        r'secret "(?P<secret>[^"]+)" does not specify (?:cert|private key) as string data',
        _STOP,
        "certificate",
        "TlsSecretIncomplete",
        "It needs the keys tls.crt and tls.key: kubectl -n {namespace} describe secret {secret}",
    ),
    Row(
        r"the given static IP name (?P<address>\S+) doesn't translate to an existing static IP",
        _STOP,
        "compute",
        "StaticAddressMissing",
        "It must be a global address of the cluster's project: gcloud compute addresses describe {address} --global",
    ),
    Row(
        r"both global-static-ip and regional-static-ip cannot be specified",
        _STOP,
        "ingress",
        "TwoStaticAddresses",
        "Drop the regional one: kubectl -n {namespace} annotate ingress {name} "
        "kubernetes.io/ingress.regional-static-ip-name-",
    ),
    Row(
        r"[Cc]ert creation failures.*googleapi: Error 400",
        _STOP,
        "certificate",
        "TlsSecretRefused",
        "Google Cloud does not take what is in the TLS Secret: PEM, leaf first, RSA-2048 or P-256, a key that matches "
        "and is not encrypted: kubectl -n {namespace} describe ingress {name}",
    ),
    Row(
        # Named by the hash of what is in the Secret (ingress-gce namer): an upload that failed or is under way.
        _NOT_FOUND + r"global/sslCertificates/(?:k8s2-cr|k8s-ssl)-[^']+' was not found",
        _RETRY,
        "certificate",
        "TlsSecretNotYetUploaded",
        "GKE uploads the TLS Secret; if this stays, its tls.crt is empty or broken: "
        "kubectl -n {namespace} describe ingress {name}",
    ),
    Row(
        _NOT_FOUND + r"global/sslCertificates/(?P<certificate>mcrt-[^']+)' was not found",
        _RETRY,
        "certificate",
        "ManagedCertificateNotYetCreated",
        "GKE makes it anew: kubectl -n {namespace} get managedcertificate",
    ),
    Row(
        _NOT_FOUND + r"global/sslCertificates/(?P<certificate>[^']+)' was not found",
        _STOP,
        "certificate",
        "PreSharedCertificateMissing",
        "Annotation ingress.gcp.kubernetes.io/pre-shared-cert names it; see what there is: "
        "gcloud compute ssl-certificates list --global",
    ),
    Row(
        # The NEG controller makes the groups, and the Ingress controller does not wait for it (§6.2, step 4).
        _NOT_FOUND + r"networkEndpointGroups/(?P<group>[^']+)' was not found",
        _WAIT,
        "compute",
        "NegNotYetMade",
        "GKE makes the group a moment later; if this stays, see what it says of the Service behind it: "
        "kubectl -n {namespace} get svcneg; kubectl -n {namespace} describe services",
    ),
    Row(
        _NOT_FOUND + r"global/sslPolicies/(?P<policy>[^']+)' was not found",
        _STOP,
        "compute",
        "SslPolicyMissing",
        "spec.sslPolicy of the FrontendConfig names it; see what there is: gcloud compute ssl-policies list; "
        "kubectl -n {namespace} get frontendconfig -o yaml",
    ),
    Row(
        r"googleapi: Error 40[04]: (?:[A-Z_]+ - )?(?:The resource|Invalid value for field '[\w.]+':) "
        r"'[^']*/securityPolicies/(?P<policy>[^']+)'",
        _STOP,
        "compute",
        "SecurityPolicyMissing",
        "spec.securityPolicy of the BackendConfig names {policy}; see what there is: gcloud compute security-policies "
        "list; kubectl -n {namespace} get backendconfig -o yaml",
    ),
    Row(
        r"googleapi: Error 400: Invalid value for field 'resource\.(?P<field>checkIntervalSec|timeoutSec|"
        r"healthyThreshold|unhealthyThreshold|\w+HealthCheck\.\w+|connectionDraining\.\w+|affinityCookieTtlSec|"
        r"sessionAffinity|logConfig\.\w+|custom\w+Headers\S*|cdnPolicy\S*|iap\S*)'",
        _STOP,
        "kubernetes",
        "BackendConfigValueRefused",
        "Compute does not take {field} as the BackendConfig has it: kubectl -n {namespace} get backendconfig -o yaml",
    ),
    Row(
        r"the (?P<type>\w+) health check configuration on the existing health check (?P<check>\S+) is nil",
        _STOP,
        "compute",
        "HealthCheckEdited",
        "Somebody changed its type by hand. Set it back (gcloud compute health-checks describe {check} --global), or "
        "delete it after detaching, and GKE makes it anew.",
    ),
    Row(
        r"no FrontendConfig for Ingress exists",
        _RETRY,
        "kubernetes",
        "FrontendConfigMissing",
        "Annotation networking.gke.io/v1beta1.FrontendConfig names one that is not in this namespace: "
        "kubectl -n {namespace} get frontendconfig",
        grace_seconds=300,
    ),
    Row(
        r"cannot enable HTTPS Redirects with the V1 Ingress naming scheme",
        _STOP,
        "ingress",
        "RedirectNeedsNewIngress",
        "This Ingress is older than redirects; make it anew, or run with http=disabled.",
    ),
    Row(
        r"ManagedCertificate (?P<certificate_namespace>[^: ]+):(?P<certificate>\S+) missing",
        _RETRY,
        "certificate",
        "ManagedCertificateMissing",
        "Nothing is attached before it exists: kubectl -n {namespace} get managedcertificate {certificate}",
        grace_seconds=300,
    ),
    Row(
        r"",
        _STOP,
        "ingress",
        "InternalIngress",
        # Of class gce-internal alone (§6.3), which is not the load balancer of this project.
        "An internal Ingress serves HTTP and HTTPS only with a static address; for an external one: kubectl -n "
        "{namespace} annotate --overwrite ingress {name} kubernetes.io/ingress.class=gce",
        reasons=("WillNotConfigureFrontend",),
    ),
    Row(
        r"",
        _WAIT,
        "kubernetes",
        "TransparentHealthCheckIgnored",
        "Annotation networking.gke.io/transparent-health-checker of the Service has no effect in this cluster; the "
        "BackendConfig's health check counts: kubectl -n {namespace} get backendconfig -o yaml",
        reasons=("THCAnnotationWithoutFlag",),
    ),
)

SERVICE = (
    Row(
        _NOT_FOUND + r"networkEndpointGroups/(?P<group>[^']+)' was not found",
        _WAIT,
        "compute",
        "NegNotYetMade",
        "GKE makes the group anew; if this stays: kubectl -n {namespace} get svcneg",
    ),
    Row(
        r"NEG annotation is invalid",
        _STOP,
        "kubernetes",
        "NegAnnotationInvalid",
        "Its value must be JSON with a boolean: kubectl -n {namespace} annotate --overwrite service {name} "
        """'cloud.google.com/neg={{"ingress":true}}'""",
    ),
    Row(
        r"",
        _RETRY,
        "compute",
        "NegSyncFailed",
        "GKE tries again by itself. See it: kubectl -n {namespace} get svcneg",
        reasons=("AttachFailed", "DetachFailed", "SyncNetworkEndpointGroupFailed", "RetryFailed"),
    ),
)

CERTIFICATE = (
    Row(
        r"",
        _STOP,
        "certificate",
        "QuotaExceeded",
        "Delete certificates nobody uses, or raise SSL_CERTIFICATES: gcloud compute ssl-certificates list --global",
        reasons=("TooManyCertificates",),
    ),
)

POD = (
    Row(
        r"",
        _WAIT,
        "kubernetes",
        "Unschedulable",
        "See what it needs: kubectl -n {namespace} describe pod {name}",
        reasons=("FailedScheduling",),
    ),
    Row(
        r"manifest unknown|not found|unauthorized|[Dd]enied|InvalidImageName",
        _STOP,
        "kubernetes",
        "ImageUnavailable",
        "Check name, tag and pull secret: kubectl -n {namespace} describe pod {name}",
        reasons=("Failed", "InspectFailed"),
    ),
    Row(
        r"(?:secret|configmap) \"(?P<object>[^\"]+)\" not found|references non-existent (?:secret|config) key",
        _STOP,
        "kubernetes",
        "VolumeSourceMissing",
        "The Pod needs {object}, which is not there; what a Helm release lost comes back by: helm -n {namespace} get "
        "manifest RELEASE | kubectl -n {namespace} apply -f -",
        reasons=("FailedMount", "Failed"),
    ),
    Row(
        r"",
        _RETRY,
        "kubernetes",
        "VolumeNotMounted",
        "The node tries again; see the volume: kubectl -n {namespace} describe pod {name}; kubectl -n {namespace} get "
        "pvc",
        reasons=("FailedMount", "FailedAttachVolume", "FailedBinding", "ProvisioningFailed"),
    ),
    Row(
        r"^Readiness probe failed",
        _WAIT,
        "milvus",
        "NotReady",
        # Milvus starts for a minute and more, so that this is a step on the way, too.
        "See what it waits for: kubectl -n {namespace} logs {name} --tail=50",
        reasons=("Unhealthy",),
    ),
    Row(
        r"^(?:Liveness|Startup) probe failed",
        _RETRY,
        "milvus",
        "ProbeFailed",
        "The kubelet restarts it; see what it does meanwhile: kubectl -n {namespace} logs {name} --previous --tail=50",
        reasons=("Unhealthy",),
    ),
)

# Normal events are progress, but for these.
NORMAL = (
    Row(
        r"[Ff]irewall change required by .*?:\s*`?(?P<command>gcloud .*?)`?\s*$",
        _WAIT,
        "network",
        "FirewallChangeRequired",
        "Whoever may change the network's firewall must run: {command}",
        # Its reason was "Sync" or "LoadBalancerManualChange" in older versions, so only the text decides.
    ),
    Row(
        r"",
        _WAIT,
        "network",
        "FirewallChangeRequired",
        "Whoever may change the network's firewall must act: " + DESCRIBE,
        reasons=("XPN",),
    ),
    Row(
        r"",
        _WAIT,
        "compute",
        "ReadinessGateTimedOut",
        "The load balancer never called this Pod healthy; a wrong health check stalls every restart by ten minutes: "
        "kubectl -n {namespace} get backendconfig -o yaml",
        reasons=("LoadBalancerNegTimeout",),
    ),
    Row(
        r"",
        _WAIT,
        "compute",
        "NegDegraded",
        "GKE cannot tell the endpoints exactly: kubectl -n {namespace} describe service {name}",
        reasons=("EnterDegradedMode",),
    ),
)

ROWS = {
    "Ingress": INGRESS,
    "Service": SERVICE,
    "ManagedCertificate": CERTIFICATE,
    "Pod": POD,
}

REFUTED_BY = {
    "AppProtocolsInvalid": "AppProtocolAnnotationCheck",
    "BackendConfigAnnotationInvalid": "BackendConfigAnnotationCheck",
    "BackendConfigMissing": "BackendConfigExistenceCheck",
    "FrontendConfigMissing": "FrontendConfigExistenceCheck",
    "HealthCheckTimeoutTooLong": "HealthCheckEffectiveTimeoutCheck",
    "HealthCheckTypeInvalid": "HealthCheckTypeCheck",
    "ManagedCertificateMissing": "ManagedCertificateExistenceCheck",
    "NegAnnotationInvalid": "NegAnnotationCheck",
    "NegAnnotationMissing": "NegAnnotationCheck",
    "PreSharedCertificateMissing": "PreSharedCertificateCheck",
    "SecurityPolicyMissing": "SecurityPolicyExistenceCheck",
    "ServiceMissing": "ServiceExistenceCheck",
    "ServicePortMissing": "IngressPortCheck",
    "SslPolicyMissing": "SslPolicyExistenceCheck",
    "StaticAddressMissing": "StaticAddressCheck",
    "TlsSecretIncomplete": "TlsSecretContentCheck",
    "TlsSecretMissing": "TlsSecretExistenceCheck",
    "TlsSecretUnnamed": "TlsSecretNameCheck",
}
"""The check that looks at the same thing as a complaint: what it finds to be right is no cause any more.

Only where the check sees all that the controller sees; a path that GKE does not take may be another one than ours.
"""
