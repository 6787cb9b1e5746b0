"""One Ingress's own part of a load balancer: URL map, proxies, forwarding rules, address.

HTTP first; then, if HTTPS comes too, the rule's address is promoted so that both share it; then HTTPS. An error leaves
standing what was made before it. Source: ingress-gce pkg/loadbalancers (l7.go, l7s.go, url_maps.go, target_proxies.go,
forwarding_rules.go, addresses.go). Different: a redirect URL map is deleted after the proxy has left it, not before.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.compute_client import ComputeClient, GoogleApiError, name_of, resource_path
from sandbox.gke import annotations, url_map
from sandbox.gke.certificates import COLLECTION as CERTIFICATES
from sandbox.gke.certificates import ProxyCertificates, SecretCertificate
from sandbox.gke.namer import ClusterNamer, FrontendNamer, ingress_description
from sandbox.gke.translator import UrlMap

logger = logging.getLogger(__name__)

Json = dict[str, Any]
Report = Callable[[str], None]
"""Told of every resource made, changed or deleted, in the words of an event."""

URL_MAPS = "global/urlMaps"
FORWARDING_RULES = "global/forwardingRules"
ADDRESSES = "global/addresses"
NO_FRONTEND = (
    "invalid configuration: both HTTP and HTTPS are disabled (kubernetes.io/ingress.allow-http is false and there is "
    "no valid TLS configuration); your Ingress will not be able to serve any traffic"
)


class FrontendError(Exception):
    """The Ingress asks for what cannot be; the text is the controller's."""


@dataclass(frozen=True)
class Request:
    """What one sync is to make."""

    ingress: Json
    url_map: UrlMap
    secrets: list[SecretCertificate]
    pre_shared: list[str]
    frontend_config: Json | None

    @property
    def uses_tls(self) -> bool:
        return bool(self.secrets or self.pre_shared)


@dataclass
class Built:
    """What stands after a sync; the annotations of the Ingress tell of it."""

    url_map: Json = field(default_factory=dict)
    redirect_url_map: str = ""
    http_proxy: str = ""
    https_proxy: str = ""
    http_rule: str = ""
    https_rule: str = ""
    certificates: list[str] = field(default_factory=list)
    static_ip: str = ""
    address: str = ""


