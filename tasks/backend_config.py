"""Tasks on the BackendConfig: health check, call timeout and draining of the backend service."""

from tasks import applying, steps
from tasks.clients import kubernetes
from tasks.core import manifests
from tasks.core.config import LoadBalancerConfig
from tasks.core.progress import Change


@steps.writing
def apply_backend_config(config: LoadBalancerConfig) -> Change:
    """Bring the BackendConfig to the configured spec; a second run changes nothing."""
    return applying.apply(kubernetes.cluster(config), kubernetes.BACKEND_CONFIG, manifests.backend_config(config))
