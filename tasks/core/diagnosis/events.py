"""Events that GKE's controllers write on an Ingress, its Service, a ManagedCertificate and the Pods behind them.

The tables below are read from the top; the first row whose reason and text fit decides. Sources: ingress-gce
pkg/events, pkg/controller, pkg/neg; gke-managed-certs pkg/clients/event; gke.md §2.5, §5.5, §6.3, §6.4.

Events live for an hour and are aggregated: whoever reads them leaves out those whose last time is before their own
last write, or an old complaint about something mended meanwhile ends a run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core.diagnosis.compute import of_googleapi_text
from tasks.core.diagnosis.finding import Finding, Outlook

_STOP, _WAIT, _RETRY = Outlook.STOP, Outlook.WAIT, Outlook.RETRY


@dataclass(frozen=True)
class _Row:
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
        if self.reasons and reason not in self.reasons:
            return None
        return re.search(self.pattern, message, re.DOTALL)


_DESCRIBE = "See it whole: kubectl -n {namespace} describe {kind} {name}"
_SERVICE_YAML = "kubectl -n {namespace} get service {service} -o yaml"

_INGRESS_ROWS = (
    # --- what stops translation: nothing at all is created (§2.5, §6.4) ---
    _Row(
        r'failed to retrieve the system default backend service "(?P<backend>[^"]+)"',
        _STOP,
        "ingress",
        "DefaultBackendMissing",
        "GKE's add-on is damaged: kubectl -n kube-system get service default-http-backend. Until it is back, set "
        "spec.defaultBackend of the Ingress.",
    ),
    _Row(
        r'could not find service "(?:(?P<service_namespace>[^/"]+)/)?(?P<service>[^"]+)"',
        _STOP,
        "kubernetes",
        "ServiceMissing",
        "The backend Service must stand in the Ingress's namespace: kubectl -n {namespace} get service {service}",
    ),
    _Row(
        r'could not find port "?(?P<port>[^"]*?)"? in service "?(?:[^/"]+/)?(?P<service>[^" ,;]+)"?',
        _STOP,
        "kubernetes",
        "ServicePortMissing",
        "The Ingress must name a port of the Service (not a targetPort): " + _SERVICE_YAML,
    ),
    _Row(
        r'service "(?:[^/"]+/)?(?P<service>[^"]+)" is type "(?P<type>\w+)", expected "NodePort" or "LoadBalancer"',
        _STOP,
        "kubernetes",
        "NegAnnotationMissing",
        "Turn on container-native load balancing: kubectl -n {namespace} annotate --overwrite service {service} "
        """'cloud.google.com/neg={{"ingress":true}}'""",
    ),
    _Row(
        r'could not parse "service.alpha.kubernetes.io/app-protocols" annotation on service "(?:[^/"]+/)?'
        r'(?P<service>[^"]+)"',
        _STOP,
        "kubernetes",
        "AppProtocolsInvalid",
        # The text names the alpha key even when the annotation without "alpha" is at fault.
        "Its value must be JSON from port name to HTTP, HTTPS or HTTP2: kubectl -n {namespace} annotate --overwrite "
        """service {service} 'cloud.google.com/app-protocols={{"milvus":"HTTP2"}}'""",
    ),
    _Row(
        r'error getting BackendConfig for port "(?P<port>[^"]*)" on service "(?:[^/"]+/)?(?P<service>[^"]+)", err: '
        r"no BackendConfig for service port exists",
        _RETRY,
        "kubernetes",
        "BackendConfigMissing",
        "The annotation of service {service} names a BackendConfig that is not in its namespace: "
        "kubectl -n {namespace} get backendconfig",
        grace_seconds=300,
    ),
    _Row(
        r"no BackendConfig for service port exists",
        _RETRY,
        "kubernetes",
        "BackendConfigMissing",
        "The annotation cloud.google.com/backend-config names one that is not in the Service's namespace: "
        "kubectl -n {namespace} get backendconfig",
        grace_seconds=300,
    ),
    _Row(
        r"BackendConfig annotation is invalid json|no BackendConfig's found in annotation",
        _STOP,
        "kubernetes",
        "BackendConfigAnnotationInvalid",
        """Its value must be JSON such as {{"default":"NAME"}}: kubectl -n {namespace} get services -o """
        r"""jsonpath='{{range .items[*]}}{{.metadata.name}}: {{.metadata.annotations.cloud\.google\.com/"""
        r"""backend-config}}{{"\n"}}{{end}}'""",
    ),
    _Row(
        r"BackendConfig (?:[^/ ]+/)?(?P<config>\S+) is not valid",
        _STOP,
        "kubernetes",
        "BackendConfigInvalid",
        "Mend it: kubectl -n {namespace} edit backendconfig {config}",
    ),
    _Row(
        r'Protocol "?(?P<protocol>[^" ]*)"? is not valid, must be one of',
        _STOP,
        "kubernetes",
        "HealthCheckTypeInvalid",
        "Set spec.healthCheck.type of the BackendConfig to HTTP, which port 9091 speaks: "
        "kubectl -n {namespace} get backendconfig -o yaml",
    ),
    _Row(
        r"failed to validate prefix path|due to (?:invalid wildcard|empty path)|unsupported path type",
        _STOP,
        "ingress",
        "PathInvalid",
        "Use path / with pathType Prefix: kubectl -n {namespace} get ingress {name} -o yaml",
    ),
    # --- certificates on the Ingress ---
    _Row(
        r'secrets? "(?P<secret>[^"]+)" not found|Could not find TLS certificate',
        _STOP,
        "certificate",
        "TlsSecretMissing",
        "The Secrets that spec.tls names must stand in this namespace: kubectl -n {namespace} get secret {secret}",
    ),
    _Row(
        r'secret "" does not exist',
        _STOP,
        "certificate",
        "TlsSecretUnnamed",
        "An entry of spec.tls has no secretName, which GKE needs: kubectl -n {namespace} get ingress {name} -o yaml",
    ),
    _Row(
        r'secret "(?P<secret>[^"]+)" does not specify (?:cert|private key) as string data',
        _STOP,
        "certificate",
        "TlsSecretIncomplete",
        "It needs the keys tls.crt and tls.key: kubectl -n {namespace} describe secret {secret}",
    ),
    _Row(
        r"the given static IP name (?P<address>\S+) doesn't translate to an existing static IP",
        _STOP,
        "compute",
        "StaticAddressMissing",
        "It must be a global address of the cluster's project: gcloud compute addresses describe {address} --global",
    ),
    _Row(
        r"both global-static-ip and regional-static-ip cannot be specified",
        _STOP,
        "ingress",
        "TwoStaticAddresses",
        "Drop the regional one: kubectl -n {namespace} annotate ingress {name} "
        "kubernetes.io/ingress.regional-static-ip-name-",
    ),
    _Row(
        r"googleapi: Error 404: The resource 'projects/[^']+/global/sslCertificates/(?P<certificate>mcrt-[^']+)' was "
        r"not found",
        _RETRY,
        "certificate",
        "ManagedCertificateNotYetCreated",
        "GKE makes it anew: kubectl -n {namespace} get managedcertificate",
    ),
    _Row(
        r"googleapi: Error 404: The resource 'projects/[^']+/global/sslCertificates/(?P<certificate>[^']+)' was not "
        r"found",
        _STOP,
        "certificate",
        "PreSharedCertificateMissing",
        "Annotation ingress.gcp.kubernetes.io/pre-shared-cert names it; see what there is: "
        "gcloud compute ssl-certificates list --global",
    ),
    _Row(
        r"the (?P<type>\w+) health check configuration on the existing health check (?P<check>\S+) is nil",
        _STOP,
        "compute",
        "HealthCheckEdited",
        "Somebody changed its type by hand. Set it back (gcloud compute health-checks describe {check} --global), or "
        "delete it after detaching, and GKE makes it anew.",
    ),
    _Row(
        r"no FrontendConfig for Ingress exists",
        _RETRY,
        "kubernetes",
        "FrontendConfigMissing",
        "Annotation networking.gke.io/v1beta1.FrontendConfig names one that is not in this namespace: "
        "kubectl -n {namespace} get frontendconfig",
        grace_seconds=300,
    ),
    _Row(
        r"cannot enable HTTPS Redirects with the V1 Ingress naming scheme",
        _STOP,
        "ingress",
        "RedirectNeedsNewIngress",
        "This Ingress is older than redirects; make it anew, or run with http=disabled.",
    ),
    _Row(
        r"ManagedCertificate (?P<certificate_namespace>[^: ]+):(?P<certificate>\S+) missing",
        _RETRY,
        "certificate",
        "ManagedCertificateMissing",
        "Nothing is attached before it exists: kubectl -n {namespace} get managedcertificate {certificate}",
        grace_seconds=300,
    ),
)

