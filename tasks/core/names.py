"""Names of all that a release owns, as the published guide derives them.

Somebody who followed the guide by hand has these names, so the flow adopts what is there.
"""

FIELD_MANAGER = "milvus-gke-l7"
"""Our name in managedFields, and the prefix of the labels below."""

LABELS = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
"""On every object we make: an Ingress of this name without it belongs to somebody else."""


def service(release: str) -> str:
    """Milvus Service: the chart's fullname.

    >>> service("my-release"), service("milvus-prod")
    ('my-release-milvus', 'milvus-prod')
    """
    # milvus-helm templates/_helpers.tpl "milvus.fullname": at most 63 characters, no trailing dash.
    return (release if "milvus" in release else f"{release}-milvus")[:63].rstrip("-")


def ingress(release: str) -> str:
    """Ingress: named as the Service (guide, step 6)."""
    return service(release)


def address(release: str) -> str:
    """Global static address in Compute."""
    return service(release)


def backend_config(release: str) -> str:
    """BackendConfig (guide, step 3)."""
    return f"{release}-backendconfig"


def frontend_config(release: str) -> str:
    """FrontendConfig; the guide has none."""
    return f"{release}-frontendconfig"


def certificate(release: str) -> str:
    """TLS Secret and ManagedCertificate share one name (guide, step 5)."""
    return f"{service(release)}-tls"


def lease(release: str) -> str:
    """Lease that says which run may write."""
    return f"{service(release)}-l7"


def receipt(release: str) -> str:
    """ConfigMap that keeps what live objects do not tell: what we made outside the cluster, what was there before."""
    return f"{service(release)}-l7"


def artifact(kind: str, release: str, namespace: str) -> str:
    """Key of a Prefect artifact: lower case, digits and dashes, one lineage per release."""
    return f"milvus-l7-{kind}-{namespace}-{release}"
