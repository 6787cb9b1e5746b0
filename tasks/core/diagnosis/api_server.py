"""Refusals of the Kubernetes API server: 403 is RBAC, admission, quota and a namespace on its way out in one.

So the text decides, as there is no other field that does. Texts: k8s.io/apiserver pkg/admission (webhook, lifecycle,
resourcequota, validating policies) and pkg/endpoints/handlers/responsewriters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.core.diagnosis.finding import Finding, Outlook

ACCESS_REFUSED = "AccessRefused"
"""The cause of a verb that RBAC does not grant us."""


@dataclass(frozen=True)
class _Row:
    pattern: str
    outlook: Outlook
    cause: str
    mend: str


_WEBHOOKS = "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"

_ROWS = (
    _Row(
        r"in namespace (?P<namespace>[\w.-]+) because it is being terminated",
        Outlook.STOP,
        "NamespaceTerminating",
        "Wait until it is gone and make it anew, or name another; see what holds it: kubectl get namespace {namespace} "
        "-o jsonpath='{{.status.conditions}}'; kubectl -n {namespace} get ingress,svcneg",
    ),
    _Row(
        r'namespaces "(?P<namespace>[^"]+)" not found',
        Outlook.STOP,
        "NamespaceMissing",
        "Make it, or name another: kubectl create namespace {namespace}",
    ),
    _Row(
        r'failed calling webhook "(?P<webhook>[^"]+)"',
        Outlook.RETRY,
        "WebhookUnreachable",
        f"The API server asks {{webhook}} before every write, and it does not answer; see what serves it: {_WEBHOOKS} "
        "-o yaml",
    ),
    _Row(
        r'admission webhook "(?P<webhook>[^"]+)" denied the request',
        Outlook.STOP,
        "AdmissionDenied",
        f"A rule of the cluster's owners forbids it; ask them, or see whose {{webhook}} is: {_WEBHOOKS}",
    ),
    _Row(
        r"ValidatingAdmissionPolicy '(?P<policy>[^']+)'.* denied request",
        Outlook.STOP,
        "AdmissionDenied",
        "A rule of the cluster's owners forbids it; read it: kubectl get validatingadmissionpolicy {policy} -o yaml",
    ),
    _Row(
        r"exceeded quota: (?P<quota>[\w.-]+)",
        Outlook.STOP,
        "ResourceQuotaExceeded",
        "Free or raise it: kubectl get resourcequota --all-namespaces --field-selector metadata.name={quota}",
    ),
)


def of_refusal(http_status: int, body: Mapping[str, Any]) -> Finding:
    """Judge an answer that is no success; one with RBAC's refusal has the cause `ACCESS_REFUSED`.

    Args:
        http_status: of the answer.
        body: its Status object, parsed; may be empty.
    """
    message = str(body.get("message") or f"HTTP {http_status}")[:600]
    for row in _ROWS:
        if found := re.search(row.pattern, message, re.DOTALL):
            return Finding(row.outlook, "kubernetes", row.cause, message, row.mend.format_map(found.groupdict()))
    if http_status == 403:
        mend = "Ask for a Role with this verb; see: kubectl auth can-i --list"
        return Finding(Outlook.STOP, "kubernetes", ACCESS_REFUSED, message, mend)
    if http_status == 409:
        seen = f"was written by somebody else at the same moment ({message})"
        return Finding(Outlook.RETRY, "kubernetes", "Unreachable", seen, "Run again.")
    # An apply whose fields do not fit the schema is answered with 500, and would be for ever.
    if http_status == 429 or (http_status >= 500 and "typed patch object" not in message):
        seen = f"the API server answered {http_status} ({message})"
        mend = "It may pass by itself; run again. See how it is: kubectl get --raw='/readyz?verbose'"
        return Finding(Outlook.RETRY, "network", "Unreachable", seen, mend)
    mend = "The API server refuses the object; the message names the field."
    return Finding(Outlook.STOP, "kubernetes", "ResourceFailed", message, mend)