_SERVICE_ROWS = (
    _Row(
        r"NEG annotation is invalid",
        _STOP,
        "kubernetes",
        "NegAnnotationInvalid",
        "Its value must be JSON with a boolean: kubectl -n {namespace} annotate --overwrite service {name} "
        """'cloud.google.com/neg={{"ingress":true}}'""",
    ),
    _Row(
        r"",
        _RETRY,
        "compute",
        "NegSyncFailed",
        "GKE tries again by itself. See it: kubectl -n {namespace} get svcneg",
        reasons=("AttachFailed", "DetachFailed", "SyncNetworkEndpointGroupFailed", "RetryFailed"),
    ),
)

_CERTIFICATE_ROWS = (
    _Row(
        r"",
        _STOP,
        "certificate",
        "QuotaExceeded",
        "Delete certificates nobody uses, or raise SSL_CERTIFICATES: gcloud compute ssl-certificates list --global",
        reasons=("TooManyCertificates",),
    ),
)

_POD_ROWS = (
    _Row(
        r"",
        _WAIT,
        "kubernetes",
        "Unschedulable",
        "See what it needs: kubectl -n {namespace} describe pod {name}",
        reasons=("FailedScheduling",),
    ),
    _Row(
        r"manifest unknown|not found|unauthorized|[Dd]enied|InvalidImageName",
        _STOP,
        "kubernetes",
        "ImageUnavailable",
        "Check name, tag and pull secret: kubectl -n {namespace} describe pod {name}",
        reasons=("Failed", "InspectFailed"),
    ),
    _Row(
        r"(?:secret|configmap) \"(?P<object>[^\"]+)\" not found|references non-existent (?:secret|config) key",
        _STOP,
        "kubernetes",
        "VolumeSourceMissing",
        "The Pod mounts something that is not there: kubectl -n {namespace} describe pod {name}",
        reasons=("FailedMount", "Failed"),
    ),
)

