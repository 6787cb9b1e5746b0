"""Errors of the Compute API: synchronous reasons (quotaExceeded) and operation codes (QUOTA_EXCEEDED) alike.

403 is permission, quota and rate in one, so the reason decides and the HTTP status only when there is none
(gke.md §9.4). Texts: compute errors catalogue, operations-quota page.
"""

import re
from dataclasses import dataclass

from tasks.core.diagnosis.finding import Finding, Outlook

_GOOGLEAPI = re.compile(
    r"googleapi: (?:got HTTP response code|Error) (?P<status>\d{3})(?:: (?:(?P<code>[A-Z][A-Z0-9_]{3,}) - )?"
    r"(?P<message>.*))?",
    re.DOTALL,
)
_OPERATION = re.compile(r"\((?P<status>\d{3})\), errors: \((?P<code>[A-Z][A-Z0-9_]+): (?P<message>.*?)\)", re.DOTALL)
_QUOTA = re.compile(r"[Qq]uota '(?P<metric>[\w.:/-]+)' exceeded")
_PERMISSION = re.compile(r"Required '(?P<permission>[\w.]+)' permission(?: for '(?:projects/)?(?P<project>[\w.:-]+))?")
_PROJECT = re.compile(r"\bprojects/(?P<project>[\w.:-]+)")
_MISSING_PROJECT = re.compile(r"The resource 'projects/[^/']+' was not found")
_IN_USE_ADDRESS = re.compile(r"IPAddress.* being used by|IP address is in[- ]use", re.DOTALL)


@dataclass(frozen=True)
class _Row:
    """One reason with its spellings, folded as `_folded` does."""

    outlook: Outlook
    cause: str
    reasons: tuple[str, ...]
    mend: str


_ROWS = (
    _Row(
        Outlook.STOP,
        "QuotaExceeded",
        ("quotaexceeded",),
        "Free or raise the quota {metric}: gcloud compute project-info describe{project_flag} --flatten='quotas[]' "
        "--format='table(quotas.metric,quotas.limit,quotas.usage)' and "
        "https://console.cloud.google.com/iam-admin/quotas{project_query}",
    ),
    _Row(
        Outlook.RETRY,
        "RateLimited",
        (
            "ratelimitexceeded",
            "userratelimitexceeded",
            "concurrentoperationsquotaexceeded",
            "resourceoperationrateexceeded",
        ),
        "Run again in some minutes; who uses the rate up: https://console.cloud.google.com/apis/api/"
        "compute.googleapis.com/quotas{project_query}",
    ),
    _Row(
        Outlook.STOP,
        "ApiDisabled",
        ("accessnotconfigured", "servicedisabled"),
        "Enable it: gcloud services enable compute.googleapis.com{project_flag}",
    ),
    _Row(
        Outlook.STOP,
        "PermissionDenied",
        ("forbidden", "insufficientpermissions", "permissiondenied", "permissionserror", "iampermissiondenied"),
        "Grant {permission} to the caller, for example with {role}: "
        "gcloud projects add-iam-policy-binding {project} --member=MEMBER --role={role}",
    ),
    _Row(
        Outlook.STOP,
        "Unauthenticated",
        ("autherror", "unauthorized", "unauthenticated"),
        "Log in again: gcloud auth application-default login",
    ),
    _Row(Outlook.RETRY, "ResourceNotReady", ("resourcenotready",), "It is still being made: run again."),
    _Row(
        Outlook.RETRY,
        "ResourceInUse",
        ("resourceinusebyanotherresource", "resourceinuse"),
        "Delete or change what uses it first; the message names it.",
    ),
    _Row(
        Outlook.RETRY,
        "ChangedMeanwhile",
        ("conditionnotmet",),
        "Somebody else changes it, too; see who, then run again: gcloud compute operations list --global{project_flag} "
        "--limit=10 --format='table(user,operationType,targetLink.basename(),insertTime)'",
    ),
    _Row(Outlook.RETRY, "AlreadyExists", ("alreadyexists", "resourcealreadyexists"), "Read it and adopt it."),
    _Row(
        Outlook.WAIT,
        "NotFound",
        ("notfound", "resourcenotfound"),
        "Check its name and the project{project_in}; a project one may not see answers the same.",
    ),
    _Row(
        Outlook.RETRY,
        "ServerError",
        ("backenderror", "internalerror", "servererror", "serviceunavailable", "unavailable"),
        "It is Google's to mend: see https://status.cloud.google.com, then run again.",
    ),
    _Row(
        Outlook.STOP,
        "InvalidRequest",
        ("invalid", "required", "badrequest", "invalidfieldvalue", "invalidusage", "invalidargument"),
        "The request itself is wrong; mend the value that the message names.",
    ),
)
_BY_REASON = {reason: row for row in _ROWS for reason in row.reasons}
_TRAILING_REASON = re.compile(rf", (?P<reason>{'|'.join(_BY_REASON)})(?![A-Za-z])", re.IGNORECASE)
_BY_CAUSE = {row.cause: row for row in _ROWS}
_BY_STATUS = {400: "InvalidRequest", 404: "NotFound", 409: "AlreadyExists"}
_BY_STATUS |= {412: "ChangedMeanwhile", 429: "RateLimited"}

