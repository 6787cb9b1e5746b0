"""Faults that are known before the first write."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tasks.clients import kubernetes
from tests.faults.fault import fault
from tests.tasks.world import World

known_before = partial(fault, where="world")
"""A fault that preflight tells."""


@known_before("we may not write Ingresses", "§9.6; E4", layer="kubernetes", cause="AccessRefused", mend="can-i")
@contextmanager
def may_not_write(world: World) -> Iterator[None]:
    world.faults.arm("kube-forbidden", verb="create", resource="ingresses")
    yield


@known_before("our token is no longer taken", "G3", layer="kubernetes", cause="AccessRefused", mend="gcloud")
@contextmanager
def token_refused(world: World) -> Iterator[None]:
    world.faults.arm("kube-unauthorized")
    yield


@known_before("Compute refuses us to reserve an address", "§9.6", layer="compute", cause="PermissionDenied",
              mend="compute.globalAddresses")  # fmt: skip
@contextmanager
def may_not_reserve(world: World) -> Iterator[None]:
    world.faults.arm("compute-forbidden", permission="compute.globalAddresses.create")
    yield


@known_before("the Ingress belongs to Argo CD", "F3", layer="ingress", cause="Ownership", mend="Git")
@contextmanager
def owned_by_argo(world: World) -> Iterator[None]:
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": world.service,
            "annotations": {"argocd.argoproj.io/tracking-id": f"vectors:networking.k8s.io/Ingress:x/{world.service}"},
        },
        "spec": {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}}},
    }
    world.write(ingress, manager="argocd-controller")
    yield
    world.cluster.delete(kubernetes.INGRESS, world.namespace, world.service)


@known_before("the release is not there", "B3", layer="milvus", cause="ServiceExistence", mend="helm",
              release="never-installed")  # fmt: skip
@contextmanager
def no_release(_world: World) -> Iterator[None]:
    yield


@known_before("the Secret with the certificate is not there", "B3; C7", layer="certificate", cause="TlsSecretExistence",
              mend="kubectl", certificate_mode="existing-secret", certificate_secret="not-there")  # fmt: skip
@contextmanager
def no_existing_secret(_world: World) -> Iterator[None]:
    yield


@known_before("the project is another one", "§9.4", layer="compute", cause="ProjectNotFound", mend="gcloud projects",
              project="nobodys-project")  # fmt: skip
@contextmanager
def another_project(_world: World) -> Iterator[None]:
    yield
