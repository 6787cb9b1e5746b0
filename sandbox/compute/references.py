"""References between resources: checked and made full URLs when they come in, counted when something goes (pure)."""

import functools
from collections.abc import Collection as Container
from typing import Any

from sandbox.compute import errors, fields, links
from sandbox.compute.catalogue import COLLECTIONS, Collection, Reference
from sandbox.compute.links import Ref
from sandbox.compute.store import Store

_PLAIN_LINKS = ("network", "subnetwork", "instance")
"""Fields that name what the sandbox does not have: made full URLs, not looked up."""


def resolve(store: Store, collection: Collection, resource: dict[str, Any], pending: Container[Ref]) -> None:
    """Make every reference a full URL, in place.

    Raises:
        GoogleError: a reference is malformed, names nothing, or names what is still being made.
    """
    for reference in collection.references:
        fields.rewrite(resource, reference.field, functools.partial(_url, store, reference, pending))
    for field in _PLAIN_LINKS:
        if resource.get(field):
            resource[field] = _plain(store.project, str(resource[field]))


def _plain(project: str, link: str) -> str:
    _, marker, tail = link.partition("projects/")
    return f"{links.BASE}v1/projects/{tail}" if marker else f"{links.BASE}v1/projects/{project}/{link}"


def _url(store: Store, reference: Reference, pending: Container[Ref], field: str, link: object) -> str:
    ref = links.parse(link, store.project)
    if ref is None:
        raise errors.invalid(field, link, "The URL is malformed.")
    if ref.collection not in reference.collections:
        raise errors.invalid(field, link, "Unexpected resource collection '" + ref.collection + "'.")
    if ref in pending:
        raise errors.not_ready(ref.path(store.project))
    if store.get(ref) is None:
        if reference.missing == "notFound":
            raise errors.not_found(ref.path(store.project))
        raise errors.invalid(field, link, "The referenced resource does not exist.")
    return ref.url(store.project)


def check_unused(store: Store, ref: Ref) -> None:
    """Refuse to delete what another resource refers to.

    An address goes though a forwarding rule has it: the rule keeps it as an ephemeral one. Both controllers rely on
    that: ingress-gce deletes a promoted address before the rule of port 443 (pkg/loadbalancers/l7.go Cleanup), and
    Kubernetes' own for Layer 4 releases one once its rule stands (gce_loadbalancer_external.go).

    Raises:
        GoogleError: in use; ingress-gce recognises it by status 400 and the words `being used by`.
    """
    user = next(store.referrers(ref), None)
    if user is not None:
        noun = COLLECTIONS[ref.collection].noun
        raise errors.in_use(noun, ref.path(store.project), user.path(store.project))
