"""The columns of each built-in kind's Table, and how their cells are read out of an object.

`pkg/printers/internalversion/printers.go` of kube-apiserver. Columns of priority 1 show with `-o wide`.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.kube.ages import age, human

Object = dict[str, Any]
Cell = Callable[[Object, dt.datetime], Any]

_NODE_ROLE = "node-role.kubernetes.io/"


@dataclass(frozen=True)
class Column:
    """A column's heading and how its cell is read."""

    name: str
    cell: Cell
    type: str = "string"
    priority: int = 0


def _at(path: str, default: Any = "<none>") -> Cell:
    steps = path.split(".")

    def cell(obj: Object, _now: dt.datetime) -> Any:
        value: Any = obj
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return default if value in (None, "") else value

    return cell


def _of(read: Callable[[Object], Any]) -> Cell:
    return lambda obj, _now: read(obj)


def _since(path: str) -> Cell:
    find = _at(path, None)
    return lambda obj, now: age(find(obj, now), now)


def _count(field: str) -> Cell:
    return _of(lambda obj: len(obj.get(field) or ()))


def _number(path: str) -> Cell:
    return _at(path, 0)


NAME = Column("Name", _at("metadata.name"))
AGE = Column("Age", _since("metadata.creationTimestamp"))
DEFAULT = (NAME, Column("Created At", _at("metadata.creationTimestamp"), "date"))


def _labels(labels: Object | None) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items())) or "<none>"


def _selector(selector: Object | None) -> str:
    parts = [f"{name}={value}" for name, value in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for each in (selector or {}).get("matchExpressions") or []:
        operator, values = each["operator"], f"({','.join(each.get('values') or [])})"
        word = {"In": f"{each['key']} in {values}", "NotIn": f"{each['key']} notin {values}"}.get(operator)
        parts.append(word or (each["key"] if operator == "Exists" else f"!{each['key']}"))
    return ",".join(parts) or "<none>"


def _containers(what: str, *path: str) -> Cell:
    def read(obj: Object) -> str:
        spec = obj["spec"]
        for step in path:
            spec = spec.get(step) or {}
        return ",".join(each.get(what, "") for each in spec.get("containers") or [])

    return _of(read)


_TEMPLATE = (
    Column("Containers", _containers("name", "template", "spec"), priority=1),
    Column("Images", _containers("image", "template", "spec"), priority=1),
    Column("Selector", _of(lambda obj: _selector(obj["spec"].get("selector"))), priority=1),
)


def _ready(have: str, want: str) -> Cell:
    def read(obj: Object) -> str:
        return f"{(obj.get('status') or {}).get(have, 0)}/{obj['spec'].get(want, 0)}"

    return _of(read)


def _pod_status(obj: Object) -> str:
    status = obj.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "Unknown")
    for each in status.get("containerStatuses") or []:
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            reason = waiting["reason"]
        elif ended:
            reason = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else reason


def _pod_ready(obj: Object) -> str:
    statuses = (obj.get("status") or {}).get("containerStatuses") or []
    return f"{sum(bool(each.get('ready')) for each in statuses)}/{len(obj['spec'].get('containers') or ())}"


