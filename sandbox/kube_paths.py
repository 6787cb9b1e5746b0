"""Paths of the Kubernetes API."""


def path_of(collection: str, namespace: str, name: str, subresource: str = "") -> str:
    """The path of one object of a collection.

    >>> path_of("/api/v1/services", "a", "b")
    '/api/v1/namespaces/a/services/b'
    """
    group, plural = collection.rsplit("/", 1)
    return f"{group}/namespaces/{namespace}/{plural}/{name}" + (f"/{subresource}" if subresource else "")
