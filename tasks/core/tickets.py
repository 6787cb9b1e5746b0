"""What a ticket is to Prefect: the key that makes the same request the same run, and the tag that finds it again."""

import hashlib
import json
import uuid
from typing import Any, Final

from tasks.core.config import LoadBalancerConfig

TAG_PREFIX: Final = "ticket:"

# Names made of ticket and intent, apart from everybody else's.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "tickets.milvus-gke-l7")


def tag(ticket: str) -> str:
    """Tag of every run that works on a ticket.

    >>> tag("OPS-1")
    'ticket:OPS-1'
    """
    return f"{TAG_PREFIX}{ticket}"


def intent(config: LoadBalancerConfig) -> dict[str, Any]:
    """What is asked for: the parameters that differ from their defaults, in one spelling each.

    Without those that a request accepts for convenience and its flow does not have.
    """
    return config.model_dump(mode="json", exclude_defaults=True, exclude=set(getattr(config, "UNUSED", ())))


def canonical(parameters: dict[str, Any]) -> str:
    """One text per intent: keys sorted, no spaces, no escapes.

    >>> canonical({"ticket": "OPS-1", "domain": "milvus.example.com"})
    '{"domain":"milvus.example.com","ticket":"OPS-1"}'
    """
    return json.dumps(parameters, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def idempotency_key(config: LoadBalancerConfig, flow: str = "provision") -> str:
    """Key under which Prefect makes one run and gives it back ever after.

    Prefect keeps keys apart by flow already; the flow's name is in it for whoever reads it.
    """
    digest = hashlib.sha256(canonical(intent(config)).encode()).hexdigest()
    return f"{config.ticket}:{flow}:{digest}"


def event_id(config: LoadBalancerConfig, flow: str = "provision") -> str:
    """UUID for the event of a ticket: Prefect's triggers pass over an event whose id they saw a short while ago."""
    return str(uuid.uuid5(_NAMESPACE, idempotency_key(config, flow)))
