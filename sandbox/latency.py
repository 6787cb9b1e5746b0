"""How long things take in the sandbox's Google Cloud.

The `real` profile has the figures users see on Google Cloud; the others are the same world with a faster clock, so
that a person, or a test, need not wait an hour for a certificate.
"""

from dataclasses import dataclass
from typing import Literal

ProfileName = Literal["zero", "fast", "real"]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Delays in seconds; a pair is a range from which each occurrence is drawn."""

    operation_seconds: tuple[float, float]
    """A Compute operation from its insert to DONE."""
    address_seconds: float
    """A forwarding rule from its insert until it serves: the first connection works."""
    health_seconds: float
    """A network endpoint from its attachment to the first entry in getHealth."""
    certificate_seconds: tuple[float, float]
    """A Google-managed certificate from the moment every condition holds to ACTIVE."""
    certificate_served_seconds: float
    """An ACTIVE certificate until the front ends present it."""
    certificate_status_lag_seconds: float
    """Full resync of the ManagedCertificate controller: the CR lags Compute by up to this."""
    resync_seconds: float
    """Resync of the Ingress controller: Secrets and backend health are looked at anew."""
    calm_seconds: float
    """An Ingress that has been as it is for so long is looked at as rarely; 0: at every resync, as on GKE."""
    neg_gc_seconds: float
    """Garbage collection of network endpoint groups that nothing references."""
    retry_seconds: tuple[float, float]
    """First and longest back-off of a controller's failed key."""


PROFILES: dict[ProfileName, Latency] = {
    # Nothing waits longer than the machine needs.
    "zero": Latency(
        operation_seconds=(0.0, 0.0),
        address_seconds=0.0,
        health_seconds=0.0,
        certificate_seconds=(0.0, 0.0),
        certificate_served_seconds=0.0,
        certificate_status_lag_seconds=0.5,
        resync_seconds=2.0,
        calm_seconds=10.0,
        neg_gc_seconds=1.0,
        retry_seconds=(0.05, 1.0),
    ),
    # Slow enough to watch, fast enough to show somebody.
    "fast": Latency(
        operation_seconds=(0.05, 0.4),
        address_seconds=1.0,
        health_seconds=2.0,
        certificate_seconds=(3.0, 6.0),
        certificate_served_seconds=1.0,
        certificate_status_lag_seconds=2.0,
        resync_seconds=5.0,
        calm_seconds=0.0,
        neg_gc_seconds=3.0,
        retry_seconds=(0.2, 5.0),
    ),
    # Sources: gke-managed-certs pkg/config (10 min resync), ingress-gce flags (sync-period 10 min, NEG GC 120 s) and
    # docs/faq (1 min for the load balancer, 5 to 6 min until health checks pass); Google's page on managed
    # certificates: up to 60 min.
    "real": Latency(
        operation_seconds=(1.0, 20.0),
        address_seconds=60.0,
        health_seconds=300.0,
        certificate_seconds=(900.0, 3600.0),
        certificate_served_seconds=300.0,
        certificate_status_lag_seconds=600.0,
        resync_seconds=600.0,
        calm_seconds=0.0,
        neg_gc_seconds=120.0,
        retry_seconds=(1.0, 300.0),
    ),
}
