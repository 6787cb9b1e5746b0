"""The Pods behind the Service: ports, readiness, replicas, and TLS as the deployed Milvus version takes it.

Source: milvus-helm templates; milvus internal/distributed/proxy/listener_manager.go; gke.md §8.3, §10.1 to §10.4.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.core import names, release_values
from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts
from tasks.core.checks.objects import Object, kubectl, named, resource
from tasks.core.checks.ownership import by_hand
from tasks.core.errors import ResourceFailed

_HEALTH_PORT, _MILVUS_PORT = 9091, 19530
_MODES = ("0", "1", "2")


def checks(facts: Facts) -> Iterator[Check]:
    """Every check of Milvus' Deployments and settings; skipped where there are none."""
    serving = serving_deployments(facts)
    if not serving:
        yield _selector(facts)
    for deployment in serving:
        yield _container_ports(facts, deployment)
        yield _health_port(deployment)
        yield _readiness(deployment)
    for deployment in facts.deployments:
        yield from _volumes(facts, deployment)
        yield _replicas(facts, deployment)
    if facts.deployments:
        yield from _settings(facts)
        yield from _settings_reached(facts)


def serving_deployments(facts: Facts) -> list[Object]:
    """The Deployments whose Pods the Milvus Service selects."""
    selector = ((facts.service or {}).get("spec") or {}).get("selector") or {}
    return [
        deployment
        for deployment in facts.deployments
        if selector and selector.items() <= _labels(deployment["spec"]["template"]).items()
    ]


def _selector(facts: Facts) -> Check:
    """A Service that selects none of the release's Pods; without a Deployment nobody can say whom it should."""
    name, place = "ServiceSelectorCheck", resource("Service", facts.namespace, names.service(facts.config.release))
    service, wanted = facts.service, _those_that_serve(facts)
    if service is None or not wanted:
        return skipped(name, place, "selects no Deployment; its Pods are not looked at")
    said = _pairs((service.get("spec") or {}).get("selector") or {})
    seen = f"selects {said or 'nothing'}, which no Deployment of the release has: the load balancer gets no endpoints"
    right = _pairs((wanted["spec"].get("selector") or {}).get("matchLabels") or _labels(wanted["spec"]["template"]))
    mend = f"Set it back: kubectl -n {facts.namespace} set selector service {service['metadata']['name']} '{right}'"
    return failed(name, place, seen, mend)


def _those_that_serve(facts: Facts) -> Object | None:
    """The Deployment that answers clients (milvus-helm templates/service.yaml), or the only one there is."""
    found = [each for each in facts.deployments if _labels(each["spec"]["template"]).get("component") in _SERVING]
    return next(iter(found), facts.deployments[0] if len(facts.deployments) == 1 else None)


_SERVING = ("proxy", "standalone")


