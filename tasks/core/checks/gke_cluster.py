"""The cluster itself, where the GKE API was asked: container-native load balancing and GKE's Ingress controller.

Source: GKE API v1, projects.locations.clusters (ipAllocationPolicy, addonsConfig); gke.md §2.1, §14; IG#1755.
"""

from collections.abc import Iterator

from tasks.core.checks.check import Check, failed, passed, skipped
from tasks.core.checks.facts import Facts


def checks(facts: Facts) -> Iterator[Check]:
    """Both checks; skipped where the configuration names no gke_cluster."""
    config, cluster = facts.config, facts.cloud.cluster
    place = f"cluster {config.gke_cluster or '(of the kubeconfig)'}"
    command = f"--location {config.gke_location} --project {facts.cloud.project}"
    if cluster is None:
        why = facts.cloud.unread.get("cluster", "gke_cluster and gke_location are not given, so GKE was not asked")
        yield skipped("VpcNativeCheck", place, why, layer="compute")
        yield skipped("HttpLoadBalancingCheck", place, why)
        return
    if (cluster.get("ipAllocationPolicy") or {}).get("useIpAliases"):
        yield passed("VpcNativeCheck", place, "is VPC-native", layer="compute")
    else:
        seen = "is not VPC-native: a Pod's address cannot be an endpoint of a network endpoint group"
        mend = "It cannot be changed: move Milvus to a cluster made with --enable-ip-alias."
        yield failed("VpcNativeCheck", place, seen, mend, layer="compute")
    if ((cluster.get("addonsConfig") or {}).get("httpLoadBalancing") or {}).get("disabled"):
        mend = "Switch it on: gcloud container clusters update "
        mend += f"{config.gke_cluster} {command} --update-addons=HttpLoadBalancing=ENABLED"
        yield failed(
            "HttpLoadBalancingCheck", place, "the HttpLoadBalancing add-on is off: nobody serves Ingresses", mend
        )
    else:
        yield passed("HttpLoadBalancingCheck", place, "the HttpLoadBalancing add-on is on")
