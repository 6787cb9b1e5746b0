"""What became of each object that is ours to keep, in one word: what a report lists among its resources."""

from collections.abc import Iterable, Iterator

from tasks.core import names, status
from tasks.core.config import CertificateMode
from tasks.core.drift import Deviation
from tasks.core.progress import Action, Change
from tasks.core.three_ways.rows import MISSING
from tasks.core.three_ways.sides import Sides

_OBJECT_ITSELF = ("", "data.tls.crt")
"""Fields of a deviation without which there is no such object; a Secret without a certificate is none."""


def verdicts(sides: Sides, deviations: Iterable[Deviation]) -> list[Change]:
    """Every object of ours: unchanged, or missing, or in which fields it differs from what is wanted."""
    told = list(deviations)
    return [_verdict(resource, [each for each in told if each.resource == resource]) for resource in _objects(sides)]


def _verdict(resource: str, told: list[Deviation]) -> Change:
    if any(each.field in _OBJECT_ITSELF and each.cluster == MISSING for each in told):
        return Change(resource=resource, action="missing")
    action: Action = "differs" if told else "unchanged"
    detail = "; ".join(f"{each.field} is {each.cluster or MISSING}" for each in told)
    return Change(resource=resource, action=action, detail=detail)


def _objects(sides: Sides) -> Iterator[str]:
    config = sides.config
    yield f"service {sides.service}"
    yield f"backendconfig {config.namespace}/{names.backend_config(config.release)}"
    yield f"frontendconfig {config.namespace}/{names.frontend_config(config.release)}"
    # Without its port there is no saying what the Ingress should be.
    if status.milvus_port(sides.cluster.service or {}) is not None:
        yield sides.ingress
    if config.certificate_mode is CertificateMode.GOOGLE_MANAGED:
        yield f"managedcertificate {config.namespace}/{names.certificate(config.release)}"
    else:
        yield f"secret {config.namespace}/{config.tls_secret}"
