"""What a user asks for: one flat, frozen model, validated before the first call.

It is the single source of the flow's parameters: their names, types, defaults and texts reach the Prefect form, the
API, the command line's `--set` and the report from here. Secrets are never values: a password or key is named.
"""

import ipaddress
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from tasks.core import names
from tasks.core.errors import ConfigurationError


class CertificateMode(StrEnum):
    """Who makes the certificate that clients see."""

    SELF_MANAGED = "self-managed"
    """This project makes a key and a self-signed certificate, straight into a Secret."""
    GOOGLE_MANAGED = "google-managed"
    """Google issues and renews it; needs a DNS record that points at the load balancer."""
    EXISTING_SECRET = "existing-secret"  # noqa: S105  # a mode, not a secret
    """A kubernetes.io/tls Secret that is there already."""


class HttpMode(StrEnum):
    """What port 80 does."""

    REDIRECT = "redirect"
    DISABLED = "disabled"


class SecurityPolicyAction(StrEnum):
    """What to do with the Cloud Armor policy of the backend service; leaving a field out does not remove it."""

    KEEP = "keep"
    SET = "set"
    REMOVE = "remove"


class WhenBusy(StrEnum):
    """What a run does that finds another one at work on its release."""

    WAIT = "wait"
    FAIL = "fail"


class ReleaseManager(StrEnum):
    """Who writes the Milvus release."""

    AUTO = "auto"
    HELM = "helm"
    MANIFEST = "manifest"


_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_COMPUTE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
# gke-managed-certs deploy/managedcertificates-crd.yaml: labels, then a last label that starts with a letter.
_DOMAIN = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z][-a-z0-9]*[a-z0-9]")
_IPV4 = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")
_PROJECT = re.compile(r"([a-z][-a-z0-9.]*:)?[a-z][-a-z0-9]{4,28}[a-z0-9]")


def _domain(value: str) -> str:
    if not value:
        raise ValueError("is missing: give the name clients will use, such as milvus.example.com")
    if value.startswith("*."):
        raise ValueError("is a wildcard: name every domain, neither a Google-managed certificate nor SNI takes this")
    if value != value.lower():
        raise ValueError(f"has upper-case letters: write {value.lower()}")
    if value.endswith("."):
        raise ValueError(f"ends with a dot: write {value.rstrip('.')}")
    try:
        ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        raise ValueError("is an IP address: a certificate and a host rule need a domain name")
    if len(value) > 253 or any(len(label) > 63 for label in value.split(".")):
        raise ValueError("is longer than DNS allows: 63 characters a label, 253 in all")
    if not _DOMAIN.fullmatch(value):
        raise ValueError("is no domain name: labels of a-z, 0-9 and '-', at least two, the last starts with a letter")
    return value


def _label(value: str) -> str:
    if value and not _LABEL.fullmatch(value):
        raise ValueError("is no Kubernetes name: a-z, 0-9 and '-', 63 characters at most, starting with a-z or 0-9")
    return value


def _release(value: str) -> str:
    if not value or len(value) > 53 or not _LABEL.fullmatch(value):
        raise ValueError("is no Helm release name: a-z, 0-9 and '-', 53 characters at most")
    return value


def _compute_name(value: str) -> str:
    if value and not _COMPUTE_NAME.fullmatch(value):
        raise ValueError("is no Compute name: a-z, 0-9 and '-', 63 characters at most, starting with a letter")
    return value


def _callback_url(value: str) -> str:
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no URL: write https://tickets.example.com/outcomes")
    if parts.username or parts.password:
        raise ValueError("has a user or password in it, and parameters are stored in plain text: take it out")
    return value


def _project(value: str) -> str:
    if value and not _PROJECT.fullmatch(value):
        raise ValueError("is no project ID: 6 to 30 characters, a-z, 0-9 and '-', starting with a letter")
    return value


