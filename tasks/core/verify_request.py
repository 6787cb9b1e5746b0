"""What one run of `verify` is asked for: the configuration that should be in force."""

from pydantic import Field

from tasks.core.config import LoadBalancerConfig, Seconds


class VerifyRequest(LoadBalancerConfig):
    """A load balancer to look at."""

    proof_timeout_seconds: Seconds = Field(default=60, title="Proof deadline (s)")
    """How long a broken proof may mend itself, in seconds; what is up serves at once, but for a blip."""