def _pod_restarts(obj: Object, now: dt.datetime) -> str:
    statuses = (obj.get("status") or {}).get("containerStatuses") or []
    total = sum(each.get("restartCount", 0) for each in statuses)
    ends = [((each.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for each in statuses]
    last = max((each for each in ends if each), default=None)
    return f"{total} ({age(last, now)} ago)" if total and last else str(total)


def _gates(obj: Object) -> str:
    gates = obj["spec"].get("readinessGates") or []
    if not gates:
        return "<none>"
    conditions = {each["type"]: each["status"] for each in (obj.get("status") or {}).get("conditions") or []}
    return f"{sum(conditions.get(each['conditionType']) == 'True' for each in gates)}/{len(gates)}"


def _external(obj: Object) -> str:
    spec = obj["spec"]
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    match spec.get("type"):
        case "LoadBalancer":
            found = [each.get("ip") or each.get("hostname") for each in ingress] + (spec.get("externalIPs") or [])
            return ",".join(each for each in found if each) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName"))
        case _:
            return ",".join(spec.get("externalIPs") or []) or "<none>"


def _service_ports(obj: Object) -> str:
    parts = []
    for port in obj["spec"].get("ports") or []:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        parts.append(f"{port.get('port')}{node}/{port.get('protocol')}")
    return ",".join(parts) or "<none>"


def _hosts(obj: Object) -> str:
    hosts = [rule["host"] for rule in obj["spec"].get("rules") or [] if rule.get("host")]
    if not hosts:
        return "*"
    more = f" + {len(hosts) - 3} more..." if len(hosts) > 3 else ""
    return ",".join(hosts[:3]) + more


def _addresses(obj: Object) -> str:
    found = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return ",".join(each.get("ip") or each.get("hostname") or "" for each in found)


def _endpoints(obj: Object) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or []
        for port in subset.get("ports") or [{}]
        for address in subset.get("addresses") or []
        if "port" in port
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more if found else "<none>"


def _node_status(obj: Object) -> str:
    conditions = {each["type"]: each["status"] for each in (obj.get("status") or {}).get("conditions") or []}
    words = ["Ready" if conditions.get("Ready") == "True" else "NotReady" if "Ready" in conditions else "Unknown"]
    return ",".join(words + (["SchedulingDisabled"] if obj["spec"].get("unschedulable") else []))


def _node_roles(obj: Object) -> str:
    labels = obj["metadata"].get("labels") or {}
    return ",".join(sorted(each.removeprefix(_NODE_ROLE) for each in labels if each.startswith(_NODE_ROLE))) or "<none>"


def _node_address(kind: str) -> Cell:
    def read(obj: Object) -> str:
        found = (obj.get("status") or {}).get("addresses") or []
        return next((each["address"] for each in found if each["type"] == kind), "<none>")

    return _of(read)


def _job_status(obj: Object) -> str:
    conditions = {each["type"]: each["status"] for each in (obj.get("status") or {}).get("conditions") or []}
    for kind in ("Complete", "Failed", "Suspended"):
        if conditions.get(kind) == "True":
            return kind
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else "Running"


def _job_completions(obj: Object) -> str:
    done, wanted = (obj.get("status") or {}).get("succeeded", 0), obj["spec"].get("completions")
    return f"{done}/{wanted}" if wanted is not None else f"{done}/1 of {obj['spec'].get('parallelism', 1)}"


def _job_duration(obj: Object, now: dt.datetime) -> str:
    status = obj.get("status") or {}
    if not status.get("startTime"):
        return ""
    start = dt.datetime.fromisoformat(status["startTime"])
    done = status.get("completionTime")
    return human(((dt.datetime.fromisoformat(done) if done else now) - start).total_seconds())


def _last_seen(obj: Object, now: dt.datetime) -> str:
    series = (obj.get("series") or {}).get("lastObservedTime")
    return age(series or obj.get("lastTimestamp") or obj.get("eventTime") or obj.get("firstTimestamp"), now)


def _first_seen(obj: Object, now: dt.datetime) -> str:
    return age(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def _event_object(obj: Object) -> str:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_source(obj: Object) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    parts = [
        source.get("component") or obj.get("reportingComponent") or obj.get("reportingController"),
        source.get("host"),
    ]
    return ", ".join(each for each in parts if each)


def _event_count(obj: Object) -> int:
    series = obj.get("series") or {}
    return int(series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1)


def _policy(obj: Object) -> str:
    return _selector(obj["spec"].get("podSelector"))


def _claim_capacity(obj: Object) -> str:
    return str(((obj.get("status") or {}).get("capacity") or {}).get("storage", ""))


_ACCESS = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _access(path: str) -> Cell:
    find = _at(path, [])
    return lambda obj, now: ",".join(_ACCESS.get(each, each) for each in find(obj, now))


def _claim_status(obj: Object) -> str:
    phase = str((obj.get("status") or {}).get("phase", ""))
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else phase


def _role_ref(obj: Object) -> str:
    return f"{obj['roleRef'].get('kind')}/{obj['roleRef'].get('name')}"


def _class_parameters(obj: Object) -> str:
    found = obj["spec"].get("parameters")
    return (
        f"{found['kind']}{'.' + found['apiGroup'] if found.get('apiGroup') else ''}/{found['name']}"
        if found
        else "<none>"
    )


def _slice_ports(obj: Object) -> str:
    return ",".join(str(each.get("port", "*")) for each in obj.get("ports") or []) or "<unset>"


def _slice_endpoints(obj: Object) -> str:
    found = [each for endpoint in obj.get("endpoints") or [] for each in endpoint.get("addresses") or []]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more if found else "<unset>"


_BINDING = (NAME, Column("Role", _of(_role_ref)), AGE)

PRINTERS: dict[str, tuple[Column, ...]] = {
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "configmaps": (
        NAME,
        Column("Data", _of(lambda obj: len(obj.get("data") or ()) + len(obj.get("binaryData") or ()))),
        AGE,
    ),
    "cronjobs.batch": (
        NAME,
        Column("Schedule", _at("spec.schedule")),
        Column("Timezone", _at("spec.timeZone")),
        Column("Suspend", _of(lambda obj: str(obj["spec"].get("suspend", False)))),
        Column("Active", _of(lambda obj: len((obj.get("status") or {}).get("active") or ())), "integer"),
        Column("Last Schedule", _since("status.lastScheduleTime")),
        AGE,
    ),
    "daemonsets.apps": (
        NAME,
        Column("Desired", _number("status.desiredNumberScheduled"), "integer"),
        Column("Current", _number("status.currentNumberScheduled"), "integer"),
        Column("Ready", _number("status.numberReady"), "integer"),
        Column("Up-to-date", _number("status.updatedNumberScheduled"), "integer"),
        Column("Available", _number("status.numberAvailable"), "integer"),
        Column("Node Selector", _of(lambda obj: _labels(obj["spec"]["template"]["spec"].get("nodeSelector")))),
        AGE,
        *_TEMPLATE,
    ),
    "deployments.apps": (
        NAME,
        Column("Ready", _ready("readyReplicas", "replicas")),
        Column("Up-to-date", _number("status.updatedReplicas"), "integer"),
        Column("Available", _number("status.availableReplicas"), "integer"),
        AGE,
        *_TEMPLATE,
    ),
    "endpoints": (NAME, Column("Endpoints", _of(_endpoints)), AGE),
    "endpointslices.discovery.k8s.io": (
        NAME,
        Column("AddressType", _at("addressType")),
        Column("Ports", _of(_slice_ports)),
        Column("Endpoints", _of(_slice_endpoints)),
        AGE,
    ),
    "events": (
        Column("Last Seen", _last_seen),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", _of(_event_object)),
        Column("Subobject", _at("involvedObject.fieldPath", ""), priority=1),
        Column("Source", _of(_event_source), priority=1),
        Column("Message", _of(lambda obj: (obj.get("message") or obj.get("note") or "").strip())),
        Column("First Seen", _first_seen, priority=1),
        Column("Count", _of(_event_count), "integer", 1),
        Column("Name", _at("metadata.name"), priority=1),
    ),
    "horizontalpodautoscalers.autoscaling": (
        NAME,
        Column(
            "Reference", _of(lambda obj: "/".join(obj["spec"]["scaleTargetRef"].get(f, "") for f in ("kind", "name")))
        ),
        Column("MinPods", _of(lambda obj: str(obj["spec"].get("minReplicas", "<unset>")))),
        Column("MaxPods", _at("spec.maxReplicas"), "integer"),
        Column("Replicas", _number("status.currentReplicas"), "integer"),
        AGE,
    ),
    "ingressclasses.networking.k8s.io": (
        NAME,
        Column("Controller", _at("spec.controller")),
        Column("Parameters", _of(_class_parameters)),
        AGE,
    ),
    "ingresses.networking.k8s.io": (
        NAME,
        Column("Class", _at("spec.ingressClassName")),
        Column("Hosts", _of(_hosts)),
        Column("Address", _of(_addresses)),
        Column("Ports", _of(lambda obj: "80, 443" if obj["spec"].get("tls") else "80")),
        AGE,
    ),
    "jobs.batch": (
        NAME,
        Column("Status", _of(_job_status)),
        Column("Completions", _of(_job_completions)),
        Column("Duration", _job_duration),
        AGE,
        *_TEMPLATE,
    ),
    "leases.coordination.k8s.io": (NAME, Column("Holder", _at("spec.holderIdentity", "")), AGE),
    "namespaces": (NAME, Column("Status", _at("status.phase")), AGE),
    "networkpolicies.networking.k8s.io": (NAME, Column("Pod-Selector", _of(_policy)), AGE),
    "nodes": (
        NAME,
        Column("Status", _of(_node_status)),
        Column("Roles", _of(_node_roles)),
        AGE,
        Column("Version", _at("status.nodeInfo.kubeletVersion", "")),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        Column("OS-Image", _at("status.nodeInfo.osImage", "<unknown>"), priority=1),
        Column("Kernel-Version", _at("status.nodeInfo.kernelVersion", "<unknown>"), priority=1),
        Column("Container-Runtime", _at("status.nodeInfo.containerRuntimeVersion", "<unknown>"), priority=1),
    ),
    "persistentvolumeclaims": (
        NAME,
        Column("Status", _of(_claim_status)),
        Column("Volume", _at("spec.volumeName", "")),
        Column("Capacity", _of(_claim_capacity)),
        Column("Access Modes", _access("status.accessModes")),
        Column("StorageClass", _at("spec.storageClassName", "")),
        Column("VolumeAttributesClass", _at("spec.volumeAttributesClassName", "<unset>")),
        AGE,
        Column("VolumeMode", _at("spec.volumeMode", "<unset>"), priority=1),
    ),
    "persistentvolumes": (
        NAME,
        Column("Capacity", _at("spec.capacity.storage", "")),
        Column("Access Modes", _access("spec.accessModes")),
        Column("Reclaim Policy", _at("spec.persistentVolumeReclaimPolicy", "")),
        Column("Status", _of(_claim_status)),
        Column(
            "Claim",
            _of(lambda o: "/".join((o["spec"].get("claimRef") or {}).get(f, "") for f in ("namespace", "name"))),
        ),
        Column("StorageClass", _at("spec.storageClassName", "")),
        Column("VolumeAttributesClass", _at("spec.volumeAttributesClassName", "<unset>")),
        Column("Reason", _at("status.reason", "")),
        AGE,
        Column("VolumeMode", _at("spec.volumeMode", "<unset>"), priority=1),
    ),
    "poddisruptionbudgets.policy": (
        NAME,
        Column("Min Available", _of(lambda obj: str(obj["spec"].get("minAvailable", "N/A")))),
        Column("Max Unavailable", _of(lambda obj: str(obj["spec"].get("maxUnavailable", "N/A")))),
        Column("Allowed Disruptions", _number("status.disruptionsAllowed"), "integer"),
        AGE,
    ),
    "pods": (
        NAME,
        Column("Ready", _of(_pod_ready)),
        Column("Status", _of(_pod_status)),
        Column("Restarts", _pod_restarts),
        AGE,
        Column("IP", _at("status.podIP"), priority=1),
        Column("Node", _at("spec.nodeName"), priority=1),
        Column("Nominated Node", _at("status.nominatedNodeName"), priority=1),
        Column("Readiness Gates", _of(_gates), priority=1),
    ),
    "priorityclasses.scheduling.k8s.io": (
        NAME,
        Column("Value", _at("value"), "integer"),
        Column("Global-Default", _at("globalDefault", False), "boolean"),  # noqa: FBT003
        AGE,
        Column("PreemptionPolicy", _at("preemptionPolicy", "")),
    ),
    "replicasets.apps": (
        NAME,
        Column("Desired", _number("spec.replicas"), "integer"),
        Column("Current", _number("status.replicas"), "integer"),
        Column("Ready", _number("status.readyReplicas"), "integer"),
        AGE,
        *_TEMPLATE,
    ),
    "secrets": (NAME, Column("Type", _at("type")), Column("Data", _count("data"), "integer"), AGE),
    "serviceaccounts": (NAME, Column("Secrets", _count("secrets"), "integer"), AGE),
    "services": (
        NAME,
        Column("Type", _at("spec.type")),
        Column("Cluster-IP", _at("spec.clusterIP")),
        Column("External-IP", _of(_external)),
        Column("Port(s)", _of(_service_ports)),
        AGE,
        Column("Selector", _of(lambda obj: _labels(obj["spec"].get("selector"))), priority=1),
    ),
    "statefulsets.apps": (
        NAME,
        Column("Ready", _ready("readyReplicas", "replicas")),
        AGE,
        Column("Containers", _containers("name", "template", "spec"), priority=1),
        Column("Images", _containers("image", "template", "spec"), priority=1),
    ),
    "storageclasses.storage.k8s.io": (
        NAME,
        Column("Provisioner", _at("provisioner")),
        Column("ReclaimPolicy", _at("reclaimPolicy")),
        Column("VolumeBindingMode", _at("volumeBindingMode")),
        Column("AllowVolumeExpansion", _at("allowVolumeExpansion", False), "string"),  # noqa: FBT003
        AGE,
    ),
}
"""Columns by the collection objects are stored in."""