# Normal events are progress, but for these.
_NORMAL_ROWS = (
    _Row(
        r"[Ff]irewall change required by .*?:\s*`?(?P<command>gcloud .*?)`?\s*$",
        _WAIT,
        "network",
        "FirewallChangeRequired",
        "Whoever may change the network's firewall must run: {command}",
        reasons=("XPN",),
    ),
    _Row(
        r"",
        _WAIT,
        "network",
        "FirewallChangeRequired",
        "Whoever may change the network's firewall must act: " + _DESCRIBE,
        reasons=("XPN",),
    ),
    _Row(
        r"",
        _WAIT,
        "compute",
        "ReadinessGateTimedOut",
        "The load balancer never called this Pod healthy; a wrong health check stalls every restart by ten minutes: "
        "kubectl -n {namespace} get backendconfig -o yaml",
        reasons=("LoadBalancerNegTimeout",),
    ),
    _Row(
        r"",
        _WAIT,
        "compute",
        "NegDegraded",
        "GKE cannot tell the endpoints exactly: kubectl -n {namespace} describe service {name}",
        reasons=("EnterDegradedMode",),
    ),
)

_NO_TLS_YET = re.compile(r"invalid configuration: both HTTP and HTTPS are disabled")
_NO_TLS_GRACE_SECONDS = 900.0

