"""Steps around a teardown: the look before the first write, the receipt cleared at the end, the proof of absence."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks import access as rights
from tasks import (
    deleting,
    dns_record,
    events,
    global_address,
    helm_release,
    leftovers,
    milvus_objects,
    preflight,
    receipt,
    steps,
    tls_secret,
)
from tasks.clients import compute, kubernetes
from tasks.clients.kubernetes import Cluster, Kind
from tasks.clients.readers import ClusterReader
from tasks.core import annotations, inventory, lease, names, progress, release_values, status
from tasks.core.checks import ownership
from tasks.core.config import LoadBalancerConfig
from tasks.core.errors import ResourceFailed, Unreachable
from tasks.core.progress import Change
from tasks.core.receipt import Receipt
from tasks.core.report import Left
from tasks.core.teardown_request import TeardownRequest

KEPT, LEFT_OVER = "kept", "left over"


class Inspection(BaseModel):
    """What a teardown learns before its first write."""

    model_config = ConfigDict(frozen=True)

    addresses: tuple[str, ...]
    """Names of the static addresses that the release has or had."""
    led_to: tuple[str, ...]
    """IPv4 addresses to which clients have been led: of those, and the one that the Ingress has without a name."""
    milvus: bool
    """Whether the Milvus Service is there still."""


@steps.observing
def inspect_teardown(config: TeardownRequest) -> Inspection:
    """Check that what stands in our places may be taken down; write nothing.

    Raises:
        PreflightFailed: with every finding.
    """
    cluster, _ = preflight.first_contact(config)
    checks: list[preflight.Look] = [
        ingress_may_go,
        service_is_free,
        release_is_idle,
        receipt_is_ours,
        access,
        address_may_go,
        preflight.callback_is_allowed,
    ]
    preflight.examine(cluster, config, checks)
    events.remember(cluster, config.namespace, (names.ingress(config.release),))
    live = cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    found = global_address.of_release(compute.api(config), cluster, config, live)
    led_to = dict.fromkeys(each for each in (*found.values(), status.ingress_address(live or {})) if each)
    service = cluster.read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    return Inspection(addresses=tuple(found), led_to=tuple(led_to), milvus=service is not None)


def ingress_may_go(cluster: ClusterReader, config: LoadBalancerConfig) -> preflight.Findings:
    """The Ingress, if there is one, is ours and serves the domain that was named."""
    name = names.ingress(config.release)
    live = cluster.read(kubernetes.INGRESS, config.namespace, name)
    if live is None:
        return
    resource, look = f"ingress {config.namespace}/{name}", f"kubectl -n {config.namespace} get ingress {name} -o yaml"
    if owner := ownership.foreign_owner(live):
        yield ResourceFailed(
            resource, f"belongs to {owner}", f"Remove it there, or name our release: {look}", "ingress"
        )
    elif not status.ours(live):
        made = _made_by(live)
        mend = f"Remove it yourself, if nobody needs it, then run again: {look}"
        yield ResourceFailed(resource, f"was not made here, but {made}", mend, "ingress")
    hosts = [str(rule.get("host", "")) for rule in live["spec"].get("rules") or []]
    if config.domain not in hosts:
        mend = f"Name a domain that it serves, so that no other load balancer is taken down: {look}"
        yield ResourceFailed(
            resource, f"serves {', '.join(hosts) or 'no domain'}, not {config.domain}", mend, "ingress"
        )


def service_is_free(cluster: ClusterReader, config: LoadBalancerConfig) -> preflight.Findings:
    """No other Ingress leads to the Milvus Service: without BackendConfig and annotations it would break."""
    service = names.service(config.release)
    users = [
        str(each["metadata"]["name"])
        for each in cluster.list_objects(kubernetes.INGRESS, config.namespace)
        if each["metadata"]["name"] != names.ingress(config.release) and service in _services_of(each)
    ]
    if users:
        yield ResourceFailed(
            f"service {config.namespace}/{service}",
            f"is used by ingress {', '.join(users)} too, which needs the annotations and the BackendConfig",
            f"Remove it first: kubectl -n {config.namespace} delete ingress {' '.join(users)}",
            "ingress",
        )


def release_is_idle(cluster: ClusterReader, config: LoadBalancerConfig) -> preflight.Findings:
    """No operation of somebody else's on the release is pending."""
    release = helm_release.read(cluster, config)
    if release is not None and (busy := helm_release.pending_fault(config, release)):
        yield busy


def receipt_is_ours(cluster: ClusterReader, config: LoadBalancerConfig) -> preflight.Findings:
    """The receipt can be read."""
    receipt.read(cluster, config)
    yield from ()


def access(cluster: ClusterReader, config: LoadBalancerConfig) -> preflight.Findings:
    """We may delete what has to be deleted; nothing is asked when nothing has to be."""
    for kind, name in _places(cluster, config):
        live = cluster.read(kind, config.namespace, name)
        if live is not None and status.ours(live):
            yield from rights.refused(cluster, config, kind, ("delete",))