def _pairs(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def container_port(facts: Facts, deployment: Object) -> int | None:
    """The number of the container port that the Service's Milvus port leads to; None if no container declares it."""
    ports = ((facts.service or {}).get("spec") or {}).get("ports") or []
    wanted: Mapping[str, Any] = next((each for each in ports if facts.port and each["port"] == facts.port.number), {})
    target = wanted.get("targetPort") or wanted.get("port")
    if isinstance(target, int):
        return target
    found = (port["containerPort"] for port in _ports(deployment) if port.get("name") == target)
    return next(found, None)


def _container_ports(facts: Facts, deployment: Object) -> Check:
    name, place = "ContainerPortCheck", named(deployment)
    if facts.port is None:
        return skipped(name, place, "the Service has no Milvus port", layer="milvus")
    number = container_port(facts, deployment)
    declared = {port["containerPort"]: str(port.get("name") or port["containerPort"]) for port in _ports(deployment)}
    mend = _right_target(facts, declared)
    if number == _HEALTH_PORT:
        seen = f"gets calls for port {facts.port.name} of the Service on {number}, where Milvus speaks no gRPC"
        return failed(name, place, seen, mend, layer="milvus")
    # A process may listen where nobody declared it, but the charts declare the port of gRPC.
    if number in declared or (number is not None and _MILVUS_PORT not in declared):
        seen = f"port {facts.port.name} of the Service leads to container port {number}"
        return passed(name, place, seen, layer="milvus")
    ports = ", ".join(f"{port.get('name', '')}:{port['containerPort']}".lstrip(":") for port in _ports(deployment))
    seen = f"declares no container port that port {facts.port.name} of the Service leads to, but {ports or 'none'}"
    what = "nobody answers on it" if number else "the load balancer gets no endpoints"
    return failed(name, place, f"{seen}: {what}", mend, layer="milvus")


def _right_target(facts: Facts, declared: Mapping[int, str]) -> str:
    port = facts.port.number if facts.port else _MILVUS_PORT
    target = declared.get(_MILVUS_PORT, "PORT")
    change = json.dumps({"spec": {"ports": [{"port": port, "targetPort": target}]}})
    name = names.service(facts.config.release)
    return (
        f"Name the container's port as the Service's targetPort: kubectl -n {facts.namespace} patch service {name} "
        + (f"-p '{change}'")
    )


def _health_port(deployment: Object) -> Check:
    name, place = "HealthPortCheck", named(deployment)
    if any(port["containerPort"] == _HEALTH_PORT for port in _ports(deployment)):
        return passed(name, place, f"declares port {_HEALTH_PORT}", layer="milvus")
    seen = f"declares no container port {_HEALTH_PORT}, where Milvus answers the health check"
    mend = f"See whether it listens there: {kubectl('logs', deployment)} | grep {_HEALTH_PORT}"
    return failed(name, place, seen, mend, layer="milvus", blocks=False)


def _readiness(deployment: Object) -> Check:
    name, place = "ReadinessProbeCheck", named(deployment)
    containers = deployment["spec"]["template"]["spec"].get("containers") or []
    if any(container.get("readinessProbe") for container in containers):
        return passed(name, place, "has a readiness probe", layer="milvus")
    seen = "has no readiness probe, so that calls reach a Milvus that is still starting"
    mend = "Switch it on in the chart: readinessProbe.enabled=true"
    return failed(name, place, seen, mend, layer="milvus", blocks=False)


def _volumes(facts: Facts, deployment: Object) -> Iterator[Check]:
    """A ConfigMap that a new Pod would wait for; a release that is upgraded anyway brings its own back."""
    name, place = "VolumeSourceCheck", named(deployment)
    if facts.planned or "ConfigMap" in facts.objects.unread:
        return
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or []
    sources = [volume["configMap"] for volume in volumes if volume.get("configMap")]
    wanted = [str(source.get("name", "")) for source in sources if not source.get("optional")]
    gone = [each for each in wanted if facts.objects.get("ConfigMap", facts.namespace, each) is None]
    if not gone:
        yield passed(name, place, f"mounts {', '.join(wanted) or 'no ConfigMap'}", layer="milvus")
        return
    apply = f"helm -n {facts.namespace} get manifest {facts.config.release} | kubectl -n {facts.namespace} apply -f -"
    seen = f"mounts configmap {', '.join(gone)}, which does not exist: no Pod of it starts any more"
    yield failed(name, place, seen, f"Make it again, as the release has it: {apply}", layer="milvus")


def _replicas(facts: Facts, deployment: Object) -> Check:
    name, place = "ReplicasCheck", named(deployment)
    wanted = deployment["spec"].get("replicas", 1)
    ready = (deployment.get("status") or {}).get("readyReplicas", 0)
    if wanted == 0:
        mend = f"Scale it up: {kubectl('scale', deployment, '--replicas=1')}"
        return failed(name, place, "is scaled to 0, so that nobody answers", mend, layer="milvus")
    if ready >= wanted:
        return passed(name, place, f"{ready} of {wanted} replicas are ready", layer="milvus")
    if facts.planned:
        return skipped(
            name, place, f"{ready} of {wanted} replicas are ready now; the rollout is waited for", layer="milvus"
        )
    mend = f"See why: kubectl -n {facts.namespace} get pods; {kubectl('describe', deployment)}"
    seen = f"{ready} of {wanted} replicas are ready"
    return failed(name, place, seen, mend, layer="milvus", blocks=False)


def _settings(facts: Facts) -> Iterator[Check]:
    tls, rest, place = "MilvusTlsCheck", "MilvusRestPortCheck", facts.settings_from
    if facts.user_yaml is None:
        place = f"milvus of release {facts.namespace}/{facts.config.release}"
        yield skipped(tls, place, "its settings were not found in a ConfigMap that a Deployment mounts", layer="milvus")
        return
    try:
        said = release_values.settings_of(facts.user_yaml)
    except ResourceFailed as error:
        yield failed(tls, place, error.observed, error.mend, layer="milvus")
        return
    yield _tls_mode(said.tls_mode, place)
    yield _rest_port(facts, said, rest, place)


def _tls_mode(mode: str | None, place: str) -> Check:
    name = "MilvusTlsCheck"
    mend = "Set common.security.tlsMode to 1 in extraConfigFiles.user.yaml of the release's values, then run again."
    match mode:
        case "1":
            return passed(name, place, "common.security.tlsMode is 1", layer="milvus")
        case "2":
            seen = (
                "common.security.tlsMode is 2 (mutual TLS), but Google's load balancer presents no client certificate"
            )
        case None | "0":
            said = "is not set" if mode is None else "is 0"
            seen = f"common.security.tlsMode {said}: Milvus speaks plaintext, and an HTTP2 backend must speak TLS (502)"
        case _:
            seen = f"common.security.tlsMode is {mode}, none of {', '.join(_MODES)}: Milvus does not start"
    return failed(name, place, seen, mend, layer="milvus")


def _rest_port(facts: Facts, said: release_values.Settings, name: str, place: str) -> Check:
    version = ".".join(map(str, facts.version)) if facts.version else "of an unknown version"
    if said.tls_mode not in ("1", "2") or not said.rest_shares_the_port:
        return passed(name, place, "REST has a port of its own, is off, or there is no TLS", layer="milvus")
    if facts.version is None and not facts.planned:
        return skipped(name, place, "the version of Milvus is not known", layer="milvus")
    if not release_values.shared_port_is_fatal(facts.version):
        return passed(name, place, f"Milvus {version} switches REST off on the port of gRPC", layer="milvus")
    seen = f"REST shares the port of gRPC and TLS is on: Milvus {version} does not start ('tls mode must be 0')"
    mend = f"Set proxy.http.port to {release_values.REST_PORT} in extraConfigFiles.user.yaml of the release's values."
    return failed(name, place, seen, mend, layer="milvus")


def _settings_reached(facts: Facts) -> Iterator[Check]:
    """A ConfigMap that was changed by hand does not reach running Pods: a subPath mount never updates."""
    changed = _data_changed(facts)
    mine = [pod for pod in facts.objects.all("Pod") if _is_of(pod, facts)]
    pods = [pod for pod in mine if (pod.get("status") or {}).get("startTime")]
    if facts.planned or not changed or not pods:
        return
    name, place = "MilvusSettingsReachedCheck", facts.settings_from
    older = sorted(str(pod["metadata"]["name"]) for pod in pods if str(pod["status"]["startTime"]) < changed)
    if not older:
        yield passed(name, place, "every Pod was started after the last change", layer="milvus")
        return
    targets = " ".join(f"deployment/{deployment['metadata']['name']}" for deployment in facts.deployments)
    seen = f"was changed at {changed}, and Pod {', '.join(older)} runs since before that"
    mend = f"Restart Milvus: kubectl -n {facts.namespace} rollout restart {targets}"
    yield failed(name, place, seen, mend, layer="milvus", blocks=False)


def _data_changed(facts: Facts) -> str:
    """When somebody other than Helm last wrote the settings, RFC 3339; Helm restarts what it changes."""
    kind, _, path = facts.settings_from.partition(" ")
    namespace, _, name = path.partition("/")
    config_map = facts.objects.get("ConfigMap", namespace, name) if kind == "configmap" else None
    entries = ((config_map or {}).get("metadata") or {}).get("managedFields") or []
    edits = (entry for entry in entries if by_hand(entry) and "f:data" in entry.get("fieldsV1", {}))
    return max((str(entry.get("time") or "") for entry in edits), default="")


def _is_of(pod: Object, facts: Facts) -> bool:
    if (pod.get("metadata") or {}).get("namespace") != facts.namespace:
        return False
    selectors = ((each["spec"].get("selector") or {}).get("matchLabels") or {} for each in facts.deployments)
    return any(selector and selector.items() <= _labels(pod).items() for selector in selectors)


def _labels(thing: Object) -> dict[str, str]:
    return dict((thing.get("metadata") or {}).get("labels") or {})


def _ports(deployment: Object) -> list[dict[str, Any]]:
    containers = deployment["spec"]["template"]["spec"].get("containers") or []
    return [port for container in containers for port in container.get("ports") or []]
