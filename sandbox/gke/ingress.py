"""The Ingress controller: from an Ingress to a load balancer, and back.

Source: ingress-gce pkg/controller/controller.go, pkg/sync/sync.go, pkg/firewalls/controller.go. Simpler: the firewall
rule is kept by the same worker; internal (gce-internal) load balancers are not built, an event says so.
"""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from sandbox.compute_client import ComputeClient, GoogleApiError
from sandbox.faults import Faults
from sandbox.gke import annotations, certificates, finalizer, url_map
from sandbox.gke.backends import BackendError, Backends
from sandbox.gke.certificates import TlsError
from sandbox.gke.cluster import INGRESSES, ClusterView
from sandbox.gke.events import Component, Recorder
from sandbox.gke.firewall import NODE_PORTS, Firewall, SharedVpc
from sandbox.gke.frontends import Built, Frontend, FrontendError, Request
from sandbox.gke.health_checks import HealthCheckConflict, simple_probe
from sandbox.gke.namer import ClusterNamer, compact
from sandbox.gke.resync import Resync
from sandbox.gke.translator import ServicePort, UrlMap, translate
from sandbox.kube_client import KubeError, key_of
from sandbox.kube_paths import path_of
from sandbox.workqueue import WorkQueue

logger = logging.getLogger(__name__)

Json = dict[str, Any]

COMPONENT = "loadbalancer-controller"
_FIREWALL_KEY = "the firewall rule"
_INTERNAL = (
    "Error syncing to GCP: internal Application Load Balancers (kubernetes.io/ingress.class: gce-internal) are not "
    "part of this sandbox"
)


class SyncError(Exception):
    """A sync did not succeed; an event has said why."""


class MissingFrontendConfig(Exception):
    """The Ingress names a FrontendConfig that is not there."""

    def __init__(self) -> None:
        super().__init__("no FrontendConfig for Ingress exists.")


