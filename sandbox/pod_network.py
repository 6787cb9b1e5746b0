"""Pod addresses as the cluster shows them, and where they are on this machine.

A pod listens on a loopback address, 127.a.b.c. A genuine API server refuses loopback addresses in Endpoints and
EndpointSlices (kubernetes pkg/apis/core/validation, ValidateNonSpecialIP), so cluster and Compute show 240.a.b.c
instead, from the class E range that GKE allows for pods. Only who dials an address translates it; nobody else answers
in that range, so real pod addresses (kind, minikube) pass through unharmed.
"""

_SHOWN, _REAL = "240.", "127."


def shown(address: str) -> str:
    """What the cluster shows for a pod that listens on a loopback address.

    >>> shown("127.30.5.7")
    '240.30.5.7'
    """
    return _SHOWN + address.removeprefix(_REAL) if address.startswith(_REAL) else address


def dialled(address: str) -> str:
    """Where a pod address from the cluster or from Compute is on this machine.

    >>> dialled("240.30.5.7"), dialled("10.244.0.3")
    ('127.30.5.7', '10.244.0.3')
    """
    return _REAL + address.removeprefix(_SHOWN) if address.startswith(_SHOWN) else address