class Frontend:
    """The load balancer of one Ingress."""

    def __init__(self, compute: ComputeClient, cluster: ClusterNamer, ingress: Json, report: Report) -> None:
        metadata = ingress["metadata"]
        self._compute, self._cluster, self._report = compute, cluster, report
        self._names: FrontendNamer = cluster.frontend(metadata["namespace"], metadata["name"])
        self._description = ingress_description(metadata["namespace"], metadata["name"])
        self._annotations = annotations.of(ingress)
        self._certificates = ProxyCertificates(compute, self._names)

    def ensure(self, request: Request) -> Built:
        """Make everything that the request needs and delete what it no longer needs.

        Raises:
            FrontendError, TlsError, GoogleApiError: at the first step that fails.
        """
        if not self._names.is_valid:
            raise FrontendError(
                f"invalid loadbalancer name {self._names.load_balancer}, the resource name must comply with RFC1035 "
                "(https://www.ietf.org/rfc/rfc1035.txt)"
            )
        try:
            return self._edge_hop(request)
        except Exception as error:
            raise FrontendError(f"loadbalancer {self._names.load_balancer} does not exist: {error}") from error

    def _edge_hop(self, request: Request) -> Built:
        http = annotations.allow_http(request.ingress)
        if not http and not request.uses_tls:
            raise FrontendError(NO_FRONTEND)
        built = Built(url_map=self._ensure_url_map(request.url_map))
        redirect = self._ensure_redirect(request.frontend_config)
        built.redirect_url_map = redirect or ""
        if http:
            built.http_proxy = self._ensure_http_proxy(redirect or self._names.url_map)
            built.http_rule, built.address = self._ensure_rule(request, built, https=False)
        elif self._has("forwarding-rule", "target-proxy"):
            self._delete_http()
        if redirect is None and self._annotations.get(f"{annotations.STATUS_PREFIX}redirect-url-map"):
            self._delete(f"{URL_MAPS}/{self._names.redirect_url_map}")
        if http and request.uses_tls:
            built.static_ip = self._ensure_static_ip(request, built.address)
        if request.uses_tls:
            self._ensure_https(request, built)
        elif self._has("https-forwarding-rule", "https-target-proxy"):
            self._delete_https()
        return built

    def _ensure_https(self, request: Request, built: Built) -> None:
        used: list[str] = []
        try:
            used = built.certificates = self._certificates.ensure(request.pre_shared, request.secrets)
            built.https_proxy = self._ensure_https_proxy(built.certificates, request.frontend_config)
            built.https_rule, address = self._ensure_rule(request, built, https=True)
            built.address = built.address or address
        finally:
            if used:
                self._certificates.delete_unused(used)

    def _has(self, *keys: str) -> bool:
        """Whether the Ingress's annotations say that an earlier sync made such a front end."""
        return any(f"{annotations.STATUS_PREFIX}{key}" in self._annotations for key in keys)

    def _ensure_url_map(self, wanted: UrlMap) -> Json:
        name = self._names.url_map
        resource = url_map.to_compute(wanted, name, self._cluster)
        current = self._compute.find(f"{URL_MAPS}/{name}")
        if current is None:
            try:
                self._compute.insert(URL_MAPS, resource)
            except GoogleApiError as error:
                raise FrontendError(f"CreateUrlMap: {error}") from error
            self._report(f'UrlMap "{name}" created')
        elif not url_map.equal(current, resource):
            try:
                self._compute.update(f"{URL_MAPS}/{name}", resource | {"fingerprint": current.get("fingerprint")})
            except GoogleApiError as error:
                raise FrontendError(f"UpdateURLMap: {error}") from error
            self._report(f'UrlMap "{name}" updated')
        return resource

    def _ensure_redirect(self, frontend_config: Json | None) -> str | None:
        """Name of the URL map that redirects to HTTPS, if the FrontendConfig wants it."""
        name = self._names.redirect_url_map
        wanted = url_map.redirect(name, frontend_config)
        if wanted is None:
            return None
        try:
            current = self._compute.find(f"{URL_MAPS}/{name}")
            if current is None:
                self._compute.insert(URL_MAPS, wanted)
            elif not url_map.redirects_equal(current, wanted):
                self._compute.update(f"{URL_MAPS}/{name}", wanted | {"fingerprint": current.get("fingerprint")})
        except GoogleApiError as error:
            raise FrontendError(f"ensureRedirectUrlMap() = {error}") from error
        return name

    def _ensure_http_proxy(self, map_name: str) -> str:
        name = self._names.target_proxy(https=False)
        link = f"{URL_MAPS}/{map_name}"
        current = self._compute.find(f"global/targetHttpProxies/{name}")
        if current is None:
            body = {"name": name, "urlMap": link, "description": self._description}
            self._compute.insert("global/targetHttpProxies", body)
            self._report(f'TargetProxy "{name}" created')
        elif resource_path(current["urlMap"]) != link:
            self._compute.call(f"targetHttpProxies/{name}/setUrlMap", {"urlMap": self._link(link)})
            self._report(f'TargetProxy "{name}" updated')
        return name

    def _ensure_https_proxy(self, certificates: list[str], frontend_config: Json | None) -> str:
        name = self._names.target_proxy(https=True)
        link = f"{URL_MAPS}/{self._names.url_map}"
        certificate_links = [self._link(f"{CERTIFICATES}/{each}") for each in certificates]
        policy = _ssl_policy(frontend_config)
        current = self._compute.find(f"global/targetHttpsProxies/{name}")
        if current is None:
            body = {
                "name": name,
                "urlMap": link,
                "description": self._description,
                "sslCertificates": certificate_links,
            }
            if policy:
                body["sslPolicy"] = self._link(f"global/sslPolicies/{policy}")
            self._compute.insert("global/targetHttpsProxies", body)
            self._report(f'TargetProxy "{name}" created')
            return name
        if resource_path(current["urlMap"]) != link:
            self._compute.call(f"targetHttpsProxies/{name}/setUrlMap", {"urlMap": self._link(link)})
            self._report(f'TargetProxy "{name}" updated')
        if {name_of(each) for each in current.get("sslCertificates") or []} != set(certificates):
            # Only the set counts: another order alone is not applied.
            self._compute.call(f"targetHttpsProxies/{name}/setSslCertificates", {"sslCertificates": certificate_links})
            self._report(f'TargetProxy "{name}" certs updated')
        self._ensure_ssl_policy(current, policy)
        return name

    def _ensure_ssl_policy(self, proxy: Json, policy: str | None) -> None:
        """None leaves the policy alone, an empty name removes it."""
        if policy is None or policy == name_of(proxy.get("sslPolicy") or ""):
            return
        body = {"sslPolicy": self._link(f"global/sslPolicies/{policy}")} if policy else {}
        self._compute.call(f"global/targetHttpsProxies/{proxy['name']}/setSslPolicy", body)

    def _ensure_rule(self, request: Request, built: Built, *, https: bool) -> tuple[str, str]:
        """The forwarding rule's name and address."""
        name = self._names.forwarding_rule(https=https)
        wanted_ip = self._effective_address(request.ingress) or (built.address if built.static_ip else "")
        proxies = "targetHttpsProxies" if https else "targetHttpProxies"
        proxy = self._link(f"global/{proxies}/{self._names.target_proxy(https=https)}")
        path = f"{FORWARDING_RULES}/{name}"
        current = self._compute.find(path)
        if current is not None and wanted_ip and current["IPAddress"] != wanted_ip:
            self._delete(path)
            self._report(f'ForwardingRule "{name}" deleted')
            current = None
        if current is None:
            wanted_ip = wanted_ip or self._promoted_address()
            body = {
                "name": name,
                "target": proxy,
                "portRange": "443-443" if https else "80-80",
                "IPProtocol": "TCP",
                "description": self._description,
            }
            self._compute.insert(FORWARDING_RULES, body | ({"IPAddress": wanted_ip} if wanted_ip else {}))
            self._report(f'ForwardingRule "{name}" created')
            current = self._compute.get(path)
        elif resource_path(current["target"]) != resource_path(proxy):
            self._compute.call(f"{path}/setTarget", {"target": proxy})
        return name, str(current["IPAddress"])

    def _effective_address(self, ingress: Json) -> str:
        """The address that the user names; empty if none is named."""
        name = static_ip_name(ingress)
        if not name:
            return ""
        try:
            return str(self._compute.get(f"{ADDRESSES}/{name}")["address"])
        except GoogleApiError as error:
            raise FrontendError(
                f"the given static IP name {name} doesn't translate to an existing static IP."
            ) from error

    def _promoted_address(self) -> str:
        """The address promoted by an earlier sync, so that a rule made anew gets it back."""
        name = self._names.forwarding_rule(https=False)
        if self._annotations.get(f"{annotations.STATUS_PREFIX}static-ip") != name:
            return ""
        address = self._compute.find(f"{ADDRESSES}/{name}")
        return str(address["address"]) if address else ""

    def _ensure_static_ip(self, request: Request, address: str) -> str:
        """Reserve the HTTP rule's address under the rule's name; empty if the user names an address."""
        name = self._names.forwarding_rule(https=False)
        if static_ip_name(request.ingress):
            if self._annotations.get(f"{annotations.STATUS_PREFIX}static-ip") == name:
                self._delete(f"{ADDRESSES}/{name}")
            return ""
        if self._compute.find(f"{ADDRESSES}/{name}") is None:
            try:
                self._compute.insert(ADDRESSES, {"name": name, "address": address})
            except GoogleApiError as error:
                if error.code not in (400, 409):
                    raise
                logger.info("address %s is already reserved, assuming it is OK to use: %s", address, error)
                return ""
        return name

    def delete(self) -> None:
        """Delete all of it, front to back; what is gone already is no error.

        Raises:
            GoogleApiError: something could not be deleted.
        """
        if not self._names.is_valid:
            return
        self._delete_http()
        self._delete(f"{ADDRESSES}/{self._names.forwarding_rule(https=False)}")
        self._delete_https()
        self._delete(f"{URL_MAPS}/{self._names.url_map}")
        self._delete(f"{URL_MAPS}/{self._names.redirect_url_map}")

    def _delete_http(self) -> None:
        self._delete(f"{FORWARDING_RULES}/{self._names.forwarding_rule(https=False)}")
        self._delete(f"global/targetHttpProxies/{self._names.target_proxy(https=False)}")

    def _delete_https(self) -> None:
        self._delete(f"{FORWARDING_RULES}/{self._names.forwarding_rule(https=True)}")
        self._delete(f"global/targetHttpsProxies/{self._names.target_proxy(https=True)}")
        for certificate in self._certificates.own():
            self._delete(f"{CERTIFICATES}/{certificate['name']}")

    def _delete(self, path: str) -> None:
        try:
            self._compute.delete(path)
        except GoogleApiError as error:
            if error.code != 404:
                raise

    def _link(self, path: str) -> str:
        return f"projects/{self._compute.project}/{path}"


def static_ip_name(ingress: Json) -> str:
    """The reserved address that an Ingress names.

    Raises:
        FrontendError: both a global and a regional one.
    """
    values = annotations.of(ingress)
    world, region = values.get(annotations.GLOBAL_STATIC_IP, ""), values.get(annotations.REGIONAL_STATIC_IP, "")
    if world and region:
        raise FrontendError("Error: both global-static-ip and regional-static-ip cannot be specified")
    return region or world


def _ssl_policy(frontend_config: Json | None) -> str | None:
    policy: str | None = ((frontend_config or {}).get("spec") or {}).get("sslPolicy")
    return policy
