"""The API server on the wire, request by request: what clients rely on beside plain reading and writing."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.ca import CertificateAuthority
from sandbox.faults import Faults
from sandbox.kube.server import KubernetesApi
from tests.sandbox.kube_objects import WIDGETS, deployment, ingress, service, widget

Object = dict[str, Any]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVICES = "/api/v1/namespaces/default/services"
SECRETS = "/api/v1/namespaces/default/secrets"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
WIDGETS_PATH = "/apis/example.com/v1/namespaces/default/widgets"
MERGE = {"Content-Type": "application/merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def api(tmp_path: Path, faults: Faults) -> Iterator[KubernetesApi]:
    with KubernetesApi(tmp_path, CertificateAuthority(), faults, pod_logs=logs) as server:
        yield server


def logs(namespace: str, pod: str, container: str, previous: bool) -> list[bytes] | None:
    return None if previous else [f"{namespace}/{pod}/{container}\n".encode(), b"second\n"]


def client_of(api: KubernetesApi, directory: Path, user: str = "admin") -> httpx.Client:
    import base64
    import ssl

    config = api.kubeconfig(user)
    authority = directory / "ca.crt"
    authority.write_bytes(base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]))
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "User-Agent": f"{user}-tool/1"}
    context = ssl.create_default_context(cafile=str(authority))
    return httpx.Client(base_url=api.url, verify=context, headers=headers, timeout=10, trust_env=False)


@pytest.fixture
def http(api: KubernetesApi, tmp_path: Path) -> Iterator[httpx.Client]:
    with client_of(api, tmp_path) as client:
        yield client


def created(http: httpx.Client, path: str, body: Object) -> Object:
    response = http.post(path, json=body)
    assert response.status_code == 201, response.text
    found: Object = response.json()
    return found


def eventually(http: httpx.Client, path: str, wanted: int) -> httpx.Response:
    """The answer once it has this code, for what happens after a request."""
    deadline = time.monotonic() + 5
    while True:
        response = http.get(path)
        if response.status_code == wanted:
            return response
        assert time.monotonic() < deadline, f"{path} still answers {response.status_code}: {response.text}"


class Watcher:
    """A watch whose events are read one by one, each within five seconds."""

    def __init__(self, http: httpx.Client, path: str, **query: Any) -> None:
        self._http, self._path = http, path
        self._query: dict[str, Any] = {"watch": "true", "timeoutSeconds": 5} | query

    def __iter__(self) -> Iterator[Object]:
        with self._http.stream("GET", self._path, params=self._query) as response:
            assert response.status_code == 200, response.read()
            for line in response.iter_lines():
                yield json.loads(line)


def test_a_stale_update_is_a_conflict(http: httpx.Client) -> None:
    first = created(http, SERVICES, service())
    http.patch(f"{SERVICES}/milvus", json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE)

    refused = http.put(f"{SERVICES}/milvus", json=first)

    assert refused.status_code == 409
    assert refused.json()["message"] == (
        'Operation cannot be fulfilled on services "milvus": the object has been modified; please apply your changes '
        "to the latest version and try again"
    )


def test_a_service_gets_what_its_type_needs_and_loses_it_again(http: httpx.Client) -> None:
    balanced = created(http, SERVICES, service(type="LoadBalancer"))["spec"]
    assert balanced["ports"][0]["nodePort"] in range(30000, 32768)
    assert balanced["externalTrafficPolicy"] == "Cluster"

    plain = http.patch(f"{SERVICES}/milvus", json={"spec": {"type": "ClusterIP"}}, headers=MERGE).json()["spec"]

    assert plain == {
        "clusterIP": balanced["clusterIP"],
        "clusterIPs": [balanced["clusterIP"]],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"name": "milvus", "port": 19530, "protocol": "TCP", "targetPort": "milvus"}],
        "selector": {"app": "milvus"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }


def test_applying_twice_writes_once(http: httpx.Client) -> None:
    query = {"fieldManager": "flow", "force": "true", "fieldValidation": "Strict"}
    path = f"{INGRESSES}/milvus"
    first = http.patch(path, json=ingress(), headers=APPLY, params=query)
    assert first.status_code == 201, first.text

    second = http.patch(path, json=ingress(), headers=APPLY, params=query)

    assert second.status_code == 200
    assert second.json() == first.json()


def test_an_apply_without_a_field_manager_is_invalid(http: httpx.Client) -> None:
    refused = http.patch(f"{INGRESSES}/milvus", json=ingress(), headers=APPLY)

    assert refused.status_code == 422
    assert "fieldManager: Required value: is required for apply patch" in refused.json()["message"]


def test_updates_are_attributed_to_the_program_that_makes_them(http: httpx.Client) -> None:
    managed = created(http, CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"a": "b"}})["metadata"]["managedFields"]

    assert [(each["manager"], each["operation"], each["fieldsV1"]) for each in managed] == [
        ("admin-tool", "Update", {"f:data": {".": {}, "f:a": {}}})
    ]


def test_a_dry_run_answers_and_stores_nothing(http: httpx.Client, api: KubernetesApi) -> None:
    answered = http.post(SERVICES, json=service(), params={"dryRun": "All"})

    assert answered.status_code == 201
    assert http.get(f"{SERVICES}/milvus").status_code == 404
    assert api.request_counts("admin") == {"dry-run": 1, "get": 1}


def test_requests_are_counted_by_user_and_verb(api: KubernetesApi, http: httpx.Client, tmp_path: Path) -> None:
    with client_of(api, tmp_path, "neg-controller") as controller:
        controller.get(SERVICES)
    created(http, SERVICES, service())
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    http.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=review)

    assert api.request_counts("admin") == {"create": 1, "review": 1}
    assert api.request_counts("neg-controller") == {"list": 1}
    assert api.request_counts() == {"create": 1, "review": 1, "list": 1}


@pytest.mark.parametrize(
    ("validation", "code", "warning"),
    [
        ("Strict", 400, None),
        ("Warn", 201, '299 - "unknown field \\"spec.rulez\\""'),
        ("Ignore", 201, None),
    ],
)
def test_unknown_fields_are_refused_warned_of_or_dropped(
    http: httpx.Client, validation: str, code: int, warning: str | None
) -> None:
    body = ingress()
    body["spec"]["rulez"] = []

    response = http.post(INGRESSES, json=body, params={"fieldValidation": validation})

    assert (response.status_code, response.headers.get("Warning")) == (code, warning)
    assert "rulez" not in response.json().get("spec", {})


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        pytest.param(
            SERVICES,
            service(name="Milvus"),
            'Service "Milvus" is invalid: metadata.name: Invalid value: "Milvus": a DNS-1035 label must consist of '
            "lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
            "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
            id="name",
        ),
        pytest.param(
            SECRETS,
            {"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}},
            'Secret "s" is invalid: data[tls.key]: Required value',
            id="tls secret without key",
        ),
        pytest.param(
            INGRESSES,
            {"metadata": {"name": "i"}, "spec": {"rules": [{"host": "10.0.0.1"}]}},
            'Ingress.networking.k8s.io "i" is invalid: spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS '
            "name, not an IP address",
            id="ingress for an address",
        ),
        pytest.param(
            DEPLOYMENTS,
            deployment() | {"spec": {**deployment()["spec"], "selector": {"matchLabels": {"app": "x"}}}},
            'Deployment.apps "milvus" is invalid: spec.template.metadata.labels: Invalid value: {"app":"milvus"}: '
            "`selector` does not match template `labels`",
            id="selector",
        ),
    ],
)
def test_invalid_objects_are_refused_in_the_words_of_kubernetes(
    http: httpx.Client, path: str, body: Object, message: str
) -> None:
    refused = http.post(path, json=body)

    assert (refused.status_code, refused.json()["reason"]) == (422, "Invalid")
    assert refused.json()["message"] == message


def test_immutable_fields_stay_as_they_are(http: httpx.Client) -> None:
    created(http, SECRETS, {"metadata": {"name": "s"}, "immutable": True, "data": {"a": "Yg=="}})
    created(http, SERVICES, service())

    secret = http.patch(f"{SECRETS}/s", json={"data": {"a": "Yw=="}}, headers=MERGE)
    moved = http.patch(f"{SERVICES}/milvus", json={"spec": {"clusterIP": "10.96.9.9"}}, headers=MERGE)

    assert secret.json()["message"] == (
        'Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set'
    )
    assert 'spec.clusterIPs[0]: Invalid value: ["10.96.9.9"]: may not change once set' in moved.json()["message"]


def test_a_status_is_written_through_its_subresource_only(http: httpx.Client) -> None:
    created(http, INGRESSES, ingress())
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}, "spec": {"rules": [{"host": "other"}]}}

    ignored = http.patch(f"{INGRESSES}/milvus", json={"status": status["status"]}, headers=MERGE).json()
    written = http.patch(f"{INGRESSES}/milvus/status", json=status, headers=MERGE).json()

    assert ignored["status"] == {"loadBalancer": {}}
    assert written["status"] == status["status"]
    assert written["spec"]["rules"][0]["host"] == "milvus.example"
    assert written["metadata"]["generation"] == 1


def test_generation_counts_changes_of_spec(http: httpx.Client) -> None:
    created(http, DEPLOYMENTS, deployment())

    labelled = http.patch(f"{DEPLOYMENTS}/milvus", json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE).json()
    scaled = http.patch(f"{DEPLOYMENTS}/milvus/scale", json={"spec": {"replicas": 2}}, headers=MERGE).json()

    assert labelled["metadata"]["generation"] == 1
    assert scaled["spec"]["replicas"] == 2
    assert http.get(f"{DEPLOYMENTS}/milvus").json()["metadata"]["generation"] == 2


def test_a_finalizer_holds_an_object_until_it_is_taken_away(http: httpx.Client) -> None:
    body = ingress()
    body["metadata"]["finalizers"] = ["networking.gke.io/ingress-finalizer-V2"]
    created(http, INGRESSES, body)

    deleting = http.delete(f"{INGRESSES}/milvus").json()
    assert deleting["metadata"]["deletionTimestamp"]
    assert http.get(f"{INGRESSES}/milvus").status_code == 200

    http.patch(f"{INGRESSES}/milvus", json={"metadata": {"finalizers": None}}, headers=MERGE)

    assert http.get(f"{INGRESSES}/milvus").status_code == 404


def test_a_precondition_protects_from_deleting_another_object(http: httpx.Client) -> None:
    created(http, SERVICES, service())

    refused = http.request("DELETE", f"{SERVICES}/milvus", json={"preconditions": {"uid": "other"}})

    assert (refused.status_code, refused.json()["reason"]) == (409, "Conflict")


@pytest.mark.parametrize(("propagation", "left"), [("Background", 404), ("Foreground", 404), ("Orphan", 200)])
def test_dependents_go_with_their_owner_unless_orphaned(http: httpx.Client, propagation: str, left: int) -> None:
    owner = created(http, DEPLOYMENTS, deployment())
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "milvus", "uid": owner["metadata"]["uid"]}
    owned = {"metadata": {"name": "owned", "ownerReferences": [reference | {"blockOwnerDeletion": True}]}}
    created(http, CONFIG_MAPS, owned)

    http.delete(f"{DEPLOYMENTS}/milvus", params={"propagationPolicy": propagation})

    eventually(http, f"{DEPLOYMENTS}/milvus", 404)
    eventually(http, f"{CONFIG_MAPS}/owned", left)


def test_a_namespace_takes_its_content_with_it(http: httpx.Client) -> None:
    created(http, "/api/v1/namespaces", {"metadata": {"name": "n"}})
    eventually(http, "/api/v1/namespaces/n/serviceaccounts/default", 200)
    created(http, "/api/v1/namespaces/n/services", service())

    http.delete("/api/v1/namespaces/n")

    eventually(http, "/api/v1/namespaces/n", 404)
    assert http.get("/api/v1/namespaces/n/services").json()["items"] == []


def test_a_definition_is_served_at_once_and_its_schema_obeyed(http: httpx.Client) -> None:
    created(http, CRDS, WIDGETS)

    made = created(http, WIDGETS_PATH, widget(sise=1) | {"status": {"state": "x"}})
    refused = http.post(WIDGETS_PATH, json=widget("v", domains=["*.b"]))
    status = http.patch(f"{WIDGETS_PATH}/w/status", json={"status": {"state": "Active"}}, headers=MERGE).json()

    assert made["spec"] == {"domains": ["a.b"], "size": 3}
    assert "status" not in made
    assert refused.json()["message"] == (
        'Widget.example.com "v" is invalid: spec.domains[0]: Invalid value: "*.b": spec.domains[0] in body should '
        "match '^[a-z.]+$'"
    )
    assert status["status"] == {"state": "Active"}
    conditions = http.get(f"{CRDS}/widgets.example.com").json()["status"]["conditions"]
    assert [(each["type"], each["status"]) for each in conditions] == [
        ("NamesAccepted", "True"),
        ("Established", "True"),
    ]


def test_the_table_of_a_custom_resource_has_its_printer_columns(http: httpx.Client) -> None:
    created(http, CRDS, WIDGETS)
    created(http, WIDGETS_PATH, widget())

    shown = http.get(WIDGETS_PATH, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()

    assert [each["name"] for each in shown["columnDefinitions"]] == ["Name", "Size", "Status"]
    assert [each["cells"] for each in shown["rows"]] == [["w", 3, ""]]


def test_deleting_a_definition_deletes_its_resources(http: httpx.Client) -> None:
    created(http, CRDS, WIDGETS)
    created(http, WIDGETS_PATH, widget())

    http.delete(f"{CRDS}/widgets.example.com")

    eventually(http, f"{CRDS}/widgets.example.com", 404)
    missing = http.get(WIDGETS_PATH)
    assert (missing.status_code, missing.json()["message"]) == (
        404,
        "the server could not find the requested resource",
    )


def test_a_paged_list_shows_one_moment(http: httpx.Client) -> None:
    for name in "abc":
        created(http, SERVICES, service(name))
    first = http.get(SERVICES, params={"limit": 2}).json()
    http.delete(f"{SERVICES}/c")

    rest = http.get(SERVICES, params={"limit": 2, "continue": first["metadata"]["continue"]}).json()

    assert [each["metadata"]["name"] for each in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 2
    assert [each["metadata"]["name"] for each in rest["items"]] == ["c", "kubernetes"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_continue_token_that_is_too_old_is_gone(http: httpx.Client, api: KubernetesApi) -> None:
    for name in "abc":
        created(http, SERVICES, service(name))
    first = http.get(SERVICES, params={"limit": 2}).json()
    api.store.compact()

    gone = http.get(SERVICES, params={"continue": first["metadata"]["continue"]})

    assert (gone.status_code, gone.json()["reason"]) == (410, "Expired")


def test_a_watch_goes_on_from_a_list(http: httpx.Client) -> None:
    revision = http.get(SERVICES).json()["metadata"]["resourceVersion"]
    created(http, SERVICES, service())
    http.patch(f"{SERVICES}/milvus", json={"metadata": {"labels": {"a": "b"}}}, headers=MERGE)
    http.delete(f"{SERVICES}/milvus")

    events = iter(Watcher(http, SERVICES, resourceVersion=revision))

    assert [next(events)["type"] for _ in range(3)] == ["ADDED", "MODIFIED", "DELETED"]


def test_a_watch_with_a_selector_sees_objects_come_and_go(http: httpx.Client) -> None:
    revision = http.get(SERVICES).json()["metadata"]["resourceVersion"]
    created(http, SERVICES, service())
    for labels in ({"a": "b"}, {"a": None}):
        http.patch(f"{SERVICES}/milvus", json={"metadata": {"labels": labels}}, headers=MERGE)

    events = iter(Watcher(http, SERVICES, resourceVersion=revision, labelSelector="a=b"))

    assert [next(events)["type"] for _ in range(2)] == ["ADDED", "DELETED"]


def test_a_watch_from_a_forgotten_revision_is_told_so(http: httpx.Client, api: KubernetesApi) -> None:
    created(http, SERVICES, service())
    api.store.compact()

    events = list(Watcher(http, SERVICES, resourceVersion="1"))

    assert [(each["type"], each["object"]["code"], each["object"]["reason"]) for each in events] == [
        ("ERROR", 410, "Expired")
    ]


def test_initial_events_end_with_a_bookmark(http: httpx.Client) -> None:
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}

    events = iter(Watcher(http, SERVICES, **query))

    assert next(events)["object"]["metadata"]["name"] == "kubernetes"
    bookmark = next(events)
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_hears_of_a_change_at_once(http: httpx.Client, api: KubernetesApi, tmp_path: Path) -> None:
    heard: list[float] = []
    listening = threading.Event()

    def listen() -> None:
        with client_of(api, tmp_path) as other:
            for event in Watcher(other, SERVICES):
                listening.set()
                if event["object"]["metadata"]["name"] == "milvus":
                    heard.append(time.monotonic())
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(5)
    created(http, SERVICES, service())
    answered = time.monotonic()
    thread.join(5)

    assert heard
    assert heard[0] - answered < 3


def test_stopping_ends_watches_at_once(tmp_path: Path) -> None:
    api = KubernetesApi(tmp_path, CertificateAuthority(), Faults())
    api.start()
    with client_of(api, tmp_path) as http:
        events = iter(Watcher(http, SERVICES, timeoutSeconds=300))
        next(events)
        before = time.monotonic()

        api.stop()

        assert list(events) == []
        assert time.monotonic() - before < 100, "the watch was waited for"


@pytest.mark.parametrize(
    ("fault", "parameters", "code", "message"),
    [
        (
            "kube-forbidden",
            {"verb": "create", "resource": "ingresses"},
            403,
            'ingresses.networking.k8s.io is forbidden: User "admin" cannot create resource "ingresses" in API group '
            '"networking.k8s.io" in the namespace "default"',
        ),
        ("kube-unauthorized", {}, 401, "Unauthorized"),
        ("kube-unavailable", {}, 503, "the server is currently unable to handle the request"),
    ],
)
def test_fault_switches_refuse_as_the_real_server_does(
    http: httpx.Client, faults: Faults, fault: str, parameters: dict[str, Any], code: int, message: str
) -> None:
    faults.arm(fault, **parameters)

    refused = http.post(INGRESSES, json=ingress())
    faults.clear()
    accepted = http.post(INGRESSES, json=ingress())

    assert (refused.status_code, refused.json()["message"]) == (code, message)
    assert accepted.status_code == 201


def test_a_permission_that_is_refused_is_also_denied_when_asked_for(http: httpx.Client, faults: Faults) -> None:
    faults.arm("kube-forbidden", verb="create", resource="ingresses")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def allowed(verb: str) -> bool:
        attributes = {"verb": verb, "resource": "ingresses", "group": "networking.k8s.io", "namespace": "default"}
        review = http.post(path, json={"spec": {"resourceAttributes": attributes}})
        return bool(review.json()["status"]["allowed"])

    assert not allowed("create")
    assert allowed("get")


def test_a_refusal_by_rbac_leaves_the_controllers_alone(api: KubernetesApi, faults: Faults, tmp_path: Path) -> None:
    faults.arm("kube-forbidden")

    with client_of(api, tmp_path, "ingress-controller") as controller:
        assert controller.get(SERVICES).status_code == 200


def test_nobody_gets_in_without_a_token(api: KubernetesApi, http: httpx.Client) -> None:
    anonymous = http.get(SERVICES, headers={"Authorization": ""})
    stranger = http.get(SERVICES, headers={"Authorization": "Bearer wrong"})
    version = http.get("/version", headers={"Authorization": ""})

    assert (anonymous.status_code, anonymous.json()["reason"]) == (403, "Forbidden")
    assert stranger.status_code == 401
    assert version.status_code == 200


def test_both_faces_of_events_show_the_same_event(http: httpx.Client) -> None:
    event = {
        "metadata": {"name": "milvus.1"},
        "involvedObject": {"kind": "Ingress", "name": "milvus", "namespace": "default"},
        "reason": "Sync",
        "message": "Scheduled for sync",
        "type": "Normal",
    }
    created(http, "/api/v1/namespaces/default/events", event)

    shown = http.get("/apis/events.k8s.io/v1/namespaces/default/events/milvus.1").json()

    assert (shown["note"], shown["regarding"]["name"]) == ("Scheduled for sync", "milvus")


def test_the_log_of_a_pod_comes_from_the_workload_runner(http: httpx.Client) -> None:
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    created(http, "/api/v1/namespaces/default/pods", body)

    log = http.get("/api/v1/namespaces/default/pods/p/log")
    tail = http.get("/api/v1/namespaces/default/pods/p/log", params={"tailLines": "1"})

    assert (log.text, tail.text) == ("default/p/c\nsecond\n", "second\n")
    before = http.get("/api/v1/namespaces/default/pods/p/log", params={"previous": "true"})
    assert (before.status_code, before.json()["message"]) == (
        400,
        'previous terminated container "c" in pod "p" not found',
    )


def test_discovery_comes_in_both_forms(http: httpx.Client) -> None:
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    new = http.get("/apis", headers={"Accept": f"{aggregated},application/json"})
    old = http.get("/apis")
    resources = http.get("/apis/networking.k8s.io/v1").json()["resources"]

    assert new.headers["Content-Type"] == aggregated
    assert "networking.k8s.io" in [each["metadata"]["name"] for each in new.json()["items"]]
    assert "networking.k8s.io" in [each["name"] for each in old.json()["groups"]]
    assert {"ingresses", "ingresses/status", "ingressclasses"} <= {each["name"] for each in resources}


def test_openapi_tells_that_the_server_validates_fields(http: httpx.Client) -> None:
    paths = http.get("/openapi/v3").json()["paths"]
    document = http.get(paths["apis/networking.k8s.io/v1"]["serverRelativeURL"]).json()

    patch = document["paths"]["/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}"]["patch"]
    assert "fieldValidation" in [each["name"] for each in patch["parameters"]]
    spec = document["components"]["schemas"]["io.k8s.api.networking.v1.IngressSpec"]
    assert spec["properties"]["rules"]["x-kubernetes-list-type"] == "atomic"
