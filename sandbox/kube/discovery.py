"""Discovery: which groups, versions and resources there are, in the aggregated and in the older form.

`k8s.io/apiserver/pkg/endpoints/discovery`. Clients since kubectl 1.27 ask for the aggregated form and read the older
one if they do not get it.
"""

from typing import Any

from sandbox.kube.kinds import REVIEWS, VERBS, Kind, Registry

Object = dict[str, Any]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
VERSION: Object = {
    "major": "1",
    "minor": "33",
    "emulationMajor": "1",
    "emulationMinor": "33",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "32",
    "gitVersion": "v1.33.5-gke.1201000",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2025-10-01T00:00:00Z",
    "goVersion": "go1.24.6 X:boringcrypto",
    "compiler": "gc",
    "platform": "linux/amd64",
}
"""What a GKE control plane of that age answers."""


def aggregated_version(accept: str) -> str | None:
    """The version of aggregated discovery a client prefers, None for the older documents."""
    for part in accept.split(","):
        words = set(part.strip().split(";"))
        if "as=APIGroupDiscoveryList" in words and "application/json" in words:
            return next((each for each in ("v2", "v2beta1") if f"v={each}" in words), None)
        if part.strip() == "application/json":
            return None
    return None


def aggregated(registry: Registry, version: str, *, core: bool) -> Object:
    items = []
    for group, versions in registry.groups().items():
        if (group == "") is not core:
            continue
        listed = [
            {
                "version": each,
                "resources": [_aggregated_resource(kind) for kind in registry.of(group, each)],
                "freshness": "Current",
            }
            for each in versions
        ]
        metadata = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        items.append({"metadata": metadata, "versions": listed})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def core_versions(address: str) -> Object:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(registry: Registry) -> Object:
    listed = [_group(name, versions) for name, versions in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(registry: Registry, name: str) -> Object | None:
    versions = registry.groups().get(name) if name else None
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, versions) if versions else None


def resources(registry: Registry, group_name: str, version: str) -> Object | None:
    """The APIResourceList of a group and version, None if it is not served."""
    kinds = registry.of(group_name, version)
    if not kinds:
        return None
    api_version = f"{group_name}/{version}" if group_name else version
    listed = [each for kind in kinds for each in _resources(kind)]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def verbs(kind: Kind) -> list[str]:
    return ["create"] if kind in REVIEWS else list(VERBS)


def subresources(kind: Kind) -> list[tuple[str, Object, list[str]]]:
    """Name, response kind and verbs of each subresource."""
    own = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    found: list[tuple[str, Object, list[str]]] = []
    if kind.stored_in == "pods":
        found.append(("eviction", {"group": "policy", "version": "v1", "kind": "Eviction"}, ["create"]))
        found.append(("log", own, ["get"]))
    if kind.stored_in == "namespaces":
        found.append(("finalize", own, ["update"]))
    if kind.scale:
        scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        found.append(("scale", scale, ["get", "patch", "update"]))
    if kind.status:
        found.append(("status", own, ["get", "patch", "update"]))
    return found


def _aggregated_resource(kind: Kind) -> Object:
    own = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    described: Object = {
        "resource": kind.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.one,
        "verbs": verbs(kind),
    }
    if kind.short_names:
        described["shortNames"] = list(kind.short_names)
    if kind.categories:
        described["categories"] = list(kind.categories)
    below = [
        {"subresource": name, "responseKind": response, "verbs": allowed}
        for name, response, allowed in subresources(kind)
    ]
    return described | ({"subresources": below} if below else {})


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{each}", "version": each} for each in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _resources(kind: Kind) -> list[Object]:
    described: Object = {
        "name": kind.plural,
        "singularName": kind.one,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": verbs(kind),
    }
    if kind.short_names:
        described["shortNames"] = list(kind.short_names)
    if kind.categories:
        described["categories"] = list(kind.categories)
    found = [described]
    for name, response, allowed in subresources(kind):
        below: Object = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": response["kind"],
            "verbs": allowed,
        }
        if (response["group"], response["version"]) != (kind.group, kind.version):
            below |= {"group": response["group"], "version": response["version"]}
        found.append(below)
    return found