class IngressController:
    """Keeps the load balancers of all Ingresses of class gce; one worker."""

    def __init__(
        self,
        cluster: ClusterView,
        compute: ComputeClient,
        namer: ClusterNamer,
        recorder: Recorder,
        faults: Faults,
        *,
        zones: tuple[str, ...],
        retry_seconds: tuple[float, float],
        calm_seconds: float,
    ) -> None:
        self._cluster, self._compute, self._namer, self._faults = cluster, compute, namer, faults
        self._resync = Resync(calm_seconds)
        self._events = Component(recorder, COMPONENT)
        self._backends = Backends(compute, namer, zones, self._probe)
        self._firewall = Firewall(compute, namer.firewall_rule(), f"gke-sandbox-{namer.cluster_uid[:8]}-node")
        self._queue = WorkQueue(COMPONENT, self._work, retry_seconds=retry_seconds)
        cluster.ingresses.add_handler(self._ingress_changed)
        cluster.services.add_handler(self._service_changed)
        cluster.backend_configs.add_handler(self._backend_config_changed)
        cluster.frontend_configs.add_handler(self._frontend_config_changed)

    def start(self) -> None:
        self._queue.start()

    def stop(self) -> None:
        self._queue.stop()

    def resync(self) -> None:
        """Look at every Ingress anew: Secrets that changed, backend health."""
        faults = self._faults.armed()
        ingresses = {key_of(each): each for each in self._cluster.ingresses.items()}
        states = {key: (each["metadata"]["resourceVersion"], faults) for key, each in ingresses.items()}
        for key in self._resync.due(states, time.monotonic()):
            self._ingress_changed("MODIFIED", ingresses[key], ingresses[key])

    @property
    def _is_off(self) -> bool:
        return "controller-off" in self._faults.armed()

    # Changes in the cluster, told by the informers.

    def _ingress_changed(self, kind: str, old: Json | None, new: Json | None) -> None:
        if self._is_off:
            return
        ingress = new or old
        assert ingress is not None
        if annotations.is_internal_ingress(ingress) and new is not None and kind == "ADDED":
            self._events.warning(ingress, "Sync", _INTERNAL)
        if kind == "DELETED":
            if annotations.is_gce_ingress(ingress):
                self._enqueue(key_of(ingress))
            return
        if not annotations.is_gce_ingress(ingress):
            if finalizer.is_set(ingress):
                self._enqueue(key_of(ingress))  # its class was changed: clean up
            return
        if not finalizer.is_deletion_candidate(ingress):
            self._events.normal(ingress, "Sync", "Scheduled for sync")
        self._enqueue(key_of(ingress))

    def _service_changed(self, kind: str, old: Json | None, new: Json | None) -> None:
        if kind == "DELETED" or new is None or (old is not None and _same_but_status(old, new)):
            return
        namespace, name = new["metadata"]["namespace"], new["metadata"]["name"]
        self._enqueue_where(lambda ingress: _uses_service(ingress, namespace, name))

    def _backend_config_changed(self, _kind: str, old: Json | None, new: Json | None) -> None:
        config = new or old
        assert config is not None
        namespace, name = config["metadata"]["namespace"], config["metadata"]["name"]
        services = {
            service["metadata"]["name"]
            for service in self._cluster.services.items()
            if service["metadata"]["namespace"] == namespace and _names_backend_config(service, name)
        }
        self._enqueue_where(lambda ingress: any(_uses_service(ingress, namespace, each) for each in services))

    def _frontend_config_changed(self, _kind: str, old: Json | None, new: Json | None) -> None:
        config = new or old
        assert config is not None
        namespace, name = config["metadata"]["namespace"], config["metadata"]["name"]
        self._enqueue_where(
            lambda ingress: (
                ingress["metadata"]["namespace"] == namespace
                and annotations.of(ingress).get(annotations.FRONTEND_CONFIG) == name
            )
        )

    def _enqueue_where(self, matches: Callable[[Json], bool]) -> None:
        if self._is_off:
            return
        for ingress in self._cluster.ingresses.items():
            if annotations.is_gce_ingress(ingress) and matches(ingress):
                self._enqueue(key_of(ingress))

    def _enqueue(self, key: str) -> None:
        self._queue.add(key)
        self._queue.add(_FIREWALL_KEY)

    # The worker.

    def _work(self, key: str) -> None:
        if self._is_off:
            return
        if not self._cluster.is_synced():
            raise SyncError("waiting for stores to sync")
        if key == _FIREWALL_KEY:
            self._sync_firewall()
            return
        ingress = self._cluster.ingresses.get(key)
        if ingress is None:
            self._collect_garbage(None)
        elif finalizer.is_deletion_candidate(ingress) or not annotations.is_gce_ingress(ingress):
            self._clean_up(ingress)
        elif not ingress["metadata"].get("deletionTimestamp"):
            self._sync(ingress)

    def _clean_up(self, ingress: Json) -> None:
        try:
            self._collect_garbage(ingress)
        except Exception as error:
            self._events.warning(ingress, "GarbageCollection", f"Error: {error}")
            raise

    def _collect_garbage(self, gone: Json | None) -> None:
        """Delete an Ingress's load balancer and every backend that no Ingress needs any more."""
        if gone is not None:
            Frontend(self._compute, self._namer, gone, _ignore).delete()
        keep = [port for _, translated in self._translated() for port in translated.service_ports()]
        self._backends.collect_garbage(keep)
        if gone is not None:
            finalizer.remove(self._cluster.client, gone)

    def _translated(self) -> list[tuple[Json, UrlMap]]:
        """Every Ingress that has or shall have a load balancer, with its URL map as far as it can be made."""
        return [
            (ingress, translate(ingress, self._cluster)[0])
            for ingress in self._cluster.ingresses.items()
            if annotations.is_gce_ingress(ingress) and not ingress["metadata"].get("deletionTimestamp")
        ]

    def _sync(self, ingress: Json) -> None:
        finalizer.add(self._cluster.client, ingress)
        wanted, errors = translate(ingress, self._cluster)
        if errors:
            problem = f"invalid ingress spec: {'; '.join(errors)}"
            self._events.warning(ingress, "Translate", f"Translation failed: {problem}")
            raise SyncError(problem)
        failure = self._sync_to_compute(ingress, wanted)
        if failure is not None:
            self._events.warning(ingress, "Sync", f"Error syncing to GCP: {failure}")
        try:
            # Also after a failure: it may have been a quota, which this may free.
            self._collect_garbage(None)
        except Exception as error:
            self._events.warning(ingress, "GarbageCollection", f"Error during garbage collection: {error}")
            raise SyncError(f"error during sync {failure}, error during GC {error}") from error
        if failure is not None:
            raise SyncError(failure)
        self._frontend_config(ingress)

    def _sync_to_compute(self, ingress: Json, wanted: UrlMap) -> str | None:
        """What failed, None if nothing did."""
        try:
            self._backends.sync(wanted.service_ports())
        except (GoogleApiError, BackendError, HealthCheckConflict, annotations.InvalidAnnotation) as error:
            return f"error running backend syncing routine: {error}"
        try:
            built = self._sync_load_balancer(ingress, wanted)
        except (GoogleApiError, FrontendError, TlsError, KubeError) as error:
            return f"error running load balancer syncing routine: {error}"
        try:
            self._post_process(ingress, built)
        except (GoogleApiError, KubeError) as error:
            return f"error running post-process routine: {error}"
        return None

    def _sync_load_balancer(self, ingress: Json, wanted: UrlMap) -> Built:
        secrets = certificates.from_secrets(ingress, self._cluster.secret)
        try:
            frontend_config = self._frontend_config(ingress)
        except MissingFrontendConfig as error:
            self._events.warning(ingress, "Sync", f"Error: {error}")
            frontend_config = None

        def report(message: str) -> None:
            self._events.normal(ingress, "Sync", message)

        request = Request(ingress, wanted, secrets, certificates.pre_shared(ingress), frontend_config)
        return Frontend(self._compute, self._namer, ingress, report).ensure(request)

    def _frontend_config(self, ingress: Json) -> Json | None:
        name = annotations.of(ingress).get(annotations.FRONTEND_CONFIG, "")
        if not name:
            return None
        config = self._cluster.frontend_configs.get(f"{ingress['metadata']['namespace']}/{name}")
        if config is None:
            raise MissingFrontendConfig
        return config

    def _post_process(self, ingress: Json, built: Built) -> None:
        """Show the load balancer in the Ingress: address first, then annotations."""
        namespace, name = ingress["metadata"]["namespace"], ingress["metadata"]["name"]
        shown = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
        if built.address and shown[0].get("ip") != built.address:
            status = {"status": {"loadBalancer": {"ingress": [{"ip": built.address}]}}}
            self._cluster.client.merge_patch(path_of(INGRESSES, namespace, name, "status"), status)
            self._events.normal(ingress, "IPChanged", f"IP is now {built.address}")
        health = {each: self._backends.health(each) for each in url_map.backend_names(built.url_map)}
        present = annotations.of(ingress)
        changes = {key: value for key, value in _annotations(built, health).items() if present.get(key) != value}
        if changes:
            patch = {"metadata": {"annotations": changes}}
            self._cluster.client.merge_patch(path_of(INGRESSES, namespace, name), patch)

    def _probe(self, port: ServicePort) -> Json | None:
        service = self._cluster.service(port.namespace, port.service)
        return simple_probe(port, self._cluster.pods_of(service)) if service else None

    def _sync_firewall(self) -> None:
        translated = self._translated()
        shared_vpc = "xpn" in self._faults.armed()
        try:
            self._firewall.sync(self._open_ports([url for _, url in translated]), shared_vpc=shared_vpc)
        except SharedVpc as error:
            for ingress, _ in translated:
                if not annotations.suppresses_xpn(ingress):
                    self._events.normal(ingress, "XPN", str(error))

    def _open_ports(self, url_maps: list[UrlMap]) -> list[str]:
        ports = {port.backend_name(self._namer): port for each in url_maps for port in each.service_ports()}.values()
        numbers = {number for port in ports if port.neg_enabled for number in self._cluster.endpoint_ports(port)}
        numbers |= {
            config["port"]
            for port in ports
            if (config := (port.backend_config or {}).get("healthCheck") or {}).get("port") is not None
        }
        node_ports = [] if all(port.neg_enabled for port in ports) else [NODE_PORTS]
        return node_ports + [str(number) for number in sorted(numbers)]


