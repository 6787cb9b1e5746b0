"""Everything that the checks judge, each thing read once and side by side; nothing is written.

What a run cannot do without and cannot read is a problem; what only a check needs is `unread`, and the check says so.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks import global_address, helm_release, milvus_objects
from tasks.clients import kubernetes
from tasks.clients.kubernetes import Kind
from tasks.clients.readers import ClusterReader, ComputeReader
from tasks.core import annotations, names, release_values, status
from tasks.core.addresses import Choice
from tasks.core.checks.objects import Objects
from tasks.core.checks.plaintext_clients import OTHER_NAMESPACES
from tasks.core.checks.references import InvalidAnnotation, backend_configs, names_in, service_names
from tasks.core.config import CertificateMode, LoadBalancerConfig, ReleaseManager
from tasks.core.errors import ProvisioningError, ResourceFailed
from tasks.core.helm_record import Release
from tasks.together import together

_OPTIONAL = ("Pod", "NetworkPolicy")
_MOST_PODS = 2000
"""Of a large cluster the first ones are looked at: all of them would be a hundred megabytes."""

Place = tuple[Kind, str]


@dataclass(frozen=True)
class Snapshot:
    """The cluster's side at one moment.

    Attributes:
        objects: whatever the release, its Ingress and their annotations lead to.
        release: newest Helm revision; None when Helm does not know the release or is not to be used.
        deployments: those of Milvus.
        settings: ConfigMap that Milvus reads its settings from, and the key in it; None when there is none.
        address: the static address that the Ingress is to have.
        problems: why something that the run needs could not be read.
        absent_kinds: kinds of GKE's that the cluster does not serve.
    """

    objects: Objects
    release: Release | None
    deployments: tuple[dict[str, Any], ...]
    settings: tuple[dict[str, Any], str] | None
    address: Choice
    problems: tuple[ProvisioningError, ...]
    absent_kinds: tuple[Kind, ...]

    @property
    def user_yaml(self) -> str | None:
        """Text of Milvus' settings as they are now."""
        return milvus_objects.text_of(self.settings) if self.settings else None

    @property
    def version(self) -> release_values.Version | None:
        """Of the deployed Milvus."""
        app_version = self.release.app_version if self.release else ""
        return milvus_objects.version_of(self.deployments, app_version)


def read(cluster: ClusterReader, api: ComputeReader, config: LoadBalancerConfig) -> Snapshot:
    """Read the objects of our names, then those they lead to."""
    reader = _Reader(cluster, config)
    lists: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "Release": lambda: [] if _by_manifest(config) else helm_release.revisions(cluster, config),
        "Deployment": lambda: cluster.list_objects(kubernetes.DEPLOYMENT, config.namespace),
        "Pod": lambda: cluster.list_objects(kubernetes.POD, config.namespace),
        "NetworkPolicy": lambda: cluster.list_objects(kubernetes.NETWORK_POLICY, config.namespace),
    }
    served = {kind: _serves(cluster, kind) for kind in _gke_kinds(config)}
    found, kinds = reader.begin(lists, served)
    reader.read(_next_places(reader.objects, config))
    service = reader.objects.get("Service", config.namespace, names.service(config.release))
    deployments = milvus_objects.deployments_among(found["Deployment"], config, dict(service)) if service else []
    reader.read([(kubernetes.CONFIG_MAP, name) for name in milvus_objects.config_maps_of(deployments)])
    reader.read([(kubernetes.BACKEND_CONFIG, name) for name in _backend_configs(reader.objects)])
    settings = milvus_objects.settings_among(deployments, reader.config_map)
    if not _speaks_tls(settings):
        reader.read_pods_everywhere()
    return Snapshot(
        objects=reader.objects,
        release=helm_release.newest(found["Release"], config),
        deployments=tuple(deployments),
        settings=settings,
        address=reader.address(api),
        problems=tuple(reader.problems),
        absent_kinds=tuple(kind for kind, is_served in kinds.items() if not is_served),
    )


