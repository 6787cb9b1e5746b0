"""The Kubernetes pool's files: rights that match the code, and YAML that an API server takes.

No worker runs here: that needs a cluster and prefect-kubernetes; deployments/kubernetes/README.md says so, too.
"""

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.stack import Stack
from tasks.clients import compute, kubernetes
from tasks.clients.kubernetes import Kind

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments" / "kubernetes"
KINDS = {name: value for name, value in vars(kubernetes).items() if isinstance(value, Kind)}

# What a call of our client, or of a helper around it, asks of the API server.
VERBS = {
    "read": {"get"},
    "list_objects": {"list"},
    "apply": {"create", "patch"},
    "create": {"create"},
    "merge_patch": {"patch"},
    "replace": {"update"},
    "delete": {"delete"},
    "wake_on_change": {"watch"},
}
# The helper decides from the live object.
HELPERS = {"applying": {"get", "create", "patch"}, "deleting": {"get", "delete"}}

Rights = set[tuple[str, str]]


def test_the_role_has_exactly_the_verbs_that_the_code_uses() -> None:
    used = rights_of_the_code()
    # The Service is there, or preflight ends the run: its apply never makes one.
    used.discard(("services", "create"))
    # A log is read by `Cluster.pod_log`, which names its kind itself.
    used.add(("pods/log", "get"))
    # Read in kube-system only, in a Role of its own.
    used.discard(("namespaces", "get"))

    assert rights_in("rbac.yaml") == used


def test_every_kind_that_the_code_knows_has_a_rule() -> None:
    """A new constant in tasks/clients/kubernetes.py without a right would be found by a user's 403."""
    ruled = {resource for resource, _ in rights_in("rbac.yaml") | rights_in("rbac-teardown.yaml")}

    assert {kind.plural for kind in KINDS.values()} <= ruled


def test_every_rule_names_the_api_group_of_its_kind() -> None:
    groups = {kind.plural: kind.api_version.rpartition("/")[0] for kind in KINDS.values()}

    for rule in rules_in("rbac.yaml"):
        for resource in rule["resources"]:
            assert rule["apiGroups"] == [groups[resource.partition("/")[0]]]


def test_the_google_role_covers_every_compute_collection_and_nothing_that_writes_but_addresses_and_records() -> None:
    role = yaml.safe_load((FOLDER / "google-role.yaml").read_text())["includedPermissions"]
    names = {
        "addresses": "globalAddresses",
        "forwardingRules": "globalForwardingRules",
        "operations": "globalOperations",
    }

    assert {"compute.addresses.list", "compute.firewalls.list"} <= set(role)  # all at once, none by its name
    for collection in compute._CLIENTS.keys() - {"regionalAddresses", "firewalls"}:
        assert f"compute.{names.get(collection, collection)}.get" in role
    writing = {permission for permission in role if not permission.endswith((".get", ".list"))}
    assert {permission.rpartition(".")[0] for permission in writing} == {
        "compute.globalAddresses", "dns.changes", "dns.resourceRecordSets",
    }  # fmt: skip


def test_every_placeholder_of_the_job_template_is_a_variable_and_every_variable_is_used() -> None:
    """Prefect leaves an unknown placeholder in the Job as it stands, and says nothing of a variable without a place."""
    template = json.loads((FOLDER / "base-job-template.json").read_text())

    placed = set(re.findall(r"{{ (\w+) }}", json.dumps(template["job_configuration"])))

    assert placed == set(template["variables"]["properties"])
    # What prefect-kubernetes 0.8.0's worker configuration consists of; a Job runs once, as a person decides a retry.
    assert set(template["job_configuration"]) == {
        "command", "env", "labels", "name", "namespace", "job_manifest", "cluster_config",
        "job_watch_timeout_seconds", "pod_watch_timeout_seconds", "stream_output",
    }  # fmt: skip
    assert template["job_configuration"]["job_manifest"]["spec"]["backoffLimit"] == 0
    assert template["variables"]["properties"]["env"]["default"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_the_image_installs_what_the_product_needs_at_the_lock_s_versions() -> None:
    """The Dockerfile cuts the lock with grep: each of the product's dependencies must come out of it."""
    lock = (ROOT / "requirements.lock").read_text()
    pattern = re.search(r"grep -oE '(\^[^']+)'", (FOLDER / "Dockerfile").read_text())
    assert pattern

    pinned = {line.partition("==")[0].lower() for line in re.findall(pattern[1], lock, re.MULTILINE)}

    import tomllib

    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[<>=\[ ]", line)[0].lower() for line in needed} <= pinned


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "google-role.yaml"))
def test_an_api_server_takes_the_file(cluster: Stack, file: str) -> None:
    assert shutil.which("kubectl"), "no kubectl here: install one of 1.27 to 1.33"
    command = ["kubectl", "apply", "-f", str(FOLDER / file)]

    done = subprocess.run(
        command,
        check=False,
        env={**os.environ, **cluster.env},
        capture_output=True,
        text=True,
    )

    documents = list(yaml.safe_load_all((FOLDER / file).read_text()))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(documents)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox without Milvus, with the namespace of the worker."""
    with Stack(tmp_path_factory.mktemp("cluster"), latency="zero", milvus=False) as stack:
        environment = {**os.environ, **stack.env}
        for namespace in ("milvus-l7", "kube-system"):
            subprocess.run(["kubectl", "create", "namespace", namespace], env=environment, check=False)
        yield stack


def rights_of_the_code() -> Rights:
    """Pairs of resource and verb, read off every call that names its kind; and a get for every kind that is named."""
    found: Rights = set()
    for file in sorted((ROOT / "tasks").glob("*.py")):
        tree = ast.parse(file.read_text())
        named = {kind for node in ast.walk(tree) if (kind := kind_of(node))}
        found |= {(KINDS[kind].plural, "get") for kind in named if kind not in LOOKED_AT_IN_LISTS}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                verbs = HELPERS.get(owner) or VERBS.get(node.func.attr, set())
                kinds = {kind for argument in node.args if (kind := kind_of(argument))}
                found |= {(KINDS[kind].plural, verb) for kind in kinds for verb in verbs}
    return found


LOOKED_AT_IN_LISTS = {"POD", "EVENT", "DEPLOYMENT", "NETWORK_POLICY"}


def kind_of(node: ast.AST) -> str | None:
    """Name of the Kind constant that a node is: `kubernetes.INGRESS`, or `LEASE` where it is imported."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kubernetes":
        return node.attr if node.attr in KINDS else None
    return node.id if isinstance(node, ast.Name) and node.id in KINDS else None


def rules_in(file: str) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all((FOLDER / file).read_text())
    return [rule for document in documents for rule in document.get("rules", [])]


def rights_in(file: str) -> Rights:
    """Pairs of resource and verb that a file grants; none of them twice."""
    pairs = [(resource, verb) for rule in rules_in(file) for resource in rule["resources"] for verb in rule["verbs"]]
    assert len(pairs) == len(set(pairs))
    return set(pairs)
