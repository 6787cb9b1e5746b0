"""Tasks on the Milvus release: ClusterIP, TLS, the three annotations, REST out of the way; and back again.

Whoever owns the release makes the change: Helm when it knows the release, else server-side apply of single fields.
"""

from pydantic import BaseModel, ConfigDict

from tasks import helm_release, milvus_by_helm, milvus_by_manifest, milvus_objects, receipt, steps
from tasks.clients import kubernetes
from tasks.clients.readers import ClusterReader
from tasks.core import names, progress, release_values
from tasks.core.config import LoadBalancerConfig, ReleaseManager
from tasks.core.progress import Change
from tasks.core.receipt import Former
from tasks.core.teardown_request import TeardownRequest


class MilvusRelease(BaseModel):
    """What became of the release."""

    model_config = ConfigDict(frozen=True)

    manager: ReleaseManager
    revision: int = 0
    """Helm revision that is deployed now; 0 when Helm does not own the release."""
    changes: tuple[Change, ...]


@steps.writing
def apply_milvus_release(config: LoadBalancerConfig) -> MilvusRelease:
    """Make Milvus fit to stand behind the load balancer.

    Raises:
        FieldConflict: somebody owns a field that the chart sets, such as an annotation set by kubectl.
        ResourceFailed: the release is busy, its chart cannot be had, or its values cannot be merged.
    """
    cluster = kubernetes.cluster(config)
    release = helm_release.read(cluster, config)
    if release is None:
        return MilvusRelease(manager=ReleaseManager.MANIFEST, changes=milvus_by_manifest.apply(cluster, config))
    change, revision = milvus_by_helm.apply(cluster, config, release)
    return MilvusRelease(manager=ReleaseManager.HELM, revision=revision, changes=(change,))


def planned_differences(cluster: ClusterReader, config: LoadBalancerConfig) -> list[str]:
    """What `apply_milvus_release` will change, one line each; empty when nothing.

    Raises:
        ResourceFailed: what that step would raise before its first write.
    """
    release = helm_release.read(cluster, config)
    if release is None:
        return milvus_by_manifest.differences(cluster, config)
    return milvus_by_helm.differences(cluster, config, release)


@steps.writing
def restore_milvus_release(config: TeardownRequest) -> MilvusRelease:
    """Take our annotations off the Service, and with `restore_layer4` make Service, TLS and REST what they were before.

    What they were stands on the receipt. Without one the annotations that say what we say are taken for ours, the
    Service becomes a LoadBalancer, and TLS stays.

    Raises:
        FieldConflict, ResourceFailed: as of `apply_milvus_release`.
    """
    cluster = kubernetes.cluster(config)
    service = cluster.read(kubernetes.SERVICE, config.namespace, names.service(config.release))
    if service is None:
        resource = f"service {config.namespace}/{names.service(config.release)}"
        change = progress.record(Change(resource=resource, action="unchanged", detail="there is none"))
        return MilvusRelease(manager=config.release_manager, changes=(change,))
    noted = receipt.read(cluster, config).release
    former = noted or Former(service_type="LoadBalancer", values={release_values.SERVICE_TYPE: "LoadBalancer"})
    ours = milvus_objects.annotations_of_ours(service, config)
    if noted:
        # One that said the same before we came was not written by us, and stays.
        ours = {key: text for key, text in ours.items() if release_values.annotation(key) in noted.values}
    release = helm_release.read(cluster, config)
    if release is None:
        changes = milvus_by_manifest.restore(cluster, config, service, ours, former)
        return MilvusRelease(manager=ReleaseManager.MANIFEST, changes=changes)
    change, revision = milvus_by_helm.restore(cluster, config, release, ours, former)
    return MilvusRelease(manager=ReleaseManager.HELM, revision=revision, changes=(change,))
