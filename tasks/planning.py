"""The state that a whole run of `provision` would leave: live objects with our manifests laid over them.

Preflight judges that state, so that what the run mends by itself stops nobody. Nothing is written.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks import helm_release, tls_secret
from tasks.core import annotations, manifests, names, release_values
from tasks.core.checks import Check, failed, ownership, passed
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, named, resource
from tasks.core.config import CertificateMode, LoadBalancerConfig, ReleaseManager
from tasks.core.errors import ProvisioningError, ResourceFailed
from tasks.snapshot import Snapshot


@dataclass(frozen=True)
class Plan:
    """What is to be judged before the first write.

    Attributes:
        live: the state there is.
        planned: the state after the run.
        checks: of the plan itself: whether the release's values can be changed, and the places are ours to write to.
    """

    live: Facts
    planned: Facts
    checks: tuple[Check, ...]


def make(live: Facts, snapshot: Snapshot) -> Plan:
    """Lay the manifests over the live objects."""
    config = live.config
    found = [*ownership.checks(live), *_helm_release(config, snapshot)]
    text, of_values = _settings(live, snapshot)
    found += of_values
    secret, of_secret = _secret(live)
    found += of_secret
    foreign = ownership.foreign(found)
    address = f"addresses/{snapshot.address.name}"
    to_reserve = live.cloud.knows(address) and live.cloud.get(address) is None
    planned = replace(
        live,
        planned=True,
        address_name=snapshot.address.name,
        made=frozenset({*secret, *({address} if to_reserve else ())}),
        foreign=foreign,
        user_yaml=text,
    )
    laid = [_over(_live(live, each), each) for each in manifests_of(live, snapshot) if named(each) not in foreign]
    return Plan(replace(live, foreign=foreign), planned.having(*laid), tuple(found))


def manifests_of(live: Facts, snapshot: Snapshot) -> Iterator[manifests.Manifest]:
    """What the run applies."""
    config = live.config
    yield manifests.backend_config(config)
    yield manifests.frontend_config(config)
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        yield manifests.managed_certificate(config)
    if live.port is None:
        return
    chosen = snapshot.address
    yield manifests.ingress(config, live.port.number, chosen.name if chosen.named else "")
    wanted = annotations.on_service(live.port.name, names.backend_config(config.release))
    yield {
        "kind": "Service",
        "metadata": {"name": names.service(config.release), "namespace": config.namespace, "annotations": wanted},
        "spec": {"type": "ClusterIP"},
    }


def _live(live: Facts, manifest: manifests.Manifest) -> Object | None:
    return live.objects.get(manifest["kind"], live.namespace, manifest["metadata"]["name"])


def _over(live: Object | None, manifest: manifests.Manifest) -> manifests.Manifest:
    """The object after an apply: fields of ours that the manifest no longer names go, those of others stay."""
    if live is None:
        return manifest
    base = copy.deepcopy(dict(live))
    for path in manifests.surplus(base, manifest, names.FIELD_MANAGER):
        _take_away(base, path)
    merged: manifests.Manifest = _merged(base, manifest)
    return merged


def _take_away(base: dict[str, Any], path: str) -> None:
    """Remove a field by its path in managedFields; an annotation's key has slashes of its own."""
    marks = "/metadata/annotations/"
    if path.startswith(marks):
        (base["metadata"].get("annotations") or {}).pop(path.removeprefix(marks), None)
        return
    *way, last = path.strip("/").split("/")
    for key in way:
        base = base.get(key) or {}
        if not isinstance(base, dict):
            return
    base.pop(last, None)


def _merged(live: Any, wanted: Any) -> Any:
    if not isinstance(live, dict) or not isinstance(wanted, Mapping):
        return wanted
    return {**live, **{key: _merged(live.get(key), value) for key, value in wanted.items()}}


def _helm_release(config: LoadBalancerConfig, snapshot: Snapshot) -> Iterator[Check]:
    name, place = "HelmReleaseCheck", f"release {config.namespace}/{config.release}"
    look = f"See what there is: helm -n {config.namespace} list; kubectl -n {config.namespace} get services"
    release = snapshot.release
    if release is None:
        if config.release_manager is ReleaseManager.HELM and "Release" not in snapshot.objects.unread:
            yield failed(name, place, "does not exist, and release_manager is helm", look, layer="milvus")
        return
    if busy := helm_release.pending_fault(config, release):
        yield of_error(name, busy)
        return
    seen = f"revision {release.revision}, chart {release.chart} {release.chart_version}"
    yield passed(name, place, seen, layer="milvus")


def _settings(live: Facts, snapshot: Snapshot) -> tuple[str | None, list[Check]]:
    """Milvus' settings after the run, and why they cannot be changed."""
    try:
        if snapshot.release is None:
            text = snapshot.user_yaml
            return (None if text is None else release_values.desired_user_yaml(text, live.version)), []
        values = release_values.desired_values(snapshot.release.values, annotations={}, milvus_version=live.version)
        return str(values["extraConfigFiles"][release_values.USER_YAML]), []
    except ResourceFailed as error:
        return None, [of_error(f"{error.cause}Check", error)]


def _secret(live: Facts) -> tuple[set[str], list[Check]]:
    """The Secret if this run makes its certificate, and why it must not."""
    config = live.config
    place = resource("Secret", config.namespace, config.tls_secret)
    if config.certificate_mode is not CertificateMode.SELF_MANAGED or "Secret" in live.objects.unread:
        return set(), []
    found = live.objects.get("Secret", config.namespace, config.tls_secret)
    if found is None:
        return {place}, []
    if fault := tls_secret.unfit_to_replace(config, dict(found)):
        return set(), [of_error("OwnershipCheck", fault)]
    return ({place} if tls_secret.faults(config, dict(found)) else set()), []


def of_error(name: str, error: ProvisioningError) -> Check:
    """The failed check that an error tells."""
    return failed(name, error.resource, error.observed, error.mend, layer=error.layer)
