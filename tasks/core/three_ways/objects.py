"""Objects of the cluster against our manifests, as far as Compute has no field for it."""

from collections.abc import Iterator

from tasks.core import annotations, manifests, names, status
from tasks.core.config import CertificateMode, HttpMode
from tasks.core.three_ways.rows import MISSING, PROVISION, Row
from tasks.core.three_ways.sides import Resource, Sides


def rows(sides: Sides) -> Iterator[Row]:
    """Every field of every object of ours that Compute knows nothing of."""
    config, cluster = sides.config, sides.cluster
    yield from _service(sides)
    port = status.milvus_port(cluster.service or {})
    address = sides.address.name if sides.address.named else ""
    wanted = [
        (cluster.backend_config, manifests.backend_config(config), ("spec",) if sides.milvus_services() else ()),
        (cluster.frontend_config, manifests.frontend_config(config), _of_frontend_config(sides)),
    ]
    if port is not None:
        routed = ("spec.rules", "spec.defaultBackend") if sides.url_map is not None else ()
        wanted.append((cluster.ingress, manifests.ingress(config, port.number, address), routed))
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        wanted.append((cluster.managed_certificate, manifests.managed_certificate(config), ()))
    for live, manifest, elsewhere in wanted:
        yield from _object(live, manifest, elsewhere)
    if config.certificate_mode is not CertificateMode.GOOGLE_MANAGED:
        yield from _secret(sides)


def _of_frontend_config(sides: Sides) -> tuple[str, ...]:
    """Paths that have a row beside Compute's field; only where Compute has come so far."""
    found = []
    if sides.config.ssl_policy and sides.https_proxy is not None:
        found.append("spec.sslPolicy")
    if sides.config.http is HttpMode.REDIRECT and sides.http_proxy is not None:
        found.append("spec.redirectToHttps")
    return tuple(found)


def _service(sides: Sides) -> Iterator[Row]:
    object_, live = f"service {sides.service}", sides.cluster.service
    if live is None:
        yield Row(
            "", "one", object=object_, cluster=None, mend="See the releases there are: helm list --all-namespaces"
        )
        return
    yield Row("spec.type", "ClusterIP", object=object_, cluster=live["spec"].get("type", "ClusterIP"))
    port = status.milvus_port(live)
    if port is None or not port.name:
        yield Row("spec.ports", "a port named milvus", object=object_, cluster=None)
        return
    protocol_is_elsewhere = bool(sides.milvus_services())
    for key, text in annotations.on_service(port.name, names.backend_config(sides.config.release)).items():
        said = status.marks(live).get(key)
        if key == annotations.APP_PROTOCOLS and protocol_is_elsewhere:
            continue
        seen = text if annotations.same(key, said, text) else said
        yield Row(f"metadata.annotations.{key}", text, object=object_, cluster=seen)


def _object(live: Resource | None, manifest: manifests.Manifest, elsewhere: tuple[str, ...]) -> Iterator[Row]:
    """What differs from the manifest; `elsewhere` are the paths that another row has beside Compute's field."""
    metadata = manifest["metadata"]
    object_ = f"{manifest['kind'].lower()} {metadata['namespace']}/{metadata['name']}"
    if live is None:
        yield Row("", "one", object=object_, cluster=None)
        return
    for path, seen, wanted in manifests.changes(live, manifest):
        if not path.startswith(elsewhere):
            yield Row(path, wanted, object=object_, cluster=seen)
    for path in manifests.surplus(dict(live), manifest, names.FIELD_MANAGER):
        dotted = path.strip("/").replace("/", ".")
        if dotted.partition(".service")[0] not in elsewhere:
            yield Row(dotted, None, object=object_, cluster="set by an earlier run", mend=PROVISION)


def _secret(sides: Sides) -> Iterator[Row]:
    secret = f"secret {sides.config.namespace}/{sides.config.tls_secret}"
    mine = sides.config.certificate_mode is CertificateMode.SELF_MANAGED
    mend = (
        "" if mine else f"Replace it: kubectl -n {sides.config.namespace} create secret tls {sides.config.tls_secret}"
    )
    if not sides.cluster.fingerprint:
        yield Row("data.tls.crt", "a certificate", object=secret, cluster=MISSING, mend=mend)
    elif sides.cluster.secret_faults:
        seen = "; ".join(sides.cluster.secret_faults)
        yield Row("data.tls.crt", "one that serves", object=secret, cluster=seen, mend=mend)