class _Reader:
    """Collects objects, each place asked for once."""

    def __init__(self, cluster: ClusterReader, config: LoadBalancerConfig) -> None:
        self._cluster, self._config = cluster, config
        self._asked: set[Place] = set()
        self.objects = Objects()
        self.problems: list[ProvisioningError] = []

    def begin(
        self, lists: Mapping[str, Callable[[], Any]], served: Mapping[Kind, Callable[[], Any]]
    ) -> tuple[dict[str, list[dict[str, Any]]], dict[Kind, bool]]:
        """Read the lists and the objects of our names."""
        calls = self._calls(_places(self._config))
        for more in (lists, served):
            calls |= dict(more.items())
        found, refused = together(calls)
        self._keep(found, refused)
        listed = {key: [{**item, "kind": key} for item in found.get(key, [])] for key in lists}
        self.objects = self.objects.replacing(*(item for key in lists if key != "Release" for item in listed[key]))
        return listed, {kind: bool(found.get(kind, True)) for kind in served}

    def read(self, places: Iterable[Place]) -> None:
        """Read what was not asked for yet."""
        self._keep(*together(self._calls(places)))

    def read_pods_everywhere(self) -> None:
        """Read the Pods of other namespaces as well, if we may: they may be clients of a Milvus without TLS."""
        found, refused = together({"": lambda: self._cluster.first_objects(kubernetes.POD, _MOST_PODS)})
        pods = ({**pod, "kind": "Pod"} for pod in found.get("", []))
        unread = dict(self.objects.unread)
        if "" in refused:
            unread[OTHER_NAMESPACES] = refused[""].observed
        self.objects = Objects(self.objects.replacing(*pods).found, unread)

    def address(self, api: ComputeReader) -> Choice:
        """The address the Ingress is to have; the configured one where it cannot be known."""
        live = self.objects.get("Ingress", self._config.namespace, names.ingress(self._config.release))
        ingress = dict(live) if live else None
        found, refused = together({"address": lambda: global_address.choose(api, self._config, ingress)})
        self.problems += refused.values()
        chosen: Choice = found.get("address", Choice(self._config.address))
        return chosen

    def config_map(self, name: str) -> dict[str, Any] | None:
        """One of those that were read."""
        found = self.objects.get("ConfigMap", self._config.namespace, name)
        return dict(found) if found else None

    def _calls(self, places: Iterable[Place]) -> dict[Hashable, Callable[[], Any]]:
        fresh = [place for place in dict.fromkeys(places) if place not in self._asked]
        self._asked.update(fresh)
        return {(kind, name): self._call(kind, name) for kind, name in fresh}

    def _call(self, kind: Kind, name: str) -> Callable[[], Any]:
        return lambda: self._cluster.read(kind, self._config.namespace, name)

    def _keep(self, found: Mapping[Hashable, Any], refused: Mapping[Hashable, ProvisioningError]) -> None:
        read = [(key[0], each) for key, each in found.items() if isinstance(key, tuple) and each]
        objects = self.objects.replacing(*({**each, "kind": kind.name} for kind, each in read))
        unread = dict(objects.unread)
        for key, error in refused.items():
            kind = key[0].name if isinstance(key, tuple) else str(getattr(key, "name", key))
            unread[kind] = error.observed
            if kind not in _OPTIONAL:
                self.problems.append(error)
        self.objects = Objects(objects.found, unread)


def _places(config: LoadBalancerConfig) -> list[Place]:
    """Where we put things, and where Milvus is."""
    release = config.release
    return [
        (kubernetes.SERVICE, names.service(release)),
        (kubernetes.INGRESS, names.ingress(release)),
        (kubernetes.BACKEND_CONFIG, names.backend_config(release)),
        (kubernetes.FRONTEND_CONFIG, names.frontend_config(release)),
        (kubernetes.MANAGED_CERTIFICATE, names.certificate(release)),
        (kubernetes.CONFIG_MAP, names.receipt(release)),
        *(() if _by_google(config) else ((kubernetes.SECRET, config.tls_secret),)),
    ]


def _next_places(objects: Objects, config: LoadBalancerConfig) -> list[Place]:
    """What our Ingress refers to."""
    ingress = objects.get("Ingress", config.namespace, names.ingress(config.release)) or {}
    marks, entries = status.marks(ingress), (ingress.get("spec") or {}).get("tls") or []
    return [
        *((kubernetes.SERVICE, name) for name in service_names(ingress) if name),
        *((kubernetes.FRONTEND_CONFIG, name) for name in names_in(marks.get(annotations.FRONTEND_CONFIG, ""))),
        *((kubernetes.MANAGED_CERTIFICATE, name) for name in names_in(marks.get(annotations.MANAGED_CERTIFICATES, ""))),
        *((kubernetes.SECRET, entry["secretName"]) for entry in entries if entry.get("secretName")),
    ]


def _backend_configs(objects: Objects) -> list[str]:
    """Those that the annotations of the Services name."""
    found: list[str] = []
    for service in objects.all("Service"):
        try:
            named = backend_configs(service)
        except InvalidAnnotation:
            continue
        found += named.all if named else []
    return found


def _speaks_tls(settings: tuple[dict[str, Any], str] | None) -> bool:
    """Whether Milvus is known to; where its settings are not found, nobody can say who would break."""
    if settings is None:
        return True
    try:
        return release_values.settings_of(milvus_objects.text_of(settings)).tls_mode == "1"
    except ResourceFailed:
        return True


def _gke_kinds(config: LoadBalancerConfig) -> list[Kind]:
    kinds = [kubernetes.BACKEND_CONFIG, kubernetes.FRONTEND_CONFIG]
    return [*kinds, kubernetes.MANAGED_CERTIFICATE] if _by_google(config) else kinds


def _serves(cluster: ClusterReader, kind: Kind) -> Callable[[], Any]:
    return lambda: cluster.serves(kind)


def _by_manifest(config: LoadBalancerConfig) -> bool:
    return config.release_manager is ReleaseManager.MANIFEST


def _by_google(config: LoadBalancerConfig) -> bool:
    return config.certificate_mode is CertificateMode.GOOGLE_MANAGED