def address_may_go(cluster: ClusterReader, config: LoadBalancerConfig) -> preflight.Findings:
    """An address that is to be released is used by our load balancer alone."""
    if not isinstance(config, TeardownRequest) or not config.release_address:
        return
    api = compute.api(config)
    for name in global_address.reserved_here(api, cluster, config):
        found = api.get("addresses", name) or {}
        rules = [status.tail(str(link)) for link in found.get("users") or []]
        strangers = [rule for rule in rules if not preflight.rule_is_of(api, rule, config)]
        if strangers:
            yield ResourceFailed(
                f"addresses/{name}",
                f"is used by forwardingRules/{', forwardingRules/'.join(strangers)}",
                "Take it out there, or run without release_address.",
                "compute",
            )


@steps.writing
def settle_receipt(config: TeardownRequest) -> Change:
    """Strike off what is done; the receipt goes when nothing on it is open.

    It stays while it says what a later teardown needs: that a kept address is ours, what the release was before.
    """
    cluster, api = kubernetes.cluster(config), compute.api(config)
    noted = receipt.read(cluster, config)
    addresses = tuple(each for each in noted.addresses if api.get("addresses", each.name))
    service = cluster.read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    release = noted.release if service is not None and not config.restore_layer4 else None
    kept = {name: cluster.read(kubernetes.SECRET, config.namespace, name) for name in noted.secrets}
    settled = Receipt(
        addresses=addresses,
        secrets=tuple(name for name, live in kept.items() if live is not None and status.ours(live)),
        release=release,
    )
    if not settled.empty:
        return receipt.note(cluster, config, **dict(settled))
    return deleting.delete(
        cluster, kubernetes.CONFIG_MAP, config.namespace, names.receipt(config.release), why="nothing on it is open"
    )


@steps.observing
def prove_absence(config: TeardownRequest, parts: list[str], seen: Inspection) -> list[Left]:
    """Read every kind in the cluster and every collection in Compute, and list what is left and whose it is.

    Args:
        config: the request.
        parts: references that the load balancer had; see `tasks.core.inventory`.
        seen: what was there before the first write.
    """
    cluster = kubernetes.cluster(config)
    return [
        *_objects(cluster, config),
        *_service(cluster, config),
        *_addresses(cluster, config, seen.addresses),
        *_records(config, seen.led_to),
        *_in_compute(cluster, config, parts),
    ]


def fault(left: list[Left]) -> ResourceFailed | None:
    """Why the load balancer is not gone; None when all that is left has its reason."""
    over = [each for each in left if each.owner == LEFT_OVER]
    if not over:
        return None
    return ResourceFailed(
        f"what {len(over)} resources are left of",
        "; ".join(f"{each.resource}: {each.detail}" for each in over),
        "Run again; if they stay: " + "; ".join(each.remove for each in over if each.remove),
        "compute" if all(" " not in each.resource for each in over) else "kubernetes",
    )


def _objects(cluster: Cluster, config: TeardownRequest) -> Iterator[Left]:
    """Objects in our places: one that is ours and stays has a reason, any other of ours is left over."""
    for kind, name in _places(cluster, config):
        live = cluster.read(kind, config.namespace, name)
        if live is None:
            continue
        resource = f"{kind.name.lower()} {config.namespace}/{name}"
        reason = _reason(cluster, config, kind, live)
        command = f"kubectl -n {config.namespace} delete {kind.name.lower()} {name}"
        if not status.ours(live):
            yield Left(resource=resource, owner=ownership.foreign_owner(live) or _made_by(live), detail="not ours")
        elif reason:
            yield Left(resource=resource, owner=KEPT, detail=reason, remove=command)
        else:
            holders = ", ".join(live["metadata"].get("finalizers") or [])
            detail = f"is being deleted, held by {holders}" if holders else "is still there"
            yield Left(resource=resource, owner=LEFT_OVER, detail=detail, remove=command)


def _reason(cluster: Cluster, config: TeardownRequest, kind: Kind, live: dict[str, Any]) -> str:
    if kind == kubernetes.SECRET:
        return tls_secret.reason_to_keep(cluster, config, live)
    if kind == kubernetes.CONFIG_MAP:
        noted = Receipt.read(live)
        said = [
            *(f"that addresses/{address.name} is ours" for address in noted.addresses),
            *(f"that secret {name} is ours" for name in noted.secrets),
            *(["what Service and settings were before (restore_layer4)"] if noted.release else []),
        ]
        return f"notes {' and '.join(said)}" if said else ""
    return ""