def _annotations(built: Built, health: dict[str, str]) -> dict[str, str | None]:
    """What the Ingress is to say of its load balancer; None takes an annotation away.

    The promoted address stays, also when HTTP or HTTPS is switched off later (pkg/loadbalancers/l7.go
    getFrontendAnnotations).
    """
    values: dict[str, str | None] = {
        "url-map": built.url_map["name"],
        "redirect-url-map": built.redirect_url_map or None,
        "forwarding-rule": built.http_rule or None,
        "target-proxy": built.http_proxy or None,
        "https-forwarding-rule": built.https_rule or None,
        "https-target-proxy": built.https_proxy or None,
        "ssl-cert": ",".join(built.certificates) or None,
        "backends": compact(health),
    }
    if built.static_ip:
        values["static-ip"] = built.static_ip
    return {annotations.STATUS_PREFIX + key: value for key, value in values.items()}


def services_of(ingress: Json) -> set[str]:
    """Names of the Services that an Ingress sends requests to, all in its namespace."""
    spec = ingress.get("spec") or {}
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or []:
        backends += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or []]
    return {service["name"] for each in backends if (service := each.get("service"))}


def _uses_service(ingress: Json, namespace: str, name: str) -> bool:
    return ingress["metadata"]["namespace"] == namespace and name in services_of(ingress)


def _names_backend_config(service: Json, name: str) -> bool:
    values = annotations.of(service)
    text = values.get(annotations.BACKEND_CONFIG, values.get(annotations.BACKEND_CONFIG_BETA, ""))
    try:
        configs = json.loads(text)
        return name == configs.get("default") or name in (configs.get("ports") or {}).values()
    except (ValueError, AttributeError):
        return False


def _same_but_status(old: Json, new: Json) -> bool:
    """Whether a Service changed only in what the NEG controller writes into it."""

    def reduced(service: Json) -> tuple[Any, ...]:
        kept = {key: value for key, value in annotations.of(service).items() if key != annotations.NEG_STATUS}
        return service["spec"], kept, service["metadata"].get("labels")

    return reduced(old) == reduced(new)


def _ignore(_message: str) -> None:
    """Deletion is told by no event."""
