"""Tasks on the FrontendConfig: redirect of plain HTTP and the SSL policy."""

from tasks import applying, steps
from tasks.clients import kubernetes
from tasks.core import manifests
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Change


@steps.writing
def apply_frontend_config(config: LoadBalancerConfig) -> Change:
    """Bring the FrontendConfig to the configured spec; a second run changes nothing."""
    return applying.apply(kubernetes.cluster(config), kubernetes.FRONTEND_CONFIG, manifests.frontend_config(config))
