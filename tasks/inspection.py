"""What stands there now, read and compared with what is wanted; nothing is changed.

Serves `verify`, and the runs of `provision` that leave out the step which would have made the thing.
"""

from tasks import global_address, load_balancer, looking, managed_certificate, sides, steps, tls_secret
from tasks.clients import kubernetes
from tasks.core import names, progress, three_ways
from tasks.core.config import CertificateMode, LoadBalancerConfig
from tasks.core.drift import Deviation
from tasks.core.errors import Missing
from tasks.core.progress import Change
from tasks.global_address import Address
from tasks.load_balancer import LoadBalancer
from tasks.managed_certificate import ManagedCertificate
from tasks.tls_secret import TlsCertificate

_PROVISION = "Make it: milvus-l7 provision with the same configuration, with all steps."


@steps.observing
def read_address(config: LoadBalancerConfig) -> Address:
    """Return the reserved address, by the configured name or the one the load balancer has.

    Raises:
        Missing: there is none of that name.
    """
    api, cluster = looking.api(config), looking.cluster(config)
    live = cluster.read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    name = global_address.choose(api, config, live).name
    resource = f"addresses/{name}"
    found = api.get("addresses", name)
    if found is None or not found.get("address"):
        raise Missing(resource, "does not exist", _PROVISION, "compute", "AddressMissing")
    change = Change(resource=resource, action="unchanged", detail=found["address"])
    progress.record(change)
    return Address(name=name, address=found["address"], change=change)


@steps.observing
def read_certificate(config: LoadBalancerConfig) -> TlsCertificate | ManagedCertificate:
    """Return the facts of the certificate of the configured mode, whatever its state.

    Raises:
        Missing: there is none.
    """
    cluster = looking.cluster(config)
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        api = looking.api(config)
        found: TlsCertificate | ManagedCertificate | None = managed_certificate.read(cluster, api, config)
        resource = f"managedcertificate {config.namespace}/{names.certificate(config.release)}"
    else:
        found = tls_secret.read(cluster, config)
        resource = f"secret {config.namespace}/{config.tls_secret}"
    if found is None:
        raise Missing(
            resource, "does not exist, or holds no certificate", _PROVISION, "certificate", "CertificateMissing"
        )
    return found


@steps.observing
def read_load_balancer(config: LoadBalancerConfig) -> LoadBalancer:
    """Return the load balancer's parts and the number of its healthy endpoints, at one look.

    Raises:
        Missing: there is no Ingress.
        ResourceFailed: a part of what GKE makes of it is missing.
    """
    resource = f"ingress {config.namespace}/{names.ingress(config.release)}"
    live = looking.cluster(config).read(kubernetes.INGRESS, config.namespace, names.ingress(config.release))
    if live is None:
        raise Missing(resource, "does not exist", _PROVISION, "ingress", "IngressMissing")
    api = looking.api(config)
    found = load_balancer.parts(api, config, live)
    health = load_balancer.read_health(api, found.backend_services)
    return found.model_copy(update={"healthy_endpoints": health.healthy})


@steps.observing
def compare_three_ways(config: LoadBalancerConfig) -> list[Deviation]:
    """Return every field in which configuration, cluster and Compute disagree; see `tasks.core.three_ways`.

    A load balancer that is missing, whole or in part, is a deviation too, and no error. What became of each object of
    ours goes into the journal, too.
    """
    seen = sides.read(config)
    found = three_ways.deviations(seen)
    progress.current().deviations = found
    for change in three_ways.verdicts(seen, found):
        progress.record(change)
    for each in found:
        steps.logger().warning("%s: %s is %s", each.resource, each.field or "it", _columns(each))
    return found


def _columns(deviation: Deviation) -> str:
    seen = {"asked for": deviation.intent, "in the cluster": deviation.cluster, "in Compute": deviation.compute}
    return ", ".join(f"{value} {where}" for where, value in seen.items() if value)
