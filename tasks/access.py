"""Whether we may do what a run is going to do: asked of the API server and of IAM, just before the first write.

Nothing is asked about writes that will not happen: a run that has nothing to change passes with rights to read.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tasks import milvus_by_helm, planning
from tasks.clients import compute, iam, kubernetes
from tasks.clients.kubernetes import Kind
from tasks.clients.readers import ClusterReader
from tasks.core import manifests, names
from tasks.core.checks import Check, permissions
from tasks.core.checks.objects import resource
from tasks.core.checks.permissions import Need
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import AccessRefused, ProvisioningError
from tasks.planning import Plan
from tasks.snapshot import Snapshot
from tasks.together import together

_ACCESS_OF_A_WAIT = (("v1", "events"), ("v1", "pods"), ("apps/v1", "deployments"))


def checks(cluster: ClusterReader, plan: Plan, seen: Snapshot) -> list[Check]:
    """One failed check for everything that the run needs and we may not do."""
    config = plan.live.config
    needed = list(dict.fromkeys(needs(plan, seen)))
    project = compute.project(config)
    asked = {project: permissions.permissions(plan.live, reserves=_reserves(plan))}
    if config.dns_managed_zone:
        writes = permissions.writes_records(plan.live)
        zone = asked.setdefault(config.dns_project or project, [])
        zone += permissions.dns_permissions(writes=writes)
    calls: dict[Any, Callable[[], Any]] = {need: partial(_may, cluster, need) for need in needed}
    calls |= {place: partial(iam.granted, place, wanted) for place, wanted in asked.items()}
    found, refused = together(calls)
    said = found | {key: error.observed for key, error in refused.items()}
    return [
        *permissions.verbs(needed, {need: said[need] for need in needed}),
        *(check for place, wanted in asked.items() for check in permissions.missing(place, wanted, said[place])),
    ]


def needs(plan: Plan, seen: Snapshot) -> Iterator[Need]:
    """Every verb of every write that the run makes, with what its waits read; nothing when it makes none."""
    config = plan.live.config
    objects = [*_objects(plan, seen), *_release(plan, seen)]
    notes = _reserves(plan) or bool(objects) or permissions.writes_records(plan.live)
    if not notes:
        return
    yield from objects
    receipt = plan.live.objects.get("ConfigMap", config.namespace, names.receipt(config.release))
    yield from _of(kubernetes.CONFIG_MAP, config, ("patch",) if receipt is not None else ("create",))
    # Whoever writes takes the Lease first, and renews it.
    yield from _of(kubernetes.LEASE, config, ("create", "update"))
    for api_version, plural in _ACCESS_OF_A_WAIT:
        yield Need(api_version, plural, "list", config.namespace)


def _objects(plan: Plan, seen: Snapshot) -> Iterator[Need]:
    """Our own objects that are missing or differ, and the Secret."""
    live, config = plan.live, plan.live.config
    for manifest in planning.manifests_of(live, seen):
        found = live.objects.get(manifest["kind"], config.namespace, manifest["metadata"]["name"])
        present = dict(found) if found is not None else None
        if manifest["kind"] == "Service" or (present is not None and not _differs(present, manifest)):
            continue
        verbs = permissions.APPLY_OVER if present is not None else permissions.APPLY_NEW
        plural = permissions.plural(manifest["kind"])
        yield from permissions.needs(manifest["apiVersion"], plural, verbs, config.namespace)
    if resource("Secret", config.namespace, config.tls_secret) in plan.planned.made:
        exists = live.objects.get("Secret", config.namespace, config.tls_secret) is not None
        yield from _of(kubernetes.SECRET, config, ("patch",) if exists else ("create",))
    if permissions.unused_certificate(live):
        yield from _of(kubernetes.MANAGED_CERTIFICATE, config, ("delete",))


def _differs(live: dict[str, Any], manifest: manifests.Manifest) -> bool:
    return bool(manifests.differences(live, manifest) or manifests.surplus(live, manifest, names.FIELD_MANAGER))


def _release(plan: Plan, seen: Snapshot) -> Iterator[Need]:
    """What a change of Milvus touches: the chart's objects by Helm, or Service, settings and workloads by us."""
    live, config = plan.live, plan.live.config
    if live.service is None or live.port is None:
        return
    fits, release = permissions.service_fits(live), seen.release
    if release is not None:
        if not fits or milvus_by_helm.upgrade_is_due(config, release, dict(live.service), live.version):
            yield from permissions.of_helm(release.kinds, config.namespace)
        return
    if not fits:
        yield from _of(kubernetes.SERVICE, config, ("patch",))
    if plan.planned.user_yaml is not None and plan.planned.user_yaml != live.user_yaml:
        yield from _of(kubernetes.CONFIG_MAP, config, ("patch",))
        yield from _of(kubernetes.DEPLOYMENT, config, ("patch",))


def _reserves(plan: Plan) -> bool:
    return any(place.startswith("addresses/") for place in plan.planned.made)


def _of(kind: Kind, config: LoadBalancerConfig, verbs: tuple[str, ...]) -> list[Need]:
    return permissions.needs(kind.api_version, kind.plural, verbs, config.namespace)


def _may(cluster: ClusterReader, need: Need) -> bool:
    return cluster.may(need.verb, Kind(need.api_version, need.plural, need.plural), need.namespace)


def refused(
    cluster: ClusterReader, config: LoadBalancerConfig, kind: Kind, verbs: tuple[str, ...]
) -> Iterator[ProvisioningError]:
    """Those of the verbs that we may not use on objects of the kind."""
    for verb in verbs:
        if not cluster.may(verb, kind, config.namespace):
            yield AccessRefused(
                f"{kind.plural} in {config.namespace}",
                f"we may not {verb} them",
                f"Ask for a Role with it; check: kubectl -n {config.namespace} auth can-i {verb} {kind.plural}",
            )
