"""Tasks on the BackendConfig: health check, call timeout and draining of the backend service."""

from tasks import applying, deleting, steps
from tasks.clients import kubernetes
from tasks.core import manifests, names
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Change


@steps.writing
def apply_backend_config(config: LoadBalancerConfig) -> Change:
    """Bring the BackendConfig to the configured spec; a second run changes nothing."""
    return applying.apply(kubernetes.cluster(config), kubernetes.BACKEND_CONFIG, manifests.backend_config(config))


@steps.writing
def delete_backend_config(config: LoadBalancerConfig) -> Change:
    """Delete the BackendConfig if it is ours; after the Ingress, whose syncs fail without it."""
    name = names.backend_config(config.release)
    return deleting.delete(kubernetes.cluster(config), kubernetes.BACKEND_CONFIG, config.namespace, name)