def _source(value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("is no IP address: give one of the machine that runs the flow, such as 198.51.100.7") from None
    if address.version == 6:
        raise ValueError("is an IPv6 address, and the load balancer has none: give an IPv4 address of the machine")
    if address.is_unspecified or address.is_multicast:
        raise ValueError("is no address that a call can come from: give one of the machine that runs the flow")
    return value


def separated(value: Any) -> Any:
    """Accept `a,b` for a list, as `--set` and a form's text field give it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _shown(pattern: re.Pattern[str], longest: int, *, optional: bool = True) -> FieldInfo:
    """What a validator checks, for a reader of the JSON schema: Prefect refuses a wrong value before a run is made."""
    text = f"^({pattern.pattern})?$" if optional else f"^{pattern.pattern}$"
    info: FieldInfo = Field(json_schema_extra={"pattern": text, "maxLength": longest})
    return info


Domain = Annotated[str, AfterValidator(_domain), _shown(_DOMAIN, 253, optional=False)]
Label = Annotated[str, AfterValidator(_label), _shown(_LABEL, 63)]
Release = Annotated[str, AfterValidator(_release), _shown(_LABEL, 53, optional=False)]
ComputeName = Annotated[str, AfterValidator(_compute_name), _shown(_COMPUTE_NAME, 63)]
Project = Annotated[str, AfterValidator(_project), _shown(_PROJECT, 128)]
Source = Annotated[str, AfterValidator(_source), _shown(_IPV4, 15, optional=False)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]

_TEXT_MAX = 200
_FIELDS_ALONE: dict[str, Any] = {"fields": "alone"}


class LoadBalancerConfig(BaseModel):
    """A Milvus release behind a global external Layer-7 load balancer, as one user wants it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    # --- what is published -------------------------------------------------------------------------------------
    domain: Domain = Field(title="Domain", examples=["milvus.example.com"])
    """Name clients dial, lower case; it becomes the host rule and stands in the certificate."""

    release: Release = Field(default="my-release", title="Milvus release")
    """Helm release of Milvus; the names of everything made are derived from it, as in the published guide."""

    namespace: Label = Field(default="default", title="Namespace", min_length=1)
    """Kubernetes namespace of the release; Ingress, Secret and configs are made in it too."""

    certificate_mode: CertificateMode = Field(default=CertificateMode.SELF_MANAGED, title="Certificate")
    """Who makes the certificate: self-managed (made here, into a Secret), google-managed, or existing-secret."""

    additional_domains: tuple[Domain, ...] = Field(default=(), title="Additional domains", max_length=99)
    """Further names for the same Milvus: more host rules, more names in the certificate."""

    certificate_validity_days: int = Field(default=365, ge=1, le=825, title="Certificate lifetime (days)")
    """Lifetime of a certificate made here, in days. Beyond 825 several TLS libraries refuse it."""

    certificate_secret: Label = Field(default="", title="TLS Secret")
    """Name of the kubernetes.io/tls Secret; required for existing-secret. Empty: the release's name and -milvus-tls."""

    # --- where ---------------------------------------------------------------------------------------------------
    project: Project = Field(default="", title="Google Cloud project")
    """Project ID of the cluster and the load balancer. Empty: MILVUS_L7_PROJECT, else that of the credentials."""

    kube_context: str = Field(default="", title="Kubernetes context", max_length=253)
    """Context of the kubeconfig. Empty: its current context, or the service account inside a cluster."""

    gke_cluster: ComputeName = Field(default="", title="GKE cluster")
    """Cluster name to look up with Application Default Credentials instead of a kubeconfig; needs the location."""

    gke_location: str = Field(default="", title="GKE location", pattern=r"^([a-z]+-[a-z]+\d+(-[a-z])?)?$")
    """Region or zone of the GKE cluster, such as europe-west1 or europe-west1-b."""

    # --- the load balancer -----------------------------------------------------------------------------------------
    address_name: ComputeName = Field(default="", title="Static address")
    """Name of the global static address, reserved if missing.

    Empty: the one the load balancer has, else the release's name and -milvus."""

    dns_managed_zone: ComputeName = Field(default="", title="Cloud DNS zone")
    """Managed zone to write the A record into. Empty: DNS is only checked, and the record to create is shown."""

    dns_project: Project = Field(default="", title="Cloud DNS project")
    """Project of the managed zone. Empty: the project above."""

    dns_ttl_seconds: int = Field(default=300, ge=1, le=86_400, title="DNS record TTL (s)")
    """Time to live of the A record this project writes, in seconds."""

    backend_timeout_seconds: int = Field(default=3600, ge=1, le=86_400, title="Backend timeout (s)")
    """Longest duration of one call through the load balancer, in seconds.

    Google's default of 30 s cuts long searches and streams; beyond one day gcpdiag warns (lb/BP/2025_002)."""

    draining_seconds: int = Field(default=60, ge=0, le=3600, title="Connection draining (s)")
    """How long calls in flight may finish when a Milvus pod leaves, in seconds."""

    log_sample_rate: float = Field(default=1.0, ge=0, le=1, title="Share of calls logged")
    """Share of the calls that the load balancer logs to Cloud Logging, 0 (none) to 1 (all, as GKE does by default)."""

    http: HttpMode = Field(default=HttpMode.REDIRECT, title="Port 80")
    """What plain HTTP does: redirect to HTTPS, or disabled."""

    ssl_policy: ComputeName = Field(default="", title="SSL policy")
    """Name of a global SSL policy. Empty: the load balancer's policy is left as it is."""

    security_policy: SecurityPolicyAction = Field(default=SecurityPolicyAction.KEEP, title="Cloud Armor policy")
    """keep what is set, set the policy named below, or remove any policy."""

    security_policy_name: ComputeName = Field(default="", title="Cloud Armor policy name")
    """Name of the Cloud Armor policy; given exactly when the action is set."""

    refused_sources: tuple[Source, ...] = Field(default=(), title="Addresses that must be refused", max_length=16)
    """IPv4 addresses of the machine that runs the flow, from which the load balancer must refuse.

    A call from each shows whether the Cloud Armor policy is in force. Empty: only its name and rules are looked at."""

    # --- Milvus ----------------------------------------------------------------------------------------------------
    release_manager: ReleaseManager = Field(default=ReleaseManager.AUTO, title="Release manager")
    """Who changes Milvus: helm (an upgrade), manifest (server-side apply), auto (helm if Helm owns the release)."""

    chart: str = Field(default="", title="Chart", max_length=1024)
    """Chart of the upgrade: a folder, an archive, an oci:// reference, or a name in the repository.

    Empty: MILVUS_L7_CHART, else the name of the chart deployed now."""

    chart_repo: str = Field(default="https://zilliztech.github.io/milvus-helm/", title="Chart repository")
    """Helm repository that a chart name is looked up in."""

    chart_version: str = Field(default="", title="Chart version", max_length=64)
    """Version of the chart. Empty: the version deployed now, so that nothing else changes."""

    milvus_credentials_secret: Label = Field(default="", title="Milvus credentials")
    """Name of a Secret in the namespace with keys username and password, for the proof. Empty: no authentication."""

    open_milvus_reason: str = Field(
        default="", title="Why Milvus may be open", max_length=_TEXT_MAX, pattern=r"^[^\x00-\x1f\x7f]*$"
    )
    """Why a Milvus that asks for no password, or takes the default one, may be published all the same; it stands in the
    report. Empty: it is not published."""

    proof_writes: bool = Field(default=True, title="Prove by writing")
    """Create, fill, search and drop a small collection; off: only reading calls, and no long call."""

    long_call_seconds: int = Field(default=35, ge=0, le=3600, title="Long call of the proof (s)")
    """How long one call through the load balancer has to last in the proof, in seconds; 0: no long call.

    Google's default timeout cuts at 30 s."""

    idle_seconds: int = Field(default=35, ge=0, le=3600, title="Idle connection of the proof (s)")
    """How long a connection stays silent in the proof before it is used again, in seconds; 0: none does."""

    # --- deadlines -------------------------------------------------------------------------------------------------
    rollout_timeout_seconds: Seconds = Field(default=900, title="Rollout deadline (s)")
    """Milvus ready again after a change, in seconds."""

    address_timeout_seconds: Seconds = Field(default=1200, title="Address deadline (s)")
    """Ingress to address, in seconds; a minute or two is usual, 20 is long."""

    backends_timeout_seconds: Seconds = Field(default=900, title="Backend health deadline (s)")
    """Address to healthy backends, in seconds; 5 to 8 minutes are usual."""

    certificate_timeout_seconds: Seconds = Field(default=5400, title="Certificate deadline (s)")
    """Google-managed certificate to ACTIVE, in seconds; Google says up to 60 minutes once DNS is right."""

    proof_timeout_seconds: Seconds = Field(default=1200, title="Proof deadline (s)")
    """First proof that holds, in seconds; front ends are programmed minutes after the address appears."""

    # --- the run -----------------------------------------------------------------------------------------------------
    when_busy: WhenBusy = Field(default=WhenBusy.WAIT, title="When another run is at work")
    """wait for the other run on this release to end, or fail at once and say who it is."""

    turn_timeout_seconds: Seconds = Field(default=3600, title="Deadline for our turn (s)")
    """How long to wait for another run on this release, in seconds."""

    ticket: str = Field(default="", title="Ticket", max_length=_TEXT_MAX, pattern=r"^[\w .:/#@-]*$")
    """Reference of the request, repeated in the report."""

    callback_url: Annotated[str, AfterValidator(_callback_url)] = Field(
        default="", title="Callback URL", max_length=1024, json_schema_extra={"pattern": r"^(https?://[^/@]+(/.*)?)?$"}
    )
    """URL that is sent the outcome as JSON when the run ends. Empty: nobody is told."""

    _one_or_more = field_validator("additional_domains", "refused_sources", mode="before")(separated)

    @model_validator(mode="after")
    def _agree(self, info: ValidationInfo) -> Self:
        faults = [] if info.context is _FIELDS_ALONE else [text for _, text in self.disagreements()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def domains(self) -> tuple[str, ...]:
        """Every domain, the main one first, none twice."""
        return tuple(dict.fromkeys((self.domain, *self.additional_domains)))

    @property
    def address(self) -> str:
        """Name of the global static address."""
        return self.address_name or names.address(self.release)

    @property
    def tls_secret(self) -> str:
        """Name of the TLS Secret the Ingress refers to, in either mode that has one."""
        return self.certificate_secret or names.certificate(self.release)

    @property
    def proves(self) -> bool:
        """Whether the run asked for ends in the proof."""
        return True

    @classmethod
    def parse(cls, parameters: dict[str, Any]) -> Self:
        """Validate, and report every fault at once.

        Raises:
            ConfigurationError: with one part per fault, none of them quoting a value of an unknown key.
        """
        try:
            return cls.model_validate(parameters)
        except ValidationError as error:
            details = error.errors(include_url=False)
            faults = [_fault(detail, cls) for detail in details]
            if wrong := {str(detail["loc"][0]) for detail in details if detail["loc"]}:
                # pydantic compares fields only when each is right by itself; the right ones are compared here.
                faults += cls._disagreements_but_for(parameters, wrong)
        raise ConfigurationError(
            resource="configuration",
            observed="; ".join(faults),
            mend="Nothing was touched. Mend the configuration and run again.",
        )

    @classmethod
    def _disagreements_but_for(cls, parameters: dict[str, Any], wrong: set[str]) -> list[str]:
        """Faults between the fields that are right by themselves."""
        right = {key: value for key, value in parameters.items() if key in cls.model_fields and key not in wrong}
        stand_in = {"domain": "stand-in.example.com"} if "domain" in wrong else {}
        config = cls.model_validate(right | stand_in, context=_FIELDS_ALONE)
        return [text for fields, text in config.disagreements() if not fields & wrong]

    def disagreements(self) -> Iterator[tuple[set[str], str]]:
        """Faults between fields that are right by themselves: the names of the fields, and the text."""
        if bool(self.gke_cluster) != bool(self.gke_location):
            yield {"gke_cluster", "gke_location"}, "gke_cluster and gke_location: give both or neither"
        if self.gke_cluster and self.kube_context:
            yield {"gke_cluster", "kube_context"}, "gke_cluster and kube_context: give one way to reach the cluster"
        if (self.security_policy is SecurityPolicyAction.SET) != bool(self.security_policy_name):
            fields = {"security_policy", "security_policy_name"}
            yield fields, "security_policy_name: is given exactly when security_policy is set"
        if self.security_policy is SecurityPolicyAction.REMOVE and self.refused_sources:
            fields = {"security_policy", "refused_sources"}
            yield fields, "refused_sources: nobody is refused once security_policy remove has taken the policy away"
        if self.certificate_mode is CertificateMode.EXISTING_SECRET and not self.certificate_secret:
            fields = {"certificate_mode", "certificate_secret"}
            yield fields, "certificate_secret: name the Secret to use with certificate_mode existing-secret"
        if self.certificate_mode is CertificateMode.GOOGLE_MANAGED:
            # gke-managed-certs deploy/managedcertificates-crd.yaml: maxLength 63 over the whole domain.
            for field, domains in (("domain", (self.domain,)), ("additional_domains", self.additional_domains)):
                for domain in domains:
                    if len(domain) > 63:
                        text = f"has {len(domain)} characters, a Google-managed certificate takes 63 at most"
                        yield {"certificate_mode", field}, f"{field} {domain}: {text}"


def _fault(detail: Any, model: type[BaseModel]) -> str:
    field = ".".join(str(part) for part in detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            return f"{field}: unknown key{_suggestion(field, model)}"
        case "missing":
            return f"{field}: is missing"
        case "value_error":
            text = str(detail["ctx"]["error"])
        case _:
            text = detail["msg"]
    value = detail.get("input")
    # What stands where a Secret's name belongs may be the secret itself, and a URL may have a password in it.
    shown = isinstance(value, str | int | float) and not field.endswith(("_secret", "_url"))
    seen = f" {_cut(repr(value))}" if field and shown else ""
    return f"{field}{seen}: {text}" if field else text


def _cut(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _suggestion(key: str, model: type[BaseModel]) -> str:
    import difflib

    close = difflib.get_close_matches(key, model.model_fields, n=1)
    return f", did you mean {close[0]}?" if close else ""