_ROWS = {
    "Ingress": _INGRESS_ROWS,
    "Service": _SERVICE_ROWS,
    "ManagedCertificate": _CERTIFICATE_ROWS,
    "Pod": _POD_ROWS,
}


def of_event(
    event: Mapping[str, Any], *, google_managed: bool = True, age_seconds: float | None = None
) -> Finding | None:
    """Judge an event of either API (core/v1 or events.k8s.io/v1); None for normal progress.

    Args:
        event: as the API has it, parsed.
        google_managed: whether a Google-managed certificate is awaited; without TLS on the Ingress "both HTTP and
            HTTPS are disabled" is then a step on the way, otherwise it stays so.
        age_seconds: since the caller's last write. What may be only a matter of order (a BackendConfig made a moment
            ago) is permanent after a while; None: never.
    """
    about = event.get("involvedObject") or event.get("regarding") or {}
    reason = str(event.get("reason") or "")
    message = str(event.get("message") or event.get("note") or "")
    names = {
        "kind": str(about.get("kind") or "").lower(),
        "namespace": str(about.get("namespace") or "default"),
        "name": str(about.get("name") or ""),
    }
    kind = str(about.get("kind") or "")
    if event.get("type", "Warning") == "Normal":
        return _by_table(_NORMAL_ROWS, reason, message, names, age_seconds)
    if kind == "Ingress" and _NO_TLS_YET.search(message):
        return _without_tls(message, names, google_managed=google_managed, age_seconds=age_seconds)
    return (
        _by_table(_ROWS.get(kind, ()), reason, message, names, age_seconds, only_texts=True)
        or of_googleapi_text(message)
        or _by_table(_ROWS.get(kind, ()), reason, message, names, age_seconds)
        or Finding(_WAIT, _layer(kind), "UnknownWarning", f"{reason}: {message}", _DESCRIBE.format_map(names))
    )


def _by_table(
    rows: tuple[_Row, ...],
    reason: str,
    message: str,
    names: Mapping[str, str],
    age_seconds: float | None,
    *,
    only_texts: bool = False,
) -> Finding | None:
    """First row that fits; `only_texts` leaves out those that look at the reason alone."""
    for row in rows:
        if only_texts and not row.pattern:
            continue
        found = row.match(reason, message)
        if found is None:
            continue
        over = row.grace_seconds is not None and age_seconds is not None and age_seconds > row.grace_seconds
        said = {key: value.strip() for key, value in found.groupdict().items() if value}
        mend = row.mend.format_map(_Names(names, said))
        return Finding(_STOP if over else row.outlook, row.layer, row.cause, message, mend)
    return None


class _Names(dict[str, str]):
    """Names for a mend; one the text did not give is written as a placeholder."""

    def __init__(self, *sources: Mapping[str, str]) -> None:
        super().__init__()
        for source in sources:
            self.update(source)

    def __missing__(self, key: str) -> str:
        return key.upper()


def _without_tls(message: str, names: Mapping[str, str], *, google_managed: bool, age_seconds: float | None) -> Finding:
    # kubernetes/ingress-gce#738, #1001: transient until gke-managed-certs has written pre-shared-cert.
    on_its_way = google_managed and (age_seconds is None or age_seconds <= _NO_TLS_GRACE_SECONDS)
    mend = (
        "The certificate's name is not on the Ingress yet: kubectl -n {namespace} get managedcertificate"
        if google_managed
        else "Give the Ingress a certificate, or allow HTTP: kubectl -n {namespace} get ingress {name} -o yaml"
    )
    outlook = _RETRY if on_its_way else _STOP
    return Finding(outlook, "certificate", "NoCertificateAttached", message, mend.format_map(names))


def _layer(kind: str) -> str:
    return {"Ingress": "ingress", "ManagedCertificate": "certificate", "Pod": "milvus"}.get(kind, "kubernetes")