def _service(cluster: Cluster, config: TeardownRequest) -> Iterator[Left]:
    service = cluster.read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    if service is None:
        return
    resource = f"service {config.namespace}/{names.service(config.release)}"
    live = status.marks(service)
    for key, text in milvus_objects.annotations_of_ours(service, config).items():
        if annotations.same(key, live.get(key), text):
            yield Left(
                resource=resource,
                owner=_manager_of(service, key),
                detail=f"annotation {key} says what ours said, and was not written here",
                remove=f"kubectl -n {config.namespace} annotate service {service['metadata']['name']} {key}-",
            )
    noted = receipt.read(cluster, config).release
    if noted and (noted.service_type or release_values.says_settings(noted.values)):
        yield Left(
            resource=resource,
            owner=KEPT,
            detail=f"stays {service['spec'].get('type')}, and Milvus keeps TLS",
            remove="teardown with restore_layer4=true gives the former Service and settings back",
        )
    elif config.restore_layer4 and service["spec"].get("type") == "ClusterIP":
        yield Left(resource=resource, owner=KEPT, detail="is ClusterIP, as it was before us or is kept by somebody now")


def _addresses(cluster: Cluster, config: TeardownRequest, addresses: Iterable[str]) -> Iterator[Left]:
    api = compute.api(config)
    mine = global_address.reserved_here(api, cluster, config)
    for name in addresses:
        resource, found = f"addresses/{name}", api.get("addresses", name)
        if found is None:
            continue
        ours = name in mine
        why = "kept for the next time" if ours else "not reserved here as far as is known"
        yield Left(
            resource=resource,
            owner=KEPT if ours else "whoever reserved it",
            detail=f"{found['address']}, {why}",
            remove="teardown with release_address=true" if ours else inventory.delete_command(resource, api.project),
        )


def _records(config: TeardownRequest, addresses: Collection[str]) -> Iterator[Left]:
    """Names that lead to an address without a load balancer, which may be anybody's tomorrow."""
    gone = " ".join(change.resource for change in progress.current().changes if change.action == "deleted")
    for domain in config.domains:
        if not addresses or f"/{domain}./" in gone:
            continue  # what we removed ourselves, resolvers forget by its TTL
        answers = dns_record.read_record(config, domain, "").answers
        if still := [address for address in addresses if address in answers]:
            yield Left(
                resource=f"DNS record {domain}",
                owner="whoever keeps its zone",
                detail=f"still says {', '.join(still)}",
                remove=f"Remove the A record of {domain} where it is kept.",
            )


def _in_compute(cluster: Cluster, config: TeardownRequest, parts: list[str]) -> Iterator[Left]:
    api = compute.api(config)
    noted = [each for each in parts if api.exists(each)]
    for reference in inventory.in_order([*noted, *leftovers.search(api, cluster, config)]):
        command = inventory.delete_command(reference, api.project)
        yield Left(resource=reference, owner=LEFT_OVER, detail="left behind by GKE", remove=command)


@steps.observing
def delete_lease(config: TeardownRequest) -> Change:
    """Delete the Lease after this run's own turn, unless another run has taken it meanwhile."""
    cluster, name = kubernetes.cluster(config), names.lease(config.release)
    resource = f"lease {config.namespace}/{name}"
    live = cluster.read(kubernetes.LEASE, config.namespace, name)
    change = Change(resource=resource, action="unchanged", detail="there is none")
    if live is not None and lease.read(live).holder:
        change = Change(resource=resource, action="unchanged", detail=f"is held by {lease.read(live).who}")
    elif live is not None:
        try:
            cluster.delete(kubernetes.LEASE, config.namespace, name, version=live["metadata"]["resourceVersion"])
            change = Change(resource=resource, action="deleted")
        except Unreachable as error:
            change = Change(resource=resource, action="unchanged", detail=error.observed)
    return progress.record(change)


def _places(cluster: ClusterReader, config: LoadBalancerConfig) -> list[tuple[Kind, str]]:
    """Where objects of ours may stand."""
    return [
        (kubernetes.INGRESS, names.ingress(config.release)),
        (kubernetes.MANAGED_CERTIFICATE, names.certificate(config.release)),
        (kubernetes.BACKEND_CONFIG, names.backend_config(config.release)),
        (kubernetes.FRONTEND_CONFIG, names.frontend_config(config.release)),
        *((kubernetes.SECRET, name) for name in tls_secret.places(cluster, config)),
        (kubernetes.CONFIG_MAP, names.receipt(config.release)),
    ]


def _services_of(ingress: Mapping[str, Any]) -> set[str]:
    spec = ingress["spec"]
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or []:
        backends += [path.get("backend") or {} for path in (rule.get("http") or {}).get("paths") or []]
    return {str(each["service"]["name"]) for each in backends if each.get("service")}


def _made_by(live: Mapping[str, Any]) -> str:
    """Who wrote the object first, by managedFields."""
    managers = [entry.get("manager", "") for entry in live["metadata"].get("managedFields") or []]
    return f"made by {managers[0]}" if managers else "somebody else's"


def _manager_of(service: Mapping[str, Any], key: str) -> str:
    for entry in service["metadata"].get("managedFields") or []:
        marks = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
        if f"f:{key}" in marks:
            return str(entry.get("manager", ""))
    return "somebody else"
