"""Who talks to Milvus in plaintext today, and will not be understood any more once Milvus speaks TLS (gke.md §10.4).

Read off the environment and the arguments of Pods; of a value that fits only the place is told, since it may hold a
secret. What an application reads from a file or a Secret is not seen.
"""

import re
from collections.abc import Iterator

from tasks.core import names, release_values
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object
from tasks.core.errors import ResourceFailed

OTHER_NAMESPACES = "Pods of other namespaces"
"""What `Objects.unread` has of them."""

_NAME = "PlaintextClientsCheck"
_SHOWN = 8


def checks(facts: Facts) -> Iterator[Check]:
    """One check; skipped where TLS is on already, or it cannot be known."""
    service = facts.service
    if service is None:
        return
    place = f"service {facts.namespace}/{service['metadata']['name']}"
    if facts.user_yaml is None:
        yield skipped(
            _NAME, place, "Milvus' settings were not found, so whether TLS is on is not known", layer="milvus"
        )
        return
    if _speaks_tls(facts.user_yaml):
        yield skipped(_NAME, place, "Milvus speaks TLS already", layer="milvus")
        return
    clients = [*_layer_4(service), *_workloads(facts, str(service["metadata"]["name"]))]
    looked = _where(facts)
    if not clients:
        yield passed(_NAME, place, f"no client was found {looked}", layer="milvus")
        return
    shown = "; ".join(clients[:_SHOWN]) + (f"; and {len(clients) - _SHOWN} more" if len(clients) > _SHOWN else "")
    seen = f"Milvus speaks plaintext now and TLS after this run; {len(clients)} clients found {looked}: {shown}"
    yield failed(_NAME, place, seen, _mend(facts), layer="milvus", blocks=False)


def _speaks_tls(text: str) -> bool:
    try:
        return release_values.settings_of(text).tls_mode in ("1", "2")
    except ResourceFailed:
        return False


def _where(facts: Facts) -> str:
    if why := facts.objects.unread.get(OTHER_NAMESPACES):
        return f"among the Pods of namespace {facts.namespace} (others cannot be read: {why})"
    return "among the Pods of every namespace"


def _layer_4(service: Object) -> Iterator[str]:
    """The address of a Layer-4 load balancer goes when the Service becomes ClusterIP."""
    entries = (((service.get("status") or {}).get("loadBalancer") or {}).get("ingress")) or []
    if (service.get("spec") or {}).get("type") == "LoadBalancer":
        for entry in entries:
            yield f"whoever dials {entry.get('ip') or entry.get('hostname')} (Layer 4), an address that goes away"


def _workloads(facts: Facts, service: str) -> Iterator[str]:
    told: set[str] = set()
    for pod in facts.objects.all("Pod"):
        who = _workload(pod)
        if who in told or _is_milvus(pod, facts):
            continue
        if how := _how(pod, service, facts.namespace):
            told.add(who)
            yield f"{who} by {how}"


def _how(pod: Object, service: str, namespace: str) -> str:
    """Where the Pod names the Service without TLS; empty when it does not."""
    at_home = pod["metadata"].get("namespace") == namespace
    # A bare name is one of the Pod's own namespace.
    domain = rf"\.{re.escape(namespace)}(?:\.svc(?:\.cluster\.local)?)?"
    host = rf"{re.escape(service)}(?:{domain}){'?' if at_home else ''}"
    pattern = re.compile(rf"(?<![\w.-])(?P<scheme>https?://)?(?:[^\s/@]*@)?{host}(?![\w.-])")
    for where, value in _values(pod):
        for found in pattern.finditer(value):
            if found["scheme"] != "https://":
                kind = "REST at " if found["scheme"] else ""
                return f"{kind}{where}"
    return ""


def _values(pod: Object) -> Iterator[tuple[str, str]]:
    """Every text a container is started with, and where it stands."""
    for container in (pod.get("spec") or {}).get("containers") or []:
        for variable in container.get("env") or []:
            yield f"variable {variable['name']}", str(variable.get("value") or "")
        for part in (*(container.get("command") or ()), *(container.get("args") or ())):
            yield f"an argument of container {container['name']}", str(part)


def _workload(pod: Object) -> str:
    """The workload a Pod is of: its controller without the hash of a ReplicaSet."""
    metadata = pod["metadata"]
    owner = next(iter(metadata.get("ownerReferences") or ()), None)
    kind, name = ("pod", metadata["name"]) if owner is None else (owner["kind"].lower(), owner["name"])
    if kind == "replicaset" and (hashed := (metadata.get("labels") or {}).get("pod-template-hash")):
        kind, name = "deployment", name.removesuffix(f"-{hashed}")
    attu = " (Attu)" if "attu" in _images(pod) else ""
    return f"{kind} {metadata.get('namespace', '')}/{name}{attu}"


def _images(pod: Object) -> str:
    return " ".join(str(each.get("image", "")) for each in (pod.get("spec") or {}).get("containers") or [])


def _is_milvus(pod: Object, facts: Facts) -> bool:
    labels = (pod["metadata"].get("labels") or {}).items()
    selectors = ((each["spec"].get("selector") or {}).get("matchLabels") or {} for each in facts.deployments)
    return pod["metadata"].get("namespace") == facts.namespace and any(
        selector and selector.items() <= labels for selector in selectors
    )


def _mend(facts: Facts) -> str:
    host = names.service(facts.config.release)
    return (
        f"Be ready to lead them to https://{facts.config.domain}:443, or to TLS at {host}.{facts.namespace}:19530 "
        f"(its certificate is for localhost): pymilvus by secure=True, Attu by "
        f"kubectl -n {facts.namespace} set env deployment/ATTU MILVUS_URL=https://{facts.config.domain}:443"
    )
