"""Tasks on the FrontendConfig: redirect of plain HTTP and the SSL policy."""

from tasks import applying, deleting, steps
from tasks.clients import kubernetes
from tasks.core import manifests, names
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Change


@steps.writing
def apply_frontend_config(config: LoadBalancerConfig) -> Change:
    """Bring the FrontendConfig to the configured spec; a second run changes nothing."""
    return applying.apply(kubernetes.cluster(config), kubernetes.FRONTEND_CONFIG, manifests.frontend_config(config))


@steps.writing
def delete_frontend_config(config: LoadBalancerConfig) -> Change:
    """Delete the FrontendConfig if it is ours; after the Ingress, whose syncs fail without it."""
    name = names.frontend_config(config.release)
    return deleting.delete(kubernetes.cluster(config), kubernetes.FRONTEND_CONFIG, config.namespace, name)
