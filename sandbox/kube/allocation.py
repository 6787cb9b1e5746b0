"""Cluster IPs and node ports of Services (`pkg/registry/core/service/storage/alloc.go`)."""

import ipaddress
import random
from collections.abc import Iterable
from typing import Any

from sandbox.kube.errors import StatusError
from sandbox.kube.kinds import Kind
from sandbox.kube.names import invalid

Object = dict[str, Any]

NETWORK = ipaddress.ip_network("10.96.0.0/16")
NODE_PORTS = range(30000, 32768)


def allocate(kind: Kind, service: Object, old: Object | None, others: Iterable[Object]) -> None:
    """Give a Service what its type needs and take what it no longer needs, in place.

    Raises:
        StatusError: 422, an address or port asked for is not free.
    """
    spec = service["spec"]
    before = (old or {}).get("spec") or {}
    taken = [each["spec"] for each in others]
    _keep(spec, before)
    if spec["type"] == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            spec.pop(name, None)
    else:
        _cluster_address(kind, service, spec, {each.get("clusterIP") for each in taken})
    if spec["type"] not in ("NodePort", "LoadBalancer"):
        _drop_node_ports(spec)
    elif spec.get("allocateLoadBalancerNodePorts", True):
        used = {port.get("nodePort") for each in taken for port in each.get("ports") or []}
        _node_ports(kind, service, spec, used)


def _keep(spec: Object, before: Object) -> None:
    """What a client left out of an update stays (`patchAllocatedValues`)."""
    if not before or "ExternalName" in (spec["type"], before.get("type")):
        return
    for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if not spec.get(name) and before.get(name):
            spec[name] = before[name]
    kept = {(port.get("port"), port.get("protocol")): port.get("nodePort") for port in before.get("ports") or []}
    if before.get("type") in ("NodePort", "LoadBalancer") and spec["type"] in ("NodePort", "LoadBalancer"):
        for port in spec.get("ports") or []:
            node_port = kept.get((port.get("port"), port.get("protocol")))
            if node_port and not port.get("nodePort"):
                port["nodePort"] = node_port


def _drop_node_ports(spec: Object) -> None:
    """`dropTypeDependentFields`: a ClusterIP Service has neither node ports nor load-balancer fields."""
    for name in ("externalTrafficPolicy", "allocateLoadBalancerNodePorts", "healthCheckNodePort", "loadBalancerClass"):
        spec.pop(name, None)
    for port in spec.get("ports") or []:
        port.pop("nodePort", None)


def _cluster_address(kind: Kind, service: Object, spec: Object, used: set[str | None]) -> None:
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    asked = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or []), "")
    if not asked:
        asked = _free_address(used)
    elif asked != "None" and asked in used:
        name = service["metadata"].get("name", "")
        text = f"failed to allocate IP {asked}: provided IP is already allocated"
        raise StatusError.invalid(kind, name, [invalid("spec.clusterIPs", [asked], text)])
    spec["clusterIP"] = asked
    spec["clusterIPs"] = [asked]


def _free_address(used: set[str | None]) -> str:
    while True:
        # The first sixteen are left for addresses that are known by number, such as the API server's.
        address = str(NETWORK[random.randrange(16, NETWORK.num_addresses - 1)])  # noqa: S311
        if address not in used:
            return address


def _node_ports(kind: Kind, service: Object, spec: Object, used: set[int | None]) -> None:
    for index, port in enumerate(spec.get("ports") or []):
        asked = port.get("nodePort")
        if asked:
            fault = ""
            if asked not in NODE_PORTS:
                fault = "provided port is not in the valid range. The range of valid ports is 30000-32767"
            elif asked in used:
                fault = "provided port is already allocated"
            if fault:
                causes = [invalid(f"spec.ports[{index}].nodePort", asked, fault)]
                raise StatusError.invalid(kind, service["metadata"].get("name", ""), causes)
        else:
            asked = random.choice([each for each in NODE_PORTS if each not in used])  # noqa: S311
        port["nodePort"] = asked
        used.add(asked)
