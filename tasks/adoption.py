"""Discovery of what somebody made by hand, and of what this run will change about it; before the first write."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from tasks import dns_record, global_address, helm_release, looking, milvus_objects, milvus_release, steps, tls_secret
from tasks.clients import kubernetes
from tasks.clients.kubernetes import Kind
from tasks.clients.readers import ClusterReader
from tasks.core import annotations, certificates, guide, helm_record, manifests, names, progress, release_values, status
from tasks.core.adoption import Gap
from tasks.core.certificates import CertificateFacts
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.errors import AccessRefused, ProvisioningError
from tasks.core.guide import Found
from tasks.core.helm_record import Release
from tasks.core.three_ways.rows import text

Json = dict[str, Any]


@steps.observing
def discover(config: LoadBalancerConfig) -> list[Gap]:
    """Return the gaps of the published guide in what stands there; the log has what this run will change, too.

    Nothing is written. A fresh release without an Ingress has none of the gaps. Who may not look at something that no
    later step needs is told so, and no gap.
    """
    cluster = looking.cluster(config)
    try:
        found = _look(cluster, config)
    except AccessRefused as error:
        steps.logger().warning("gaps of the guide are not looked for: %s", error)
        return []
    gaps = guide.gaps(found)
    progress.current().gaps = gaps
    for gap in gaps:
        steps.logger().info("gap %d of the guide: %s. %s", gap.number, gap.seen, gap.repair)
    for line in changes(cluster, found):
        steps.logger().info("will change: %s", line)
    return gaps


def _look(cluster: ClusterReader, config: LoadBalancerConfig) -> Found:
    namespace, release = config.namespace, config.release
    api = looking.api(config)
    ingress = cluster.read(kubernetes.INGRESS, namespace, names.ingress(release))
    secret = cluster.read(kubernetes.SECRET, namespace, config.tls_secret)
    service = cluster.read(kubernetes.SERVICE, namespace, names.service(release))
    deployments = milvus_objects.read_deployments(cluster, config, service) if service else []
    revisions, newest = _revisions(cluster, config)
    ip = status.ingress_address(ingress or {})
    return Found(
        config=config,
        address=global_address.choose(api, config, ingress),
        revisions=revisions,
        chart=f"{newest.chart} --version {newest.chart_version}" if newest else "",
        version=milvus_objects.version_of(deployments, newest.app_version if newest else ""),
        service=service,
        ingress=ingress,
        backend_config=cluster.read(kubernetes.BACKEND_CONFIG, namespace, names.backend_config(release)),
        frontend_config=cluster.read(kubernetes.FRONTEND_CONFIG, namespace, names.frontend_config(release)),
        managed_certificate=cluster.read(kubernetes.MANAGED_CERTIFICATE, namespace, names.certificate(release)),
        secret=secret,
        certificate=_facts(secret or {}),
        attached=_attached(cluster, config),
        reserved=any(each.get("address") == ip for each in api.list_resources("addresses")) if ip else False,
        answers=_answers(config, ip) if ip else {},
        user_yaml=_user_yaml(cluster, config, deployments, newest),
    )


def _revisions(
    cluster: ClusterReader, config: LoadBalancerConfig
) -> tuple[tuple[tuple[int, Json], ...], Release | None]:
    """Revisions that were deployed, oldest first, and the newest of them; none where Helm is not to be used."""
    if helm_release.read(cluster, config) is None:
        return (), None
    records = [helm_record.decode(each) for each in helm_release.revisions(cluster, config)]
    good = [each for each in records if each.status in ("deployed", "superseded")]
    good.sort(key=lambda each: each.revision)
    return tuple((each.revision, each.values) for each in good), good[-1] if good else None


def _user_yaml(
    cluster: ClusterReader, config: LoadBalancerConfig, deployments: list[Json], newest: Release | None
) -> str:
    """What Milvus takes its settings from: of the release, or of the ConfigMap that its Pods mount."""
    if newest is not None:
        files = newest.values.get("extraConfigFiles")
        found = files.get(release_values.USER_YAML) if isinstance(files, dict) else None
        return found if isinstance(found, str) else ""
    found = milvus_objects.settings_among(deployments, partial(cluster.read, kubernetes.CONFIG_MAP, config.namespace))
    return milvus_objects.text_of(found) if found else ""


def _facts(secret: Json) -> CertificateFacts | None:
    try:
        return certificates.read(tls_secret.pem(secret, "tls.crt"))
    except ValueError:
        return None


def _attached(cluster: ClusterReader, config: LoadBalancerConfig) -> bool:
    """Whether an Ingress names the ManagedCertificate."""
    name = names.certificate(config.release)
    named = [
        status.marks(ingress).get(annotations.MANAGED_CERTIFICATES, "")
        for ingress in cluster.list_objects(kubernetes.INGRESS, config.namespace)
    ]
    return any(name in (part.strip() for part in each.split(",")) for each in named)


def _answers(config: LoadBalancerConfig, ip: str) -> dict[str, tuple[str, ...]]:
    """What DNS says of each domain."""
    return {domain: dns_record.read_record(config, domain, ip).answers for domain in config.domains}


# --- what will change ------------------------------------------------------------------------------------------------


def changes(cluster: ClusterReader, found: Found) -> Iterator[str]:
    """One line per object that this run will write, as far as it can be known before."""
    yield from _of_address(found)
    yield from _of_release(cluster, found)
    for kind, live, manifest in _wanted(found):
        yield from _of_object(kind, live, manifest)
    yield from _of_secret(found)


def _of_address(found: Found) -> Iterator[str]:
    if found.address.promote:
        yield f"addresses/{found.address.name}: {found.address.promote} is reserved as it is"
    elif found.ingress is None or not found.reserved:
        yield f"addresses/{found.address.name}: reserved, unless it is there"


def _of_release(cluster: ClusterReader, found: Found) -> Iterator[str]:
    resource = f"release {found.config.namespace}/{found.config.release}"
    try:
        lines = milvus_release.planned_differences(cluster, found.config)
    except ProvisioningError as error:
        # Preflight has said it already, or the step will.
        lines = [f"{error.observed}"]
    yield from (f"{resource}: {line}" for line in lines)


def _wanted(found: Found) -> Iterator[tuple[Kind, Any, manifests.Manifest]]:
    config = found.config
    yield kubernetes.BACKEND_CONFIG, found.backend_config, manifests.backend_config(config)
    yield kubernetes.FRONTEND_CONFIG, found.frontend_config, manifests.frontend_config(config)
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        yield kubernetes.MANAGED_CERTIFICATE, found.managed_certificate, manifests.managed_certificate(config)
    if (port := status.milvus_port(found.service or {})) is not None:
        address = found.address.name if found.address.named else ""
        yield kubernetes.INGRESS, found.ingress, manifests.ingress(config, port.number, address)


def _of_object(kind: Kind, live: Json | None, manifest: manifests.Manifest) -> Iterator[str]:
    metadata = manifest["metadata"]
    resource = f"{kind.name.lower()} {metadata['namespace']}/{metadata['name']}"
    if live is None:
        yield f"{resource}: made"
        return
    for path, seen, wanted in manifests.changes(live, manifest):
        yield f"{resource}: {path}: {text(seen)} → {text(wanted)}"
    for path in manifests.surplus(live, manifest, names.FIELD_MANAGER):
        yield f"{resource}: {path.strip('/').replace('/', '.')}: taken away"


def _of_secret(found: Found) -> Iterator[str]:
    config = found.config
    if config.certificate_mode is not CertificateMode.SELF_MANAGED:
        return
    resource = f"secret {config.namespace}/{config.tls_secret}"
    if found.secret is None:
        yield f"{resource}: made"
    elif faults := tls_secret.faults(config, dict(found.secret)):
        yield f"{resource}: replaced, since {'; '.join(faults)}"
