"""What one run of `teardown` is asked for: which load balancer to take down, and how much with it."""

from typing import ClassVar

from pydantic import Field

from tasks.core.config import LoadBalancerConfig, Seconds


class TeardownRequest(LoadBalancerConfig):
    """A load balancer to take down.

    The configuration file of `provision` serves as it is: what a teardown has no use for is accepted and not asked for.
    """

    UNUSED: ClassVar[frozenset[str]] = frozenset(
        {
            "certificate_validity_days",
            "dns_managed_zone",
            "dns_project",
            "dns_ttl_seconds",
            "backend_timeout_seconds",
            "draining_seconds",
            "http",
            "ssl_policy",
            "security_policy",
            "security_policy_name",
            "refused_sources",
            "milvus_credentials_secret",
            "proof_writes",
            "open_milvus_reason",
            "long_call_seconds",
            "idle_seconds",
            "log_sample_rate",
            "address_timeout_seconds",
            "backends_timeout_seconds",
            "certificate_timeout_seconds",
            "proof_timeout_seconds",
        }
    )
    """Fields of the configuration that no step of a teardown reads: a form does not show them."""

    release_address: bool = Field(default=False, title="Release the static address")
    """Give the static address back to Google if we reserved it, and any that we reserved under an earlier name.

    Off: it is kept, and costs a little while unused."""

    restore_layer4: bool = Field(default=False, title="Give the Layer-4 balancer back")
    """Make the Service, TLS and the REST port what they were before us, which restarts Milvus.

    Off: the Service stays ClusterIP and Milvus keeps TLS on."""

    delete_timeout_seconds: Seconds = Field(default=1200, title="Deletion deadline (s)")
    """How long GKE may take to take the load balancer down, in seconds; five minutes are usual."""