_ADDRESS_IN_USE = _Row(
    Outlook.STOP,
    "AddressInUse",
    (),
    "One address serves one load balancer. See who has it: gcloud compute addresses list --global{project_flag} "
    "--format='table(name,address,users)'; free it, or name another address.",
)
_NO_PROJECT = _Row(
    Outlook.STOP,
    "ProjectNotFound",
    (),
    "There is none, or it is not shown to us; give another as project: gcloud projects describe {project}; gcloud "
    "projects list",
)
_UNKNOWN = _Row(
    Outlook.WAIT,
    "UnknownComputeError",
    (),
    "See what failed: gcloud compute operations list --global{project_flag} --filter='error.errors:*' --limit=5",
)


def of_compute_error(http_status: int, reason_or_code: str, message: str) -> Finding:
    """Judge an error of a Compute call or operation.

    Args:
        http_status: of the answer, or `httpErrorStatusCode` of the operation; 0 when unknown.
        reason_or_code: `errors[0].reason` or `error.errors[0].code`; "" when there is none.
        message: the text that came with it; metric, permission and project are read from it.
    """
    row = _row(http_status, reason_or_code, message)
    said = f"{message.strip().rstrip('.')}" or "no message"
    tail = f" ({http_status} {reason_or_code})".replace("(0 ", "(").replace(" )", ")") if reason_or_code else ""
    return Finding(row.outlook, "compute", row.cause, f"{said}{tail}", row.mend.format_map(_names(message)))


def of_googleapi_text(text: str) -> Finding | None:
    """Judge the first Compute error that a controller's message quotes; None when it quotes none.

    Both spellings of ingress-gce (`googleapi: Error 403: …, quotaExceeded`, `googleapi: Error 403: CODE - …`) and the
    one of gke-managed-certs (`operation NAME DONE. Status: … (403), errors: (CODE: …)`).
    """
    found = _GOOGLEAPI.search(text) or _OPERATION.search(text)
    if found is None:
        return None
    parts = found.groupdict(default="")
    # An operation's error is `CODE - message`; a synchronous one ends in `, reason`, with other errors behind it.
    reason = None if parts["code"] else _TRAILING_REASON.search(parts["message"])
    message = parts["message"][: reason.start()] if reason else parts["message"]
    return of_compute_error(int(parts["status"]), reason["reason"] if reason else parts["code"], message)


def _row(http_status: int, reason: str, message: str) -> _Row:
    if http_status == 401:  # its reason is "required" when there was no token at all
        return _BY_CAUSE["Unauthenticated"]
    row = _BY_REASON.get(_folded(reason))
    if http_status == 404 and _MISSING_PROJECT.search(message):
        return _NO_PROJECT
    if _IN_USE_ADDRESS.search(message):
        return _ADDRESS_IN_USE
    if row is None or (row.cause == "InvalidRequest" and "being used by" in message):
        row = _by_text(message) or row
    if row is None and (http_status >= 500 or http_status == 408):
        return _BY_CAUSE["ServerError"]
    if row is None and http_status in _BY_STATUS:
        return _BY_CAUSE[_BY_STATUS[http_status]]
    return row or _UNKNOWN


def _by_text(message: str) -> _Row | None:
    """Without a reason that we know, the text may still say it (ingress-gce tests "being used by" so, too)."""
    if _QUOTA.search(message):
        return _BY_CAUSE["QuotaExceeded"]
    if _PERMISSION.search(message):
        return _BY_CAUSE["PermissionDenied"]
    if "being used by" in message:
        return _BY_CAUSE["ResourceInUse"]
    return None


def _folded(reason: str) -> str:
    return reason.replace("_", "").lower()


def _names(message: str) -> dict[str, str]:
    """What the mends need, read from the text."""
    quota, permission, project = _QUOTA.search(message), _PERMISSION.search(message), _PROJECT.search(message)
    name = project["project"] if project else ""
    needed = permission["permission"] if permission else ""
    return {
        "metric": quota["metric"] if quota else "that the message names",
        "permission": needed or "the permission that the message names",
        "role": _role(needed),
        "project": name or "PROJECT",
        "project_flag": f" --project={name}" if name else "",
        "project_query": f"?project={name}" if name else "",
        "project_in": f" {name}" if name else "",
    }


def _role(permission: str) -> str:
    if permission.startswith("dns."):
        return "roles/dns.admin"
    reading = permission.endswith((".get", ".list"))
    return "roles/compute.networkViewer" if reading else "roles/compute.loadBalancerAdmin"
