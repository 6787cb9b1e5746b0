"""What can be read of a cluster and of Compute, whoever answers: the client itself, or a look that remembers.

Who takes a reader cannot write, so it can be handed either of the two. What is given belongs to all who asked: nobody
changes it.
"""

from typing import Any, Protocol

from tasks.clients.kubernetes import Kind

Object = dict[str, Any]


class ClusterReader(Protocol):
    """The reading half of `tasks.clients.kubernetes.Cluster`, where each method is described."""

    @property
    def host(self) -> str:
        """URL of the API server."""

    def read(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object."""

    def list_objects(self, kind: Kind, namespace: str, *, labels: str = "", fields: str = "") -> list[Object]:
        """The objects of a namespace."""

    def first_objects(self, kind: Kind, limit: int) -> list[Object]:
        """Some objects of every namespace."""

    def pod_log(self, namespace: str, name: str, container: str, *, previous: bool, lines: int = 30) -> str:
        """The end of a container's log."""

    def serves(self, kind: Kind) -> bool:
        """Whether the cluster knows the kind."""

    def may(self, verb: str, kind: Kind, namespace: str) -> bool:
        """Whether we may do this; asking leaves no trace."""

    def version(self) -> str:
        """Version of the API server."""


class ComputeReader(Protocol):
    """The reading half of `tasks.clients.compute.Compute`, where each method is described."""

    @property
    def project(self) -> str:
        """Project that is read."""

    def get(self, collection: str, name: str) -> Object | None:
        """One global resource."""

    def list_resources(self, collection: str) -> list[Object]:
        """All of a collection."""

    def quotas(self) -> list[Object]:
        """The project's quotas."""

    def regional_addresses(self, name: str) -> list[Object]:
        """The addresses of this name in every region."""

    def health(self, backend_service: str, group: str) -> list[Object]:
        """Health of one group of a backend service."""
